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
from controller.media.copies import FORMATS, copy_of
from controller.media.roots import Root
from controller.recordings.model import Recording

_NOTE = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.(untrimmed|deleted|stored)"
)


class Doomed(StrEnum):
    """What is to go: a trimmed recording's master, all of a recording, its files here once the media store has it."""

    UNTRIMMED = "untrimmed"
    DELETED = "deleted"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class ClearingFailed:
    """Files of a recording that were to be removed could not be.

    It is tried again: where there is a media store soon, else at the next start.
    """

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


class Removal:
    """Removes the files of recordings, copies of which lie in ``derived``. Each method blocks.

    ``keep_untrimmed``: the master of a trimmed recording stays. ``condemned`` are the ids of those that are being
    deleted: what is noted of them stays until their rows say so.
    """

    def __init__(self, derived: Path, *, keep_untrimmed: bool) -> None:
        self.keep_untrimmed = keep_untrimmed
        self.notes = Notes(derived / "clearing")
        self.condemned: set[str] = set()
        self._derived = derived

    def delete(self, recording: Recording, root: Root | None) -> str | None:
        """Remove every file of a recording; return what is left alone, and why. Raises OSError, ValueError."""
        for form in FORMATS:
            durable.remove(copy_of(self._derived, recording, form))
        return _remove_master(recording, root)

    def clear(self, recording: Recording, root: Root | None) -> None:
        """Remove what a final recording has no use for, and drop what was noted. Raises OSError, ValueError."""
        noted = self.notes.has(recording.id, Doomed.UNTRIMMED)
        if recording.deleted_at is None and recording.stored:
            self._remove_stored(recording, root)
        elif recording.deleted_at is None and noted and self._unneeded(recording):
            _remove_master(recording, root)
        self.notes.drop(recording.id, Doomed.UNTRIMMED)
        if recording.deleted_at is not None or not recording.unstored:  # else it is noted again, perhaps just now
            self.notes.drop(recording.id, Doomed.STORED)
        if recording.deleted_at is not None or recording.id not in self.condemned:
            self.notes.drop(recording.id, Doomed.DELETED)
            self.condemned.discard(recording.id)

    def _unneeded(self, recording: Recording) -> bool:
        """Tell whether a recording's master is needed no longer, without a media store.

        Its copy is looked for: whatever went wrong, one of the two must stay. Of one that the media store is to have
        the master stays too, as another daemon may have to make the copy again.
        """
        measured = recording.measured
        trimmed = measured is not None and measured.trimmed > 0 and not self.keep_untrimmed
        return trimmed and not recording.unstored and copy_of(self._derived, recording).is_file()

    def _remove_stored(self, recording: Recording, root: Root | None) -> None:
        """Remove the files of a recording that the media store has, not an untrimmed master that is to be kept."""
        for form in FORMATS:
            durable.remove(copy_of(self._derived, recording, form))
        trimmed = recording.measured is not None and recording.measured.trimmed > 0
        if not (trimmed and self.keep_untrimmed):
            _remove_master(recording, root)


def _remove_master(recording: Recording, root: Root | None) -> str | None:
    """Remove it from where it is known to be; return why it isn't, where its directory left the settings."""
    try:
        if root is not None:
            durable.remove(root.local(recording.path))
    except ValueError as error:
        return f"its master is left alone: {error}"
    return None
