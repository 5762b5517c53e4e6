"""Whom `connect` dials: the texts of `to`, `serial`, `parallel` and `serial_parallel` → parties.

A destination is a number (``+15551231234``) or a SIP URI. The other kinds of the reference (resource addresses,
queues, streams) are refused by name. What exactly may be dialled is judged once more where it is dialled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from typing import Any

from controller.dialects.swml.blocks import place
from controller.dialects.swml.messages import Wrong, nearest, quoted, shown
from controller.dialects.swml.nodes import Mapping, Node, Scalar, Sequence
from controller.dialects.swml.problems import Problems
from controller.dialects.swml.rows import Kind, Property
from controller.dialects.swml.scope import text as in_words
from controller.dialects.swml.templates import Malformed, Template, template
from controller.documents.steps import Party, PartyKind

MOST_CALLEES = 10
"""Destinations that ring at once."""

MOST_GROUPS = 20
"""Destinations, or groups of such, that are tried in turn."""

_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_SIP = re.compile(r"sips?:[!-~]{1,250}", re.IGNORECASE)
_CALLER = re.compile(r"\+?[0-9*#]{1,32}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OTHERS = re.compile(r"(queue|stream|call|relay):|/", re.IGNORECASE)
_OF_ONE = ("to", "from")
_NOT_YET = (
    *("from_name", "username", "password", "timeout", "call_state_events", "call_state_url", "codecs", "headers"),
    *("confirm", "confirm_timeout", "encryption", "session_timeout", "webrtc_media", "status_url"),
)


def party(to: str, caller: str) -> Party:
    """Return whom a destination means. Raises Wrong."""
    shown_as = shown_caller(caller) if caller else ""
    if _NUMBER.fullmatch(to):
        return Party(PartyKind.NUMBER, to, shown_as)
    if _SIP.fullmatch(to):
        return Party(PartyKind.SIP, to, shown_as)
    if other := _OTHERS.match(to):
        kind = f"`{other[1]}:` destinations" if other[1] else "resource addresses"
        raise Wrong(f"must be {Kind.CALLEE}; {kind} are not supported in this version; got {quoted(to)}")
    raise Wrong(f"must be {Kind.CALLEE}; got {quoted(to)}")


def shown_caller(text: str) -> str:
    """Return what a callee is shown: a number, or the user of a SIP URI. Raises Wrong."""
    user = text.partition(":")[2].partition("@")[0] if _SIP.fullmatch(text) else text
    if not _CALLER.fullmatch(user):
        raise Wrong(f"must be {Kind.CALLER}; got {quoted(text)}")
    return user


def groups(values: MappingOf[str, Any]) -> tuple[tuple[Party, ...], ...]:
    """Return the groups of a `connect` whose values are settled, to be tried in turn. Raises Wrong."""
    caller = str(values.get("from", ""))

    def one(given: MappingOf[str, Any]) -> Party:
        return party(str(given["to"]), str(given.get("from") or caller))

    if "to" in values:
        return ((party(str(values["to"]), caller),),)
    if "parallel" in values:
        return (tuple(map(one, values["parallel"])),)
    if "serial" in values:
        return tuple((one(given),) for given in values["serial"])
    return tuple(tuple(map(one, group)) for group in values["serial_parallel"])


# --- as written -----------------------------------------------------------------------------------------------------


def written(row: Property, node: Node, where: str, problems: Problems) -> object:
    """Return destinations as a document gives them, templates among them. Raises Wrong."""
    if row.kind is Kind.CALLEE:
        return _text(node, Kind.CALLEE)
    most = MOST_GROUPS if row.name.startswith("serial") else MOST_CALLEES
    items = _list(row, node, most)
    if row.kind is Kind.CALLEES:
        return [_one(item, f"{where}[{index}]", problems) for index, item in enumerate(items)]
    found = []
    for index, item in enumerate(items):
        at = f"{where}[{index}]"
        try:
            inner = _list(row, item, MOST_CALLEES)
        except Wrong as wrong:
            problems.add(item.line, at, str(wrong))
            continue
        found.append([_one(each, f"{at}[{number}]", problems) for number, each in enumerate(inner)])
    return found


def settled(row: Property, value: object) -> Any:
    """Return destinations once their variables are known. Raises Wrong."""
    if row.kind is Kind.CALLEE:
        to = in_words(value)
        party(to, "")
        return to
    if isinstance(value, dict):
        found = {name: in_words(text) for name, text in value.items() if text not in (None, "")}
        party(found.get("to", ""), found.get("from", ""))
        return found
    if not isinstance(value, list):
        raise Wrong(f"must be {row.kind}")
    return [settled(row, item) if isinstance(item, (dict, list)) else settled(row, {}) for item in value]


def _list(row: Property, node: Node, most: int) -> tuple[Node, ...]:
    if not isinstance(node, Sequence) or not node.items:
        raise Wrong(f"must be {row.kind}; got {'an empty list' if isinstance(node, Sequence) else shown(node)}")
    if len(node.items) > most:
        raise Wrong(f"must have at most {most} entries; got {len(node.items)}")
    return tuple(node.items)


def _one(node: Node, where: str, problems: Problems) -> dict[str, str | Template]:
    found: dict[str, str | Template] = {}
    if not isinstance(node, Mapping):
        problems.add(node.line, where, f"must be an object with `to`; got {shown(node)}")
        return found
    for entry in problems.entries(node, where):
        at = place(where, entry.key)
        if entry.key in _NOT_YET:
            problems.add(entry.line, at, "not supported in this version for one destination: leave it out")
            continue
        if entry.key not in _OF_ONE:
            problems.add(entry.line, at, f"unknown; a destination knows to, from{nearest(entry.key, _OF_ONE)}")
            continue
        try:
            found[entry.key] = _text(entry.value, Kind.CALLEE if entry.key == "to" else Kind.CALLER)
        except Wrong as wrong:
            problems.add(entry.line, at, str(wrong))
    if not any(entry.key == "to" for entry in node.entries):
        problems.add(node.line, f"{where}.to", f"missing: {Kind.CALLEE}")
    return found


def _text(node: Node, kind: Kind) -> str | Template:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        raise Wrong(f"must be {kind}, as text; got {shown(node)}")
    try:
        made = template(node.value)
    except Malformed as malformed:
        raise Wrong(f"{malformed}; got {quoted(node.value)}") from None
    if isinstance(made, str):
        if kind is Kind.CALLEE:
            party(made, "")
        else:
            shown_caller(made)
    return made
