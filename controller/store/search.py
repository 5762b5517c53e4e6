"""Recordings by what operators ask of them: an account's or all, by state, dialect, time, and by what people paste.

A page is chosen along an index that has all that is asked, and only what is shown is read as rows: the same work
wherever the page is. A part of a number is looked for along that index, from the newest; an id is looked up.
"""

from __future__ import annotations

import heapq
import re
import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Select, or_, select, tuple_

from controller.recordings.model import Recording, State
from controller.store.reader import Page, Reader
from controller.store.statements import chunks
from controller.store.tables import RECORDINGS
from controller.store.values import column_text, index_text

_ID = re.compile(r"(?:[A-Za-z]{2})?([0-9A-Fa-f]{32})")
_R = RECORDINGS.c
_NEWEST = (_R.requested_at.desc(), _R.id.desc())


def identity_in(text: str) -> str | None:
    """Return our id (uuid) that is in a vendor's: two letters and 32 hex digits, or a uuid; None of other text."""
    found = _ID.fullmatch(text.replace("-", ""))
    return None if found is None else str(uuid.UUID(found[1]))


def search(
    reader: Reader,
    *,
    limit: int,
    before: Page | None = None,
    account: str | None = None,
    dialect: str | None = None,
    states: Sequence[State] = (),
    text: str = "",
    since: float | None = None,
    until: float | None = None,
    deleted: bool = True,
) -> list[Recording]:
    """Return a page of recordings, newest first by when they were asked for; what is None or empty asks nothing.

    ``text`` is an id of a recording, of a call or of a leg, or a part of the caller's or called number. ``since``
    and ``until`` are included; ``deleted`` False leaves those out that are. ``before`` is (requested_at, id).
    """
    asked: list[ColumnElement[bool]] = []
    if dialect is not None:
        asked.append(_R.dialect == column_text(dialect))
    if states:
        asked.append(_R.state.in_(sorted(state.value for state in states)))
    if since is not None:
        asked.append(_R.requested_at >= since)
    if until is not None:
        asked.append(_R.requested_at <= until)
    if not deleted:
        asked.append(_R.deleted_at.is_(None))
    if before is not None:
        moment, identity = before
        asked.append(tuple_(_R.requested_at, _R.id) < tuple_(moment, column_text(identity)))
    found: set[tuple[float, str]] = set()
    for query in _queries(account, text.strip()):
        rows = reader.rows(query.where(*asked).order_by(*_NEWEST).limit(limit))
        found.update((row.requested_at, row.id) for row in rows)
    return in_order(reader, heapq.nlargest(limit, found))


def in_order(reader: Reader, places: Iterable[tuple[float, str]]) -> list[Recording]:
    """Return the recordings of these places (time, id) in their order, but for those that can't be read."""
    identities = [identity for _, identity in places]
    read = {one.id: one for ids in chunks(identities) for one in reader.recordings_by_id(ids)}
    return [read[identity] for identity in identities if identity in read]


def _queries(account: str | None, text: str) -> list[Select[tuple[float, str]]]:
    """Return what is to be asked: each is one walk, or look-up, along one index."""
    query = select(_R.requested_at, _R.id)
    own = query if account is None else query.where(_R.account == column_text(account))
    if not text:
        return [own]
    identity = identity_in(text)
    # A look-up walks the index of what is looked up: an expression of the account has none.
    looked_up = query if account is None else query.where(_R.account + "" == column_text(account))
    of_leg = looked_up.where(_R.leg == index_text(text))
    if identity is not None:
        return [looked_up.where(_R.id == identity), looked_up.where(_R.call == identity), of_leg]
    part = index_text(text)
    parts = or_(*(party.icontains(part, autoescape=True) for party in (_R.caller, _R.called)))
    return [of_leg, own.where(parts)]
