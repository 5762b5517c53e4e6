"""Prometheus' own programs (Debian's package prometheus has both)."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Literal

import pytest


def program(name: Literal["prometheus", "promtool"]) -> str:
    """The path of one of them. Without it the test is skipped; fails where FSREC_REQUIRE_PROMETHEUS=1."""
    found = shutil.which(name)
    if found is not None:
        return found
    if os.environ.get("FSREC_REQUIRE_PROMETHEUS") == "1":
        pytest.fail(f"FSREC_REQUIRE_PROMETHEUS=1, but there is no {name}", pytrace=False)
    pytest.skip(f"no {name}: install Debian's prometheus")


def lint(exposition: bytes) -> str:
    """What `promtool check metrics` has to say of an exposition; nothing where all is well."""
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=exposition, capture_output=True, timeout=30, check=False
    )
    told = (checked.stdout + checked.stderr).decode()
    return told or ("" if checked.returncode == 0 else f"promtool ended with {checked.returncode}")
