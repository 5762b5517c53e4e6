"""Commands for trying a switch out (``fsrec doctor``): legs of our own, what they can play, what is configured."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from controller.switch import commands_text as check
from controller.switch.commands_base import ApiCommand

_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_CONTEXT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_ENDPOINT = re.compile(r"\{([^{}]*)\}(null|loopback)/([^/ ]+)(?:/([^/ ]+))?")
_SILENCE = "&playback(silence_stream://10000)"
_NOISE = "&playback(silence_stream://4000,16)"
"""Speech, to whoever listens for silence: noise of 2,000 at its peaks. (A tone's parentheses would end the text.)"""


@dataclass(frozen=True, slots=True)
class Originate(ApiCommand):
    """Make a leg that hears 10 s of silence and ends: alone, or calling a number of a dialplan context.

    Alone it is a leg of mod_loopback's ``null`` endpoint: answered at once, in no dialplan, never parked, so that no
    client takes it for a call. With a destination it is the caller of a loopback pair; early media doesn't count as
    an answer, and after ``patience`` seconds without one FreeSWITCH gives up.

    Attributes:
        leg: Unique-ID that the leg is to have, a UUID.
        destination: the number called, None for a leg alone.
        context: the dialplan's context.
        speaks: whether it plays 4 s of noise in place of the silence: a caller who says something, and hangs up.

    """

    patience: ClassVar[int] = 10

    leg: str
    destination: str | None = None
    context: str = "fsrec"
    speaks: bool = False

    def __post_init__(self) -> None:
        check.event_uuid(self.leg, "leg")
        if self.destination is not None:
            check.matching(self.destination, "destination", _NUMBER, "a number of 0-9 * #, up to 32")
        check.matching(self.context, "context", _CONTEXT, "a name of A-Z a-z 0-9 _ -")
        check.sealed(self.packet())

    def api_text(self) -> str:
        """``originate {…}null/fsrec-doctor &playback(…)`` or ``originate {…}loopback/<number>/<context> &…``."""
        variables = {
            "origination_uuid": self.leg,
            "origination_caller_id_name": "fsrec-doctor",
            "ignore_early_media": "true",
            "originate_timeout": str(self.patience),
            "loopback_bowout": "false",
        }
        block = ",".join(f"{name}={value}" for name, value in variables.items())
        where = "null/fsrec-doctor" if self.destination is None else f"loopback/{self.destination}/{self.context}"
        return f"originate {{{block}}}{where} {_NOISE if self.speaks else _SILENCE}"

    @classmethod
    def parse(cls, where: str, application: str) -> Originate:
        """Read back from the arguments that printing made; ValueError for anything else."""
        match = _ENDPOINT.fullmatch(where)
        if match is None:
            raise ValueError("originate: no endpoint of ours")
        leg = dict(pair.partition("=")[::2] for pair in match[1].split(","))["origination_uuid"]
        speaks = application == _NOISE
        return cls(leg, speaks=speaks) if match[2] == "null" else cls(leg, match[3], match[4] or "", speaks)


@dataclass(frozen=True, slots=True)
class ShowTasks(ApiCommand):
    """Ask what is scheduled; the reply is for facts_tasks.parse_armed_hangups."""

    leg: None = field(default=None, init=False)

    def api_text(self) -> str:
        """``show tasks as json``."""
        return "show tasks as json"


@dataclass(frozen=True, slots=True)
class UuidDisplace(ApiCommand):
    """Lay a file over what a leg hears, which opens it first: success says that the switch can read and play it."""

    leg: str
    path: str

    def __post_init__(self) -> None:
        check.event_uuid(self.leg, "leg")
        check.path(self.path, "path", frozenset({"wav"}))
        check.sealed(self.packet())

    def api_text(self) -> str:
        """``uuid_displace <leg> start <path>``."""
        return f"uuid_displace {self.leg} start {self.path}"

    @classmethod
    def parse(cls, leg: str, _start: str, path: str) -> UuidDisplace:
        """Read back from the arguments that printing made; ValueError for anything else."""
        return cls(leg, path)


@dataclass(frozen=True, slots=True)
class SipConfiguration(ApiCommand):
    """Ask for mod_sofia's configuration (with its secrets); the reply is for facts_sip.parse_rtp_timers."""

    leg: None = field(default=None, init=False)

    def api_text(self) -> str:
        """``xml_locate configuration configuration name sofia.conf``: no status of sofia's tells timers."""
        return "xml_locate configuration configuration name sofia.conf"
