"""Every client of foreign URLs, over real sockets: none reaches what the settings do not allow, by whatever way.

What is told here of one receiver on loopback holds for every address that the guard refuses (test_guard): what counts
is the address that is connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.documents.fetch import DocumentRequest, FetchFailed, Patience
from controller.documents.fragments import Timeouts
from controller.documents.steps import Request
from controller.recordings.model import Delivery
from controller.transcription.openai import OpenAi
from controller.transcription.ports import TranscriptionFailed
from controller.web.ask import RequestClient
from controller.web.downloads import Downloads
from controller.web.fetch import DocumentClient
from controller.web.guard import AddressGuard
from controller.webhooks.client import CallbackClient
from tests.harness.receiver import Answer, Receiver
from tests.transcription.wavs import tone, write

Go = Callable[[str], Awaitable[str]]
"""Asks a URL; returns why not, or an empty text where it was answered."""
Client = Callable[[AddressGuard, Path], contextlib.AbstractAsyncContextManager[Go]]
PATIENCE = Patience(2.0, 2.0, 2.0, 3)


@asynccontextmanager
async def callbacks(guard: AddressGuard, _: Path) -> AsyncIterator[Go]:
    async with CallbackClient(guard) as client:

        async def go(url: str) -> str:
            delivery = Delivery("id", "acme", "swml", "POST", url, (), b"a")
            attempt = await client.send(delivery, {}, Timeouts(2.0, 2.0, 2.0))
            return (attempt.error or "") if attempt.status is None else ""

        yield go


@asynccontextmanager
async def documents(guard: AddressGuard, _: Path) -> AsyncIterator[Go]:
    async with DocumentClient(guard) as client:

        async def go(url: str) -> str:
            await client.fetch("GET", url, DocumentRequest, PATIENCE, 1000)
            return ""

        yield go


@asynccontextmanager
async def requests(guard: AddressGuard, _: Path) -> AsyncIterator[Go]:
    async with RequestClient(guard) as client:

        async def go(url: str) -> str:
            await client.send(Request("GET", url, connect=2.0, total=2.0))
            return ""

        yield go


@asynccontextmanager
async def audio(guard: AddressGuard, directory: Path) -> AsyncIterator[Go]:
    client = Downloads(guard, directory / "fetched", patience=PATIENCE)
    await client.start()

    async def go(url: str) -> str:
        async with client.get(url, "acme"):
            return ""

    try:
        yield go
    finally:
        await client.close()


CLIENTS: dict[str, Client] = {"callback": callbacks, "document": documents, "request": requests, "audio": audio}
FOLLOWS = {"document", "request", "audio"}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> tuple[str, Client]:
    return request.param, CLIENTS[request.param]


async def tried(go: Go, url: str) -> str:
    try:
        return await go(url)
    except FetchFailed as failed:
        return str(failed)


HOSTS = """
127.0.0.1 127.0.0.2 127.1 127.0.1 2130706433 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1 017700000001 00000177.1 0 0.0.0.0
0.0.0.1 [::] [::1] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:0:127.0.0.1] [::127.0.0.1]
[64:ff9b::127.0.0.1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2001:0:7f00:1::] [::1%25lo] [fe80::1%25lo] [::1%lo]
localhost LOCALHOST localhost. LocalHost.. ip6-localhost 127.0.0.1. 127.0.0.1.. localhost%00.example.com
\u2460\u2461\u2466.\u24ea.\u24ea.\u2460 127\u30020\u30020\u30021 \uff11\uff12\uff17.\uff10.\uff10.\uff11
\u2113ocalhost lo\u00adcalhost
%31%32%37.0.0.1 user@127.0.0.1 example.com@127.0.0.1 example.com:80@127.0.0.1 a:b@c:d@127.0.0.1
"""
"""This machine in every notation that some program somewhere takes; the port follows."""


@pytest.mark.parametrize("host", HOSTS.split())
async def test_no_notation(client: tuple[str, Client], host: str, tmp_path: Path) -> None:
    """None reaches a receiver that listens there, on either family; each says why not."""
    _, opened = client
    async with Receiver() as receiver, opened(AddressGuard(), tmp_path) as go:
        assert await tried(go, f"http://{host}:{receiver.port}/secret") != ""
        assert receiver.requests == []


TRICKS = [
    "http://{good}\\@{bad}/",
    "http://{good}#@{bad}/",
    "http://{good}?@{bad}/",
    "http://{bad}#@{good}/",
    "http://{bad}\\@{good}/",
    "http:\\\\{bad}/",
    "http:{bad}/",
    "http:///{bad}/",
    "http://{good}%2f@{bad}/",
    "http://{good} @{bad}/",
    "http://{good}\t@{bad}/",
    "http://{good}\n@{bad}/",
    "//{bad}/",
    "{bad}/",
    "gopher://{bad}/",
    "file:///etc/passwd",
    "ftp://{bad}/",
    "unix://{bad}/",
    "http+unix://%2fvar%2frun%2fdocker.sock/",
    "HTTP://{bad}/",
    "ws://{bad}/",
    "http://{bad}:0/",
    "http://{bad}:99999/",
    "http://[{bad}/",
]


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_trick(client: tuple[str, Client], trick: str, tmp_path: Path) -> None:
    """Whatever reads such a URL in another way than we do: nothing is connected to but what was checked."""
    _, opened = client
    async with Receiver() as receiver, opened(AddressGuard(), tmp_path) as go:
        url = trick.format(good="good.invalid", bad=f"127.0.0.1:{receiver.port}")
        assert await tried(go, url) != ""
        assert receiver.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect(client: tuple[str, Client], status: int, tmp_path: Path) -> None:
    """Each hop is judged as the first one: an allowed server leads nowhere else."""
    name, opened = client
    came: list[int] = []
    there = await asyncio.start_server(_count(came), "127.0.0.2", 0)
    port = there.sockets[0].getsockname()[1]
    guard = AddressGuard([ip_network("127.0.0.1/32")])
    async with Receiver() as receiver, opened(guard, tmp_path) as go:
        for place in (
            f"http://127.0.0.2:{port}/",
            f"//127.0.0.2:{port}/",
            "file:///etc/passwd",
            "http://2130706434/",
        ):
            receiver.plan("/a", Answer(status, b"", {"Location": place}))
            why = await tried(go, receiver.url("/a"))
            assert (why != "") is (name in FOLLOWS), "a callback's redirect is its answer"
        assert [request.path for request in receiver.requests] == ["/a"] * 4
    assert came == []
    there.close()


def _count(came: list[int]) -> Any:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(1)
        writer.close()

    return serve


def resolving(monkeypatch: pytest.MonkeyPatch, *turns: list[str]) -> None:
    """Let every name resolve to each of ``turns`` in turn, the last one for all later."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        found = turns[min(len(asked), len(turns)) - 1]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in found
        ]

    monkeypatch.setattr("controller.web.guard.socket.getaddrinfo", look_up)


@pytest.mark.parametrize(
    "answers",
    [
        [["127.0.0.1"]],
        [["::1"], ["127.0.0.1"]],
        [["::ffff:127.0.0.1"]],
        [["100:0:0:1::1", "127.0.0.1"]],
        [["240.0.0.1", "127.0.0.1", "10.0.0.1"]],
        [["64:ff9b::7f00:1"]],
        [[]],
    ],
)
async def test_no_answer_of_a_name_server(
    client: tuple[str, Client], answers: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is good at one time and bad at another, or both at once, leads to no refused address."""
    _, opened = client
    async with Receiver() as receiver, opened(AddressGuard(), tmp_path) as go:
        resolving(monkeypatch, *answers)
        for _turn in range(3):
            assert await tried(go, f"http://rebinding.example:{receiver.port}/") != ""
        assert receiver.requests == []


async def test_what_is_allowed_of_a_mixed_answer(
    client: tuple[str, Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a name with good and bad addresses the good ones are used, and only these."""
    _, opened = client
    came: list[int] = []
    there = await asyncio.start_server(_count(came), "127.0.0.2", 0)
    port = there.sockets[0].getsockname()[1]
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    async with opened(AddressGuard([ip_network("127.0.0.1/32")]), tmp_path) as go:
        assert await tried(go, f"http://mixed.example:{port}/") != ""
    assert came == []
    there.close()


async def test_a_name_server_that_hangs_costs_no_more_than_a_try(
    client: tuple[str, Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up is within the time for connecting, and what it finds later is used by nobody."""
    _, opened = client
    over = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        over.wait(20)
        return []

    async with opened(AddressGuard(), tmp_path) as go:
        monkeypatch.setattr("controller.web.guard.socket.getaddrinfo", hang)
        try:
            assert await asyncio.wait_for(tried(go, "http://slow.example/"), 15) != ""
        finally:
            over.set()


async def test_no_proxy_of_the_environment(
    client: tuple[str, Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would connect for us, unguarded; nor are credentials taken from a file there."""
    _, opened = client
    async with Receiver() as proxy, Receiver() as receiver:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
            monkeypatch.setenv(name.lower(), proxy.url())
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login user password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        async with opened(AddressGuard([ip_network("127.0.0.1/32")]), tmp_path) as go:
            assert await tried(go, receiver.url("/a")) == ""
            assert await tried(go, "http://10.0.0.1/") != ""
        assert proxy.requests == []
        (request,) = receiver.requests
        assert request.header("Authorization") is None


async def test_the_transcription_servers_url_is_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be on this machine; a redirect of it is not followed, and no proxy is asked."""
    wav = write(tmp_path / "a.wav", tone(1.0))
    async with Receiver() as proxy, Receiver() as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        monkeypatch.setenv("http_proxy", proxy.url())
        server.plan("/v1/audio/transcriptions", Answer(307, b"", {"Location": proxy.url("/stolen")}))
        engine = OpenAi(server.url(), key="key", delays=())
        with pytest.raises(TranscriptionFailed, match="307"):
            await engine.transcribe(wav, 1.0, lambda _: None)
        await engine.close()
        assert [request.path for request in server.requests] == ["/v1/audio/transcriptions"]
        assert proxy.requests == []


def test_the_clients_of_this_table_are_all() -> None:
    """Who opens a session of its own must be here, or in the test above."""
    import controller

    sources = Path(controller.__file__).parent
    opens = {
        path.relative_to(sources).as_posix()
        for path in sources.rglob("*.py")
        if f"{aiohttp.ClientSession.__name__}(" in path.read_text()
    }
    assert opens == {"web/client.py", "webhooks/client.py", "transcription/openai.py", "demo/receiver.py"}
