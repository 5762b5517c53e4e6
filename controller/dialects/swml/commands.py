"""SignalWire's command `calling.record`: what its parameters ask for (spec swml 6).

The properties are those of the document's methods; their defaults are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.dialects.swml.asking import TRACKS
from controller.dialects.swml.messages import Wrong
from controller.dialects.swml.nodes import Scalar
from controller.dialects.swml.rows import Property
from controller.dialects.swml.rows_recording import RECORD_CALL
from controller.dialects.swml.templates import Template
from controller.dialects.swml.values import Value, judge, wanted
from controller.recordings.model import Channels, RecordingRequest, StatusTarget

SOURCE = "calling.record"
DEFAULTS: dict[str, bool | float | str | None] = {
    "beep": False,
    "format": "mp3",
    "stereo": False,
    "direction": "speak",
    "initial_timeout": 4.0,
    "end_silence_timeout": 0.5,
    "max_length": 0.0,
    "terminators": "#",
    "input_sensitivity": 44.0,
}
"""Of `record.audio`; a max_length of 0 is no limit."""

_ROWS = {row.name: row for row in RECORD_CALL.properties}


def row(name: str) -> Property:
    """Return the row of a property of ``record.audio``."""
    found = _ROWS[name]
    return replace(found, above=None, at_least=0.0) if name == "max_length" else found


class CommandWrong(Exception):
    """A parameter that is wrong: which, by its path, and what would be right."""

    def __init__(self, attribute: str, message: str) -> None:
        super().__init__(message)
        self.attribute = attribute


def record(params: Mapping[str, Any]) -> RecordingRequest:
    """Return the recording that the parameters of a `calling.record` ask for. Raises CommandWrong.

    The reference has `record.audio`; SignalWire's SDK 3.7 sends `audio` alone.
    """
    where, audio = "audio", params.get("audio")
    if audio is None:
        where = "record.audio"
        audio = _object(params.get("record", {}), "record", ("audio",)).get("audio", {})
    audio = _object(audio, where, DEFAULTS)
    values: dict[str, Any] = {
        name: default if audio.get(name) is None else _value(row(name), audio[name], f"{where}.{name}")
        for name, default in DEFAULTS.items()
    }
    url = params.get("status_url")
    return RecordingRequest(
        channels=Channels.DUAL if values["stereo"] else Channels.MONO,
        track=TRACKS[values["direction"]],
        format=values["format"],
        reference=str(params.get("control_id", "")),
        source=SOURCE,
        beep=values["beep"],
        terminators=values["terminators"].upper(),
        initial_timeout=values["initial_timeout"],
        end_silence_timeout=values["end_silence_timeout"],
        max_length=values["max_length"] or None,
        sensitivity=values["input_sensitivity"],
        status=None if url is None else StatusTarget(str(_value(_ROWS["status_url"], url, "status_url"))),
    )


def _object(value: object, where: str, known: Mapping[str, object] | tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CommandWrong(where, "must be an object")
    for name in value:
        if name not in known:
            raise CommandWrong(f"{where}.{name[:64]}", f"unknown; known are {', '.join(known)}")
    return value


def _value(row: Property, value: object, where: str) -> Value:
    if not isinstance(value, (bool, int, float, str)):
        raise CommandWrong(where, f"must be {wanted(row)}")
    try:
        found = judge(row, Scalar(0, value))
    except Wrong as wrong:
        raise CommandWrong(where, str(wrong)) from None
    if isinstance(found, Template):
        raise CommandWrong(where, f"must be {wanted(row)}: a command has no variables")
    return found
