"""Playable sounds: what each text means, and what each wrong one is told."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.dialects.swml.messages import Wrong
from controller.dialects.swml.sounds import COUNTRIES, sound
from controller.documents.steps import AudioAt, Item, Quiet, Ringing, Speech
from tests.dialects.swml.sample import DIALECT, document

SOUNDS: list[tuple[str, Item]] = [
    # the reference's examples
    ("https://cdn.signalwire.com/swml/audio.mp3", AudioAt("https://cdn.signalwire.com/swml/audio.mp3")),
    ("say: this is something to say", Speech("this is something to say")),
    ("silence: 3.0", Quiet(3.0)),
    ("ring:10.0:us", Ringing("us", 10.0)),
    ("ring:us", Ringing("us")),
    ("ring:3.2:uk", Ringing("uk", 3.2)),
    # and around them
    ("http://user:pa%20ss@127.0.0.1:8000/a.wav?b=c#d", AudioAt("http://user:pa%20ss@127.0.0.1:8000/a.wav?b=c#d")),
    ("HTTPS://h/A", AudioAt("HTTPS://h/A")),
    ("say:x", Speech("x")),
    ("Say:x", Speech("x")),
    ("say:a: b", Speech("a: b")),
    ("say:  two \r\n lines\t\x00\x1b[2J\u2028and \ud800more ", Speech("two lines [2J and more")),
    ("say:${system touch /tmp/x}", Speech("${system touch /tmp/x}")),
    ("say:https://h/", Speech("https://h/")),
    ("say:" + "x" * 5_000, Speech("x" * 5_000)),
    ("silence:10", Quiet(10.0)),
    ("silence:0", Quiet(0.0)),
    ("silence:.5", Quiet(0.5)),
    ("silence:86400", Quiet(86_400.0)),
    ("ring: 20: us", Ringing("us", 20.0)),
    ("ring:us-old", Ringing("us-old")),
    ("ring:2:US-OLD", Ringing("us-old", 2.0)),
]


@pytest.mark.parametrize(("text", "item"), SOUNDS)
def test_a_text_is_a_sound(text: str, item: Item) -> None:
    """Each form of the reference, its optional spaces included; what is spoken is one printable line."""
    assert sound(text) == item


def test_every_ring_tone_of_the_reference_is_known() -> None:
    """Forty country codes, with and without a duration."""
    assert len(COUNTRIES) == 40
    for country in COUNTRIES:
        assert sound(f"ring:{country}") == Ringing(country)
        assert sound(f"ring:1.5:{country.upper()}") == Ringing(country, 1.5)


def test_a_text_is_spoken_as_wished() -> None:
    """Voice, language and gender are the spoken ones' alone."""
    assert sound("say:x", "v", "l", "g") == Speech("x", "v", "l", "g")
    assert sound("ring:us", "v", "l", "g") == Ringing("us")


SOUND = (
    "must be a playable sound (a URL, say:<text>, silence:<seconds>, ring:<country> or ring:<seconds>:<country>); "
    "got {}"
)
RING = "must be ring:<country> or ring:<seconds>:<country>; got {}"
SILENCE = "must be silence:<seconds>, at most 86400; got {}"
NO_SOUNDS = [
    ("", SOUND.format('""')),
    ("hello", SOUND.format('"hello"')),
    (" say:x", SOUND.format('" say:x"')),
    ("sya:x", SOUND.format('"sya:x"')),
    ("ftp://h/x", SOUND.format('"ftp://h/x"')),
    ("file:///etc/passwd", SOUND.format('"file:///etc/passwd"')),
    ("/etc/passwd", SOUND.format('"/etc/passwd"')),
    ("tone_stream://%(100,0,440)", SOUND.format('"tone_stream://%(100,0,440)"')),
    ("${system id}", SOUND.format('"${system id}"')),
    ("say:", "must have something to say after `say:`; got nothing"),
    ("say: \t\r\n\x00", "must have something to say after `say:`; got nothing"),
    ("say:" + "x" * 5_001, "must say at most 5000 characters; got 5001"),
    ("silence:", SILENCE.format('"silence:"')),
    ("silence:-1", SILENCE.format('"silence:-1"')),
    ("silence:1.2.3", SILENCE.format('"silence:1.2.3"')),
    ("silence:1e9", SILENCE.format('"silence:1e9"')),
    ("silence:86401", SILENCE.format('"silence:86401"')),
    ("silence:\u0661", SILENCE.format('"silence:\\u0661"')),
    ("ring:", RING.format('"ring:"')),
    ("ring:5", RING.format('"ring:5"')),
    ("ring:us:5", RING.format('"ring:us:5"')),
    ("ring:us\n", RING.format('"ring:us\\n"')),
    ("ring:0:us", 'must ring for more than 0 and at most 86400 seconds; got "ring:0:us"'),
    ("ring:999999:us", 'must ring for more than 0 and at most 86400 seconds; got "ring:999999:us"'),
    ("ring:xx", f'must ring as one of {", ".join(COUNTRIES)}; got "ring:xx"'),
    ("ring:2:us-ld", f'must ring as one of {", ".join(COUNTRIES)}; got "ring:2:us-ld" (did you mean `us-old`?)'),
    ("http://", 'must be an http or https URL with a host; got "http://"'),
    ("http:x", 'must be an http or https URL with a host; got "http:x"'),
    (
        "https://h/a b",
        'must be an http or https URL whose other characters are percent-encoded; got "https://h/a b"',
    ),
    (
        "https://h/\r\nX: y",
        'must be an http or https URL whose other characters are percent-encoded; got "https://h/\\r\\nX: y"',
    ),
]


@pytest.mark.parametrize(("text", "message"), NO_SOUNDS)
def test_a_text_that_is_no_sound_is_told_what_would_be(text: str, message: str) -> None:
    """Each wrong text says what is allowed and what it is; nothing but http and https is ever opened."""
    with pytest.raises(Wrong, match=re.escape(message) + r"\Z"):
        sound(text)


@settings(max_examples=500)
@given(st.sampled_from(["say:", "silence:", "ring:", "http://", "https://h/", ""]), st.text(max_size=40))
def test_any_text_is_a_safe_sound_or_none(kind: str, text: str) -> None:
    """Whatever a text says: what is spoken or asked for has no line end, control or half character."""
    try:
        item = sound(kind + text)
    except Wrong:
        return
    match item:
        case Speech(said):
            assert said == said.strip() != ""
            assert all(ord(character) >= 32 and not 0x7F <= ord(character) <= 0x9F for character in said)
            said.encode()
        case AudioAt(url):
            assert re.fullmatch(r"(?i)https?://[!-~]+", url)
        case Quiet(seconds):
            assert 0 <= seconds <= 86_400
        case Ringing(country, for_seconds):
            assert country in COUNTRIES
            assert for_seconds is None or 0 < for_seconds <= 86_400


LIST = "must be a list of playable sounds (URLs, say:<text>, silence:<seconds>, ring:<country>); got {}"
EITHER = "must be a playable sound (a URL, say:<text>, silence:<seconds>, ring:<country>) or a list of such; got {}"
NOT_YET = "not supported in this version: leave it out"
TONES = "must be text of the digits 0-9, A-D, * and #, and of the pauses w and W"
VOLUME = "must be a number at least -40 and at most 40 (dB); got {}"
WRONG: list[tuple[str, list[tuple[str, str]]]] = [
    ("play: {}", [("", "must have either `url` or `urls`; got neither")]),
    ("play: {volume: 1}", [("", "must have either `url` or `urls`; got neither")]),
    ("play: {url: 'say:x', urls: ['say:y']}", [("", "must have either `url` or `urls`; got `url` and `urls`")]),
    (
        "play: {url: 'say:x', url: 'say:y'}",
        [(".url", "written twice; first on line 3")],
    ),
    ("play: {url: ['say:x']}", [(".url", SOUND.format("a list"))]),
    ("play: {url: 5}", [(".url", SOUND.format("5"))]),
    ("play: {url: 'say:'}", [(".url", "must have something to say after `say:`; got nothing")]),
    ("play: {url: 'sya:${x}'}", [(".url", SOUND.format('"sya:${x}"'))]),
    ("play: {url: '/${x}'}", [(".url", SOUND.format('"/${x}"'))]),
    (
        "play: {url: 'say:${x'}",
        [(".url", '`${` without its `}` (or a quote or bracket in it is not closed); got "say:${x"')],
    ),
    ("play: {urls: 'say:x'}", [(".urls", LIST.format('"say:x"'))]),
    ("play: {urls: '${list}'}", [(".urls", LIST.format('"${list}"'))]),
    ("play: {urls: []}", [(".urls", LIST.format("an empty list"))]),
    ("play: {urls: {}}", [(".urls", LIST.format("an object"))]),
    (
        "play: {urls: [ring:xx, 'say:x', 5, [x], 'say:']}",
        [
            (".urls[0]", f'must ring as one of {", ".join(COUNTRIES)}; got "ring:xx"'),
            (".urls[2]", SOUND.format("5")),
            (".urls[3]", LIST.format("a list")),
            (".urls[4]", "must have something to say after `say:`; got nothing"),
        ],
    ),
    ("play: {urls: [" + "'ring:us', " * 101 + "]}", [(".urls", "must have at most 100 sounds; got 101")]),
    ("play: {url: 'ring:us', volume: 41}", [(".volume", VOLUME.format("41"))]),
    ("play: {url: 'ring:us', volume: -40.1}", [(".volume", VOLUME.format("-40.1"))]),
    ("play: {url: 'ring:us', volume: loud}", [(".volume", VOLUME.format('"loud"'))]),
    ("play: {url: 'ring:us', auto_answer: no}", [(".auto_answer", 'must be true or false; got "no"')]),
    ("play: {url: 'ring:us', say_voice: ''}", [(".say_voice", "must have 1 to 256 characters; got 0")]),
    ("play: {url: 'ring:us', say_language: 5}", [(".say_language", "must be text; got 5: put it in quotes")]),
    ("play: {url: 'ring:us', status_url: 'http://h/'}", [(".status_url", NOT_YET)]),
    (
        "play: {url: 'ring:us', loops: 2}",
        [
            (
                ".loops",
                "unknown; play knows url, urls, auto_answer, volume, say_voice, say_language, say_gender, status_url",
            )
        ],
    ),
    ("prompt: {}", [(".play", f"missing: {EITHER.removeprefix('must be ').removesuffix('; got {}')}")]),
    ("prompt: {play: []}", [(".play", EITHER.format("an empty list"))]),
    ("prompt: {play: {}}", [(".play", EITHER.format("an object"))]),
    ("prompt: {play: hello}", [(".play", SOUND.format('"hello"'))]),
    (
        "prompt: {play: 'ring:us', max_digits: 0}",
        [(".max_digits", "must be a whole number at least 1 and at most 100; got 0")],
    ),
    (
        "prompt: {play: 'ring:us', terminators: 'x'}",
        [(".terminators", 'must be text of the digits 0-9, A-D, * and #, at most 64 of them; got "x"')],
    ),
    (
        "prompt: {play: 'ring:us', digit_timeout: -1}",
        [(".digit_timeout", "must be a number at least 0 and at most 86400 (seconds); got -1")],
    ),
    ("prompt: {play: 'ring:us', speech_hints: [one]}", [(".speech_hints", NOT_YET)]),
    ("prompt: {play: 'ring:us', speech_timeout: 5}", [(".speech_timeout", NOT_YET)]),
    ("prompt: {play: 'ring:us', speech_end_timeout: 5}", [(".speech_end_timeout", NOT_YET)]),
    ("prompt: {play: 'ring:us', speech_language: en-US}", [(".speech_language", NOT_YET)]),
    ("prompt: {play: 'ring:us', speech_engine: Google}", [(".speech_engine", NOT_YET)]),
    ("prompt: {play: 'ring:us', status_url: 'http://h/'}", [(".status_url", NOT_YET)]),
    ("send_digits: {}", [(".digits", "missing: text of the digits 0-9, A-D, * and #, and of the pauses w and W")]),
    *(
        (
            f"send_digits: {{digits: '{digits}'}}",
            [
                (
                    ".digits",
                    f'{TONES}, 1 to 256 of them; got "{digits}"',
                )
            ],
        )
        for digits in ("", "12x", "a", "1 2", "1,2")
    ),
]


@pytest.mark.parametrize(("step", "expected"), WRONG)
def test_wrong_media_methods(step: str, expected: list[tuple[str, str]]) -> None:
    """All that is wrong is told at once: where, on which line, what it must be and what it is."""
    found = [(problem.line, problem.where, problem.message) for problem in DIALECT.check(document(step), "test")]
    method = step.partition(":")[0]
    assert found == [(3, f"main[0].{method}{where}", message) for where, message in expected]


RIGHT = [
    "play: {url: '${x}'}",
    "play: {url: 'h${x}'}",
    "play: {url: 'https://${host}/${file}.wav'}",
    "play: {url: 'ring:${seconds}:${country}'}",
    "play: {urls: ['${x}', 'say:%{y}', 'ring:us'], volume: '${v}', auto_answer: '${a}', say_gender: '${g}'}",
    "prompt: {play: '${x}', volume: '${v}', max_digits: '${n}', terminators: '${t}', digit_timeout: '%{d}'}",
    "prompt: {play: ['${x}', 'ring:us'], max_digits: 100, initial_timeout: 0, digit_timeout: 0.5}",
    "send_digits: {digits: '0123456789*#ABCDWw'}",
    "send_digits: {digits: '${x}'}",
]


@pytest.mark.parametrize("step", RIGHT)
def test_right_media_methods(step: str) -> None:
    """What can be right with the right variables may run."""
    assert DIALECT.check(document(step), "test") == ()
