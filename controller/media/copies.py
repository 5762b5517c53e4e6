"""Where copies of ours lie: one name for a recording and a format, made of its id alone."""

from __future__ import annotations

import re
from pathlib import Path

from controller.recordings.model import Recording

WAV = "wav"
TYPES = {WAV: "audio/wav", "mp3": "audio/mpeg", "mp4": "audio/mp4"}
"""The formats of recordings, and what they are called in HTTP."""
FORMATS = tuple(TYPES)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def is_id(text: str) -> bool:
    """Tell whether this is a recording's id."""
    return _ID.fullmatch(text) is not None


def copy_of(directory: Path, recording: Recording, form: str = WAV) -> Path:
    """Return where the copy in a format is, or would be. Raises ValueError for an id that is none."""
    if not is_id(recording.id):
        raise ValueError(f"{recording.id!r} is no recording id (uuid4)")
    return directory / recording.id[:2] / f"{recording.id}.{form}"
