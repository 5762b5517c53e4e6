"""A recording as SignalWire's Relay REST API shows it (`/api/relay/rest/recordings`; spec swml 6)."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from controller.dialects.swml.fetch import leg_type
from controller.dialects.swml.render import recording_url
from controller.documents.call import Call
from controller.documents.dialect import Account
from controller.recordings.model import Recording, State

STATUS = {
    State.REQUESTED: "in-progress",
    State.RECORDING: "in-progress",
    State.PAUSED: "paused",
    State.STOPPING: "processing",
    State.PROCESSING: "processing",
    State.COMPLETED: "completed",
    State.NO_INPUT: "completed",
    State.ABSENT: "absent",
    State.FAILED: "failed",
}
"""No source lists the words of `status`; `completed` is its example."""

LEGS = {"phone": "relay_pstn_leg_id", "sip": "relay_sip_leg_id", "webrtc": "relay_webrtc_leg_id"}


def shape(recording: Recording, call: Call | None, account: Account, public_url: str) -> dict[str, Any]:
    """Return a recording's JSON; its leg has a key of its kind, a SIP leg's where the call's row is gone."""
    measured = recording.measured
    minutes = 0 if measured is None else math.ceil(measured.duration / 60)
    shown: dict[str, Any] = {
        "id": recording.id,
        "project_id": account.identity,
        "created_at": _time(recording.requested_at),
        "updated_at": _time(recording.finished_at or recording.ended_at or recording.requested_at),
        "duration_in_seconds": 0 if measured is None else math.floor(measured.duration + 0.5),
        "price": round(account.price_per_minute * minutes, 6),
        "price_unit": "USD",
        "status": STATUS[recording.state],
        "url": recording_url(public_url, recording),
        "stereo": recording.request.channel_count == 2,
        "track": recording.request.track.value,
        LEGS["sip" if call is None else leg_type(call)]: recording.owner.call,
    }
    if measured is not None:
        shown["byte_size"] = measured.size
    if recording.state is State.FAILED:
        shown["error_code"] = "recording_failed"
    return shown


def _time(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
