"""Values for the store's tests, and strategies for all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from controller.documents.call import Call, CallInfo, CallState
from controller.recordings.model import (
    Channels,
    Delivery,
    EndReason,
    Measured,
    Notice,
    NoticeKind,
    Owner,
    Pause,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    StatusTarget,
    Track,
    Transcription,
    TranscriptionState,
    Wish,
    new_id,
)

REQUEST = RecordingRequest(Channels.DUAL, Track.BOTH, "wav", "c1", "record_call")


def recording(**changes: Any) -> Recording:
    """A requested recording of account acme on switch fs1."""
    owner = Owner("acme", "swml", "call-1", "fs1", "leg-1")
    made = Recording(new_id(), owner, REQUEST, State.REQUESTED, "/rec/a.wav", 1000.0)
    named = ("account", "dialect", "call", "switch", "leg", "caller", "called")
    owned = {key: changes.pop(key) for key in named if key in changes}
    return replace(made, owner=replace(owner, **owned), **changes)


def call(**changes: Any) -> Call:
    """A running call on switch fs1."""
    info = CallInfo("1001")
    made = Call(new_id(), "fs1", "leg-1", "acme", "swml", "a.yaml", "text", info, CallState.RUNNING, 1000.0)
    return replace(made, **changes)


def transcription(of: Recording, **changes: Any) -> Transcription:
    """A transcription of a recording, which waits."""
    made = Transcription(of.id, of.owner.account, TranscriptionState.WAITING, 1000.0)
    return replace(made, **changes)


def notice(of: Recording, sequence: int = 1, kind: NoticeKind = NoticeKind.STARTED) -> Notice:
    """A notice of a recording."""
    return Notice(new_id(), kind, of, 1000.0 + sequence, sequence)


def delivery(url: str = "http://127.0.0.1:9/status", **changes: Any) -> Delivery:
    """A rendered callback."""
    headers = (("Content-Type", "application/json"),)
    return replace(Delivery(new_id(), "acme", "swml", "POST", url, headers, b'{"a": 1}'), **changes)


TEXT = st.text(st.characters(), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**70), 2**70)
JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
REQUESTS = st.builds(
    RecordingRequest,
    channels=st.sampled_from(Channels),
    track=st.sampled_from(Track),
    format=TEXT,
    reference=TEXT,
    source=TEXT,
    beep=st.booleans(),
    max_length=st.none() | NUMBER,
    sensitivity=NUMBER,
    status=st.none() | st.builds(StatusTarget, TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple)),
)
RECORDINGS = st.builds(
    Recording,
    id=TEXT,
    owner=st.builds(Owner, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, WHOLE),
    request=REQUESTS,
    state=st.sampled_from(State),
    path=TEXT,
    requested_at=NUMBER,
    started_at=st.none() | NUMBER,
    pauses=st.lists(st.builds(Pause, NUMBER, st.sampled_from(PauseBehavior), st.none() | NUMBER), max_size=3).map(
        tuple
    ),
    wish=st.builds(Wish, st.none() | st.sampled_from(EndReason), st.none() | st.sampled_from(PauseBehavior)),
    reason=st.none() | st.sampled_from(EndReason),
    measured=st.none() | st.builds(Measured, NUMBER, WHOLE, derived=st.booleans()),
    error=st.none() | TEXT,
    revision=st.integers(0, 2**31),
)
CALLS = st.builds(
    Call,
    id=TEXT,
    switch=TEXT,
    leg=TEXT,
    account=TEXT,
    dialect=TEXT,
    document=TEXT,
    text=TEXT,
    info=st.builds(CallInfo, TEXT, caller_name=TEXT, answered=st.booleans(), created_at=NUMBER),
    state=st.sampled_from(CallState),
    started_at=NUMBER,
    program=st.dictionaries(TEXT, JSON, max_size=3),
    waiting=st.none() | NUMBER,
    cause=st.none() | TEXT,
)
