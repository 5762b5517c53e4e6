"""What is refused and what is warned of, with its line, its code and what would be right; SDK-made documents read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.twiml.voice_response import Dial, Gather, Start, Stop, VoiceResponse

from controller.dialects.twiml.document import MOST_PROBLEMS, Document, read
from controller.dialects.twiml.verbs import NOUNS, VERBS
from controller.documents import attributes
from controller.documents.dialect import DocumentError, Problem
from controller.documents.urls import BadUrl, resolve
from tests.dialects.twiml.sample import BASE, dialect


def response(body: str) -> str:
    return f"<Response>\n{body}\n</Response>"


def problems(text: str, base: str = BASE) -> tuple[Problem, ...]:
    with pytest.raises(DocumentError) as refused:
        read(text, "test", base)
    return refused.value.problems


def warnings(body: str, base: str = BASE) -> tuple[Problem, ...]:
    return read(response(body), "test", base).warnings


@pytest.mark.parametrize(
    ("text", "line", "code", "words"),
    [
        (' <?xml version="1.0"?>\n<Response/>', 1, 12100, "white space before the XML declaration"),
        ("<Response><Say>", 1, 12100, "no"),
        ("", 1, 12100, "the document is empty"),
        ("<!DOCTYPE x><Response/>", 1, 12100, "a document type"),
        ("<response/>", 1, 12200, "the document must be <Response>"),
        ("<Say>hello</Say>", 1, 12200, "the document must be <Response>"),
        (response("<say>x</say>"), 2, 12200, "<say> is no known verb (did you mean Say?)"),
        (response("<Speak>x</Speak>"), 2, 12200, "supported are Start, Stop, Say"),
        (response("<Connect/>"), 2, 12200, "<Connect> is no verb of its own here"),
        (response("<Recording/>"), 2, 12200, "<Recording> is no verb of its own here"),
        (response("<Start><Stream/></Start>"), 2, 12200, "<Stream> is not supported in this version: <Recording>"),
        (response("<Start>\n<Record/></Start>"), 3, 12200, "(did you mean Recording?)"),
        (response("<Gather input='speech'/>"), 2, 12200, "speech is not supported in this version"),
        (response("<Gather input='dtmf speech'/>"), 2, 12200, "speech is not supported in this version"),
        (response("<Gather>\n<Record/></Gather>"), 3, 12200, "only <Say>, <Play> or <Pause> may lie in <Gather>"),
        (response("<Dial><Conference>r</Conference></Dial>"), 2, 12200, "<Conference> is not supported"),
        (response("<Dial><Client>jo</Client></Dial>"), 2, 12200, "<Client> is not supported"),
        (response("<Dial><Queue>q</Queue></Dial>"), 2, 12200, "<Queue> is not supported"),
        (response("<Dial><Say>q</Say></Dial>"), 2, 13215, "only <Number> or <Sip> may lie in <Dial>"),
        (response("<Dial>" + "<Number>1</Number>" * 11 + "</Dial>"), 2, 13215, "at most 10 nouns"),
        (response("<Record><Say>q</Say></Record>"), 2, 12200, "nothing lies in <Record>"),
        (response("<Say><Play>q</Play></Say>"), 2, 12200, "only text and speech markup lie in <Say>"),
        (response("<Play>ftp://a/b</Play>"), 2, 11100, "must be an http or https URL"),
        (response("<Redirect>javascript:alert(1)</Redirect>"), 2, 11100, "must be an http or https URL"),
    ],
)
def test_refused(text: str, line: int, code: int, words: str) -> None:
    """Nothing of it runs; each problem has its line, its code, and what would be right."""
    first = problems(text)[0]
    assert words in first.message
    assert (first.line, first.code) == (line, code)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("<Say colour='red'>x</Say>", 12200, "unknown, so it is ignored"),
        ("<Say lop='2'>x</Say>", 12200, "(did you mean loop?)"),
        ("<Say loop='-1'>x</Say>", 12200, "must be a whole number from 0 to 1000"),
        ("<Say loop='many'>x</Say>", 12200, 'got "many", so it is 1'),
        ("<Say/>", 12200, "it has no text"),
        ("<Say>a <break/> b</Say>", 12200, "speech markup is not supported"),
        (f"<Say>{'x' * 4097}</Say>", 12200, "the first 4096 are said"),
        ("<Play/>", 12200, "it names nothing"),
        ("<Play digits='12x'>/a</Play>", 13222, "must be digits among 0-9, A-D"),
        ("<Pause length='x'/>", 12200, "so it is 1"),
        ("<Redirect method='PUT'>/x</Redirect>", 13221, "must be GET or POST"),
        ("<Reject reason='no'/>", 12200, "must be rejected or busy"),
        ("<Gather timeout='0'/>", 12200, "from 1 to 86400"),
        ("<Gather finishOnKey='x'/>", 12200, "must be keys among 0-9, * and #"),
        ("<Gather bargeIn='false'/>", 12200, "not supported in this version"),
        ("<Record transcribe='true'/>", 12200, "not supported in this version"),
        ("<Record trim='yes'/>", 13699, "must be trim-silence or do-not-trim"),
        ("<Record maxLength='x'/>", 12200, "so it is 3600"),
        ("<Record action='file:///etc/passwd'/>", 11100, "must be an http or https URL"),
        ("<Gather action='localhost:8080/x'/>", 11100, "it fails when it is to be asked"),
        ("<Dial action='http://[x/'>1</Dial>", 11100, "it fails when it is to be asked"),
        ("<Dial/>", 13223, "nobody is named"),
        ("<Dial><Number/></Dial>", 13223, "nobody is dialled for it"),
        ("<Dial><Sip/></Dial>", 13243, "nobody is dialled for it"),
        ("<Dial callerId='client:bob'>1</Dial>", 13214, "a number, or a name of letters"),
        ("<Dial callerId='1,loopback/x'>1</Dial>", 13214, "so it is none"),
        ("<Dial>ada</Dial>", 13223, "an optional +"),
        ("<Dial><Number>1,loopback/x</Number></Dial>", 13223, "so nobody is dialled for it"),
        ("<Dial><Sip>1000</Sip></Dial>", 13243, "must be sip:user@host"),
        ("<Dial><Sip>sip:a@b c</Sip></Dial>", 13243, "so nobody is dialled for it"),
        ("<Dial ringTone='us'>1</Dial>", 12200, "not supported in this version"),
        ("<Dial record='always'>1</Dial>", 12200, "must be do-not-record"),
        ("<Start/>", 12200, "write <Recording/> in it"),
        ("<Stop><Recording/></Stop>", 12200, "it names no recording"),
        ("<Stop><Recording name='a' trim='x'/></Stop>", 12200, "unknown, so it is ignored"),
        ("hello", 12200, "text means nothing here"),
    ],
)
def test_warned_of(body: str, code: int, words: str) -> None:
    """It runs, as if what is wrong were not written."""
    (only,) = warnings(body)
    assert words in only.message
    assert (only.line, only.code) == (1 if body == "hello" else 2, code)


@pytest.mark.parametrize(
    "body",
    [
        "<Gather speechTimeout='auto' language='de-DE' hints='a, b' enhanced='true'/>",
        "<Record transcribe='false' transcribeCallback='/t'/>",
        "<Dial answerOnBridge='true'>1</Dial>",
        "<Say xml:lang='en' loop=' 2 '>x</Say>",
        "<Gather action='' />",
        "<Record recordingStatusCallback=''/>",
    ],
)
def test_nothing_to_warn_of(body: str) -> None:
    """What means nothing for what is carried out, and what is at its default, is nobody's mistake."""
    assert warnings(body) == ()


def test_files_have_no_relative_urls() -> None:
    """There is nothing that they would be relative to; without an action the author is told how it ends."""
    for body in ("<Redirect>/x</Redirect>", "<Play>x.wav</Play>", "<Redirect/>"):
        (only,) = problems(response(body), "")
        assert "the document is a file" in only.message
        assert only.code == 11100
    (warned,) = warnings("<Record action='x'/>", "")
    assert "the document is a file" in warned.message
    for body in ("<Record/>", "<Gather/>"):
        (warned,) = warnings(body, "")
        assert "the call ends after it" in warned.message
    assert warnings("<Play>https://h/x</Play><Record action='https://h/y'/>", "") == ()


def test_all_problems_at_once() -> None:
    """Each with its own line; so many that nobody reads them are cut."""
    found = problems(response("<Foo/>\n<Gather input='speech'/>\n<Play>ftp://x</Play>"))
    assert [problem.line for problem in found] == [2, 3, 4]
    assert str(found[2]).endswith("(error 11100)")
    assert len(problems(response("<Foo/>" * 500))) == MOST_PROBLEMS


@pytest.mark.parametrize(
    ("base", "written", "expected"),
    [
        (BASE, "/cb", "https://app.example/cb"),
        (BASE, "cb?y=2", "https://app.example/voice/cb?y=2"),
        (BASE, "../cb", "https://app.example/cb"),
        (BASE, "?y=2", "https://app.example/voice/start?y=2"),
        (BASE, "//other.example/cb", "https://other.example/cb"),
        (BASE, "http://other.example/a b/é", "http://other.example/a%20b/%C3%A9"),
        (BASE, "http://other.example/%20?a=%7E#rc=3", "http://other.example/%20?a=%7E#rc=3"),
        (BASE, "", BASE),
        (BASE, " \n/cb ", "https://app.example/cb"),
        ("https://u:p@h:8443/a#ct=1", "b#rc=1", "https://u:p@h:8443/b#rc=1"),
        ("", "https://h/b", "https://h/b"),
    ],
)
def test_urls(base: str, written: str, expected: str) -> None:
    """Relative to the document's own; what a URL cannot hold is encoded; its fragment is its author's."""
    assert resolve(base, written) == expected


@given(st.text(max_size=60), st.sampled_from([BASE, ""]))
def test_any_url_is_one_or_refused(written: str, base: str) -> None:
    """Whatever is written, a request line can hold what comes of it."""
    try:
        found = resolve(base, written)
    except BadUrl:
        return
    assert found.startswith(("http://", "https://"))
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found


def test_documents_of_the_sdk() -> None:
    """Twilio's own classes write them: every verb that is carried out, with all that it may say."""
    made = VoiceResponse()
    start = Start()
    start.recording(
        recording_status_callback="https://h/cb",
        recording_status_callback_method="GET",
        recording_status_callback_event=["in-progress", "completed", "absent"],
        trim="do-not-trim",
        track="inbound",
        channels="mono",
        name="one",
    )
    made.append(start)
    made.say("Hello", voice="alice", language="en-GB", loop=2)
    made.play("https://h/a.wav", loop=0)
    made.play(digits="1w2")
    made.pause(length=2)
    gather = Gather(action="/digits", num_digits=4, timeout=3, finish_on_key="*", action_on_empty_result=True)
    gather.say("Which?")
    gather.play("/which.wav")
    gather.pause(length=1)
    made.append(gather)
    stop = Stop()
    stop.nest(Start().recording(name="one"))
    made.append(stop)
    made.record(
        action="/done",
        method="GET",
        timeout=0,
        finish_on_key="#",
        max_length=30,
        play_beep=False,
        trim="do-not-trim",
        recording_status_callback="/cb",
        recording_status_callback_event="completed absent",
        recording_status_callback_method="POST",
    )
    dial = Dial(action="/after", timeout=10, time_limit=60, hangup_on_star=True, caller_id="+15550100", record="true")
    dial.number("+15550111")
    dial.sip("sip:jo@example.com")
    made.append(dial)
    made.redirect("/next", method="GET")
    made.reject(reason="busy")
    made.hangup()
    found = read(str(made), "test", BASE)
    assert found.warnings == ()
    assert [one.verb for one in found.instructions] == [
        *("Start.Recording", "Say", "Play", "Play", "Pause", "Gather", "Stop.Recording", "Record", "Dial"),
        *("Redirect", "Reject", "Hangup"),
    ]
    first = found.instructions[0]
    assert first.values["recordingStatusCallbackEvent"] == ("in-progress", "completed", "absent")
    assert first.values["name"] == "one"


def _guess(guesses: list[object]) -> Callable[..., list[str]]:
    def guess(*given_: object, **_: object) -> list[str]:
        guesses.append(given_)
        return []

    return guess


@pytest.mark.parametrize(
    "body",
    [
        "<Say " + " ".join(f"a{number}=''" for number in range(80_000)) + ">x</Say>",
        "<Foo/>" * 9_000,
        "<Gather>" + "<Foo/>" * 9_000 + "</Gather>",
        "<Start><Recording recordingStatusCallbackEvent='" + "x " * 300_000 + "'/></Start>",
        "<Say>" + "<b/>" * 9_000 + "</Say>",
        "<Play digits='" + "1" * 900_000 + "'>/a</Play>",
    ],
)
def test_so_much_that_is_wrong(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant is guessed for as much as is told, not for all of a hostile document."""
    guesses: list[object] = []
    monkeypatch.setattr(attributes, "get_close_matches", _guess(guesses))
    try:
        told = read(response(body), "test", BASE).warnings
    except DocumentError as refused:
        told = refused.problems
    assert 0 < len(told) <= MOST_PROBLEMS
    assert len(guesses) <= MOST_PROBLEMS


def test_check() -> None:
    """The dialect's own check says the same, of a file and of a URL's document."""
    spoken = dialect()
    assert spoken.check(response("<Say>x</Say>"), "a.xml") == ()
    assert [problem.line for problem in spoken.check(response("<Foo/>"), "a.xml")] == [2]
    assert spoken.check(response("<Redirect>/x</Redirect>"), BASE) == ()
    assert [warning.code for warning in spoken.warnings(response("<Say a='b'>x</Say>"), "a.xml")] == [12200]


_NAMES = sorted({*VERBS, *(noun for _, noun in NOUNS), "Response", "Foo"})
_ATTRIBUTES = sorted({name for verb in [*VERBS.values(), *NOUNS.values()] for name in verb.by_name})
_VALUES = st.sampled_from(["", "0", "1", "-1", "true", "both", "x", "/a", "https://h/", "ftp://h/", "#", "12w"])


def _elements() -> st.SearchStrategy[str]:
    attributes = st.dictionaries(st.sampled_from(_ATTRIBUTES), _VALUES, max_size=4)

    def element(name: str, given_: dict[str, str], inner: list[str]) -> str:
        written = "".join(f' {key}="{value}"' for key, value in given_.items())
        return f"<{name}{written}>{''.join(inner)}</{name}>"

    return st.recursive(
        st.sampled_from(["", "text", "+15550100"]),
        lambda inner: st.builds(element, st.sampled_from(_NAMES), attributes, st.lists(inner, max_size=3)),
        max_leaves=8,
    )


@settings(max_examples=300)
@given(_elements())
def test_any_tree_is_read_or_refused(tree: str) -> None:
    """Verbs and attributes in any order and depth: a document or its problems, nothing else."""
    try:
        assert isinstance(read(f"<Response>{tree}</Response>", "test", BASE), Document)
    except DocumentError as refused:
        found = refused.problems
    else:
        found = ()
    assert all(problem.message and problem.code for problem in found)
