"""A store's rows a million times over: what the daemon wrote of a few recordings, with other ids, times and numbers.

So the rows are as wide, and as many, as those of real recordings: call, recording, history, notices, deliveries,
attempts. Every id (uuid) of a template becomes another one for each copy, wherever it stands; every Unix time near
the template's is moved with it; its caller becomes one of ``CALLERS``.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

CALLER = "15551239876"
"""The caller of every recording that is to be copied."""
CALLERS = 10_000

ROWS = {  # the tables in the order in which they refer to each other, and whose rows are of a recording
    "calls": "id = :call",
    "recordings": "id = :id",
    "history": "recording = :id",
    "notices": "recording = :id",
    "deliveries": "subject IN (:id, :call)",
    "attempts": "delivery IN (SELECT id FROM deliveries WHERE subject IN (:id, :call))",
}
_COUNTED = {"attempts": "id"}  # the database counts that key
_TOKEN = re.compile(
    rf"(?P<caller>{CALLER})"
    r"|(?<![0-9a-f])(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f-])"
    r"|(?<![\d.])(?P<time>1\d{9}(?:\.\d+)?)(?![\d.])"
)
_NEAR = 600.0  # seconds from its request on in which all of a template happened


@dataclass(slots=True)
class Values:
    """The values that a template's copies differ in, each by its place; first the caller."""

    began: float
    kept: frozenset[str]
    uuids: dict[str, int] = field(default_factory=dict)
    times: dict[float, int] = field(default_factory=dict)

    def place(self, found: re.Match[str]) -> tuple[str, float] | None:
        """Return what a token is, or None for one that stays."""
        if found["caller"]:
            return "caller", 0.0
        if found["uuid"]:
            plain = found["uuid"].replace("-", "")
            if plain in self.kept:
                return None
            number = self.uuids.setdefault(plain, len(self.uuids))
            return ("dashed" if "-" in found["uuid"] else "plain"), number
        offset = round(float(found["time"]) - self.began, 6)
        return ("time", self.times.setdefault(offset, len(self.times))) if abs(offset) < _NEAR else None

    def index(self, kind: str, number: float) -> int:
        """Return where the values of a copy have it."""
        ids = len(self.uuids)
        return int({"caller": 0, "dashed": 1, "plain": 1 + ids, "time": 1 + 2 * ids}[kind] + number)

    def of(self, at: float, chance: random.Random) -> list[str]:
        """Return those of a copy that was asked for at a time."""
        drawn = chance.randbytes(16 * len(self.uuids)).hex()
        plain = [drawn[start : start + 32] for start in range(0, len(drawn), 32)]
        dashed = [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in plain]
        times = [f"{at + offset:.6f}" for offset in self.times]
        return [str(15_550_000_000 + chance.randrange(CALLERS)), *dashed, *plain, *times]


Slot = tuple[int, str, Any, type]
"""A column's place, its text with %s for what differs, what picks that of the values, and the column's type."""


@dataclass(frozen=True, slots=True)
class Template:
    """One recording's rows: (table, its columns as they are, those that differ)."""

    values: Values
    rows: Sequence[tuple[str, tuple[Any, ...], tuple[Slot, ...]]]

    def copy(self, at: float, chance: random.Random) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the rows of another one that was asked for at a time (Unix seconds)."""
        values = self.values.of(at, chance)
        for table, columns, slots in self.rows:
            row = list(columns)
            for place, text, pick, kind in slots:
                written = text % pick(values)
                row[place] = (
                    written if kind is str else float(written) if kind is float else written.encode("latin-1")
                )
            yield table, tuple(row)


@dataclass(frozen=True, slots=True)
class Templates:
    """What is to be copied, and which columns of which table its rows have."""

    columns: dict[str, tuple[str, ...]]
    found: tuple[Template, ...]
    texts: tuple[tuple[Any, ...], ...]

    def copies(self, count: int, until: float, spread: float, seed: int = 8) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the rows of ``count`` recordings, oldest first, over the ``spread`` seconds before ``until``."""
        chance = random.Random(seed)
        step = spread / count
        for number in range(count):
            yield from self.found[number % len(self.found)].copy(until - spread + number * step, chance)


def read(path: Path, kept: Collection[str]) -> Templates:
    """Return the finished recordings of a daemon's SQLite store; ``kept`` are uuids that are the settings' own."""
    store = sqlite3.connect(path)
    store.row_factory = sqlite3.Row
    columns = {}
    for table in ("texts", *ROWS):
        names = [row["name"] for row in store.execute(f"PRAGMA table_info({table})")]
        columns[table] = tuple(name for name in names if name != _COUNTED.get(table))
    found = []
    for one in store.execute('SELECT id, "call", requested_at FROM recordings ORDER BY requested_at').fetchall():
        values = Values(one["requested_at"], frozenset(each.replace("-", "") for each in kept))
        rows: list[tuple[str, tuple[Any, ...], list[tuple[int, str, list[tuple[str, float]], type]]]] = []
        for table, which in ROWS.items():
            wanted = ", ".join(f'"{name}"' for name in columns[table])
            query = f"SELECT {wanted} FROM {table} WHERE {which}"
            rows += [(table, tuple(row), _slots(row, values)) for row in store.execute(query, dict(one))]
        bound = [(table, row, tuple(_bound(slot, values) for slot in slots)) for table, row, slots in rows]
        found.append(Template(values, bound))
    texts = tuple(tuple(row) for row in store.execute("SELECT id, data FROM texts"))
    store.close()
    return Templates(columns, tuple(found), texts)


def _slots(row: Sequence[Any], values: Values) -> list[tuple[int, str, list[tuple[str, float]], type]]:
    slots = []
    for place, value in enumerate(row):
        if isinstance(value, str | bytes | float):
            written = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            picked: list[tuple[str, float]] = []
            text, end = "", 0
            for token in _TOKEN.finditer(written):
                known = values.place(token)
                if known is not None:
                    picked.append(known)
                    text += written[end : token.start()].replace("%", "%%") + "%s"
                    end = token.end()
            if picked:
                slots.append((place, text + written[end:].replace("%", "%%"), picked, type(value)))
    return slots


def _bound(slot: tuple[int, str, list[tuple[str, float]], type], values: Values) -> Slot:
    place, text, picked, kind = slot
    return place, text, itemgetter(*(values.index(*one) for one in picked)), kind
