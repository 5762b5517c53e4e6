"""What `${…}` in an application's argument would do on a real switch: simulated, written into the journal.

Nothing is ever executed. A variable is replaced by its value; an API call by nothing, except `eval` and `expand`,
whose answer is their argument; a shell command is noted as what would have been run.
"""

import re
import time
from typing import TYPE_CHECKING

from controller.softswitch.journal import ExpansionEntry, SystemEntry

if TYPE_CHECKING:
    from controller.softswitch.leg import Leg
    from controller.softswitch.switch import Softswitch

_DEEPEST = 10
_CALL = re.compile(r"([^ (]*)([ (])(.*)", re.DOTALL)


def expand(switch: "Softswitch", leg: "Leg | None", text: str, depth: int = 0) -> str:
    r"""Replace every `${…}` and `$${…}` in `text`; `\${` is left as `${`."""
    out: list[str] = []
    position = 0
    while True:
        start = text.find("${", position)
        if start < 0 or depth >= _DEEPEST:
            return "".join(out) + text[position:]
        end = _closing(text, start + 2)
        if end < 0:
            return "".join(out) + text[position:]
        before = text[position:start]
        if before.endswith("\\"):
            out += [before[:-1], text[start : end + 1]]
        else:
            inner = text[start + 2 : end]
            value = _value(switch, leg, inner, depth)
            switch.journal.note(ExpansionEntry(time.time(), leg.uuid if leg else "", text[start : end + 1], value))
            out += [before.removesuffix("$"), value]
        position = end + 1


def note_system(switch: "Softswitch", leg: "Leg | None", command: str) -> None:
    """Remember a shell command that a real switch would have run."""
    switch.journal.note(SystemEntry(time.time(), leg.uuid if leg else "", command))


def _closing(text: str, start: int) -> int:
    depth = 1
    for index in range(start, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    return -1


def _value(switch: "Softswitch", leg: "Leg | None", inner: str, depth: int) -> str:
    found = _CALL.match(inner)
    name = found.group(1) if found else inner
    argument = "" if found is None else found.group(3).removesuffix(")" if found.group(2) == "(" else "")
    argument = expand(switch, leg, argument, depth + 1)
    if found is None:
        value = leg.variable(name) if leg else switch.global_variables.get(name)
        return expand(switch, leg, value, depth + 1) if value else ""
    if name in ("system", "bg_system"):
        note_system(switch, leg, argument)
        return ""
    return argument if name in ("eval", "expand") else ""
