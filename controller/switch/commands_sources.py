"""What ``playback`` can be told to play; each source prints itself and parses back exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.switch import commands_text as check
from controller.switch.commands_values import NET_LIMIT

PLAYABLE_EXTENSIONS = frozenset({"wav", "mp3", "ogg", "flac", "au", "aiff", "gsm", "ul", "al"})

JOINED_MAX = 128
"""Parts that mod_dptools' ``file_string`` takes (file_string_context)."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on the switch, by its absolute path."""

    path: str

    def __post_init__(self) -> None:
        check.path(self.path, "file", PLAYABLE_EXTENSIONS)

    def __str__(self) -> str:
        return self.path


_TONE = r"%\([0-9]{1,5},[0-9]{1,5}(?:,[0-9]{1,4}(?:\.[0-9]{1,3})?){1,4}\)"
_SCRIPT = re.compile(rf"(?:v=-?[0-9]{{1,2}}(?:\.[0-9])?;)?{_TONE}(?:;{_TONE}){{0,15}}(?:;loops=[1-9][0-9]{{0,4}})?")


@dataclass(frozen=True, slots=True)
class Tone:
    """Tones: ``[v=-7;]%(on_ms,off_ms,hz[,hz…])[;%(…)…][;loops=n]``; no more.

    ``v`` is the level of each frequency in dB, -7 unless told, at most 0 (TELETONE_VOL_DB_MAX); several frequencies
    are averaged. ``path=``, a script read from a file, is kept out.
    """

    script: str

    def __post_init__(self) -> None:
        check.matching(self.script, "tone", _SCRIPT, "[v=-7;]%(on,off,hz[,hz])[;%(…)][;loops=n]")

    def __str__(self) -> str:
        return f"tone_stream://{self.script}"


@dataclass(frozen=True, slots=True)
class SilenceStream:
    """Silence of so many milliseconds."""

    ms: int

    def __post_init__(self) -> None:
        check.bounded(self.ms, "silence", 1, NET_LIMIT * 1000)

    def __str__(self) -> str:
        return f"silence_stream://{self.ms}"


_ENGINE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_VOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_QUOTED = re.compile(r"[\\'!]")
_UNQUOTED = re.compile(r"\\(.)")


def _quoted(text: str) -> str:
    r"""Put a ``\`` before what switch_separate_string would take out or split at, ``'`` ``\`` and ``!``."""
    return _QUOTED.sub(r"\\\g<0>", text)


def _unquoted(text: str) -> str:
    return _UNQUOTED.sub(r"\1", text)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text, said by a speech engine: mod_dptools' file format ``tts``.

    The application ``speak`` would say it too, but ends with ``_none_`` whatever happened; here an engine or a voice
    that the switch has not is ``FILE NOT FOUND``. The text may be anyone's: it is kept as ``commands_text.spoken``
    makes it fit, or refused.
    """

    engine: str
    voice: str
    text: str

    def __post_init__(self) -> None:
        check.matching(self.engine, "engine", _ENGINE, "a name of a-z 0-9 _")
        check.matching(self.voice, "voice", _VOICE, "a name of A-Z a-z 0-9 . _ + -")
        object.__setattr__(self, "text", check.spoken(self.text, "text"))

    def __str__(self) -> str:
        text = self.text.replace("\\", "\\\\").replace("'", "\\'")
        return f"tts://{self.engine}|{self.voice}|{text}"


@dataclass(frozen=True, slots=True)
class Joined:
    """Sources one after the other in one playback, after a quarter of a second of silence that FreeSWITCH puts first.

    One that cannot be played is left out; ``FILE NOT FOUND`` is told only if none can. One alone may be joined
    too: so it can be begun anew, which its own format may not know.
    """

    parts: tuple[LocalFile | Tone | SilenceStream | Spoken, ...]

    def __post_init__(self) -> None:
        check.bounded(len(self.parts), "joined", 1, JOINED_MAX)

    def __str__(self) -> str:
        return "file_string://" + "!".join(_quoted(str(part)) for part in self.parts)


Source = LocalFile | Tone | SilenceStream | Spoken | Joined

_PARTS = re.compile(r"(?:[^!\\]|\\.)+")


def parse_source(text: str) -> Source:
    """Read back what a source printed."""
    if not text.startswith("file_string://"):
        return _parse_part(text)
    parts = _PARTS.findall(text.removeprefix("file_string://"))
    return Joined(tuple(_parse_part(_unquoted(part)) for part in parts))


def _parse_part(text: str) -> LocalFile | Tone | SilenceStream | Spoken:
    if text.startswith("tone_stream://"):
        return Tone(text.removeprefix("tone_stream://"))
    if text.startswith("silence_stream://"):
        return SilenceStream(int(text.removeprefix("silence_stream://")))
    if text.startswith("tts://"):
        engine, voice, said = text.removeprefix("tts://").split("|", 2)
        return Spoken(engine, voice, _unquoted(said))
    return LocalFile(text)
