"""What a callback says, in any vendor's words, as one value: read from a receiver's log and from the outbox alike."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Told:
    """``state`` is completed, absent, failed or what it is in between; ``seconds`` to within ``exact`` of them."""

    recording: str
    word: str
    state: str
    seconds: float | None = None
    exact: float = 0.001
    size: int | None = None
    url: str = ""
    began: float | None = None
    ended: float | None = None
    behavior: str = ""

    @property
    def final(self) -> bool:
        """Whether it is the recording's end."""
        return self.state in {"completed", "absent", "failed"}


def told_of(path: str, kind: str, body: bytes) -> Told | None:
    """Read a callback; None for what is none of a recording (an action)."""
    if not path.startswith("/status"):
        return None
    if "json" in kind:
        return _swml(json.loads(body)["params"])
    fields = {name: values[-1] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
    return _twilio(fields) if "RecordingSid" in fields else _plivo(fields)


_SWML = {"finished": "completed", "no_input": "completed", "error": "failed"}


def _swml(params: dict[str, Any]) -> Told:
    word = params["state"]
    state = _SWML.get(word, word)
    if state == "completed" and params["duration"] == 0:
        state = "absent"
    return Told(
        params["recording_id"],
        word,
        state,
        params.get("duration"),
        size=params.get("size"),
        url=params["url"],
        began=params.get("start_time"),
        ended=params.get("end_time"),
        behavior=params.get("pause_behavior", ""),
    )


def _twilio(fields: dict[str, str]) -> Told:
    word = fields["RecordingStatus"]
    state = "failed" if fields.get("ErrorCode") == "16100" else word
    length = fields.get("RecordingDuration")
    sid = fields["RecordingSid"].removeprefix("RE")
    seconds = None if length is None else float(length)
    exact = 1.0 if length == "1" else 0.501  # whole seconds; what has any length is at least 1
    return Told(str(uuid.UUID(sid)), word, state, seconds, exact=exact, url=fields["RecordingUrl"] + ".wav")


def _plivo(fields: dict[str, str]) -> Told:
    api = "recording_id" in fields
    milliseconds = float(fields["recording_duration_ms" if api else "RecordingDurationMs"])
    # A recording that failed is told like one that is empty (DESIGN section 9)
    state = "completed" if milliseconds > 0 else "absent"
    began, ended = (
        float(fields[name]) / 1000
        for name in (("recording_start_ms", "recording_end_ms") if api else ("RecordingStartMs", "RecordingEndMs"))
    )
    return Told(
        fields["recording_id" if api else "RecordingID"],
        "RecordStop",
        state,
        milliseconds / 1000,
        url=fields["record_url" if api else "RecordUrl"],
        began=began if began > 0 else None,
        ended=ended if ended > 0 else None,
    )
