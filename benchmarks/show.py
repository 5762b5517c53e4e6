"""Rows as a table for people, as JSON, and as a picture (docs/performance.svg)."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.row import Row, Side

_MEBI = 1 << 20


def machine() -> dict[str, str]:
    """Return what the figures were measured on, without names or paths."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    return {
        "processor": model or platform.processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def table(rows: Sequence[Row]) -> Table:
    """Return the table: a line for each side, then what was aimed at."""
    shown = Table(title=", ".join(f"{value}" for value in machine().values()), title_justify="left")
    for name in ("#", "what", "side", "median", "p99", "CPU s", "memory MiB", "target", "seen", ""):
        shown.add_column(name, justify="right" if name in {"#", "median", "p99", "CPU s", "memory MiB"} else "left")
    for row in rows:
        lines = max(len(row.sides), len(row.verdicts))
        for line in range(lines):
            side = row.sides[line] if line < len(row.sides) else None
            verdict = row.verdicts[line] if line < len(row.verdicts) else None
            what = f"{row.what} ({row.unit})" if line == 0 else row.switch if line == 1 else ""
            shown.add_row(
                str(row.number) if line == 0 else "",
                what,
                *_figures(side),
                *(
                    ("", "", "")
                    if verdict is None
                    else (verdict.target, verdict.value, "met" if verdict.met else "NOT met")
                ),
            )
        for note in row.notes:
            shown.add_row("", f"[dim]{note}[/dim]", *[""] * 8)
        shown.add_section()
    return shown


def _figures(side: Side | None) -> tuple[str, ...]:
    if side is None:
        return "", "", "", "", ""
    return (
        side.label,
        _number(side.median),
        _number(side.p99) if len(side.samples) > 1 else "",
        "" if side.cpu is None else _number(side.cpu),
        "" if side.memory is None else _number(side.memory / _MEBI),
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as JSON."""
    found = {"machine": machine(), "rows": [row.as_json() for row in rows]}
    path.write_text(json.dumps(found, indent=1) + "\n")


def show(rows: Sequence[Row]) -> None:
    """Print the table; wide enough for a file, too."""
    Console(width=None if os.isatty(1) else 200).print(table(rows))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
