"""Playable sounds: the texts of `play` and `prompt` → what is to be played.

A sound is `http(s)://…`, `say:<text>`, `silence:<seconds>` or `ring:[<seconds>:]<country>`; the schema allows one
space after each colon, and so do we. What is spoken is one line: runs of white space and control characters, which
nobody can hear, become a space.
"""

from __future__ import annotations

import re

from controller.dialects.swml.messages import Wrong, nearest, quoted
from controller.dialects.swml.rows import Kind
from controller.dialects.swml.templates import Template
from controller.dialects.swml.urls import check_url
from controller.documents.steps import AudioAt, Item, Quiet, Ringing, Speech

COUNTRIES = (
    *("at", "au", "bg", "br", "be", "ch", "cl", "cn", "cz", "de", "dk", "ee", "es", "fi", "fr", "gr", "hu", "il"),
    *("in", "it", "lt", "jp", "mx", "my", "nl", "no", "nz", "ph", "pl", "pt", "ru", "se", "sg", "th", "uk", "us"),
    *("us-old", "tw", "ve", "za"),
)
"""The reference's ring tones."""

LONGEST_SPEECH = 5_000
"""Characters of one `say:`, some minutes."""

LONGEST_SOUND = 86_400.0
"""Seconds of one silence or ringing."""

MOST_SOUNDS = 100
"""Sounds of one `play` or `prompt`."""

_BEGINNINGS = ("http://", "https://", "say:", "silence:", "ring:")
_SECONDS = r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})"
_SILENCE = re.compile(rf"silence: ?{_SECONDS}\Z", re.IGNORECASE | re.ASCII)
_RING = re.compile(rf"ring: ?(?:{_SECONDS}: ?)?([a-z-]+)\Z", re.IGNORECASE | re.ASCII)
_INAUDIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")


def sound(text: str, voice: str = "", language: str = "", gender: str = "") -> Item:
    """Return what a text means, spoken as wished. Raises Wrong."""
    kind = text.partition(":")[0].lower()
    match kind:
        case "http" | "https":
            check_url(text)
            return AudioAt(text)
        case "say":
            return Speech(_spoken(text[len("say:") :]), voice, language, gender)
        case "silence":
            return Quiet(_silence(text))
        case "ring":
            return _ringing(text)
        case _:
            raise Wrong(f"must be {Kind.SOUND}; got {quoted(text)}")


def check_beginning(text: Template) -> None:
    """Refuse a text that is no sound, whatever its variables are. Raises Wrong."""
    first = text.parts[0]
    if not isinstance(first, str):
        return
    written = first.lower()
    if not any(written.startswith(known) or known.startswith(written) for known in _BEGINNINGS):
        raise Wrong(f"must be {Kind.SOUND}; got {quoted(text.text)}")


def _spoken(text: str) -> str:
    said = _INAUDIBLE.sub(" ", text).strip()
    if not said:
        raise Wrong("must have something to say after `say:`; got nothing")
    if len(said) > LONGEST_SPEECH:
        raise Wrong(f"must say at most {LONGEST_SPEECH} characters; got {len(said)}")
    return said


def _silence(text: str) -> float:
    found = _SILENCE.match(text)
    if found is None or float(found[1]) > LONGEST_SOUND:
        raise Wrong(f"must be silence:<seconds>, at most {LONGEST_SOUND:g}; got {quoted(text)}")
    return float(found[1])


def _ringing(text: str) -> Ringing:
    found = _RING.match(text)
    if found is None:
        raise Wrong(f"must be ring:<country> or ring:<seconds>:<country>; got {quoted(text)}")
    country = found[2].lower()
    if country not in COUNTRIES:
        known = ", ".join(COUNTRIES)
        raise Wrong(f"must ring as one of {known}; got {quoted(text)}{nearest(country, COUNTRIES)}")
    if found[1] is None:
        return Ringing(country)
    seconds = float(found[1])
    if not 0 < seconds <= LONGEST_SOUND:
        raise Wrong(f"must ring for more than 0 and at most {LONGEST_SOUND:g} seconds; got {quoted(text)}")
    return Ringing(country, seconds)
