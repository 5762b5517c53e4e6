"""What to do without something that a test needs of its machine."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(reason: str, required: str = "FSREC_REQUIRE_LIVE") -> NoReturn:
    """Skip for want of it (something live, unless ``required`` names another variable); a failure where that is 1."""
    if os.environ.get(required) == "1":
        pytest.fail(f"{required}=1, but {reason}", pytrace=False)
    pytest.skip(reason)
