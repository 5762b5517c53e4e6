"""A callback as it came, by whoever signed it, and what it says of a recording's end.

All of it is a stranger's: a text is shown as JSON in ASCII, so that nothing of it reaches a terminal as a command.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from controller.dialects.plivo import sign as plivo
from controller.dialects.swml import sign as signalwire
from controller.dialects.twiml import sign as twilio

FORM = "application/x-www-form-urlencoded"
SHOWN = 2000
"""Bytes that are shown of a body that is neither JSON nor a form."""

ENDED = {"finished": True, "completed": True, "no_input": False, "error": False, "absent": False, "failed": False}
"""What SWML and TwiML call a recording's end, and whether it is one with audio in it."""


@dataclass(frozen=True, slots=True)
class Callback:
    """One request: ``url`` is the one that its sender asked for, headers by their names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def parameters(self) -> Any:
        """Return what it says: of JSON its value, of a form its fields, of anything else its first characters."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        text = self.body.decode(errors="backslashreplace")
        if kind == FORM:
            return dict(parse_qsl(text, keep_blank_values=True))
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text[:SHOWN]

    def signed(self, key: str) -> str:
        """Say whether ``key`` signed it, as its vendor signs; "" is no key."""
        form = parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True) if self.method == "POST" else []
        ways = {
            signalwire.HEADER: (
                signalwire.signature(key, self.url, self.body),
                twilio.signature(key, self.url, form),  # LaML's, which has the same header
            ),
            twilio.TWILIO: (twilio.signature(key, self.url, form),),
            plivo.V3: (
                plivo.signature_v3(key, self.method, self.url, form, self.headers.get(plivo.NONCE_V3.lower(), "")),
            ),
        }
        for name, right in ways.items():
            given = self.headers.get(name.lower())
            if given is None:
                continue
            if not key:
                return f"{name}, not checked: no key"
            known = any(hmac.compare_digest(given.encode(), one.encode()) for one in right)
            return f"{name} is right" if known else f"{name} is WRONG"
        return "not signed"

    def told(self, key: str) -> dict[str, Any]:
        """Return it as it is printed and kept."""
        return {
            "method": self.method,
            "url": self.url,
            "signature": self.signed(key),
            "parameters": self.parameters(),
        }


def ended(parameters: Any) -> bool | None:
    """Return whether a callback tells a recording's end with audio in it (True) or without; None for no end."""
    if not isinstance(parameters, dict):
        return None
    inner = parameters.get("params")
    for said in (parameters.get("RecordingStatus"), inner.get("state") if isinstance(inner, dict) else None):
        if isinstance(said, str) and said in ENDED:
            return ENDED[said]
    if "RecordUrl" in parameters:
        return parameters.get("RecordingDuration") not in {"0", "-1"}
    return None
