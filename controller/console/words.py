"""How values are put into words for people: what a template shows, it shows through one of these.

Texts of callers, documents and receivers are hostile. Jinja escapes them; here they lose what would make a page lie
without any markup (control characters, changes of direction), and their length.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from controller.documents.fetch import named
from controller.recordings.model import EndReason, State

MOST = 64
"""Characters of a text that are shown in a line."""
MOST_IN_TITLE = 1000

STATES = {
    State.REQUESTED: "starting",
    State.RECORDING: "recording",
    State.PAUSED: "paused",
    State.STOPPING: "stopping",
    State.PROCESSING: "processing",
    State.COMPLETED: "completed",
    State.NO_INPUT: "no input",
    State.ABSENT: "absent",
    State.FAILED: "failed",
}

NONE = "\u2013"
"""What stands where nothing is known."""

REASONS = {
    EndReason.TERMINATOR: "a digit ended it",
    EndReason.VERB: "its document stopped it",
    EndReason.API: "stopped by API or console",
    EndReason.MAX_LENGTH: "reached its maximum length",
    EndReason.END_SILENCE: "silence ended it",
    EndReason.NO_INPUT: "nobody spoke",
    EndReason.HANGUP: "the call ended",
    EndReason.SWITCH_LOST: "the switch was lost",
    EndReason.ERROR: "an error ended it",
}

FACTS = {
    "Requested": ("asked for", "command"),
    "StopWished": ("stop asked for", "command"),
    "PauseWished": ("pause asked for", "command"),
    "ResumeWished": ("resume asked for", "command"),
    "Started": ("the switch records (RECORD_START)", "event"),
    "StartOver": ("the start ended", "event"),
    "Stopped": ("the switch stopped (RECORD_STOP)", "event"),
    "LegEnded": ("the leg ended (CHANNEL_HANGUP_COMPLETE)", "event"),
    "LegOverdue": ("no RECORD_STOP came after the leg's end", "time"),
    "StopOverdue": ("no RECORD_STOP came after the stop", "time"),
    "StillRuns": ("the switch says that it runs", "event"),
    "NotThere": ("the switch says that it does not run", "event"),
    "LookDue": ("nothing heard of it for a while", "time"),
    "SwitchLost": ("the switch restarted", "event"),
    "Masked": ("silenced", "event"),
    "Unmasked": ("heard again", "event"),
    "MaskRefused": ("the switch refused to mask or unmask", "event"),
    "Moved": ("followed a transfer", "event"),
    "LimitReached": ("reached its maximum length", "time"),
    "Examined": ("its file was measured", "media"),
}
"""A fact of the history in words, and what kind of thing it is."""

EFFECTS = {
    "START": "start commanded",
    "STOP": "stop commanded",
    "MASK": "mask commanded",
    "UNMASK": "unmask commanded",
    "TIME": "time limit armed or disarmed",
    "GRACE": "waits for RECORD_STOP",
    "WATCH": "looks again in a while",
    "INQUIRE": "asks the switch",
    "SETTLE": "measures the file once it is closed",
    "EXAMINE": "measures the file",
}

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def visible(value: object) -> str:
    """Return a text without what cannot be seen: control characters, direction marks, lone surrogates are U+FFFD."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(one) in _UNSEEN else one for one in text)


def readable(text: str) -> str:
    """Return a text of several lines without what cannot be seen."""
    return "\n".join(visible(line.replace("\t", "    ")) for line in text.replace("\r\n", "\n").split("\n"))


def capped(text: str, most: int = MOST) -> str:
    """Return a text of at most so many characters; what was longer ends with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def fact(name: str) -> tuple[str, str]:
    """Return a history entry's fact in words, and its kind: command, event, time or media."""
    return FACTS.get(name) or (_WORD.sub(" ", name).lower(), "event")


def effect(name: str) -> str:
    """Return an effect in words."""
    return EFFECTS.get(name.upper(), name.lower())


def clock(seconds: float | None) -> str:
    """Return a length of time as players show it: 0:07, 12:34, 1:02:03."""
    if seconds is None:
        return NONE
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def took(seconds: float) -> str:
    """Return how long something took, to be compared: 12 ms, 1.25 s."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def size(count: int | None) -> str:
    """Return bytes in the unit in which they are read easily."""
    if count is None:
        return NONE
    left = float(count)
    for unit in _UNITS[:-1]:
        if left < 1024:
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1024
    return f"{left:.1f} {_UNITS[-1]}"


def moment(seconds: float, spec: str = "seconds") -> str:
    """Return a Unix time as markup has it: ISO 8601, in UTC; nothing where it is no time of this calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=spec).replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""


def utc(seconds: float, spec: str = "seconds") -> str:
    """Return a Unix time for people."""
    return moment(seconds, spec).replace("T", " ").replace("Z", " UTC") or NONE


def address(url: str) -> str:
    """Return a receiver's URL without its credentials and its query, which are secrets."""
    return visible(named(url))


FILTERS = {
    "visible": visible,
    "readable": readable,
    "capped": capped,
    "fact": fact,
    "effect": effect,
    "clock": clock,
    "took": took,
    "size": size,
    "moment": moment,
    "utc": utc,
    "address": address,
}
