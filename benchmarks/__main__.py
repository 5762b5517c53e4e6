"""``python -m benchmarks [NAME …] [--quick] [--json FILE] [--plot FILE]``: every benchmark, or those named."""

from __future__ import annotations

import argparse
import asyncio
import sys
import traceback
from pathlib import Path

from benchmarks import show
from benchmarks.catalogue import BENCHMARKS
from benchmarks.row import Row, Scale


def main() -> int:
    """Measure, print, write; 0 when all of it was measured, whatever was seen; the table says which target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(one.name for one in BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: whether it works, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and samples there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the rows there, as SVG (the extra bench)")
    options = parser.parse_args()
    known = {one.name for one in BENCHMARKS}
    if unknown := set(options.names) - known:
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    rows: list[Row] = []
    broken: list[str] = []
    for benchmark in BENCHMARKS:
        if not options.names or benchmark.name in options.names:
            print(f"{benchmark.name} …", file=sys.stderr, flush=True)
            try:
                found = asyncio.run(benchmark.measure(Scale(quick=options.quick)))
            except Exception:  # the others are still worth their half an hour
                traceback.print_exc()
                broken.append(benchmark.name)
                continue
            show.show(found)
            rows += found
    if len(rows) > 1:
        show.show(sorted(rows, key=lambda row: row.number))
    if options.json is not None:
        show.write(rows, options.json)
    if options.plot is not None:
        from benchmarks import plot  # noqa: PLC0415 - matplotlib is only needed for this

        plot.draw([row.as_json() for row in rows], options.plot)
    for name in broken:
        print(f"{name} was not measured: its error is above", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
