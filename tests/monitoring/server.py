"""A Prometheus of the test's own (Debian's): a process on a free port of loopback, with storage of its own.

Its configuration and rules are those of monitoring/, hurried: scraped each second, evaluated twice, each ``for`` a
thirtieth of what it is. No expression is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.harness.prometheus import program
from tests.monitoring.files import MONITORING, RULES, seconds

HURRIED = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"}
HURRY = 30
"""With this one scrape that times out on a busy machine is not yet a daemon that is down, as with the real ones."""


def hurried(directory: Path, target: str) -> Path:
    """The configuration, its one target another, and the rules beside it; the path of the former."""
    configuration = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    configuration["global"] |= HURRIED
    (job,) = configuration["scrape_configs"]
    job["static_configs"] = [{"targets": [target]}]
    (directory / "rules").mkdir(parents=True)
    for path in RULES:
        content = yaml.safe_load(path.read_text())
        for rule in (rule for group in content["groups"] for rule in group["rules"]):
            if "for" in rule:
                rule["for"] = f"{round(seconds(rule['for']) * 1000 / HURRY)}ms"
        (directory / "rules" / path.name).write_text(yaml.safe_dump(content))
    written = directory / "prometheus.yml"
    written.write_text(yaml.safe_dump(configuration))
    return written


@dataclass(slots=True)
class Prometheus:
    """Its HTTP API, as far as tests ask it."""

    url: str
    client: aiohttp.ClientSession

    async def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer that is a success; a refusal's words otherwise fail the test."""
        async with self.client.get(f"{self.url}/api/v1/{path}", params=parameters) as response:
            answer = await response.json()
        assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
        assert not answer.get("warnings"), f"{parameters}: {answer['warnings']}"
        return answer["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant vector, now."""
        return list((await self.ask("query", query=expression))["result"])

    async def series(self, selector: str) -> list[dict[str, str]]:
        """The labels of what a selector finds."""
        return list(await self.ask("series", **{"match[]": selector}))

    async def found(self, expression: str, timeout: float = 30.0) -> list[dict[str, Any]]:
        """Wait until there are samples."""
        try:
            async with asyncio.timeout(timeout):
                while not (samples := await self.query(expression)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"after {timeout:g} s there is none: {expression}") from None
        return samples

    async def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, each with its severity."""
        alerts = (await self.ask("alerts"))["alerts"]
        return {(one["labels"]["alertname"], one["labels"]["severity"]) for one in alerts if one["state"] == "firing"}

    async def until(
        self, true: Callable[[set[tuple[str, str]]], bool], timeout: float = 60.0
    ) -> set[tuple[str, str]]:
        """Wait for what fires to be so."""
        firing: set[tuple[str, str]] = set()
        try:
            async with asyncio.timeout(timeout):
                while not true(firing := await self.firing()):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"after {timeout:g} s this fires: {sorted(firing) or 'nothing'}") from None
        return firing


@contextlib.asynccontextmanager
async def prometheus(directory: Path, target: str) -> AsyncIterator[Prometheus]:
    """A Prometheus that scrapes ``target`` (host:port) and has done so once."""
    binary = program("prometheus")
    config = hurried(directory, target)
    port = _free_port()
    with (directory / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'storage'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as client:
            running = Prometheus(f"http://127.0.0.1:{port}", client)
            async with asyncio.timeout(60):
                while not await _scraped(running):
                    assert process.returncode is None, (directory / "prometheus.log").read_text()
                    await asyncio.sleep(0.1)
            await running.until(lambda firing: not firing)  # hurried, it takes its own start for FsrecDown
            yield running
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _scraped(running: Prometheus) -> bool:
    with contextlib.suppress(aiohttp.ClientError, AssertionError):
        return bool(await running.query('up{job="fsrec"} == 1'))
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
