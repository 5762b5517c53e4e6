"""What a row of the reference's tables says of an attribute, and what is made of it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

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


class Kind(StrEnum):
    """What an attribute's value is, in words for people."""

    TEXT = "text"
    URL = "a relative or absolute URL"
    CHOICE = "one of its values"
    INTEGER = "a whole number"
    BOOLEAN = "true or false"
    KEYS = "keys among 0-9, * and #"
    CALLER = "a number, or a name of letters, digits and . _ -"
    TONES = "digits among 0-9, A-D, *, #, w and W"
    EVENTS = "events, separated by spaces"


class Served(StrEnum):
    """Whether an attribute is carried out.

    ``MOOT`` ones mean nothing for what is carried out (a speech model where only digits are gathered); of those that
    are ``IGNORED`` the document's author is warned.
    """

    YES = "yes"
    MOOT = "moot"
    IGNORED = "ignored"


Value = str | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A row: its allowed values and default in the source's words, then what they come to.

    ``code`` is Twilio's number for a value that is not allowed; such a value is as if it were not written.
    """

    name: str
    kind: Kind
    values: str
    default_words: str
    default: Value | None = None
    choices: tuple[str, ...] = ()
    at_least: int | None = None
    at_most: int | None = None
    code: int = SCHEMA
    served: Served = Served.YES


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb or noun: its attributes, what may be nested in it, and whether it has a text of its own.

    ``refused`` are known nouns that are not carried out.
    """

    name: str
    attributes: tuple[Attribute, ...] = ()
    nested: tuple[str, ...] = ()
    text: bool = False
    refused: tuple[str, ...] = ()

    @property
    def by_name(self) -> Mapping[str, Attribute]:
        """Its attributes by their names."""
        return {attribute.name: attribute for attribute in self.attributes}
