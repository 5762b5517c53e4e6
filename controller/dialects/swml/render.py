"""Notice → the callback that `status_url` gets.

The reference documents two shapes of it, on the pages of `record` and of `record_call`; the payload is their union,
so that a reader of either finds its fields (DESIGN section 9).
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from controller.dialects.swml.asking import TRACKS
from controller.documents.dialect import Account
from controller.documents.fetch import shown
from controller.recordings.model import Delivery, Notice, NoticeKind, Recording

EVENT_TYPE = "calling.call.record"

STATES = {
    NoticeKind.STARTED: "recording",
    NoticeKind.PAUSED: "paused",
    NoticeKind.RESUMED: "recording",
    NoticeKind.COMPLETED: "finished",
    NoticeKind.NO_INPUT: "no_input",
    NoticeKind.ABSENT: "finished",
    NoticeKind.FAILED: "error",
}
"""The core's notices as SWML's states; `absent` is `finished` with a duration of 0."""

_DIRECTIONS = {track: direction for direction, track in TRACKS.items()}
_DOWNLOAD = re.compile(r"/api/v1/recordings/([0-9a-f-]{36})/download(?:\?[^#]*)?(?:#.*)?")
_HEADERS = (("Content-Type", "application/json"),)


def recording_url(public_url: str, recording: Recording) -> str:
    """Return where the recording's media is; 404 there until it is ready."""
    return f"{public_url}/api/v1/recordings/{recording.id}/download"


def recording_of(public_url: str, url: str) -> str | None:
    """Return the id of the recording that a URL of ours means, None for others; credentials in it don't matter."""
    found = _DOWNLOAD.fullmatch(shown(url).removeprefix(public_url))
    return None if found is None else found[1]


def render(notice: Notice, account: Account, public_url: str, dialect: str) -> Delivery | None:
    """Return the callback of a notice, or None where nobody asked to be told."""
    recording = notice.recording
    target = recording.request.status
    if target is None:
        return None
    payload = {
        "event_type": EVENT_TYPE,
        "event_channel": f"swml:{recording.owner.session}",
        "timestamp": notice.at,
        "project_id": account.identity,
        "space_id": account.space,
        "params": _params(notice, recording_url(public_url, recording)),
    }
    body = orjson.dumps(payload)
    return Delivery(notice.id, account.name, dialect, target.method, target.url, _HEADERS, body)


def _params(notice: Notice, url: str) -> dict[str, Any]:
    recording = notice.recording
    request = recording.request
    ended = STATES[notice.kind] in {"finished", "no_input"}
    served = recording.measured.format if ended and recording.measured is not None else request.format
    audio = {
        "format": served,
        "direction": _DIRECTIONS[request.track],
        "stereo": request.channel_count == 2,
    }
    params: dict[str, Any] = {
        "call_id": recording.owner.call,
        "node_id": recording.owner.switch,
        "control_id": request.reference,
        "state": STATES[notice.kind],
        "url": url,
        "recording_id": recording.id,
        "record": {"audio": audio},
    }
    if notice.kind is NoticeKind.PAUSED and recording.paused_behavior is not None:
        params["pause_behavior"] = str(recording.paused_behavior)
    if notice.kind.last and recording.started_at is not None:
        params["start_time"] = recording.started_at
        params["end_time"] = recording.ended_at if recording.ended_at is not None else notice.at
    if ended:
        duration, size = _extent(notice)
        params |= {"duration": duration, "size": size}
        params["record"] |= {"url": url, "duration": duration, "size": size, "format": served}
    return params


def _extent(notice: Notice) -> tuple[float, int]:
    """Return float seconds and bytes of what is served; an absent recording has no length, whatever was written."""
    measured = notice.recording.measured
    if measured is None:
        return 0.0, 0
    return (0.0 if notice.kind is NoticeKind.ABSENT else measured.duration), measured.size
