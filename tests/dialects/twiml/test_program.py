"""Runs of documents: steps in order, actions and what they are told, fallbacks, and the same after every restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controller.dialects.twiml.program import LONGEST_DOCUMENT, MOST_FETCHES, TwimlProgram
from controller.documents.call import Call
from controller.documents.dialect import DocumentError
from controller.documents.steps import (
    Answer,
    AudioAt,
    Dial,
    Dialled,
    DialStatus,
    Done,
    End,
    Failed,
    Fetch,
    Fetched,
    Gather,
    Gathered,
    Outcome,
    Party,
    PartyKind,
    Play,
    Quiet,
    Record,
    RecordingEnded,
    RecordingRefused,
    RecordingRuns,
    SendDigits,
    Speech,
    StartRecording,
    Step,
    StopRecording,
    Wait,
)
from controller.recordings.model import Channels, EndReason, Track
from tests.dialects.twiml.sample import BASE, CALL, CALL_ID, PUBLIC, RE, RECORDING_ID, Heard, dialect

URL = f"{PUBLIC}/2010-04-01/Accounts/AC/Recordings/{RE}"
RECORDED = RecordingEnded(RECORDING_ID, URL, EndReason.TERMINATOR, good=True, digit="5", seconds=2.6)
ANSWER = "<Response><Hangup/></Response>"
FILE = replace(CALL, document="/etc/fsrec/hello.xml")
Outcomes = Callable[[Step], Outcome]


def outcome_of(step: Step) -> Outcome:
    """What becomes of a step where all goes well."""
    match step:
        case StartRecording():
            return RecordingRuns(RECORDING_ID, URL, 1771539204.5)
        case Record():
            return RECORDED
        case Gather():
            return Gathered("12", "#")
        case Dial():
            return Dialled(DialStatus.ANSWERED, step.groups[0][0], CALL_ID, 12.4)
        case Fetch():
            return Fetched(ANSWER)
        case _:
            return Done()


def having(**by_step: Any) -> Outcomes:
    """Outcomes by the name of their step; all else goes well."""
    return lambda step: by_step.get(type(step).__name__) or outcome_of(step)


def run(
    body: str, outcomes: Outcomes = outcome_of, call: Call = CALL, heard: Heard | None = None, most: int = 2_000
) -> tuple[list[Step], End]:
    """Run a document to its end: its steps, and the end.

    At each point a restored twin must ask for the same step, again when asked again, and be in the same state.
    """
    text = f"<Response>{body}</Response>"
    spoken = dialect(heard)
    program = spoken.start(text, "test", call)
    steps: list[Step] = []
    outcome: Outcome | None = None
    for _ in range(most):
        twin = restored(program, text, call)
        step = program.next(outcome)
        assert twin.next(outcome) == step
        assert twin.snapshot() == program.snapshot()
        again = restored(program, text, call)
        assert (again.next(None), again.session) == (step, program.session) or isinstance(step, End)
        if isinstance(step, End):
            return steps, step
        steps.append(step)
        outcome = outcomes(step)
    raise AssertionError("the document does not end")


def restored(program: TwimlProgram, text: str, call: Call) -> TwimlProgram:
    """The program as a restart finds it."""
    return dialect().restore(text, "test", call, json.loads(json.dumps(program.snapshot())))


def steps(body: str, outcomes: Outcomes = outcome_of, call: Call = CALL) -> list[Step]:
    return run(body, outcomes, call)[0]


def asked(body: str, outcomes: Outcomes = outcome_of) -> Fetch:
    """The first document that is asked for."""
    return next(step for step in steps(body, outcomes) if isinstance(step, Fetch))


# --- verbs --------------------------------------------------------------------------------------------------------


def test_no_verbs_hang_up() -> None:
    """An empty document, and the end of one."""
    assert run("") == ([], End())
    assert run("<Pause/>") == ([Wait(1.0)], End())
    assert run("<Hangup/><Say>never</Say>") == ([], End())


@pytest.mark.parametrize(
    ("reason", "cause"), [("", "CALL_REJECTED"), ("rejected", "CALL_REJECTED"), ("busy", "USER_BUSY")]
)
def test_reject(reason: str, cause: str) -> None:
    """Nothing is answered: the leg ends with the reason's cause."""
    written = f' reason="{reason}"' if reason else ""
    assert run(f"<Reject{written}/>") == ([], End(cause))


@pytest.mark.parametrize(
    ("attributes", "speech"),
    [
        ("", Speech("hello you")),
        ("voice='man'", Speech("hello you", "man", "", "male")),
        ("voice='Alice' language='en-GB'", Speech("hello you", "Alice", "en-GB", "female")),
        ("voice='Polly.Joanna'", Speech("hello you", "Polly.Joanna")),
    ],
)
def test_say(attributes: str, speech: Speech) -> None:
    """A text on one line, in the voice that is wished."""
    assert steps(f"<Say {attributes}> hello\n   you </Say>") == [Play((speech,))]


def test_loops() -> None:
    """So often; endless ones until they fail or the leg ends."""
    assert steps("<Say loop='3'>x</Say><Pause/>") == [Play((Speech("x"),))] * 3 + [Wait(1.0)]
    with pytest.raises(AssertionError, match="does not end"):
        run("<Play loop='0'>x.wav</Play>", most=50)
    assert steps("<Play loop='0'>x.wav</Play><Pause/>", having(Play=Failed("404"))) == [
        Play((AudioAt("https://app.example/voice/x.wav"),)),
        Wait(1.0),
    ]


def test_digits_are_sent_after_the_answer() -> None:
    """They are heard by somebody, then."""
    assert steps("<Play digits='1w2' loop='2'/>") == [Answer(), SendDigits("1w2"), SendDigits("1w2")]


def test_recording_in_the_background() -> None:
    """The next verb follows whatever became of the start, and of the stop of a name that is none."""
    body = "<Start><Recording name='a'/></Start><Say>x</Say><Stop><Recording name='b'/></Stop><Pause/>"
    for outcomes in (outcome_of, having(StartRecording=RecordingRefused("full"), StopRecording=Failed("none"))):
        first, *others = steps(body, outcomes)
        assert isinstance(first, StartRecording)
        assert first.request.reference == "a"
        assert others == [Play((Speech("x"),)), StopRecording("b"), Wait(1.0)]


def test_recordings_without_names_are_others() -> None:
    """Two that run at once are two."""
    one, other = steps("<Start><Recording/><Recording/></Start>")
    assert isinstance(one, StartRecording)
    assert isinstance(other, StartRecording)
    assert one.request.reference != other.request.reference


# --- Gather -------------------------------------------------------------------------------------------------------


def test_gather() -> None:
    """What is nested plays meanwhile; its numbers are one timeout's."""
    (step, *_) = steps(
        "<Gather timeout='3' numDigits='4' finishOnKey='*#'>"
        "<Say loop='2'>x</Say><Pause length='2'/><Play>/y</Play></Gather>"
    )
    assert step == Gather(
        (Speech("x"), Speech("x"), Quiet(2.0), AudioAt("https://app.example/y")),
        most=4,
        terminators="*#",
        initial_timeout=3.0,
        digit_timeout=3.0,
    )


def test_digits_go_to_the_action() -> None:
    """To the document's own URL where none is named; with the key that finished them."""
    assert asked("<Gather/>") == Fetch(BASE, {"Digits": "12", "FinishedOnKey": "#"}, "POST")
    assert asked("<Gather action='d' method='GET'/>", having(Gather=Gathered("7"))) == Fetch(
        "https://app.example/voice/d", {"Digits": "7"}, "GET"
    )


def test_nobody_pressed_anything() -> None:
    """The next verb, unless the action is to hear of that too."""
    empty = having(Gather=Gathered(""))
    assert steps("<Gather/><Pause/>", empty)[1:] == [Wait(1.0)]
    assert steps("<Gather/><Pause/>", having(Gather=Gathered("", "#")))[1:] == [Wait(1.0)]
    assert steps("<Gather/><Pause/>", having(Gather=Failed("not answered")))[1:] == [Wait(1.0)]
    assert asked("<Gather actionOnEmptyResult='true'/>", empty) == Fetch(BASE, {"Digits": ""}, "POST")


# --- Record -------------------------------------------------------------------------------------------------------


def test_record() -> None:
    """Each attribute, in the core's terms."""
    (step, *_) = steps(
        "<Record timeout='0' finishOnKey='' maxLength='30' playBeep='false' trim='do-not-trim' "
        "recordingStatusCallback='/cb' recordingStatusCallbackEvent='absent' recordingStatusCallbackMethod='GET'/>"
    )
    assert isinstance(step, Record)
    request = step.request
    assert (request.initial_timeout, request.end_silence_timeout, request.max_length) == (0.0, 0.0, 30.0)
    assert (request.terminators, request.beep, request.trim) == ("", False, False)
    assert request.status is not None
    assert (request.status.url, request.status.method) == ("https://app.example/cb", "GET")
    assert request.status.events == ("absent",)
    (laml, *_) = steps("<Record maxLength='0'/>")
    assert isinstance(laml, Record)
    assert laml.request.max_length == 3600.0


def test_a_message_goes_to_the_action() -> None:
    """Where it is, how long it is, and the key that ended it; verbs after it are never reached."""
    body = "<Record action='/done' method='GET'/><Say>never</Say>"
    told = {"RecordingUrl": URL, "RecordingSid": RE, "RecordingDuration": "3", "Digits": "5"}
    assert steps(body)[1:] == [Fetch("https://app.example/done", told, "GET")]
    silence = replace(RECORDED, reason=EndReason.END_SILENCE, digit="")
    assert "Digits" not in asked(body, having(Record=silence)).given
    assert asked("<Record/>").url == BASE


@pytest.mark.parametrize(
    "outcome",
    [
        replace(RECORDED, good=False, reason=EndReason.NO_INPUT),
        replace(RECORDED, seconds=0.0),
        RecordingRefused("the disk is full"),
    ],
)
def test_an_empty_message(outcome: Outcome) -> None:
    """No action hears of it; the next verb runs."""
    assert steps("<Record action='/done'/><Pause/>", having(Record=outcome))[1:] == [Wait(1.0)]


def test_files_have_nobody_to_ask() -> None:
    """Without an action the call ends after what was recorded or pressed."""
    assert [type(step) for step in steps("<Record/><Pause/>", call=FILE)] == [Record]
    assert [type(step) for step in steps("<Gather/><Pause/>", call=FILE)] == [Gather]
    assert steps("<Record action='https://h/x'/>", call=FILE)[1] == Fetch(
        "https://h/x", {"RecordingUrl": URL, "RecordingSid": RE, "RecordingDuration": "3", "Digits": "5"}, "POST"
    )


# --- Dial ---------------------------------------------------------------------------------------------------------


def test_dial() -> None:
    """A number as its text, or several parties that ring together, or one after the other."""
    (step,) = steps("<Dial>+1 (555) 010-0111</Dial>")
    number = Party(PartyKind.NUMBER, "+15550100111")
    assert step == Dial(((number,),), timeout=30.0, limit=14400.0)
    nouns = "<Number>+15550100111</Number><Sip>sip:jo@h</Sip>"
    body = f"<Dial {{}} timeout='9' timeLimit='60' hangupOnStar='true' callerId='+1555'>{nouns}</Dial>"
    sip = Party(PartyKind.SIP, "sip:jo@h")
    (together,) = steps(body.format(""))
    assert together == Dial(((number, sip),), 9.0, 60.0, "+1555", hangup_on_star=True)
    (serial,) = steps(body.format("sequential='true'"))
    assert isinstance(serial, Dial)
    assert serial.groups == ((number,), (sip,))


@pytest.mark.parametrize(
    ("record", "channels", "early"),
    [
        ("record-from-answer", Channels.MONO, False),
        ("record-from-ringing", Channels.MONO, True),
        ("record-from-answer-dual", Channels.DUAL, False),
        ("record-from-ringing-dual", Channels.DUAL, True),
        ("true", Channels.MONO, False),
    ],
)
def test_dial_that_records(record: str, channels: Channels, early: bool) -> None:
    """Each of the attribute's values; untrimmed unless it says so, of both tracks."""
    (step,) = steps(f"<Dial record='{record}' recordingStatusCallback='/cb'>1</Dial>")
    assert isinstance(step, Dial)
    assert step.recording is not None
    request = step.recording.request
    assert (request.channels, step.recording.early) == (channels, early)
    assert (request.source, request.trim, request.track) == ("DialVerb", False, Track.BOTH)
    assert request.status is not None
    assert request.status.events == ("completed",)


@pytest.mark.parametrize("record", ["do-not-record", "false"])
def test_dial_that_does_not(record: str) -> None:
    """Nothing is recorded."""
    (step,) = steps(f"<Dial record='{record}'>1</Dial>")
    assert isinstance(step, Dial)
    assert step.recording is None


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (
            Dialled(DialStatus.ANSWERED, None, CALL_ID, 12.4, RECORDING_ID, URL),
            {
                "DialCallStatus": "completed",
                "DialBridged": "true",
                "DialCallSid": "CA" + CALL_ID.replace("-", ""),
                "DialCallDuration": "12",
                "RecordingUrl": URL,
            },
        ),
        (Dialled(DialStatus.BUSY), {"DialCallStatus": "busy", "DialBridged": "false"}),
        (Dialled(DialStatus.NO_ANSWER), {"DialCallStatus": "no-answer", "DialBridged": "false"}),
        (Dialled(DialStatus.FAILED), {"DialCallStatus": "failed", "DialBridged": "false"}),
        (Dialled(DialStatus.CANCELED), {"DialCallStatus": "canceled", "DialBridged": "false"}),
        (Failed("no link"), {"DialCallStatus": "failed", "DialBridged": "false"}),
    ],
)
def test_what_a_dials_action_is_told(outcome: Outcome, told: dict[str, str]) -> None:
    """How it ended; without an action the next verb runs."""
    assert asked("<Dial action='/after'>1</Dial>", having(Dial=outcome)) == Fetch(
        "https://app.example/after", told, "POST"
    )
    assert steps("<Dial>1</Dial><Pause/>", having(Dial=outcome))[1:] == [Wait(1.0)]


# --- documents that follow ----------------------------------------------------------------------------------------


def pages(**documents: str) -> Outcomes:
    """Outcomes of an application whose URLs end so."""

    def outcome(step: Step) -> Outcome:
        if isinstance(step, Fetch):
            name = step.url.rpartition("/")[2].partition("?")[0]
            text = documents.get(name)
            return Failed("404") if text is None else Fetched(text, step.url)
        return outcome_of(step)

    return outcome


def test_redirect() -> None:
    """The next document is the run; its URLs are relative to where it came from in the end."""

    def moved(step: Step) -> Outcome:
        if isinstance(step, Fetch) and step.url.endswith("/voice/next"):
            return Fetched("<Response><Play>a.wav</Play></Response>", "https://other.example/x/y")
        return outcome_of(step)

    assert steps("<Redirect method='GET'>next</Redirect><Say>never</Say>", moved) == [
        Fetch("https://app.example/voice/next", {}, "GET"),
        Play((AudioAt("https://other.example/x/a.wav"),)),
    ]


def test_actions_chain() -> None:
    """Each action's document runs, and the default action is its own URL."""
    found = steps(
        "<Gather action='/menu'/>",
        pages(menu="<Response><Gather action='/end'/></Response>", end=ANSWER),
    )
    assert [step.url for step in found if isinstance(step, Fetch)] == [
        "https://app.example/menu",
        "https://app.example/end",
    ]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Failed("answered with status 500"), "11200"),
        (Fetched("<Response><Say>"), "12100"),
        (Fetched(""), "12100"),
        (Fetched(" <?xml version='1.0'?><Response/>"), "12100"),
        (Fetched("<Response><Foo/></Response>"), "12200"),
        (Fetched("<Response>" + "x" * LONGEST_DOCUMENT + "</Response>"), "11750"),
    ],
)
def test_fallback(outcome: Outcome, code: str) -> None:
    """It is asked instead, told what failed and why; without one the call ends, never in silence."""
    call = replace(CALL, fallback="https://h/fallback", method="GET")

    def outcomes(step: Step) -> Outcome:
        if isinstance(step, Fetch):
            return Fetched("<Response><Say>sorry</Say></Response>") if step.url == "https://h/fallback" else outcome
        return outcome_of(step)

    found, end = run("<Redirect>https://a:b@h/x</Redirect>", outcomes, call)
    given = {"ErrorCode": code, "ErrorUrl": "https://h/x"}
    assert found[1:] == [Fetch("https://h/fallback", given, "GET"), Play((Speech("sorry"),))]
    assert end == End()
    assert run("<Redirect>/x</Redirect>", outcomes)[1] == End("NORMAL_TEMPORARY_FAILURE")


def test_a_fallback_that_fails() -> None:
    """Nobody is asked for ever."""
    call = replace(CALL, fallback="https://h/fallback")
    found, end = run("<Redirect>/x</Redirect>", having(Fetch=Failed("500")), call)
    assert (len(found), end) == (2, End("NORMAL_TEMPORARY_FAILURE"))


@pytest.mark.parametrize(
    ("written", "caller"), [("+1 (555) 010-0", "+15550100"), ("bob", "bob"), ("client:bob", ""), ("", "")]
)
def test_who_is_shown_to_the_dialled(written: str, caller: str) -> None:
    """A number or a name; with another one they are dialled all the same, and are shown the caller's own."""
    (step,) = steps(f"<Dial callerId='{written}'>1</Dial>")
    assert isinstance(step, Dial)
    assert step.caller == caller


@pytest.mark.parametrize("verb", ["<Gather {}/>", "<Record {}/>", "<Dial {}>1</Dial>"])
@pytest.mark.parametrize("action", ["localhost:8080/done", "tel:+1", "file:///etc/passwd"])
def test_an_action_that_nobody_can_ask(verb: str, action: str) -> None:
    """Its verb is carried out all the same; then the fallback is asked instead, or the call ends: no file is read."""
    heard = Heard()
    body = verb.format(f'action="{action}"') + "<Say>x</Say>"
    found, end = run(body, call=replace(CALL, fallback="https://h/fallback"), heard=heard)
    told = {"ErrorCode": "11100", "ErrorUrl": BASE}
    assert type(found[-2]).__name__ in verb
    assert (found[-1], end) == (Fetch("https://h/fallback", told, "POST"), End())
    assert heard.codes == [11100, 11100]
    assert run(body)[1] == End("NORMAL_TEMPORARY_FAILURE")
    assert farewell(body, RECORDED) is None


def test_circles_end() -> None:
    """A redirect to itself ends after so many; one that is heard goes on for as long as the call."""
    heard = Heard()
    found, end = run("<Redirect/>", having(Fetch=Fetched("<Response><Redirect/></Response>", BASE)), heard=heard)
    assert (len(found), end) == (MOST_FETCHES + 1, End("NORMAL_TEMPORARY_FAILURE"))
    assert heard.codes == [11215]
    music = having(Fetch=Fetched("<Response><Play>m.wav</Play><Redirect/></Response>", BASE))
    with pytest.raises(AssertionError, match="does not end"):
        run("<Redirect/>", music, most=3 * MOST_FETCHES)


@pytest.mark.parametrize(
    ("verb", "outcome"),
    [("<Record/>", RecordingRefused("the disk is full")), ("<Dial>1</Dial>", Dialled(DialStatus.FAILED))],
)
def test_circles_that_come_to_nothing_end(verb: str, outcome: Outcome) -> None:
    """What is refused or fails at once makes no sound; a warning names no query of a URL."""
    heard = Heard()
    again = Fetched(f"<Response>{verb}<Redirect>https://h/x?token=hush</Redirect></Response>", BASE)
    outcomes = having(Fetch=again, Record=outcome, Dial=outcome)
    _, end = run(f"{verb}<Redirect>https://h/x?token=hush</Redirect>", outcomes, heard=heard)
    assert end == End("NORMAL_TEMPORARY_FAILURE")
    assert [(event.code, event.where) for event in heard] == [(11215, "https://h/x")]


def test_warnings_are_told_once() -> None:
    """When a document begins, not when it is gone on with after a restart."""
    heard = Heard()
    following = having(Fetch=Fetched("<Response><Say b='1'>x</Say></Response>", BASE))
    run("<Say a='1'>x</Say><Redirect>/x</Redirect>", following, heard=heard)
    assert [event.where for event in heard] == ["Say.a", "Say.b"]
    assert {(event.call, event.document, event.code) for event in heard} == {(CALL_ID, BASE.partition("?")[0], 12200)}


# --- when the leg ends within a verb ------------------------------------------------------------------------------


def farewell(body: str, outcome: Outcome | None = None) -> Fetch | None:
    program = dialect().start(f"<Response>{body}</Response>", "test", CALL)
    program.next(None)
    return program.farewell(outcome)


def test_hangup_within_a_verb() -> None:
    """The action hears of what there is: a message with ``hangup`` for its digits, the end of a dialling."""
    told = farewell("<Record action='/done'/>", replace(RECORDED, reason=EndReason.HANGUP, digit=""))
    assert told == Fetch(
        "https://app.example/done",
        {"RecordingUrl": URL, "RecordingSid": RE, "RecordingDuration": "3", "Digits": "hangup"},
        "POST",
    )
    assert farewell("<Record action='/done'/>", replace(RECORDED, good=False)) is None
    after = farewell("<Dial action='/after'>1</Dial>")
    assert after is not None
    assert after.given["DialCallStatus"] == "canceled"
    assert farewell("<Dial>1</Dial>") is None
    assert farewell("<Gather/>") is None
    assert farewell("<Say>x</Say>") is None


# --- snapshots ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"call": "another"},
        {"at": 7},
        {"at": -1},
        {"at": "1"},
        {"asked": None},
        {"text": "<Response><Foo/></Response>"},
        {"given": []},
        {"session": 1},
    ],
)
def test_snapshots_of_others(change: dict[str, Any]) -> None:
    """What is not one of this document on this call is refused."""
    text = "<Response><Pause/></Response>"
    program = dialect().start(text, "test", CALL)
    program.next(None)
    with pytest.raises(DocumentError):
        dialect().restore(text, "test", CALL, {**program.snapshot(), **change})


def test_snapshots_hold_no_secret_of_the_account() -> None:
    """The token signs elsewhere."""
    program = dialect().start("<Response><Record/></Response>", "test", CALL)
    program.next(None)
    assert "12345" not in json.dumps(dict(program.snapshot())).replace("1234567890", "")
