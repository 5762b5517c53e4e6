"""Sounds as the switch plays them: which source, which tones, whose voice, and what its answer means.

Everything is one ``playback``: it can be broken as one, and its end tells what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from controller.calls.ports import Sound, SoundFile
from controller.documents.steps import Beep, Quiet, Ringing, Speech
from controller.switch.commands import Joined, LocalFile, SilenceStream, Source, Spoken, Tone

NO_ENGINE = "none"

TEXT_MAX = 8192
"""Characters of one text: some ten minutes."""

PIECE = 280
"""Characters spoken in one go. flite makes all of a piece's sound before its first sample, 0.6 ms a character, and
the leg's thread does nothing else meanwhile: no digit, no command, no recording (measured: 5 s for 8,000)."""

LEAD_IN = 0.25
"""Seconds of silence that FreeSWITCH puts before the first of joined sources (file_string, next_file)."""

_TONE_LEVEL, _LOUDEST, _FAINTEST = -7.0, 0.0, -63.0
"""dB of a tone unless told, and teletone's bounds: what is beyond them it ignores (TELETONE_VOL_DB_…)."""

_EXPLICIT_PARTS = 16

Cadence = tuple[tuple[int, int, tuple[float, ...]], ...]
"""One ring: (ms on, ms off, hertz …) …"""


def _cadence(text: str) -> Cadence:
    """Read ``400+450/400,0/200,400+450/400,0/2000``: hertz or 0 for silence, and milliseconds."""
    steps = [step.split("/") for step in text.split(",")]
    pairs = zip(steps[::2], steps[1::2], strict=True)
    return tuple((int(on), int(off), tuple(map(float, hertz.split("+")))) for (hertz, on), (_, off) in pairs)


RINGS: Mapping[str, Cadence] = MappingProxyType(
    {
        country: _cadence(ring)
        for countries, ring in {
            "at th": "420/1000,0/5000",
            "au": "413+438/400,0/200,413+438/400,0/2000",
            "bg br ch cz de dk ee fi gr it lt mx nl no pl ve": "425/1000,0/4000",
            "be": "425/1000,0/3000",
            "cl il": "400/1000,0/3000",
            "cn": "450/1000,0/4000",
            "es": "425/1500,0/3000",
            "fr": "440/1500,0/3500",
            "hu": "425/1250,0/3750",
            "in": "387.5+412.5/400,0/200,387.5+412.5/400,0/2000",
            "jp": "392+408/1000,0/2000",
            "my": "425/400,0/200,425/400,0/2000",
            "nz uk": "400+450/400,0/200,400+450/400,0/2000",
            "ph": "425+480/1000,0/4000",
            "pt se": "425/1000,0/5000",
            "ru": "425/800,0/3200",
            "sg": "413+437/400,0/200,413+437/400,0/2000",
            "tw": "440+480/1000,0/2000",
            "us": "440+480/2000,0/4000",
            "us-old": "400+440/2000,0/4000",
            "za": "383+417/400,0/200,383+417/400,0/2000",
        }.items()
        for country in countries.split()
    }
)
"""The ringing tones of ITU-T E.180 and the countries' own norms, by the codes that SWML and Asterisk use.

Where the norm modulates (India 400 Hz by 25, Japan by 16, Singapore 425 by 24, South Africa 400 by 33, the old
American one 420 by 40) there are two tones whose beat is the modulation: teletone has no other.
"""


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """Who speaks: FreeSWITCH's speech engine (``none``: nobody), its usual voice, and the voices by other names.

    ``voices`` gives the engine's voice for a document's: by its ``voice``, else its ``language`` (``en-GB``, then
    ``en``), else its ``gender``, whatever the case of letters. What is in none of them is said by ``voice``.
    """

    engine: str = "flite"
    voice: str = "kal"
    voices: Mapping[str, str] = field(default_factory=dict)

    def voice_for(self, speech: Speech) -> str:
        """Return the engine's voice for a text; there always is one."""
        known = {name.casefold(): voice for name, voice in self.voices.items()}
        wishes = (speech.voice, speech.language, re.split("[-_]", speech.language)[0], speech.gender)
        return next((known[wish.casefold()] for wish in wishes if wish.casefold() in known), self.voice)


def source(sound: Sound, gain: float, speech: SpeechSettings) -> Source:
    """Return what ``playback`` is told for a sound, tones ``gain`` dB louder.

    FreeSWITCH has no way to say a text louder: ``tts`` takes no level, and what ``uuid_audio`` changes is not heard
    by a recorder that was there before. Raises ValueError for what cannot be played, in words for the call's log.
    """
    match sound:
        case SoundFile(path):
            return LocalFile(path)
        case Quiet(seconds):
            return SilenceStream(max(1, round(seconds * 1000)))
        case Beep():
            return _tone(
                ((500, 0, (1000.0,)),), gain
            )  # long enough to be told from a click, short enough to wait for
        case Ringing(country, seconds):
            if country not in RINGS:
                raise ValueError(
                    f"ringing: {country[:20]!r} is not known; right is one of {', '.join(sorted(RINGS))}"
                )
            return _ringing(RINGS[country], seconds, gain)
        case Speech():
            return _speech(sound, speech)


def looped(sounds: Sequence[Sound], speech: SpeechSettings) -> LocalFile | Tone | Joined | None:
    """Return what is heard over and over of these, one after the other; None where there are none. Raises ValueError.

    Joined sources, which are heard again from the first one on, begin with ``LEAD_IN`` seconds of silence each time.
    """
    parts = _parts(sounds, speech)
    if not parts:
        return None
    [first, *others] = parts
    if not others and (isinstance(first, LocalFile) or (isinstance(first, Tone) and "loops=" not in first.script)):
        return first
    return Joined(parts)


def asked(sounds: Sequence[Sound], speech: SpeechSettings) -> Joined:
    """Return what who answers is told, a moment of silence behind it. Raises ValueError.

    For want of a source that it can open FreeSWITCH would hang up who answered; silence it always can.
    """
    return Joined((*_parts(sounds, speech), SilenceStream(20)))


def _parts(sounds: Sequence[Sound], speech: SpeechSettings) -> tuple[LocalFile | Tone | SilenceStream | Spoken, ...]:
    sources = [source(sound, 0.0, speech) for sound in sounds]
    return tuple(part for found in sources for part in (found.parts if isinstance(found, Joined) else (found,)))


def failed_response(application: str, response: str) -> str | None:
    """Tell in words what CHANNEL_EXECUTE_COMPLETE says went wrong with a playback; None where nothing did.

    ``FILE NOT FOUND``: the file, or the speech engine or voice, is not there. ``PLAYBACK ERROR``: it broke off, as it
    does when the leg is hung up. ``FILE PLAYED`` is told of what was broken off by ``uuid_break`` too. ``_none_``, no
    word at all, is what a playback says that never began because the leg had no media (switch_ivr_play_file).
    """
    if application != "playback" or response == "FILE PLAYED":
        return None
    return {
        "FILE NOT FOUND": "the switch has no such file, speech engine or voice",
        "PLAYBACK ERROR": "the switch broke the sound off",
    }.get(response, f"the switch says {response[:60]!r} of the sound")


# --- tones


def _tone(cadence: Cadence, gain: float, loops: int = 1) -> Tone:
    level = round(min(_LOUDEST, max(_FAINTEST, _TONE_LEVEL + gain)), 1)
    parts = [f"%({on},{off},{','.join(f'{hz:g}' for hz in hertz)})" for on, off, hertz in cadence]
    script = ";".join(([] if level == _TONE_LEVEL else [f"v={level:g}"]) + parts)
    return Tone(script if loops == 1 else f"{script};loops={loops}")


def _ringing(cadence: Cadence, seconds: float | None, gain: float) -> Source:
    """One ring, or ``seconds`` of ringing, the last ring cut off to fit."""
    if seconds is None:
        return _tone(cadence, gain)
    wanted, one = max(1, round(seconds * 1000)), sum(on + off for on, off, _ in cadence)
    whole, rest = divmod(wanted, one)
    if not rest:
        return _tone(cadence, gain, whole)
    if (whole + 1) * len(cadence) <= _EXPLICIT_PARTS:
        return _tone(cadence * whole + _cut(cadence, rest), gain)
    # A script's loops are of all of it, so what is left over is a second one
    whole, rest = divmod(wanted - round(LEAD_IN * 1000), one)
    if not rest:
        whole, rest = whole - 1, one
    return Joined((_tone(cadence, gain, whole), _tone(_cut(cadence, rest), gain)))


def _cut(cadence: Cadence, ms: int) -> Cadence:
    """Return the first so many milliseconds of a ring."""
    found = []
    for on, off, hertz in cadence:
        if ms > 0:
            found.append((min(on, ms), min(off, max(0, ms - on)), hertz))
        ms -= on + off
    return tuple(found)


# --- speech

_BLANK = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff{}|]+")
_SIGNS = str.maketrans({"*": " star ", "#": " pound "})
"""As ``speak`` says them (switch_ivr_speak_text_handle); ``tts`` leaves them to the engine, which may be silent."""

_ENDS = (r"[.!?;:]", r"[,)\]]", r"")
"""After what a text is parted, the best first; the last is any blank."""


def _speech(speech: Speech, settings: SpeechSettings) -> Source:
    if settings.engine == NO_ENGINE:
        raise ValueError("speech: the settings name no engine (speech: engine); right is flite, or another's name")
    text = " ".join(_BLANK.sub(" ", speech.text).translate(_SIGNS).split())
    if len(text) > TEXT_MAX:
        raise ValueError(f"speech: {len(text)} characters are too many; right are up to {TEXT_MAX}")
    if not any(character.isalnum() for character in text):
        return SilenceStream(1)  # nothing to say: said at once
    voice = settings.voice_for(speech)
    parts = tuple(Spoken(settings.engine, voice, piece) for piece in pieces(text, PIECE))
    return parts[0] if len(parts) == 1 else Joined(parts)


def pieces(text: str, most: int) -> list[str]:
    """Part a text after sentences, clauses or words; a word longer than ``most`` characters anywhere."""
    found = []
    while len(text) > most:
        at = next((end for kind in _ENDS if (end := _last_end(kind, text, most))), most)
        found.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*found, text]


def _last_end(kind: str, text: str, most: int) -> int:
    """Return where the last blank behind such an end is, 0 for none in the second half."""
    ends = [end.end() for end in re.finditer(rf"{kind}(?= )", text[: most + 1])]
    return ends[-1] if ends and (ends[-1] > most // 2 or not kind) else 0
