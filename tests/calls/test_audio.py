"""controller/calls/audio.py: own recordings from their files, foreign sounds fetched and decoded, or why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from controller.calls.audio import AudioFetched, AudioRefused, CallAudio
from controller.calls.ports import AudioFailed, SoundFile
from controller.dialects.swml import SwmlDialect
from controller.documents.call import Call, CallInfo, CallState
from controller.media import wav
from controller.media.decoders import Decoders
from controller.media.examine import DiskMedia
from controller.media.played import PlayedSounds
from controller.media.roots import Root
from controller.recordings.model import EndReason, Measured, Recording, State, Wish, new_id
from controller.web.downloads import Downloads
from controller.web.guard import AddressGuard
from tests.harness.audio import Sound, read_wav
from tests.harness.receiver import Answer, Receiver
from tests.harness.sounds import tone
from tests.recordings.fakes import REQUEST, owner
from tests.web.test_fetch import LOOPBACK

PUBLIC = "https://rec.example.com"


@dataclass
class Recordings:
    """Recordings in memory: those that are not final are told to be so when their event is set."""

    rows: dict[str, Recording] = field(default_factory=dict)
    done: dict[str, asyncio.Event] = field(default_factory=dict)

    def get(self, identity: str) -> Recording | None:
        found = self.rows.get(identity)
        return None if found is None or found.state.final else found

    async def playable(self, identity: str) -> Recording | None:
        if self.get(identity) is not None:
            await self.done.setdefault(identity, asyncio.Event()).wait()
        return self.rows.get(identity)


class World:
    """The rooms that audio is had with, on real files and loopback."""

    def __init__(self, base: Path, receiver: Receiver) -> None:
        self.base = base
        self.receiver = receiver
        self.local, self.other = base / "rec", base / "other"
        self.local.mkdir()
        self.other.mkdir()
        roots = {"fs1": Root("/srv/rec", self.local), "fs2": Root("/srv/two", self.other)}
        self.media = DiskMedia(roots, base / "media", settle=())
        self.decoders = Decoders()
        self.sounds = PlayedSounds(roots, self.decoders)
        self.downloads = Downloads(AddressGuard(LOOPBACK), base / "fetched")
        self.recordings = Recordings()
        self.events: list[object] = []
        self.audio = CallAudio(
            {"swml": SwmlDialect(PUBLIC)},
            self.recordings,
            self.media,
            self.downloads,
            self.sounds,
            self.events.append,
            patience=0.3,
        )

    async def close(self) -> None:
        await self.sounds.close()
        await self.downloads.close()
        await self.decoders.close()
        self.media.close()

    def call(self, account: str = "acme", switch: str = "fs1", rate: int = 8000) -> Call:
        info = CallInfo("100", rate=rate)
        return Call("call", switch, "leg", account, "swml", "doc", "", info, CallState.RUNNING, 0.0)

    def recording(self, seconds: float = 1.0, state: State = State.COMPLETED, **changes: Any) -> Recording:
        """A recording whose master is a tone of `seconds`; none at 0."""
        identity = new_id()
        measured = None
        if seconds:
            path = tone(self.local / f"{identity}.wav", "wav", seconds=seconds)
            measured = Measured(seconds, path.stat().st_size)
        found = Recording(identity, owner(), REQUEST, state, f"/srv/rec/{identity}.wav", 0.0, measured=measured)
        self.recordings.rows[identity] = found = replace(found, **changes)
        return found

    def heard(self, sound: SoundFile) -> Sound:
        """What a switch plays."""
        root = self.local if sound.path.startswith("/srv/rec/") else self.other
        return read_wav(root.joinpath(*Path(sound.path).parts[3:]))

    async def own(self, recording: Recording, gain: float = 0.0, **call: Any) -> SoundFile:
        return await self.audio.file(self.call(**call), url_of(recording), gain)

    async def refused(self, url: str, **call: Any) -> str:
        with pytest.raises(AudioFailed) as failed:
            await self.audio.file(self.call(**call), url, 0.0)
        return str(failed.value)


def url_of(recording: Recording) -> str:
    return SwmlDialect(PUBLIC).recording_url(recording)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with Receiver() as receiver:
        made = World(tmp_path, receiver)
        await made.downloads.start()
        yield made
        await made.close()


# --- recordings of ours ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.COMPLETED, State.NO_INPUT])
async def test_a_master_is_played_as_it_is(world: World, state: State) -> None:
    """By its own path on the switch; nobody is asked, nothing is made."""
    recording = world.recording(state=state)
    assert await world.own(recording) == SoundFile(recording.path)
    assert not (world.local / "played").exists()
    assert world.receiver.requests == []


async def test_credentials_do_not_matter(world: World) -> None:
    """The URL as people write it who open recordings with their token."""
    recording = world.recording()
    url = url_of(recording).replace("https://", "https://project:token@")
    assert await world.audio.file(world.call(), url, 0.0) == SoundFile(recording.path)


async def test_louder(world: World) -> None:
    """Another file is made, beside nothing of the master's."""
    recording = world.recording(seconds=0.5)
    sound = await world.own(recording, gain=-6.0)
    assert sound.path.startswith("/srv/rec/played/")
    plain = read_wav(world.local / f"{recording.id}.wav")
    assert abs(world.heard(sound).loudness() - plain.loudness() * 10 ** (-6 / 20)) < 0.001
    assert await world.own(recording, gain=-6.0) == sound


async def test_a_copy_of_ours(world: World) -> None:
    """What was cut or mended is played as it is served; the switch does not see where that lies."""
    recording = world.recording(measured=Measured(0.25, 4044, derived=True))
    copy = world.base / "media" / recording.id[:2] / f"{recording.id}.wav"
    copy.parent.mkdir(parents=True)
    tone(copy, "wav", seconds=0.25, hz=600)
    sound = world.heard(await world.own(recording))
    assert (sound.seconds, round(sound.hz())) == (0.25, 600)


async def test_another_format(world: World) -> None:
    """The WAV that it was made of is played."""
    recording = world.recording(measured=Measured(1.0, 999, format="mp3"))
    assert await world.own(recording) == SoundFile(recording.path)


async def test_another_switch(world: World) -> None:
    """A switch that does not see the directory gets a file in its own, at its leg's rate."""
    sound = await world.own(world.recording(seconds=0.5), switch="fs2", rate=16000)
    assert sound.path.startswith("/srv/two/played/")
    assert (world.heard(sound).rate, world.heard(sound).seconds) == (16000, 0.5)


async def test_others_recordings_do_not_exist(world: World) -> None:
    """The words are those for one that nobody has; so they are while it runs, and for one that was deleted."""
    known, unknown = world.recording(), replace(world.recording(), id=new_id())
    deleted = world.recording(deleted_at=1.0)
    runs = world.recording(0, State.RECORDING)
    told = {(await world.refused(url_of(one), account="other")).replace(one.id, "") for one in (known, unknown, runs)}
    told.add((await world.refused(url_of(deleted))).replace(deleted.id, ""))
    assert told == {f"{PUBLIC}/api/v1/recordings//download: there is no such recording"}


NOT_PLAYED: list[tuple[State, dict[str, Any], str]] = [
    (State.REQUESTED, {}, "runs still; stop it before it is played"),
    (State.RECORDING, {}, "runs still"),
    (State.PAUSED, {}, "runs still"),
    (State.PROCESSING, {}, "was not ready within 0.3 s"),
    (State.STOPPING, {}, "was not ready within 0.3 s"),
    (State.RECORDING, {"wish": Wish(stop=EndReason.VERB)}, "was not ready within 0.3 s"),
    (State.FAILED, {"error": "refused by FreeSWITCH"}, "the recording failed: refused by FreeSWITCH"),
    (State.FAILED, {}, "the recording failed: it has no readable audio"),
    (State.ABSENT, {"measured": Measured(0.0, 44)}, "the recording is absent"),
    (State.ABSENT, {"measured": Measured(0.5, 8044)}, "the recording is absent"),
    (State.COMPLETED, {"measured": Measured(0.0, 44)}, "the recording is absent"),
]


@pytest.mark.parametrize(("state", "changes", "why"), NOT_PLAYED)
async def test_what_cannot_be_played(world: World, state: State, changes: dict[str, Any], why: str) -> None:
    """One that runs fails at once, one that takes too long when its time is over, one without audio says so."""
    assert why in await world.refused(url_of(world.recording(0, state, **changes)))


async def test_one_that_has_ended_is_waited_for(world: World) -> None:
    """While it is stopped, measured or encoded."""
    recording = world.recording(state=State.PROCESSING)
    playing = asyncio.create_task(world.own(recording))
    async with asyncio.timeout(5):
        while recording.id not in world.recordings.done:
            await asyncio.sleep(0.001)
    world.recordings.rows[recording.id] = replace(recording, state=State.COMPLETED)
    world.recordings.done[recording.id].set()
    assert await playing == SoundFile(recording.path)


async def test_a_master_that_is_gone(world: World) -> None:
    """It is said, and nothing else happens."""
    recording = world.recording()
    (world.local / f"{recording.id}.wav").unlink()
    with pytest.raises(AudioFailed, match="sounds can't be made playable now"):
        await world.own(recording, gain=1.0)
    assert "it can't be decoded now" in repr(world.events[-1])


async def test_a_path_that_leads_out(world: World) -> None:
    """A row's path is not believed."""
    with pytest.raises(AudioFailed, match="the recording's file can't be read"):
        await world.own(world.recording(path="/etc/../passwd.wav"))
    assert "is not inside" in repr(world.events[-1])


@pytest.mark.parametrize("foreign", [True, False])
async def test_documents_are_told_no_paths(world: World, foreign: bool) -> None:
    """Why this machine can't is the operator's to know; an application is told nothing of its directories."""
    (world.local / "played").write_text("in the way")
    world.receiver.plan("/a", Answer(200, tone(world.base / "a", "wav", seconds=0.2).read_bytes()))
    url = world.receiver.url("/a")
    wanted = world.audio.file(world.call(), url, 0.0) if foreign else world.own(world.recording(), gain=1.0)
    with pytest.raises(AudioFailed, match="sounds can't be made playable now") as failed:
        await wanted
    assert str(world.base) not in str(failed.value)
    assert str(world.local) in repr(world.events[-1])


# --- what lies elsewhere --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_foreign_audio(world: World, rate: int) -> None:
    """It is fetched by us and decoded at the leg's rate; that is told, without credentials and query."""
    world.receiver.plan("/a", Answer(200, tone(world.base / "a", "mp3", rate=44100, channels=2).read_bytes()))
    url = world.receiver.url("/a?token=secret").replace("http://", "http://user:secret@")
    sound = await world.audio.file(world.call(rate=rate), url, 0.0)
    heard = world.heard(sound)
    assert (heard.rate, heard.channels, round(heard.hz())) == (rate, 1, 1000)
    assert abs(heard.seconds - 1) < 0.05
    [event] = world.events
    assert isinstance(event, AudioFetched)
    assert (event.call, event.url, event.fresh) == ("call", world.receiver.url("/a"), False)
    assert "secret" not in repr(event) + sound.path


async def test_what_was_played_makes_room(world: World) -> None:
    """A file is held until it is let go, the fetched one until it was decoded; masters are nobody's to let go."""
    world.sounds._most_files = 1
    world.downloads._most_files = 1
    for number in range(3):
        content = tone(world.base / "a", "wav", seconds=0.2, hz=400 + 100 * number).read_bytes()
        world.receiver.plan(f"/{number}", Answer(200, content))
        sound = await world.audio.file(world.call(), world.receiver.url(f"/{number}"), 0.0)
        if number == 2:
            with pytest.raises(AudioFailed, match="can't be made playable now"):
                await world.own(world.recording(), gain=1.0)
        world.audio.over(world.call(), sound)
    master = await world.own(world.recording())
    world.audio.over(world.call(), master)
    assert len(list((world.local / "played").iterdir())) == 1


async def test_one_fetch_for_many_calls(world: World) -> None:
    """Plays of one URL at once ask for it once, and so do later ones while it is fresh; each gain is decoded."""
    content = tone(world.base / "a", "wav", seconds=0.2).read_bytes()
    world.receiver.plan("/a", Answer(200, content, {"Cache-Control": "max-age=60"}, delay=0.1))
    url = world.receiver.url("/a")
    sounds = await asyncio.gather(*(world.audio.file(world.call(), url, gain) for gain in (0.0, 0.0, 0.0, 6.0)))
    assert (len(set(sounds)), len(world.receiver.requests)) == (2, 1)
    await world.audio.file(world.call(switch="fs2"), url, 0.0)
    assert len(world.receiver.requests) == 1
    assert isinstance(world.events[-1], AudioFetched)
    assert world.events[-1].fresh


BAD: list[tuple[str, Answer, str]] = [
    ("html", Answer(200, b"<html><body>hi</body></html>" * 50, {"Content-Type": "audio/wav"}), "is no audio"),
    ("playlist", Answer(200, b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"), "is no audio"),
    ("missing", Answer(404), "answered with status 404"),
    ("private", Answer(302, b"", {"Location": "http://10.1.2.3/a.wav"}), "is refused (private)"),
    ("empty", Answer(200, wav.header(8000, 1, 0)), "holds no audio"),
]


@pytest.mark.parametrize(("answer", "why"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_what_is_no_audio(world: World, answer: Answer, why: str) -> None:
    """It is told to the document and to telemetry, without a secret; nothing is left for a switch."""
    world.receiver.plan("/a", answer)
    url = world.receiver.url("/a?k=secret").replace("http://", "http://user:secret@")
    said = await world.refused(url)
    assert said.startswith(f"{world.receiver.url('/a')}: ")
    assert why in said
    assert "secret" not in said
    [event] = world.events
    assert isinstance(event, AudioRefused)
    assert (event.url, event.why) == (world.receiver.url("/a"), said.removeprefix(f"{event.url}: "))
    assert not list(world.local.rglob("*.wav"))


async def test_a_wav_that_claims_4_gigabytes(world: World) -> None:
    """It is as long as it is."""
    content = wav.header(8000, 1, 1 << 31) + b"\x00\x10" * 2000
    world.receiver.plan("/a", Answer(200, content))
    assert world.heard(await world.audio.file(world.call(), world.receiver.url("/a"), 0.0)).seconds == 0.25


@pytest.mark.parametrize(
    "url", ["http://[", "http://x:99999/", "ftp://x/a", "http://", "http://user:secret@[/?secret"]
)
async def test_no_urls(world: World, url: str) -> None:
    """Whatever a document names, it is an AudioFailed, and no secret is told."""
    assert "secret" not in await world.refused(url)
