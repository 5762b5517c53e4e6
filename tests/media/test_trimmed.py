"""controller/media/examine.py: trimmed recordings, and what becomes of their masters and of deleted recordings."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.media import durable, wav
from controller.media.clearing import ClearingFailed
from controller.media.examine import DiskMedia
from controller.media.master import MasterExamined
from controller.media.roots import Root
from controller.recordings.model import Measured, Pause, PauseBehavior, Recording, State, new_id
from controller.recordings.ports import MediaAway
from tests.harness.listen import tagged
from tests.media.test_derive import Deriving
from tests.media.test_examine import START, SWITCH_PATH
from tests.media.test_trim import sound

KNOWN = sound((1600, 0), (8000, 5000), (2400, 3))
"""0.2 s of silence, 1 s of sound, 0.3 s of next to nothing."""
LOUD = KNOWN[1600:9600].tobytes()


def master_of(samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]] = KNOWN, rate: int = 8000) -> bytes:
    """A finished file."""
    return wav.header(rate, samples.shape[1], len(samples)) + samples.tobytes()


class Trimming(Deriving):
    """A recording directory whose recordings are trimmed."""

    def of_request(
        self, content: bytes | None, changes: dict[str, object] | None = None, **more: object
    ) -> Recording:
        """A recording of a request that was changed."""
        made = self.recording(content, **more)
        return replace(made, request=replace(made.request, **({"trim": True} | (changes or {}))))  # type: ignore[arg-type]

    async def finished(self, recording: Recording) -> Recording:
        """What its examination makes of it."""
        found = await self.media.examine(recording)
        assert found.problem is None
        return replace(recording, measured=found.measured, state=State.COMPLETED)

    def keep(self) -> None:
        """Have masters of trimmed recordings kept from now on."""
        self.again(keep_untrimmed=True)

    def again(self, *, keep_untrimmed: bool = False) -> None:
        """Media anew, as after a restart."""
        self.media.close()
        self.media = DiskMedia(
            {"fs1": Root(SWITCH_PATH, self.local)},
            self.derived,
            settle=(),
            encoders=self.encoders,
            keep_untrimmed=keep_untrimmed,
            observe=self.all.append,
        )

    def master(self, recording: Recording) -> Path:
        """Its file on the switch's disk."""
        return self.local / f"{recording.id}.wav"

    def files(self) -> list[Path]:
        """All files there are."""
        return sorted([*self.local.iterdir(), *self.copies()])


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Trimming]:
    """A disk, all that works on it closed afterwards."""
    made = Trimming(tmp_path)
    yield made
    made.media.close()
    await made.encoders.close()


async def test_silent_ends_go(disk: Trimming) -> None:
    """The copy that is served begins and ends with the sound, its length is told, and the master is as it was."""
    recording = disk.of_request(master_of())
    ready = await disk.finished(recording)
    assert ready.measured == Measured(1.0, 16044, 1, 8000, derived=True, trimmed=0.5)
    assert disk.media.path_of(ready).read_bytes() == wav.header(8000, 1, 8000) + LOUD
    assert disk.master(recording).read_bytes() == master_of()
    (told,) = disk.of(MasterExamined)
    assert told == MasterExamined(recording.id, 1.0, 16044, False, 0.0, 0, 0.5)


async def test_nothing_is_trimmed_that_was_not_to_be(disk: Trimming) -> None:
    """Without the wish silence stays, and is not even looked for."""
    ready = await disk.finished(disk.of_request(master_of(), {"trim": False}))
    assert ready.measured == Measured(1.5, 24044, 1, 8000)


async def test_loud_at_both_ends(disk: Trimming) -> None:
    """What has no silent ends is served as it is: no copy, nothing to be cleared."""
    ready = await disk.finished(disk.of_request(master_of(KNOWN[1600:9600])))
    assert ready.measured == Measured(1.0, 16044, 1, 8000)
    assert disk.copies() == []


@pytest.mark.parametrize(
    ("trim", "unwanted", "silent"), [(True, False, True), (False, True, True), (False, False, False)]
)
async def test_what_is_silent_altogether_is_kept(disk: Trimming, trim: bool, unwanted: bool, silent: bool) -> None:
    """Its whole length is served, and that it is silent is told where anybody wants to know."""
    recording = disk.of_request(master_of(sound((4000, 100))), {"trim": trim, "absent_when_silent": unwanted})
    ready = await disk.finished(recording)
    assert ready.measured == Measured(0.5, 8044, 1, 8000, silent=silent)
    assert disk.copies() == []


async def test_an_empty_one_is_not_silent(disk: Trimming) -> None:
    """Length zero is another thing than silence."""
    ready = await disk.finished(disk.of_request(b""))
    assert ready.measured == Measured(0.0, 44, 2, 8000, derived=True)


async def test_trimmed_after_the_pauses_are_cut(disk: Trimming) -> None:
    """A skipped pause near an end goes first; the silence around it is then one, and goes as a whole."""
    samples = np.concatenate([sound((800, 0), (8000, 0), (840, 0)), KNOWN[1600:9600], sound((160, 0))])
    samples[:800] = 3
    samples[8800:9640] = 3
    pause = Pause(START + 0.1, PauseBehavior.SKIP, START + 1.1)
    head = bytearray(wav.header(8000, 1, 0))
    struct.pack_into("<I", head, 4, 8)
    recording = disk.of_request(bytes(head) + samples.tobytes(), pauses=(pause,), ended_at=START + 2.225)
    ready = await disk.finished(recording)
    # 1,640 frames of silence: ten windows and 40 frames of one that is loud
    kept = wav.header(8000, 1, 8160) + samples[9600 : 9600 + 8160].tobytes()
    assert disk.media.path_of(ready).read_bytes() == kept
    assert ready.measured == Measured(8160 / 8000, len(kept), 1, 8000, derived=True, trimmed=1640 / 8000, cut=1.0)


@pytest.mark.parametrize("form", ["mp3", "mp4"])
async def test_other_formats_are_made_of_the_trimmed_one(disk: Trimming, form: str) -> None:
    """They are as long as it is."""
    ready = await disk.finished(disk.of_request(master_of(), {"format": form}))
    assert ready.measured is not None
    assert (ready.measured.duration, ready.measured.format) == (1.0, form)
    assert abs(tagged(disk.media.path_of(ready)).seconds - 1.0) < 0.001


# --- the untrimmed master -------------------------------------------------------------------------------------------


async def test_the_master_goes_once_all_is_final(disk: Trimming) -> None:
    """By the settings' default; the copy stays, and clearing again changes nothing."""
    ready = await disk.finished(disk.of_request(master_of()))
    assert list(await disk.media.to_clear()) == [ready.id]
    for _ in range(2):
        await disk.media.clear(ready)
        assert disk.files() == [disk.media.path_of(ready)]
        assert await disk.media.to_clear() == ()


async def test_the_master_is_kept(disk: Trimming) -> None:
    """Where settings say so nothing is noted, and nothing goes."""
    disk.keep()
    ready = await disk.finished(disk.of_request(master_of()))
    assert await disk.media.to_clear() == ()
    await disk.media.clear(ready)
    assert disk.master(ready).read_bytes() == master_of()


async def test_a_restart_before_it_is_final_loses_nothing(disk: Trimming) -> None:
    """Examined again after a crash, with other settings: the same copy, and the newer wish for the master counts."""
    recording = disk.of_request(master_of())
    first = await disk.finished(recording)
    disk.again()
    assert await disk.finished(recording) == first
    disk.keep()
    assert await disk.finished(recording) == first
    await disk.media.clear(first)
    assert disk.master(recording).exists()


async def test_a_restart_before_it_is_removed_does_it_then(disk: Trimming) -> None:
    """What is noted outlives the process."""
    ready = await disk.finished(disk.of_request(master_of()))
    disk.again()
    assert list(await disk.media.to_clear()) == [ready.id]
    await disk.media.clear(ready)
    assert not disk.master(ready).exists()


async def test_never_both(disk: Trimming) -> None:
    """A master whose copy is gone, for whatever reason, stays: it is the last there is."""
    ready = await disk.finished(disk.of_request(master_of()))
    disk.media.path_of(ready).unlink()
    await disk.media.clear(ready)
    assert disk.master(ready).read_bytes() == master_of()


async def test_a_note_is_durable_before_the_length_is_told(disk: Trimming) -> None:
    """Where nothing can be noted the recording waits, as it does where no copy can be made."""
    disk.derived.mkdir()
    (disk.derived / "clearing").write_text("a file where a directory should be")
    with pytest.raises(MediaAway, match="nothing can be noted"):
        await disk.media.examine(disk.of_request(master_of()))


async def test_what_can_not_be_removed_is_told_and_tried_again(
    disk: Trimming, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note stays until it is done."""
    ready = await disk.finished(disk.of_request(master_of()))
    with monkeypatch.context() as patch:

        def refuse(path: Path) -> None:
            raise PermissionError(1, "Operation not permitted", str(path))

        patch.setattr(durable, "remove", refuse)
        await disk.media.clear(ready)
    (told,) = disk.of(ClearingFailed)
    assert isinstance(told, ClearingFailed)
    assert told.recording == ready.id
    assert list(await disk.media.to_clear()) == [ready.id]
    await disk.media.clear(ready)
    assert not disk.master(ready).exists()


async def test_notes_of_others_are_none(disk: Trimming) -> None:
    """What else lies in the directory of the notes is no recording's."""
    assert await disk.media.to_clear() == ()
    notes = disk.derived / "clearing"
    notes.mkdir(parents=True)
    for name in ("x.deleted", f"{new_id()}.other", f"{new_id()}", "..deleted"):
        (notes / name).touch()
    assert await disk.media.to_clear() == ()


# --- deleting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["wav", "mp3"])
async def test_deleting_leaves_nothing(disk: Trimming, form: str) -> None:
    """Master, cut copy, derivative, what was made on demand and the notes: all go, of this recording alone."""
    other = await disk.finished(disk.of_request(master_of(), {"format": form}))
    await disk.media.variant(other, "mp4")
    before = disk.files()
    stereo = np.repeat(KNOWN, 2, axis=1)
    ready = await disk.finished(disk.of_request(master_of(stereo), {"format": form}))
    await disk.media.variant(ready, "mp4")
    await disk.media.variant(ready, "wav", 1)
    deleted = replace(ready, deleted_at=1.0)
    await disk.media.condemn(deleted)
    assert len(disk.files()) > len(before) + 4
    await disk.media.clear(deleted)
    assert disk.files() == before
    await disk.media.clear(deleted)
    with pytest.raises(FileNotFoundError):
        await disk.media.variant(deleted)


async def test_a_note_alone_deletes_nothing(disk: Trimming) -> None:
    """The row was never stored: the recording is as it was."""
    disk.keep()
    ready = await disk.finished(disk.of_request(master_of()))
    before = disk.files()
    await disk.media.condemn(ready)
    disk.again()
    await disk.media.clear(ready)
    assert disk.files() == before


async def test_deleting_where_the_switch_left_the_settings(disk: Trimming) -> None:
    """Its copies go; a master that nobody knows the place of is not looked for."""
    ready = await disk.finished(disk.of_request(master_of()))
    lost = replace(ready, owner=replace(ready.owner, switch="gone"), path="/elsewhere/a.wav", deleted_at=1.0)
    await disk.media.clear(lost)
    assert disk.files() == [disk.master(ready)]


async def test_a_path_that_leads_out_is_not_removed(disk: Trimming, tmp_path: Path) -> None:
    """A row's path is believed no further than the recording directory."""
    outside = tmp_path / "precious.wav"
    outside.write_text("precious")
    ready = await disk.finished(disk.of_request(master_of()))
    await disk.media.clear(replace(ready, path=f"{SWITCH_PATH}/../precious.wav", deleted_at=1.0))
    assert outside.exists()
    assert disk.of(ClearingFailed)
