"""What the tests of fsrec doctor stand on: settings of one switch, and a switch that answers from a table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.doctor import Call, Finding, Level, Trial, examine
from controller.settings import Settings, parse
from controller.switch.link import Timings
from tests.switch.peer import Conn, Peer, api, event, reply

QUICK = Trial(recording=0.0, patience=0.3)
TIMINGS = Timings(connect=2.0, auth=2.0, reply=2.0, hurry_every=0.0, awake_every=0.0)
PASSWORD = "pw"
OTHER = "50025a09-4c0c-4a8c-800c-88bd3014e327"
WAV = b"RIFF" + bytes(40) + bytes(800)

SIP = (
    '<configuration name="sofia.conf"><profiles><profile name="internal"><settings>{}</settings></profile>'
    "</profiles></configuration>"
)

Answer = str | Callable[[str], str]


def made(tmp_path: Path, port: int, text: str = "", password: str = PASSWORD) -> Settings:
    """Settings of one switch with a directory, a document and a free HTTP port."""
    (tmp_path / "recordings").mkdir(exist_ok=True)
    (tmp_path / "voicemail.swml.yaml").write_text("version: 1.0.0\n")
    return parse(
        f"switches: [{{name: fs1, port: {port}, password: {password}, switch_path: {tmp_path}/recordings,"
        f" local_path: recordings}}]\n"
        "http: {listen: '127.0.0.1:0', public_url: 'https://rec.example.com', trusted_proxies: [127.0.0.1/32]}\n"
        "accounts: [{name: acme, vendor: signalwire, project_id: p, api_token: t}]\n"
        "routes: [{destination: '^1001$', account: acme, document: voicemail.swml.yaml}]\n"
        "limits: {min_free_disk: 0}\n" + text,
        base=tmp_path,
        environ={},
    )


def dump(**headers: str) -> str:
    return json.dumps(
        {
            "Unique-ID": OTHER,
            "Event-Date-Timestamp": "1795148179000000",
            "Caller-Destination-Number": "1001",
            "variable_current_application": "park",
            **headers,
        }
    )


@dataclass
class Fake:
    """A switch that answers API commands from a table; a recording is a file written into ``directory``."""

    directory: Path
    answers: dict[str, Answer] = field(default_factory=dict)
    version: str = "FreeSWITCH Version 1.11.2-dev\n"
    heartbeat: bool = True
    jobs: bool = True
    wav: bytes = WAV
    heard: list[str] = field(default_factory=list)

    def answer(self, command: str) -> str:
        self.heard.append(command)
        table: dict[str, Answer] = {
            "module_exists": "true",
            "show channels": '{"row_count": 0}\n',
            "show tasks": '{"row_count": 0}\n',
            "global_getvar": "-ERR no reply\n",
            "xml_locate": SIP.format('<param name="rtp-timer-name" value="soft"/>'),
            "originate": "+OK\n",
            "uuid_kill": "+OK\n",
            "uuid_getvar": "_undef_",
            "uuid_record": self.record,
            **self.answers,
        }
        known = max((name for name in table if command.startswith(name)), key=len, default="")
        found = table.get(known, f"-ERR {command.split(maxsplit=1)[0]} Command not found!\n")
        return found if isinstance(found, str) else found(command)

    def record(self, command: str) -> str:
        _, _, action, path, *_ = command.split(" ")
        if action == "start":
            (self.directory / Path(path).name).write_bytes(self.wav)
        return "+OK Success\n"

    async def serve(self, conn: Conn) -> None:
        await conn.setup(version=self.version)
        if self.heartbeat:
            await conn.send(event("HEARTBEAT"))
        try:
            while True:
                verb, _, rest = (await conn.packet()).strip().partition(" ")
                command, _, job = rest.partition("\nJob-UUID: ")
                if verb == "api":
                    await conn.send(api(self.answer(command)))
                elif not self.jobs:
                    await conn.send(reply("-ERR permission denied"))
                else:
                    await conn.send(reply(f"+OK Job-UUID: {job}", **{"Job-UUID": job}))
                    await conn.end_job(job, self.answer(command))
        except (EOFError, ConnectionError, asyncio.IncompleteReadError):
            return


@asynccontextmanager
async def fake(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[Fake, Settings]]:
    switch = Fake(tmp_path / "recordings", **options)
    async with Peer(switch.serve) as peer:
        yield switch, made(tmp_path, peer.port)


async def look(settings: Settings, *, heartbeat: float = 0.0, call: Call | None = None) -> list[Finding]:
    return await examine(settings, heartbeat=heartbeat, call=call, trial=QUICK, timings=TIMINGS)


def bad(findings: list[Finding], subject: str) -> Finding:
    """The one finding about a subject that is not ok, with a fix."""
    (found,) = [one for one in findings if one.subject == subject and one.level is not Level.OK]
    assert found.fix
    return found


def leftovers(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "recordings").iterdir())
