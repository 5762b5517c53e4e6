"""Which recordings or webhooks a command is about, as options say it and as the API is asked it."""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime
from typing import Any

from controller.recordings.model import State

DIALECTS = ("swml", "twiml", "plivo")
_AGO = re.compile(r"(?P<count>[0-9]{1,6}(\.[0-9]{1,3})?)(?P<unit>[smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment(text: str) -> float:
    """Return the Unix seconds of a time: so long ago (2h), or a date, in this machine's zone where it names none."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return time.time() - float(ago["count"]) * _SECONDS[ago["unit"]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        words = f"{text!r} should be 90s, 15m, 2h, 7d or 4w ago, or a time as 2026-11-20 or 2026-11-20T10:00"
        raise argparse.ArgumentTypeError(words) from None


def count(text: str) -> int:
    """Return a whole number from 1."""
    if not (text.isascii() and text.isdigit() and int(text[:9]) >= 1 and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number, 1 at least")
    return int(text)


def add_recordings(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which recordings."""
    which = parser.add_argument_group("which")
    which.add_argument("--account", metavar="NAME", help="an account's, by its name in the settings")
    which.add_argument("--dialect", choices=DIALECTS, help="started in this language")
    which.add_argument(
        "--state",
        choices=tuple(State),
        action="append",
        default=None,
        help="in this state; may be given several times",
    )
    which.add_argument("--since", type=moment, metavar="TIME", help="asked for since: 2h, 7d, 2026-11-20T10:00")
    which.add_argument("--until", type=moment, metavar="TIME", help="asked for until")
    which.add_argument(
        "--text",
        metavar="TEXT",
        help="an id of the recording, its call or leg, or a part of a caller's or called number",
    )


def of_recordings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the query of the options, without what they leave open."""
    given = {name: getattr(options, name) for name in ("account", "dialect", "state", "since", "until", "text")}
    return {name: value for name, value in given.items() if value is not None}
