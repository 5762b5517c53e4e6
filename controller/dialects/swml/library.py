"""All that a run may go by: the call's own document, and those that it fetched and is still in.

A fetched document's blocks lie under a scope of their own, as an inline document's do, so that its sections are not
the caller's. Its text is part of the snapshot: a restart goes on with the very same one. A document that no frame is
in any more is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from controller.dialects.swml.blocks import Block, Document, section_block
from controller.dialects.swml.document import MAIN, read
from controller.dialects.swml.frames import BadSnapshot
from controller.documents.dialect import DocumentError

MOST_FETCHED = 262_144
"""Characters of all fetched documents that a run is in at a time: they are stored with every step."""

_FETCHED = re.compile(r"@([0-9]+):")
"""How the blocks of a fetched document begin; no section's block does."""


class Unusable(ValueError):
    """A fetched document that cannot be gone on with; the text says why."""


class Library:
    """Blocks by name, and the texts that they are of."""

    def __init__(self, document: Document) -> None:
        self._own = document
        self._fetched: dict[int, str] = {}
        self.blocks: Mapping[str, Block] = document.blocks

    @property
    def changing(self) -> bool:
        """Whether it holds anything that may be forgotten."""
        return bool(self._fetched)

    def add(self, text: str) -> str:
        """Return the block that a fetched document begins with. Raises Unusable."""
        for number, known in self._fetched.items():
            if known == text:
                return section_block(_scope(number), MAIN)
        if sum(map(len, self._fetched.values())) + len(text) > MOST_FETCHED:
            raise Unusable(f"the fetched documents that run would together have more than {MOST_FETCHED} characters")
        number = max(self._fetched, default=0) + 1
        try:
            self._put(number, text)
        except DocumentError as error:
            raise Unusable("; ".join(str(problem) for problem in error.problems)) from None
        return section_block(_scope(number), MAIN)

    def keep(self, blocks: Collection[str]) -> None:
        """Forget the documents that none of these blocks is of."""
        kept = {_number(block) for block in blocks}
        gone = self._fetched.keys() - kept
        for number in gone:
            del self._fetched[number]
        self.blocks = {name: block for name, block in self.blocks.items() if _number(name) not in gone}

    def text_of(self, block: str) -> str:
        """Return the text of the document that a block is of."""
        number = _number(block)
        return self._own.text if number is None else self._fetched[number]

    def snapshot(self) -> list[list[int | str]]:
        """Return what was fetched, in JSON types."""
        return [[number, text] for number, text in self._fetched.items()]

    def restore(self, stored: object) -> None:
        """Take what was fetched from a snapshot. Raises BadSnapshot."""
        if not isinstance(stored, list):
            raise BadSnapshot("a field is missing or of another type")
        for one in stored:
            match one:
                case [int(number), str(text)]:
                    pass
                case _:
                    raise BadSnapshot("a fetched document is of another type")
            try:
                self._put(number, text)
            except DocumentError as error:
                raise BadSnapshot(f"a fetched document cannot be read any more: {error}") from None

    def _put(self, number: int, text: str) -> None:
        document = read(text, "the fetched document", _scope(number))
        self.blocks = {**self.blocks, **document.blocks}
        self._fetched[number] = text


def _scope(number: int) -> str:
    return f"@{number}:"


def _number(block: str) -> int | None:
    found = _FETCHED.match(block)
    return None if found is None else int(found[1])
