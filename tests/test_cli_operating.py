"""What `fsrec` does with a daemon's answers: long work, its end, completion; daemons are told what to say."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.cli import main, output
from controller.cli.filters import moment
from controller.console import api
from controller.console.access import ACCESS, Access
from controller.console.ports import Told, Viewer
from controller.http.basic import DOOR, Door
from controller.recordings.model import State
from controller.recordings.ports import MediaAway
from controller.store.values import DeliveryState, OutboxRow
from tests.console.test_api import Operators
from tests.console.world import CONSOLE, delivery, recording, until
from tests.scenarios.operator import said, start


@dataclass
class Slow(Operators):
    """Operations that take their time: derived is what `gate` lets through, `away` fails once for each of its ids."""

    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1_000_000))
    away: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    at_once: int = 0
    most_at_once: int = 0

    async def derive(self, viewer: Viewer, identity: str, form: str) -> int:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.acquire()
            if identity in self.away:
                self.away.discard(identity)
                raise MediaAway("too much to do")
            if identity in self.broken:
                raise FileNotFoundError
            self.done.append(("derive", identity, form))
            return 1000
        finally:
            self.at_once -= 1

    async def replay(self, viewer: Viewer, identity: str) -> OutboxRow:
        told = self.told_of[identity]
        self.told_of[identity] = Told(replace(told.row, state=DeliveryState.DELIVERED, attempts=2))
        return await super().replay(viewer, identity)


@pytest.fixture
def operators() -> Slow:
    return Slow()


@pytest_asyncio.fixture
async def reach(operators: Slow) -> AsyncIterator[tuple[str, ...]]:
    """The arguments that lead to a daemon of these operations."""
    app = web.Application()
    app[DOOR] = Door()
    app[ACCESS] = Access((), (CONSOLE,), "http://127.0.0.1")
    api.register(app.router, operators)
    async with TestServer(app) as server:
        yield "--url", str(server.make_url("/")), "--token", CONSOLE


async def test_a_backfill(operators: Slow, reach: tuple[str, ...]) -> None:
    """As many at once as is said; what is away for a moment is asked again; what fails is told, and ends nothing."""
    made = [recording(requested_at=float(index)) for index in range(230)]
    operators.add(*made)
    operators.away, operators.broken = {made[3].id}, {made[7].id}
    ended = await said(await start("recordings", "derive", "--format", "mp3", "--all", "--jobs", "3", *reach))
    assert ended.code == 1
    assert ended.out == "229 of 230 have their mp3, 229.0 kB; 1 failed\n"
    assert ended.err == f"{made[7].id}: the recording has no audio: it is not complete, or it was deleted\n"
    assert len(operators.done) == 229
    assert operators.most_at_once <= 3


async def test_a_bar_stands_beside_results(operators: Slow, reach: tuple[str, ...]) -> None:
    """Drawn on the terminal that standard error is, while results go where standard output goes, and nowhere else."""
    made = [recording(requested_at=float(index)) for index in range(3)]
    operators.add(*made)
    operators.broken = {made[1].id}
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controller.cli"),
        *("recordings", "derive", "--format=mp3", "--all", "--json", *reach),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(slave)
    drawn = asyncio.get_running_loop().run_in_executor(None, _read_all, master)
    out, _ = await process.communicate()
    assert {json.loads(line)["id"] for line in out.splitlines()} == {made[0].id, made[2].id}
    shown = await drawn
    assert "3/3" in shown
    assert f"{made[1].id}: the recording has no audio" in shown
    assert '"size"' not in shown


def _read_all(master: int) -> str:
    """Read what was written to a terminal until nobody has it open any more."""
    seen = b""
    with contextlib.suppress(OSError):
        while data := os.read(master, 65536):
            seen += data
    os.close(master)
    return seen.decode()


async def test_ctrl_c(operators: Slow, reach: tuple[str, ...]) -> None:
    """It ends at once, though a file is being made still, and says how far it came."""
    operators.add(*(recording(requested_at=float(index)) for index in range(20)))
    operators.gate = asyncio.Semaphore(5)
    process = await start("recordings", "derive", "--format", "mp3", "--all", "--json", *reach)
    assert process.stdout is not None
    for _ in range(5):
        await process.stdout.readline()
    await until(lambda: operators.at_once == 2)
    process.send_signal(signal.SIGINT)
    ended = await said(process)
    assert ended.code == 130
    assert ended.err == "stopped: 5 of 20 have their mp3; the same command goes on from there\n"
    assert len(operators.done) == 5


async def test_all_that_is_dead_is_replayed(operators: Slow, reach: tuple[str, ...]) -> None:
    """Over several pages, each once; delivered is what the daemon says that it is."""
    for index in range(230):
        row = delivery(recording(), created_at=float(index))
        operators.told_of[row.id] = Told(row)
    ended = await said(await start("webhooks", "replay", "--dead", "--wait", *reach))
    assert (ended.code, ended.out, ended.err) == (0, "230 of 230 delivered\n", "")
    assert len({identity for _, identity in operators.done}) == len(operators.done) == 230


async def test_what_is_told_again_is_told_in_order(operators: Slow, reach: tuple[str, ...]) -> None:
    """Of one recording one after the other, as it happened; each is waited for by itself."""
    made = [recording() for _ in range(9)]
    ids: dict[str, list[str]] = {one.id: [] for one in made}
    for index in range(45):
        row = delivery(made[index % 9], created_at=float(index))
        operators.told_of[row.id] = Told(row)
        ids[row.subject].append(row.id)
    assert (await said(await start("webhooks", "replay", "--dead", *reach))).code == 0
    done = [identity for _, identity in operators.done]
    for of_one in ids.values():
        assert [identity for identity in done if identity in of_one] == of_one


async def test_all_that_runs(operators: Slow, reach: tuple[str, ...]) -> None:
    """--live shows as many as are asked for and says how many more there are, or with --all all."""
    operators.add(*(recording(State.RECORDING) for _ in range(230)))
    some = await said(await start("recordings", "list", "--live", "--json", *reach))
    assert (len(some.out.splitlines()), some.err) == (50, "50 of 230 that run\n")
    everything = await said(await start("recordings", "list", "--live", "--all", "--json", *reach))
    assert (len(everything.out.splitlines()), everything.err) == (230, "")


async def test_a_reader_that_has_enough(operators: Slow, reach: tuple[str, ...]) -> None:
    """`… | head -1` is no error."""
    operators.add(*(recording(requested_at=float(index), caller="1" * 500) for index in range(600)))
    process = await start("recordings", "list", "--all", *reach)
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    assert process.stderr is not None
    assert await process.stderr.read() == b""
    assert await process.wait() == 0


async def test_limits(operators: Slow, reach: tuple[str, ...]) -> None:
    """50, or as many as are asked for, over pages; all with --all."""
    operators.add(*(recording(requested_at=float(index)) for index in range(420)))
    for arguments, count in (([], 50), (["--limit", "201"], 201), (["--all"], 420)):
        ended = await said(await start("recordings", "list", "--json", *arguments, *reach))
        ids = [row["id"] for row in ended.lines]
        assert len(ids) == len(set(ids)) == count


async def test_something_else_answers(reach: tuple[str, ...]) -> None:
    """What is no fsrec is told so, and nothing that it says reaches the terminal as it is."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>\x1b[2J", status=200)

    app = web.Application()
    app.router.add_get("/{rest:.*}", page)
    async with TestServer(app) as server:
        ended = await said(await start("recordings", "list", "--url", server.make_url("/"), "--token", "x"))
    assert ended.code == 1
    assert "not as a fsrec of this version" in ended.err
    assert "\x1b" not in ended.err


# Wrong use


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recordings"], "usage:"),
        (["recordings", "list", "--state", "done"], "invalid choice: 'done'"),
        (["recordings", "list", "--since", "yesterday"], "should be 90s, 15m, 2h"),
        (["recordings", "list", "--limit", "0"], "1 at least"),
        (["recordings", "derive", "--format", "ogg"], "invalid choice: 'ogg'"),
        (["webhooks", "replay", "--state", "dead"], "unrecognized arguments"),
    ],
)
def test_what_cannot_be_read(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, and what would be right."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["webhooks", "replay"], "or say --dead"),
        (["webhooks", "replay", "abcdef", "--dead"], "or say --dead"),
        (["webhooks", "replay", "abcdef", "--since", "1h"], "choose among the --dead"),
        (["switches", "reconcile"], "or say --all"),
        (["recordings", "derive", "--format", "mp3"], "or --all"),
        (["recordings", "derive", "--format", "mp3", "abcdef", "--all"], "not both"),
        (["recordings", "list", "--live", "--state", "failed"], "--live lists all that runs now"),
        (["recordings", "show", ".."], "no id"),
        (["recordings", "list", "--url", "ftp://h"], "should be http(s)://host[:port]"),
        (["recordings", "list", "--url", "http://u:p@h"], "should be http(s)://host[:port]"),
        (["recordings", "list", "--user", "AC1", "--token", ""], "needs its token"),
        (["recordings", "list", "--token", "x\r\ny"], "printable ASCII"),
    ],
)
def test_what_does_not_fit(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, and what would be right, before anybody is asked."""
    monkeypatch.delenv("FSREC_TOKEN", raising=False)
    url = [] if "--url" in arguments else ["--url", "http://127.0.0.1:9"]
    token = [] if "--token" in arguments else ["--token", "x"]
    assert main([*arguments, *url, *token]) == 2
    assert words in capsys.readouterr().err


# What is shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë [bold]", "Zoë [bold]"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202egnp", "\\u202egnp"),
        ("\x9b2J\u2028", "\\x9b2J\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_texts_are_shown_safely(text: str, shown: str) -> None:
    """All that is printable as it is, all else escaped."""
    assert output.safe(text) == shown


def test_figures() -> None:
    """Lengths, sizes and times, those that are none too."""
    assert [output.length(seconds) for seconds in (None, 0.4, 59.6, 3661)] == ["", "0:00", "1:00", "1:01:01"]
    assert [output.size(count) for count in (None, 999, 1000, 5e12)] == ["", "999 B", "1.0 kB", "5.0 TB"]  # type: ignore[arg-type]
    assert [output.when(at) for at in (None, 1763632800.9, 1e30)] == ["", "2025-11-20T10:00:00Z", "1e+30"]


@pytest.mark.parametrize(
    ("natural", "room", "widths"),
    [
        ([8, 9, 30, 20], 80, [8, 9, 30, 20]),
        ([8, 9, 30, 20], 60, [8, 9, 18, 19]),
        ([8, 9, 30, 20], 35, [8, 9, 6, 6]),
        ([8, 9, 30, 20], 34, [8, 9, 6, 0]),
        ([8, 9, 30, 20], 20, [8, 9, 0, 0]),
        ([8, 9, 30, 20], 10, [8, 9, 0, 0]),
    ],
)
def test_narrow_terminals(natural: list[int], room: int, widths: list[int]) -> None:
    """Loose columns give way, then go; what matters stays, whatever comes of it."""
    assert output.fitted(natural, [False, False, True, True], room) == widths


def test_moments() -> None:
    """So long ago, and dates; one with a zone is in it."""
    assert moment("2026-11-20T10:00Z") == 1_795_168_800.0
    assert moment("1w") == pytest.approx(moment("7d"), abs=5)
    assert moment("2026-11-20T10:00+01:00") == 1_795_165_200.0


# Completion


def test_bash_completes(tmp_path: Path) -> None:
    """In a bash that reads keys: a command by TAB, then a state of its option."""
    script = tmp_path / "fsrec.bash"
    made = subprocess.run(
        [sys.executable, "-m", "controller.cli", "completion", "bash"], capture_output=True, check=True
    )
    script.write_bytes(made.stdout)
    master, slave = pty.openpty()
    environment = {
        "PS1": "",
        "TERM": "dumb",
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "INPUTRC": "/dev/null",
    }
    arguments = ["bash", "--norc", "--noprofile", "-i"]
    with subprocess.Popen(
        arguments, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    ) as bash:
        os.close(slave)
        try:
            os.write(master, f"source {script}; echo sour''ced\n".encode())
            _read_until(master, b"sourced\r\n")
            os.write(master, b"fsrec reco\t")
            _read_until(master, b"recordings ")
            os.write(master, b"list --state comp\t")
            _read_until(master, b"completed ")
        finally:
            bash.kill()
            os.close(master)


def _read_until(master: int, words: bytes) -> None:
    """Read what a terminal shows until it has shown this; the test's own deadline ends what never does."""
    seen = b""
    while words not in seen:
        seen += os.read(master, 4096)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It knows every command."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in ("recordings", "webhooks", "reconcile", "derive", "doctor"):
        assert name in script


# What it costs


def test_a_command_loads_little() -> None:
    """Nothing that a daemon needs is loaded to ask one: half of a second would pass before anything is asked."""
    code = (
        "import sys; from controller.cli import main\n"
        "main(['recordings', 'list', '--url', 'http://127.0.0.1:9', '--token', 'x'])\n"
        "heavy = {'aiohttp', 'sqlalchemy', 'gevent', 'numpy', 'rich', 'pydantic', 'structlog', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert "no daemon answers at http://127.0.0.1:9" in done.stderr
