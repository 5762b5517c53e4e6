"""What to do without a live switch."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(reason: str) -> NoReturn:
    """Skip for want of something live; a failure where FSREC_REQUIRE_LIVE=1."""
    if os.environ.get("FSREC_REQUIRE_LIVE") == "1":
        pytest.fail(f"FSREC_REQUIRE_LIVE=1, but {reason}", pytrace=False)
    pytest.skip(reason)
