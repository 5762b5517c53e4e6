"""The form of the table that ``methods`` is: what a property may be, how far it is served, what a method is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Kind(StrEnum):
    """What a value must be, in words for people."""

    BOOLEAN = "true or false"
    INTEGER = "a whole number"
    NUMBER = "a number"
    TEXT = "text"
    DIGITS = "text of the digits 0-9, A-D, * and #"
    TONES = "text of the digits 0-9, A-D, * and #, and of the pauses w and W"
    URL = "an http or https URL"
    SOUND = "a playable sound (a URL, say:<text>, silence:<seconds>, ring:<country> or ring:<seconds>:<country>)"
    SOUNDS = "a list of playable sounds (URLs, say:<text>, silence:<seconds>, ring:<country>)"
    PROMPT = "a playable sound (a URL, say:<text>, silence:<seconds>, ring:<country>) or a list of such"
    HEADERS = "an object of headers and their values (Accept, Authorization, Content-Type, Range or X-...)"
    BODY = "text or an object"
    NAME = "text without variables"
    NAMES = "a variable's name or a list of such names"
    VARIABLE = "a variable's name or path, as in `call.type` or `return_value`"
    DESTINATION = "a section's name, an http or https URL or an inline document"
    CONDITION = "a JavaScript condition"
    ANYTHING = "any value"
    OBJECT = "an object"
    VARIABLES = "an object of variable names and values"
    STEPS = "a list of steps"
    CASES = "an object of lists of steps"
    BRANCHES = "a list of conditions, each an object of `when` and `then`, and at most one `else`"
    RESULT = "an object as of `switch`, or a list as of `cond`"


class Served(Enum):
    """How far this version serves a property. What it cannot serve is refused by name, never ignored."""

    FULLY = "fully"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Property:
    """One row. ``default`` None is no default; ``unit`` is for messages.

    ``read`` says that a script variable of the property's name stands for it where a document leaves it out.
    """

    name: str
    kind: Kind
    row: str
    default: bool | float | str | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    required: bool = False
    variable: bool = False
    read: bool = False
    served: Served = Served.FULLY


@dataclass(frozen=True, slots=True)
class Method:
    """A method that runs.

    ``bare`` is the property for which a bare value stands (`sleep: 5000`), ``listed`` that for a bare list. ``whole``
    says that the method's value is that property and never an object of properties (`set`, `label`, `cond`). Of
    ``one_of`` there must be exactly one.
    """

    name: str
    properties: tuple[Property, ...] = ()
    bare: Property | None = None
    listed: Property | None = None
    whole: bool = False
    one_of: tuple[str, ...] = ()

    @property
    def defaults(self) -> dict[str, bool | float | str]:
        """What a document means that leaves properties out."""
        return {row.name: row.default for row in self.properties if row.default is not None and not row.read}

    def property(self, name: str) -> Property | None:
        """Return the property of that name, or None."""
        return next((known for known in self.properties if known.name == name), None)
