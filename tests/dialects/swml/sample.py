"""Values that the tests of SWML begin with."""

import dataclasses
from typing import Any

from controller.dialects.swml import SwmlDialect
from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account
from controller.recordings.model import (
    Channels,
    Notice,
    NoticeKind,
    Owner,
    Recording,
    RecordingRequest,
    State,
    StatusTarget,
    Track,
)

DIALECT = SwmlDialect("https://rec.example.com")
ACCOUNT = Account("acme", "signalwire", "project-1", "space-1", "token-1", "PSK_1")
CALL = Call(
    id="call-1",
    switch="fs1",
    leg="leg-1",
    account="acme",
    dialect="swml",
    document="document.swml.yaml",
    text="",
    info=CallInfo("1001", caller_number="+15550100"),
    state=CallState.RUNNING,
    started_at=1_640_000_000.0,
)
REQUEST = RecordingRequest(
    channels=Channels.MONO,
    track=Track.INBOUND,
    format="wav",
    reference="control-1",
    source="swml.record_call",
    status=StatusTarget("https://app.example.com/status?x=1"),
)
RECORDING = Recording(
    id="recording-1",
    owner=Owner("acme", "swml", "call-1", "fs1", "leg-1", session="session-1"),
    request=REQUEST,
    state=State.RECORDING,
    path="/var/lib/fsrec/recordings/recording-1.wav",
    requested_at=1_640_000_000.0,
    started_at=1_640_000_000.123,
)


def recording(**changes: Any) -> Recording:
    """The sample recording with changes."""
    return dataclasses.replace(RECORDING, **changes)


def notice(kind: NoticeKind, of: Recording = RECORDING, at: float = 1_640_000_020.5) -> Notice:
    """A notice about a recording."""
    return Notice("notice-1", kind, of, at, 1)


def document(steps: str) -> str:
    """A YAML document whose main section is ``steps``, in flow style, on line 3."""
    return f"version: 1.0.0\nsections:\n  main: [{steps}]\n"
