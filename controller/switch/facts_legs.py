"""Channel data, as it stands in events of a leg and in its dump alike."""

from __future__ import annotations

import re
from collections.abc import Mapping

from controller.switch import facts_clean as clean
from controller.switch.commands_text import is_hex_id, is_leg_id
from controller.switch.commands_values import RINGBACK
from controller.switch.facts_types import LegInfo

_CAUSE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")

RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})


_CLOCKS = {"G722": 8000, "OPUS": 48_000}
"""Codecs whose own word for their rate is not that of their audio; FreeSWITCH scales levels by that word."""


_RINGBACK = tuple(f"variable_{name}" for name in (RINGBACK, "ringback"))

LEG_INFO = (
    "Caller-Destination-Number",
    "Caller-Caller-ID-Name",
    "Caller-Caller-ID-Number",
    "Call-Direction",
    "Channel-Name",
    "Caller-Context",
    "Answer-State",
    "Channel-Read-Codec-Rate",
    "Channel-Read-Codec-Name",
    "Caller-Channel-Created-Time",
    "Caller-Profile-Created-Time",
    "FreeSWITCH-Hostname",
    *_RINGBACK,
)
"""Headers that `leg_info` reads."""


def leg_info(event: Mapping[str, object]) -> LegInfo:
    """Read what is known of a leg from any event or dump that carries channel data."""
    direction = clean.text(event, "Call-Direction", clean.SHORT)
    rate = clean.count(event, "Channel-Read-Codec-Rate")
    return LegInfo(
        destination=clean.text(event, "Caller-Destination-Number"),
        caller_name=clean.text(event, "Caller-Caller-ID-Name"),
        caller_number=clean.text(event, "Caller-Caller-ID-Number"),
        direction=direction if direction in {"inbound", "outbound"} else "",
        channel_name=clean.text(event, "Channel-Name"),
        context=clean.text(event, "Caller-Context"),
        answered=clean.string(event, "Answer-State") == "answered",
        rate=rate if rate in RATES else 8000,
        created_at=clean.moment(event, "Caller-Channel-Created-Time"),
        hostname=clean.text(event, "FreeSWITCH-Hostname"),
        profile_at=clean.moment(event, "Caller-Profile-Created-Time"),
        clock=_CLOCKS.get(clean.text(event, "Channel-Read-Codec-Name", clean.SHORT).upper(), 0),
        ringback=any(clean.string(event, name) for name in _RINGBACK),
    )


def marker(event: Mapping[str, object]) -> str | None:
    """Read whose a leg is; a value that is no id of ours is as none."""
    value = event.get("variable_fsrec_call")
    return value if is_hex_id(value) else None


def wish(event: Mapping[str, object], name: str) -> str | None:
    """Read fsrec_account or fsrec_document from the channel's variables.

    Raises:
        ValueError: it is there, but not fit to be used. Taking it for missing would give the leg to another route.

    """
    header = f"variable_{name}"
    if header not in event:
        return None
    value = clean.string(event, header)
    if value is None or not clean.is_plain(value, clean.LONG):
        raise ValueError(f"{header} is not 1 to {clean.LONG} visible characters")
    return value


def cause_of(event: Mapping[str, object]) -> str:
    """Read Hangup-Cause: a name of A-Z 0-9 _, else UNKNOWN."""
    value = clean.string(event, "Hangup-Cause")
    return value if value is not None and _CAUSE.fullmatch(value) else "UNKNOWN"


BRIDGE_CAUSE = ("variable_originate_disposition", "variable_bridge_hangup_cause")
"""Headers that `bridge_cause` reads."""


def bridge_cause(event: Mapping[str, object]) -> str:
    """Read how a leg's last ``bridge`` ended: the cause of who answered, or why nobody did; empty if not told.

    Its response is ``_none_`` whatever happens. ``originate_disposition`` is ``SUCCESS`` where somebody answered, or
    sent early media; until it has ended it says ``failure``.
    """
    disposition = clean.string(event, "variable_originate_disposition") or ""
    if disposition == "SUCCESS":
        disposition = clean.string(event, "variable_bridge_hangup_cause") or ""
    return disposition if _CAUSE.fullmatch(disposition) else ""


def bridged_to(event: Mapping[str, object]) -> str:
    """Read whom a leg was connected with last, by its ``bridge``: a leg's id; empty if there was none."""
    value = event.get("variable_last_bridge_to")
    return value if is_leg_id(value) else ""


IS_HANGING_UP = ("Answer-State", "Channel-State")
"""Headers that `is_hanging_up` reads."""


def is_hanging_up(event: Mapping[str, object]) -> bool:
    """Tell whether the leg that an event or dump is about is hanging up or gone."""
    state = clean.string(event, "Answer-State")
    return state == "hangup" or clean.string(event, "Channel-State") in {"CS_HANGUP", "CS_REPORTING", "CS_DESTROY"}
