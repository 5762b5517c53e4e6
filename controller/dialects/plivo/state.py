"""All that a run of Plivo XML is between two steps, in JSON types: what is stored, and what a restart begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


class BadSnapshot(ValueError):
    """A snapshot that is not one of this document on this call."""


@dataclass(slots=True)
class State:
    """All that a run is, in JSON types.

    ``text`` is the document that runs, where one came in the call; ``at`` is the instruction, ``done`` the steps of
    it that are done, ``tries`` those of its tries that gave no digits, ``sorry`` says that its invalidDigitsSound is
    due, ``sounds`` are its documents of sounds (empty: could not be had). ``asked`` is what is awaited; ``url``,
    ``method`` and ``given`` are of the document that is asked for, or with ``tells`` of what is told; ``fallen``
    says that it is the fallback. ``pending`` is the recording that waits for an answer: its id and its values.
    ``started`` counts recordings, ``silent`` documents in a row without a sound.
    """

    session: str
    call: str
    secret: str
    asked: str = ""
    at: int = 0
    done: int = 0
    tries: int = 0
    sorry: bool = False
    sounds: dict[str, str] = field(default_factory=dict)
    started: int = 0
    silent: int = 0
    text: str = ""
    url: str = ""
    method: str = ""
    given: dict[str, str] = field(default_factory=dict)
    tells: bool = False
    fallen: bool = False
    pending: dict[str, Any] = field(default_factory=dict)


def restored(snapshot: Mapping[str, Any], call: str) -> State:
    """Return the state of that call that ``asdict`` made a snapshot of. Raises BadSnapshot."""
    types = {field.name: type(getattr(State("", "", ""), field.name)) for field in fields(State)}
    if any(type(snapshot.get(name)) is not kind for name, kind in types.items()):
        raise BadSnapshot("a field is missing or of another type")
    state = State(**{name: snapshot[name] for name in types})
    if state.call != call:
        raise BadSnapshot("it was taken on another call")
    return replace(state, given=dict(state.given), sounds=dict(state.sounds), pending=dict(state.pending))
