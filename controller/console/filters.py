"""What a list's page is asked for in its query: read, or refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from controller.console.ports import Place, Search
from controller.recordings.model import FINAL_STATES, State
from controller.store.values import DeliveryState

MOST_TEXT = 200
_PLACE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?(?:e[0-9])?)~([A-Za-z0-9_.:-]{1,128})")

OUTCOMES: Mapping[str, tuple[State, ...]] = {
    "": tuple(sorted(FINAL_STATES)),
    **{state.value: (state,) for state in State if state.final},
    "running": tuple(state for state in State if not state.final),
    "all": (),
}
"""What may be asked for as outcome."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A page's query: ``fields`` as they came, what they mean, and ``problems``, each by its field's name."""

    fields: Mapping[str, str]
    search: Search
    before: Place | None
    problems: Mapping[str, str] = field(default_factory=dict)

    def older(self, place: Place) -> str:
        """Return the query of the page that begins after a place."""
        return urlencode({**self._kept, "before": written(place)})

    @property
    def newest(self) -> str:
        """Return the query of the first page."""
        return urlencode(self._kept)

    @property
    def narrowed(self) -> bool:
        """Whether it asks for some of them only."""
        return bool(self._kept)

    @property
    def _kept(self) -> Mapping[str, str]:
        return {name: value for name, value in self.fields.items() if value and name != "before"}


FIELDS = ("text", "account", "dialect", "outcome", "from", "until", "before")


def recordings(query: Mapping[str, str]) -> Asked:
    """Read what the list of recordings is asked."""
    fields = {name: query.get(name, "").strip() for name in FIELDS}
    problems: dict[str, str] = {}
    search = Search(account=fields["account"] or None, dialect=fields["dialect"] or None, text=fields["text"])
    if len(search.text) > MOST_TEXT or not search.text.isprintable():
        problems["text"] = f"should be at most {MOST_TEXT} characters that can be seen"
        search = replace(search, text="")
    if fields["outcome"] in OUTCOMES:
        search = replace(search, states=OUTCOMES[fields["outcome"]])
    else:
        problems["outcome"] = "should be one of the list"
    for name, later in (("from", 0.0), ("until", 59.999)):
        if fields[name]:
            when = _time(fields[name], later)
            if when is None:
                problems[name] = "should be a time as in 2026-11-20T16:00, in UTC"
            else:
                search = replace(search, since=when) if name == "from" else replace(search, until=when)
    if search.since is not None and search.until is not None and search.since > search.until:
        problems["until"] = "should be later than from"
    return Asked(fields, search, place(fields["before"], problems), problems)


def deliveries(query: Mapping[str, str]) -> tuple[DeliveryState | None, Place | None]:
    """Read what the list of callbacks is asked: dead ones where nothing is said, ``all`` for every one."""
    state = query.get("state", DeliveryState.DEAD)
    known = {one.value: one for one in DeliveryState}
    return (None if state == "all" else known.get(state, DeliveryState.DEAD)), place(query.get("before", ""), {})


def place(text: str, problems: dict[str, str]) -> Place | None:
    """Read where a page begins; what is none begins at the newest."""
    match = _PLACE.fullmatch(text)
    if match is None:
        if text:
            problems["before"] = "is no page; these are the newest"
        return None
    return float(match[1]), match[2]


def written(where: Place) -> str:
    """Return a place as a query has it."""
    return f"{where[0]!r}~{where[1]}"


def _time(text: str, later: float) -> float | None:
    """Read a day, or a minute of one, in UTC; ``later`` is added to a bare minute: until 16:05 includes all of it."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) == len("2026-11-20") and later:
        later += 86_340.0
    elif len(text) > len("2026-11-20T16:00") and read.tzinfo is None:
        later = 0.0
    try:
        when = (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp() + later
    except (OverflowError, ValueError):
        return None
    return when if math.isfinite(when) else None
