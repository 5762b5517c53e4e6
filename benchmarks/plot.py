"""Rows as a picture, from their JSON: ``python -m benchmarks.plot JSON SVG``, or ``--plot`` of the benchmarks.

A small panel for each row: a bar a side at its median, a whisker to its p99 where it has one, and the row's targets
underneath with what was seen of them. Colours and lines are readable on a light page and on a dark one. matplotlib is
of the extra ``bench``; nothing else of fsrec needs it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, OTHER, INK = "#2a9d8f", "#8d99ae", "#7a808c"
MET, MISSED = "#2a9d8f", "#e76f51"
COLUMNS = 2


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw rows, as `Row.as_json` gives them, into an SVG file with no background of its own."""
    across = min(COLUMNS, len(rows))
    down = -(-len(rows) // across)
    settings: Any = {  # their names are a type of many
        "svg.hashsalt": "fsrec",
        "svg.fonttype": "none",  # text as text: half of the bytes, and it can be searched
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(5.6 * across, 2.5 * down), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False).flatten()
        for row, panel in zip(rows, panels, strict=False):
            _panel(row, panel)
        for panel in panels[len(rows) :]:
            panel.set_visible(False)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})


def _panel(row: dict[str, Any], panel: Axes) -> None:
    sides = row["sides"]
    places = range(len(sides))
    medians = [side["median"] for side in sides]
    panel.barh(places, medians, 0.62, color=[OURS if place == 0 else OTHER for place in places])
    for place, side in zip(places, sides, strict=True):
        if len(side["samples"]) > 1:
            panel.plot((side["median"], side["p99"]), (place, place), color=INK, linewidth=1.2, marker="|")
        panel.annotate(
            f" {_number(side['median'])}",
            (max(side["median"], side["p99"] if len(side["samples"]) > 1 else 0), place),
            va="center",
        )
    panel.set_yticks(places, [side["label"] for side in sides])
    panel.invert_yaxis()
    panel.margins(x=0.16)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_title(f"{row['number']}  {row['what']}" + (f", {row['switch']}" if row["switch"] else ""), loc="left")
    aims = [f"{one['target']}: {one['value']}{'' if one['met'] else ', not met'}" for one in row["verdicts"]]
    panel.set_xlabel("\n".join([row["unit"], *aims]), color=MET if all(v["met"] for v in row["verdicts"]) else MISSED)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def main() -> None:
    """Draw what a file of rows holds."""
    source, target = map(Path, sys.argv[1:3])
    draw(json.loads(source.read_text())["rows"], target)


if __name__ == "__main__":
    main()
