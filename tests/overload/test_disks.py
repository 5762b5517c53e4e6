"""Whether a recording may begin: what is free, what is promised, and what is said."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from controller.media.room import Room
from controller.overload.disks import AHEAD, BYTES, LAST, LEAST_FILES, Disks, Volume, needs
from controller.overload.levels import Shed
from controller.recordings.model import Channels, Owner, Recording, RecordingRequest, State, Track

MONO = RecordingRequest(Channels.MONO, Track.BOTH, "wav", "r", "test")
DUAL = replace(MONO, channels=Channels.DUAL)
ONE = round(AHEAD * BYTES)
LEAST = 1 << 30
PLENTY = Room(1 << 40, None, 1)


class Rooms:
    """Disks that are as a test says; `data` beside the switches fs1 and fs2."""

    def __init__(self) -> None:
        self.seen: dict[str, Room | OSError] = {"data": replace_device(PLENTY, 9), "fs1": PLENTY, "fs2": PLENTY}
        self.running: dict[str, list[Recording]] = {}
        places = {name: Volume(f"/{name}", lambda name=name: self.look(name)) for name in self.seen}  # type: ignore[misc]
        data = places.pop("data")
        self.disks = Disks(places, data, LEAST, lambda switch: self.running.get(switch, []))

    def admit(self, switch: str, request: RecordingRequest) -> str | None:
        """Have one begin that may."""
        refusal = self.disks.admit(switch, request)
        if refusal is None:
            self.running.setdefault(switch, []).append(running(request))
        return refusal

    async def look(self, name: str) -> Room:
        found = self.seen[name]
        if isinstance(found, OSError):
            raise found
        return found


def replace_device(room: Room, device: int) -> Room:
    return room._replace(device=device)


def running(request: RecordingRequest) -> Recording:
    owner = Owner("acme", "swml", "call", "fs1", "leg")
    return Recording("id", owner, request, State.RECORDING, "/x", 0.0)


@pytest.mark.parametrize(
    ("request_", "bytes_"),
    [
        (MONO, ONE),
        (DUAL, 2 * ONE),
        (replace(MONO, max_length=60.0), 60 * BYTES),
        (replace(DUAL, max_length=1e6), 2 * ONE),
    ],
)
def test_what_a_recording_may_write(request_: RecordingRequest, bytes_: int) -> None:
    """Ten minutes of its channels, or its limit where that is sooner."""
    assert needs(request_) == bytes_


async def test_each_start_is_promised_its_room_at_once() -> None:
    """Many starts between two looks do not believe in the same free bytes; the next look counts what runs."""
    rooms = Rooms()
    rooms.seen["fs1"] = Room(LEAST + 3 * ONE, None, 1)
    rooms.seen["fs2"] = replace_device(PLENTY, 2)
    await rooms.disks.look()
    assert [rooms.admit("fs1", MONO) is None for _ in range(5)] == [True] * 3 + [False] * 2
    refusal = rooms.admit("fs1", MONO)
    assert refusal == (
        f"{LEAST + 3 * ONE} bytes are free in /fs1, {3 * ONE} of them for 10 more minutes of the "
        f"recordings that run, {ONE} would be for this one; limits.min_free_disk wants {LEAST}"
    )
    assert rooms.admit("fs2", MONO) is None
    rooms.running["fs1"] = [running(MONO)]
    await rooms.disks.look()
    assert rooms.admit("fs1", DUAL) is None
    assert rooms.admit("fs1", MONO) is not None


async def test_what_ended_leaves_its_room_at_once() -> None:
    """A start is not refused for the sake of recordings that have ended since the last look."""
    rooms = Rooms()
    rooms.seen["fs1"] = Room(LEAST + ONE, None, 1)
    await rooms.disks.look()
    assert rooms.admit("fs1", MONO) is None
    assert rooms.admit("fs1", MONO) is not None
    rooms.running.clear()
    assert rooms.admit("fs1", MONO) is None
    assert rooms.admit("fs1", MONO) is not None


async def test_switches_on_one_disk_share_it() -> None:
    """What is promised on one is gone for the other."""
    rooms = Rooms()
    rooms.seen["fs1"] = rooms.seen["fs2"] = Room(LEAST + ONE, None, 1)
    await rooms.disks.look()
    assert rooms.admit("fs1", MONO) is None
    assert rooms.admit("fs2", MONO) is not None


async def test_a_disk_below_its_least_is_told_and_comes_back() -> None:
    """`problems` names the switch while nothing could begin there, and not when there is room again."""
    rooms = Rooms()
    rooms.seen["fs1"] = Room(LEAST - 1, None, 1)
    rooms.seen["fs2"] = replace_device(PLENTY, 2)
    await rooms.disks.look()
    assert rooms.disks.problems() == {
        "fs1": f"{LEAST - 1} bytes are free in /fs1; limits.min_free_disk wants {LEAST}"
    }
    rooms.seen["fs1"] = PLENTY
    await rooms.disks.look()
    assert (rooms.disks.problems(), rooms.admit("fs1", MONO)) == ({}, None)


async def test_files_count_as_well_as_bytes() -> None:
    """A file system without inodes is full, however many bytes are free; one that does not number files is not."""
    rooms = Rooms()
    rooms.seen["fs1"] = Room(1 << 40, LEAST_FILES - 1, 1)
    rooms.seen["fs2"] = Room(1 << 40, LEAST_FILES, 2)
    await rooms.disks.look()
    refusal = rooms.admit("fs1", MONO)
    assert refusal == f"{LEAST_FILES - 1} files can still be made on the disk of /fs1; {LEAST_FILES} are to stay free"
    assert rooms.admit("fs2", MONO) is None


async def test_a_directory_that_is_away() -> None:
    """Its words are told, with its name where they have none; the other switch is served."""
    rooms = Rooms()
    rooms.seen["fs1"] = OSError(errno.ETIMEDOUT, "does not answer")
    await rooms.disks.look()
    assert rooms.disks.problems() == {"fs1": "/fs1: does not answer"}
    assert rooms.admit("fs1", MONO) == "/fs1: does not answer"
    assert (rooms.disks.away("fs1"), rooms.disks.away("fs2")) == (True, False)
    assert rooms.admit("fs2", MONO) is None
    rooms.seen["fs1"] = OSError(errno.ENOTDIR, "/fs1 is no directory: fix it")
    await rooms.disks.look()
    assert rooms.disks.problems() == {"fs1": "/fs1 is no directory: fix it"}


@pytest.mark.parametrize(
    ("data", "shed"),
    [
        (Room(LEAST, None, 9), Shed.NOTHING),
        (Room(LEAST - 1, None, 9), Shed.STARTS),
        (Room(LAST, None, 9), Shed.STARTS),
        (Room(LAST - 1, None, 9), Shed.CALLS),
        (OSError(errno.EIO, "broken"), Shed.STARTS),
    ],
)
async def test_data_dir_is_everybodys(data: Room | OSError, shed: Shed) -> None:
    """Without room for rows and copies nothing begins on any switch; the last of it is for what runs already."""
    rooms = Rooms()
    rooms.seen["data"] = data
    await rooms.disks.look()
    assert rooms.disks.shed() is shed
    assert (rooms.admit("fs1", MONO) is None) == (shed is Shed.NOTHING)
    assert rooms.disks.problems() == {}
    assert (rooms.disks.data_problem() or "/data").count("/data") == 1


async def test_what_is_free() -> None:
    """Of each disk what it had at the last look; of one that is away nothing is known."""
    rooms = Rooms()
    assert (rooms.disks.free(), rooms.disks.data_free()) == ({}, 0.0)
    rooms.seen["fs1"] = PLENTY._replace(free=5)
    rooms.seen["fs2"] = OSError(errno.ENOENT, "No such file or directory")
    await rooms.disks.look()
    assert (rooms.disks.free(), rooms.disks.data_free()) == ({"fs1": 5.0}, float(PLENTY.free))
    rooms.seen["data"] = OSError(errno.EIO, "Input/output error")
    await rooms.disks.look()
    assert rooms.disks.data_free() == 0.0
