"""What the operators' API is asked: queries, bodies and ids, read strictly; each refusal says what would be right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import orjson
from aiohttp import web

from controller.console.ports import Place, Search
from controller.http.openapi.operators import LARGEST_PAGE, MOST_LIVE, MOST_TEXT, PAGE
from controller.media.copies import FORMATS
from controller.recordings.model import PauseBehavior, State
from controller.store.values import DeliveryState

MAX_BODY = 4096
LEAST_PREFIX = 6
"""Characters of an id that may stand for the whole of it."""
_PREFIX = re.compile(rf"(?:re)?([0-9a-f]{{{LEAST_PREFIX},31}})")
_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
"""Where a uuid has its dashes."""
_CURSOR = re.compile(r"(?P<at>[0-9]{1,12}(\.[0-9]{1,9})?)~(?P<id>[A-Za-z0-9-]{1,64})")

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


class BadRequest(Exception):
    """A request that is not carried out for what it says; ``status`` is HTTP's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Page(NamedTuple):
    """Which part of a list: at most so many, behind a place."""

    limit: int
    before: Place | None


class Deliveries(NamedTuple):
    """Which deliveries: in a state, of an account, made since (Unix seconds)."""

    state: DeliveryState | None
    account: str | None
    since: float | None


def prefix(text: str) -> str | None:
    """Return the beginning of an id (uuid) that is said in any vendor's form; None of a whole one, and of none."""
    found = _PREFIX.fullmatch(text.lower().replace("-", ""))
    return None if found is None else "-".join(filter(None, (found[1][start:end] for start, end in _GROUPS)))


def cursor(place: Place) -> str:
    """Return a place as a client is told it, to hand it back as ``before``."""
    at, last = place
    return f"{at!r}~{last}"


def recordings(request: web.Request) -> tuple[Search, Page]:
    """Return which recordings a query asks for. Raises BadRequest."""
    query = _Query(request, ("account", "dialect", "state", "text", "since", "until", "deleted", *_PAGE))
    search = Search(
        account=query.one("account", _short),
        dialect=query.one("dialect", _short),
        states=tuple(query.all("state", _word(State))),
        text=query.one("text", _short) or "",
        since=query.one("since", _seconds),
        until=query.one("until", _seconds),
        deleted=query.one("deleted", _flag) is not False,
    )
    return search, query.page()


def deliveries(request: web.Request) -> tuple[Deliveries, Page]:
    """Return which deliveries a query asks for. Raises BadRequest."""
    query = _Query(request, ("state", "account", "since", *_PAGE))
    asked = Deliveries(
        query.one("state", _word(DeliveryState)), query.one("account", _short), query.one("since", _seconds)
    )
    return asked, query.page()


def limit(request: web.Request) -> int:
    """Return how many of what runs a query asks for. Raises BadRequest."""
    return _Query(request, ("limit",)).one("limit", _count(MOST_LIVE)) or PAGE


def nothing(request: web.Request) -> None:
    """Raise BadRequest where a query asks for anything."""
    _Query(request, ())


async def behavior(request: web.Request) -> PauseBehavior:
    """Return how the body of a pause wants it: skip, where it says nothing. Raises BadRequest."""
    given = (await _body(request, ("behavior",))).get("behavior", PauseBehavior.SKIP.value)
    try:
        return PauseBehavior(given)
    except ValueError:
        raise BadRequest(f"behavior should be one of {', '.join(PauseBehavior)}") from None


async def form(request: web.Request) -> str:
    """Return the format that a body wants. Raises BadRequest."""
    body = await _body(request, ("format",))
    if body.get("format") not in FORMATS:
        raise BadRequest(f"format should be one of {', '.join(FORMATS)}")
    return str(body["format"])


async def empty(request: web.Request) -> None:
    """Raise BadRequest where a body says anything."""
    await _body(request, ())


_PAGE = ("limit", "before")


class _Query:
    """A query's parameters; none that is not known, each once unless it is asked for as several."""

    def __init__(self, request: web.Request, known: Sequence[str]) -> None:
        self._query = request.query
        for name in self._query:
            if name not in known:
                raise BadRequest(_unknown("parameter", name, known))

    def all(self, name: str, read: Callable[[str], T]) -> list[T]:
        return [self._read(name, value, read) for value in self._query.getall(name, [])]

    def one(self, name: str, read: Callable[[str], T]) -> T | None:
        given = self.all(name, read)
        if len(given) > 1:
            raise BadRequest(f"{name} is given {len(given)} times; once is right")
        return given[0] if given else None

    def page(self) -> Page:
        return Page(self.one("limit", _count(LARGEST_PAGE)) or PAGE, self.one("before", _place))

    def _read(self, name: str, value: str, read: Callable[[str], T]) -> T:
        try:
            return read(value)
        except ValueError as error:
            raise BadRequest(f"{name} {error}") from None


def _word(words: type[Word]) -> Callable[[str], Word]:
    def read(value: str) -> Word:
        try:
            return words(value)
        except ValueError:
            raise ValueError(f"should be one of {', '.join(words)}") from None

    return read


def _short(value: str) -> str:
    if len(value) > MOST_TEXT:
        raise ValueError(f"has {len(value)} characters; {MOST_TEXT} are the most")
    return value


def _seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("should be a time in Unix seconds, as 1763632800.5")
    return number


def _flag(value: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueError("should be true or false")
    return value == "true"


def _count(most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most):
            raise ValueError(f"should be a whole number from 1 to {most}")
        return int(value)

    return read


def _place(value: str) -> Place:
    found = _CURSOR.fullmatch(value)
    if found is None:
        raise ValueError("should be what next said on the page before")
    return float(found["at"]), found["id"]


async def _body(request: web.Request, known: Sequence[str]) -> Mapping[str, Any]:
    body = await request.read()  # bounded and timed by the application already
    if len(body) > MAX_BODY:
        raise BadRequest(f"the body has more than {MAX_BODY} bytes", 413)
    if not body.strip():
        return {}
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise BadRequest("the body should be a JSON object")
    for name in given:
        if name not in known:
            raise BadRequest(_unknown("key", name, known))
    return given


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name[:64], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}" if known else "none is known here"
    return f"{what} {name[:64]!r} is unknown; {hint}"
