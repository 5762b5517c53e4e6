"""docs/swml.md names every method and property of the table, with its default and how far it is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.dialects.swml import SwmlDialect
from controller.dialects.swml.methods import DOCUMENTED, METHODS
from controller.dialects.swml.rows import Method, Property, Served

PAGE = (Path(__file__).parent.parent / "docs" / "swml.md").read_text()
SECTIONS = dict(re.findall(r"^### `?(\w+)`?\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))


def rows(section: str) -> dict[str, list[str]]:
    """The cells of each property's row by its name."""
    found = re.findall(r"^\| `(\w+)` \|(.*)\|$", section, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split(" | ")] for name, cells in found}


def said(row: Property) -> str:
    """A default as the page writes it."""
    if row.default is None:
        return "\N{EN DASH}"
    if isinstance(row.default, bool):
        return str(row.default).lower()
    if isinstance(row.default, str):
        return f"`{row.default}`" if row.default else "none"
    return str(row.default)


def test_methods() -> None:
    """Those that run have a section and a place at the head, the others are named as refused, and no others are."""
    refused = set(re.findall(r"`(\w+)`", SECTIONS["Refused"]))
    assert set(SECTIONS) - {"Refused"} == set(METHODS)
    assert refused == DOCUMENTED - METHODS.keys()
    assert set(re.findall(r"\[`(\w+)`\]\(#\1\)", PAGE)) == set(METHODS)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_properties(method: Method) -> None:
    """Each property has its row: the default, what is required, and that it is refused where it is."""
    found = rows(SECTIONS[method.name])
    if method.whole:
        assert found == {}
        return
    assert list(found) == [row.name for row in method.properties]
    for row in method.properties:
        value, default, note = found[row.name]
        assert default == said(row), row.name
        assert ("required" in note) == row.required, row.name
        assert note.startswith("refused") == (row.served is not Served.FULLY), row.name
        assert ("`${…}`" in value) == row.variable, row.name
        for choice in row.choices:
            assert f"`{choice}`" in value, row.name


README = (Path(__file__).parent.parent / "README.md").read_text()


def test_readme() -> None:
    """The document that the README shows passes the check, and the mistake that it shows is told as it says."""
    shown = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (document,) = (text for text in shown if "sections:" in text)
    dialect = SwmlDialect("https://rec.example.com")
    assert dialect.check(document, "README.md") == ()
    (told,) = re.findall(r"^voicemail.swml.yaml: (.*)$", README, re.MULTILINE)
    (problem,) = dialect.check(document.replace("end_silence_timeout", "end_silence"), "README.md")
    assert re.fullmatch(re.escape(told).replace("…", ".*"), str(problem))
