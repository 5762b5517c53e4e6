"""What an instruction asks for: its method and values → a neutral step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from controller.dialects.swml.callees import groups
from controller.dialects.swml.methods import USUAL_REQUEST
from controller.dialects.swml.sounds import sound
from controller.dialects.swml.values import Value
from controller.documents.steps import (
    Answer,
    Dial,
    End,
    Gather,
    Item,
    Play,
    Record,
    Request,
    SendDigits,
    StartRecording,
    Step,
    StopRecording,
    Wait,
)
from controller.recordings.model import Channels, RecordingRequest, StatusTarget, Track

SOURCES = {"record": "swml.record", "record_call": "swml.record_call"}
"""The methods that record, and what their recordings are said to come from."""

TRACKS = {"speak": Track.INBOUND, "listen": Track.OUTBOUND, "both": Track.BOTH}
"""SWML's directions, seen from the leg's party: `speak` is what it says, `listen` what it hears."""

CAUSES = {"hangup": "NORMAL_CLEARING", "busy": "USER_BUSY", "decline": "CALL_REJECTED"}
"""SWML's reasons to hang up as FreeSWITCH's causes."""

_TYPES = {"{": "application/json", "[": "application/json", "<": "application/xml"}
_OTHER_TYPE = "application/x-www-form-urlencoded"


def step(method: str, values: Mapping[str, Value], control_id: str) -> Step | End:
    """Return what a method asks for. ``control_id`` names the recording that it starts or stops."""
    match method:
        case "answer":
            return Answer(longest=_number(values, "max_duration"))
        case "hangup":
            # A reason that its variables gave wrong keeps nobody on the line.
            return End(CAUSES[str(values.get("reason", "hangup"))])
        case "sleep":
            milliseconds = cast("int", values["duration"])
            return Wait(None if milliseconds < 0 else milliseconds / 1000)
        case "play":
            return Play(_items(values, "urls", "url"), _number(values, "volume"), bool(values["auto_answer"]))
        case "prompt":
            return Gather(
                _items(values, "play"),
                gain=_number(values, "volume"),
                most=cast("int", values["max_digits"]),
                terminators=str(values.get("terminators", "")).upper(),
                initial_timeout=_number(values, "initial_timeout"),
                digit_timeout=_number(values, "digit_timeout"),
            )
        case "send_digits":
            return SendDigits(str(values["digits"]))
        case "connect":
            return Dial(
                groups(values),
                timeout=_number(values, "timeout"),
                limit=_number(values, "max_duration"),
                answer=not values["answer_on_bridge"],
            )
        case "request":
            return _request(values)
        case "record":
            return Record(recording_request(method, values, control_id))
        case "record_call":
            return StartRecording(recording_request(method, values, control_id))
        case _:
            return StopRecording(control_id or None)


def recording_request(method: str, values: Mapping[str, Value], control_id: str) -> RecordingRequest:
    """Return what the values of `record` or `record_call` ask for, in the core's terms."""
    url, length = values.get("status_url"), values.get("max_length")
    return RecordingRequest(
        channels=Channels.DUAL if values["stereo"] else Channels.MONO,
        track=TRACKS[str(values["direction"])],
        format=str(values["format"]),
        reference=control_id,
        source=SOURCES[method],
        beep=bool(values["beep"]),
        terminators=str(values["terminators"]).upper(),
        initial_timeout=_number(values, "initial_timeout"),
        end_silence_timeout=_number(values, "end_silence_timeout"),
        max_length=None if length is None else cast("float", length),
        sensitivity=_number(values, "input_sensitivity"),
        status=None if url is None else StatusTarget(str(url)),
    )


def _items(values: Mapping[str, Value], *names: str) -> tuple[Item, ...]:
    written = next(values[name] for name in names if name in values)
    voice, language, gender = (str(values.get(name, "")) for name in ("say_voice", "say_language", "say_gender"))
    texts = written if isinstance(written, list) else [str(written)]
    return tuple(sound(text, voice, language, gender) for text in texts)


def _request(values: Mapping[str, Value]) -> Request:
    given = values.get("body")
    body = given if isinstance(given, str) else "" if given is None else json.dumps(given, ensure_ascii=False)
    headers = cast("Mapping[str, str]", values.get("headers", {}))
    if body and "content-type" not in {name.lower() for name in headers}:
        headers = {**headers, "Content-Type": _TYPES.get(body.lstrip()[:1], _OTHER_TYPE)}
    total = _number(values, "timeout") or float(USUAL_REQUEST)
    return Request(
        str(values["method"]),
        str(values["url"]),
        tuple(headers.items()),
        body.encode("utf-8", "replace"),
        connect=min(_number(values, "connect_timeout") or total, total),
        total=total,
    )


def _number(values: Mapping[str, Value], name: str) -> float:
    return cast("float", values[name])
