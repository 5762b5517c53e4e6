"""What can be dialled: the grammars of a number and of a SIP URI, in which nothing of a dial string can stand."""

from __future__ import annotations

import re

NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
NUMBER_RIGHT = "an optional + and 1 to 32 of 0-9 * #"

_USER = r"[A-Za-z0-9+*][A-Za-z0-9._+*-]{0,63}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})?"
SIP_URI = re.compile(
    rf"sips?:(?:{_USER}@)?{_LABEL}(?:\.{_LABEL}){{0,16}}(?::[0-9]{{1,5}})?(?:;transport=(?:udp|tcp|tls))?"
)
SIP_URI_RIGHT = "sip:user@host[:port][;transport=udp|tcp|tls], of letters, digits and . _ + * -"

_PUNCTUATION = str.maketrans("", "", " -.()")


def bare_number(text: str) -> str:
    """Return a number without what people put between its digits."""
    return text.translate(_PUNCTUATION)
