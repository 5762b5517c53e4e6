"""What ``fsrec check`` and ``fsrec doctor`` say of a document: which language it is in, what is wrong, what is odd.

What is no XML is SWML. XML is the language of the account's vendor; where nobody says whose it is, it is what it can
be: several vendors begin with ``<Response>``.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.dialects.plivo import PlivoDialect
from controller.dialects.swml import SwmlDialect
from controller.dialects.twiml import TwimlDialect
from controller.documents.dialect import Problem

_NOWHERE = "https://fsrec.invalid"
_SWML = SwmlDialect(_NOWHERE)
_XML: dict[str, TwimlDialect | PlivoDialect] = {
    "TwiML": TwimlDialect(_NOWHERE),
    "Plivo XML": PlivoDialect(_NOWHERE),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a document as one in ``language``: ``problems`` refuse it, ``warnings`` do not."""

    language: str
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def problems(text: str, source: str, vendor: str) -> tuple[Problem, ...]:
    """Return every problem of a document of an account's, none when it may run."""
    return _SWML.check(text, source) if not is_xml(text) else _judged(_language(vendor), text, source).problems


def verdicts(text: str, source: str, vendor: str | None) -> tuple[Verdict, ...]:
    """Return what may be said of a document: of XML whose vendor is not told, one a language, the best first."""
    if not is_xml(text):
        return (Verdict("SWML", _SWML.check(text, source)),)
    if vendor is not None:
        return (_judged(_language(vendor), text, source),)
    found = [_judged(language, text, source) for language in _XML]
    return tuple(sorted(found, key=lambda verdict: (len(verdict.problems), len(verdict.warnings))))


def is_xml(text: str) -> bool:
    """Tell whether a document is XML."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def _language(vendor: str) -> str:
    return "Plivo XML" if vendor == "plivo" else "TwiML"


def _judged(language: str, text: str, source: str) -> Verdict:
    dialect = _XML[language]
    found = dialect.check(text, source)
    return Verdict(language, found, () if found else dialect.warnings(text, source))
