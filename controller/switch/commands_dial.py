"""Who is dialled, as FreeSWITCH's dial strings; the only place where they are made (DESIGN 4).

A dial string is a small language: ``{…}`` and ``[…]`` set variables (``execute_on_answer`` runs an application),
``,`` and ``|`` separate endpoints, ``:_:`` whole originates, ``loopback/app=…`` runs an application. So it is made of
a template of the settings and an address of a closed grammar, in which none of these can stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from controller.documents.addresses import NUMBER, NUMBER_RIGHT, SIP_URI, SIP_URI_RIGHT
from controller.switch import commands_text as check
from controller.switch.commands_execute import Execute
from controller.switch.commands_heard import Confirmed

DIALLER = "fsrec_dialler"
"""Channel variable of a dialled leg: our id of the call that dialled it."""

MOST_CALLEES = 20
"""Legs that one bridge may ring at once."""

LONGEST_RINGING = 3600
"""Seconds."""

_TEMPLATE = re.compile(r"[a-z][a-z0-9_]{0,30}/(?:[A-Za-z0-9._@:;=+*/-]|\{(?:number|uri)\}){1,200}")
_ENDPOINT = re.compile(r"[a-z][a-z0-9_]{0,30}/[A-Za-z0-9._@:;=+*#/-]{1,400}")
_CALLER = re.compile(r"\+?[0-9*#]{1,32}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def template(value: str, placeholder: str) -> str:
    """Check a template of the settings: an endpoint with ``{placeholder}`` in it, once. Raises ValueError.

    It is the operator's word, yet nothing in it may set variables, name several endpoints or run an application.
    """
    where = "{" + placeholder + "}"
    if not _TEMPLATE.fullmatch(value) or value.count("{") != 1 or where not in value.partition("/")[2]:
        raise ValueError(
            f"should be one FreeSWITCH endpoint with {where} in it, as sofia/gateway/carrier/{where}: "
            "letters, digits and . _ @ : ; = + * / - beside it"
        )
    if ":_:" in value or "app=" in value.lower():
        raise ValueError("must not have :_: or app= in it, which are FreeSWITCH's own")
    return value


def number(value: str) -> str:
    """Check a number as it is dialled. Raises ValueError."""
    return check.matching(value, "number", NUMBER, NUMBER_RIGHT)


def sip_uri(value: str) -> str:
    """Check a SIP URI as it is dialled. Raises ValueError."""
    return check.matching(value, "SIP URI", SIP_URI, SIP_URI_RIGHT)


@dataclass(frozen=True, slots=True)
class Templates:
    """How numbers and SIP URIs become endpoints (settings' ``dial``)."""

    number: str = "sofia/gateway/carrier/{number}"
    sip: str = "sofia/external/{uri}"

    def __post_init__(self) -> None:
        template(self.number, "number")
        template(self.sip, "uri")

    def of_number(self, value: str) -> str:
        """Return the endpoint of a number. Raises ValueError."""
        return self.number.replace("{number}", number(value))

    def of_sip(self, value: str) -> str:
        """Return the endpoint of a SIP URI. Raises ValueError."""
        return self.sip.replace("{uri}", sip_uri(value))


@dataclass(frozen=True, slots=True)
class Callee:
    """One endpoint to ring, the Unique-ID that its leg is to have (a UUID of ours), and what it is shown.

    ``caller`` is the number it is shown; empty: that of the leg that dials.
    """

    leg: str
    endpoint: str
    caller: str = ""

    def __post_init__(self) -> None:
        if self.caller:
            check.matching(self.caller, "caller", _CALLER, "a number, or a name of letters, digits and . _ -")
        check.event_uuid(self.leg, "callee")
        right = "an endpoint of the settings' template and a checked address"
        check.matching(self.endpoint, "endpoint", _ENDPOINT, right)
        if ":_:" in self.endpoint or "/app=" in self.endpoint.lower():
            raise ValueError(f"endpoint: {check.shown(self.endpoint)} is not allowed; right is {right}")


@dataclass(frozen=True, slots=True)
class Bridge(Execute):
    """Ring callees at once and connect the leg with who answers first (``bridge``).

    What FreeSWITCH would else take from the leg's own variables is said each time. With one callee its early media
    may be heard, with several none is: the first to send any would win. After ``rings`` seconds FreeSWITCH gives up.

    Attributes:
        callees: whom, 1 to 20.
        dialler: our id of the call that dials (32 hex digits); a callee's leg carries it.
        rings: seconds.
        early: whether the early media of one callee is connected; with ``confirmed`` it would be asked, so never.
        ringback: begin what SetRingback has said at once, not only when a callee says that it rings.
        confirmed: how who answers is asked what SetQuestion has said, before being connected.

    """

    application = "bridge"

    callees: tuple[Callee, ...]
    dialler: str
    rings: int = 60
    early: bool = True
    ringback: bool = False
    confirmed: Confirmed | None = None

    def _check(self) -> None:
        if not 1 <= len(self.callees) <= MOST_CALLEES:
            raise ValueError(f"callees: {len(self.callees)}; right are 1 to {MOST_CALLEES}")
        if len({callee.leg for callee in self.callees}) != len(self.callees):
            raise ValueError("callees: two have one leg; right is a UUID each")
        check.hex_id(self.dialler, "dialler")
        check.bounded(self.rings, "rings", 1, LONGEST_RINGING)
        object.__setattr__(self, "early", self.early and self.confirmed is None and len(self.callees) == 1)

    def argument(self) -> str:
        """``{…}[…]endpoint,[…]endpoint``."""
        shared = [("ignore_early_media", "false" if self.early else "true"), ("originate_timeout", str(self.rings))]
        shared += [("instant_ringback", "true")] if self.ringback else []
        shared += self.confirmed.variables() if self.confirmed is not None else []
        block = ",".join(f"{name}={value}" for name, value in shared)
        return f"{{{block}}}" + ",".join(self._party(callee) for callee in self.callees)

    def _party(self, callee: Callee) -> str:
        caller = f",origination_caller_id_number={callee.caller}" if callee.caller else ""
        return f"[origination_uuid={callee.leg},{DIALLER}={self.dialler}{caller}]{callee.endpoint}"

    @classmethod
    def parse(cls, leg: str, argument: str, *, event_uuid: str, event_lock: bool) -> Self:
        """Read back what ``argument`` printed. Raises ValueError, KeyError."""
        block, _, rest = argument.removeprefix("{").partition("}")
        shared = dict(pair.split("=", 1) for pair in block.split(","))
        callees, own = [], {}
        for part in rest.removeprefix("[").split(",["):
            block, _, endpoint = part.partition("]")
            own = dict(pair.split("=", 1) for pair in block.split(","))
            callees.append(Callee(own["origination_uuid"], endpoint, own.get("origination_caller_id_number", "")))
        return cls(
            leg,
            tuple(callees),
            own[DIALLER],
            int(shared["originate_timeout"]),
            shared["ignore_early_media"] == "false",
            "instant_ringback" in shared,
            Confirmed.parse(shared),
            event_uuid=event_uuid,
            event_lock=event_lock,
        )
