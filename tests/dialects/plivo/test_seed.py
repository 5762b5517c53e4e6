"""Seed 003, row by row and sentence by sentence: what ``<Record>`` may say, what comes of it, and what it tells."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from controller.dialects.plivo.verbs import RECORD
from controller.documents.attributes import Kind
from controller.documents.dialect import DocumentError
from controller.documents.steps import (
    Answer,
    Dial,
    DialRecording,
    Fetch,
    Play,
    Record,
    RecordingEnded,
    Speech,
    StartRecording,
    Tell,
)
from controller.recordings.model import (
    Channels,
    EndReason,
    Notice,
    NoticeKind,
    RecordingRequest,
    State,
    StatusTarget,
    Track,
    Transcription,
    TranscriptionState,
    TranscriptionWish,
)
from controller.transcription import moonshine_worker, openai, refusals
from tests.dialects.plivo import seed_rows
from tests.dialects.plivo.sample import (
    CALL_ID,
    ENDED,
    PLIVO,
    RECORDED,
    RECORDING_ID,
    RUNNING,
    STARTED,
    TOLD,
    dialect,
    finished,
    first,
    having,
    media,
    steps,
)
from tests.dialects.plivo.seed_rows import rows
from tests.transcription.wavs import tone, write

ATTRIBUTES = [
    *rows(seed_rows.BASIC),
    *rows(seed_rows.TIMING),
    *rows(seed_rows.SESSION),
    *rows(seed_rows.TRANSCRIPTION),
    *rows(seed_rows.CALLBACKS),
]
KINDS = {
    "URL": {Kind.URL},
    "integer": {Kind.INTEGER},
    "boolean": {Kind.BOOLEAN},
    "string": {Kind.CHOICE, Kind.KEYS},
}
DIAL = "<Dial><Number>+14155551234</Number></Dial>"
NEXT = "<Speak>next</Speak>"
SPOKEN = Play((Speech("next"),))


def foreground(attributes: str = "") -> RecordingRequest:
    """What is recorded of what a caller says."""
    return first(Record, f"<Record {attributes}/>").request


def session(attributes: str = "") -> RecordingRequest:
    """What is recorded of a whole call."""
    return first(StartRecording, f'<Record recordSession="true" {attributes}/>').request


def dialled(attributes: str = "") -> DialRecording:
    """What is recorded from the answer of a Dial on."""
    recording = first(Dial, f'<Record startOnDialAnswer="true" {attributes}/>{DIAL}').recording
    assert recording is not None
    return recording


def refused(attributes: str) -> bool:
    """Whether a document with such a Record may not run."""
    return bool(dialect().check(f"<Response><Record {attributes}/></Response>", "test"))


# --- the rows of the attributes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind", "default", "words"), ATTRIBUTES, ids=[row[0] for row in ATTRIBUTES])
def test_each_attribute_is_there(name: str, kind: str, default: str, words: str) -> None:
    """Type and default are the seed's, in its words, and what it comes to is the default's value."""
    row = RECORD.by_name[name]
    assert (row.values, row.default_words) == (kind, default)
    assert row.kind in KINDS[kind]
    written = {"-": None, "true": True, "false": False}.get(default, int(default) if default.isdigit() else default)
    assert row.default == written
    assert name in CHECKS, words


def test_there_are_no_others() -> None:
    """Beside the seed's rows there is what SDKs write: the method of transcriptionUrl, and what nobody documents."""
    others = set(RECORD.by_name) - {row[0] for row in ATTRIBUTES}
    assert others == {"transcriptionMethod", "transcriptionReportType"}


def _action() -> None:
    assert first(Fetch, '<Record action="https://h/done"/>') == Fetch("https://h/done", TOLD, "POST")
    assert steps(f"<Record/>{NEXT}")[1:] == [SPOKEN]


def _method() -> None:
    assert first(Fetch, '<Record action="https://h/done" method="GET"/>').method == "GET"
    assert first(Fetch, '<Record action="https://h/done" method="POST"/>').method == "POST"
    assert refused('method="PUT"')


def _file_format() -> None:
    assert foreground().format == "mp3"
    assert foreground('fileFormat="mp3"').format == "mp3"
    assert foreground('fileFormat="wav"').format == "wav"
    assert refused('fileFormat="ogg"')


def _redirect() -> None:
    body = f'<Record action="https://h/done" redirect="{{}}"/>{NEXT}'
    assert SPOKEN not in steps(body.format("true"))
    assert steps(body.format("false"))[1:] == [Tell(StatusTarget("https://h/done"), TOLD), SPOKEN]


def _timeout() -> None:
    request = foreground()
    assert (request.end_silence_timeout, request.initial_timeout) == (15.0, 15.0)
    assert foreground('timeout="7"').end_silence_timeout == 7.0
    assert all(refused(f'timeout="{value}"') for value in ("0", "-5", "1.5", "x", ""))


def _max_length() -> None:
    assert foreground().max_length == 60.0
    assert foreground('maxLength="120"').max_length == 120.0
    assert all(refused(f'maxLength="{value}"') for value in ("0", "-5", "1.5", "x", ""))


def _finish_on_key() -> None:
    assert foreground().terminators == "#"
    written = {"5": "5", "#": "#", "*": "*", "none": "", "1234567890*#": "1234567890*#"}
    assert {value: foreground(f'finishOnKey="{value}"').terminators for value in written} == written
    assert all(refused(f'finishOnKey="{value}"') for value in ("any", "A", "1,2"))


def _play_beep() -> None:
    assert foreground().beep
    assert foreground('playBeep="true"').beep
    assert not foreground('playBeep="false"').beep


def _record_session() -> None:
    assert isinstance(steps('<Record recordSession="true"/>')[0], StartRecording)
    assert isinstance(steps('<Record recordSession="false"/>')[0], Record)


def _start_on_dial_answer() -> None:
    found = steps(f'<Record startOnDialAnswer="true"/>{NEXT}{DIAL}')
    assert [type(step) for step in found] == [Answer, Play, Dial]
    assert dialled().lasting
    assert not dialled().early
    assert isinstance(steps(f'<Record startOnDialAnswer="false"/>{DIAL}')[0], Record)


def _record_channel_type() -> None:
    for recorded in (session, lambda written="": dialled(written).request):
        assert recorded().channels is Channels.DUAL
        assert recorded('recordChannelType="stereo"').channels is Channels.DUAL
        assert recorded('recordChannelType="mono"').channels is Channels.MONO
    assert refused('recordChannelType="dual"')


def _transcription_type() -> None:
    assert foreground().transcription is None
    assert foreground('transcriptionType="auto"').transcription == TranscriptionWish()
    assert refused('transcriptionType="yes"')


def _transcription_url() -> None:
    wish = TranscriptionWish(StatusTarget("https://h/text"))
    written = 'transcriptionType="auto" transcriptionUrl="https://h/text"'
    requests = foreground(written), session(written), dialled(written).request
    assert [request.transcription for request in requests] == [wish] * 3


def _callback_url() -> None:
    assert foreground().status is None
    written = 'callbackUrl="https://h/ready"'
    requests = foreground(written), session(written), dialled(written).request
    assert [request.status for request in requests] == [StatusTarget("https://h/ready")] * 3


def _callback_method() -> None:
    written = 'callbackUrl="https://h/ready" callbackMethod="{}"'
    for method in ("GET", "POST"):
        assert foreground(written.format(method)).status == StatusTarget("https://h/ready", method)
    assert refused('callbackMethod="PUT"')


CHECKS: dict[str, Callable[[], None]] = {
    "action": _action,
    "method": _method,
    "fileFormat": _file_format,
    "redirect": _redirect,
    "timeout": _timeout,
    "maxLength": _max_length,
    "finishOnKey": _finish_on_key,
    "playBeep": _play_beep,
    "recordSession": _record_session,
    "startOnDialAnswer": _start_on_dial_answer,
    "recordChannelType": _record_channel_type,
    "transcriptionType": _transcription_type,
    "transcriptionUrl": _transcription_url,
    "callbackUrl": _callback_url,
    "callbackMethod": _callback_method,
}


@pytest.mark.parametrize("name", [row[0] for row in ATTRIBUTES])
def test_what_each_attribute_does(name: str) -> None:
    """As its description says; each of its values, its default, and what it cannot be."""
    CHECKS[name]()


# --- the rows of the parameters -----------------------------------------------------------------------------------

ACTION_VALUES = {
    "RecordUrl": media(),
    "RecordingID": RECORDING_ID,
    "RecordingDuration": "3",
    "RecordingDurationMs": "2625",
    "RecordingStartMs": str(int(STARTED * 1000)),
    "RecordingEndMs": str(int(ENDED * 1000)),
    "Digits": "5",
}


@pytest.mark.parametrize("name", [row[0] for row in rows(seed_rows.ACTION_PARAMETERS)])
def test_what_the_action_is_told(name: str) -> None:
    """Each parameter, whether the action is asked or told."""
    asked = first(Fetch, '<Record action="https://h/done"/>').given
    told = first(Tell, '<Record action="https://h/done" redirect="false"/>').given
    assert asked[name] == told[name] == ACTION_VALUES[name]


def test_the_action_is_told_no_more() -> None:
    """Beside the seed's rows there is the URL's older name (spec 3.3)."""
    given = first(Fetch, '<Record action="https://h/done"/>').given
    assert set(given) == {row[0] for row in rows(seed_rows.ACTION_PARAMETERS)} | {"RecordFile"}
    assert given["RecordFile"] == given["RecordUrl"]


def test_digits_are_empty_where_no_key_was_pressed() -> None:
    """``Key pressed to stop (if any)``: there is always a parameter."""
    silence = replace(RECORDED, reason=EndReason.END_SILENCE, digit="")
    assert first(Fetch, '<Record action="https://h/done"/>', having(Record=silence)).given["Digits"] == ""


@pytest.mark.parametrize("name", [row[0] for row in rows(seed_rows.CALLBACK_PARAMETERS)])
def test_what_the_callback_is_told(name: str) -> None:
    """Each parameter has the value that the action was told."""
    recording = finished(foreground('callbackUrl="https://h/ready"'))
    (sent,) = dialect().render(Notice("n", NoticeKind.COMPLETED, recording, ENDED, 1), PLIVO)
    assert (sent.method, sent.url) == ("POST", "https://h/ready")
    assert dict(parse_qsl(sent.body.decode()))[name] == ACTION_VALUES[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transcription", "hello world"),
        ("transcription_charge", "0.05000"),
        ("transcription_rate", "0.01000"),
        ("duration", "3"),
        ("call_uuid", CALL_ID),
        ("recording_id", RECORDING_ID),
        ("error", ""),
    ],
)
def test_what_the_transcription_url_is_told(name: str, value: str) -> None:
    """Each parameter of the seed's table, and there is no other."""
    request = foreground('transcriptionType="auto" transcriptionUrl="https://h/text"')
    assert request.transcription is not None
    over = Transcription(
        RECORDING_ID,
        "acme",
        TranscriptionState.DONE,
        ENDED,
        request.transcription.target,
        seconds=2.625,
        text="hello world",
        charge=0.05,
        rate=0.01,
    )
    sent = dialect().transcribed(over, finished(request), PLIVO)
    assert sent is not None
    assert (sent.method, sent.url) == ("POST", "https://h/text")
    told = dict(parse_qsl(sent.body.decode(), keep_blank_values=True))
    assert told[name] == value
    assert set(told) == {row[0] for row in rows(seed_rows.TRANSCRIPTION_PARAMETERS)}


# --- the sentences ------------------------------------------------------------------------------------------------


def _records_and_returns() -> None:
    recorded, asked, *_ = steps('<Record action="https://h/done"/>')
    assert isinstance(recorded, Record)
    assert isinstance(asked, Fetch)
    assert asked.given["RecordUrl"] == media()
    assert dialect().recording_of(asked.given["RecordUrl"]) == RECORDING_ID


def _in_the_background() -> None:
    found = steps(f'<Record recordSession="true"/>{NEXT}{DIAL}')
    assert [type(step) for step in found] == [StartRecording, Play, Dial]
    assert session().track is Track.BOTH


def _until_the_call_ends() -> None:
    assert session().max_length is None
    assert session('maxLength="30"').max_length == 30.0  # an explicit one is honoured (DESIGN section 9)
    assert (session().end_silence_timeout, session().initial_timeout) == (0.0, 0.0)


def _ignored() -> None:
    written = 'timeout="3" finishOnKey="*" playBeep="true"'
    for plain, with_them in ((session(), session(written)), (dialled().request, dialled(written).request)):
        assert replace(plain, reference="") == replace(with_them, reference="")
        assert (plain.beep, plain.terminators, plain.end_silence_timeout) == (False, "", 0.0)


def _sent_when_complete() -> None:
    request = session('callbackUrl="https://h/ready"')
    assert request.status == StatusTarget("https://h/ready")
    recording = finished(request)
    begun = Notice("n", NoticeKind.STARTED, replace(recording, state=State.RECORDING), STARTED, 1)
    assert dialect().render(begun, PLIVO) == ()
    assert len(dialect().render(Notice("n", NoticeKind.COMPLETED, recording, ENDED, 2), PLIVO)) == 1


def _both_parties_after_the_answer() -> None:
    recording = dialled()
    assert (recording.request.track, recording.early, recording.lasting) == (Track.BOTH, False, True)
    assert not any(isinstance(step, StartRecording) for step in steps(f'<Record startOnDialAnswer="true"/>{DIAL}'))


def _stereo() -> None:
    assert [request.channel_count for request in (session(), dialled().request)] == [2, 2]


def _mono() -> None:
    written = 'recordChannelType="mono"'
    for request in (session(written), dialled(written).request):
        assert (request.channel_count, request.track) == (1, Track.BOTH)


def _speech_to_text() -> None:
    written = 'transcriptionType="{}" transcriptionUrl="https://h/text"'
    assert foreground(written.format("auto")).transcription == TranscriptionWish(StatusTarget("https://h/text"))
    assert foreground(written.format("hybrid")).transcription is not None


def _in_english() -> None:
    """A document cannot wish for another language; who is asked is asked for this one."""
    assert refused('transcriptionLanguage="de"')
    assert openai.LANGUAGE == moonshine_worker.MODEL.rpartition("-")[2] == "en"


def _how_long() -> None:
    """Any recording may be wished as text; what is shorter or longer is refused when it is to be transcribed."""
    wishes = [foreground(f'transcriptionType="auto" maxLength="{length}"').transcription for length in (1, 86_400)]
    assert wishes == [TranscriptionWish()] * 2
    within = [refusals.of_length(seconds) is None for seconds in (0.499, 0.5, 4 * 3600.0, 4 * 3600.0 + 0.001)]
    assert within == [False, True, True, False]


def _how_large() -> None:
    """A file of 2 GB is refused, whatever is in it."""
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory) / "a.wav", tone(1.0))
        os.truncate(path, 1_999_999_999)
        assert refusals.of_file(path, 1.0) is None
        os.truncate(path, 2_000_000_000)
        assert "2000000000 bytes" in str(refusals.of_file(path, 1.0))


def _when_it_completes() -> None:
    body = '<Record action="https://h/done"/>'
    assert isinstance(steps(body)[1], Fetch)
    failed = RecordingEnded(RECORDING_ID, media(), EndReason.ERROR, good=False, state=State.FAILED)
    assert len(steps(body, having(Record=failed))) == 1


def _minus_one_at_once() -> None:
    body = f'<Record recordSession="true" action="https://h/done" redirect="false"/>{NEXT}'
    assert [*steps(body)[1:]] == [Tell(StatusTarget("https://h/done"), RUNNING), SPOKEN]
    body = f'<Record startOnDialAnswer="true" action="https://h/done" redirect="false"/>{DIAL}'
    _, told, dial = steps(body)
    assert isinstance(told, Tell)
    assert isinstance(dial, Dial)
    assert dial.recording is not None
    identity = dial.recording.identity
    urls = dict.fromkeys(("RecordUrl", "RecordFile"), media(identity))
    assert told.given == {**RUNNING, "RecordingID": identity, **urls}


def _final_values() -> None:
    for request in (session('callbackUrl="https://h/ready"'), dialled('callbackUrl="https://h/ready"').request):
        (sent,) = dialect().render(Notice("n", NoticeKind.COMPLETED, finished(request), ENDED, 2), PLIVO)
        assert dict(parse_qsl(sent.body.decode()))["RecordingDuration"] == "3"


SAID: dict[str, Callable[[], None]] = {
    "<Record> element records audio from the call and returns the URL of the recording file.": _records_and_returns,
    "Record the complete call in the background:": _in_the_background,
    "Recording starts immediately and continues until the call ends": _until_the_call_ends,
    "timeout, finishOnKey, and playBeep are ignored": _ignored,
    "Recording is sent to callbackUrl when complete": _sent_when_complete,
    "Record both parties after the dial connects:": _both_parties_after_the_answer,
    "Stereo (default): Each party on separate audio channels - useful for call analytics.": _stereo,
    "Mono: Both parties on single channel - smaller file size.": _mono,
    "Get automatic speech-to-text:": _speech_to_text,
    "English only": _in_english,
    "Duration: 500ms to 4 hours": _how_long,
    "File size: under 2GB": _how_large,
    "Sent when recording completes:": _when_it_completes,
    "recordSession or startOnDialAnswer is true, duration values are -1 in the initial request.": _minus_one_at_once,
    "Final values are sent to callbackUrl.": _final_values,
    "Sent when recording file is ready:": _sent_when_complete,
}


@pytest.mark.parametrize("sentence", seed_rows.SENTENCES.strip().splitlines())
def test_each_sentence(sentence: str) -> None:
    """What the seed says between its tables."""
    SAID[sentence]()


def test_the_samples_of_the_page() -> None:
    """Spec 3.3: a voicemail, a recorded session, a recorded conversation; each may run, as it is written."""
    recorded, *_ = steps(
        '<Record action="https://example.com/save-voicemail/" maxLength="120" finishOnKey="#" playBeep="true"/>'
        "<Speak>Thank you.</Speak>"
    )
    assert isinstance(recorded, Record)
    assert recorded.request.max_length == 120.0
    ready = 'callbackUrl="https://example.com/recording-ready/"'
    found = steps(f'<Record recordSession="true" {ready}/><Speak>Hello.</Speak>{DIAL}')
    assert [type(step) for step in found] == [StartRecording, Play, Dial]
    found = steps(f'<Record startOnDialAnswer="true" {ready}/>{DIAL}')
    assert [type(step) for step in found] == [Answer, Dial]


def test_what_is_refused_is_refused_before_anything_runs() -> None:
    """A bad value anywhere in a document, and not one step of it."""
    with pytest.raises(DocumentError):
        steps(f"{NEXT}<Record fileFormat='ogg'/>")
