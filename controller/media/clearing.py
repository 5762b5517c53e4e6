"""What is to be removed once a recording's row says so, noted on disk so that no crash leaves it lying about.

A note is an empty file named after the recording. It is made before the row is stored, and goes once all is removed:
a note without its row's word has no consequence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from controller.media import durable

_NOTE = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.(untrimmed|deleted)")


class Doomed(StrEnum):
    """What is to go: the master of which a trimmed copy was made, or every file of a recording."""

    UNTRIMMED = "untrimmed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ClearingFailed:
    """Files of a recording that were to be removed could not be; it is tried again at the next start."""

    recording: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes, in a directory of their own. Each method blocks and raises OSError."""

    directory: Path

    def make(self, recording: str, what: Doomed) -> None:
        """Note it durably."""
        durable.note(self._path(recording, what))

    def has(self, recording: str, what: Doomed) -> bool:
        """Tell whether it is noted."""
        return self._path(recording, what).exists()

    def drop(self, recording: str, what: Doomed) -> None:
        """Forget it."""
        durable.remove(self._path(recording, what))

    def recordings(self) -> tuple[str, ...]:
        """Return the ids of all recordings that something is noted of."""
        if not self.directory.is_dir():
            return ()
        found = (_NOTE.fullmatch(path.name) for path in self.directory.iterdir())
        return tuple(sorted({name[1] for name in found if name is not None}))

    def _path(self, recording: str, what: Doomed) -> Path:
        return self.directory / f"{recording}.{what.value}"
