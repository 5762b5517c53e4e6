"""What makes a daemon not ready, and what only degrades it."""

from __future__ import annotations

from typing import Any

import pytest

from controller.overload.health import Health, health
from controller.overload.levels import Shed

FINE: dict[str, Any] = {"unserved": {}, "full": {}, "busy": {}, "shed": [], "calls": (3, 10)}
AWAY = "switch fs1: not connected: its calls are not served"
FULL = "switch fs2: no bytes: no recording begins there"

CASES: list[tuple[list[str], dict[str, Any], tuple[str, ...], tuple[str, ...]]] = [
    (["fs1"], {}, (), ()),
    ([], {}, (), ()),
    (["fs1"], {"unserved": {"fs1": "not connected"}}, (AWAY,), ()),
    (["fs1", "fs2"], {"unserved": {"fs1": "not connected"}}, (), (AWAY,)),
    (["fs1", "fs2"], {"unserved": {"fs1": "not connected"}, "full": {"fs2": "no bytes"}}, (AWAY, FULL), ()),
    (["fs1", "fs2"], {"full": {"fs2": "no bytes"}}, (), (FULL,)),
    (["fs1", "fs2"], {"busy": {"fs1": "x", "fs2": "y"}}, ("switch fs1: x", "switch fs2: y"), ()),
    (["fs1"], {"shed": [(Shed.EXTRAS, "slow")]}, (), ("slow",)),
    (["fs1"], {"shed": [(Shed.EXTRAS, "slow"), (Shed.STARTS, "slower")]}, ("slower",), ("slow",)),
    (
        ["fs1"],
        {"calls": (10, 10)},
        ("10 calls live, as many as limits.calls allows: new calls are turned away",),
        (),
    ),
    (["fs1"], {"held": "why"}, (), ("retention: why: recordings are kept longer than retention_days",)),
]


@pytest.mark.parametrize(("switches", "wrong", "problems", "degraded"), CASES)
def test_what_is_said(
    switches: list[str], wrong: dict[str, Any], problems: tuple[str, ...], degraded: tuple[str, ...]
) -> None:
    """Not ready where no switch is served or nothing new is taken; one of several, or what can wait, degrades."""
    assert health(switches, **{**FINE, **wrong}) == Health(problems, degraded)
