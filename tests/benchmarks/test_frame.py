"""The benchmarks' frame: what a row says as a table, as JSON and as a picture, and how they are asked for."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from benchmarks import __main__ as program
from benchmarks import catalogue, show
from benchmarks.row import OURS, Benchmark, Row, Scale, Side, Verdict

ROOT = Path(__file__).parent.parent.parent

ROW = Row(
    7,
    "finished recordings",
    "ms",
    (Side(OURS, (3.0, 1.0, 2.0), 0.5, 3 << 20), Side("yardstick <&>", (4.0,))),
    (Verdict("<= 1.3 x", "0.50 x", met=True), Verdict("p99 <= 2 x", "3.00 x", met=False)),
    "softswitch",
    ("a note",),
)


@pytest.mark.parametrize(
    ("samples", "median", "p99"),
    [((5.0,), 5.0, 5.0), ((3.0, 1.0, 2.0), 2.0, 3.0), (tuple(map(float, range(200))), 99.5, 198.0)],
)
def test_a_sides_figures(samples: tuple[float, ...], median: float, p99: float) -> None:
    """The median and the p99 are of all samples, in whatever order they came."""
    side = Side(OURS, samples)
    assert (side.median, side.p99) == (median, p99)


@pytest.mark.parametrize(("full", "least", "quick"), [(100, 1, 10), (5, 1, 1), (40, 5, 5)])
def test_a_quick_run_does_a_tenth(full: int, least: int, quick: int) -> None:
    """But never less than what is needed to see that it works."""
    assert (Scale().of(full, least), Scale(quick=True).of(full, least)) == (full, quick)


def test_the_table_says_all() -> None:
    """Sides, targets, what was seen, the switch and the notes are in it; an unmet target stands out."""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(show.table([ROW]))
    text = console.export_text()
    for word in (OURS, "yardstick <&>", "<= 1.3 x", "0.50 x", "NOT met", "softswitch", "a note"):
        assert word in text


def test_json_keeps_the_samples(tmp_path: Path) -> None:
    """Figures, samples, costs and targets, and the machine they were measured on."""
    show.write([ROW], tmp_path / "rows.json")
    found = json.loads((tmp_path / "rows.json").read_text())
    (row,) = found["rows"]
    assert set(found["machine"]) == {"processor", "cores", "system", "python", "date"}
    assert (row["number"], row["sides"][0]["samples"], row["sides"][0]["median"]) == (7, [3.0, 1.0, 2.0], 2.0)
    assert (row["sides"][0]["memory"], [one["met"] for one in row["verdicts"]]) == (3 << 20, [True, False])


def test_the_plot_shows_each_row(tmp_path: Path) -> None:
    """Well-formed SVG without a ground of its own, the same for the same rows; labels are text of no markup."""
    plot = pytest.importorskip("benchmarks.plot", reason="matplotlib is of the extra bench", exc_type=ImportError)
    drawn = []
    for name in ("one.svg", "two.svg"):
        plot.draw([ROW.as_json()] * 3, tmp_path / name)
        drawn.append((tmp_path / name).read_text())
    assert drawn[0] == drawn[1]
    root = ET.fromstring(drawn[0])  # noqa: S314 - our own
    panels = [one.get("id") or "" for one in root.iter() if (one.get("id") or "").startswith("axes_")]
    assert len(panels) == 3
    assert "fill: #ffffff" not in drawn[0]


def test_every_benchmark_can_be_asked_for() -> None:
    """Names are unique, so are the rows' numbers; an unknown name is refused and the known ones are told."""
    names = [one.name for one in catalogue.BENCHMARKS]
    numbers = [number for one in catalogue.BENCHMARKS for number in one.numbers]
    assert len(set(names)) == len(names)
    assert set(numbers) <= set(range(1, 11))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert all(name in done.stderr for name in ("nonsense", *names))


def test_one_that_fails_costs_no_other_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those behind it are measured and written; the exit says that not all was. A missed target is no failure."""

    async def breaks(_: Scale) -> list[Row]:
        raise RuntimeError("no switch today")

    async def goes(_: Scale) -> list[Row]:
        return [ROW]

    file = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--json", str(file)])
    for benchmarks, left in (((breaks, goes), 1), ((goes,), 0)):
        monkeypatch.setattr(program, "BENCHMARKS", [Benchmark(one.__name__, (7,), one) for one in benchmarks])
        assert program.main() == left
        assert len(json.loads(file.read_text())["rows"]) == 1
        said = capsys.readouterr().err
        assert ("no switch today" in said, "breaks was not measured" in said) == (bool(left), bool(left))
