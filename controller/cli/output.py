"""What a command shows: tables on a terminal, plain aligned text where it is piped, JSON where that is asked for.

Texts of callers and receivers are shown with what is not printable escaped, so that none moves the cursor, changes
colours or turns the line around; and as text alone, whatever markup they look like. Only a terminal cuts or folds.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]
SHORT_ID = 8
_GAP, _LEAST = 2, 6
"""Characters between columns, and those that a column keeps that gives way."""
STYLES: Mapping[str, str] = {
    **dict.fromkeys(("completed", "delivered", "serving", "ready", "done"), "green"),
    **dict.fromkeys(("recording", "reconciling", "running"), "cyan"),
    **dict.fromkeys(("failed", "dead", "away", "refused", "not ready"), "red"),
    **dict.fromkeys(("paused", "pending", "processing", "stopping", "degraded", "absent", "no_input"), "yellow"),
}
"""Of a state's word."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, and what it shows of a row. ``loose`` ones give way where a terminal is narrow."""

    title: str
    cell: Callable[[Row, bool], str]
    loose: bool = False
    right: bool = False


def safe(value: object) -> str:
    """Return text in which everything is printable: what is not is escaped, as Python would."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def is_terminal(stream: TextIO) -> bool:
    """Tell whether people look at a stream, on something that can show a table."""
    return stream.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def console(stream: TextIO) -> Console:
    """Return a terminal to write to; it keeps to NO_COLOR."""
    from rich.console import Console as Made  # where nobody looks it is not loaded

    return Made(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False)


def as_json(value: object) -> None:
    """Print a JSON document."""
    print(json.dumps(value, indent=2))


def in_line(value: object) -> str:
    """Return a JSON document as one line of several."""
    return json.dumps(value)


class Table:
    """Prints rows as they come, a page at a time."""

    def __init__(self, columns: Sequence[Column], *, lines: bool = False) -> None:
        self._columns = columns
        self._lines = lines
        self._terminal = not lines and is_terminal(sys.stdout)
        self._widths: list[int] = []

    def page(self, rows: Sequence[Row]) -> None:
        """Print some more."""
        if self._lines:
            for row in rows:
                print(in_line(row))
            sys.stdout.flush()
        elif self._terminal:
            self._table(rows)
        else:
            self._text(rows)

    def _text(self, rows: Sequence[Row]) -> None:
        cells = [[safe(column.cell(row, True)) or "-" for column in self._columns] for row in rows]
        if not self._widths:
            titles = [column.title for column in self._columns]
            self._widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
            cells.insert(0, titles)
        for line in cells:
            padded = [
                cell.rjust(width) if column.right else cell.ljust(width)
                for cell, width, column in zip(line, self._widths, self._columns, strict=True)
            ]
            print("  ".join(padded).rstrip())
        sys.stdout.flush()

    def _table(self, rows: Sequence[Row]) -> None:
        from rich.cells import cell_len, set_cell_size
        from rich.text import Text

        if not rows and self._widths:
            return
        terminal = console(sys.stdout)
        titles = [column.title for column in self._columns]
        for whole in (True, False):
            cells = [[safe(column.cell(row, whole)) for column in self._columns] for row in rows]
            natural = [max(map(cell_len, column)) for column in zip(titles, *cells, strict=True)]
            self._widths = fitted(natural, [column.loose for column in self._columns], terminal.width)
            if self._widths == natural:
                break
        for index, line in enumerate([titles, *cells]):
            shown = Text(no_wrap=True)
            for cell, width, column in zip(line, self._widths, self._columns, strict=True):
                if not width:
                    continue
                cut = cell if cell_len(cell) <= width else set_cell_size(cell, width - 1) + "…"
                space = " " * (width - cell_len(cut))
                padded = space + cut if column.right else cut + space
                shown.append(padded, "bold" if index == 0 else STYLES.get(cell, ""))
                shown.append(" " * _GAP)
            shown.rstrip()
            terminal.print(shown, overflow="ignore", crop=True)


def fitted(natural: Sequence[int], loose: Sequence[bool], room: int) -> list[int]:
    """Return the widths of columns on a terminal: the widest loose one gives way first; 0 leaves a column out.

    Where that is not enough, loose ones are left out, the last first.
    """
    widths = list(natural)

    def excess() -> int:
        shown = [width for width in widths if width]
        return sum(shown) + _GAP * (len(shown) - 1) - room

    while excess() > 0:
        widest = max((index for index, gives in enumerate(loose) if gives), key=lambda i: widths[i], default=-1)
        if widest >= 0 and widths[widest] > _LEAST:
            widths[widest] -= 1
            continue
        last = next((index for index in reversed(range(len(widths))) if loose[index] and widths[index]), None)
        if last is None:
            break
        widths[last] = 0
    return widths


def heading(text: str) -> None:
    """Print what the lines below are of."""
    if is_terminal(sys.stdout):
        from rich.text import Text

        console(sys.stdout).print(Text(f"\n{safe(text)}", style="bold"))
    else:
        print(f"\n{safe(text)}")


def fields(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values below one another; what has no value is left out."""
    given = [(name, safe(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in given), default=0)
    if not is_terminal(sys.stdout):
        for name, value in given:
            print(f"{name:<{width}}  {value}")
        return
    from rich.text import Text

    terminal = console(sys.stdout)
    for name, value in given:
        line = Text.assemble((f"{name:<{width}}  ", "dim"), (value, STYLES.get(value, "")))
        terminal.print(line, soft_wrap=True)


def lines(rows: Sequence[str], indent: str = "  ") -> None:
    """Print lines of text."""
    for row in rows:
        print(f"{indent}{safe(row)}".rstrip())


def identity(text: str, whole: bool) -> str:
    """Return an id, or where there is no room the beginning of it, which stands for it in every command."""
    return text if whole else text[:SHORT_ID]


def when(seconds: float | None) -> str:
    """Return a time: in UTC as ISO 8601 says it, to people in their zone's."""
    if seconds is None:
        return ""
    at = _date(seconds)
    if at is None:
        return f"{seconds:g}"
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if is_terminal(sys.stdout) else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def minute(seconds: float | None) -> str:
    """Return a time as ``when`` does; of one in a table for people its seconds are left out."""
    return when(seconds)[:-3] if seconds is not None and is_terminal(sys.stdout) else when(seconds)


def clock(seconds: float | None) -> str:
    """Return the time of a day with its milliseconds, for what happened one after another."""
    if seconds is None:
        return ""
    at = _date(seconds)
    if at is None:
        return f"{seconds:g}"
    at = at.astimezone() if is_terminal(sys.stdout) else at
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def _date(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def length(seconds: float | None) -> str:
    """Return how long something lasts, in a form that sorts: 0:07, 12:30, 1:02:03."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: int | None) -> str:
    """Return how large something is."""
    if count is None:
        return ""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def tell(text: str) -> None:
    """Say something to people, on standard error."""
    print(safe(text), file=sys.stderr, flush=True)
