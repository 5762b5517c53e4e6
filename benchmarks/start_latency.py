"""CHANNEL_PARK → RECORD_START: fsrec beside a raw client that does the same, call by call in turn, on one switch.

    python -m benchmarks.start_latency [calls]

By the switch's clock (Event-Date-Timestamp) and by the clock of a third client that only listens. The raw client
takes the leg over with the same commands (disarm, mark and lock, answer, record_session) from an idle connection, and
keeps nothing. A real FreeSWITCH where there is one (FSREC_FREESWITCH), else the softswitch; the table says which.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

from tests.harness.esl import EslClient, Event, Watch
from tests.harness.live import FreeSwitch, LiveSwitch
from tests.harness.receiver import Receiver
from tests.harness.soft import SoftSwitch
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
            seen = len(watch.all("CHANNEL_PARK"))
            event = await watch.wait(
                lambda e, seen=seen: e.get("Caller-Destination-Number") == RAW and e not in self._done, 3600
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


async def main(calls: int) -> None:
    server = FreeSwitch.find()
    if server is None:
        with tempfile.TemporaryDirectory() as place:
            async with SoftSwitch(Path(place)) as soft:
                show("softswitch", await measure(soft, calls))
        return
    server.start()
    try:
        async with LiveSwitch(server, f"latency-{uuid.uuid4().hex[:8]}") as live:
            show("FreeSWITCH", await measure(live, calls))
    finally:
        server.stop()


def show(name: str, taken: dict[str, list[tuple[float, float]]]) -> None:
    print(f"CHANNEL_PARK → RECORD_START on {name}, {len(taken[OURS])} calls each, ms")
    print(f"{'':12}{'switch p50':>12}{'switch p99':>12}{'heard p50':>12}{'heard p99':>12}")
    for label, side in (("fsrec", OURS), ("raw client", RAW)):
        row = []
        for clock in (0, 1):
            values = sorted(pair[clock] * 1000 for pair in taken[side])
            row += [statistics.median(values), values[min(len(values) - 1, int(len(values) * 0.99))]]
        print(f"{label:12}" + "".join(f"{value:12.1f}" for value in row))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 40))
