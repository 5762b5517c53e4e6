"""Recordings whose silent ends are trimmed, over the whole daemon, on the softswitch and live alike.

SWML knows no trimming: what it asks of the core is changed on its way there.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.recordings.model import Absence, Recording, State
from controller.softswitch.script import Hangup, Script, Silence, Tone
from tests.harness.audio import read_wav
from tests.harness.listen import read_audio
from tests.harness.switch import Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call

FOREVER = {"sleep": -1}
WINDOW = 0.02
"""Seconds: silence is judged over so long."""


def asking(daemon: Daemon, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Have every recording asked for with these changes."""
    assert daemon.app is not None
    recordings = daemon.app.recordings
    start = recordings.start

    async def changed(owner: Any, request: Any, **more: Any) -> Recording:
        return await start(owner, replace(request, **changes), **more)

    monkeypatch.setattr(recordings, "start", changed)


def stored(daemon: Daemon, identity: str) -> dict[str, Any]:
    """A recording's row."""
    with contextlib.closing(sqlite3.connect(daemon.data / "fsrec.db")) as store:
        (data,) = store.execute("SELECT data FROM recordings WHERE id = ?", (identity,)).fetchone()
    row: dict[str, Any] = json.loads(data)
    return row


SPOKEN: Script = (Silence(0.7), Tone(0.5), Silence(0.4), Tone(0.5), Silence(0.9), Hangup())


@pytest.mark.parametrize("form", ["wav", "mp3"])
@pytest.mark.parametrize("stereo", [False, True])
async def test_silence_around_what_is_said_goes(
    daemon: Daemon,
    switch: Switch,
    callbacks: Callbacks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    stereo: bool,
) -> None:
    """The file begins and ends with the tones, the silence between them stays, and its length is what is told."""
    daemon.say(record_call(daemon.receiver, stereo=stereo, format=form), FOREVER)
    await daemon.start()
    asking(daemon, monkeypatch, trim=True)
    await switch.call(script=SPOKEN)
    end = await callbacks.wait("finished")
    path = tmp_path / f"got.{form}"
    assert await daemon.fetch(end["url"], path) == 200
    sound = read_wav(path) if form == "wav" else read_audio(path)
    first, second = sound.sounding()
    assert first.start <= WINDOW
    assert sound.seconds - second.end <= WINDOW + (0.1 if form == "mp3" else 0.0)
    assert abs(end["duration"] - 1.4) <= 2 * WINDOW
    assert abs(second.start - first.end - 0.4) <= 2 * WINDOW
    assert end["end_time"] - end["start_time"] > 2.3
    row = stored(daemon, end["recording_id"])
    assert row["measured"]["trimmed"] > 1.3
    # the master goes once all is final
    await daemon.until(lambda: list(switch.recordings.glob("*.wav")) == [])
    assert await daemon.fetch(end["url"], path) == 200


async def test_the_master_stays_where_it_is_to_be_kept(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the switch wrote it, silence and all."""
    daemon.changes["media"] = {"keep_untrimmed": True}
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    asking(daemon, monkeypatch, trim=True)
    await switch.call(script=SPOKEN)
    end = await callbacks.wait("finished")
    await daemon.stop()
    (master,) = switch.recordings.glob("*.wav")
    (first, second) = read_wav(master).sounding()
    assert first.start > 0.6
    assert abs(second.end - first.start - end["duration"]) <= 2 * WINDOW


@pytest.mark.parametrize(
    ("script", "changes", "absence"),
    [
        pytest.param(
            (Silence(0.8), Tone(0.5), Silence(0.8), Hangup()),
            {"trim": True, "absent_below": 1.0},
            Absence.TOO_SHORT,
            id="too short once it is trimmed",
        ),
        pytest.param(
            (Silence(1.8), Hangup()), {"absent_below": 1.0, "absent_when_silent": True}, Absence.SILENT, id="silent"
        ),
        pytest.param((Silence(1.8), Hangup()), {"trim": True, "absent_below": 1.0}, None, id="silent, and kept"),
        pytest.param((Tone(1.5), Hangup()), {"absent_below": 1.0, "absent_when_silent": True}, None, id="neither"),
    ],
)
async def test_absent(
    daemon: Daemon,
    switch: Switch,
    callbacks: Callbacks,
    monkeypatch: pytest.MonkeyPatch,
    script: Script,
    changes: dict[str, Any],
    absence: Absence | None,
) -> None:
    """What is too short or silent by its request is absent, says why, and keeps what was measured."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    asking(daemon, monkeypatch, **changes)
    await switch.call(script=script)
    end = await callbacks.wait("finished")
    row = stored(daemon, end["recording_id"])
    assert row["absence"] == absence
    assert row["state"] == (State.COMPLETED if absence is None else State.ABSENT)
    assert row["measured"]["duration"] > 0.4
    assert (end["duration"] == 0) == (absence is not None)


async def test_deleting_while_the_daemon_goes_on(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL answers 404, and no file of it is left anywhere."""
    daemon.say(record_call(daemon.receiver, stereo=True, format="mp3"), FOREVER)
    await daemon.start()
    asking(daemon, monkeypatch, trim=True)
    await switch.call(script=SPOKEN)
    end = await callbacks.wait("finished")
    assert daemon.app is not None
    recording = await daemon.app.recordings.finished(end["recording_id"])
    assert recording is not None
    for form, channels in (("wav", 1), ("mp3", 1), ("wav", 2), ("mp4", None)):
        made = await daemon.app.media.variant(recording, form, channels)
        sound = read_wav(made.path) if form == "wav" else read_audio(made.path)
        assert abs(sound.seconds - end["duration"]) < 0.15
    assert await daemon.app.recordings.delete(recording.id) is not None
    assert await daemon.fetch(end["url"], tmp_path / "gone") == 404
    left = [*switch.recordings.glob("*.wav"), *(daemon.data / "media").rglob("*")]
    assert [path for path in left if path.is_file()] == []


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_what_a_stop_left_is_removed_by_the_next_daemon(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that ends before it has removed the master of a final recording loses nothing; the next removes it."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    asking(daemon, monkeypatch, trim=True)
    assert daemon.app is not None

    async def dies(_recording: Recording) -> None:
        """As if the process had ended."""

    monkeypatch.setattr(daemon.app.media, "clear", dies)
    await switch.call(script=SPOKEN)
    end = await callbacks.wait("finished")
    await daemon.stop()
    assert len(list(switch.recordings.glob("*.wav"))) == 1
    await daemon.start()
    await daemon.until(lambda: list(switch.recordings.glob("*.wav")) == [])
    assert stored(daemon, end["recording_id"])["state"] == State.COMPLETED
    url = end["url"].replace(end["url"].split("/api/")[0], daemon.url)
    assert await daemon.fetch(url, tmp_path / "got.wav") == 200
    assert abs(read_wav(tmp_path / "got.wav").seconds - end["duration"]) < 0.001
