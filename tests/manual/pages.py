"""The manual's pages: their tables, links, code, as a reader finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = tuple(sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))))
NAMES = {page: str(page.relative_to(ROOT)) for page in PAGES}

OF = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
"""Stands between a verb and those of its attributes that a row is about."""

VERDICTS = ("same", "differs", "left out")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(slots=True)
class Section:
    """A heading's rows: what the first cell names in code, the verdict of the second, what the third says."""

    title: str
    rows: list[tuple[tuple[str, ...], str, str]] = field(default_factory=list)

    def verdicts(self) -> dict[str, str]:
        """The verdict of each name; a verb's attribute is ``Verb.attribute``."""
        found: dict[str, str] = {}
        for names, verdict, _ in self.rows:
            for name in names:
                assert found.get(name, verdict) == verdict, f"{self.title}: {name} has two verdicts"
                found[name] = verdict
        return found


def sections(page: Path) -> list[Section]:
    """The page's sections in their order, with the rows of the tables that say what is the same."""
    found = [Section("")]
    for line in page.read_text().splitlines():
        heading = _HEADING.match(line)
        if heading:
            found.append(Section(heading[1].replace("`", "")))
        elif line.startswith("|") and len(cells := line.strip("|").split("|")) == 3 and cells[1].strip() in VERDICTS:
            found[-1].rows.append((_named(cells[0]), cells[1].strip(), cells[2].strip()))
    return found


def _named(cell: str) -> tuple[str, ...]:
    head, between, rest = cell.partition(OF)
    if not between:
        return tuple(_CODE.findall(cell))
    (verb,) = _CODE.findall(head)
    return tuple(f"{verb}.{name}" for name in _CODE.findall(rest))


def blocks(page: Path, language: str) -> list[str]:
    """What stands in fences of a language, without the indent of the list that they are in."""
    found = []
    for said, text in _FENCE.findall(page.read_text()):
        if said == language:
            indent = len(text) - len(text.lstrip(" "))
            found.append("".join(line[indent:] for line in text.splitlines(keepends=True)))
    return found


def spans(page: Path) -> list[str]:
    """Code within lines."""
    return _CODE.findall(_FENCE.sub("", page.read_text()))


def shell(page: Path) -> Iterator[str]:
    """Command lines: of spans, of fences, and of indented blocks."""
    text = page.read_text()
    yield from spans(page)
    for language, block in _FENCE.findall(text):
        if language in {"", "sh", "bash", "console"}:
            yield from (line.strip().removeprefix("$ ") for line in block.splitlines())
    yield from (line.strip() for line in re.findall(r"^ {4,}(\S.*)$", _FENCE.sub("", text), re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """What links may name of a page: its headings, as GitHub makes anchors of them."""
    titles = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    """Where its links lead to in this repository."""
    return [one for one in _LINK.findall(_FENCE.sub("", page.read_text())) if "://" not in one]
