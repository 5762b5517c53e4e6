"""`calling.record`: its own defaults, every property, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from controller.dialects.swml.commands import DEFAULTS, CommandWrong, record
from controller.recordings.model import Channels, StatusTarget, Track


def test_defaults() -> None:
    """They are the command's, not those of a document's methods (spec swml 6)."""
    made = record({"control_id": "c"})
    assert (made.format, made.channels, made.track, made.beep) == ("mp3", Channels.MONO, Track.INBOUND, False)
    assert (made.initial_timeout, made.end_silence_timeout, made.max_length) == (4.0, 0.5, None)
    assert (made.terminators, made.sensitivity, made.status, made.reference) == ("#", 44.0, None, "c")
    assert made == record({"control_id": "c", "record": {"audio": dict(DEFAULTS)}})


@pytest.mark.parametrize("wrapped", [True, False])
def test_every_property(wrapped: bool) -> None:
    """As the reference nests them, and as SignalWire's SDK does."""
    audio = {
        "beep": True,
        "format": "wav",
        "stereo": True,
        "direction": "both",
        "initial_timeout": 0,
        "end_silence_timeout": 2,
        "max_length": 60,
        "terminators": "*a",
        "input_sensitivity": 10.5,
    }
    given: dict[str, Any] = {"record": {"audio": audio}} if wrapped else {"audio": audio}
    made = record({"control_id": "c", **given, "status_url": "https://x/y"})
    assert (made.beep, made.format, made.channels, made.track) == (True, "wav", Channels.DUAL, Track.BOTH)
    assert (made.initial_timeout, made.end_silence_timeout, made.max_length) == (0.0, 2.0, 60.0)
    assert (made.terminators, made.sensitivity, made.status) == ("*A", 10.5, StatusTarget("https://x/y"))


@pytest.mark.parametrize(
    ("params", "attribute"),
    [
        ({"record": 1}, "record"),
        ({"record": {"video": {}}}, "record.video"),
        ({"record": {"audio": []}}, "record.audio"),
        ({"record": {"audio": {"colour": 1}}}, "record.audio.colour"),
        ({"audio": {"beep": "yes"}}, "audio.beep"),
        ({"audio": {"format": "ogg"}}, "audio.format"),
        ({"audio": {"direction": "in"}}, "audio.direction"),
        ({"audio": {"max_length": -1}}, "audio.max_length"),
        ({"audio": {"max_length": float("inf")}}, "audio.max_length"),
        ({"audio": {"terminators": "xyz"}}, "audio.terminators"),
        ({"audio": {"terminators": ["#"]}}, "audio.terminators"),
        ({"audio": {"terminators": "${x}"}}, "audio.terminators"),
        ({"audio": {"input_sensitivity": 101}}, "audio.input_sensitivity"),
        ({"status_url": "ftp://x"}, "status_url"),
        ({"status_url": 1}, "status_url"),
    ],
)
def test_what_is_wrong(params: dict[str, Any], attribute: str) -> None:
    """It is named by its path."""
    with pytest.raises(CommandWrong) as wrong:
        record({"control_id": "c", **params})
    assert wrong.value.attribute == attribute
