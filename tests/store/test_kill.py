"""What was acknowledged survives a kill."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial

from controller.store import Reader, open_store

WRITER = """
import asyncio, sys
from controller.store import StoreLedger, open_store
from controller.store.calls import StoreCalls
from tests.store.values import call, delivery, notice, recording

async def main(path):
    store = await open_store(path)
    ledger = StoreLedger(store, lambda of: (delivery(),), lambda: None, lambda event: None)
    calls = StoreCalls(store, lambda: None)
    async def forever():
        runs = call()
        while True:
            made = recording(call=runs.id)
            await ledger.commit([made], [notice(made)], along=calls.along(runs, (delivery(id="said " + made.id),)))
            print(made.id, flush=True)
    await asyncio.gather(*(forever() for _ in range(20)))

asyncio.run(main(sys.argv[1]))
"""


async def test_everything_acknowledged_is_there_after_a_kill(place: str) -> None:
    """A process is killed while it writes: each recording that it was told is stored is there, with its delivery.

    So is what was told of its call, in the order in which that was acknowledged.
    """
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, place, stdout=asyncio.subprocess.PIPE)
    assert writer.stdout is not None
    acknowledged: list[str] = []
    async with asyncio.timeout(30):
        while len(acknowledged) < 500:
            acknowledged.append((await writer.stdout.readline()).decode().strip())
        writer.send_signal(signal.SIGKILL)
        # The pipe may end in the middle of a line.
        acknowledged += [
            line.strip() for line in (await writer.stdout.read()).decode().splitlines(True) if "\n" in line
        ]
        await writer.wait()
    store = await open_store(place)
    told: dict[str, int] = {}
    for identity in acknowledged:
        assert await store.read(partial(Reader.recording, identity=identity)) is not None
        assert len(await store.read(partial(Reader.deliveries_of, subject=identity))) == 1
        row = await store.read(partial(Reader.delivery, identity=f"said {identity}"))
        assert row is not None
        assert row.sequence > told.get(row.subject, 0)
        told[row.subject] = row.sequence
    await store.close()
