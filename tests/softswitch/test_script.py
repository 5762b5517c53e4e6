"""Scripts: what a caller does, and the sound it makes."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.softswitch import Digits, Hangup, Pcm, Silence, Speech, Step, Tone, render

steps = st.one_of(
    st.builds(Speech, st.floats(0, 0.5)),
    st.builds(Tone, st.floats(0, 0.5), st.sampled_from([440.0, 1000.0, 350.5])),
    st.builds(Silence, st.floats(0, 0.5)),
    st.builds(Pcm, st.just(bytes(320))),
    st.builds(Digits, st.text("0123456789*#", min_size=1, max_size=4)),
)


@given(st.lists(steps, max_size=6), st.sampled_from([8000, 16000]))
def test_lengths_add_up(script: list[Step], rate: int) -> None:
    """A script is as long as its steps; every digit is in order and within it; without Hangup nobody hangs up."""
    script = [Pcm(step.samples, rate) if isinstance(step, Pcm) else step for step in script]
    rendered = render(script, rate)
    expected = sum(
        round(0.2 * rate) * len(step.keys) if isinstance(step, Digits) else round(step.seconds * rate)
        for step in script
        if not isinstance(step, Hangup)
    )
    assert len(rendered.samples) == expected
    assert "".join(key for _, key in rendered.digits) == "".join(s.keys for s in script if isinstance(s, Digits))
    assert [at for at, _ in rendered.digits] == sorted(at for at, _ in rendered.digits)
    assert rendered.hangup_at is None


def test_hangup_ends_the_script() -> None:
    """Steps after Hangup are not reached; its moment and cause are told."""
    rendered = render([Silence(0.5), Hangup("USER_BUSY"), Tone(9)])
    assert (len(rendered.samples), rendered.hangup_at, rendered.hangup_cause) == (4000, 0.5, "USER_BUSY")


def test_samples_as_they_are() -> None:
    """What is given as samples is said so, in its place; at another rate, or halved, it is refused."""
    assert render([Silence(0.0005), Pcm(b"\x01\x00\xff\x7f")]).samples.tolist() == [0, 0, 0, 0, 1, 32767]
    with pytest.raises(ValueError, match="8000 samples a second can't be said on a leg of 16000"):
        render([Pcm(b"ab")], 16000)
    with pytest.raises(ValueError, match="even number of bytes, not 3"):
        Pcm(b"abc")


@pytest.mark.parametrize("recorded", [8000, 16000, 48000])
def test_sound_of_a_file(tmp_path: Path, recorded: int) -> None:
    """A tone that a telephone carries comes at its height and level, one that it does not carry is not there."""
    file = tmp_path / "tone.wav"
    for hertz, heard in ((1000.0, 0.2), (6000.0, 0.0)):
        if hertz < recorded / 2:
            with wave.open(str(file), "wb") as out:
                out.setparams((1, 2, recorded, 0, "NONE", ""))
                out.writeframes(render([Tone(1.0, hertz, level=0.2)], recorded).samples.tobytes())
            samples = render([Pcm.of(file, 0.5)]).samples[400:3600]
            assert len(Pcm.of(file, 0.5).samples) == 8000
            assert abs(samples.max() / 32767 - heard) < 0.01
            assert heard == 0.0 or round(np.argmax(np.abs(np.fft.rfft(samples))) * 2.5) == hertz


def test_sound_of_another_file(tmp_path: Path) -> None:
    """What is not one channel of 16 bits at a multiple of the rate is refused."""
    file = tmp_path / "other.wav"
    for channels, width, rate in ((2, 2, 8000), (1, 1, 8000), (1, 2, 44100)):
        with wave.open(str(file), "wb") as out:
            out.setparams((channels, width, rate, 0, "NONE", ""))
        with pytest.raises(ValueError, match="not one channel of 16 bits"):
            Pcm.of(file, 1.0)


def test_same_script_same_samples() -> None:
    """Rendering is deterministic, and nobody can spoil what others were given."""
    script: list[Step] = [Speech(1), Digits("1"), Tone(0.1)]
    first = render(script).samples.copy()
    assert np.array_equal(first, render(list(script)).samples)
    with pytest.raises(ValueError, match="read-only"):
        render(script).samples[0] = 1


def test_speech_is_never_taken_for_silence() -> None:
    """Every 20 ms of speech is far above FreeSWITCH's threshold of 200, its peak is the level asked for."""
    samples = render([Speech(3, level=0.2)]).samples
    levels = np.abs(samples.reshape(-1, 160).astype(int)).mean(axis=1)
    assert levels.min() > 300
    assert np.abs(samples.astype(int)).max() == pytest.approx(0.2 * 32767, abs=2)


@pytest.mark.parametrize("hz", [440.0, 350.5])
def test_tone_is_that_tone(hz: float) -> None:
    """A tone's spectrum peaks at its frequency, its amplitude is its level (long tones are one period repeated)."""
    samples = render([Tone(2, hz, level=0.25)]).samples
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(int(spectrum.argmax()) / 2 - hz) <= 0.5
    assert np.abs(samples.astype(int)).max() == pytest.approx(0.25 * 32767, rel=0.01)


@pytest.mark.parametrize("keys", ["", "x", "1 2"])
def test_wrong_digits_are_refused(keys: str) -> None:
    """Digits that no phone has are an error that names them."""
    with pytest.raises(ValueError, match="digits must be"):
        Digits(keys)


def test_digits_and_silence_are_silent() -> None:
    """A digit makes no sound of its own: it travels beside the audio."""
    rendered = render([Digits("12#"), Silence(0.1)])
    assert not rendered.samples.any()
    assert rendered.digits == ((0.0, "1"), (0.2, "2"), (0.4, "#"))
