"""What may stand in a field of an ESL packet.

Each check returns the text as it came or raises ValueError that says what was wrong, where, and what would be
right. The alphabets are closed because FreeSWITCH splits, unquotes, url-decodes and expands at places that differ
from command to command; a text of these alphabets means the same at all of them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeGuard

LEG_MAX = 256
"""SWITCH_UUID_FORMATTED_LENGTH: FreeSWITCH cuts a longer Unique-ID."""

PATH_MAX = 512

_LEG = re.compile(r"[A-Za-z0-9._@:+~=!*-]+")
_NUMBER = re.compile(r"[+-]?[0-9.]*")
_GROUP = re.compile(r"[a-z._!*-]*")
_PATH = re.compile(r"/[A-Za-z0-9._/-]+")
_HEX_ID = re.compile(r"[0-9a-f]{32}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RELOAD = re.compile("reload|unload", re.IGNORECASE)
_MODULE = re.compile("mod_event_socket", re.IGNORECASE)
_MEANT_BY_FREESWITCH = re.compile(r"[{}|]|(?<=@)(?=@)")
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAKS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]|\n\n|\n\Z")

SPOKEN_MAX = 8192


def shown(value: object) -> str:
    """Show a hostile value in an error: quoted, escaped, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def leg_id(value: str, where: str) -> str:
    """Check a leg's Unique-ID.

    FreeSWITCH's own ones are UUIDs, but with ``inbound-use-callid-as-uuid`` the caller chooses it. Allowed is what
    Call-IDs are made of in practice and no splitter of FreeSWITCH knows. Refused besides: numbers and plain
    lower-case names, because ``sched_del`` takes its argument for a task's number or for a group of tasks
    (``sched_del mod_hash`` was seen to delete one).
    """
    if len(value) > LEG_MAX or not _LEG.fullmatch(value):
        raise ValueError(
            f"{where}: {shown(value)} is no leg id; right are 1 to {LEG_MAX} of A-Z a-z 0-9 . _ @ : + ~ = ! * -"
        )
    if _NUMBER.fullmatch(value) or _GROUP.fullmatch(value):
        raise ValueError(
            f"{where}: {shown(value)} could name a scheduled task; right is an id with both letters and digits"
        )
    if _MODULE.search(value):
        raise ValueError(f"{where}: {shown(value)} names mod_event_socket, which may reload it; right is a UUID")
    return value


def is_leg_id(value: object) -> TypeGuard[str]:
    """Tell whether a value from the switch can be used as a leg in commands."""
    return isinstance(value, str) and len(value) <= LEG_MAX and _is_leg_id(value)


@lru_cache(maxsize=4096)
def _is_leg_id(value: str) -> bool:
    """Remember it: a call's leg is named by each of its events."""
    try:
        leg_id(value, "leg")
    except ValueError:
        return False
    return True


def path(value: str, where: str, extensions: frozenset[str]) -> str:
    """Check an absolute path on the switch whose last component has one of the extensions."""
    if len(value) > PATH_MAX or not _PATH.fullmatch(value):
        raise ValueError(
            f"{where}: {shown(value)} is no path; right is an absolute one of A-Z a-z 0-9 . _ / -, up to {PATH_MAX}"
        )
    components = value[1:].split("/")
    if any(component in {"", ".", ".."} for component in components):
        raise ValueError(f"{where}: {shown(value)} has an empty, '.' or '..' component; right is a path without")
    stem, dot, extension = components[-1].rpartition(".")
    if not (stem and dot and extension in extensions):
        raise ValueError(
            f"{where}: {shown(value)} has a wrong extension; right is one of {', '.join(sorted(extensions))}"
        )
    return value


def hex_id(value: str, where: str) -> str:
    """Check one of our own ids: uuid4 as 32 lower-case hex digits."""
    if not _HEX_ID.fullmatch(value):
        raise ValueError(f"{where}: {shown(value)} is no id of ours; right are 32 lower-case hex digits")
    return value


def is_hex_id(value: object) -> TypeGuard[str]:
    """Tell whether a value from the switch has the form of an id of ours."""
    return isinstance(value, str) and _HEX_ID.fullmatch(value) is not None


def event_uuid(value: str, where: str) -> str:
    """Check the id that comes back as Application-UUID: a UUID, with or without dashes."""
    if not _UUID.fullmatch(value):
        raise ValueError(f"{where}: {shown(value)} is no UUID; right are lower-case hex digits, 8-4-4-4-12 or 32")
    return value


def name(value: str, where: str) -> str:
    """Check the name of a variable or module."""
    if len(value) > 64 or not _NAME.fullmatch(value):
        raise ValueError(f"{where}: {shown(value)} is no name; right are 1 to 64 of A-Z a-z 0-9 _, a letter first")
    return value


def bounded(value: int, where: str, lowest: int, highest: int) -> int:
    """Check a whole number; True and False are none."""
    if type(value) is not int or not lowest <= value <= highest:
        raise ValueError(
            f"{where}: {shown(value)} is out of range; right is a whole number from {lowest} to {highest}"
        )
    return value


def matching(value: str, where: str, pattern: re.Pattern[str], right: str) -> str:
    """Check a text of a grammar of its own."""
    if not pattern.fullmatch(value):
        raise ValueError(f"{where}: {shown(value)} is not allowed; right is {right}")
    return value


def _broken_up(word: re.Match[str]) -> str:
    return word[0].replace("_", " ")


def spoken(value: str, where: str) -> str:
    """Make a text that anyone may have written fit for speech in the argument of ``playback``.

    White space collapses (a document's line ends are no line ends of the packet). Braces become blanks: in front
    they would set parameters of the speech engine, and after a ``$`` they would expand. The expansion lock makes
    ``${`` inert already, but the lock is a channel variable that others can take off, a brace has no sound, and so
    nothing is lost by not relying on it. ``|`` becomes a blank too: it separates engine, voice and text. A blank
    comes between two ``@``, where ``playback`` would cut the text off. The module's name is broken up (3.2: a
    packet with it and "reload" reloads the module).

    Raises:
        ValueError: control characters, surrogates, more than SPOKEN_MAX characters, or nothing to say.

    """
    text = " ".join(_MODULE.sub(_broken_up, _MEANT_BY_FREESWITCH.sub(" ", value)).split())
    if _UNSPEAKABLE.search(text):
        raise ValueError(f"{where}: {shown(text)} has control characters; right is text to be spoken")
    if not 0 < len(text) <= SPOKEN_MAX:
        raise ValueError(f"{where}: {len(text)} characters to speak; right are 1 to {SPOKEN_MAX}")
    return text


def _harmless(packet: str) -> bool:
    """Tell whether nothing of what ``sealed`` looks for can be there: in a tenth of the time of looking for it."""
    if not packet.isascii() or not packet.replace("\n", " ").isprintable():
        return False
    return "\n\n" not in packet and not packet.endswith("\n") and "mod_event_socket" not in packet.lower()


def sealed(packet: str) -> str:
    """Check a whole packet once more, whatever its fields have let through; return it.

    FreeSWITCH ends a line at CR as well as at LF, a packet at a blank line, and turns any packet that holds both
    "reload" or "unload" and "mod_event_socket", in any case of letters, into a reload of the module
    (mod_event_socket.c, parse_command).
    """
    if _harmless(packet):
        return packet
    if _BREAKS.search(packet):
        raise ValueError(
            f"packet: {shown(packet)} has control characters or a blank line; right is one line a header"
        )
    if _RELOAD.search(packet) and _MODULE.search(packet):
        raise ValueError(
            f"packet: {shown(packet)} would reload mod_event_socket; right is a text without one of the words"
        )
    return packet
