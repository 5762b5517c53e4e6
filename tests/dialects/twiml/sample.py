"""Values that the tests of TwiML begin with."""

from __future__ import annotations

import dataclasses
from typing import Any

from controller.dialects.twiml import TwimlDialect
from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account
from controller.documents.events import DocumentWarned
from controller.recordings.model import (
    Channels,
    Measured,
    Notice,
    NoticeKind,
    Owner,
    Recording,
    RecordingRequest,
    State,
    StatusTarget,
    Track,
)

PUBLIC = "https://rec.example.com"
AC = "AC" + "a" * 32
PROJECT = "720796a0-8ee9-4350-83bd-2d07a3121f1e"
TWILIO = Account("acme", "twilio", AC, "", "12345", "12345", absent_below=1.0)
LAML = Account("space", "signalwire", PROJECT, "space-1", "token-1", "12345", absent_when_silent=True)

BASE = "https://app.example/voice/start?x=1"
CALL_ID = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
RECORDING_ID = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
CA = "CA" + CALL_ID.replace("-", "")
RE = "RE" + RECORDING_ID.replace("-", "")

CALL = Call(
    id=CALL_ID,
    switch="fs1",
    leg="leg-1",
    account="acme",
    dialect="twiml",
    document=BASE,
    text="",
    info=CallInfo("+15551002", caller_name="Ada", caller_number="+15550100"),
    state=CallState.RUNNING,
    started_at=1_640_000_000.0,
)
REQUEST = RecordingRequest(
    channels=Channels.DUAL,
    track=Track.BOTH,
    format="wav",
    reference="ref",
    source="StartCallRecordingTwiML",
    trim=True,
    status=StatusTarget("https://app.example/cb?x=1&y=2", "POST", ("in-progress", "completed", "absent")),
)
RECORDING = Recording(
    id=RECORDING_ID,
    owner=Owner("acme", "twiml", CALL_ID, "fs1", "leg-1", "session-1"),
    request=REQUEST,
    state=State.COMPLETED,
    path="/r/x.wav",
    requested_at=1774376140.2,
    started_at=1774376140.9,
    ended_at=1774376153.4,
    measured=Measured(12.6, 403_244, channels=2),
)


class Heard(list[DocumentWarned]):
    """What a dialect told telemetry."""

    @property
    def codes(self) -> list[int]:
        return [event.code for event in self]


def dialect(heard: Heard | None = None) -> TwimlDialect:
    told = Heard() if heard is None else heard

    def observe(event: object) -> None:
        assert isinstance(event, DocumentWarned)
        told.append(event)

    return TwimlDialect(PUBLIC, {"acme": TWILIO, "space": LAML}, observe)


def notice(kind: NoticeKind, recording: Recording = RECORDING, **request: Any) -> Notice:
    """A notice of a recording whose request is changed so."""
    changed = dataclasses.replace(recording, request=dataclasses.replace(recording.request, **request))
    return Notice("6f2d0000-0000-4000-8000-000000000001", kind, changed, 1774376155.0, 2)
