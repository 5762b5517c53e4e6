"""What `playback` can play, as sound at 8 kHz: files, tones, silence, speech, and several of them joined."""

import re
import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from controller.softswitch.audio import RATE, Sound
from controller.softswitch.script import Samples, silence, speech, tone
from controller.softswitch.text import number, parse_block, split_arguments
from controller.softswitch.wavfile import HEADER

VOICES = {"flite": frozenset({"awb", "kal", "kal16", "rms", "slt"})}
"""The speech engines that there are, with their voices."""

_FOR_EVER_SECONDS = 100
_LEAD_IN_SECONDS = 0.25
_MAX_TONE_SECONDS = 24 * 3600
_MOST_JOINED = 128


class SourceError(Exception):
    """A playback source that does not exist or cannot be played."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A source's sound at 8 kHz, and the rate that the file layer counts its samples in (None: the leg's)."""

    sound: Sound
    rate: int | None = None


def load(source: str, sounds: Path) -> Loaded:
    """Load a `playback` argument: a WAV file, `tone_stream://`, `silence_stream://`, `tts://`, `file_string://`.

    Raises `SourceError` for everything else, a missing file first of all.
    """
    kind, found, rest = source.partition("://")
    if not found:
        return _wav(Path(source) if source.startswith("/") else sounds / source)
    match kind:
        case "tone_stream":
            return Loaded(_tone_stream(rest))
        case "silence_stream":
            if not (milliseconds := number(rest)):
                raise SourceError(f"no milliseconds in {source!r}")
            return Loaded(Sound(silence(_FOR_EVER_SECONDS if milliseconds < 0 else milliseconds / 1000, RATE)))
        case "tts":
            return Loaded(_spoken(rest))
        case "file_string":
            return Loaded(_joined(rest, sounds))
    raise SourceError(f"no file format for {source!r}")


@lru_cache(maxsize=16)
def babble(text: str) -> Samples:
    """Stand in for spoken `text`: voice-like sound, 60 ms a character, half a second at least."""
    return speech(max(0.5, 0.06 * len(text)), 0.2, RATE)


def _spoken(argument: str) -> Sound:
    """`engine|voice|text`; what has no letter and no digit is said without a sound (tts_file_open, mod_flite)."""
    fields = split_arguments(argument, 3, "|")
    if len(fields) < 3 or fields[1] not in VOICES.get(fields[0], ()):
        raise SourceError(f"no engine, voice and text: {argument!r}")
    text = parse_block(fields[2])[1].strip()
    if not text:
        raise SourceError("nothing to say")
    return Sound(babble(text) if any(character.isalnum() for character in text) else silence(0.0, RATE))


def _joined(argument: str, sounds: Path) -> Sound:
    """`a!b!…`: those that can be played, behind a quarter of a second of silence (next_file)."""
    found: list[Sound] = []
    for part in split_arguments(argument, _MOST_JOINED, "!"):
        try:
            found.append(load(part, sounds).sound)
        except SourceError:
            continue
    if not found:
        raise SourceError(f"none can be played of {argument!r}")
    return sum(found, Sound(silence(_LEAD_IN_SECONDS, RATE)))


def _wav(path: Path) -> Loaded:
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise SourceError(f"{path} is not 16 bit PCM")
            rate, channels = file.getframerate(), file.getnchannels()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    except (OSError, EOFError, wave.Error) as error:
        if _is_unfinished(path):
            return Loaded(Sound(silence(0.0, RATE)))
        raise SourceError(f"cannot play {path}: {error}") from error
    if channels > 1:
        # Added up, not averaged (switch_mux_channels; heard on a real switch)
        samples = np.clip(samples.reshape(-1, channels).sum(axis=1, dtype=np.int32), -32768, 32767).astype(np.int16)
    if rate != RATE:
        wanted = np.arange(round(len(samples) * RATE / rate)) * (rate / RATE)
        samples = np.interp(wanted, np.arange(len(samples)), samples).astype(np.int16)
    return Loaded(Sound(samples), rate)


def _is_unfinished(path: Path) -> bool:
    """Whether it is a recording that still runs: to its header it has no samples, and it is played as such."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER)
    except OSError:
        return False
    return len(head) == HEADER and head[:4] == b"RIFF" and head[8:12] == b"WAVE" and not any(head[40:])


_TONE = re.compile(r"%\(([^()]*)\)")
_LOOPS = re.compile(r";loops=", re.IGNORECASE)
_USUAL_LEVEL, _LOUDEST, _FAINTEST = -7.0, 0.0, -63.0
_FULL_SCALE_DB = 3.14 + 3.02
"""DBM0_MAX_POWER of teletone: the level of a sine of full scale over the root of two."""


@lru_cache(maxsize=32)
def _tone_stream(script: str) -> Sound:
    """Teletone's `%(on_ms,off_ms,hz[,hz…])` and `v=`, and tone_stream's `;loops=`; other settings are ignored."""
    tones, *rest = _LOOPS.split(script, maxsplit=1)
    loops = number(rest[0]) if rest else 1
    parts: list[Samples] = []
    level = _USUAL_LEVEL
    for command in tones.split(";"):
        if command.startswith("v="):
            wanted = _number(command[2:])
            level = wanted if _FAINTEST <= wanted <= _LOUDEST else level
            continue
        for inner in _TONE.findall(command):
            numbers = [_number(text) for text in inner.split(",")]
            if len(numbers) < 2:
                raise SourceError(f"a tone needs on and off times, not %({inner})")
            on, off = (min(value / 1000, _MAX_TONE_SECONDS) for value in numbers[:2])
            peak = 2**0.5 * 10 ** ((level - _FULL_SCALE_DB) / 20)
            parts += [tone(on, numbers[2:], min(peak, 1.0), RATE), silence(off, RATE)]
    if not parts:
        raise SourceError(f"no tone in {script!r}")
    once = np.concatenate(parts)
    if loops < 0:
        loops = max(1, round(_FOR_EVER_SECONDS * RATE / max(1, len(once))))
    return Sound(once, max(1, loops))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise SourceError(f"not a number: {text!r}") from error
