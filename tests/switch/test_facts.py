"""Facts: what a real switch wrote is read exactly; what anyone else could send is never believed and never raises."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.recordings.facts import Cause
from controller.switch import facts
from controller.switch.facts import (
    EVENTS,
    BadReplyError,
    ChannelRow,
    DigitPressed,
    Executed,
    Fact,
    Forged,
    Heartbeat,
    LegAnswered,
    LegBridged,
    LegGone,
    LegHangup,
    LegHeld,
    LegInfo,
    LegMoved,
    LegParked,
    LegUnparked,
    NoCoreSqlError,
    NoSuchLegError,
    RecorderAttached,
    RecordStarted,
    RecordStopped,
    Refusal,
    Unusable,
)
from controller.switch.wire_codec import FrameReader
from tests.switch.peer import raw_event

LINES = (Path(__file__).parent / "data" / "facts_events.jsonl").read_bytes().splitlines()
"""Events of a real switch, the forged ones too, without headers that are not read; repeated keys are kept."""

GENUINE: list[dict[str, Any]] = [orjson.loads(line) for line in LINES if b'"Command"' not in line]
FORGED = [line for line in LINES if b'"Command"' in line]
BY_NAME: dict[str, dict[str, Any]] = {event["Event-Name"]: event for event in GENUINE}

LEG = "171ca04a-438f-4d0c-bb1c-ef5a183be56e"
OTHER = "18a40427-6c2b-4e87-9186-423999e0dfbe"
BRIDGED = "de2f645a-c1e9-406d-bcb5-2589b344715a"
SIP_LEG = "c705aa39-2fed-4c57-a4cb-70444bcfb93d"
RECORDING = "df3fb9e140d544c9a897cce814c86425"
CALL = "2d79933e53e04cd083d4202fa6f27e0a"
WAV = "/var/lib/fsrec/recordings/a.wav"


def changed(name: str, headers: dict[str, object]) -> dict[str, Any]:
    """A genuine event with headers replaced, or taken out (None)."""
    event = BY_NAME[name] | headers
    return {header: value for header, value in event.items() if value is not None}


# --- what a real switch wrote ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("CHANNEL_UUID", LegMoved(LEG, 1795147986.782406, "6aac4a11-fea5-474e-b445-eb78c1454442")),
        ("CHANNEL_HOLD", LegHeld(SIP_LEG, 1795166047.828997, held=True)),
        ("CHANNEL_UNHOLD", LegHeld(SIP_LEG, 1795166048.149003, held=False)),
        ("CHANNEL_ANSWER", LegAnswered(LEG, 1795147986.782406)),
        (
            "CHANNEL_BRIDGE",
            LegBridged(BRIDGED, 1795170057.073227, "1a005132-a009-4bec-909b-7cb3d8355217"),
        ),
        ("RECORD_START", RecordStarted(LEG, 1795147987.42238, WAV, RECORDING)),
        (
            "CHANNEL_EXECUTE_COMPLETE",
            Executed(LEG, 1795147987.42238, "record_session", "ed4f6be4-b26b-46c5-9068-c738e47af3b5", "_none_"),
        ),
        ("DTMF", DigitPressed(LEG, 1795147987.902393, "5", 0.25)),
        ("RECORD_STOP", RecordStopped(LEG, 1795147988.202492, WAV, RECORDING, Cause.MAXTIME, hangup=False)),
        (
            "MEDIA_BUG_START",
            RecorderAttached(
                "9e113f22-48b2-4edc-be99-b48b371bf462",
                1795144240.864757,
                "/var/lib/fsrec/recordings/session.wav",
                None,
            ),
        ),
        (
            "HEARTBEAT",
            Heartbeat(
                1795147995.262396,
                "78895e0e-2c7c-44ae-9776-b7d892878be1",
                2,
                1000,
                554.843,
                "1.11.2-dev+git~20260821T141014Z~cc93a683ca~64bit",
            ),
        ),
        ("CHANNEL_HANGUP", LegHangup(LEG, 1795147998.1224, "CALL_REJECTED")),
        ("CHANNEL_UNPARK", LegUnparked(LEG, 1795147998.1224)),
        ("CHANNEL_HANGUP_COMPLETE", LegGone(OTHER, 1795147998.1224, "NORMAL_CLEARING")),
        ("CHANNEL_DESTROY", LegGone(OTHER, 1795147998.1224, "NORMAL_CLEARING")),
    ],
)
def test_each_event_becomes_its_fact(name: str, fact: Fact) -> None:
    """Events as a real switch wrote them are read to the microsecond and the letter."""
    assert facts.parse(BY_NAME[name]) == fact


@pytest.mark.parametrize(
    ("path", "recording"),
    [
        ("/r/97218f89-a50b-4ea2-89cc-1c38fad98216.wav", "97218f89a50b4ea289cc1c38fad98216"),
        ("/r/97218f89-a50b-4ea2-89cc-1c38fad98216", "97218f89a50b4ea289cc1c38fad98216"),
        ("/r/mine.wav", None),
    ],
)
def test_whose_recorder_is_on_a_leg(path: str, recording: str | None) -> None:
    """A recorder of ours is known by its file's name; taps of another kind are none."""
    fact = facts.parse(changed("MEDIA_BUG_START", {"Media-Bug-Target": path}))
    assert isinstance(fact, RecorderAttached)
    assert (fact.path, fact.recording) == (path, recording)
    assert facts.parse(changed("MEDIA_BUG_START", {"Media-Bug-Function": "eavesdrop"})) is None


def test_a_parked_leg_is_told_with_all_that_is_known() -> None:
    """CHANNEL_PARK brings caller, route variables and, when it is ours, the marker."""
    at = 1795147986.782406
    info = LegInfo("wait", "", "0000000000", "inbound", "loopback/wait-b", "default", True, 8000, at, "vm")
    parked = LegParked(OTHER, at, info, None, "acme", "documents/a.swml.yaml")
    assert facts.parse(BY_NAME["CHANNEL_PARK"]) == parked
    ours = facts.parse(changed("CHANNEL_PARK", {"variable_fsrec_call": CALL, "variable_fsrec_account": None}))
    assert isinstance(ours, LegParked)
    assert (ours.marker, ours.account) == (CALL, None)


def test_a_phone_that_holds_its_own_call() -> None:
    """Of its leg silence is read: it is no hold of others; that it holds no more is told all the same."""
    own: dict[str, object] = {"Event-Calling-File": "switch_channel.c"}
    assert facts.parse(changed("CHANNEL_HOLD", own)) is None
    assert facts.parse(changed("CHANNEL_UNHOLD", own)) == LegHeld(SIP_LEG, 1795166048.149003, held=False)
    assert isinstance(facts.parse(changed("CHANNEL_HOLD", {"Event-Calling-File": "mod_x.c"})), Forged)


def test_every_event_subscribed_to_is_read_but_the_links_own() -> None:
    """No event is asked for in vain, and none is read that is not asked for."""
    assert {event["Event-Name"] for event in GENUINE} == set(EVENTS) - {"BACKGROUND_JOB"}
    assert len(set(EVENTS)) == len(EVENTS)
    assert all(not isinstance(facts.parse(event), Forged | Unusable | None) for event in GENUINE)


class Read(dict[str, Any]):
    """An event that notes which of its headers were asked for."""

    def __init__(self, event: dict[str, Any]) -> None:
        super().__init__(event)
        self.asked: set[str] = set()

    def get(self, header: str, default: Any = None) -> Any:
        self.asked.add(header)
        return super().get(header, default)

    def __contains__(self, header: object) -> bool:
        self.asked.add(str(header))
        return super().__contains__(header)

    def __getitem__(self, header: str) -> Any:
        self.asked.add(header)
        return super().__getitem__(header)


BRIDGE_ENDED: dict[str, object] = {"Application": "bridge", "variable_originate_disposition": "SUCCESS"}


@pytest.mark.parametrize("name", facts.HEADERS)
def test_the_headers_that_are_read_are_those_that_are_kept(name: str) -> None:
    """What facts are made of is what the wire keeps of an event: nothing is missing, and nothing is kept in vain."""
    ways = [BY_NAME[name], changed(name, {"Answer-State": None}), changed(name, BRIDGE_ENDED)]
    asked: set[str] = set()
    for event in ways:
        read = Read(event)
        assert facts.parse(read) == facts.parse(event)
        asked |= read.asked
    if name == "CHANNEL_PARK":
        asked |= {"variable_fsrec_account", "variable_fsrec_document"}
    assert asked | {"Unique-ID"} == set(facts.HEADERS[name])
    assert len(facts.HEADERS[name]) == len(set(facts.HEADERS[name]))


@pytest.mark.parametrize("line", LINES)
def test_the_wire_keeps_what_a_fact_is_made_of(line: bytes) -> None:
    """Of what a real switch wrote no more is kept than is read; of what sendevent sent, all that gives it away."""
    (kept,) = FrameReader(headers=facts.HEADERS).feed(raw_event(line))
    assert isinstance(kept, dict)
    assert facts.parse(kept) == facts.parse(orjson.loads(line))
    if b'"Command"' not in line:
        assert set(kept) <= set(facts.HEADERS[kept["Event-Name"]])


# --- forgery --------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", FORGED)
def test_what_sendevent_sent_is_counted_not_believed(line: bytes) -> None:
    """All forms of a forged RECORD_STOP seen on a real switch, repeated keys and lists and living legs included."""
    assert facts.parse(orjson.loads(line)) == Forged("RECORD_STOP")


@pytest.mark.parametrize("line", [line for line in FORGED if b'"mod_event_socket.c"' in line])
def test_the_cores_own_headers_come_last_and_count(line: bytes) -> None:
    """Where the core appended its headers they win over the sender's: of a repeated key orjson keeps the last."""
    event = orjson.loads(line)
    assert event["Event-Calling-File"] == "mod_event_socket.c"
    assert event["Event-Name"] == "RECORD_STOP"
    del event["Command"]
    assert facts.parse(event) == Forged("RECORD_STOP")


def test_one_form_is_told_by_its_packet_alone() -> None:
    """Sent to a living leg, a forged event keeps the sender's name, file and time: only Command gives it away."""
    (line,) = (line for line in FORGED if b'"mod_event_socket.c"' not in line)
    event = orjson.loads(line)
    assert facts.parse({**event, "Command": ["x"]}) == Forged("RECORD_STOP")
    del event["Command"]
    assert isinstance(facts.parse(event), RecordStopped)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("file", ["mod_event_socket.c", "switch_cpp.cpp", "", None, ["switch_ivr.c"], 7])
def test_an_event_of_another_origin_is_forged(name: str, file: object) -> None:
    """Each kind is believed only from the core's files that fire it."""
    assert facts.parse(changed(name, {"Event-Calling-File": file})) == Forged(name)


@pytest.mark.parametrize("name", ["RECORD_START", "RECORD_STOP"])
def test_the_foreground_recorders_events_are_nobodys(name: str) -> None:
    """The application record fires the same events from another file: genuine, but no recording of ours."""
    assert facts.parse(changed(name, {"Event-Calling-File": "switch_ivr_play_say.c"})) is None


# --- hostile values -------------------------------------------------------------------------------


def parked(headers: dict[str, object]) -> LegInfo:
    """Parse a CHANNEL_PARK with headers changed; return what is said of the leg."""
    fact = facts.parse(changed("CHANNEL_PARK", headers))
    assert isinstance(fact, LegParked)
    return fact.info


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Ann Müller 日本", "Ann Müller 日本"),
        ("a\r\nEvent-Name: HACK", "a\ufffd\ufffdEvent-Name: HACK"),
        ("\x00\x1b[2J\x7f\x9b", "\ufffd\ufffd[2J\ufffd\ufffd"),
        ("abc\u202egpj.exe\u2066\ufeff", "abc\ufffdgpj.exe\ufffd\ufffd"),
        ("\ud800x", "\ufffdx"),
        ("x" * 8192, "x" * 256),
        (["a", "b"], ""),
        (7, ""),
        (None, ""),
        ({"a": 1}, ""),
        (True, ""),
    ],
)
def test_texts_of_a_caller_are_cleaned_and_bounded(sent: object, kept: str) -> None:
    """Texts lose what would deceive a reader or a log, and never join what was apart; lists are as missing."""
    info = parked(
        {
            "Caller-Caller-ID-Name": sent,
            "Caller-Caller-ID-Number": sent,
            "Caller-Destination-Number": sent,
            "Channel-Name": sent,
            "Caller-Context": sent,
        }
    )
    assert {info.caller_name, info.caller_number, info.destination, info.channel_name, info.context} == {kept}


@pytest.mark.parametrize(
    ("header", "field", "values"),
    [
        ("Channel-Read-Codec-Rate", "rate", {"16000": 16_000, "7": 8000, "-1": 8000, "9" * 30: 8000, "٣": 8000}),
        ("Channel-Read-Codec-Name", "clock", {"G722": 8000, "g722": 8000, "PCMU": 0, "opus": 48_000, "": 0}),
        ("Call-Direction", "direction", {"outbound": "outbound", "sideways": ""}),
        ("Answer-State", "answered", {"answered": True, "early": False, "ringing": False, "hangup": False}),
        ("Caller-Channel-Created-Time", "created_at", {"1795147986000000": 1795147986.0, "0": None, "x": None}),
    ],
)
def test_closed_values_of_a_leg(header: str, field: str, values: dict[str, object]) -> None:
    """What has few values has no others, whatever was sent."""
    for sent, kept in values.items():
        assert getattr(parked({header: sent}), field) == kept


@pytest.mark.parametrize(
    ("name", "headers", "why"),
    [
        ("CHANNEL_PARK", {"Unique-ID": None}, "Unique-ID"),
        ("CHANNEL_PARK", {"Unique-ID": "a b1"}, "Unique-ID"),
        ("CHANNEL_PARK", {"Unique-ID": "core"}, "Unique-ID"),
        ("CHANNEL_PARK", {"Unique-ID": "x1\r\n"}, "Unique-ID"),
        ("CHANNEL_PARK", {"Unique-ID": [LEG]}, "Unique-ID"),
        ("CHANNEL_PARK", {"variable_fsrec_account": "a\nb"}, "variable_fsrec_account"),
        ("CHANNEL_PARK", {"variable_fsrec_document": "x" * 2049}, "variable_fsrec_document"),
        ("CHANNEL_PARK", {"variable_fsrec_document": ["a"]}, "variable_fsrec_document"),
        ("CHANNEL_PARK", {"variable_fsrec_document": ""}, "variable_fsrec_document"),
        ("CHANNEL_PARK", {"variable_fsrec_document": "a\ufffd"}, "variable_fsrec_document"),
        ("CHANNEL_UUID", {"Old-Unique-ID": None}, "Old-Unique-ID"),
        ("DTMF", {"DTMF-Digit": "55"}, "DTMF-Digit"),
        ("DTMF", {"DTMF-Digit": "x"}, "DTMF-Digit"),
        ("DTMF", {"DTMF-Digit": "ß"}, "DTMF-Digit"),
        ("DTMF", {"DTMF-Digit": ""}, "DTMF-Digit"),
        ("DTMF", {"DTMF-Digit": 5}, "DTMF-Digit"),
        ("RECORD_START", {"Record-File-Path": None}, "Record-File-Path"),
        ("RECORD_STOP", {"Record-File-Path": "/a\n.wav"}, "Record-File-Path"),
        ("HEARTBEAT", {"Event-Date-Timestamp": "0"}, "Event-Date-Timestamp"),
        ("HEARTBEAT", {"Event-Date-Timestamp": "9" * 18}, "Event-Date-Timestamp"),
        ("HEARTBEAT", {"Event-Date-Timestamp": "9" * 8192}, "Event-Date-Timestamp"),
        ("HEARTBEAT", {"Event-Date-Timestamp": "-1795147995262396"}, "Event-Date-Timestamp"),
        ("HEARTBEAT", {"Event-Date-Timestamp": 1795147995262396}, "Event-Date-Timestamp"),
        ("HEARTBEAT", {"Event-Date-Timestamp": "1.8e15"}, "Event-Date-Timestamp"),
    ],
)
def test_an_event_without_what_it_needs_is_unusable(name: str, headers: dict[str, object], why: str) -> None:
    """A missing or wrong header makes no fact but a count, with the header's name and nothing of its value."""
    fact = facts.parse(changed(name, headers))
    assert isinstance(fact, Unusable)
    assert fact.kind == name
    assert fact.why.startswith(why)
    assert fact.why.isprintable()
    assert len(fact.why) < 100


@pytest.mark.parametrize("sent", [CALL.upper(), CALL[1:], f"{CALL}0", "x", "", ["a"], 7, f"{CALL}\n"])
def test_what_is_no_id_of_ours_marks_nothing(sent: object) -> None:
    """Marker and recording id are 32 lower-case hex digits or not there."""
    fact = facts.parse(changed("CHANNEL_PARK", {"variable_fsrec_call": sent}))
    assert isinstance(fact, LegParked)
    assert fact.marker is None
    for name in ("RECORD_START", "RECORD_STOP"):
        record = facts.parse(changed(name, {"Recording-Variable-fsrec_recording": sent}))
        assert isinstance(record, RecordStarted | RecordStopped)
        assert record.recording is None


@pytest.mark.parametrize(
    ("sent", "cause"),
    [*((cause.value, cause) for cause in Cause), *((sent, Cause.UNKNOWN) for sent in ("huh", None, ["a"]))],
)
def test_completion_causes(sent: object, cause: Cause) -> None:
    """Every cause of spec 1.8, and unknown for another one or none (native and older recorders)."""
    fact = facts.parse(changed("RECORD_STOP", {"Record-Completion-Cause": sent}))
    assert isinstance(fact, RecordStopped)
    assert fact.cause is cause


@pytest.mark.parametrize(
    ("headers", "hangup"),
    [
        ({"Answer-State": "hangup"}, True),
        ({"Channel-State": "CS_HANGUP"}, True),
        ({"Channel-State": "CS_REPORTING", "Answer-State": None}, True),
        ({}, False),
    ],
)
def test_whether_a_recording_ended_with_its_leg(headers: dict[str, object], hangup: bool) -> None:
    """A hangup is told by the leg's state, not by the cause, which is the same for both."""
    fact = facts.parse(changed("RECORD_STOP", headers))
    assert isinstance(fact, RecordStopped)
    assert fact.hangup is hangup


@pytest.mark.parametrize("sent", ["lower", "A B", "A\n", "", None, ["A"], "A" * 65, "1A"])
def test_a_hangup_cause_is_a_name(sent: object) -> None:
    """Anything but a name of A-Z 0-9 _ is UNKNOWN."""
    for name in ("CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE"):
        fact = facts.parse(changed(name, {"Hangup-Cause": sent}))
        assert isinstance(fact, LegHangup | LegGone)
        assert fact.cause == "UNKNOWN"


@pytest.mark.parametrize(
    ("sent", "seconds"), [("8000", 1.0), ("9" * 18, 60.0), ("-1", 0.0), (None, 0.0), (8000, 0.0)]
)
def test_how_long_a_digit_was_held(sent: object, seconds: float) -> None:
    """Samples at 8000 Hz become seconds, 60 at most."""
    fact = facts.parse(changed("DTMF", {"DTMF-Duration": sent, "DTMF-Digit": "a"}))
    assert fact == DigitPressed(LEG, 1795147987.902393, "A", seconds)


def test_a_heartbeat_without_figures_is_still_one() -> None:
    """Liveness does not hang on counters."""
    fact = facts.parse(changed("HEARTBEAT", {"Session-Count": "x", "Max-Sessions": None, "Uptime-msec": []}))
    assert isinstance(fact, Heartbeat)
    assert (fact.sessions, fact.max_sessions, fact.uptime_seconds) == (None, None, None)


def test_a_repeated_key_is_the_last_one() -> None:
    """The bytes of an event with a header twice: the reader keeps what the core appended."""
    raw = orjson.dumps(BY_NAME["DTMF"])
    twice = b'{"Unique-ID":"forged-1","Event-Date-Timestamp":"1",' + raw[1:]
    assert facts.parse(orjson.loads(twice)) == facts.parse(BY_NAME["DTMF"])


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
keys = st.sampled_from(sorted({header for event in GENUINE for header in event} | {"Command"})) | st.text(max_size=20)
any_json = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=6)


@given(any_json | st.dictionaries(keys, any_json))
def test_no_json_raises(value: object) -> None:
    """Any JSON value whatever is a fact or None."""
    fact = facts.parse(value)
    assert fact is None or isinstance(fact, Fact)


@given(
    st.sampled_from(GENUINE),
    st.dictionaries(keys, any_json | st.sampled_from(["\r\n", "x" * 8192, "\ud800", "9" * 40, "ARRAY::a|:b"])),
    st.sets(keys, max_size=3),
)
def test_no_mutation_of_a_real_event_raises_or_leaks(
    event: dict[str, Any], added: dict[str, Any], removed: set[str]
) -> None:
    """A real event with headers replaced, added, taken out is None or a fact whose texts are short and visible."""
    mutated = {header: value for header, value in {**event, **added}.items() if header not in removed}
    fact = facts.parse(mutated)
    kept = facts.HEADERS.get(str(mutated.get("Event-Name")), ())
    assert facts.parse({header: mutated[header] for header in kept if header in mutated}) == fact
    if fact is None:
        return
    if "Command" in mutated:
        assert isinstance(fact, Forged)
    for text in texts_of(fact):
        assert len(text) <= 2048
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in text)


def texts_of(value: object) -> list[str]:
    """All texts in a fact."""
    if isinstance(value, str):
        return [value]
    names = getattr(type(value), "__struct_fields__", ())
    return [text for name in names for text in texts_of(getattr(value, name))]


# --- replies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("+OK Success\n", None),
        ("+OK", None),
        ("true", None),
        ("_undef_", None),
        ("/opt/sounds", None),
        ("", None),
        ("-ERR no reply\n", Refusal.NO_REPLY),
        ("-ERR No such channel!\n", Refusal.NO_SUCH_LEG),
        ("-ERR No such channel!\n-USAGE: <uuid> <var>=<value>\n", Refusal.NO_SUCH_LEG),
        ("-ERR Cannot locate session!\n", Refusal.NO_SUCH_LEG),
        ("-ERR invalid session id [x]", Refusal.NO_SUCH_LEG),
        ("-ERR nonesuch Command not found!\n", Refusal.NO_SUCH_COMMAND),
        ("-ERR command not found", Refusal.NO_SUCH_COMMAND),
        ("-ERR SQL disabled, no data available!\n", Refusal.NO_CORE_SQL),
        ("-ERR permission denied", Refusal.NOT_PERMITTED),
        ("-ERR Cannot record session!\n", Refusal.NOT_STARTED),
        ("-ERR Cannot stop record session!\n", Refusal.NOT_STOPPED),
        ("-ERR Cannot mask recording session!\n", Refusal.NOT_MASKED),
        ("-ERR Cannot unmask recording session!\n", Refusal.NOT_MASKED),
        ("-USAGE: <uuid> [start|stop]\n", Refusal.USAGE),
        ("-ERR what\n", Refusal.OTHER),
    ],
)
def test_refusals_of_the_api(reply: str, expected: Refusal | None) -> None:
    """Texts of a real switch, each to its kind."""
    assert facts.refusal(reply) is expected


BUGS = (
    "<media-bugs>\n"
    " <media-bug>\n  <function>session_record</function>\n  <target>/a/b.wav</target>\n"
    "  <thread-locked>0</thread-locked>\n </media-bug>\n"
    " <media-bug>\n  <function>displace</function>\n  <target>/a/c.wav</target>\n"
    "  <thread-locked>0</thread-locked>\n </media-bug>\n"
    " <media-bug>\n  <function>session_record</function>\n  <target>/a/d e.wav</target>\n"
    "  <thread-locked>0</thread-locked>\n </media-bug>\n"
    "</media-bugs>\n"
)


def test_what_runs_on_a_leg() -> None:
    """uuid_buglist gives the recordings, not other media bugs; none is an empty list; a dead leg is an error."""
    assert facts.parse_buglist(BUGS) == {"/a/b.wav", "/a/d e.wav"}
    assert facts.parse_buglist("<media-bugs>\n</media-bugs>\n") == frozenset()
    with pytest.raises(NoSuchLegError):
        facts.parse_buglist("-ERR no reply\n")
    with pytest.raises(BadReplyError, match=r"uuid_buglist: '\+OK'; right is"):
        facts.parse_buglist("+OK")


def test_the_list_of_legs() -> None:
    """show channels: rows as a real switch writes them; ids that no command could name and odd rows are left out."""
    row = {
        "uuid": LEG,
        "direction": "inbound",
        "created_epoch": "1795147790",
        "state": "CS_EXECUTE",
        "application": "park",
    }
    odd = [
        row | {"uuid": "core"},
        row | {"uuid": None},
        7,
        {"uuid": LEG},
        row | {"created_epoch": "0", "application": ["a"]},
    ]
    reply = json.dumps({"row_count": 6, "rows": [row, *odd]})
    assert facts.parse_channels(reply) == [
        ChannelRow(LEG, 1795147790.0, "inbound", "CS_EXECUTE", "park"),
        ChannelRow(LEG, None, "", "", ""),
        ChannelRow(LEG, None, "inbound", "CS_EXECUTE", ""),
    ]
    assert facts.parse_channels('{"row_count": 0}\n') == []
    with pytest.raises(NoCoreSqlError, match="-nosql"):
        facts.parse_channels("-ERR SQL disabled, no data available!\n")
    for bad in ("", "[]", "{}", '{"row_count": 1, "rows": 7}', "-ERR no reply\n", "\ud800"):
        with pytest.raises(BadReplyError, match="show channels"):
            facts.parse_channels(bad)


def test_the_dump_of_a_leg() -> None:
    """uuid_dump: the same headers as an event, and what is running."""
    dump = changed("CHANNEL_PARK", {"Event-Name": "CHANNEL_DATA", "variable_fsrec_call": CALL})
    snapshot = facts.parse_dump(json.dumps(dump))
    event = facts.parse(changed("CHANNEL_PARK", {"variable_fsrec_call": CALL}))
    assert isinstance(event, LegParked)
    assert (snapshot.leg, snapshot.at, snapshot.info) == (event.leg, event.at, event.info)
    assert (snapshot.marker, snapshot.account, snapshot.document) == (CALL, event.account, event.document)
    assert (snapshot.application, snapshot.hanging_up) == ("park", False)
    assert facts.parse_dump(json.dumps(dump | {"Channel-State": "CS_HANGUP"})).hanging_up
    with pytest.raises(NoSuchLegError):
        facts.parse_dump("-ERR No such channel!\n")


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({"variable_originate_disposition": "USER_BUSY"}, "USER_BUSY"),
        ({"variable_originate_disposition": "failure"}, ""),
        ({"variable_originate_disposition": "USER_BUSY", "variable_bridge_hangup_cause": "OLD"}, "USER_BUSY"),
        (
            {"variable_originate_disposition": "SUCCESS", "variable_bridge_hangup_cause": "NORMAL_CLEARING"},
            "NORMAL_CLEARING",
        ),
        ({"variable_originate_disposition": "SUCCESS"}, ""),
        ({"variable_originate_disposition": ["USER_BUSY"]}, ""),
        ({"variable_originate_disposition": "A\nB"}, ""),
        ({}, ""),
    ],
)
def test_how_a_bridge_ended(headers: dict[str, object], cause: str) -> None:
    """The cause of who answered, or why nobody did; nothing of what other applications leave."""
    fact = facts.parse(changed("CHANNEL_EXECUTE_COMPLETE", {"Application": "bridge", **headers}))
    assert isinstance(fact, Executed)
    assert (fact.application, fact.cause) == ("bridge", cause)
    other = facts.parse(changed("CHANNEL_EXECUTE_COMPLETE", headers))
    assert isinstance(other, Executed)
    assert other.cause == ""
    assert facts.parse_dump(json.dumps(changed("CHANNEL_PARK", headers))).bridge_cause == cause


@pytest.mark.parametrize(("value", "leg"), [(LEG, LEG), ("x\ny", ""), (None, ""), (["a1"], "")])
def test_whom_a_leg_was_bridged_to(value: object, leg: str) -> None:
    """A leg that commands could name, or nobody."""
    assert facts.parse_dump(json.dumps(changed("CHANNEL_PARK", {"variable_last_bridge_to": value}))).bridged == leg


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Unique-ID": "core"}, "Unique-ID or"),
        ({"Event-Date-Timestamp": None}, "Unique-ID or"),
        ({"variable_fsrec_document": "a\nb"}, "variable_fsrec_document is not"),
    ],
)
def test_a_dump_that_cannot_be_used(headers: dict[str, object], message: str) -> None:
    """What is missing or not usable is named."""
    with pytest.raises(BadReplyError, match=f"uuid_dump: {message}"):
        facts.parse_dump(json.dumps(changed("CHANNEL_PARK", headers)))


@pytest.mark.parametrize("read", [facts.parse_buglist, facts.parse_channels, facts.parse_dump])
@given(reply=st.text() | any_json.map(json.dumps))
def test_no_reply_raises_but_in_its_own_way(read: Callable[[str], object], reply: str) -> None:
    """Whatever a switch answers is a result or a ReplyError."""
    with contextlib.suppress(facts.ReplyError):
        read(reply)


@pytest.mark.parametrize(
    ("headers", "rings"),
    [
        ({}, False),
        ({"variable_transfer_ringback": "%(2000,4000,440,480)"}, True),
        ({"variable_ringback": "${us-ring}"}, True),
        ({"variable_ringback": ""}, False),
    ],
)
def test_whether_a_dialplan_says_what_is_heard(headers: dict[str, object], rings: bool) -> None:
    """Either variable of FreeSWITCH does; which one counts is the switch's."""
    assert parked(headers).ringback is rings
