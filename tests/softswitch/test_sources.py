"""What playback can play: lengths, levels, and what cannot be played."""

import wave
from pathlib import Path

import numpy as np
import pytest

from controller.softswitch.script import Samples
from controller.softswitch.sources import SourceError, babble, load
from controller.softswitch.wavfile import WavFile


def rendered(source: str, sounds: Path) -> Samples:
    """The whole of a source's sound."""
    sound = load(source, sounds).sound
    return sound.read(0, len(sound))


def write(path: Path, rate: int, *levels: int) -> None:
    """A file of a second, each channel a constant."""
    with wave.open(str(path), "wb") as file:
        file.setparams((len(levels), 2, rate, 0, "NONE", ""))
        file.writeframes(np.tile(np.array(levels, "<i2"), rate).tobytes())


@pytest.mark.parametrize(
    ("source", "length"),
    [
        ("tone_stream://%(200,100,440)", 2400),
        ("tone_stream://v=-7;%(200,100,350,440);loops=2", 4800),
        ("tone_stream://%(400,200,400,450);%(400,2000,400,450);loops=1200", 1200 * 24000),
        ("tone_stream://%(1000,0,440);loops=-1", 800000),
        ("silence_stream://1500,400", 12000),
        ("silence_stream://1", 8),
        ("silence_stream://-1", 800000),
        ("tts://flite|kal|hello", 4000),
        (r"tts://flite|slt|don\'t say \'x\'", round(8000 * 0.06 * len("don't say 'x'"))),
        ("tts://flite|kal|...", 0),
        ("file_string://silence_stream://100!tone_stream://%(100,0,440);loops=3", 2000 + 800 + 2400),
        (r"file_string://tts://flite|kal|a\!b!/nowhere.wav!silence_stream://100", 2000 + 4000 + 800),
    ],
)
def test_sources(source: str, length: int, tmp_path: Path) -> None:
    """Tones, silence, spoken text and joined ones; lengths in samples of 8 kHz."""
    assert len(load(source, tmp_path).sound) == length


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_files(rate: int, tmp_path: Path) -> None:
    """A WAV of any rate lasts as long as it does; the channels of one with several are added up, and clipped."""
    write(tmp_path / "one.wav", rate, 1000)
    write(tmp_path / "two.wav", rate, 1000, 500)
    write(tmp_path / "loud.wav", rate, 30000, 30000)
    for name, level in (("one", 1000), ("two", 1500), ("loud", 32767)):
        samples = rendered(f"{name}.wav", tmp_path)
        assert len(samples) == 8000
        assert set(samples.tolist()) == {level}
        assert load(str(tmp_path / f"{name}.wav"), tmp_path).rate == rate


def test_a_recording_that_runs_is_an_empty_file(tmp_path: Path) -> None:
    """Its header promises nothing yet: it is played, and nothing is heard."""
    running = WavFile(tmp_path / "a.wav", rate=8000, channels=2, chunk=100, budget=None)
    running.write(bytes(1000))
    assert len(rendered("a.wav", tmp_path)) == 0
    running.close()
    assert len(rendered("a.wav", tmp_path)) == 250


@pytest.mark.parametrize(
    ("script", "peak"),
    [
        ("%(500,0,1000)", 0.311),
        ("v=-7;%(500,0,1000)", 0.311),
        ("v=-13;%(500,0,1000)", 0.156),
        ("v=-27.5;%(500,0,1000)", 0.0293),
        ("v=0;%(500,0,1000)", 0.696),
        ("v=1;%(500,0,1000)", 0.311),
        ("v=-64;%(500,0,1000)", 0.311),
    ],
)
def test_levels_of_tones(script: str, peak: float, tmp_path: Path) -> None:
    """Teletone's: -7 dB unless told, from -63 to 0; another is not taken (peaks heard on a real switch)."""
    loudest = np.abs(rendered(f"tone_stream://{script}", tmp_path).astype(int)).max() / 32768
    assert loudest == pytest.approx(peak, rel=0.02)


def test_speech_is_as_long_as_its_text() -> None:
    """60 ms a character, half a second at least."""
    assert len(babble("hi")) == 4000
    assert len(babble("x" * 100)) == 48000


@pytest.mark.parametrize(
    "source",
    [
        "/nowhere.wav",
        "tone_stream://none",
        "tone_stream://%(1)",
        "tone_stream://%(a,b,c)",
        "silence_stream://0",
        "tts://nosuch|kal|hello",
        "tts://flite|nosuch|hello",
        "tts://flite|kal|",
        "tts://flite|kal| ",
        "tts://flite|kal",
        "file_string:///nowhere.wav!tts://nosuch|kal|a",
        "http://x/y.wav",
        "bad.wav",
    ],
)
def test_sources_that_cannot_be_played(source: str, tmp_path: Path) -> None:
    """Each is a SourceError, never something else."""
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(SourceError):
        load(source, tmp_path)


def test_eight_bit_files_are_refused(tmp_path: Path) -> None:
    """Only 16 bit PCM is played."""
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
    with pytest.raises(SourceError, match="16 bit"):
        load("x.wav", tmp_path)
