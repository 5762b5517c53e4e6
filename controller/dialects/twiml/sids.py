"""The ids that a vendor's clients see, made of ours and read back.

Twilio's are two letters and 32 hex digits, SignalWire's (LaML) are uuids, as ours are (spec: twiml_laml_plivo.md
1.2, 2).
"""

from __future__ import annotations

import re
import uuid

CALL = "CA"
RECORDING = "RE"

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")


def call_sid(vendor: str, call: str) -> str:
    """Return the id under which an account of ``vendor`` knows one of our calls."""
    return _sid(vendor, CALL, call)


def recording_sid(vendor: str, recording: str) -> str:
    """Return the id under which an account of ``vendor`` knows one of our recordings."""
    return _sid(vendor, RECORDING, recording)


def call_of(vendor: str, sid: str) -> str | None:
    """Return our id of the call that a client of ``vendor`` names, None where it is no such id."""
    return _identity(vendor, CALL, sid)


def recording_of(vendor: str, sid: str) -> str | None:
    """Return our id of the recording that a client of ``vendor`` names, None where it is no such id."""
    return _identity(vendor, RECORDING, sid)


def _sid(vendor: str, prefix: str, identity: str) -> str:
    return identity if vendor == "signalwire" else prefix + identity.replace("-", "")


def _identity(vendor: str, prefix: str, sid: str) -> str | None:
    if vendor == "signalwire":
        return sid.lower() if _UUID.fullmatch(sid) else None
    if not sid.startswith(prefix) or _SID.fullmatch(sid) is None:
        return None
    return str(uuid.UUID(sid[len(prefix) :]))
