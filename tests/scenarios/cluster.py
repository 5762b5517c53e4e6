"""Two daemons on one PostgreSQL, and documents of each dialect that record and end by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import yaml

from controller.softswitch.script import Script, Tone
from tests.harness.audio import read_wav
from tests.harness.receiver import Receiver, Request
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Daemon, _free_port, record_call
from tests.scenarios.plivo import AUTH_ID, AUTH_TOKEN
from tests.scenarios.quick_daemon import LASTS, terms
from tests.scenarios.rest import accounts

TALK: Script = (Tone(300.0),)
DIALECTS = {"swml": "1001", "twiml": "1002", "plivo": "1003"}
BEGAN = {"swml": "recording", "twiml": "in-progress"}
"""What tells of a beginning; a `<Record>` of Plivo's tells only of its end."""
ENDED = {"swml": "finished", "twiml": "completed", "plivo": "RecordStop"}


def told(dialect: str, request: Request) -> str:
    """What a callback tells."""
    if dialect == "swml":
        return str(request.json["params"]["state"])
    return request.form["RecordingStatus" if dialect == "twiml" else "Event"]


def told_seconds(dialect: str, request: Request) -> float:
    """How long a recording is by the callback of its end."""
    if dialect == "swml":
        return float(request.json["params"]["duration"])
    if dialect == "twiml":
        return float(request.form["RecordingDuration"])
    return int(request.form["RecordingDurationMs"]) / 1000


def told_url(dialect: str, request: Request) -> str:
    if dialect == "swml":
        return str(request.json["params"]["url"])
    return request.form["RecordingUrl" if dialect == "twiml" else "RecordUrl"]


@dataclass
class Pair:
    """`one` and `other` share switch, database and documents; each has a data directory and port of its own.

    Recordings are fetched from the other, or from the first where that is `alone`.
    """

    switch: Switch
    receiver: Receiver
    url: str
    one: Daemon
    other: Daemon
    alone: bool = False

    def write(self, seconds: float) -> None:
        """Write documents that record for so long, then hang up; the vendors' own words for it."""
        directory, cb = self.one.directory, self.receiver.url
        (directory / "swml.yaml").write_text(
            yaml.safe_dump(
                {
                    "version": "1.0.0",
                    "sections": {
                        "main": [
                            record_call(self.receiver, "rec", "/swml"),
                            {"sleep": round(seconds * 1000)},
                            {"hangup": {"reason": "busy"}},
                        ]
                    },
                }
            )
        )
        (directory / "twiml.xml").write_text(
            f'<Response><Start><Recording trim="do-not-trim" recordingStatusCallback="{cb("/twiml")}"'
            ' recordingStatusCallbackEvent="in-progress completed absent"/></Start>'
            f'<Pause length="{round(seconds)}"/><Hangup/></Response>'
        )
        (directory / "plivo.xml").write_text(
            f'<Response><Record fileFormat="wav" callbackUrl="{cb("/plivo")}" action="{cb("/action")}"'
            f' maxLength="{round(seconds)}" timeout="{round(seconds) + 60}"/></Response>'
        )
        self.receiver.plan("/action", 200)
        documents = {"1001": "swml.yaml", "1002": "twiml.xml", "1003": "plivo.xml"}
        names = {"1001": "acme", "1002": "acme-twilio", "1003": "acme-plivo"}
        plivo = {"name": "acme-plivo", "vendor": "plivo", "auth_id": AUTH_ID, "auth_token": AUTH_TOKEN}
        routes = [
            {"destination": f"^{number}$", "account": names[number], "document": str(directory / document)}
            for number, document in documents.items()
        ]
        for daemon in (self.one, self.other):
            daemon.port = daemon.port or _free_port()
        for daemon in (self.one, self.other):
            daemon.changes = {
                "store": self.url,
                "accounts": [*accounts(), plivo],
                "routes": routes,
                "limits": {"min_free_disk": "1MiB", "calls": 5000},
                "http": {
                    "listen": f"127.0.0.1:{daemon.port}",
                    "public_url": f"http://127.0.0.1:{(self.one if self.alone else self.other).port}",
                },
            }

    async def calls(self, each: int = 1) -> list[tuple[str, Call]]:
        """Place calls to each dialect's document."""
        wanted = [dialect for dialect in DIALECTS for _ in range(each)]
        made = await asyncio.gather(*(self.switch.call(DIALECTS[dialect], TALK, timeout=60) for dialect in wanted))
        return list(zip(wanted, made, strict=True))

    def of(self, dialect: str, what: str) -> list[Request]:
        """The callbacks of a dialect that told so, repeats left out as a receiver does, by their id."""
        found = [request for request in self.receiver.to(f"/{dialect}") if told(dialect, request) == what]
        return list({request.header("webhook-id"): request for request in found}.values())

    async def began(self, each: int = 1) -> None:
        """Wait until as many recordings run as were asked for."""
        async with asyncio.timeout(60):
            while any(len(self.of(dialect, what)) < each for dialect, what in BEGAN.items()):
                await asyncio.sleep(0.05)
            while (await self.states()).count("recording") < each * len(DIALECTS):
                await asyncio.sleep(0.05)

    async def quiet(self, timeout: float = 60.0) -> None:
        """Wait until all that was to be told is known to be: a kill repeats what was told and not noted yet."""
        connection = await asyncpg.connect(self.url)
        try:
            async with asyncio.timeout(timeout):
                while await connection.fetchval("SELECT count(*) FROM deliveries WHERE state = 'pending'"):
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()

    async def ended(self, each: int = 1, timeout: float = 60.0) -> None:
        """Wait until all were told to their end."""
        async with asyncio.timeout(timeout):
            while any(len(self.of(dialect, what)) < each for dialect, what in ENDED.items()):
                await asyncio.sleep(0.05)

    async def true(self, directory: Path, each: int = 1) -> None:
        """Hold that each was told its beginning and end once, of what its file holds, and that no row is left."""
        for dialect, what in BEGAN.items():
            assert len(self.of(dialect, what)) == each, (dialect, what)
        async with aiohttp.ClientSession() as client:
            for dialect, what in ENDED.items():
                ends = self.of(dialect, what)
                assert len(ends) == each, (dialect, what)
                for number, end in enumerate(ends):
                    path = directory / f"{dialect}-{number}.wav"
                    url = told_url(dialect, end)
                    async with client.get(url if url.endswith(".wav") or dialect == "swml" else f"{url}.wav") as got:
                        assert got.status == 200, url
                        path.write_bytes(await got.read())
                    within = 0.002 if dialect != "twiml" else 1.0
                    assert abs(read_wav(path).seconds - told_seconds(dialect, end)) <= within
        assert set(await self.states()) == {"completed"}

    async def states(self) -> list[str]:
        """The states of all recordings, as the database has them."""
        connection = await asyncpg.connect(self.url)
        try:
            return [row["state"] for row in await connection.fetch("SELECT state FROM recordings")]
        finally:
            await connection.close()


async def readiness(daemon: Daemon) -> dict[str, Any]:
    """What /readyz says, {} where nobody answers."""
    with contextlib.suppress(aiohttp.ClientError, json.JSONDecodeError):
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{daemon.port}/readyz") as response,
        ):
            return dict(await response.json())
    return {}


async def until_ready(daemon: Daemon, *, serving: bool, timeout: float = 30.0) -> None:
    """Wait until a daemon serves the switch, or says that the other does."""
    async with asyncio.timeout(timeout):
        while True:
            said = await readiness(daemon)
            if said.get("status") == "ready" and ("held_elsewhere" not in said) == serving:
                return
            await asyncio.sleep(0.02)


async def until_unready(daemon: Daemon) -> None:
    """Wait until a daemon says that something is wrong."""
    async with asyncio.timeout(10):
        while (await readiness(daemon)).get("status") != "not ready":
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def paired(
    switch: Switch,
    receiver: Receiver,
    url: str,
    directory: Path,
    *,
    lasts: float = LASTS,
    seconds: float = 6.0,
    alone: bool = False,
) -> AsyncIterator[Pair]:
    """Two daemons that do not run yet: `spawn` or `start` them."""
    daemons = []
    for name in ("one", "other"):
        (directory / name).mkdir()
        daemon = Daemon(switch, directory / name, receiver, options={"terms": terms(lasts)})
        daemon.module, daemon.environment = "tests.scenarios.quick_daemon", {"FSREC_TEST_LEASE": str(lasts)}
        daemons.append(daemon)
    pair = Pair(switch, receiver, url, daemons[0], daemons[1], alone)
    pair.write(seconds)
    try:
        yield pair
    finally:
        for daemon in daemons:
            await daemon.close()
