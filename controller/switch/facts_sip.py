"""What a switch's SIP profiles are set to, from the reply to ``xml_locate … sofia.conf``."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from controller.switch.commands_text import shown
from controller.switch.facts_replies import BadReplyError

MAX_CHARACTERS = 4_000_000
_SETTING = ("profiles", "profile", "settings", "param")


def parse_rtp_timers(reply: str) -> dict[str, str | None]:
    """Return each SIP profile's ``rtp-timer-name``, None where it has none; nothing else of it is kept.

    Raises:
        BadReplyError: the reply is no such configuration.

    """
    timers: dict[str, str | None] = {}
    path: list[str] = []
    profile = ""

    def opened(name: str, attributes: dict[str, Any]) -> None:
        nonlocal profile
        path.append(name)
        inner = tuple(path[1:])
        if inner == _SETTING[:2]:
            profile = attributes.get("name", "")
            timers[profile] = None
        elif inner == _SETTING and attributes.get("name", "").lower() == "rtp-timer-name":
            timers[profile] = attributes.get("value") or None

    def refuse(*_: object) -> None:
        raise BadReplyError("sofia.conf: it declares a document type; right is plain XML")

    # The switch's word, not a caller's; all the same no declaration is read, of which entities could be made.
    parser = expat.ParserCreate()
    parser.StartElementHandler = opened
    parser.EndElementHandler = lambda _name: path.pop()
    parser.StartDoctypeDeclHandler = refuse
    if len(reply) > MAX_CHARACTERS or not reply.lstrip().startswith("<"):
        raise BadReplyError(f"sofia.conf: {shown(reply[:60])}; right is XML of up to {MAX_CHARACTERS} characters")
    try:
        parser.Parse(reply, True)
    except (expat.ExpatError, UnicodeEncodeError):
        raise BadReplyError("sofia.conf: no well-formed XML") from None  # its text may hold secrets
    return timers
