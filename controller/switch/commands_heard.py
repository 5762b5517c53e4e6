"""What is heard while somebody is rung: by the leg that dials, and by who answers (switch_ivr_originate.c).

FreeSWITCH takes both from variables of the dialling leg as its ``bridge`` begins, once: ``transfer_ringback`` is
what an answered leg hears, over and over, ``group_confirm_file`` what who answers is told. Neither goes in the dial
string: the first is not looked for there, and a text to be spoken, which may be anyone's, should not be in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from controller.switch import commands_text as check
from controller.switch.commands_api import LegCommand, UuidSetvars
from controller.switch.commands_sources import Joined, LocalFile, Source, Tone, parse_source
from controller.switch.commands_values import QUESTION, RINGBACK

CONFIRMING_KEYS = "0123456789*#"

LONGEST_CONFIRMATION = 600
"""Seconds in which who answered has to press a key."""

_NOTHING = "silence:-1"
"""A ringback of silence: frames of zeros (without the number it would be noise)."""

_EXECUTED = "playback "

_ESCAPED = re.compile(r"\\([\\'])")


def _escaped(value: str) -> str:
    r"""Keep ``\`` and ``'`` from switch_separate_string, which takes them off the last argument too."""
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


@dataclass(frozen=True, slots=True)
class SetRingback(LegCommand):
    """Say what an answered leg hears while its next ``bridge`` rings, over and over; None: nothing at all.

    One file or tone, or joined sources: these are begun anew by ``file_string`` itself, where silence or a text alone
    could not be (their formats know no way back).
    """

    leg: str
    source: LocalFile | Tone | Joined | None

    def _check(self) -> None:
        if isinstance(self.source, Tone) and "loops=" in self.source.script:
            raise ValueError(
                "source: a tone with loops, which are tone_stream's own; right is one without, it goes on"
            )

    def api_text(self) -> str:
        """``uuid_setvar <leg> transfer_ringback <value>``, which is a tone's script, a path or file_string."""
        source = self.source
        value = _NOTHING if source is None else source.script if isinstance(source, Tone) else str(source)
        return f"uuid_setvar {self.leg} {RINGBACK} {_escaped(value)}"

    @classmethod
    def parse(cls, leg: str, value: str) -> Self:
        """Read back what was printed."""
        value = _unescaped(value)
        if value == _NOTHING:
            return cls(leg, None)
        found = parse_source(value) if value.startswith(("/", "file_string://")) else Tone(value)
        if not isinstance(found, (LocalFile, Tone, Joined)):
            raise ValueError(f"ringback: {check.shown(value)} is not what is printed")  # noqa: TRY004
        return cls(leg, found)


@dataclass(frozen=True, slots=True)
class SetQuestion(LegCommand):
    """Say what who answers the leg's next ``bridge`` hears; ``executed`` where nobody has to press a key.

    With a key FreeSWITCH plays it and reads a digit, again after each wrong one; else it executes ``playback``.
    """

    leg: str
    source: Source
    executed: bool = False

    def api_text(self) -> str:
        """``uuid_setvar <leg> group_confirm_file [playback ]<source>``."""
        return f"uuid_setvar {self.leg} {QUESTION} {_EXECUTED if self.executed else ''}{_escaped(str(self.source))}"

    @classmethod
    def parse(cls, leg: str, value: str) -> Self:
        """Read back what was printed."""
        source = _unescaped(value.removeprefix(_EXECUTED))
        return cls(leg, parse_source(source), value.startswith(_EXECUTED))


@dataclass(frozen=True, slots=True)
class Confirmed:
    """How who answers is asked: by a ``key``, within ``seconds``; empty: everybody is connected once it was heard.

    In that case ``seconds`` are a net, in which whoever is to hear it should have heard it.
    """

    key: str
    seconds: int

    def __post_init__(self) -> None:
        if len(self.key) > 1 or self.key not in CONFIRMING_KEYS:
            raise ValueError(f"key: {check.shown(self.key)}; right is one of {CONFIRMING_KEYS}, or none")
        check.bounded(self.seconds, "seconds", 1, LONGEST_CONFIRMATION)

    def variables(self) -> list[tuple[str, str]]:
        """Return what is said of it in the dial string.

        The time for reading a key is the whole one, so that nothing is played twice for want of a key. On the leg
        that answered the ringing's limit is another then. A star is a key like any other, and ends no sound.
        """
        return [
            ("group_confirm_key", self.key or "exec"),
            ("group_confirm_read_timeout", str(self.seconds * 1000)),
            ("group_confirm_timeout", str(self.seconds)),
            ("playback_terminators", "none"),
        ]

    @classmethod
    def parse(cls, variables: dict[str, str]) -> Self | None:
        """Read back what was said; None where nothing was."""
        key = variables.get("group_confirm_key")
        return None if key is None else cls("" if key == "exec" else key, int(variables["group_confirm_timeout"]))


def taken_off(leg: str) -> UuidSetvars:
    """Make the command that leaves nothing of these on a leg."""
    return UuidSetvars.of(leg, {RINGBACK: None, QUESTION: None})
