"""Our own documents in `dialplans/documents`: they run as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialects.plivo.sample import dialect, run

OURS = sorted((Path(__file__).parents[3] / "dialplans" / "documents").glob("*.plivo.xml"))


def test_there_are_some() -> None:
    """One for each way to record."""
    texts = [path.read_text() for path in OURS]
    for way in ("playBeep", "recordSession", "startOnDialAnswer"):
        assert any(way in text for text in texts)


@pytest.mark.parametrize("path", OURS, ids=[path.name for path in OURS])
def test_samples(path: Path) -> None:
    """Nothing to refuse, nothing to warn of, and they come to an end."""
    text = path.read_text()
    assert dialect().check(text, str(path)) == ()
    assert dialect().warnings(text, str(path)) == ()
    body = text.partition("<Response>")[2].rpartition("</Response>")[0]
    assert run(body).steps
