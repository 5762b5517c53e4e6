"""Too much of everything (`make faults`): what is given up, what is lost (nothing), and what it costs in memory.

    python -m tests.faults.overload [burst|silent|stall|halt|http|events …] [--stall SECONDS]

A daemon as a process of its own on the embedded softswitch. Each part prints one line with the daemon's greatest
resident size, and fails where a caller is left in silence, a recording or callback is missing, or memory grows past a
bound that has a reason, told beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from controller.recordings.model import Delivery, NoticeKind, State, new_id
from controller.softswitch.script import Tone
from controller.store import Transaction, open_store
from tests.harness.postgres import PostgresServer
from tests.harness.receiver import Answer, Receiver
from tests.harness.soft import SoftCall, SoftSwitch
from tests.scenarios.daemon import Daemon, record_call
from tests.scenarios.test_refusals import locked
from tests.store.values import notice, recording

MIB = 1 << 20
TALK = (Tone(3600.0),)
FOREVER = {"sleep": -1}


class World:
    """A daemon's process, its switch and its receiver."""

    def __init__(self, directory: Path, switch: SoftSwitch, receiver: Receiver) -> None:
        self.switch = switch
        self.receiver = receiver
        self.daemon = Daemon(switch, directory, receiver)
        self.calls: list[SoftCall] = []

    def memory(self, which: str = "VmHWM") -> int:
        """Bytes that the daemon has resident, at most so far (VmHWM) or now (VmRSS)."""
        assert self.daemon.process is not None
        status = Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(which)).split()[1]) * 1024

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with aiohttp.ClientSession() as client, client.get(f"{self.daemon.url}/readyz") as response:
            return response.status, await response.json()

    async def until(self, true: Callable[[], Awaitable[bool]] | Callable[[], bool], timeout: float = 120.0) -> None:
        async with asyncio.timeout(timeout):
            while True:
                found = true()
                if found if isinstance(found, bool) else await found:
                    return
                await asyncio.sleep(0.05)

    async def recovered(self) -> None:
        """Wait until it is ready again, by itself."""

        async def fine() -> bool:
            status, answer = await self.ready()
            return status == 200 and not answer["degraded"]

        await self.until(fine)

    def causes(self) -> Counter[str]:
        return Counter(call.inner.hangup_cause for call in self.calls if call.inner.gone)

    def states(self) -> dict[str, list[str]]:
        """What was told of each recording, in order."""
        told: dict[str, list[str]] = {}
        for request in self.receiver.to("/status"):
            params = request.json["params"]
            told.setdefault(params["recording_id"], []).append(params["state"])
        return told

    async def all_end(self) -> int:
        """Hang everybody up; every recording that began is told to its end, nothing is unfinished. Their number."""
        await asyncio.gather(*(call.hangup() for call in self.calls if not call.inner.gone))
        await self.until(lambda: self.daemon.unfinished() == [])
        await self.until(lambda: self.daemon.quiet() or all(one[-1] == "finished" for one in self.states().values()))
        await self.until(lambda: all(one[-1] in {"finished", "error"} for one in self.states().values()))
        return len(self.states())


@contextlib.asynccontextmanager
async def world(**changes: Any) -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="fsrec-overload-") as name:
        directory = Path(name)
        async with SoftSwitch(directory / "recordings") as switch, Receiver() as receiver:
            made = World(directory, switch, receiver)
            made.daemon.changes.update(changes)
            try:
                yield made
            finally:
                await made.daemon.close()


async def burst() -> str:
    """5,000 calls at once for 300 places: 300 are served, every other hears its cause; none is left in silence."""
    places, arrive = 300, 5000
    async with world(limits={"calls": places, "min_free_disk": "1MiB"}) as here:
        here.daemon.say({"answer": {}}, FOREVER)
        await here.daemon.spawn()
        before = here.memory("VmRSS")
        here.calls = [SoftCall(await here.switch.inner.call("1001", ())) for _ in range(arrive)]
        await here.until(lambda: sum(here.causes().values()) >= arrive - places)
        status, answer = await here.ready()
        assert status == 503, answer
        assert here.causes() == {"SWITCH_CONGESTION": arrive - places}, here.causes()
        await here.until(lambda: sum(call.inner.answered for call in here.calls) == places)
        grown = here.memory() - before
        # A call is 20 to 40 kB; a parked leg that waits in the queue 5 kB: 300 and 5,000 of them, and room for both.
        assert grown < 120 * MIB, grown
        await here.all_end()
        await here.recovered()
        return f"{arrive} calls for {places} places: {arrive - places} turned away, {grown / MIB:.0f} MiB more"


async def silent() -> str:
    """10,000 callbacks due at a receiver that never answers: others' go out, and memory does not hold them."""
    due = 10_000
    async with world() as here:
        here.receiver.plan("/silent", Answer(hang=True))
        async with Receiver() as dead:
            dead.plan("/silent", Answer(hang=True))
            store = await open_store(here.daemon.data / "fsrec.db")

            def fill(transaction: Transaction) -> None:
                for _ in range(500):
                    made = recording(state=State.COMPLETED, finished_at=time.time())
                    transaction.save_recording(made)
                    body = b'{"filler": "' + b"x" * 2000 + b'"}'
                    told = Delivery(new_id(), "acme", "swml", "POST", dead.url("/silent"), (), body)
                    transaction.add_notice(notice(made, 1, NoticeKind.COMPLETED), [told])

            for _ in range(due // 500):
                await store.write(fill)
            await store.close()
            here.daemon.say(record_call(here.receiver), {"sleep": 200}, {"hangup": {}})
            await here.daemon.spawn()
            before = here.memory("VmRSS")
            await dead.wait("/silent", 5, timeout=30)
            began = time.monotonic()
            here.calls = [await here.switch.call(script=TALK) for _ in range(50)]
            await here.until(lambda: sum(one[-1] == "finished" for one in here.states().values()) == 50)
            took = time.monotonic() - began
            grown = here.memory() - before
            # 800 rows of 4 kB, 20 connections; and what 50 calls cost.
            assert grown < 60 * MIB, grown
            status, answer = await here.ready()
            assert status == 200, answer
    return (
        f"{due} callbacks due at a silent receiver: 50 others' were told in {took:.1f} s, {grown / MIB:.0f} MiB more"
    )


async def stall(seconds: float) -> str:
    """The store's lock is held while calls go on arriving: whoever is served is served truly, others hear a cause."""
    async with world() as here:
        here.daemon.say(record_call(here.receiver), FOREVER)
        await here.daemon.spawn()
        before = here.memory("VmRSS")
        here.calls = [await here.switch.call(script=TALK) for _ in range(50)]
        await here.until(lambda: len(here.states()) == 50)
        statuses: Counter[int] = Counter()
        async with locked(here.daemon):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                here.calls.append(SoftCall(await here.switch.inner.call("1001", TALK)))
                if len(here.calls) % 10 == 0:
                    statuses[(await here.ready())[0]] += 1
                    for call in [call for call in here.calls if not call.inner.gone][:1]:
                        await call.hangup()
                await asyncio.sleep(0.05)
        await here.recovered()
        causes = here.causes()
        assert set(causes) <= {"NORMAL_CLEARING", "NORMAL_TEMPORARY_FAILURE", "SWITCH_CONGESTION"}, causes
        # Whoever is neither hung up nor turned away is served: nobody waits in silence.
        alive = [call for call in here.calls if not call.inner.gone]
        await here.until(lambda: all(call.inner.answered or call.inner.gone for call in alive))
        grown = here.memory() - before
        assert grown < 120 * MIB, grown  # as many calls as arrived in ten seconds, at 40 kB, and their waiting rows
        told = await here.all_end()
        return (
            f"a store stalled {seconds:g} s: {len(here.calls)} calls came, {dict(causes)}, {told} recordings told "
            f"to their end, /readyz {dict(statuses)}, {grown / MIB:.0f} MiB more"
        )


async def halt(seconds: float) -> str:
    """PostgreSQL is halted while calls come and clients ask and go: a lease may be lost, no recording is."""
    server = PostgresServer.find(durable=True)
    assert server is not None, "no PostgreSQL to be had"
    try:
        await asyncio.to_thread(server.start)
        return await _halted(server, seconds, await asyncio.to_thread(server.create))
    finally:
        await asyncio.to_thread(server.remove)


async def _halted(server: PostgresServer, seconds: float, name: str) -> str:
    async with world(store=server.url(name)) as here:
        here.daemon.say(record_call(here.receiver), FOREVER)
        await here.daemon.spawn()
        before = here.memory("VmRSS")
        here.calls = [await here.switch.call(script=TALK) for _ in range(50)]
        await here.until(lambda: len(here.states()) == 50)
        url = f"{here.daemon.url}/api/v1/recordings/{next(iter(here.states()))}/download"
        over, statuses = asyncio.Event(), Counter[int]()

        async def impatient() -> None:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(1)) as session:
                while not over.is_set():
                    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                        async with session.get(url) as response:
                            await response.read()
                    await asyncio.sleep(0.01)

        with server.halted():
            clients = [asyncio.create_task(impatient()) for _ in range(200)]
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                here.calls.append(SoftCall(await here.switch.inner.call("1001", TALK)))
                if len(here.calls) % 10 == 0:
                    statuses[(await here.ready())[0]] += 1
                    for call in [call for call in here.calls if not call.inner.gone][:1]:
                        await call.hangup()
                await asyncio.sleep(0.1)
        over.set()
        await asyncio.gather(*clients)
        await here.recovered()
        alive = [call for call in here.calls if not call.inner.gone]
        await here.until(lambda: all(call.inner.answered or call.inner.gone for call in alive))
        recording = len(alive) + sum(call.inner.gone for call in here.calls[:50])
        await here.until(lambda: len(here.states()) >= recording)
        await asyncio.gather(*(call.hangup() for call in alive))
        await here.until(lambda: all(one[-1] == "finished" for one in here.states().values()))
        left = (
            "SELECT (SELECT count(*) FROM recordings WHERE unfinished_on IS NOT NULL) + (SELECT count(*) FROM calls"
        )
        connection = await asyncpg.connect(server.url(name))
        try:
            async with asyncio.timeout(60):
                while await connection.fetchval(f"{left} WHERE live_on IS NOT NULL)"):
                    await asyncio.sleep(0.1)
        finally:
            await connection.close()
        grown = here.memory() - before
        # Two thousand requests that wait, 9 kB each, a thousand calls of 40 kB; three connections more than before.
        assert grown < 120 * MIB, grown
        return (
            f"PostgreSQL halted {seconds:g} s: {len(here.calls)} calls came, {dict(here.causes())}, "
            f"{len(here.states())} recordings told to their end, /readyz {dict(statuses)}, {grown / MIB:.0f} MiB more"
        )


async def http() -> str:
    """Two thousand clients who ask and ask: connections are bounded, a call is recorded and told meanwhile."""
    async with world() as here:
        here.daemon.say(record_call(here.receiver), {"sleep": 500}, {"hangup": {}})
        await here.daemon.spawn()
        before = here.memory("VmRSS")
        url = f"{here.daemon.url}/2010-04-01/Accounts/x/Recordings.json"
        over, answers = asyncio.Event(), Counter[str]()

        async def client() -> None:
            connector = aiohttp.TCPConnector(limit=1)
            async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(20)) as session:
                while not over.is_set():
                    try:
                        async with session.get(url) as response:
                            await response.read()
                            answers[str(response.status)] += 1
                    except (aiohttp.ClientError, TimeoutError, OSError):
                        answers["closed"] += 1
                        await asyncio.sleep(0.1)

        flood = [asyncio.create_task(client()) for _ in range(2000)]
        await asyncio.sleep(2.0)
        here.calls = [await here.switch.call(script=TALK, timeout=60.0) for _ in range(10)]
        await here.until(lambda: sum(one[-1] == "finished" for one in here.states().values()) == 10)
        over.set()
        await asyncio.gather(*flood)
        grown = here.memory() - before
        assert "500" not in answers, answers
        assert grown < 150 * MIB, grown  # a thousand connections of 64 kB and what their requests hold
        await here.recovered()
        return f"2,000 clients: {dict(answers)}; 10 calls recorded meanwhile, {grown / MIB:.0f} MiB more"


async def events() -> str:
    """A switch that floods: a hundred thousand events as fast as it makes them; calls are recorded and told."""
    flood = 100_000
    async with world() as here:
        here.daemon.say(record_call(here.receiver), FOREVER)
        await here.daemon.spawn()
        here.calls = [await here.switch.call(script=TALK) for _ in range(20)]
        await here.until(lambda: len(here.states()) == 20)
        before = here.memory("VmRSS")
        began = time.monotonic()
        for made in range(flood):
            here.calls[made % 20].inner.fire("CHANNEL_UNHOLD")
            if made % 500 == 0:
                await asyncio.sleep(0)
        told = await here.all_end()
        grown = here.memory() - before
        assert grown < 200 * MIB, grown  # the marks of the wire: 50,000 events or 128 MiB, and what reads them
        assert told == 20
        await here.recovered()
        log = (here.daemon.directory / "daemon.log").read_text()
        held = log.count('"reading.held"')
        return (
            f"{flood} events: taken in {time.monotonic() - began:.1f} s, reading held or let go {held} times, "
            f"20 recordings told, {grown / MIB:.0f} MiB more"
        )


async def main() -> int:
    """Run what is asked for; the number of parts that failed."""
    parts: dict[str, Callable[[], Awaitable[str]]] = {
        "burst": burst, "silent": silent, "stall": lambda: stall(options.stall),
        "halt": lambda: halt(options.stall), "http": http, "events": events,
    }  # fmt: skip
    parser = argparse.ArgumentParser(prog="python -m tests.faults.overload", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="all by default")
    parser.add_argument("--stall", type=float, default=5.0, metavar="SECONDS", help="how long the store stalls")
    options = parser.parse_args()
    failed = 0
    if unknown := set(options.parts) - set(parts):
        parser.error(f"{', '.join(unknown)}: the parts are {', '.join(parts)}")
    for name in options.parts or parts:
        began = time.monotonic()
        try:
            async with asyncio.timeout(options.stall + 300):
                said = await parts[name]()
        except (AssertionError, TimeoutError) as error:
            failed += 1
            said = f"FAILED: {type(error).__name__}: {error}"
        print(f"{name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)  # noqa: T201 # what it is for
    return failed


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
