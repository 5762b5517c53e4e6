"""How many examples a property gets."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

DEEP = os.environ.get("FSREC_FUZZ") == "deep"
FACTOR = 40 if DEEP else 1


long = pytest.mark.timeout(3600 if DEEP else 300)
"""Of a test that starts a daemon and drives it for a while."""


def fuzz(examples: int, *, shrink: bool = True) -> Callable[[Any], Any]:
    """So many examples in the quick profile, the same ones each time; in the deep one forty times as many.

    Without ``shrink`` a failure is told as it was found: where an example takes long, a smaller one takes minutes.
    """
    return settings(
        max_examples=examples * FACTOR,
        derandomize=not DEEP,
        database=None,
        print_blob=True,
        phases=[phase for phase in Phase if shrink or phase not in {Phase.shrink, Phase.explain}],
        suppress_health_check=list(HealthCheck),
    )
