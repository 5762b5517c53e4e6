"""Sounds: what playback is told for each, and what its answer means."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.calls.ports import SoundFile
from controller.documents.steps import Beep, Quiet, Ringing, Speech
from controller.switch.commands import Joined, LocalFile, SilenceStream, Spoken, Tone
from controller.switch.sounds import (
    LEAD_IN,
    PIECE,
    RINGS,
    TEXT_MAX,
    SpeechSettings,
    failed_response,
    pieces,
    source,
)

SPEECH = SpeechSettings(
    "flite", "kal", {"Polly.Joanna": "slt", "en": "rms", "en-GB": "awb", "female": "slt", "es": "es_voice"}
)
COUNTRIES = (
    "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt ru se sg th uk us "
    "us-old tw ve za"
)


def script_ms(tone: Tone) -> int:
    """How long a script lasts."""
    loops = int(found[1]) if (found := re.search(r";loops=(\d+)", tone.script)) else 1
    parts = re.findall(r"%\((\d+),(\d+),", tone.script)
    return loops * sum(int(on) + int(off) for on, off in parts)


def lasts_ms(played: object) -> int:
    """How long a ringing lasts as FreeSWITCH plays it."""
    match played:
        case Tone():
            return script_ms(played)
        case Joined(parts):
            return round(LEAD_IN * 1000) + sum(lasts_ms(part) for part in parts)
    raise AssertionError(played)


@pytest.mark.parametrize(
    ("sound", "gain", "played"),
    [
        (SoundFile("/a/b.wav"), 6.0, LocalFile("/a/b.wav")),
        (Quiet(1.5), 0.0, SilenceStream(1500)),
        (Quiet(0.0), 0.0, SilenceStream(1)),
        (Beep(), 0.0, Tone("%(500,0,1000)")),
        (Beep(), -6.0, Tone("v=-13;%(500,0,1000)")),
        (Beep(), 2.54, Tone("v=-4.5;%(500,0,1000)")),
        (Beep(), 40.0, Tone("v=0;%(500,0,1000)")),
        (Beep(), -100.0, Tone("v=-63;%(500,0,1000)")),
        (Ringing("us"), 0.0, Tone("%(2000,4000,440,480)")),
        (Ringing("uk"), -3.0, Tone("v=-10;%(400,200,400,450);%(400,2000,400,450)")),
        (Ringing("in"), 0.0, Tone("%(400,200,387.5,412.5);%(400,2000,387.5,412.5)")),
        (Ringing("us", 7.0), 0.0, Tone("%(2000,4000,440,480);%(1000,0,440,480)")),
        (Ringing("us", 8.5), 0.0, Tone("%(2000,4000,440,480);%(2000,500,440,480)")),
        (Ringing("uk", 0.5), 0.0, Tone("%(400,100,400,450)")),
        (Ringing("uk", 3600.0), 0.0, Tone("%(400,200,400,450);%(400,2000,400,450);loops=1200")),
        (Speech("Hello, world."), 3.0, Spoken("flite", "kal", "Hello, world.")),
    ],
)
def test_what_is_played(sound: object, gain: float, played: object) -> None:
    """Each sound is one source; gain moves a tone's level within what teletone takes, and nothing else's."""
    assert source(sound, gain, SPEECH) == played  # type: ignore[arg-type]  # every kind of sound


def test_every_country_rings() -> None:
    """All codes of the documents have a ring of a frequency that is heard and of seconds."""
    assert set(RINGS) == set(COUNTRIES.split())
    for country in RINGS:
        ring = source(Ringing(country), 0.0, SPEECH)
        assert isinstance(ring, Tone)
        assert 2600 <= script_ms(ring) <= 6000
        assert all(300 <= float(hz) <= 500 for _, _, heard in RINGS[country] for hz in heard)


@given(st.sampled_from(sorted(RINGS)), st.integers(20, 86_400_000), st.sampled_from([0.0, -12.0]))
@example("uk", 24_250, 0.0)
@example("uk", 27_250, 0.0)
def test_ringing_lasts_as_long_as_it_should(country: str, ms: int, gain: float) -> None:
    """To the millisecond, from a broken first ring to a day; a long one is a few tones, not thousands."""
    played = source(Ringing(country, ms / 1000), gain, SPEECH)
    assert lasts_ms(played) == ms
    assert len(str(played)) < 600
    assert str(played).count("v=-19") == (0 if gain == 0.0 else 1 if isinstance(played, Tone) else 2)


@pytest.mark.parametrize(
    ("speech", "voice"),
    [
        (Speech("a"), "kal"),
        (Speech("a", voice="Polly.Joanna", language="en-GB", gender="male"), "slt"),
        (Speech("a", voice="polly.joanna"), "slt"),
        (Speech("a", voice="Nobody", language="en-gb"), "awb"),
        (Speech("a", language="en-US"), "rms"),
        (Speech("a", language="es_MX", gender="female"), "es_voice"),
        (Speech("a", language="fr-FR", gender="female"), "slt"),
        (Speech("a", voice="${x}|y", language="-", gender="?"), "kal"),
    ],
)
def test_whose_voice(speech: Speech, voice: str) -> None:
    """A document's voice by name, else language, else gender; what the settings do not know is the usual voice."""
    said = source(speech, 0.0, SPEECH)
    assert isinstance(said, Spoken)
    assert said.voice == voice


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${system touch /tmp/x}", "$ system touch /tmp/x"),
        ("{rate=9}a", "rate=9 a"),
        ("a|b\x00\x07\x9b\ud800c\r\nd", "a b c d"),
        ("press 1* or 2#", "press 1 star or 2 pound"),
        ("don't say 'x', \\ ok!", "don't say 'x', \\ ok!"),
    ],
)
def test_what_is_said(text: str, said: str) -> None:
    """Whatever a document writes is text: nothing is refused, and nothing of it is a command."""
    assert source(Speech(text), 0.0, SPEECH) == Spoken("flite", "kal", said)


@pytest.mark.parametrize("text", ["", " \r\n", "{}|", "...", "\x00", "!?"])
def test_nothing_to_say_is_said_at_once(text: str) -> None:
    """A text without a letter or digit is a moment of silence, whose end is told as any other's."""
    assert source(Speech(text), 0.0, SPEECH) == SilenceStream(1)


@given(st.text("ab .,!?'\\ é日{|@\n", min_size=1, max_size=1200), st.integers(5, 60))
def test_pieces_are_the_text(text: str, most: int) -> None:
    """Parted texts are short enough, none is empty, and together they say all of it in its order."""
    text = " ".join(text.split())
    parts = pieces(text, most) if text else []
    assert all(0 < len(part) <= most for part in parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


def test_long_texts_are_parted_at_sentences() -> None:
    """One playback of many pieces, each a number of whole sentences."""
    said = source(Speech("The quick brown fox jumps over the lazy dog. " * 100), 0.0, SPEECH)
    assert isinstance(said, Joined)
    for part in said.parts:
        assert isinstance(part, Spoken)
        assert part.text.startswith("The")
        assert part.text.endswith("dog.")
        assert len(part.text) <= PIECE
    assert pieces("one two, three four", 12) == ["one two,", "three four"]
    assert pieces("one two three four", 12) == ["one two", "three four"]
    assert pieces("abcdefghijklmnop", 6) == ["abcdef", "ghijkl", "mnop"]


@pytest.mark.parametrize(
    ("sound", "speech", "message"),
    [
        (Ringing("xx\n"), SPEECH, r"ringing: 'xx\\n' is not known; right is one of at, au, .* us, us-old"),
        (Ringing("us", -1.0), SPEECH, None),
        (Speech("a"), SpeechSettings("none"), "speech: the settings name no engine"),
        (Speech("a"), SpeechSettings("Flite x"), "engine: 'Flite x'"),
        (Speech("a " * TEXT_MAX), SPEECH, "speech: 16383 characters are too many; right are up to 8192"),
        (Quiet(1e9), SPEECH, "silence: "),
        (SoundFile("http://a/b.wav"), SPEECH, "file: "),
    ],
)
def test_what_cannot_be_played(sound: object, speech: SpeechSettings, message: str | None) -> None:
    """Refused before anything is sent, in words; no length is too short."""
    if message is None:
        assert lasts_ms(source(sound, 0.0, speech)) == 1  # type: ignore[arg-type]  # every kind of sound
        return
    with pytest.raises(ValueError, match=message):
        source(sound, 0.0, speech)  # type: ignore[arg-type]  # every kind of sound


@pytest.mark.parametrize(
    ("application", "response", "failed"),
    [
        ("playback", "FILE PLAYED", None),
        ("playback", "FILE NOT FOUND", "the switch has no such file, speech engine or voice"),
        ("playback", "PLAYBACK ERROR", "the switch broke the sound off"),
        ("playback", "_none_", "the switch says '_none_' of the sound"),
        ("playback", "\x1b[2J" * 99, r"the switch says '\x1b[2J"),
        ("record_session", "_none_", None),
        ("answer", "_none_", None),
    ],
)
def test_what_an_answer_means(application: str, response: str, failed: str | None) -> None:
    """Only FILE PLAYED is a playback's success; other applications are not judged by their response."""
    told = failed_response(application, response)
    assert told == failed if failed is None or "x1b" not in failed else str(told).startswith(failed)
