"""Recordings in a media store: told when they are there, served from there, kept here while it is away."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.console.ports import Viewer
from controller.softswitch.script import Hangup, Silence, Tone
from tests.harness.audio import read_wav
from tests.harness.listen import read_audio
from tests.harness.s3 import KEY_ID, SECRET, Bucket, FaultyS3
from tests.harness.switch import Switch
from tests.scenarios.daemon import PROJECT, TOKEN, Callbacks, Daemon, _free_port, record_call

FOREVER = {"sleep": -1}
SPEAKS = (Silence(0.3), Tone(1.0), Silence(0.2), Hangup())
ONLY_SOFT = pytest.mark.parametrize("switch", ["soft"], indirect=True)


@pytest.fixture
def daemon(daemon: Daemon, bucket: Bucket, faulty: FaultyS3) -> Daemon:
    """A daemon with a media store that can be made to fail, under one URL for all its lives."""
    daemon.changes = {"media": bucket.settings(faulty.url)}
    daemon.options = {"linger": 0.0, "upload_wait": 5.0}
    daemon.port = _free_port()
    return daemon


def here(switch: Switch, daemon: Daemon) -> list[Path]:
    """Recordings' files on this machine."""
    return [*switch.recordings.glob("*.wav"), *(daemon.data / "media").glob("??/*")]


async def until_gone(switch: Switch, daemon: Daemon) -> None:
    """Wait until no file of a recording is left on this machine."""
    async with asyncio.timeout(20):
        while here(switch, daemon):
            await asyncio.sleep(0.02)


async def get(
    url: str, headers: Mapping[str, str] | None = None, method: str = "GET", *, known: bool = False
) -> tuple[int, Mapping[str, str], bytes]:
    """One request, with the account's credentials where it is `known`."""
    basic = base64.b64encode(f"{PROJECT}:{TOKEN}".encode()).decode()
    credentials = {"Authorization": f"Basic {basic}"} if known else {}
    async with (
        aiohttp.ClientSession(headers=credentials) as client,
        client.request(method, url, headers=headers) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def recorded(daemon: Daemon, switch: Switch, callbacks: Callbacks, **more: Any) -> dict[str, Any]:
    """Have a second of tone recorded; what is told of its end."""
    daemon.say(record_call(daemon.receiver, **more), FOREVER)
    await switch.call(script=SPEAKS)
    return await callbacks.wait("finished")


@pytest.mark.parametrize("form", ["wav", "mp3"])
async def test_a_recording_moves_under_its_url(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, bucket: Bucket, tmp_path: Path, form: str
) -> None:
    """It is in the store when its end is told; its files here go, and its URL gives the same, after a restart too."""
    daemon.options["linger"] = 1.0
    await daemon.start()
    end = await recorded(daemon, switch, callbacks, format=form)
    names = await bucket.names()
    assert {name.rpartition(".")[2] for name in names} == {"wav", form}
    first = await get(end["url"])
    assert (first[0], len(first[2])) == (200, end["size"])
    path = tmp_path / f"fetched.{form}"
    path.write_bytes(first[2])
    assert abs((read_wav(path) if form == "wav" else read_audio(path)).hz() - 440) < 5
    await until_gone(switch, daemon)
    for life in range(2):
        if life:
            await daemon.stop()
            await daemon.start()
        again = await get(end["url"])
        assert (again[0], again[2]) == (200, first[2])
        for header in ("ETag", "Last-Modified", "Content-Type", "Content-Length", "Content-Disposition"):
            assert again[1][header] == first[1][header]
        part = await get(end["url"], {"Range": "bytes=100-199", "If-Range": first[1]["ETag"]})
        assert (part[0], part[2]) == (206, first[2][100:200])
        assert (await get(end["url"], {"If-None-Match": first[1]["ETag"]}))[0] == 304
        assert (await get(end["url"], {"Range": "bytes=99999999-"}))[0] == 416
        head = await get(end["url"], method="HEAD")
        assert (head[0], head[1]["Content-Length"]) == (200, str(end["size"]))
    assert daemon.app is not None
    desk, identity = daemon.app.operations, end["recording_id"]
    assert await desk.derive(Viewer(), identity, form) == end["size"]
    assert abs((await desk.waveform(Viewer(), identity, 9)).seconds - end["duration"]) < 0.01
    assert here(switch, daemon) == []


async def test_what_is_asked_of_a_recording_that_is_in_the_store(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, bucket: Bucket, tmp_path: Path
) -> None:
    """REST gives its other formats, a document plays it, and DELETE takes it out."""
    await daemon.start()
    end = await recorded(daemon, switch, callbacks)
    await until_gone(switch, daemon)
    rest = f"{daemon.url}/api/laml/2010-04-01/Accounts/{PROJECT}/Recordings/{end['recording_id']}"
    for ending in ("mp3", "wav"):
        status, _, content = await get(f"{rest}.{ending}", known=True)
        assert status == 200
        path = tmp_path / f"asked.{ending}"
        path.write_bytes(content)
        assert abs((read_wav(path) if ending == "wav" else read_audio(path)).hz() - 440) < 5
    daemon.say(
        record_call(daemon.receiver, "played", direction="listen"), {"play": {"url": end["url"]}}, {"hangup": {}}
    )
    await switch.call(script=(Silence(20.0),))
    played = await callbacks.wait("finished", "played")
    assert (await daemon.fetch(played["url"], tmp_path / "played.wav")) == 200
    (sounding,) = read_wav(tmp_path / "played.wav").sounding()
    assert 0.8 < sounding.seconds < 1.2
    assert (await get(rest, method="DELETE", known=True))[0] == 204
    assert [name for name in await bucket.names() if end["recording_id"] in name] == []
    assert (await get(end["url"]))[0] == 404


async def test_a_store_that_is_away(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, bucket: Bucket, faulty: FaultyS3
) -> None:
    """The end is told all the same, the file here serves, over a restart; it moves when the store is back."""
    daemon.options["upload_wait"] = 0.5
    faulty.rule = lambda _: "503"
    await daemon.start()
    end = await recorded(daemon, switch, callbacks)
    assert (await get(end["url"]))[0] == 200
    await daemon.stop()
    await daemon.start()
    status, headers, content = await get(end["url"])
    assert (status, len(content)) == (200, end["size"])
    assert await bucket.names() == []
    faulty.rule = lambda _: None
    await until_gone(switch, daemon)
    moved = await get(end["url"])
    assert (moved[0], moved[1]["ETag"], moved[2]) == (200, headers["ETag"], content)
    faulty.rule = lambda _: "503"
    status, headers, _ = await get(end["url"])
    assert (status, "Retry-After" in headers) == (503, True)
    faulty.rule = lambda asked: "cut" if asked.method == "GET" else None
    assert (await get(end["url"]))[0] == 503
    assert callbacks.states().count("finished") == 1


@ONLY_SOFT
@pytest.mark.parametrize("moment", ["PUT", "HEAD"])
async def test_a_daemon_killed_within_an_upload(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, bucket: Bucket, faulty: FaultyS3, moment: str
) -> None:
    """The next one puts it there, tells its end once, and has logged no key."""
    callbacks.once = True
    faulty.rule = lambda asked: "hang" if asked.method == moment else None
    await daemon.spawn()
    daemon.say(record_call(daemon.receiver), FOREVER)
    await switch.call(script=SPEAKS)
    await faulty.seen(lambda asked: asked.method == moment)
    await daemon.kill()
    assert callbacks.states() == ["recording"]
    faulty.rule = lambda _: None
    await daemon.spawn()
    end = await callbacks.wait("finished")
    assert await bucket.names() == [f"rec/{end['recording_id']}.wav"]
    assert (await get(end["url"]))[2] == (await bucket.get(f"rec/{end['recording_id']}.wav"))[1]
    with closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        assert store.execute("SELECT count(*) FROM recordings WHERE unstored_on IS NOT NULL").fetchone() == (0,)
    log = (daemon.directory / "daemon.log").read_text()
    assert "recording.stored" in log
    assert KEY_ID not in log
    assert SECRET not in log
    assert daemon.process is not None
    daemon.process.terminate()
    assert await daemon.process.wait() == 0
