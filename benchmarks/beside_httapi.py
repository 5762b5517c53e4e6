"""Row 10: a call whose document is fetched over HTTP, recorded for a second and told: fsrec beside mod_httapi.

mod_httapi is FreeSWITCH's own: an application that fetches a document, carries ``<record>`` out in the leg's thread
and posts the file. It keeps nothing, so what is compared is what a daemon beside the switch costs: event, commit,
command. Both record a second of the same kind of leg, one call at a time, rounds in turn; the documents come from,
and the callbacks go to, one receiver in the process that measures. A call comes at any moment of the switch's frames:
it begins recorders, and tells the time, on these alone. Neither document answers: there the dialplan has, here
``record`` does.

* start: CHANNEL_CREATE → RECORD_START by the switch's clock;
* told: RECORD_STOP by the switch's clock → the callback's (mod_httapi: the post's) arrival by the machine's;
* CPU: of the switch and the daemon, a call.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.row import OURS as LABEL
from benchmarks.row import Row, Scale, Side, Verdict
from benchmarks.stage import OURS, Stage, cpu_of, stage
from benchmarks.switches import QUIET, find
from tests.harness.freeswitch import REPOSITORY, FreeSwitch
from tests.harness.receiver import Answer
from tests.scenarios.daemon import swml

THEIRS = "3001"
ROUNDS = 5
CALLS = 12
"""Of a side in a round."""
FRAME = 20.0
"""Milliseconds of a media frame."""

CONFIGURATION = """
<configuration name="httapi.conf"><settings/><profiles><profile name="default">
  <permissions/><params><param name="gateway-url" value="http://127.0.0.1/"/></params>
</profile></profiles></configuration>
"""
DIALPLAN = """
<include>
  <context name="beside"><extension name="httapi"><condition>
    <action application="answer"/>
    <action application="httapi" data="{url=${bench_document}}"/>
  </condition></extension></context>
</include>
"""
RECORD = """<document type="xml/freeswitch-httapi"><work><record file="bench.wav" limit="1"/></work></document>"""
HANG_UP = """<document type="xml/freeswitch-httapi"><work><hangup/></work></document>"""


@dataclass(slots=True)
class Taken:
    """What a side's calls took: milliseconds, and processor seconds of all of them."""

    started: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    cpu: float = 0.0


def _server(place: Path) -> FreeSwitch | None:
    """A switch that can be told to load mod_httapi; None where none is ours to configure."""
    found = find()
    if found is None or found.binary is None:
        return found
    conf = place / "conf"
    shutil.copytree(REPOSITORY / "freeswitch-conf", conf)
    (conf / "autoload_configs" / "httapi.conf.xml").write_text(CONFIGURATION)
    (place / "beside.xml").write_text(DIALPLAN)
    settings = {
        **QUIET,
        "FSREC_DIALPLAN": str(REPOSITORY / "dialplans" / "fsrec.xml"),
        "FSREC_DIALPLAN_MORE": str(place / "beside.xml"),
    }
    return FreeSwitch(found.binary, settings=settings, conf=conf)


async def _call(here: Stage, side: str, taken: Taken) -> None:
    here.ears.legs.clear()
    here.receiver.requests.clear()
    await asyncio.sleep(random.uniform(0, FRAME) / 1000)
    if side == OURS:
        path = "/told"  # twice: that it records, that it has ended
        await here.call(OURS)
    else:
        path = "/httapi"  # twice: for the document, with the file
        here.receiver.plan("/httapi", *(Answer(body=text.encode(), headers=_XML) for text in (RECORD, HANG_UP)))
        await here.call(THEIRS, {"bench_document": here.receiver.url("/httapi")}, "beside")
    (leg,) = await here.ears.until("CHANNEL_HANGUP_COMPLETE", side, 1)
    heard = here.ears.legs[leg]
    told = (await here.receiver.wait(path, 2))[1]
    taken.started.append(heard.since("CHANNEL_CREATE", "RECORD_START") * 1000)
    taken.told.append((told.at - heard.times["RECORD_STOP"]) * 1000)
    await here.quiet()


_XML = {"Content-Type": "text/xml"}


def _spent(here: Stage, switch: int | None) -> float:
    return here.cpu(OURS) + (0.0 if switch is None else cpu_of(switch))


async def measure(place: Path, scale: Scale) -> tuple[str, dict[str, Taken]]:
    """Return the switch's name, and what each side took; ours alone where there is no mod_httapi."""
    server = _server(place)
    async with stage(server) as here:
        process = None if server is None or server.process is None else server.process.pid
        sides = [OURS]
        if process is not None and "+OK" in await here.ears.client.api("load mod_httapi"):
            sides.append(THEIRS)
        told = here.receiver.url("/told")
        record = {"record": {"max_length": 1, "beep": False, "format": "wav", "status_url": told}}
        here.receiver.plan("/document", Answer(body=swml(record, {"hangup": {}}).encode()))
        (route,) = here.daemon.raw()["routes"]
        here.daemon.changes["routes"] = [{**route, "document": here.receiver.url("/document")}]
        await here.daemon.spawn()
        for side in sides:  # the first calls load and compile, on either side
            await _call(here, side, Taken())
        taken = {side: Taken() for side in sides}
        for nth in range(len(sides) * (1 if scale.quick else ROUNDS)):
            side = sides[nth % len(sides)]
            before = _spent(here, process)
            for _ in range(scale.of(CALLS, 2)):
                await _call(here, side, taken[side])
            taken[side].cpu += _spent(here, process) - before
        return here.name, taken


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure in turn."""
    with tempfile.TemporaryDirectory(prefix="fsrec-bench-") as place:
        name, taken = await measure(Path(place), scale)
    labels = {OURS: LABEL, THEIRS: "mod_httapi"}
    started = tuple(Side(labels[side], tuple(one.started), one.cpu) for side, one in taken.items())
    told = tuple(Side(labels[side], tuple(one.told), one.cpu) for side, one in taken.items())
    start: tuple[Verdict, ...] = ()
    tell: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ("there is no mod_httapi to compare with",)
    if THEIRS in taken:
        later = started[0].median - started[1].median
        after = told[0].median - told[1].median
        ratio = taken[OURS].cpu / taken[THEIRS].cpu
        start = (Verdict("p50 within a frame", f"{later:+.1f} ms", later <= FRAME),)
        tell = (
            Verdict("p50 within 20 ms", f"{after:+.1f} ms", after <= FRAME),
            Verdict("CPU <= 1.5 x", f"{ratio:.2f} x", ratio <= 1.5),
        )
        notes = ()
    return (
        Row(10, "call to RECORD_START, document over HTTP", "ms by the switch's clock", started, start, name, notes),
        Row(10, "RECORD_STOP to callback, wav", "ms", told, tell, name, notes),
    )
