"""The whole daemon under test: in this process for most scenarios, as a process of its own where it must be killed.

What a scenario knows comes from the receiver's log, the API's answers and the files; the daemon's own word is only
asked where there is no other (that nothing is left unfinished in its store).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from controller.app import App
from controller.logs import secrets_of
from controller.settings import Settings, parse
from controller.switch.link import Timings
from controller.telemetry import Telemetry
from tests.harness.receiver import Receiver, Request
from tests.harness.switch import Switch
from tests.scenarios.logged import Log, clean

PROJECT = "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001"
SPACE = "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c002"
TOKEN = "api-token"
KEY = "PSK_signing"
QUICK = Timings(backoff_first=0.05, backoff_cap=0.5)
FINAL = ("finished", "no_input", "error")


def swml(*steps: dict[str, Any] | str) -> str:
    """A SWML document of one section."""
    return yaml.safe_dump({"version": "1.0.0", "sections": {"main": list(steps)}})


def late(switch: Switch) -> float:
    """Seconds by which things may happen later on a shared machine; the live suite has its own to itself."""
    return 0.0 if switch.abilities.sip else 2.0


def record_call(receiver: Receiver, control_id: str = "rec", path: str = "/status", **more: Any) -> dict[str, Any]:
    return {"record_call": {"control_id": control_id, "status_url": receiver.url(path), **more}}


@dataclass(slots=True)
class Callbacks:
    """A receiver's log, read as SWML recording callbacks.

    `once` leaves repeats out, as a receiver does by their id: a kill may come between a delivery and its record.
    """

    receiver: Receiver
    path: str = "/status"
    once: bool = False

    def params(self, control_id: str | None = None) -> list[dict[str, Any]]:
        """The params of every callback so far, of one recording or of all; see `once`."""
        requests = self.receiver.to(self.path)
        if self.once:
            requests = list({request.header("webhook-id"): request for request in reversed(requests)}.values())[::-1]
        seen = [request.json["params"] for request in requests]
        return [one for one in seen if control_id is None or one["control_id"] == control_id]

    def states(self, control_id: str = "rec") -> list[str]:
        return [params["state"] for params in self.params(control_id)]

    async def wait(self, state: str, control_id: str = "rec", timeout: float = 20.0) -> dict[str, Any]:
        """Wait for one recording's state; its params."""

        def fits(request: Request) -> bool:
            if request.path != self.path:
                return False
            params = request.json["params"]
            return bool(params["state"] == state and params["control_id"] == control_id)

        found = await self.receiver.wait(fits, timeout=timeout)
        return dict(found[0].json["params"])

    async def ends(self, count: int, timeout: float = 30.0) -> list[dict[str, Any]]:
        """Wait until `count` recordings have been told to their end; the params of these ends."""

        def fits(request: Request) -> bool:
            return request.path == self.path and request.json["params"]["state"] in FINAL

        return [dict(request.json["params"]) for request in await self.receiver.wait(fits, count, timeout)]


@dataclass(slots=True)
class Daemon:
    """A daemon's settings and what tests do with it; `start` and `stop` run it in this process.

    `changes` replace sections of the settings, `options` are further arguments of the App in this process. What it
    logs is looked through when it is closed, in each scenario: `log` is of the daemon in this process.
    """

    switch: Switch
    directory: Path
    receiver: Receiver
    changes: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    events: list[object] = field(default_factory=list)
    log: Log = field(default_factory=Log)
    app: App | None = None
    process: asyncio.subprocess.Process | None = None
    module: str = "controller.cli"
    environment: dict[str, str] = field(default_factory=dict)
    _stack: contextlib.AsyncExitStack | None = None
    port: int = 0

    @property
    def callbacks(self) -> Callbacks:
        return Callbacks(self.receiver)

    @property
    def document(self) -> Path:
        return self.directory / "document.swml.yaml"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def say(self, *steps: dict[str, Any] | str) -> None:
        """Write the document of destination 1001."""
        self.document.write_text(swml(*steps))

    def raw(self) -> dict[str, Any]:
        """The settings, as fsrec.yaml says them."""
        address = self.switch.address
        return {
            "switches": [
                {
                    "name": "fs1",
                    "host": address.host,
                    "port": address.port,
                    "password": address.password,
                    "switch_path": str(self.switch.recordings),
                    "local_path": str(self.switch.recordings),
                }
            ],
            "http": {"listen": f"127.0.0.1:{self.port}"},
            "data_dir": str(self.data),
            "accounts": [
                {
                    "name": "acme",
                    "vendor": "signalwire",
                    "project_id": PROJECT,
                    "space_id": SPACE,
                    "api_token": TOKEN,
                    "signing_key": KEY,
                }
            ],
            "routes": [{"destination": "^1001$", "account": "acme", "document": str(self.document)}],
            "webhooks": {"allow_networks": ["127.0.0.0/8"]},
            "limits": {"min_free_disk": "1MiB"},
            **self.changes,
        }

    def settings(self) -> Settings:
        return parse(yaml.safe_dump(self.raw()))

    # In this process

    async def start(self, *, ready: bool = True) -> None:
        telemetry = Telemetry()
        telemetry.subscribe(self.events.append)
        telemetry.subscribe(self.log.hook(self.settings()))
        self._stack = contextlib.AsyncExitStack()
        self.app = await self._stack.enter_async_context(
            App(self.settings(), telemetry, base=self.directory, timings=QUICK, **self.options).running()
        )
        if ready:
            await self.until(lambda: not self._app.problems() and not self._app.board.problems())

    async def stop(self) -> None:
        if self._stack is not None:
            stack, self._stack, self.app = self._stack, None, None
            await stack.aclose()

    @property
    def _app(self) -> App:
        assert self.app is not None, "not started"
        return self.app

    def problems(self) -> list[str]:
        """Why it is not ready."""
        return self._app.problems()

    def quiet(self) -> bool:
        """Whether no delivery is due any more."""
        with contextlib.closing(sqlite3.connect(self.data / "fsrec.db")) as store:
            (pending,) = store.execute("SELECT count(*) FROM deliveries WHERE state = 'pending'").fetchone()
            return bool(pending == 0)

    def seen(self, kind: type) -> list[Any]:
        """Telemetry of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, true: Callable[[], bool], timeout: float = 15.0) -> None:
        """Wait for a fact of the daemon's own."""
        async with asyncio.timeout(timeout):
            while not true():
                await asyncio.sleep(0.01)

    # As a process of its own

    async def spawn(self) -> None:
        """`fsrec run`; returns when it is ready."""
        if not self.port:
            self.port = _free_port()
        config = self.directory / "fsrec.yaml"
        config.write_text(yaml.safe_dump(self.raw()))
        with (self.directory / "daemon.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.module, "run", "--config", str(config)),
                stderr=log,
                stdout=log,
                env={**os.environ, **self.environment},
            )
        async with asyncio.timeout(30):
            while await self._readiness() != 200:
                assert self.process.returncode is None, (self.directory / "daemon.log").read_text()
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.process = None

    async def _readiness(self) -> int:
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as client, client.get(f"{self.url}/readyz") as response:
                return response.status
        return 0

    @property
    def url(self) -> str:
        return self.app.base_url if self.app is not None else f"http://127.0.0.1:{self.port}"

    # Both

    async def command(self, call: str, name: str, **params: Any) -> tuple[int, Any]:
        """`POST /api/calling/calls`; status and answer."""
        body = {"id": call, "command": name, "params": params}
        auth = base64.b64encode(f"{PROJECT}:{TOKEN}".encode()).decode()
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Basic {auth}"}) as client,
            client.post(f"{self.url}/api/calling/calls", json=body) as response,
        ):
            return response.status, await response.json()

    async def fetch(self, url: str, path: Path) -> int:
        """Download a recording into a file; the status."""
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            path.write_bytes(await response.read())
            return response.status

    def unfinished(self) -> list[str]:
        """Recordings in the store that are not final."""
        with contextlib.closing(sqlite3.connect(self.data / "fsrec.db")) as store:
            rows = store.execute(
                "SELECT id FROM recordings WHERE state NOT IN ('completed','no_input','absent','failed')"
            )
            return [row[0] for row in rows]

    async def close(self) -> None:
        await self.stop()
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
        self.log.check()
        with contextlib.suppress(FileNotFoundError):
            clean((self.directory / "daemon.log").read_bytes().decode(), secrets_of(self.settings()))


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest_asyncio.fixture
async def daemon(switch: Switch, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon that is not running yet, for a switch and a receiver that are."""
    made = Daemon(switch, tmp_path, receiver)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def callbacks(daemon: Daemon) -> Callbacks:
    return daemon.callbacks
