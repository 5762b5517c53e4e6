"""Twilio's numbers for what may be wrong with a document."""

from __future__ import annotations

SCHEMA = 12200
"""Twilio's code for a document that does not keep its schema: a warning there as here."""

UNREADABLE = 12100
BAD_URL = 11100
BAD_METHOD = 13221
BAD_DIGITS = 13222
BAD_CALLER = 13214
BAD_NESTING = 13215
BAD_NUMBER = 13223
BAD_SIP_URI = 13243
BAD_EVENT = 13621
BAD_TRIM = 13699
