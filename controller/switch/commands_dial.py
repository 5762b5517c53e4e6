"""Who is dialled, as FreeSWITCH's dial strings; the only place where they are made (DESIGN 4).

A dial string is a small language: ``{…}`` and ``[…]`` set variables (``execute_on_answer`` runs an application),
``,`` and ``|`` separate endpoints, ``:_:`` whole originates, ``loopback/app=…`` runs an application. So it is made of
a template of the settings and an address of a closed grammar, in which none of these can stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from controller.documents.addresses import NUMBER, NUMBER_RIGHT, SIP_URI, SIP_URI_RIGHT
from controller.switch import commands_text as check
from controller.switch.commands_execute import Execute

DIALLER = "fsrec_dialler"
"""Channel variable of a dialled leg: our id of the call that dialled it."""

_SHOWN_NUMBER, _SHOWN_NAME = "origination_caller_id_number", "origination_caller_id_name"

MOST_CALLEES = 20
"""Legs that one bridge may ring at once."""

LONGEST_RINGING = 3600
"""Seconds."""

_TEMPLATE = re.compile(r"[a-z][a-z0-9_]{0,30}/(?:[A-Za-z0-9._@:;=+*/-]|\{(?:number|uri)\}){1,200}")
_ENDPOINT = re.compile(r"[a-z][a-z0-9_]{0,30}/[A-Za-z0-9._@:;=+*#/-]{1,400}")
_CALLER = re.compile(r"\+?[0-9*#]{1,32}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME = re.compile(r"(?:[^\W_]|\+)(?:(?:[^\W_]|[ .+&()-]){0,62}(?:[^\W_]|[.+)-]))?")
"""What may be shown as a name: ``\\w`` without ``_`` are the letters and digits of all scripts. ``%`` is not among
the rest: mod_sofia decodes it (check_decode), and so could a quote be had."""
_NAME_RIGHT = "1 to 64 letters, digits, blanks and . + & ( ) -, a letter, a digit or + first"

MOST_HEADERS = 24
"""SIP headers that one callee's INVITE may be given."""

HEADER = "sip_h_"
"""Begins the name of a channel variable that mod_sofia sends as a header (sofia_glue_get_extra_headers)."""

_HEADER = re.compile(r"[Xx]-(?![Ff][Ss]-)[A-Za-z0-9-]{1,62}")
_HEADER_RIGHT = "X- and 1 to 62 letters, digits and -; not X-FS-, which is FreeSWITCH's own"
_HEADER_VALUE = re.compile(r"[A-Za-z0-9%.-]{1,256}")
_HEADER_VALUE_RIGHT = "1 to 256 of A-Z a-z 0-9 % . -"


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


def header(name: str, value: str) -> None:
    """Check a SIP header that is added to an INVITE. Raises ValueError.

    Only those of private names are: another could say whose call it is, or where it goes. Values have no blank, so
    that none is stripped, and none of the characters that end a block, a variable or a dial string; ``%`` stays as it
    is, on the wire too.
    """
    check.matching(name, "SIP header", _HEADER, _HEADER_RIGHT)
    check.matching(value, f"SIP header {name}", _HEADER_VALUE, _HEADER_VALUE_RIGHT)


def headers(given: Sequence[tuple[str, str]]) -> None:
    """Check the SIP headers of one callee's INVITE. Raises ValueError."""
    if len(given) > MOST_HEADERS:
        raise ValueError(f"SIP headers: {len(given)}; right are up to {MOST_HEADERS}")
    for name, value in given:
        header(name, value)
    if len({name.lower() for name, _ in given}) != len(given):
        raise ValueError("SIP headers: one is given twice; right is a name once")


@dataclass(frozen=True, slots=True)
class Callee:
    """One endpoint to ring, the Unique-ID that its leg is to have (a UUID of ours), and what it is shown.

    ``caller`` is the number it is shown and ``name`` the name; empty: those of the leg that dials. ``headers`` are
    names and values of SIP headers of its INVITE; endpoints that are not SIP make nothing of them.
    """

    leg: str
    endpoint: str
    caller: str = ""
    name: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.caller:
            check.matching(self.caller, "caller", _CALLER, "a number, or a name of letters, digits and . _ -")
        if self.name:
            check.matching(self.name, "caller's name", _NAME, _NAME_RIGHT)
        headers(self.headers)
        check.event_uuid(self.leg, "callee")
        right = "an endpoint of the settings' template and a checked address"
        check.matching(self.endpoint, "endpoint", _ENDPOINT, right)
        if ":_:" in self.endpoint or "/app=" in self.endpoint.lower():
            raise ValueError(f"endpoint: {check.shown(self.endpoint)} is not allowed; right is {right}")


@dataclass(frozen=True, slots=True)
class Bridge(Execute):
    """Ring callees at once and connect the leg with who answers first (``bridge``).

    What FreeSWITCH would else take from the leg's own variables is said each time. With one callee its early media is
    heard, with several none is: the first to send any would win. After ``rings`` seconds FreeSWITCH gives up.

    Attributes:
        callees: whom, 1 to 20.
        dialler: our id of the call that dials (32 hex digits); a callee's leg carries it.
        rings: seconds.

    """

    application = "bridge"

    callees: tuple[Callee, ...]
    dialler: str
    rings: int = 60

    def _check(self) -> None:
        if not 1 <= len(self.callees) <= MOST_CALLEES:
            raise ValueError(f"callees: {len(self.callees)}; right are 1 to {MOST_CALLEES}")
        if len({callee.leg for callee in self.callees}) != len(self.callees):
            raise ValueError("callees: two have one leg; right is a UUID each")
        check.hex_id(self.dialler, "dialler")
        check.bounded(self.rings, "rings", 1, LONGEST_RINGING)

    def argument(self) -> str:
        """``{…}[…]endpoint,[…]endpoint``."""
        ignored = "true" if len(self.callees) > 1 else "false"
        shared = f"{{ignore_early_media={ignored},originate_timeout={self.rings}}}"
        return shared + ",".join(self._party(callee) for callee in self.callees)

    def _party(self, callee: Callee) -> str:
        own = [("origination_uuid", callee.leg), (DIALLER, self.dialler)]
        own += [(_SHOWN_NUMBER, callee.caller)] if callee.caller else []
        own += [(_SHOWN_NAME, callee.name)] if callee.name else []
        own += [(f"{HEADER}{name}", value) for name, value in callee.headers]
        return f"[{','.join(f'{name}={value}' for name, value in own)}]{callee.endpoint}"

    @classmethod
    def parse(cls, leg: str, argument: str, *, event_uuid: str, event_lock: bool) -> Self:
        """Read back what ``argument`` printed. Raises ValueError, KeyError."""
        shared, _, rest = argument.removeprefix("{").partition("}")
        callees, own = [], {}
        for part in rest.removeprefix("[").split(",["):
            block, _, endpoint = part.partition("]")
            own = dict(pair.split("=", 1) for pair in block.split(","))
            sent = tuple((name[len(HEADER) :], text) for name, text in own.items() if name.startswith(HEADER))
            shown = own.get(_SHOWN_NUMBER, ""), own.get(_SHOWN_NAME, "")
            callees.append(Callee(own["origination_uuid"], endpoint, *shown, sent))
        return cls(
            leg,
            tuple(callees),
            own[DIALLER],
            int(dict(pair.split("=", 1) for pair in shared.split(","))["originate_timeout"]),
            event_uuid=event_uuid,
            event_lock=event_lock,
        )
