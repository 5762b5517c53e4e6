"""docs/metrics.md is what the tables say."""

from __future__ import annotations

from pathlib import Path

import controller
from controller.metrics.manual import manual
from controller.metrics.registry import PREFIX, Names
from controller.metrics.tables import table


def test_the_manual_is_up_to_date() -> None:
    """The page is what `python -m controller.metrics.manual` prints, with every family in it."""
    page = (Path(controller.__file__).parent.parent / "docs" / "metrics.md").read_text()
    assert page == manual(), "run: python -m controller.metrics.manual > docs/metrics.md"
    assert not [family.name for family in table(Names((), ())) if f"`{PREFIX}{family.name}`" not in page]
