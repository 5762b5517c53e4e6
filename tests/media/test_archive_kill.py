"""A daemon that is killed between any two steps of keeping a recording loses nothing and forgets nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.media import durable
from controller.media.archive import Archive
from controller.media.encoders import Encoders
from controller.media.examine import DiskMedia
from controller.media.keeper import Keeper
from controller.media.objects import Objects, Place
from controller.media.roots import Root
from controller.recordings.model import Recording, State
from controller.store import StoreLedger, open_store
from tests.harness.s3 import KEY_ID, SECRET, Bucket
from tests.media.test_examine import START, SWITCH_PATH
from tests.media.test_trimmed import master_of
from tests.recordings.fakes import REQUEST, owner

IDENTITY = "7b0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001"
STORIES = ("kept", "kept late", "deleted")
MOST_STEPS = 40


async def life(base: Path, bucket: Bucket, story: str, *, again: bool = False) -> Recording:
    """What a daemon does for one recording that ended, from its row on; `again`: what is left of it."""
    store = await open_store(base / "a.db")
    ledger = StoreLedger(store, lambda _: (), lambda: None, lambda _: None)
    encoders = Encoders()
    place = Place(bucket.name, "rec", bucket.server, "us-east-1", KEY_ID, SECRET)
    wait = 0.0 if story == "kept late" and not again else 30.0
    media = DiskMedia(
        {"fs1": Root(SWITCH_PATH, base / "masters")},
        base / "derived",
        settle=(),
        encoders=encoders,
        archive=Archive(Objects(place), wait=wait),
        linger=0.0,
    )
    keeper = Keeper(ledger, media, look=0.02, pause=0.02, settle=0.0)
    keeping = None
    try:
        row = await ledger.recording(IDENTITY)
        assert row is not None
        for identity in await media.to_clear() if again else ():
            assert identity == IDENTITY
            if row.state.final:
                await media.clear(row)
        if not row.state.final:
            found = await media.examine(row)
            row = replace(
                row,
                state=State.COMPLETED,
                finished_at=START + 3,
                measured=found.measured,
                stored=found.stored,
                unstored=found.unstored,
                revision=row.revision + 1,
            )
            await ledger.commit((row,))
            await media.clear(row)
        keeping = asyncio.create_task(keeper.run())
        if story == "deleted" and row.deleted_at is None:
            await media.condemn(row)
            unstored = row.unstored or bool(row.stored)
            row = replace(row, deleted_at=START + 9, revision=row.revision + 1, unstored=unstored)
            await ledger.commit((row,))
            await media.clear(row)
        async with asyncio.timeout(20):
            while (row := await ledger.recording(IDENTITY)) is None or row.unstored or await media.to_clear():
                await asyncio.sleep(0.01)
        return row
    finally:
        if keeping is not None:
            keeping.cancel()
        media.close()
        await encoders.close()
        await store.close()


def dying(after: int) -> None:
    """Have this process killed before a step: a change of names on disk, of rows, of the media store."""
    left = [after]

    def step() -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(room: Any, name: str) -> None:
        known = getattr(room, name)

        def counted(*arguments: Any, **more: Any) -> Any:
            step()
            return known(*arguments, **more)

        setattr(room, name, counted)

    for room, name in (
        *((durable, name) for name in ("keep", "note", "remove")),
        *((Objects, name) for name in ("put", "head", "delete")),
        *((StoreLedger, name) for name in ("commit", "stored")),
    ):
        before(room, name)


async def prepare(base: Path, bucket: Bucket) -> None:
    """A recording that ended, with silence at its ends, and an empty bucket."""
    await bucket.make()
    (base / "masters").mkdir(parents=True)
    (base / "masters" / f"{IDENTITY}.wav").write_bytes(master_of())
    store = await open_store(base / "a.db")
    request = replace(REQUEST, trim=True)
    path = f"{SWITCH_PATH}/{IDENTITY}.wav"
    row = Recording(IDENTITY, owner(), request, State.PROCESSING, path, START, started_at=START, ended_at=START + 2)
    await StoreLedger(store, lambda _: (), lambda: None, lambda _: None).commit((row,))
    await store.close()


@pytest.mark.parametrize("story", STORIES)
async def test_killed_before_each_step(tmp_path: Path, bucket: Bucket, story: str) -> None:
    """Whatever step it did not come to, the next daemon ends where none was killed: objects or none, no file here."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.media.test_archive_kill", str(tmp_path), bucket.name, bucket.server, story,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    steps = 0
    async for line in process.stdout:
        after, code = map(int, line.split())
        assert code in {0, -signal.SIGKILL}
        steps += 1
        base, place = tmp_path / str(after), Bucket(bucket.server, f"{bucket.name}-{after}")
        row = await life(base, place, story, again=True)
        assert (row.deleted_at is not None) == (story == "deleted")
        expected = [] if story == "deleted" else [f"rec/{IDENTITY}.wav"]
        assert sorted(await place.names()) == expected, after
        left = [path.name for path in base.rglob("*") if path.is_file() and not path.name.startswith("a.db")]
        assert left == [], after
        assert row.deleted_at is not None or [one.format for one in row.stored] == ["wav"]
    assert await process.wait() == 0
    assert steps > 8


def _one(after: int) -> int:
    """Live in a process of its own, as a fork of this one, that dies before its step; how that ended."""
    base, name, server, story = Path(sys.argv[1]) / str(after), f"{sys.argv[2]}-{after}", *sys.argv[3:]
    child = os.fork()  # nothing runs here but this: no thread, no loop
    if not child:
        code = 1
        try:
            place = Bucket(server, name)
            asyncio.run(prepare(base, place))
            dying(after)
            asyncio.run(life(base, place, story))
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for step in range(MOST_STEPS):
        ended = _one(step)
        sys.stdout.write(f"{step} {ended}\n")
        sys.stdout.flush()
        if not ended:
            sys.exit(0)
    sys.exit("it does not come to its end")
