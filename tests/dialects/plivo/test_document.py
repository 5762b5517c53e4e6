"""What is refused with its line, what is warned of, what values come to; documents of Plivo's own SDK are read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plivo import plivoxml

from controller.dialects.plivo.document import (
    LONGEST_DOCUMENT,
    LONGEST_SPEECH,
    MOST_PARTIES,
    MOST_PROBLEMS,
    Document,
    read,
    read_sounds,
)
from controller.dialects.plivo.values import BadValue
from controller.dialects.plivo.values import read as value_of
from controller.dialects.plivo.verbs import (
    DIAL,
    GET_DIGITS,
    HANGUP,
    LATER,
    NOUNS,
    NUMBER,
    PLAY,
    RECORD,
    REDIRECT,
    SPEAK,
    USER,
    VERBS,
    WAIT,
)
from controller.documents import attributes
from controller.documents.attributes import Attribute, Verb
from controller.documents.dialect import DocumentError, Problem
from tests.dialects.plivo.sample import dialect

NUMBERED = "<Dial {}><Number>+14155551234</Number></Dial>"


def response(body: str) -> str:
    return f"<Response>\n{body}\n</Response>"


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(DocumentError) as refused:
        read(text, "test")
    return refused.value.problems


def warnings(body: str) -> list[str]:
    return [warning.message for warning in read(response(body), "test").warnings]


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (' <?xml version="1.0"?>\n<Response/>', 1, "white space before the XML declaration"),
        ("<Response><Speak>", 1, "no"),
        ("", 1, "the document is empty"),
        ("<!DOCTYPE x><Response/>", 1, "a document type"),
        ("<response/>", 1, "the document must be <Response>"),
        ("<Speak>hello</Speak>", 1, "the document must be <Response>"),
        ("<Response version='1'/>", 1, "no attribute of <Response>"),
        (f"<Response>{'x' * LONGEST_DOCUMENT}</Response>", 0, "a document may have 102400"),
        (response("<speak>x</speak>"), 2, "<speak> is no known element (did you mean Speak?)"),
        (response("<Say>x</Say>"), 2, "<Say> is no known element"),
        (response("<Foo/>"), 2, "supported are Speak, Play, Wait, Record, GetDigits, Dial, Redirect, Hangup"),
        (response("\n<Number>1</Number>"), 3, "<Number> lies in <Dial>"),
        (response("<User>sip:a@h</User>"), 2, "<User> lies in <Dial>"),
        # nestings
        (response("<Record><Speak>q</Speak></Record>"), 2, "nothing may lie in <Record>"),
        (response("<Play>https://h/<Speak>q</Speak></Play>"), 2, "nothing may lie in <Play>"),
        (response("<Redirect>https://h/<Wait/></Redirect>"), 2, "nothing may lie in <Redirect>"),
        (response("<GetDigits>\n<Record/></GetDigits>"), 3, "only <Speak>, <Play> or <Wait> may lie in <GetDigits>"),
        (response("<Dial>\n<Speak>q</Speak></Dial>"), 3, "only <Number> or <User> may lie in <Dial>"),
        (response("<Dial>\n<Numbr>1</Numbr></Dial>"), 3, "(did you mean Number?)"),
        (response("<Dial><Number>1<User>sip:a@h</User></Number></Dial>"), 2, "nothing may lie in <Number>"),
        (response("<Speak>a\n<p>b<Play>c</Play></p></Speak>"), 3, "only text and speech markup may lie in <Speak>"),
        # attributes
        (response("<Record callback_url='https://h/'/>"), 2, "no attribute of <Record> (did you mean callbackUrl?)"),
        (response("<Record recordingTrack='both'/>"), 2, "no attribute of <Record>"),
        (response("<Record PlayBeep='true'/>"), 2, "(did you mean playBeep?)"),
        (response("<Speak loop='2' lop='3'>x</Speak>"), 2, "(did you mean loop?)"),
        (response("<Wait\nlength='2'\nx='3'/>"), 2, "no attribute of <Wait>"),
        (response("<GetDigits validDigits='none'/>"), 2, "must be keys among 0-9, * and #"),
        (response("<Wait silence='true'/>"), 2, 'not supported in this version; got "true"'),
        (response("<Wait beep='true'/>"), 2, "not supported in this version"),
        (response("<GetDigits><Wait silence='true'/></GetDigits>"), 2, "not supported in this version"),
        (response("<Dial><Number sendOnPreanswer='true'>1</Number></Dial>"), 2, "not supported in this version"),
        (response("<Dial><Number sendDigitsMode='x'>1</Number></Dial>"), 2, "not supported in this version"),
        (response("<Dial><User sipAuthUsername='x'>sip:a@h</User></Dial>"), 2, "not supported in this version"),
        # texts
        (response("<Play>/x.wav</Play>"), 2, "its text must be a whole URL of http or https"),
        (response("<Play/>"), 2, "its text must be a whole URL"),
        (response("<GetDigits>\n<Play>ftp://h/x</Play></GetDigits>"), 3, "its text must be a whole URL"),
        (response("<Redirect>javascript:alert(1)</Redirect>"), 2, "its text must be a whole URL"),
        (response("<Redirect/>"), 2, "its text must be a whole URL"),
        (response("<Dial/>"), 2, "it dials nobody: write <Number> or <User> in it"),
        (response("<Dial>+14155551234</Dial>"), 2, "it dials nobody"),
        (response("<Dial>" + "<Number>1</Number>" * (MOST_PARTIES + 1) + "</Dial>"), 2, "at most 20 parties; got 21"),
        (response("<Dial>\n<Number/></Dial>"), 3, "its text must be an optional +"),
        (response("<Dial>\n<Number>1,loopback/x</Number></Dial>"), 3, "its text must be an optional +"),
        (response("<Dial>\n<Number>${system reboot}</Number></Dial>"), 3, "its text must be an optional +"),
        (response("<Dial>\n<Number>[execute_on_answer=x]1</Number></Dial>"), 3, "its text must be an optional +"),
        (response("<Dial>\n<User>alice</User></Dial>"), 3, "its text must be sip:user@host"),
        (response("<Dial>\n<User>sip:a@h;x=${y}</User></Dial>"), 3, "its text must be sip:user@host"),
    ],
)
def test_refused(text: str, line: int, words: str) -> None:
    """Nothing of it runs; the problem has its line, and what would be right."""
    first = problems(text)[0]
    assert words in first.message
    assert first.line == line


def test_markup_parts_words() -> None:
    """What a pause or a paragraph parts is not said as one word; what stresses a part of one does not part it."""
    (speak,) = read(
        response("<Speak>Hello<break time='1s'/>World<p>one</p><p>tw<emphasis>o</emphasis></p></Speak>"), "test"
    ).instructions
    assert speak.text.split() == ["Hello", "World", "one", "two"]


@pytest.mark.parametrize("name", LATER)
def test_elements_that_are_not_carried_out(name: str) -> None:
    """They are refused by name, not as typing errors."""
    (only,) = problems(response(f"<{name}>x</{name}>"))
    assert f"<{name}> is not supported in this version" in only.message


VALUES = [
    # verb, attribute, written, what it comes to; BadValue's words where it is refused
    (RECORD, "action", "https://h/a", "https://h/a"),
    (RECORD, "action", " http://h:8080/a b?x=é#rc=1 ", "http://h:8080/a%20b?x=%C3%A9#rc=1"),
    (RECORD, "action", "", None),
    (RECORD, "action", "/done", BadValue("must be a whole URL of http or https with a host")),
    (RECORD, "action", "//h/done", BadValue("must be a whole URL")),
    (RECORD, "action", "file:///etc/passwd", BadValue("must be a whole URL")),
    (RECORD, "action", "http://", BadValue("must be a whole URL")),
    (RECORD, "action", "http://[x/", BadValue("must be a whole URL")),
    (RECORD, "action", "https://h/" + "x" * 5000, BadValue("must be a whole URL")),
    (RECORD, "callbackUrl", "localhost:8080/cb", BadValue("must be a whole URL")),
    (RECORD, "transcriptionUrl", "tel:+1", BadValue("must be a whole URL")),
    (RECORD, "method", "post", "POST"),
    (RECORD, "method", "PUT", BadValue("must be GET or POST")),
    (RECORD, "fileFormat", "WAV", "wav"),
    (RECORD, "fileFormat", "ogg", BadValue('must be mp3 or wav; got "ogg"')),
    (RECORD, "redirect", "False", False),
    (RECORD, "redirect", "yes", BadValue("must be true or false")),
    (RECORD, "redirect", "1", BadValue("must be true or false")),
    (RECORD, "timeout", " 7 ", 7),
    (RECORD, "timeout", "0", BadValue("must be a whole number from 1")),
    (RECORD, "timeout", "-5", BadValue("must be a whole number from 1")),
    (RECORD, "timeout", "1e3", BadValue("must be a whole number from 1")),
    (RECORD, "timeout", "٣", BadValue("must be a whole number from 1")),
    (RECORD, "maxLength", "14400", 14400),
    (RECORD, "maxLength", "9" * 40, BadValue("must be a whole number from 1")),
    (RECORD, "finishOnKey", "None", ""),
    (RECORD, "finishOnKey", "", ""),
    (RECORD, "finishOnKey", "12*", "12*"),
    (RECORD, "finishOnKey", "a", BadValue('must be keys among 0-9, * and #, or "none"; got "a"')),
    (RECORD, "finishOnKey", "#" * 13, BadValue("must be keys among 0-9")),
    (RECORD, "transcriptionType", "hybrid", "hybrid"),
    (RECORD, "transcriptionType", "manual", BadValue("must be auto or hybrid")),
    (SPEAK, "loop", "0", 0),
    (SPEAK, "loop", "-1", BadValue("must be a whole number from 0")),
    (SPEAK, "voice", "Polly.Joanna", "Polly.Joanna"),
    (SPEAK, "voice", "a\x7fb", BadValue("text of 1 to 256 printable characters")),
    (SPEAK, "voice", "x" * 257, BadValue("text of 1 to 256 printable characters")),
    (WAIT, "length", "0", BadValue("must be a whole number from 1")),
    (HANGUP, "reason", "busy", "busy"),
    (HANGUP, "reason", "angry", BadValue("must be rejected or busy")),
    (HANGUP, "schedule", "60", 60),
    (HANGUP, "schedule", "0", BadValue("must be a whole number from 1")),
    (REDIRECT, "method", "GET", "GET"),
    (GET_DIGITS, "validDigits", "123", "123"),
    (GET_DIGITS, "validDigits", "", None),
    (GET_DIGITS, "validDigits", "1-5", BadValue("must be keys among 0-9, * and #; got")),
    (GET_DIGITS, "numDigits", "0", BadValue("must be a whole number from 1")),
    (GET_DIGITS, "retries", "0", BadValue("must be a whole number from 1")),
    (GET_DIGITS, "invalidDigitsSound", "no.wav", BadValue("must be a whole URL")),
    (NUMBER, "sendDigits", "wwww1234#", "wwww1234#"),
    (NUMBER, "sendDigits", "12;x", BadValue("must be digits among 0-9, A-D")),
    (DIAL, "timeout", "20", 20),
    (DIAL, "callerId", "+1 (415) 555-1234", "+14155551234"),
    (DIAL, "callerId", "", None),
    (DIAL, "callerId", "1,loopback/x", BadValue("a number, or a name of letters")),
    (DIAL, "callerName", "Jörg & Co. (Büro)", "Jörg & Co. (Büro)"),
    (DIAL, "callerName", "a" * 51, BadValue("must be 1 to 50 letters")),
    (DIAL, "callerName", "${x}", BadValue("must be 1 to 50 letters")),
    (DIAL, "callerName", "a',b=c", BadValue("must be 1 to 50 letters")),
    (DIAL, "confirmKey", "5", "5"),
    (DIAL, "confirmKey", "55", BadValue("must be 0, 1, 2")),
    (DIAL, "confirmSound", "x", BadValue("must be a whole URL")),
    (DIAL, "dialMusic", "REAL", "real"),
    (DIAL, "dialMusic", "none", "none"),
    (DIAL, "dialMusic", "https://h/m", "https://h/m"),
    (DIAL, "dialMusic", "", None),
    (DIAL, "dialMusic", "jazz", BadValue("must be real, none, or a whole URL")),
    (DIAL, "digitsMatch", "12, *9 ,12", ("12", "*9")),
    (DIAL, "digitsMatch", "12,,3", BadValue("1 to 24 of 0-9 * #")),
    (DIAL, "digitsMatch", "1" * 25, BadValue("1 to 24 of 0-9 * #")),
    (DIAL, "digitsMatch", ",".join("1" * 51), BadValue("at most 50 patterns")),
    (DIAL, "digitsMatchBLeg", "a", BadValue("1 to 24 of 0-9 * #")),
    (DIAL, "sipHeaders", "a=b,X-PH-c=d%20", ("X-PH-a=b", "X-PH-c=d%20")),
    (DIAL, "sipHeaders", "a=1,A=2", ("X-PH-A=2",)),
    (DIAL, "sipHeaders", "a=b,c", BadValue("must be name=value pairs separated by commas")),
    (DIAL, "sipHeaders", "a=", BadValue("must be name=value pairs")),
    (DIAL, "sipHeaders", "a-b=c", BadValue("must be name=value pairs")),
    (DIAL, "sipHeaders", "a=b c", BadValue("must be name=value pairs")),
    (DIAL, "sipHeaders", "a=${x}", BadValue("must be name=value pairs")),
    (DIAL, "sipHeaders", "a=b\r\nVia: x", BadValue("must be name=value pairs")),
    (DIAL, "sipHeaders", "a=" + "b" * 257, BadValue("must be name=value pairs")),
    (DIAL, "sipHeaders", ",".join(f"a{n}=b" for n in range(25)), BadValue("at most 24 headers; got 25")),
    (USER, "sipHeaders", "a=]b", BadValue("must be name=value pairs")),
]


@pytest.mark.parametrize(
    ("verb", "name", "written", "comes_to"), VALUES, ids=[f"{row[0].name}.{row[1]}={row[2][:20]!r}" for row in VALUES]
)
def test_values(verb: Verb, name: str, written: str, comes_to: object) -> None:
    """What a written value comes to, None where it is as if it were not written; or what would be right."""
    row = verb.by_name[name]
    if not isinstance(comes_to, BadValue):
        assert value_of(row, written) == comes_to
        return
    with pytest.raises(BadValue) as refused:
        value_of(row, written)
    assert str(comes_to) in str(refused.value)


@pytest.mark.parametrize(
    ("verb", "name", "default"),
    [
        (SPEAK, "voice", "WOMAN"),
        (SPEAK, "language", "en-US"),
        (SPEAK, "loop", 1),
        (PLAY, "loop", 1),
        (WAIT, "length", 1),
        (WAIT, "silence", False),
        (WAIT, "minSilence", 2000),
        (WAIT, "beep", False),
        (REDIRECT, "method", "POST"),
        (DIAL, "method", "POST"),
        (DIAL, "timeLimit", 14400),
        (DIAL, "hangupOnStar", False),
        (DIAL, "redirect", True),
        (DIAL, "callbackMethod", "POST"),
        (GET_DIGITS, "method", "POST"),
        (GET_DIGITS, "timeout", 5),
        (GET_DIGITS, "digitTimeout", 2),
        (GET_DIGITS, "finishOnKey", "#"),
        (GET_DIGITS, "numDigits", 99),
        (GET_DIGITS, "retries", 1),
        (GET_DIGITS, "redirect", True),
        (GET_DIGITS, "playBeep", False),
        (GET_DIGITS, "validDigits", "1234567890*#"),
        (GET_DIGITS, "log", True),
        (NUMBER, "sendOnPreanswer", False),
    ],
)
def test_defaults(verb: Verb, name: str, default: object) -> None:
    """Spec 3.4's defaults; a voice and a language by default are nobody's wish: the settings' voice speaks."""
    row = verb.by_name[name]
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    assert row.default_words == shown
    assert row.default == (None if name in {"voice", "language"} else default)


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        (SPEAK, "voice language loop"),
        (PLAY, "loop"),
        (WAIT, "length silence minSilence beep"),
        (HANGUP, "reason schedule"),
        (REDIRECT, "method"),
        (
            DIAL,
            """
            action method timeout timeLimit hangupOnStar callerId callerName confirmSound confirmKey confirmTimeout
            dialMusic redirect callbackUrl callbackMethod digitsMatch digitsMatchBLeg sipHeaders
            """,
        ),
        (
            GET_DIGITS,
            """
            action method timeout digitTimeout finishOnKey numDigits retries redirect playBeep validDigits
            invalidDigitsSound log
            """,
        ),
    ],
)
def test_attributes(verb: Verb, names: str) -> None:
    """Spec 3.4 names these, and no others."""
    assert sorted(verb.by_name) == sorted(names.split())


def test_a_value_at_its_default_is_nobodys_mistake() -> None:
    """What is not carried out may be written as what it is: off."""
    body = (
        "<Wait silence='false' minSilence='500' beep='False'/>"
        "<Dial><Number sendOnPreanswer='false' sendDigitsMode=''>1</Number></Dial>"
        "<Record transcriptionReportType='brief' action='' callbackUrl=''/>"
        "<GetDigits log='false'/><Speak xml:lang='en'>x</Speak>"
    )
    assert warnings(body) == []


def test_headers_of_dial_and_user_are_one_list() -> None:
    """As many as one INVITE is given, together; a name of both is one."""
    many = ",".join(f"a{n}=b" for n in range(24))
    body = f"<Dial sipHeaders='{many}'>\n<User sipHeaders='{{}}'>sip:a@h</User></Dial>"
    assert warnings(body.format("a1=c")) == []
    (only,) = problems(response(body.format("c=d")))
    assert (only.line, only.message) == (3, "sipHeaders: at most 24 with the Dial's; got 25")


def test_all_problems_at_once() -> None:
    """Each with its own line; so many that nobody reads them are cut."""
    found = problems(response("<Foo/>\n<Record fileFormat='ogg'\n method='PUT'/>\n<Play>x</Play>\n<Dial/>"))
    assert [problem.line for problem in found] == [2, 3, 3, 5, 6]
    assert str(found[1]) == 'line 3: Record.fileFormat: must be mp3 or wav; got "ogg"'
    assert len(problems(response("<Foo/>" * 500))) == MOST_PROBLEMS


# --- what is warned of --------------------------------------------------------------------------------------------

SESSION = "<Record recordSession='true' action='https://h/a' {}/>"
ANSWERED = "<Record startOnDialAnswer='true' {}/>"
REPLACED = "its action is asked at once, and its document replaces what follows"
NOTHING = "startOnDialAnswer, and no <Dial> follows"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (SESSION.format("") + "<Speak>x</Speak>", REPLACED),
        (SESSION.format("redirect='true'") + "<Wait/>", REPLACED),
        (ANSWERED.format("action='https://h/a'") + NUMBERED.format(""), REPLACED),
        (ANSWERED.format(""), NOTHING),
        (ANSWERED.format("") + "<Speak>x</Speak>", NOTHING),
        (NUMBERED.format("") + ANSWERED.format(""), NOTHING),
        (ANSWERED.format("") + ANSWERED.format("") + NUMBERED.format(""), "another startOnDialAnswer follows"),
        (
            "<Record recordSession='true' startOnDialAnswer='true'/>",
            "both recordSession and startOnDialAnswer: the whole session is recorded",
        ),
        ("<Record transcriptionUrl='https://h/t'/>", "nothing is transcribed"),
        ("<Speak/>", "it has no text, so nothing is said"),
        ("<GetDigits><Speak> </Speak></GetDigits>", "it has no text, so nothing is said"),
        ("<Speak>a <break/> b</Speak>", "speech markup is not supported"),
        (f"<Speak>{'x' * (LONGEST_SPEECH + 1)}</Speak>", "the first 4096 are said"),
        (NUMBERED.format("confirmKey='1'"), "nobody is asked to confirm"),
        ("hello", "text means nothing here"),
    ],
)
def test_warned_of(body: str, words: str) -> None:
    """It runs, and its author is told."""
    (only,) = warnings(body)
    assert words in only


@pytest.mark.parametrize(
    "body",
    [
        SESSION.format("redirect='false'") + "<Speak>x</Speak>",
        "<Speak>x</Speak>" + SESSION.format(""),
        ANSWERED.format("") + NUMBERED.format(""),
        ANSWERED.format("") + "<Redirect>https://h/x</Redirect>",
        ANSWERED.format("") + "<GetDigits action='https://h/x'/>",
        ANSWERED.format("action='https://h/a'"),
        ANSWERED.format("action='https://h/a' redirect='false'") + NUMBERED.format(""),
        "<Record action='https://h/a'/><Speak>thank you</Speak>",
    ],
)
def test_nothing_to_warn_of(body: str) -> None:
    """What does what it says, or may in the document that follows."""
    assert warnings(body) == []


def test_sounds() -> None:
    """A document of dialMusic or confirmSound: its sounds; what else is in it is left out, be it right or wrong."""
    body = "<Speak>x</Speak><Dial/><Foo/><Wait length='2'/><Play>https://h/m</Play>"
    found = read_sounds(response(body), "test")
    assert [one.verb for one in found.instructions] == ["Speak", "Wait", "Play"]
    assert [warning.message for warning in found.warnings] == [
        "<Dial> is ignored here: Speak, Play or Wait are heard",
        "<Foo> is ignored here: Speak, Play or Wait are heard",
    ]
    for bad in ("<Response><Play>x</Play></Response>", "<Foo/>", "", "<Response>"):
        with pytest.raises(DocumentError):
            read_sounds(bad, "test")


# --- documents of others ------------------------------------------------------------------------------------------


def test_documents_of_the_sdk() -> None:
    """Plivo's own classes write them, without a declaration: every element that is carried out, all it may say."""
    made = plivoxml.ResponseElement()
    made.add(
        plivoxml.RecordElement(
            action="https://h/done",
            method="GET",
            file_format="wav",
            redirect=False,
            timeout=3,
            max_length=30,
            play_beep=False,
            finish_on_key="*",
            record_session=True,
            start_on_dial_answer=False,
            transcription_type="auto",
            transcription_url="https://h/text",
            transcription_method="POST",
            transcription_report_type="brief",
            callback_url="https://h/ready",
            callback_method="GET",
            record_channel_type="mono",
        )
    )
    speak = plivoxml.SpeakElement("Hello ", voice="MAN", language="en-GB", loop=2)
    speak.add_emphasis("you", level="strong")
    speak.add_cont(" and you")
    made.add(speak)
    made.add(plivoxml.PlayElement("https://h/a.wav", loop=0))
    made.add(plivoxml.WaitElement(length=2, silence=False, min_silence=500, beep=False))
    digits = plivoxml.GetDigitsElement(
        action="https://h/digits",
        method="POST",
        timeout=4,
        digit_timeout=3,
        finish_on_key="none",
        num_digits=4,
        retries=2,
        redirect=True,
        play_beep=True,
        valid_digits="123",
        invalid_digits_sound="https://h/no.mp3",
        log=False,
    )
    digits.add_speak("Which?")
    digits.add_play("https://h/which.wav")
    digits.add_wait(length=1)
    made.add(digits)
    dial = plivoxml.DialElement(
        action="https://h/after",
        method="POST",
        hangup_on_star=True,
        time_limit=60,
        timeout=10,
        caller_id="+14155550100",
        caller_name="Ada",
        confirm_sound="https://h/confirm",
        confirm_key="1",
        confirm_timeout=20,
        dial_music="https://h/music",
        callback_url="https://h/events",
        callback_method="POST",
        redirect=True,
        digits_match="12,34",
        digits_match_b_leg="56",
        sip_headers="a=b",
    )
    dial.add(plivoxml.NumberElement("+14155551234", send_digits="wwww1234", send_on_preanswer=False))
    dial.add(plivoxml.UserElement("sip:jo@example.com", send_digits="1", sip_headers="c=d"))
    made.add(dial)
    made.add(plivoxml.RedirectElement("https://h/next", method="GET"))
    made.add(plivoxml.HangupElement(reason="busy", schedule=60))
    text = made.to_string()
    assert text.startswith("<Response>")
    found = read(text, "test")
    assert [warning.message for warning in found.warnings] == [
        "speech markup is not supported in this version: its text alone is said"
    ]
    assert [one.verb for one in found.instructions] == [
        *("Record", "Speak", "Play", "Wait", "GetDigits", "Dial", "Redirect", "Hangup"),
    ]
    record = found.instructions[0]
    assert record.values == {
        "action": "https://h/done",
        "method": "GET",
        "fileFormat": "wav",
        "redirect": False,
        "timeout": 3,
        "maxLength": 30,
        "playBeep": False,
        "finishOnKey": "*",
        "recordSession": True,
        "startOnDialAnswer": False,
        "transcriptionType": "auto",
        "transcriptionUrl": "https://h/text",
        "transcriptionMethod": "POST",
        "callbackUrl": "https://h/ready",
        "callbackMethod": "GET",
        "recordChannelType": "mono",
    }
    assert found.instructions[1].text == "Hello you and you"


@pytest.mark.parametrize(
    "written",
    [
        {"max_length": 0},
        {"timeout": -5},
        {"file_format": "ogg"},
        {"method": "PUT"},
        {"record_channel_type": "dual"},
        {"callback_url": "/relative"},
    ],
)
def test_what_the_sdk_writes_and_is_wrong(written: dict[str, object]) -> None:
    """It checks types alone (spec 3.1): ranges and words are checked here."""
    made = plivoxml.ResponseElement()
    made.add(plivoxml.RecordElement(**written))
    (only,) = problems(made.to_string())
    assert only.where.startswith("Record.")


def test_check() -> None:
    """The dialect's own check says the same."""
    spoken = dialect()
    assert spoken.check(response("<Speak>x</Speak>"), "a.xml") == ()
    assert [problem.line for problem in spoken.check(response("<Foo/>"), "a.xml")] == [2]
    assert [one.line for one in spoken.warnings(response("<Speak/>"), "a.xml")] == [2]


# --- hostile documents --------------------------------------------------------------------------------------------


def _guess(guesses: list[object]) -> Callable[..., list[str]]:
    def guess(*given_: object, **_: object) -> list[str]:
        guesses.append(given_)
        return []

    return guess


@pytest.mark.parametrize(
    "body",
    [
        "<Speak " + " ".join(f"a{number}=''" for number in range(9_000)) + ">x</Speak>",
        "<Foo/>" * 9_000,
        "<GetDigits>" + "<Foo/>" * 9_000 + "</GetDigits>",
        "<Speak>" + "<b/>" * 9_000 + "</Speak>",
        "<Speak/>" * 9_000,
        "<Dial>" + "<Number>x</Number>" * 5_000 + "</Dial>",
        "<Dial sipHeaders='" + "a=b," * 20_000 + "'><Number>1</Number></Dial>",
        "<Dial digitsMatch='" + "1," * 40_000 + "'><Number>1</Number></Dial>",
        "<Dial callerName='" + "a " * 40_000 + "'><Number>1</Number></Dial>",
        "<Record finishOnKey='" + "1" * 90_000 + "'/>",
        "<Play>https://h/" + "x" * 90_000 + "</Play>",
    ],
)
def test_so_much_that_is_wrong(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant is guessed for as much as is told, not for all of a hostile document; messages stay short."""
    guesses: list[object] = []
    monkeypatch.setattr(attributes, "get_close_matches", _guess(guesses))
    try:
        told = read(response(body), "test").warnings
    except DocumentError as refused:
        told = refused.problems
    assert 0 < len(told) <= MOST_PROBLEMS
    assert len(guesses) <= MOST_PROBLEMS
    assert all(len(str(problem)) < 500 for problem in told)


def test_many_sessions_are_judged_in_time() -> None:
    """A warning looks at what follows, not again and again at all of it."""
    found = read(response("<Record startOnDialAnswer='true'/><Wait/>" * 2_000), "test")
    assert len(found.warnings) == MOST_PROBLEMS


_NAMES = sorted({*VERBS, *(noun for _, noun in NOUNS), "Response", "Foo"})
_ROWS: list[Attribute] = [row for verb in [*VERBS.values(), *NOUNS.values()] for row in verb.attributes]
_ATTRIBUTES = sorted({row.name for row in _ROWS})
_VALUES = st.sampled_from(
    ["", "0", "1", "-1", "true", "both", "none", "/a", "https://h/", "ftp://h/", "#", "12w", "a=b"]
)


def _elements() -> st.SearchStrategy[str]:
    named = st.dictionaries(st.sampled_from(_ATTRIBUTES), _VALUES, max_size=4)

    def element(name: str, given_: dict[str, str], inner: list[str]) -> str:
        written = "".join(f' {key}="{value}"' for key, value in given_.items())
        return f"<{name}{written}>{''.join(inner)}</{name}>"

    return st.recursive(
        st.sampled_from(["", "text", "+15550100", "https://h/", "sip:a@h"]),
        lambda inner: st.builds(element, st.sampled_from(_NAMES), named, st.lists(inner, max_size=3)),
        max_leaves=8,
    )


@settings(max_examples=300)
@given(_elements())
def test_any_tree_is_read_or_refused(tree: str) -> None:
    """Elements and attributes in any order and depth: a document or its problems, nothing else."""
    for reads in (read, read_sounds):
        found: tuple[Problem, ...] = ()
        try:
            assert isinstance(reads(f"<Response>{tree}</Response>", "test"), Document)
        except DocumentError as refused:
            found = refused.problems
        assert all(problem.message and problem.line for problem in found)


@given(st.sampled_from(_ROWS), st.text(max_size=60))
def test_any_value_is_one_or_refused(row: Attribute, written: str) -> None:
    """What a value comes to has nothing in it that a line, a header or a dial string could be broken by."""
    try:
        value = value_of(row, written)
    except BadValue as refused:
        value = None
        said = str(refused)
    else:
        said = ""
    assert "\n" not in said
    for text in value if isinstance(value, tuple) else (value,):
        assert not isinstance(text, str) or not set(text) & set("\r\n\x00")
        if row.name in {"sipHeaders", "callerName", "callerId", "digitsMatch", "sendDigits"}:
            assert not isinstance(text, str) or not set(text) & set("${}[],'\"\\^|;<>")
