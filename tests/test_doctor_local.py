"""What fsrec doctor sees on this machine alone: each fault gives its finding and its fix."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.console.key import ensure_key, key_file
from controller.doctor import Finding, Level, local
from controller.documents.dialect import Problem
from controller.settings import Settings, parse
from tests.doctor_fake import bad, fake, look, made


def test_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """data_dir must be a directory that can be written, or made."""
    settings = made(tmp_path, 1)

    def look_at() -> list[Finding]:
        return list(local.data_directory(settings))

    assert [(one.level, "will be made" in one.what) for one in look_at()] == [(Level.OK, True)]
    assert not settings.data_dir.exists()
    settings.data_dir.mkdir()
    assert [(one.level, "can be written" in one.what) for one in look_at()] == [(Level.OK, True)]
    assert list(settings.data_dir.iterdir()) == []

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert (bad(look_at(), "data_dir").level, local.user() in look_at()[0].fix) == (Level.PROBLEM, True)
    settings.data_dir.rmdir()
    settings.data_dir.write_text("")
    assert "no directory" in bad(look_at(), "data_dir").what


def test_operators_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None before the first start; one that others may read, is none, or is another user's is told with its fix."""
    settings = made(tmp_path, 1)
    assert list(local.operators_key(settings)) == []
    settings.data_dir.mkdir()
    key = ensure_key(settings.data_dir)
    (found,) = local.operators_key(settings)
    assert (found.level, "-rw-------" in found.what) == (Level.OK, True)
    assert key not in found.what
    key_file(settings.data_dir).chmod(0o640)
    (found,) = local.operators_key(settings)
    assert (found.level, "others than its owner" in found.what) == (Level.WARNING, True)
    assert "restart fsrec" in found.fix

    def refuse(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(local, "read_key", refuse)
    (found,) = local.operators_key(settings)
    assert (found.level, "--token" in found.fix) == (Level.WARNING, True)


def test_little_space(tmp_path: Path) -> None:
    """Less free space than the limit is a warning that names both."""
    settings = made(tmp_path, 1)
    limits = settings.limits.model_copy(update={"min_free_disk": 2**60})
    settings = settings.model_copy(update={"limits": limits})
    found = bad(list(local.recordings_directory(settings, settings.switches[0])), "fs1 local_path")
    assert (found.level, "1048576.0 TiB" in found.what) == (Level.WARNING, True)
    assert bad(list(local.data_directory(settings)), "data_dir").level is Level.WARNING


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.rmdir(), "install -d -o freeswitch"),
        (lambda path: (path.rmdir(), path.write_text("")), "what the switch sees"),
        (lambda path: (path / "8000").mkdir(), "remove it"),
    ],
)
async def test_recordings_directory(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    """A directory of recordings that can't work from here is told, and no recording is tried."""
    async with fake(tmp_path) as (switch, settings):
        spoil(tmp_path / "recordings")
        findings = await look(settings)
    found = bad(findings, "fs1 local_path")
    assert (found.level, words in found.fix) == (Level.PROBLEM, True)
    assert not any(text.startswith("originate") for text in switch.heard)


def test_unreadable_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of FreeSWITCH's that we may not read is told with the group to join."""
    settings = made(tmp_path, 1)
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = bad(list(local.recordings_directory(settings, settings.switches[0])), "fs1 local_path")
    assert (found.level, "usermod -aG" in found.fix, "drwx" in found.what) == (Level.PROBLEM, True, True)


def test_nameless_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users and groups without a name (in a container) are told by number."""

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr("grp.getgrgid", unknown)
    assert local.user() == f"uid {os.geteuid()}"
    status = tmp_path.stat()
    assert local.ownership(tmp_path).startswith(f"{status.st_uid}:{status.st_gid}, d")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def check(text: str, source: str, vendor: str) -> tuple[Problem, ...]:
    assert vendor == "signalwire"
    return (Problem(3, "sections", f"bad in {Path(source).name}"),) if "bad" in text else ()


@pytest.mark.parametrize(
    ("write", "level", "words"),
    [
        (lambda path: None, Level.OK, "passes"),
        (lambda path: path.write_text("bad"), Level.PROBLEM, "line 3: sections: bad in voicemail"),
        (lambda path: path.write_bytes(b"\xff"), Level.PROBLEM, "UTF-8"),
        (lambda path: path.write_bytes(b" " * (2**20 + 1)), Level.PROBLEM, "a document may have 1048576"),
        (pipe, Level.PROBLEM, "not a regular file"),
        (lambda path: (path.unlink(), path.mkdir()), Level.PROBLEM, "not a regular file"),
        (lambda path: path.unlink(), Level.PROBLEM, "No such file"),
    ],
)
def test_documents(tmp_path: Path, write: Callable[[Path], object], level: Level, words: str) -> None:
    """Each route's document is there, is text, and passes its dialect's check."""
    settings = made(tmp_path, 1)
    write(tmp_path / "voicemail.swml.yaml")
    (found,) = local.documents(settings, check)
    assert (found.subject, found.level, words in found.what) == ("routes[0].document", level, True)
    assert bool(found.fix) is (level is Level.PROBLEM)


def test_documents_without_check(tmp_path: Path) -> None:
    """Without a check none is said to have been passed; a fallback is looked at too."""
    settings = made(tmp_path, 1)
    route = settings.routes[0].model_copy(update={"fallback": str(tmp_path / "none.yaml")})
    findings = list(local.documents(settings.model_copy(update={"routes": (route,)}), None))
    assert [(one.subject, one.level) for one in findings] == [
        ("routes[0].document", Level.OK),
        ("routes[0].fallback", Level.PROBLEM),
    ]
    assert "unchecked" in findings[0].what


@pytest.mark.parametrize(
    ("url", "level", "words"),
    [
        ("https://u:secret@app.example.com/a", Level.OK, "https://app.example.com/a is asked by GET at each call"),
        ("http://127.0.0.1:1/a", Level.PROBLEM, "127.0.0.1 is refused (loopback)"),
        ("http://[::1]/a", Level.PROBLEM, "::1 is refused (loopback)"),
        ("http://8.8.8.8/a", Level.OK, "not asked now"),
    ],
)
def test_documents_at_urls(tmp_path: Path, url: str, level: Level, words: str) -> None:
    """Named, not asked: that would be a call to the application. An address that is refused is told before."""
    settings = made(tmp_path, 1)
    route = settings.routes[0].model_copy(update={"fallback": url, "method": "GET"})
    hooks = settings.webhooks.model_copy(update={"allow_networks": ()})
    settings = settings.model_copy(update={"routes": (route,), "webhooks": hooks})
    _, found = local.documents(settings, None)
    assert (found.subject, found.level, words in found.what) == ("routes[0].fallback", level, True)
    assert "secret" not in found.what
    assert bool(found.fix) is (level is Level.PROBLEM)


def test_nobody_to_record(tmp_path: Path) -> None:
    """No account, or no route, is pointed out."""
    settings = made(tmp_path, 1).model_copy(update={"routes": ()})
    assert bad(list(local.documents(settings, None)), "routes").level is Level.WARNING
    settings = settings.model_copy(update={"accounts": ()})
    assert bad(list(local.documents(settings, None)), "accounts").level is Level.WARNING


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("0.0.0.0/0", "every address"),
        ("::/0", "every address"),
        ("127.0.0.0/8", "this machine's own services"),
        ("::1/128", "this machine's own services"),
        ("169.254.169.254/32", "credentials"),
        ("fe80::/64", "credentials"),
        ("10.0.0.0/8", None),
        ("fd00::/8", None),
    ],
)
def test_networks(tmp_path: Path, network: str, words: str | None) -> None:
    """Networks that let callbacks reach what they should not are pointed out; a receivers' own network is fine."""
    settings = made(tmp_path, 1)
    webhooks = settings.webhooks.model_copy(update={"allow_networks": (ipaddress.ip_network(network),)})
    (found,) = local.callbacks(settings.model_copy(update={"webhooks": webhooks}))
    assert found.level is (Level.OK if words is None else Level.WARNING)
    assert (words or network) in found.what


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://rec.example.com", False),
        ("http://192.0.2.1", False),
    ],
)
def test_public_url(tmp_path: Path, url: str | None, told: bool) -> None:
    """URLs that only this machine can fetch are pointed out."""
    settings = made(tmp_path, 1)
    settings = settings.model_copy(update={"http": settings.http.model_copy(update={"public_url": url})})
    assert ("http.public_url" in {one.subject for one in local.callbacks(settings)}) is told


def listening(settings: Settings, text: str) -> Settings:
    http = parse(
        f"switches: [{{name: a, password: x, switch_path: /r, local_path: /r}}]\nhttp: {{listen: '{text}'}}"
    ).http
    return settings.model_copy(update={"http": http})


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Level.OK, "running fsrec"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Level.PROBLEM, "something else"),
        (b"", Level.PROBLEM, "something else"),
        (None, Level.PROBLEM, "something else"),
    ],
)
async def test_port_taken(tmp_path: Path, answer: bytes | None, level: Level, words: str) -> None:
    """A port that is taken is fine when a daemon of ours has it, and a problem otherwise, silent ones included."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readline()).startswith(b"GET /healthz ")
        if answer is None:
            await over.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await local.http_port(listening(made(tmp_path, 1), f"127.0.0.1:{port}"), deadline=0.3)
        over.set()
    assert (found.level, words in found.what) == (level, True)


async def test_port_taken_by_the_dead(tmp_path: Path) -> None:
    """A port that is bound and accepts nobody is a problem."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        found = await local.http_port(listening(made(tmp_path, 1), f"127.0.0.1:{port}"))
    assert found.level is Level.PROBLEM


async def test_no_such_address(tmp_path: Path) -> None:
    """An address that isn't this machine's is a problem."""
    found = await local.http_port(listening(made(tmp_path, 1), "192.0.2.1:8080"))
    assert (found.level, bool(found.fix)) == (Level.PROBLEM, True)


async def test_port_free_on_ipv6(tmp_path: Path) -> None:
    """A free port of an IPv6 address is tried as such."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    found = await local.http_port(listening(made(tmp_path, 1), "[::1]:0"))
    assert found.level is Level.OK
