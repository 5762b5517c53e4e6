"""How Twilio and SignalWire write times, in callbacks and in their REST API alike."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime


def rfc2822(at: float) -> str:
    """Return a time (Unix seconds) as ``Tue, 24 Mar 2026 18:15:40 +0000``; fractions are dropped."""
    return format_datetime(datetime.fromtimestamp(math.floor(at), UTC))
