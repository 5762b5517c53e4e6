"""controller/console/audio.py: who may hear a recording, and what is answered where there is none to be had."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, encode_basic_auth, web
from aiohttp.test_utils import TestClient, TestServer

from controller.console import audio
from controller.console.access import ACCESS, Access
from controller.console.ports import NotFound, Viewer
from controller.documents.dialect import Account
from controller.http.app import HttpRooms, build_app
from controller.media.variants import Variant
from controller.recordings.model import Recording
from controller.recordings.ports import MediaAway, NotPossible
from controller.softswitch.script import Hangup, Tone
from tests.console.test_player import ONE
from tests.harness.audio import read_wav
from tests.harness.listen import read_audio
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call

URL = f"/console/recordings/{ONE.id}/audio"
ACME = {"Authorization": encode_basic_auth("project", "token")}
Client = TestClient[web.Request, web.Application]


class Desk:
    """Operations that know one recording, of acme."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: Exception | None = None

    async def audio(self, viewer: Viewer, identity: str, form: str) -> tuple[Recording, Variant]:
        if self.error is not None:
            raise self.error
        if identity != ONE.id or viewer.account not in {None, "acme"}:
            raise NotFound
        return ONE, Variant(self.path, form, form)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    path = tmp_path / "sound"
    path.write_bytes(bytes(range(200)))
    return Desk(path)


@pytest_asyncio.fixture
async def client(desk: Desk) -> AsyncIterator[Client]:
    operations: Any = desk
    accounts = [
        Account("acme", "signalwire", identity="project", token="token"),
        Account("other", "signalwire", identity="other", token="other"),
    ]

    async def find(_: str) -> None:
        return None

    def opened(_: Recording) -> Any:
        raise FileNotFoundError

    app = build_app(
        HttpRooms(
            find=find,
            opened=opened,
            problems=list,
            exposition=bytes,
            register=[lambda router, downloads: audio.register(router, downloads, operations)],
        )
    )
    app[ACCESS] = Access(accounts, ["an operator's secret"], "http://127.0.0.1")
    async with TestClient(TestServer(app)) as made:
        yield made


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": encode_basic_auth("project", "wrong")}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": encode_basic_auth("other", "other")}, 404),
        ({"Authorization": encode_basic_auth("project", "token")}, 200),
        ({"Authorization": "Bearer an operator's secret"}, 200),
    ],
)
async def test_who_may(client: Client, headers: dict[str, str], status: int) -> None:
    """Whoever may see its page; for another account it does not exist. No 401 has a browser ask for a password."""
    async with client.get(f"{URL}.wav", headers=headers) as response:
        assert response.status == status
        assert "WWW-Authenticate" not in response.headers
        assert (await response.read() == bytes(range(200))) is (status == 200)


@pytest.mark.parametrize(("form", "kind"), [("wav", "audio/wav"), ("mp3", "audio/mpeg")])
async def test_parts(client: Client, form: str, kind: str) -> None:
    """A player asks for parts, and is told what they are of; caches of others keep nothing."""
    async with client.get(f"{URL}.{form}", headers={**ACME, "Range": "bytes=10-19"}) as response:
        assert (response.status, await response.read()) == (206, bytes(range(10, 20)))
        assert response.headers["Content-Type"] == kind
        assert response.headers["Content-Range"] == "bytes 10-19/200"
        assert "private" in response.headers["Cache-Control"]
    async with client.head(f"{URL}.{form}", headers=ACME) as response:
        assert (response.status, response.headers["Content-Length"]) == (200, "200")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound(), 404),
        (FileNotFoundError("gone"), 404),
        (NotPossible("it can't be had as mp3: the encoder crashed"), 409),
        (MediaAway("64 files are being made already"), 503),
    ],
)
async def test_what_is_not_to_be_had(client: Client, desk: Desk, error: Exception, status: int) -> None:
    """Each reason has its own status, and what may pass says when to come again."""
    desk.error = error
    async with client.get(f"{URL}.mp3", headers=ACME) as response:
        assert response.status == status
        assert ("Retry-After" in response.headers) is (status == 503)


async def test_other_formats(client: Client) -> None:
    """Only those that the page offers."""
    async with client.get(f"{URL}.mp4", headers=ACME) as response:
        assert response.status == 404


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_of_a_call(daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path) -> None:
    """Also where downloads need their account's credentials, and in a format that nobody asked for before."""
    daemon.changes["media"] = {"require_auth": True}
    daemon.changes["http"] = {"listen": "127.0.0.1:0", "console_token": "an operator's secret"}
    daemon.say(record_call(daemon.receiver, stereo=True), {"sleep": -1})
    await daemon.start()
    await switch.call(script=(Tone(1.0, hz=700), Hangup()))
    end = await callbacks.wait("finished")
    assert await daemon.fetch(end["url"], tmp_path / "refused") == 401
    page = f"{daemon.url}/console/recordings/{end['recording_id']}/audio"
    assert await daemon.fetch(f"{page}.wav", tmp_path / "refused") == 401
    operator = {"Authorization": "Bearer an operator's secret"}
    async with ClientSession(headers=operator) as client:
        for form, read in (("wav", read_wav), ("mp3", read_audio)):
            path = tmp_path / f"heard.{form}"
            async with client.get(f"{page}.{form}") as response:
                assert response.status == 200
                path.write_bytes(await response.read())
            sound = read(path)
            assert sound.channels == 2
            assert sound.hz(0) == pytest.approx(700, abs=5)
            assert sound.loudness(1) < 0.001
