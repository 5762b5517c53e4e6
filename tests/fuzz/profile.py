"""How many examples a property gets."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

DEEP = os.environ.get("FSREC_FUZZ") == "deep"
FACTOR = 40 if DEEP else 1


def fuzz(examples: int) -> Callable[[Any], Any]:
    """So many examples in the quick profile, the same ones each time; in the deep one forty times as many."""
    return settings(
        max_examples=examples * FACTOR,
        derandomize=not DEEP,
        database=None,
        print_blob=True,
        deadline=None,  # a shared machine is slow at times; what does not end fails by the suite's own timeout
        suppress_health_check=list(HealthCheck),
    )
