"""controller/media/played.py: what switches play is made once, stays while it may be opened, and is bounded."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from controller.media.decoders import Decoders
from controller.media.examine import DiskMedia
from controller.media.job import DecodeJob
from controller.media.played import PlayedSounds
from controller.media.roots import Root
from controller.recordings.ports import MediaAway, NotPossible
from tests.harness.audio import read_wav
from tests.harness.sounds import tone


class FakeDecoders(Decoders):
    """Decoders that write 1000 bytes, as soon as `go` is set; they fail with `error`."""

    def __init__(self) -> None:
        self.jobs: list[DecodeJob] = []
        self.accounts: list[str] = []
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None
        self.turns = asyncio.Semaphore(2)

    async def decode(self, job: DecodeJob, ready: Callable[[], Awaitable[None]], account: str = "") -> int:
        self.accounts.append(account)
        async with self.turns:
            await ready()
            self.jobs.append(job)
            Path(job.growing).write_bytes(bytes(1000))
            await self.go.wait()
            if self.error is not None:
                raise self.error
            Path(job.growing).replace(job.target)
            return 1000

    async def close(self) -> None:
        pass


class World:
    """Two switches that share a directory, and a clock of the test's."""

    def __init__(self, base: Path) -> None:
        self.local = base / "recordings"
        self.local.mkdir(mode=0o755)
        self.played = self.local / "played"
        self.roots = {"fs1": Root("/srv/rec", self.local), "fs2": Root("/mnt/rec", self.local)}
        self.decoders = FakeDecoders()
        self.now = 1000.0
        self.all: list[PlayedSounds] = []
        self.sounds = self.again()

    def again(self, **bounds: int) -> PlayedSounds:
        """Another daemon's, on the same disk."""
        made = PlayedSounds(self.roots, self.decoders, clock=lambda: self.now, **bounds)
        self.all.append(made)
        self.sounds = made
        return made

    async def made(self, mark: str = "a", *, switch: str = "fs1", rate: int = 8000, gain: float = 0.0) -> str:
        """A path on a switch, held still."""
        return await self.sounds.made(switch, Path("/source"), mark, rate, gain, "acme")

    async def once(self, mark: str) -> str:
        """A path whose play is over."""
        path = await self.made(mark)
        self.sounds.over("fs1", path)
        return path

    def files(self) -> set[str]:
        return {path.name for path in self.played.iterdir()}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    for sounds in made.all:
        await sounds.close()


async def test_the_real_thing(tmp_path: Path) -> None:
    """A foreign file becomes one that the switch finds by its path, at the leg's rate."""
    (tmp_path / "rec").mkdir()
    decoders = Decoders()
    sounds = PlayedSounds({"fs1": Root("/srv/rec", tmp_path / "rec")}, decoders)
    source = tone(tmp_path / "x.mp3", "mp3", rate=44100, channels=2)
    path = await sounds.made("fs1", source, "digest", 16000, 0.0)
    await sounds.close()
    await decoders.close()
    sound = read_wav(tmp_path / "rec" / Path(path).relative_to("/srv/rec"))
    assert (sound.rate, round(sound.hz())) == (16000, 1000)


async def test_a_name_tells_nothing(world: World) -> None:
    """It is made of hashes alone, in a directory of our own; the path is the switch's."""
    path = await world.made("https://user:secret@x/../../etc ${system}")
    assert re.fullmatch(r"/srv/rec/played/[0-9a-f]{40}\.wav", path)
    assert world.files() == {Path(path).name}
    assert Path(await world.made("https://user:secret@x/../../etc ${system}", switch="fs2")).parent == Path(
        "/mnt/rec/played"
    )
    assert len(world.decoders.jobs) == 1


async def test_what_is_there_is_not_made_again(world: World) -> None:
    """The same content at the same rate and gain is one file; another of these is another."""
    first = await world.made()
    assert await world.made() == first
    others = [await world.made("b"), await world.made(rate=16000), await world.made(gain=3.0)]
    assert len({first, *others}) == 4
    assert len(world.decoders.jobs) == 4


@pytest.mark.parametrize(("rate", "made"), [(8000, 8000), (11025, 8000), (44100, 48000), (24000, 16000), (1, 8000)])
async def test_rates(world: World, rate: int, made: int) -> None:
    """A leg of an odd rate gets the nearest that FreeSWITCH has."""
    await world.made(rate=rate)
    assert [job.rate for job in world.decoders.jobs] == [made]


async def test_several_who_want_one_have_it_made_once(world: World) -> None:
    """Though the first of them goes away meanwhile."""
    world.decoders.go.clear()
    asking = [asyncio.create_task(world.made()) for _ in range(5)]
    async with asyncio.timeout(5):
        while not world.decoders.jobs:
            await asyncio.sleep(0.001)
    asking[0].cancel()
    world.decoders.go.set()
    _, *paths = await asyncio.gather(*asking, return_exceptions=True)
    assert len(set(map(str, paths))) == 1
    assert len(world.decoders.jobs) == 1


async def test_a_failure_is_told_to_all_and_leaves_nothing(world: World) -> None:
    """And the next one tries anew."""
    world.decoders.error = NotPossible("it is no audio")
    both = await asyncio.gather(world.made(), world.made(), return_exceptions=True)
    assert [str(error) for error in both] == ["it is no audio"] * 2
    async with asyncio.timeout(5):
        while world.files():
            await asyncio.sleep(0.001)
    world.decoders.error = None
    await world.made()


@pytest.mark.parametrize("bounds", [{"most_files": 3}, {"most_bytes": 2500}], ids=["files", "bytes"])
async def test_beyond_the_bound_those_not_used_longest_go(world: World, bounds: dict[str, int]) -> None:
    """But none that plays, or is about to: where all do, another sound has no room."""
    world.again(**bounds)
    paths = {mark: await world.made(mark) for mark in "abc"}
    assert await world.made("a") == paths["a"]
    with pytest.raises(MediaAway, match=r"no room for another sound in .*: 3 files of 3000 bytes are in use"):
        await world.made("d")
    for mark in "cba":  # a plays once more
        world.sounds.over("fs1", paths[mark])
    paths["d"] = await world.made("d")
    assert world.files() == {Path(paths[mark]).name for mark in "acd"}
    paths["e"] = await world.made("e")
    assert world.files() == {Path(paths[mark]).name for mark in "ade"}


@pytest.mark.parametrize("bounds", [{"most_files": 3}, {"most_bytes": 2500}], ids=["files", "bytes"])
async def test_distinct_sounds_without_end(world: World, bounds: dict[str, int]) -> None:
    """However many in whatever time: what was played makes room for what is to be played."""
    world.again(**bounds)
    for number in range(50):
        await world.once(f"{number}")
    assert len(world.files()) == 3


async def test_what_fails_or_is_given_up_holds_nothing(world: World) -> None:
    """Of whoever wanted it; nor does a path that is none of ours, let go."""
    world.again(most_files=1)
    world.decoders.go.clear()
    asking = asyncio.create_task(world.made("a"))
    async with asyncio.timeout(5):
        while not world.decoders.jobs:
            await asyncio.sleep(0.001)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    world.decoders.go.set()
    async with asyncio.timeout(5):
        while not world.files() or any(name.endswith(".part") for name in world.files()):
            await asyncio.sleep(0.001)
    held = await world.made("b")
    for path in ("/srv/rec/a.wav", f"/srv/rec/{Path(held).name}", "", f"/etc/played/{Path(held).name}"):
        world.sounds.over("fs1", path)
    world.sounds.over("fs9", held)
    with pytest.raises(MediaAway):
        await world.made("c")
    world.sounds.over("fs1", held)
    await world.made("c")


async def test_each_account_decodes_for_itself(world: World) -> None:
    """The turn of one is not waited for by another, though both want the same."""
    world.decoders.go.clear()
    all_three = [
        asyncio.create_task(world.sounds.made("fs1", Path("/source"), "a", 8000, 0.0, account))
        for account in ("acme", "other", "acme")
    ]
    async with asyncio.timeout(5):
        while len(world.decoders.accounts) < 2:
            await asyncio.sleep(0.001)
    world.decoders.go.set()
    assert len(set(await asyncio.gather(*all_three))) == 1
    assert world.decoders.accounts == ["acme", "other"]
    assert len(world.files()) == 1


@pytest.mark.parametrize("bounds", [{"most_files": 3}, {"most_bytes": 2500}], ids=["files", "bytes"])
async def test_many_at_once_keep_the_bound(world: World, bounds: dict[str, int]) -> None:
    """Those that wait for a process take no room before their turn: one file more for each process, at most."""
    world.again(**bounds)
    made = await asyncio.gather(*(world.made(f"{number}") for number in range(50)), return_exceptions=True)
    assert {type(one) for one in made if not isinstance(one, str)} == {MediaAway}
    assert 3 <= len(world.files()) <= 3 + 1


async def test_a_full_disk_is_left_to_recordings(world: World) -> None:
    """Where less than that is free no sound is made, and what is old goes."""
    await world.made("a")
    world.again(least_free=1 << 60)
    with pytest.raises(MediaAway, match="bytes are free"):
        await world.made("b")
    assert world.files()  # used lately by a daemon that may be another
    world.now += 60
    with pytest.raises(MediaAway, match="0 files of 0 bytes"):
        await world.made("b")
    assert world.files() == set()


async def test_a_restart_with_a_full_directory(world: World) -> None:
    """What was used lately stays until it is old; what is old already goes at once, half made or not."""
    young, old = Path(await world.made("young")).name, Path(await world.made("old")).name
    (world.played / "half.wav.1.part").write_bytes(b"x")
    (world.played / "other").write_bytes(b"not ours")
    past = time.time() - 700
    for name in (old, "half.wav.1.part", "other"):
        os.utime(world.played / name, (past, past))
    sounds = world.again(most_files=1)
    await sounds.start()
    assert world.files() == {young, "other"}
    with pytest.raises(MediaAway, match="no room"):
        await world.made("new")
    world.now += 601
    new = Path(await world.made("new")).name
    assert world.files() == {new, "other"}


async def test_what_others_removed_is_made_again(world: World) -> None:
    """Another daemon, or an operator, tidied up."""
    path = Path(await world.made()).name
    (world.played / path).unlink()
    await world.made()
    assert world.files() == {path}


async def test_use_keeps_a_file_for_other_daemons_too(world: World) -> None:
    """Its time is that of its last use."""
    path = world.played / Path(await world.made()).name
    os.utime(path, (0, 0))
    await world.made()
    assert time.time() - path.stat().st_mtime < 60


@pytest.mark.parametrize("mode", [0o750, 0o755, 0o2770])
async def test_who_may_read_recordings_may_read_it(world: World, mode: int) -> None:
    """The directory is as the one above it, but that nobody else writes there."""
    world.local.chmod(mode)
    await world.made()
    found = world.played.stat()
    assert found.st_mode & 0o777 == 0o700 | mode & 0o055
    assert found.st_gid == world.local.stat().st_gid


async def test_recordings_are_not_disturbed(world: World) -> None:
    """What looks at the directory of recordings finds nothing wrong with it."""
    await world.made()
    media = DiskMedia(world.roots, world.local / "derived", settle=())
    await media.room("fs1")
    media.close()


@pytest.mark.parametrize("there", ["file", "link", "missing"])
async def test_no_directory_to_be_had(world: World, tmp_path: Path, there: str) -> None:
    """It is said, with what would be right; nothing is written elsewhere."""
    if there == "file":
        world.played.write_text("")
    elif there == "link":
        world.played.symlink_to(tmp_path)
    else:
        world.local.rmdir()
    await world.sounds.start()
    with pytest.raises(MediaAway, match=r"played can't be used: .*; this daemon must be able to make it"):
        await world.made()
    assert world.decoders.jobs == []


async def test_what_nobody_plays_goes(world: World) -> None:
    """An hour after its last play, as it may be of a recording that was deleted; what is held stays."""
    held = Path(await world.made("held")).name
    await world.once("old")
    world.now += 3000.0
    played = Path(await world.once("lately")).name
    world.now += 700.0
    await world.sounds.tidy()
    assert world.files() == {held, played}
    assert Path(await world.once("old")).name in world.files()
