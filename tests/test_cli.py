"""The `fsrec` command: what it says, and with which code it ends."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from controller import cli, logs
from controller.cli import daemon, embedded
from controller.cli import doctor as doctoring
from controller.doctor import examine
from controller.settings import load
from controller.softswitch import Softswitch
from controller.transcription import moonshine
from controller.webhooks.outbox import Outbox
from tests.harness import command
from tests.harness.esl import Address, EslClient, EslError

GOOD = "version: 1.0.0\nsections:\n  main:\n    - record_call: {}\n    - hangup: {}\n"
BAD = "version: 1.0.0\nsections:\n  main:\n    - recrod_call: {}\n    - sleep: x\n"


@pytest.fixture(autouse=True)
def _quiet_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`fsrec run` sets up the whole process's logging: put it back."""
    configure, restores = logs.configure, []
    monkeypatch.setattr(logs, "configure", lambda *given: restores.append(configure(*given)))
    yield
    for restore in restores:
        restore()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def settings(tmp_path: Path, **changes: Any) -> Path:
    """A settings file that is well, but for the changes."""
    recordings, document = tmp_path / "recordings", tmp_path / "good.swml.yaml"
    recordings.mkdir(exist_ok=True)
    document.write_text(GOOD)
    (port,) = (changes.pop("esl_port", free_port()),)
    config = tmp_path / "fsrec.yaml"
    made = {
        "switches": [
            {
                "name": "fs1",
                "port": port,
                "password": "some-password",
                "switch_path": str(recordings),
                "local_path": str(recordings),
            }
        ],
        "http": {"listen": f"127.0.0.1:{free_port()}"},
        "data_dir": str(tmp_path / "data"),
        "accounts": [{"name": "acme", "vendor": "signalwire", "project_id": "p", "api_token": "t"}],
        "routes": [{"destination": "^1001$", "account": "acme", "document": str(document)}],
        "limits": {"min_free_disk": "1MiB"},
        **changes,
    }
    config.write_text(yaml.safe_dump(made))
    return config


async def softswitch(tmp_path: Path, port: int) -> tuple[Any, EslClient]:
    """`fsrec softswitch`, and a client that it let in."""
    process = await command.start(
        "softswitch", "--port", port, "--directory", tmp_path / "soft", FSREC_ESL_PASSWORD="some-password"
    )
    async with asyncio.timeout(20):
        while True:
            try:
                return process, await EslClient.connect(Address("127.0.0.1", port, "some-password"))
            except OSError:
                assert process.returncode is None, await command.ended(process)
                await asyncio.sleep(0.02)


# run


def test_run_tells_every_fault_of_its_settings_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 78, each problem with its line and what would be right, no directory made."""
    config = tmp_path / "fsrec.yaml"
    data = tmp_path / "data"
    config.write_text(
        f"data_dir: {data}\nswitches:\n  - {{name: fs1, pasword: x, switch_path: relative, local_path: /tmp}}\n"
        "routes:\n  - {destination: '(', account: nobody, document: d.yaml}\n"
    )
    assert cli.main(["run", "--config", str(config)]) == 78
    told = capsys.readouterr().err
    for words in (":3: switches[0].pasword: unknown key; did you mean password?", "switch_path", "destination",
                  "account"):  # fmt: skip
        assert words in told
    assert not data.exists()


@pytest.mark.parametrize("name", ["run", "doctor"])
def test_settings_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Exit 78, naming the file."""
    config = tmp_path / "nowhere.yaml"
    assert cli.main([name, "--config", str(config)]) == 78
    assert capsys.readouterr().err == f"{config}: can't be read: No such file or directory\n"


def test_run_with_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, naming the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        config = settings(tmp_path, http={"listen": listen})
        assert cli.main(["run", "--config", str(config)]) == 1
    assert f"cannot listen on {listen}: " in capsys.readouterr().err


def test_run_without_a_place_for_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, naming the directory, for one that can't be made and for a store that can't be opened in it."""
    (tmp_path / "file").write_text("")
    config = settings(tmp_path, data_dir=str(tmp_path / "file" / "data"))
    assert cli.main(["run", "--config", str(config)]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err
    (tmp_path / "data" / "fsrec.db").mkdir(parents=True)
    assert cli.main(["run", "--config", str(settings(tmp_path))]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"fsrec: store {tmp_path / 'data' / 'fsrec.db'}: ")
    assert "Traceback" not in told


async def test_run_ends_well_on_sigterm_and_sigint(tmp_path: Path) -> None:
    """Before any switch is there, too: exit 0, at once, without a word that is no log line."""
    config = settings(tmp_path)
    for number in (15, 2):
        process = await command.start("run", "--config", config)
        assert process.stdout is not None
        await process.stdout.readuntil(b"connect.failed")
        process.send_signal(number)
        finished = await command.ended(process)
        assert finished.code == 0, finished.text
        assert "Traceback" not in finished.text
        assert "some-password" not in finished.text


async def test_a_part_that_fails_ends_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of fsrec's own in a part that must run for ever is not hidden behind a daemon that does half."""

    async def broken(_: object) -> None:
        raise RuntimeError("the outbox broke")

    monkeypatch.setattr(Outbox, "run", broken)
    with pytest.raises(RuntimeError, match="the outbox broke"):
        async with asyncio.timeout(10):
            await daemon.serve(load(settings(tmp_path)), tmp_path)


async def test_serving_ends_by_a_signal(tmp_path: Path) -> None:
    """SIGTERM, once HTTP is served: the daemon lets go of everything, and the port is free again."""
    loaded = load(settings(tmp_path))
    serving = asyncio.create_task(daemon.serve(loaded, tmp_path))
    async with asyncio.timeout(10), aiohttp.ClientSession() as client:
        while True:
            try:
                async with client.get(f"http://{loaded.http.listen}/healthz") as response:
                    assert response.status == 200
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving == 0
    with socket.create_server((loaded.http.listen.host, loaded.http.listen.port)):
        pass


# check


def test_check_fetches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """URLs of settings are named, without their credentials; one as an argument is an error that says what to do."""
    config = settings(tmp_path)
    text = config.read_text().replace(str(tmp_path / "good.swml.yaml"), "http://u:secret@127.0.0.1:9/doc")
    config.write_text(text)
    assert cli.main(["check", str(config)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{config}: fine",
        f"{config}: routes[0].document: http://127.0.0.1:9/doc is asked at each call, and was not asked now",
    ]
    assert cli.main(["check", "https://app.example.com/doc"]) == 1
    assert "save the document and name the file" in capsys.readouterr().out


def test_check_says_of_each_file_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One unusable file hides nothing of the others: each is told of, documents and settings; exit 1."""
    good, bad = tmp_path / "good.swml.yaml", tmp_path / "bad.swml.yaml"
    bad.write_text(BAD)
    config = settings(tmp_path)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("switches: []\nlog: {levle: info}\n")
    large, latin, pipe = tmp_path / "large.yaml", tmp_path / "latin.yaml", tmp_path / "pipe"
    large.write_text("#" * (1 << 20) + "\n")
    latin.write_bytes(b"version: 1.0.0 # \xe9\n")
    os.mkfifo(pipe)
    missing = tmp_path / "missing.yaml"
    files = (missing, tmp_path, pipe, large, latin, bad, wrong, good, config)
    assert cli.main(["check", *map(str, files)]) == 1
    lines = capsys.readouterr().out.splitlines()
    for path, words in (
        (missing, "No such file"),
        (tmp_path, "not a regular file"),
        (pipe, "not a regular file"),
        (large, "1048577 bytes"),
        (latin, "byte 17 is not UTF-8"),
        (bad, "line 4: main[0]: unknown method"),
        (bad, "line 5: main[1].sleep"),
        (wrong, "switches: needs at least one entry"),
        (wrong, "did you mean level?"),
        (good, "fine"),
        (config, "fine"),
    ):
        assert any(line.startswith(f"{path}:") and words in line for line in lines), (path, words, lines)
    assert [line for line in lines if line.endswith(": fine")] == [f"{good}: fine", f"{config}: fine"]


def test_check_of_twiml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Problems with line and code; what runs otherwise than it is written is a warning, and well."""
    bad, odd = tmp_path / "bad.xml", tmp_path / "odd.xml"
    bad.write_text("<Response>\n<Speak>x</Speak>\n</Response>")
    odd.write_text("<Response>\n<Start><Recording trim='x'/></Start><Pause/>\n</Response>")
    for vendor in ("twilio", "signalwire"):
        assert cli.main(["check", "--vendor", vendor, str(odd)]) == 0
        fine, warned = capsys.readouterr().out.splitlines()
        assert fine == f"{odd}: fine"
        assert warned.startswith(f"{odd}: warning: line 2: Start.Recording.trim: must be trim-silence or do-not-trim")
        assert warned.endswith("(error 13699)")
        assert cli.main(["check", "--vendor", vendor, str(odd), str(bad)]) == 1
        assert f"{bad}: line 2: <Speak> is no known verb" in capsys.readouterr().out


def test_check_of_plivo_xml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Problems with their line; what is likely not meant so is a warning."""
    bad, odd = tmp_path / "bad.xml", tmp_path / "odd.xml"
    bad.write_text("<Response>\n<Say>x</Say>\n</Response>")
    odd.write_text("<Response>\n<Record recordSession='true' action='https://h/a'/><Speak>x</Speak>\n</Response>")
    assert cli.main(["check", "--vendor", "plivo", str(odd)]) == 0
    fine, warned = capsys.readouterr().out.splitlines()
    assert fine == f"{odd}: fine"
    assert warned.startswith(f"{odd}: warning: line 2: Record: its action is asked at once")
    assert cli.main(["check", "--vendor", "plivo", str(bad)]) == 1
    assert f"{bad}: line 2: <Say> is no known element" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("<Speak>x</Speak>", 0, ["fine as Plivo XML"]),
        ("<Say>x</Say>", 0, ["fine as TwiML"]),
        ("<Hangup/>", 0, ["fine as TwiML", "fine as Plivo XML"]),
        ("<Record finishOnKey='none'/>", 0, ["fine as Plivo XML", "fine as TwiML, with 2 warnings"]),
        (
            "<Speek>x</Speek><Foo/>",
            1,
            [
                "as TwiML: line 1: <Speek> is no known verb",
                "as TwiML: line 1: <Foo> is no known verb",
                "as Plivo XML: line 1: <Speek> is no known element (did you mean Speak?)",
                ", and 1 more",
            ],
        ),
        ("<Speak>x</Speak><Foo/>", 1, ["as Plivo XML: line 1: <Foo>", "as TwiML: line 1: <Speak>", ", and 1 more"]),
    ],
)
def test_check_of_xml_whose_vendor_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, code: int, words: list[str]
) -> None:
    """It is what it can be, and that is said; where it is nothing, what all say of it."""
    document = tmp_path / "document.xml"
    document.write_text(f"<Response>{body}</Response>")
    assert cli.main(["check", str(document)]) == code
    said = capsys.readouterr().out
    assert all(line.startswith(f"{document}: ") for line in said.splitlines())
    found = [said.index(word) for word in words]
    assert found == sorted(found)
    assert said.count("fine") == sum("fine" in word for word in words)


def test_check_of_an_engine_that_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings may be right where the extra is missing; how to install it is said all the same."""
    monkeypatch.setattr(moonshine, "find_spec", lambda _: None)
    path = tmp_path / "fsrec.yaml"
    path.write_text(
        f"switches: [{{name: fs1, password: x, switch_path: /rec, local_path: {tmp_path}}}]\n"
        "transcription: {engine: moonshine}\n"
    )
    assert cli.main(["check", str(path)]) == 0
    told = capsys.readouterr().out
    assert "warning: transcription.engine: the moonshine engine is not installed" in told
    assert "pip install 'fsrec[transcription]'" in told


def test_check_of_what_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0."""
    config = settings(tmp_path)
    assert cli.main(["check", str(config), str(tmp_path / "good.swml.yaml")]) == 0
    assert capsys.readouterr().out.count(": fine\n") == 2


# doctor and softswitch


def test_doctor_of_a_switch_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, with where it looked."""
    port = free_port()
    assert cli.main(["doctor", "--config", str(settings(tmp_path, esl_port=port))]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().out


def test_doctor_passes_on_what_it_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--call NUMBER@CONTEXT, the dialect's check of documents, and the exit code of a set-up without problems."""
    asked: list[Any] = []

    async def sound(_: object, **given: Any) -> list[Any]:
        asked.append(given["call"] and (given["call"].destination, given["call"].context))
        assert given["check"](BAD, "d", "signalwire")
        return []

    monkeypatch.setattr(doctoring, "examine", sound)
    config = str(settings(tmp_path))
    for arguments in ([], ["--call", "1001"], ["--call", "1001@inbound"]):
        assert cli.main(["doctor", "--config", config, *arguments]) == 0
    assert asked == [None, ("1001", "fsrec"), ("1001", "inbound")]
    assert "0 problems" in capsys.readouterr().out


async def test_softswitch_serves_until_sigterm(tmp_path: Path) -> None:
    """It lets in who has the password of its environment, and nobody else; SIGTERM ends it with 0."""
    port = free_port()
    process, client = await softswitch(tmp_path, port)
    assert (await client.api("version")).startswith("FreeSWITCH Version")
    with pytest.raises(EslError):
        await EslClient.connect(Address("127.0.0.1", port, "another"))
    finished = await command.terminated(process)
    told = f"event socket on 127.0.0.1:{port}, recordings under {tmp_path / 'soft'}\n"
    assert finished == command.Finished(0, told)
    await client.closed.wait()
    await client.close()


async def test_softswitch_has_somebody_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --call a leg to that number is parked, whose end the caller tells, and then comes the next one."""
    monkeypatch.setattr(embedded, "BETWEEN", 0.0)
    monkeypatch.setattr(embedded, "LONGEST", 0.2)
    switch = Softswitch(directory=tmp_path, port=0, password="x")
    await switch.start()
    dialling = asyncio.create_task(embedded._dial(switch, "1001"))
    async with asyncio.timeout(10):
        while len(switch.journal.hangups) < 2:
            await asyncio.sleep(0.01)
    dialling.cancel()
    await asyncio.gather(dialling, return_exceptions=True)
    await switch.stop()


@pytest.fixture
def esl_port(tmp_path: Path) -> Iterator[int]:
    """Where a softswitch listens that is a process of its own."""
    port = free_port()
    arguments = ["softswitch", "--port", str(port), "--directory", str(tmp_path / "recordings")]
    environment = {**os.environ, "FSREC_ESL_PASSWORD": "some-password"}
    with subprocess.Popen([sys.executable, "-m", "controller.cli", *arguments], env=environment) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            yield port
        finally:
            process.terminate()


def test_a_refusal_is_told_with_its_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, esl_port: int
) -> None:
    """A wrong password: run ends with 78, doctor with 1; both say what to change, neither the password."""
    monkeypatch.setattr(doctoring, "examine", functools.partial(examine, heartbeat=0))
    config = str(_with_password(settings(tmp_path, esl_port=esl_port), "wrong-password"))
    assert cli.main(["run", "--config", config]) == 78
    assert cli.main(["doctor", "--config", config]) == 1
    told = capsys.readouterr()
    for text in (told.err, " ".join(told.out.split())):
        assert f"127.0.0.1:{esl_port} refused the password" in text
        assert "event_socket.conf.xml" in text
        assert "wrong-password" not in text


def _with_password(config: Path, password: str) -> Path:
    changed = config.with_name("wrong.yaml")
    changed.write_text(config.read_text().replace("some-password", password))
    return changed


@pytest.mark.parametrize("trouble", ["port", "directory"])
def test_softswitch_that_cannot_serve(tmp_path: Path, capsys: pytest.CaptureFixture[str], trouble: str) -> None:
    """A port that is taken, a directory that is a file: exit 1 and which."""
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if trouble == "port" else free_port()
        directory = tmp_path / "soft" if trouble == "port" else tmp_path / "file"
        assert cli.main(["softswitch", "--port", str(port), "--directory", str(directory)]) == 1
    assert (str(port) if trouble == "port" else str(directory)) in capsys.readouterr().err


# The command itself


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """No command, an unknown one, a port that is none: exit 2 and how it is used."""
    for arguments in ([], ["dance"], ["softswitch", "--port", "x", "--directory", "d"], ["check"]):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 2
        assert "usage: fsrec" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`fsrec --version` says who it is."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("fsrec ")
