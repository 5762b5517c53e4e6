"""How Twilio and SignalWire write times and lengths, in callbacks and in their REST API alike, and people numbers."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime

_PUNCTUATION = str.maketrans("", "", " -.()")


def rfc2822(at: float) -> str:
    """Return a time (Unix seconds) as ``Tue, 24 Mar 2026 18:15:40 +0000``; fractions are dropped."""
    return format_datetime(datetime.fromtimestamp(math.floor(at), UTC))


def whole_seconds(duration: float) -> int:
    """Return a length in whole seconds, rounded; what has any length is at least 1.

    No source says how the vendors round; an application that divides by it must not meet 0 for what can be heard.
    """
    return max(math.floor(duration + 0.5), 1 if duration > 0 else 0)


def bare_number(text: str) -> str:
    """Return a number without what people put between its digits."""
    return text.translate(_PUNCTUATION)
