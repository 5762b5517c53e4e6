"""Values that the tests of Plivo's requests begin with."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from controller.dialects.plivo.sources import RECORD
from controller.documents.call import Call, CallInfo, CallState
from controller.documents.dialect import Account
from controller.documents.fetch import DocumentRequest
from controller.recordings.model import (
    Channels,
    Delivery,
    EndReason,
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
from tests.dialects.plivo.seed_rows import rows

PUBLIC = "https://rec.example.com"
TOKEN = "MTZjYWM0YzVjNjMwZmVmODFiNWJj"
MA = "MAXXXXXXXXXXXXXXXXXX"
PLIVO = Account("acme", "plivo", MA, "", TOKEN, TOKEN)
SUBACCOUNT = Account("sub", "plivo", "SA" + "X" * 18, "", "own", "own", main_token="main", older_signatures=True)

ANSWER_URL = "https://app.example/answer/?x=1"
CALL_ID = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
RECORDING_ID = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
CALLBACK = StatusTarget("https://app.example/recording-ready/?k=v", "POST")
ACTION = StatusTarget("https://app.example/save-voicemail/", "POST")

CALL = Call(
    id=CALL_ID,
    switch="fs1",
    leg="leg-1",
    account="acme",
    dialect="plivo",
    document=ANSWER_URL,
    text="",
    info=CallInfo("15551002", caller_name="Ada", caller_number="15550100", created_at=1_640_000_000.25),
    state=CallState.RUNNING,
    started_at=1_640_000_001.5,
)
REQUEST = RecordingRequest(
    channels=Channels.MONO, track=Track.INBOUND, format="mp3", reference="ref", source=RECORD, status=CALLBACK
)
RECORDING = Recording(
    id=RECORDING_ID,
    owner=Owner("acme", "plivo", CALL_ID, "fs1", "leg-1", caller="15550100", called="15551002"),
    request=REQUEST,
    state=State.COMPLETED,
    path="/r/x.wav",
    requested_at=1_774_376_140.2,
    started_at=1_774_376_140.9004,
    ended_at=1_774_376_153.5,
    reason=EndReason.TERMINATOR,
    measured=Measured(12.5996, 403_244),
    digit="#",
)


def notice(kind: NoticeKind, recording: Recording = RECORDING, **request: Any) -> Notice:
    """A notice of a recording whose request is changed so."""
    changed = dataclasses.replace(recording, request=dataclasses.replace(recording.request, **request))
    return Notice("6f2d0000-0000-4000-8000-000000000001", kind, changed, 1_774_376_155.0, 2)


def form(request: Delivery | DocumentRequest) -> dict[str, str]:
    """What a request tells beside what its URL had, wherever it tells it."""
    if request.method == "POST":
        assert dict(request.headers)["Content-Type"] == "application/x-www-form-urlencoded"
        written = request.body.decode()
    else:
        assert request.body == b""
        written = urlsplit(request.url).query
    pairs = parse_qsl(written, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a parameter is told twice"
    return dict(pairs)


def names(table: str) -> set[str]:
    """The parameters of a table."""
    return {row[0] for row in rows(table)}
