"""Runs of documents: steps in order, actions asked and told, recordings that wait for an answer; every restart."""

from __future__ import annotations

import json
import math
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from controller.dialects.plivo import PlivoDialect
from controller.dialects.plivo.document import LONGEST_DOCUMENT, MOST_NESTED
from controller.dialects.plivo.program import MOST_FETCHES
from controller.documents.call import Call
from controller.documents.dialect import DocumentError
from controller.documents.steps import (
    Answer,
    AudioAt,
    Beep,
    Confirmation,
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
    Limit,
    Outcome,
    Party,
    PartyKind,
    Play,
    Quiet,
    Record,
    RecordingRefused,
    RecordingRuns,
    Speech,
    StartRecording,
    Step,
    Tell,
    Wait,
)
from controller.recordings.model import Channels, EndReason, State, StatusTarget, Track
from tests.dialects.plivo.sample import (
    ANSWER,
    B_LEG,
    BASE,
    CALL,
    CALL_ID,
    ENDED,
    PLIVO,
    PUBLIC,
    RECORDED,
    RECORDING_ID,
    RUNNING,
    STARTED,
    TOLD,
    dialect,
    first,
    having,
    media,
    outcome_of,
    pages,
    run,
    steps,
)

SAID = StatusTarget("https://h/a")
NEXT, SPOKEN = "<Speak>next</Speak>", Play((Speech("next"),))
NUMBER = "<Number>+14155551234</Number>"
DIAL = f"<Dial>{NUMBER}</Dial>"
FALLBACK = replace(CALL, fallback="https://h/fallback", method="GET")
REFUSED = End("NORMAL_TEMPORARY_FAILURE")
ANSWERED = Dialled(DialStatus.ANSWERED, None, B_LEG, 12.4)


# --- elements -----------------------------------------------------------------------------------------------------


def test_no_elements_hang_up() -> None:
    """An empty document, and the end of one."""
    assert (run("").steps, run("").end) == ([], End(spent=True))
    assert (run("<Wait/>").steps, run("<Wait/>").end) == ([Wait(1.0)], End(spent=True))


@pytest.mark.parametrize(
    ("attributes", "speech"),
    [
        ("", Speech("hello you")),
        ("voice='WOMAN'", Speech("hello you", "WOMAN", "", "female")),
        ("voice='MAN' language='en-GB'", Speech("hello you", "MAN", "en-GB", "male")),
        ("voice='Polly.Joanna'", Speech("hello you", "Polly.Joanna")),
    ],
)
def test_speak(attributes: str, speech: Speech) -> None:
    """A text on one line, its markup's too, in the voice that is wished."""
    assert steps(f"<Speak {attributes}> hello\n <emphasis>  you</emphasis> </Speak>") == [Play((speech,))]


def test_loops() -> None:
    """So often; endless ones until they fail or the leg ends."""
    assert steps("<Speak loop='3'>x</Speak><Wait/>") == [Play((Speech("x"),))] * 3 + [Wait(1.0)]
    music = Play((AudioAt("https://h/m"),))
    with pytest.raises(AssertionError, match="does not end"):
        run("<Play loop='0'>https://h/m</Play>", most=50)
    assert steps("<Play loop='0'>https://h/m</Play><Wait/>", having(Play=Failed("404"))) == [music, Wait(1.0)]
    assert steps("<Speak/><Wait length='3'/>") == [Wait(3.0)]


@pytest.mark.parametrize(
    ("body", "call", "end"),
    [
        ("<Hangup reason='rejected'/>", CALL, "CALL_REJECTED"),
        ("<Hangup reason='busy'/>", CALL, "USER_BUSY"),
        ("<Wait/><Hangup reason='busy'/>", CALL, "USER_BUSY"),
        ("<Hangup/>", CALL, "CALL_REJECTED"),
        ("<Hangup/>", replace(CALL, info=replace(CALL.info, answered=True)), "NORMAL_CLEARING"),
        ("<Wait/><Hangup/>", CALL, "NORMAL_CLEARING"),
        ("<Redirect>https://h/x</Redirect>", CALL, "NORMAL_CLEARING"),
    ],
)
def test_hangup(body: str, call: Call, end: str) -> None:
    """With the cause of its reason; the first element of all rejects a call that nobody answered."""
    assert run(body + NEXT, call=call).end == End(end)


def test_a_hangup_that_is_scheduled() -> None:
    """It limits the call, and the run goes on."""
    assert steps(f"<Hangup schedule='60'/>{NEXT}") == [Limit(60.0), SPOKEN]
    assert steps("<Hangup schedule='999999' reason='busy'/>") == [Limit(86_400.0)]


# --- GetDigits ----------------------------------------------------------------------------------------------------


def test_get_digits() -> None:
    """What is nested plays meanwhile, the beep behind it; each attribute in a step's terms."""
    assert first(Gather, "<GetDigits/>") == Gather(
        (), most=99, terminators="#", initial_timeout=5.0, digit_timeout=2.0
    )
    body = (
        "<GetDigits timeout='3' digitTimeout='4' numDigits='6' finishOnKey='none' playBeep='true'>"
        "<Speak loop='2'>x</Speak><Wait length='2'/><Speak/><Play>https://h/y</Play></GetDigits>"
    )
    assert first(Gather, body) == Gather(
        (Speech("x"), Speech("x"), Quiet(2.0), AudioAt("https://h/y"), Beep()),
        most=6,
        terminators="",
        initial_timeout=3.0,
        digit_timeout=4.0,
    )
    assert first(Gather, "<GetDigits numDigits='200'/>").most == 99
    endless = first(Gather, "<GetDigits><Play loop='0'>https://h/y</Play><Speak>x</Speak></GetDigits>")
    assert len(endless.items) == 1000


def test_digits_go_to_the_action() -> None:
    """It is asked for the next document, or told, and the run goes on; without one it just goes on."""
    assert steps(f"<GetDigits action='https://h/a'/>{NEXT}")[1:] == [Fetch("https://h/a", {"Digits": "12"}, "POST")]
    told = Tell(StatusTarget("https://h/a", "GET"), {"Digits": "12"})
    assert steps(f"<GetDigits action='https://h/a' method='GET' redirect='false'/>{NEXT}")[1:] == [told, SPOKEN]
    assert steps(f"<GetDigits/>{NEXT}")[1:] == [SPOKEN]


class Pressing:
    """Outcomes of one who presses these, try by try."""

    def __init__(self, *pressed: str) -> None:
        self.pressed = list(pressed)

    def __call__(self, step: Step) -> Outcome:
        return Gathered(self.pressed.pop(0)) if isinstance(step, Gather) else outcome_of(step)


SORRY = Play((AudioAt("https://h/no"),))
TRIES = "<GetDigits action='https://h/a' retries='{}' validDigits='123' invalidDigitsSound='https://h/no'/>" + NEXT


@pytest.mark.parametrize(
    ("retries", "pressed", "after"),
    [
        (1, [""], [SPOKEN]),
        (1, ["9"], [SORRY, SPOKEN]),
        (2, ["", "1"], ["try", "asked 1"]),
        (3, ["", "", ""], ["try", "try", SPOKEN]),
        (3, ["9", "19", "31"], [SORRY, "try", SORRY, "try", "asked 31"]),
        (2, ["9", "#"], [SORRY, "try", SORRY, SPOKEN]),
    ],
)
def test_tries(retries: int, pressed: list[str], after: list[object]) -> None:
    """Nothing pressed is a try, what is not valid is one with its sound; then the next element."""
    found = steps(TRIES.format(retries), Pressing(*pressed))
    told = [
        "try" if isinstance(step, Gather) else f"asked {step.given['Digits']}" if isinstance(step, Fetch) else step
        for step in found[1:]
    ]
    assert told == after


def test_a_gathering_that_fails() -> None:
    """It is a try like one in which nobody presses anything."""
    found = steps(TRIES.format(2), having(Gather=Failed("not answered")))
    assert [type(step) for step in found] == [Gather, Gather, Play]


# --- Record in the foreground -------------------------------------------------------------------------------------

NOT_YET = {"RecordingDuration": "0", "RecordingDurationMs": "0", "RecordingEndMs": "-1"}
RECORD = f"<Record action='https://h/a' {{}}/>{NEXT}"


def test_record() -> None:
    """What the caller says, on one channel; a hangup tells the action too."""
    request = first(Record, RECORD.format("timeout='99999' maxLength='100000' callbackUrl='https://h/b'")).request
    assert (request.track, request.channels, request.channel_count) == (Track.INBOUND, Channels.MONO, 1)
    assert (request.end_silence_timeout, request.max_length) == (86_400.0, 86_400.0)
    assert (request.at_hangup, request.status) == (SAID, StatusTarget("https://h/b"))
    assert (request.trim, request.absent_below, request.absent_when_silent) == (False, 0.0, False)
    told = first(Record, RECORD.format("redirect='false' method='GET'")).request
    assert told.at_hangup == StatusTarget("https://h/a", "GET")
    assert first(Record, "<Record/>").request.at_hangup is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, TOLD),
        ({"reason": EndReason.END_SILENCE, "digit": ""}, {**TOLD, "Digits": ""}),
        ({"reason": EndReason.NO_INPUT, "good": False, "state": State.NO_INPUT}, TOLD),
        ({"state": State.PROCESSING, "seconds": None}, TOLD),
        ({"seconds": 0.2}, {**TOLD, "RecordingDuration": "1", "RecordingDurationMs": "200"}),
        ({"seconds": None, "ended_at": None}, {**TOLD, **NOT_YET}),
        ({"state": State.ABSENT}, None),
        ({"state": State.FAILED, "good": False}, None),
    ],
)
def test_what_an_action_hears_of(change: dict[str, Any], told: dict[str, str] | None) -> None:
    """What was recorded, or could have been; of what is absent or failed callbackUrl alone (DESIGN section 9)."""
    outcomes = having(Record=replace(RECORDED, **change))
    after: list[Step] = [SPOKEN] if told is None else [Fetch("https://h/a", told, "POST")]
    assert steps(RECORD.format(""), outcomes)[1:] == after
    after = [SPOKEN] if told is None else [Tell(SAID, told), SPOKEN]
    assert steps(RECORD.format("redirect='false'"), outcomes)[1:] == after
    assert steps(f"<Record/>{NEXT}", outcomes)[1:] == [SPOKEN]


def test_a_recording_that_is_refused() -> None:
    """The next element runs."""
    for body in (RECORD.format(""), RECORD.format("recordSession='true'")):
        refused = RecordingRefused("the disk is full")
        assert steps(body, having(Record=refused, StartRecording=refused))[1:] == [SPOKEN]


# --- Record in the background -------------------------------------------------------------------------------------


def test_a_session() -> None:
    """It starts, its action hears of it at once, and the run goes on, or is its action's document."""
    body = f"<Record recordSession='true' action='https://h/a' redirect='{{}}'/>{NEXT}"
    assert steps(body.format("false"))[1:] == [Tell(SAID, RUNNING), SPOKEN]
    assert steps(body.format("true"))[1:] == [Fetch("https://h/a", RUNNING, "POST")]
    assert steps(f"<Record recordSession='true'/>{NEXT}")[1:] == [SPOKEN]
    assert first(StartRecording, body.format("false")).request.at_hangup is None


def test_recordings_are_others() -> None:
    """Each has a name of its own, for as long as it runs."""
    one, other = [step for step in steps("<Record recordSession='true'/>" * 2) if isinstance(step, StartRecording)]
    assert one.request.reference != other.request.reference


def test_a_recording_of_both_kinds() -> None:
    """The whole session includes the conversation of the Dial."""
    found = steps(f"<Record recordSession='true' startOnDialAnswer='true'/>{DIAL}")
    assert [type(step) for step in found] == [StartRecording, Dial]
    assert first(Dial, f"<Record recordSession='true' startOnDialAnswer='true'/>{DIAL}").recording is None


WAITING = "<Record startOnDialAnswer='true' {}/>"


def recordings(found: list[Step]) -> list[str]:
    """The ids of the recordings of each dialling, empty where it has none."""
    return [step.recording.identity if step.recording else "" for step in found if isinstance(step, Dial)]


def test_an_answer_begins_a_recording_once() -> None:
    """The first Dial that is answered has it; those before it would have had it, those after it have none."""
    unanswered = iter([Dialled(DialStatus.BUSY), Dialled(DialStatus.NO_ANSWER), ANSWERED, ANSWERED])

    def outcomes(step: Step) -> Outcome:
        return next(unanswered) if isinstance(step, Dial) else outcome_of(step)

    one, other, third, fourth = recordings(steps(WAITING.format("") + DIAL * 4, outcomes))
    assert one == other == third != ""
    assert fourth == ""


def test_a_recording_that_began_though_nobody_talked() -> None:
    """What has begun is not begun again."""
    began = having(Dial=Dialled(DialStatus.FAILED, recording=RECORDING_ID))
    one, other = recordings(steps(WAITING.format("") + DIAL * 2, began))
    assert (bool(one), other) == (True, "")


def test_it_waits_in_the_document_that_follows_too() -> None:
    """Its action's document, a redirect's, that of a GetDigits."""
    body = WAITING.format("action='https://h/a'") + NEXT
    found = steps(body, pages(a="<Redirect>https://h/b</Redirect>", b=DIAL))
    answer, asked, _, dial = found
    assert (type(answer), type(asked), type(dial)) == (Answer, Fetch, Dial)
    assert isinstance(asked, Fetch)
    identity = asked.given["RecordingID"]
    assert recordings(found) == [identity]
    assert asked.given == {
        **RUNNING,
        "RecordingID": identity,
        "RecordUrl": media(identity),
        "RecordFile": media(identity),
    }


def test_the_url_that_is_told_is_that_of_its_format() -> None:
    """Before the recording is begun, and when it has."""
    body = WAITING.format("action='https://h/a' redirect='false' fileFormat='wav'") + DIAL
    found = steps(body)
    told = next(step for step in found if isinstance(step, Tell))
    assert told.given["RecordUrl"] == media(recordings(found)[0], "wav")
    assert first(Dial, body).recording is not None


def test_the_later_one_waits() -> None:
    """Of two before a Dial, one is recorded."""
    body = WAITING.format("recordChannelType='mono'") + WAITING.format("maxLength='9'") + DIAL
    recording = first(Dial, body).recording
    assert recording is not None
    assert (recording.request.channels, recording.request.max_length) == (Channels.DUAL, 9.0)


def test_each_run_has_ids_of_its_own() -> None:
    """Nobody guesses the URL of a recording."""
    body = WAITING.format("") + DIAL
    assert recordings(steps(body)) != recordings(steps(body))


# --- Dial ---------------------------------------------------------------------------------------------------------


def test_dial() -> None:
    """All ring at once, as long as the settings let them; nothing else is by default."""
    number, user = Party(PartyKind.NUMBER, "+14155551234"), Party(PartyKind.SIP, "sip:jo@h")
    assert steps(f"<Dial>{NUMBER}<User>sip:jo@h</User></Dial>") == [
        Dial(((number, user),), timeout=math.inf, limit=14_400.0)
    ]


def test_what_a_dial_may_say() -> None:
    """Each attribute in the step's terms."""
    body = (
        "<Dial timeout='9' timeLimit='90000' hangupOnStar='true' callerId='+1 (415) 555-0100' callerName='Ada'"
        " callbackUrl='https://h/e' callbackMethod='GET' digitsMatch='1,22' digitsMatchBLeg='*' sipHeaders='a=1,b=2'>"
        "<Number sendDigits='ww1'>+1-415</Number><User sipHeaders='B=3,c=4' sendDigits='2'>sip:jo@h</User></Dial>"
    )
    shared = (("X-PH-a", "1"), ("X-PH-b", "2"))
    own = (("X-PH-a", "1"), ("X-PH-B", "3"), ("X-PH-c", "4"))
    parties = (
        Party(PartyKind.NUMBER, "+1415", digits="ww1", headers=shared),
        Party(PartyKind.SIP, "sip:jo@h", digits="2", headers=own),
    )
    assert steps(body) == [
        Dial(
            (parties,),
            timeout=9.0,
            limit=86_400.0,
            caller="+14155550100",
            hangup_on_star=True,
            caller_name="Ada",
            status=StatusTarget("https://h/e", "GET"),
            matches=("1", "22"),
            callee_matches=("*",),
        )
    ]


@pytest.mark.parametrize(
    ("outcome", "status", "cause", "rang", "leg"),
    [
        (ANSWERED, "completed", "NORMAL_CLEARING", "true", B_LEG),
        (replace(ANSWERED, cause="ALLOTTED_TIMEOUT"), "completed", "ALLOTTED_TIMEOUT", "true", B_LEG),
        (Dialled(DialStatus.BUSY, call=B_LEG), "busy", "USER_BUSY", "false", ""),
        (Dialled(DialStatus.NO_ANSWER), "no-answer", "NO_ANSWER", "true", ""),
        (Dialled(DialStatus.FAILED, cause="UNALLOCATED_NUMBER"), "failed", "UNALLOCATED_NUMBER", "false", ""),
        (Dialled(DialStatus.CANCELED), "cancel", "ORIGINATOR_CANCEL", "true", ""),
        (Failed("no link"), "failed", "NORMAL_TEMPORARY_FAILURE", "false", ""),
    ],
)
def test_what_a_dials_action_is_told(outcome: Outcome, status: str, cause: str, rang: str, leg: str) -> None:
    """How it ended (spec 3.3); without an action the next element runs."""
    told = {
        "DialRingStatus": rang,
        "DialHangupCause": cause,
        "DialStatus": status,
        "DialALegUUID": CALL_ID,
        "DialBLegUUID": leg,
    }
    body = f"<Dial action='https://h/a' redirect='{{}}'>{NUMBER}</Dial>{NEXT}"
    outcomes = having(Dial=outcome)
    assert steps(body.format("true"), outcomes)[1:] == [Fetch("https://h/a", told, "POST")]
    assert steps(body.format("false"), outcomes)[1:] == [Tell(SAID, told), SPOKEN]
    assert steps(DIAL + NEXT, outcomes)[1:] == [SPOKEN]


@pytest.mark.parametrize(("written", "music"), [("", None), ("dialMusic='real'", None), ("dialMusic='none'", ())])
def test_music_without_a_document(written: str, music: tuple[()] | None) -> None:
    """It rings, or there is nothing."""
    (dial,) = steps(f"<Dial {written}>{NUMBER}</Dial>")
    assert isinstance(dial, Dial)
    assert dial.music == music


SOUNDS = "<Play loop='2'>https://h/m.wav</Play><Wait/><Speak>x</Speak><Hangup/>"
ITEMS = (AudioAt("https://h/m.wav"), AudioAt("https://h/m.wav"), Quiet(1.0), Speech("x"))


def test_music_of_a_document() -> None:
    """It is asked for before the dialling, its sounds are what is heard."""
    body = f"<Dial dialMusic='https://h/music'>{NUMBER}</Dial>{NEXT}"
    asked, dial, spoken = steps(body, pages(music=SOUNDS))
    assert asked == Fetch("https://h/music", {}, "POST")
    assert isinstance(dial, Dial)
    assert (dial.music, spoken) == (ITEMS, SPOKEN)


@pytest.mark.parametrize(
    ("document", "items"),
    [
        ("<Play loop='0'>https://h/1</Play>", ["1"]),
        ("<Play>https://h/1</Play><Play loop='0'>https://h/2</Play><Play>https://h/3</Play>", ["1", "2"]),
        ("<Play loop='5000'>https://h/1</Play><Play>https://h/2</Play>", ["1"] * 100),
        ("<Play loop='99'>https://h/1</Play><Play loop='3'>https://h/2</Play>", ["1"] * 99 + ["2"]),
    ],
)
def test_endless_music(document: str, items: list[str]) -> None:
    """It is heard over and over anyway: of an endless sound once is enough; as many as a switch plays as one."""
    dial = first(Dial, f"<Dial dialMusic='https://h/music'>{NUMBER}</Dial>", pages(music=document))
    assert dial.music == tuple(AudioAt(f"https://h/{item}") for item in items)


def test_an_endless_question() -> None:
    """It is asked until somebody presses a key, as often as a switch plays a sound in one."""
    body = CONFIRMED.format("confirmKey='1'")
    dial = first(Dial, body, pages(sound="<Speak loop='0'>press one</Speak>"))
    assert dial.confirmation == Confirmation((Speech("press one"),) * 100, "1", 120.0)


@pytest.mark.parametrize(
    "outcome",
    [Failed("404"), Fetched("<Foo/>"), Fetched("<Response><Play>m.wav</Play></Response>"), Fetched("x" * 99)],
)
def test_music_that_cannot_be_had(outcome: Outcome) -> None:
    """It rings instead, and somebody is told."""
    ran = run(f"<Dial dialMusic='https://h/music'>{NUMBER}</Dial>", having(Fetch=outcome))
    _, dial = ran.steps
    assert isinstance(dial, Dial)
    assert dial.music is None
    assert (ran.heard[-1].where, "it rings instead" in ran.heard[-1].message) == ("Dial.dialMusic", True)


CONFIRMED = f"<Dial confirmSound='https://h/sound' {{}}>{NUMBER}</Dial>{NEXT}"


@pytest.mark.parametrize(
    ("written", "key", "timeout"),
    [("", "", 120.0), ("confirmKey='1'", "1", 120.0), ("confirmKey='*' confirmTimeout='7'", "*", 7.0)],
)
def test_who_answers_is_asked(written: str, key: str, timeout: float) -> None:
    """The document's sounds, and the key that connects."""
    asked, dial, _ = steps(CONFIRMED.format(written), pages(sound=SOUNDS))
    assert asked == Fetch("https://h/sound", {}, "POST")
    assert isinstance(dial, Dial)
    assert dial.confirmation == Confirmation(ITEMS, key, timeout)


@pytest.mark.parametrize(
    ("written", "outcome"),
    [
        ("", Failed("404")),
        ("confirmKey='1'", Failed("404")),
        ("", Fetched("<Response><Play>m.wav</Play></Response>")),
        ("confirmKey='1'", Fetched("<Response/>")),
    ],
)
def test_nobody_is_connected_unasked(written: str, outcome: Outcome) -> None:
    """Where it cannot be asked, the dialling fails, and its action hears of that."""
    failed = {"DialStatus": "failed", "DialHangupCause": "NORMAL_TEMPORARY_FAILURE", "DialBLegUUID": ""}

    def outcomes(step: Step) -> Outcome:
        return outcome if isinstance(step, Fetch) and step.url == "https://h/sound" else outcome_of(step)

    assert steps(CONFIRMED.format(written), outcomes)[1:] == [SPOKEN]
    told, spoken = steps(CONFIRMED.format(f"{written} action='https://h/a' redirect='false'"), outcomes)[1:]
    assert isinstance(told, Tell)
    assert (failed.items() <= told.given.items(), spoken) == (True, SPOKEN)
    (asked,) = steps(CONFIRMED.format(f"{written} action='https://h/a'"), outcomes)[1:]
    assert isinstance(asked, Fetch)
    assert asked.given == told.given


def test_there_may_be_nothing_to_say() -> None:
    """A document without a sound connects at once, where no key is asked for."""
    _, dial, _ = steps(CONFIRMED.format(""), pages(sound=""))
    assert isinstance(dial, Dial)
    assert dial.confirmation is None


def test_both_documents_of_a_dial() -> None:
    """One after the other; the next Dial asks for its own."""
    one = f"<Dial dialMusic='https://h/music' confirmSound='https://h/sound'>{NUMBER}</Dial>"
    found = steps(one * 2, pages(music="<Play>https://h/1</Play>", sound="<Speak>2</Speak>"))
    assert [step.url for step in found if isinstance(step, Fetch)] == ["https://h/music", "https://h/sound"] * 2
    for dial in found:
        if isinstance(dial, Dial):
            assert dial.music == (AudioAt("https://h/1"),)
            assert dial.confirmation == Confirmation((Speech("2"),), "", 120.0)


# --- documents that follow ----------------------------------------------------------------------------------------


def test_redirect() -> None:
    """The next document is the run; what followed is not reached."""
    found = steps(
        f"<Redirect method='GET'>https://h/b</Redirect>{NEXT}",
        pages(b="<Wait/><Redirect>https://h/c</Redirect>", c="<Wait length='2'/>"),
    )
    assert found == [Fetch("https://h/b", {}, "GET"), Wait(1.0), Fetch("https://h/c", {}, "POST"), Wait(2.0)]


@pytest.mark.parametrize(
    "outcome",
    [
        Failed("answered with status 500"),
        Fetched("<Response><Speak>"),
        Fetched(""),
        Fetched("<Response><Foo/></Response>"),
        Fetched("<Response><Record fileFormat='ogg'/></Response>"),
        Fetched("<Response>" + "é" * (LONGEST_DOCUMENT // 2) + "</Response>"),
    ],
)
def test_fallback(outcome: Outcome) -> None:
    """It is asked instead; without one the call ends, never in silence."""

    def outcomes(step: Step) -> Outcome:
        if isinstance(step, Fetch):
            return Fetched(f"<Response>{NEXT}</Response>") if step.url == "https://h/fallback" else outcome
        return outcome_of(step)

    for body in ("<Redirect>https://a:b@h/x</Redirect>", "<GetDigits action='https://h/x'/>"):
        ran = run(body, outcomes, FALLBACK)
        assert (ran.steps[-2:], ran.end) == ([Fetch("https://h/fallback", {}, "GET"), SPOKEN], End(spent=True))
        assert run(body, outcomes).end == REFUSED
        assert not any("a:b" in event.message for event in ran.heard)


def test_a_fallback_that_fails() -> None:
    """Nobody is asked for ever."""
    ran = run("<Redirect>https://h/x</Redirect>", having(Fetch=Failed("500")), FALLBACK)
    assert (len(ran.steps), ran.end) == (2, REFUSED)


def test_circles_end() -> None:
    """A redirect to itself ends after so many; one that is heard goes on for as long as the call."""
    again = "<Redirect>https://h/x</Redirect>"
    ran = run(again, pages(x=again))
    assert (len(ran.steps), ran.end) == (MOST_FETCHES + 1, REFUSED)
    assert "without a sound" in ran.heard[-1].message
    session = "<Record recordSession='true' action='https://h/x'/>"
    assert run(session, pages(x=session)).end == REFUSED
    with pytest.raises(AssertionError, match="does not end"):
        run(again, pages(x="<Play>https://h/m</Play>" + again), most=3 * MOST_FETCHES)


@pytest.mark.parametrize(
    ("element", "outcome"),
    [
        ("<Record/>", RecordingRefused("the disk is full")),
        ("<Record/>", replace(RECORDED, state=State.FAILED, reason=EndReason.ERROR, good=False)),
        ("<Dial><Number>1</Number></Dial>", Dialled(DialStatus.FAILED, reason="no route")),
        ("<Speak>...</Speak>", Done()),
    ],
)
def test_circles_that_come_to_nothing_end(element: str, outcome: Outcome) -> None:
    """What is refused or fails at once makes no sound, however often the document asks for it."""
    circle = f"{element}<Redirect>https://h/x</Redirect>"
    ran = run(circle, lambda step: pages(x=circle)(step) if isinstance(step, Fetch) else outcome)
    assert ran.end == REFUSED
    assert sum(isinstance(step, Fetch) for step in ran.steps) == MOST_FETCHES + 1


def test_a_warning_names_no_query() -> None:
    """What is in the query of a document's URL is as good as a password."""
    again, call = "<Redirect>https://h/x?token=hush</Redirect>", replace(CALL, document=BASE + "?token=hush")
    ran = run("<Speak/>" + again, lambda _: Fetched(f"<Response>{again}</Response>"), call)
    assert [(event.document, event.where) for event in ran.heard] == [(BASE, "Speak"), (BASE, "https://h/x")]


def test_what_is_silent_is_the_accounts() -> None:
    """``absent_when_silent`` of the settings is of documents' recordings too."""
    account = replace(PLIVO, absent_when_silent=True)
    program = PlivoDialect(PUBLIC, {"acme": account}).start("<Response><Record/></Response>", "test", CALL)
    step = program.next(None)
    assert isinstance(step, Record)
    assert step.request.absent_when_silent


def test_only_an_action_waits_for_the_file() -> None:
    """The URL that an action is told can be fetched; where there is none, a caller waits for nothing."""
    assert first(Record, '<Record action="https://h/x"/>').fetchable
    assert not first(Record, "<Record/>").fetchable


@pytest.mark.parametrize("loop", ["0", "999999999"])
def test_many_endless_sounds_of_a_prompt(loop: str) -> None:
    """What is heard is bounded, and so is what is made to bound it."""
    inner = f"<Speak loop='{loop}'>a</Speak>"
    body = f"<GetDigits>{inner * 2_500}</GetDigits>"
    program = dialect().start(f"<Response>{body}</Response>", "test", CALL)
    tracemalloc.start()
    try:
        step = program.next(None)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(step, Gather)
    assert len(step.items) == MOST_NESTED
    assert most < 1_000_000


def test_warnings_are_told_once() -> None:
    """When a document begins, not when it is gone on with after a restart."""
    ran = run("<Speak/><Redirect>https://h/x</Redirect>", pages(x="<GetDigits><Speak/></GetDigits>"))
    assert [(event.where, event.call) for event in ran.heard] == [("Speak", CALL_ID), ("GetDigits.Speak", CALL_ID)]


# --- when the leg ends within a step ------------------------------------------------------------------------------


def farewell(body: str, outcome: Outcome | None = None, *before: Outcome) -> Tell | None:
    """What is told when the leg ends within the step that comes after these outcomes."""
    program = dialect().start(f"<Response>{body}</Response>", "test", CALL)
    program.next(None)
    for one in before:
        program.next(one)
    return program.farewell(outcome)


def test_a_recording_that_had_ended_before_the_hangup() -> None:
    """Its action is told, once and durably; one that the hangup ended tells it by itself."""
    for written in ("", "redirect='false'"):
        assert farewell(RECORD.format(written), RECORDED) == Tell(SAID, TOLD)
        assert farewell(RECORD.format(written), replace(RECORDED, reason=EndReason.HANGUP)) is None
        assert farewell(RECORD.format(written), replace(RECORDED, state=State.ABSENT)) is None
        assert farewell(RECORD.format(written), None) is None
    assert farewell("<Record/>", RECORDED) is None


def test_an_action_that_was_being_asked() -> None:
    """Whoever presses a key and hangs up leaves a message: its action is told, though it may hear of it twice."""
    assert farewell(RECORD.format(""), None, RECORDED) == Tell(SAID, TOLD)
    runs = RecordingRuns(RECORDING_ID, media(), STARTED)
    assert farewell("<Record recordSession='true' action='https://h/a'/>", None, runs) == Tell(SAID, RUNNING)
    assert farewell(RECORD.format("redirect='false'"), None, RECORDED) is None  # it is told with its step
    assert farewell("<GetDigits action='https://h/a'/>", None, Gathered("1")) is None
    assert farewell("<Redirect>https://h/x</Redirect>") is None


def test_a_dialling_that_the_hangup_ended() -> None:
    """Its action is told what is known of it."""
    body = f"<Dial action='https://h/a' {{}}>{NUMBER}</Dial>"
    for written in ("", "redirect='false'"):
        talked = farewell(body.format(written), ANSWERED)
        assert talked is not None
        assert (talked.target, talked.given["DialStatus"], talked.given["DialBLegUUID"]) == (SAID, "completed", B_LEG)
        gone = farewell(body.format(written))
        assert gone is not None
        assert (gone.given["DialStatus"], gone.given["DialHangupCause"]) == ("cancel", "ORIGINATOR_CANCEL")
    assert farewell(body.format("dialMusic='https://h/m'")) == gone
    assert farewell(DIAL, ANSWERED) is None


def test_nothing_is_told_of_other_steps() -> None:
    """A prompt, a wait, a run that did not begin."""
    assert farewell("<GetDigits action='https://h/a'/>") is None
    assert farewell(NEXT) is None
    assert dialect().start(f"<Response>{RECORD.format('')}</Response>", "test", CALL).farewell(RECORDED) is None


# --- snapshots ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"call": "another"},
        {"at": 7},
        {"at": 1},
        {"at": -1},
        {"at": "1"},
        {"asked": None},
        {"text": "<Response><Foo/></Response>"},
        {"given": []},
        {"sorry": 1},
        {"sounds": None},
        {"session": 1},
        {"pending": {"identity": "x"}},
        {"pending": {"identity": "x", "reference": "y", "values": {"recordChannelType": "mono"}}},
    ],
)
def test_snapshots_of_others(change: dict[str, Any]) -> None:
    """What is not one of this document on this call is refused."""
    text = "<Response><Wait/></Response>"
    program = dialect().start(text, "test", CALL)
    program.next(None)
    dialect().restore(text, "test", CALL, program.snapshot())
    with pytest.raises(DocumentError):
        dialect().restore(text, "test", CALL, {**program.snapshot(), **change})


def test_snapshots_hold_no_secret_of_the_account() -> None:
    """The token signs elsewhere."""
    program = dialect().start(f"<Response>{RECORD.format('')}</Response>", "test", CALL)
    program.next(None)
    assert PLIVO.token
    assert PLIVO.token not in json.dumps(dict(program.snapshot())).replace("1234567890", "")


def test_an_outcome_that_is_not_its_steps() -> None:
    """Nothing is raised by one: the run goes on."""
    strange: list[Outcome] = [Done(), Failed("x"), Gathered("1"), ANSWERED, Fetched(ANSWER), RECORDED]
    bodies = [
        RECORD.format(""),
        RECORD.format("recordSession='true'"),
        WAITING.format("action='https://h/a'") + DIAL,
        TRIES.format(2),
        CONFIRMED.format("dialMusic='https://h/m'"),
        "<Redirect>https://h/x</Redirect>",
    ]
    for body in bodies:
        for outcome in strange:
            run(body, lambda _, same=outcome: same)  # type: ignore[misc]


def test_times_are_the_switchs() -> None:
    """A recording's start and end, in milliseconds since the epoch."""
    given = first(Fetch, RECORD.format("")).given
    assert (given["RecordingStartMs"], given["RecordingEndMs"]) == (f"{STARTED * 1000:.0f}", f"{ENDED * 1000:.0f}")
