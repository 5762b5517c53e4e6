"""CHANNEL_PARK → RECORD_START: fsrec beside a raw client that does the same, call by call in turn, on one switch.

By the switch's clock (Event-Date-Timestamp) and by the clock of a third client that only listens. The raw client
takes the leg over with the same commands (disarm, mark and lock, answer, record_session) from an idle connection, and
keeps nothing. A real FreeSWITCH where there is one (FSREC_FREESWITCH), else the softswitch; the table says which.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from benchmarks.row import OURS as LABEL
from benchmarks.row import Row, Scale, Side, Verdict
from benchmarks.switches import a_switch
from tests.harness.esl import EslClient, Event, Watch
from tests.harness.receiver import Receiver
from tests.harness.switch import Switch
from tests.scenarios.daemon import Daemon, record_call

RAW = "2001"
OURS = "1001"


class RawClient:
    """What a hand-written controller would do at least, with nothing kept."""

    def __init__(self, client: EslClient, recordings: Path) -> None:
        self._client = client
        self._recordings = recordings

    async def serve(self, watch: Watch) -> None:
        while True:
            event = await watch.wait(
                lambda event: event.get("Caller-Destination-Number") == RAW and event not in self._done, 3600
            )
            self._done.append(event)
            leg = event["Unique-ID"]
            variables = "{RECORD_PRE_BUFFER_FRAMES=0,enable_file_write_buffering=8192,RECORD_MIN_SEC=0}"
            path = self._recordings / f"{uuid.uuid4()}.wav"
            await asyncio.gather(
                self._client.api(f"sched_del {leg}"),
                self._client.api(f"uuid_setvar_multi {leg} app_disable_expand_variables=true;raw=1"),
                self._client.execute(leg, "answer"),
                self._client.execute(leg, "record_session", f"{path} +86400 {variables}"),
            )

    _done: list[Event] = []  # noqa: RUF012 - one raw client a run


async def measure(switch: Switch, calls: int) -> dict[str, list[tuple[float, float]]]:
    """Return for each side (seconds by the switch's clock, seconds as heard), a pair a call."""
    taken: dict[str, list[tuple[float, float]]] = {OURS: [], RAW: []}
    with tempfile.TemporaryDirectory() as place:
        async with Receiver() as receiver:
            daemon = Daemon(switch, Path(place), receiver)
            daemon.say(record_call(receiver), {"sleep": -1})
            await daemon.start()
            raw = await EslClient.connect(switch.direct, "CHANNEL_PARK")
            ears = await EslClient.connect(switch.direct, "CHANNEL_PARK", "RECORD_START")
            with raw.watch() as parks:
                serving = asyncio.create_task(RawClient(raw, switch.recordings).serve(parks))
                for number in range(2 * calls):
                    side = (OURS, RAW)[number % 2]
                    heard: list[float] = []
                    with ears.watch() as watch:
                        call = await switch.call(side)
                        park = await watch.named("CHANNEL_PARK", call.leg)
                        heard.append(time.monotonic())
                        start = await watch.named("RECORD_START", call.leg)
                        heard.append(time.monotonic())
                    stamps = [int(event["Event-Date-Timestamp"]) / 1e6 for event in (park, start)]
                    taken[side].append((stamps[1] - stamps[0], heard[1] - heard[0]))
                    await call.hangup()
                    await call.ended()
                serving.cancel()
            await raw.close()
            await ears.close()
            await daemon.close()
    return taken


async def rows(scale: Scale) -> Sequence[Row]:
    """Measure, one call at a time."""
    async with a_switch() as (name, switch):
        taken = await measure(switch, scale.of(40, 5))
    sides = tuple(
        Side(label, tuple(pair[0] * 1000 for pair in taken[side]))
        for label, side in ((LABEL, OURS), ("raw client", RAW))
    )
    ours, raw = sides
    verdicts = (
        Verdict("p50 <= 1.2 x", f"{ours.median / raw.median:.2f} x", ours.median <= 1.2 * raw.median),
        Verdict("p99 <= 2 x", f"{ours.p99 / raw.p99:.2f} x", ours.p99 <= 2 * raw.p99),
    )
    return (Row(3, "CHANNEL_PARK to RECORD_START, 1 call/s", "ms by the switch's clock", sides, verdicts, name),)
