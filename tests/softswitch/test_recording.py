"""Background recordings: what is in the file, when it ends, what is told (spec/freeswitch.md 1)."""

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.softswitch import Leg, RecordingEntry, Silence, Softswitch, Speech, Tone, render
from controller.softswitch.script import Script
from tests.softswitch.client import Client, eventually

EXACT = "RECORD_PRE_BUFFER_FRAMES=0"
TALKER: Script = [Speech(30)]


async def record(
    client: Client, leg: Leg, path: Path | str, variables: str = EXACT, limit: int = 60, told: bool = True
) -> None:
    """Start by record_session and wait until it is told, or at least done."""
    await client.execute(leg, "record_session", f"{path} +{limit} {{{variables}}}", Event_UUID=f"start {path}")
    if told:
        await client.event("RECORD_START", Record_File_Path=str(path))
    await client.event("CHANNEL_EXECUTE_COMPLETE", Application_UUID=f"start {path}")


async def stop(client: Client, leg: Leg, path: Path | str) -> dict[str, Any]:
    """Stop by uuid_record; the RECORD_STOP."""
    assert await client.api(f"uuid_record {leg.uuid} stop {path}") == "+OK Success\n"
    return await client.event("RECORD_STOP", Record_File_Path=str(path))


async def running_for(seconds: float) -> None:
    """Let a recording run; its length is judged by the journal, not by this."""
    await asyncio.sleep(seconds)


def samples(path: Path | str) -> np.ndarray[Any, np.dtype[np.int16]]:
    """(frames,) or (frames, 2)."""
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return data if file.getnchannels() == 1 else data.reshape(-1, 2)


def found_in(part: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> int:
    """Where `part` begins in `whole`, to the sample."""
    needle, hay = part.astype(np.int16).tobytes(), whole.astype(np.int16).tobytes()
    at = hay.find(needle)
    while at % 2 and at >= 0:
        at = hay.find(needle, at + 1)
    assert at >= 0, "it is not in there"
    return at // 2


async def test_a_recording_is_what_was_said(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Sample by sample the caller's script, whole frames, told once, header true at RECORD_STOP."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "new" / "dir" / "a.wav"
    await record(client, leg, path, f"{EXACT},fsrec_recording=abc")
    assert path.stat().st_size == 44
    await running_for(0.3)
    told = await stop(client, leg, path)
    data = samples(path)
    entry = soft_switch.journal.recording(str(path))
    assert len(data) == entry.frames_written == int(told["variable_record_samples"])
    assert len(data) % 160 == 0
    assert len(data) >= 10 * 160
    found_in(data, render(TALKER).samples)
    assert (entry.reason, entry.cause, told["Record-Completion-Cause"]) == (
        "stop",
        "success-maxtime",
        "success-maxtime",
    )
    assert told["Recording-Variable-fsrec_recording"] == "abc"
    assert int(told["variable_record_file_size"]) == path.stat().st_size
    assert (path.parent.stat().st_mode & 0o777) == 0o750


DIRECTIONS = [
    ("RECORD_STEREO=true", ["said", "heard"]),
    ("RECORD_STEREO_SWAP=true", ["heard", "said"]),
    ("RECORD_STEREO=true,RECORD_READ_ONLY=true", ["said", "nothing"]),
    ("RECORD_READ_ONLY=true", ["said"]),
    ("RECORD_WRITE_ONLY=true", ["heard"]),
    ("RECORD_READ_ONLY=true,RECORD_WRITE_ONLY=true", ["said"]),
    ("", ["both"]),
]


async def test_directions(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """READ is what the party says, WRITE what it hears; stereo has them left and right, mono mixes them."""
    leg = await soft_switch.call("1001", [Tone(20, 1000.0)], answered=True)
    await client.execute(leg, "playback", "tone_stream://%(10000,0,500)")
    await client.event("PLAYBACK_START")
    for number, (variables, _) in enumerate(DIRECTIONS):
        await record(client, leg, tmp_path / f"{number}.wav", ",".join(filter(None, [EXACT, variables])))
    await running_for(0.2)
    tones = {"said": {1000}, "heard": {500}, "both": {500, 1000}, "nothing": set()}
    for number, (_, expected) in enumerate(DIRECTIONS):
        await stop(client, leg, tmp_path / f"{number}.wav")
        data = samples(tmp_path / f"{number}.wav")
        columns = [data] if data.ndim == 1 else [data[:, 0], data[:, 1]]
        for column, source in zip(columns, expected, strict=True):
            spectrum = np.abs(np.fft.rfft(column.astype(float)))
            per_bin = 8000 / len(column)
            loud = {hz for hz in (500, 1000) if spectrum[round(hz / per_bin)] > 0.1 * 8191 * len(column) / 2}
            assert loud == tones[source]


async def test_mask_and_pause(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Masked spans are zeros at 20 ms borders, paused ones are missing; no event tells of either."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    masked, paused = tmp_path / "masked.wav", tmp_path / "paused.wav"
    await record(client, leg, masked)
    await record(client, leg, paused)
    for actions in (("mask", "pause"), ("unmask", "resume")):
        await running_for(0.15)
        for action, path in zip(actions, (masked, paused), strict=True):
            before = len(client.names(leg))
            assert await client.api(f"uuid_record {leg.uuid} {action} {path}") == "+OK Success\n"
            assert len(client.names(leg)) == before
    await running_for(0.15)
    await stop(client, leg, masked)
    await stop(client, leg, paused)
    entry = soft_switch.journal.recording(str(masked))
    ((begin, end),) = entry.masked
    data, source = samples(masked), render(TALKER).samples
    a, b = round(begin * 8000), round(end * 8000)
    assert (a % 160, b % 160) == (0, 0)
    assert not data[a:b].any()
    start = found_in(data[:a], source)
    assert np.array_equal(data[b:], source[start + b : start + len(data)])
    short = samples(paused)
    assert len(short) < len(data)
    first = found_in(short[:480], source)
    last = found_in(short[-480:], source)
    missing = last - first - (len(short) - 480)
    assert missing >= 5 * 160
    assert missing == round(soft_switch.journal.recording(str(paused)).paused_seconds * 8000)


async def test_pause_and_mask_of_nothing(client: Client, soft_switch: Softswitch) -> None:
    """An unknown path is refused; `all` is understood by stop only."""
    leg = await soft_switch.call("1001", answered=True)
    for action in ("pause", "resume", "mask", "unmask"):
        reply = await client.api(f"uuid_record {leg.uuid} {action} all")
        assert reply == f"-ERR Cannot {action} recording session!\n"
    assert await client.api(f"uuid_record {leg.uuid} stop ALL") == "-ERR Cannot stop record session!\n"


@pytest.mark.parametrize(("buffering", "step"), [("8192", 8192), ("4096", 4096), ("true", 65536), ("", 65536)])
async def test_growth_on_disk(
    client: Client, soft_switch: Softswitch, tmp_path: Path, buffering: str, step: int
) -> None:
    """While it runs the file grows by whole write buffers and its header promises nothing."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    variables = f"{EXACT},enable_file_write_buffering={buffering}" if buffering else EXACT
    path = tmp_path / "a.wav"
    await record(client, leg, path, variables)
    if step < 65536:
        await eventually(lambda: path.stat().st_size > 44)
    assert (path.stat().st_size - 44) % step == 0
    assert path.read_bytes()[40:44] == bytes(4)
    await soft_switch.crash()
    assert (path.stat().st_size - 44) % step == 0
    entry = soft_switch.journal.recording(str(path))
    assert 0 <= 2 * entry.frames_written - (path.stat().st_size - 44) <= step
    assert entry.reason == "crash"


async def test_unbuffered_grows_at_once(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """enable_file_write_buffering=0 writes through."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "a.wav"
    await record(client, leg, path, f"{EXACT},enable_file_write_buffering=0")
    await eventually(lambda: path.stat().st_size > 44)
    assert path.stat().st_size < 44 + 8192


@pytest.mark.parametrize("silent_line", [True, False])
async def test_pre_buffer(client: Client, soft_switch: Softswitch, tmp_path: Path, silent_line: bool) -> None:
    """By default all but a frame of a very short recording is lost, and half a second when nothing is heard."""
    soft_switch.dialplan = () if silent_line else soft_switch.dialplan
    leg = await soft_switch.call("1001", TALKER, answered=True)
    wishes = {"exact": EXACT, "default": "x=y", "read": "RECORD_READ_ONLY=true", "short": "x=y"}
    for name, variables in wishes.items():
        await record(client, leg, tmp_path / f"{name}.wav", variables)
    await running_for(0.1)
    await stop(client, leg, tmp_path / "short.wav")
    await running_for(0.8)
    for name in ("exact", "default", "read"):
        await stop(client, leg, tmp_path / f"{name}.wav")
    assert len(samples(tmp_path / "short.wav")) == 160
    expected = {"exact": 0, "default": 25 if silent_line else 0, "read": 0}
    for name, lost in expected.items():
        entry = soft_switch.journal.recording(str(tmp_path / f"{name}.wav"))
        assert entry.stopped_at is not None
        ran = (entry.stopped_at - entry.started_at) * 50
        assert abs(ran - len(samples(tmp_path / f"{name}.wav")) / 160 - lost) <= 3


@pytest.mark.parametrize(
    ("variables", "cause"), [("RECORD_MIN_SEC=3", "input-too-short"), ("RECORD_READ_ONLY=true", "empty-file")]
)
async def test_discarded(client: Client, soft_switch: Softswitch, tmp_path: Path, variables: str, cause: str) -> None:
    """Too short or empty: the file is deleted, told, and RECORD_DISCARDED sticks to the leg."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "a.wav"
    if cause == "empty-file":
        await client.api(f"uuid_record {leg.uuid} start {path} 0 {{{EXACT},RECORD_BRIDGE_REQ=true}}")
    else:
        await record(client, leg, path, f"{EXACT},{variables}")
        await running_for(0.1)
    told = await stop(client, leg, path)
    assert told["Record-Completion-Cause"] == cause
    assert not path.exists()
    assert soft_switch.journal.recording(str(path)).discarded
    await record(client, leg, tmp_path / "b.wav")
    await running_for(0.1)
    told = await stop(client, leg, tmp_path / "b.wav")
    assert told["variable_RECORD_DISCARDED"] == "true"
    assert (tmp_path / "b.wav").exists()


async def test_the_journal_tells_at_once(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """A recording when it begins and when it is over, a hangup: whoever writes them down needs no orderly end."""
    told: list[tuple[str, bool]] = []
    soft_switch.journal.tell = lambda entry: told.append(
        (type(entry).__name__, isinstance(entry, RecordingEntry) and entry.stopped_at is not None)
    )
    leg = await soft_switch.call("1001", TALKER, answered=True)
    await record(client, leg, tmp_path / "a.wav")
    leg.hangup()
    await leg.wait_hangup()
    about = ("RecordingEntry", "HangupEntry")
    assert [one for one in told if one[0] in about] == [
        ("RecordingEntry", False),
        ("HangupEntry", False),
        ("RecordingEntry", True),
    ]


async def test_limit(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """A limit of n ends within (n-1, n] seconds, by the wall clock's whole seconds, cause as a manual stop's."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "a.wav"
    await record(client, leg, path, limit=1)
    told = await client.event("RECORD_STOP")
    await client.event("MEDIA_BUG_STOP")
    entry = soft_switch.journal.recording(str(path))
    assert 0 <= entry.frames_written <= 8000
    assert (entry.reason, told["Record-Completion-Cause"]) in (("limit", "success-maxtime"), ("limit", "empty-file"))


async def test_a_paused_recording_outlives_its_limit(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """The limit is looked at only when frames are taken: it ends on the first frame after resume."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "a.wav"
    await record(client, leg, path, limit=2)
    await client.api(f"uuid_record {leg.uuid} pause {path}")
    started = soft_switch.journal.recording(str(path)).started_at
    await eventually(lambda: soft_switch.at_wall_clock(int(started) + 2.1) <= soft_switch.now())
    assert "RECORD_STOP" not in client.names(leg)
    await client.api(f"uuid_record {leg.uuid} resume {path}")
    await client.event("RECORD_STOP")
    assert soft_switch.journal.recording(str(path)).reason == "limit"


SILENCES = "RECORD_INITIAL_TIMEOUT_MS=600,RECORD_FINAL_TIMEOUT_MS=400"


SILENCE_CASES: list[tuple[Script, str, str, str, float]] = [
    ([Silence(9)], SILENCES, "no-input-timeout", "no-input", 0.6),
    ([Speech(0.5), Silence(9)], SILENCES, "success-silence", "silence", 0.9),
    ([Silence(0.3), Speech(0.3), Silence(9)], SILENCES, "success-silence", "silence", 1.0),
    ([Speech(0.2), Silence(0.2), Speech(0.2), Silence(9)], SILENCES, "success-silence", "silence", 1.0),
    ([Speech(9, level=0.01)], f"{SILENCES},RECORD_SILENCE_THRESHOLD=5000", "no-input-timeout", "no-input", 0.6),
]


async def test_silence_timers(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Exact to the frame, whatever the load: silence before and after speech, and a gap that is too short."""

    async def case(number: int, script: Script, variables: str) -> RecordingEntry:
        leg = await soft_switch.call("1001", script)
        path = f"{tmp_path}/{number}.wav"
        await soft_switch.api(f"uuid_record {leg.uuid} start {path} 0 {{{EXACT},RECORD_ANSWER_REQ=true,{variables}}}")
        leg.answer()
        await client.event("RECORD_STOP", Record_File_Path=path)
        return soft_switch.journal.recording(path)

    entries = await asyncio.gather(*(case(n, row[0], row[1]) for n, row in enumerate(SILENCE_CASES)))
    for entry, (_, _, cause, reason, length) in zip(entries, SILENCE_CASES, strict=True):
        assert (entry.cause, entry.reason) == (cause, reason)
        # The initial timer runs from the start, which is before the answer
        early = 0.0 if reason == "silence" else 0.2
        assert -0.05 - early <= entry.frames_written / 8000 - length <= 0.05


async def test_silence_runs_through_a_pause(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Timers are wall clock: paused for longer than the timeout, it ends on the first silent frame after resume."""
    leg = await soft_switch.call("1001", [Silence(9)], answered=True)
    path = tmp_path / "a.wav"
    await record(client, leg, path, f"{EXACT},RECORD_INITIAL_TIMEOUT_MS=300")
    await client.api(f"uuid_record {leg.uuid} pause {path}")
    due = soft_switch.now() + 0.35
    await eventually(lambda: soft_switch.now() > due)
    assert "RECORD_STOP" not in client.names(leg)
    await client.api(f"uuid_record {leg.uuid} resume {path}")
    await client.event("RECORD_STOP", Record_Completion_Cause="no-input-timeout")
    assert soft_switch.journal.recording(str(path)).frames_written <= 0.2 * 8000


@pytest.mark.parametrize(
    ("script", "variables", "cause"),
    [
        ([Silence(9)], "", "success-silence"),
        ([Silence(9)], "RECORD_SILENCE_THRESHOLD=200", "no-input-timeout"),
        ([Speech(9)], "RECORD_SILENCE_THRESHOLD=200", "success-silence"),
        ([Speech(9)], "RECORD_INITIAL_TIMEOUT_MS=0", "success-silence"),
    ],
)
async def test_hangup_causes(
    client: Client, soft_switch: Softswitch, tmp_path: Path, script: Script, variables: str, cause: str
) -> None:
    """At a hangup the cause tells whether speech was heard; without detection it always was."""
    leg = await soft_switch.call("1001", script, answered=True)
    await record(client, leg, tmp_path / "a.wav", ",".join(filter(None, [EXACT, variables])))
    await running_for(0.1)
    leg.hangup()
    told = await client.event("RECORD_STOP")
    assert told["Record-Completion-Cause"] == cause
    assert told["Hangup-Cause"] == "NORMAL_CLEARING"
    assert "variable_hangup_cause" not in told
    assert soft_switch.journal.recording(f"{tmp_path}/a.wav").reason == "hangup"


async def test_a_path_is_a_key(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """The same path again is +OK without an event; with toggle it stops; another path is another recording."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "a.wav"
    await record(client, leg, path)
    await client.api(f"uuid_record {leg.uuid} start {path}")
    await record(client, leg, tmp_path / "b.wav")
    assert client.names(leg).count("RECORD_START") == 2
    listed = await client.api(f"uuid_buglist {leg.uuid}")
    assert listed.count("<function>session_record</function>") == 2
    await client.api(f"uuid_record {leg.uuid} start {path} 0 {{RECORD_TOGGLE_ON_REPEAT=true}}")
    await client.event("RECORD_STOP", Record_File_Path=str(path))
    assert await client.api(f"uuid_record {leg.uuid} stop {path}") == "-ERR Cannot stop record session!\n"
    await client.execute(leg, "stop_record_session", "ALL")
    await client.event("RECORD_STOP", Record_File_Path=str(tmp_path / "b.wav"))


async def test_relative_paths(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """A relative path is prefixed at the start only: the raw one cannot stop it, and starts it twice."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    key = f"{soft_switch.sounds}/rel.wav"
    await client.api(f"uuid_record {leg.uuid} start rel.wav")
    await client.event("RECORD_START", Record_File_Path=key)
    assert await client.api(f"uuid_record {leg.uuid} stop rel.wav") == "-ERR Cannot stop record session!\n"
    await client.api(f"uuid_record {leg.uuid} start rel.wav")
    await client.event("RECORD_START", count=2, Record_File_Path=key)
    assert await client.api(f"uuid_record {leg.uuid} stop {key}") == "+OK Success\n"


async def test_parameters_in_the_path(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """`{…}` stays part of the key and of Record-File-Path."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    for name in ("read", "write"):
        key = f"{{record_{name}_only=true}}{tmp_path}/{name}.wav"
        await client.api(f"uuid_record {leg.uuid} start {key} 0 {{{EXACT}}}")
        await client.event("RECORD_START", Record_File_Path=key)
        await running_for(0.1)
        await stop(client, leg, key)
    assert samples(tmp_path / "read.wav").any()
    assert not samples(tmp_path / "write.wav").any()


async def test_an_unclosed_brace_never_answers(soft_switch: Softswitch, client: Client) -> None:
    """The real switch loops for ever over such a path; so does whoever asked for it."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    client.send(f"api uuid_record {leg.uuid} start {{/x.wav")
    client.send("api eval never")
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while len(soft_switch.journal.commands) < 3:
            await asyncio.sleep(0.005)
    assert not any(frame.text == "never" for frame in client.frames)


async def test_where_variables_are_looked_up(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Recording variables, else channel variables, else global ones; and only as the fifth argument."""
    leg = await soft_switch.call("1001", TALKER, answered=True, variables={"RECORD_STEREO": "true"})
    await client.api("global_setvar record_pre_buffer_frames=0")
    api = f"uuid_record {leg.uuid} start {tmp_path}"
    await client.api(f"{api}/channel.wav")
    await client.api(f"{api}/own.wav 0 {{record_stereo=false,note=a%20b%2Cc=d}}")
    await client.api(f"{api}/fourth.wav {{RECORD_STEREO=false}}")
    await running_for(0.1)
    for name, channels in (("channel", 2), ("own", 1), ("fourth", 2)):
        await stop(client, leg, f"{tmp_path}/{name}.wav")
        entry = soft_switch.journal.recording(f"{tmp_path}/{name}.wav")
        assert entry.channels == channels
        assert entry.frames_written > 160
    assert soft_switch.journal.recording(f"{tmp_path}/own.wav").variables == {
        "record_stereo": "false", "note": "a b", "c": "d",
    }  # fmt: skip
    assert not soft_switch.journal.recording(f"{tmp_path}/fourth.wav").variables


async def test_a_recording_that_the_dialplan_starts(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Nobody of ours ordered it: it is told all the same, without variables of ours."""
    soft_switch.dialplan = (("answer", ""), ("record_session", f"{tmp_path}/a.wav"))
    leg = await soft_switch.call("1001", TALKER)
    told = await client.event("RECORD_START", Unique_ID=leg.uuid)
    assert not [key for key in told if key.startswith("Recording-Variable")]
    names = client.names(leg)
    assert names.index("RECORD_START") < names.index("CHANNEL_PARK")


async def test_the_limit_needs_its_plus(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """`record_session P 1 …` has no limit and no variables; without arguments there is no recording."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    await client.execute(leg, "record_session", f"{tmp_path}/a.wav 1")
    await client.event("RECORD_START")
    await client.execute(leg, "record_session", "")
    await client.event("CHANNEL_EXECUTE_COMPLETE", count=2, Application="record_session")
    assert client.names(leg).count("RECORD_START") == 1
    assert soft_switch.journal.recordings[0].variables == {}


@pytest.mark.parametrize(
    "path", ["/proc/nope/x.wav", "/dev/null/x.wav", "{dir}/x.nosuch", "{dir}/x.WAV", "{dir}/sub.wav"]
)
async def test_refused_starts(client: Client, soft_switch: Softswitch, tmp_path: Path, path: str) -> None:
    """Neither START nor STOP, only the variable; RECORD_HANGUP_ON_ERROR hangs up when the file cannot be opened."""
    (tmp_path / "sub.wav").mkdir()
    path = path.replace("{dir}", str(tmp_path))
    leg = await soft_switch.call("1001", TALKER, answered=True)
    reply = await client.api(f"uuid_record {leg.uuid} start {path}")
    assert reply == "-ERR Cannot record session!\n"
    await record(client, leg, path, "RECORD_HANGUP_ON_ERROR=true", told=False)
    complete = await client.event("CHANNEL_EXECUTE_COMPLETE", Application="record_session")
    assert complete["variable_record_completion_cause"] == "uri-failure"
    assert "RECORD_START" not in client.names(leg)
    mkdir_failed = path.startswith(("/proc", "/dev"))
    assert leg.hungup is not mkdir_failed
    assert soft_switch.journal.recordings == []


async def test_an_unanswered_leg_is_pre_answered(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Recording a ringing leg gives it early media first, even when it asks for the answer."""
    leg = await soft_switch.call("1001", TALKER)
    await record(client, leg, tmp_path / "a.wav", f"{EXACT},RECORD_ANSWER_REQ=true")
    names = client.names(leg)
    order = [names.index(name) for name in ("CHANNEL_PROGRESS_MEDIA", "RECORD_START", "MEDIA_BUG_START")]
    assert order == sorted(order)
    assert "PRIVATE_COMMAND" not in names
    await running_for(0.1)
    leg.answer()
    await running_for(0.2)
    await stop(client, leg, tmp_path / "a.wav")
    data = samples(tmp_path / "a.wav")
    assert found_in(data[160:], render(TALKER).samples) < 320


async def test_rate_and_append(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """record_sample_rate sets the file's rate; appending to it goes on where it ended."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "a.wav"
    await record(client, leg, path, f"{EXACT},record_sample_rate=16000")
    await running_for(0.2)
    await stop(client, leg, path)
    entry = soft_switch.journal.recording(str(path))
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 2 * entry.frames_written)
    before = path.stat().st_size
    await record(client, leg, path, f"{EXACT},RECORD_APPEND=true,RECORD_MIN_SEC=9")
    await running_for(0.1)
    await stop(client, leg, path)
    assert path.stat().st_size > before


async def test_stereo_at_another_rate(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Both channels are resampled alike."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    await record(client, leg, tmp_path / "a.wav", f"{EXACT},record_sample_rate=16000,RECORD_STEREO=true")
    await running_for(0.1)
    await stop(client, leg, tmp_path / "a.wav")
    data = samples(tmp_path / "a.wav")
    assert data[:, 0].any()
    assert not data[:, 1].any()


async def test_two_legs_one_path(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Another leg's recording of the same path truncates the file: nothing guards it."""
    path = tmp_path / "a.wav"
    one, two = [await soft_switch.call("1001", TALKER, answered=True) for _ in range(2)]
    await record(client, one, path, f"{EXACT},enable_file_write_buffering=1024")
    await eventually(lambda: path.stat().st_size > 44)
    await client.execute(two, "record_session", f"{path} +9 {{{EXACT}}}")
    await client.event("RECORD_START", Unique_ID=two.uuid)
    assert path.read_bytes()[40:44] == bytes(4)


async def test_hangup_with_several(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """All RECORD_STOPs in the order of starting, then MEDIA_BUG_STOPs in reverse, before HANGUP_COMPLETE."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    paths = [str(tmp_path / f"{name}.wav") for name in "abc"]
    for path in paths:
        await record(client, leg, path)
    leg.hangup("USER_BUSY")
    assert await leg.wait_hangup() == "USER_BUSY"
    await client.event("CHANNEL_DESTROY")
    told = [event for event in client.events if event["Event-Name"] in ("RECORD_STOP", "MEDIA_BUG_STOP")]
    assert [e["Record-File-Path"] for e in told[:3]] == paths
    assert [e["Media-Bug-Target"] for e in told[3:]] == paths[::-1]
    names = client.names(leg)
    assert max(i for i, name in enumerate(names) if name == "MEDIA_BUG_STOP") < names.index("CHANNEL_HANGUP_COMPLETE")
    assert await client.api(f"uuid_record {leg.uuid} stop {paths[0]}") == "-ERR Cannot locate session!\n"


async def test_stop_of_all(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Every RECORD_STOP, then every MEDIA_BUG_STOP, these in reverse."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    paths = [str(tmp_path / f"{name}.wav") for name in "ab"]
    for path in paths:
        await record(client, leg, path)
    assert await client.api(f"uuid_record {leg.uuid} stop all") == "+OK Success\n"
    await client.event("MEDIA_BUG_STOP", count=2)
    told = [event for event in client.events if event["Event-Name"] in ("RECORD_STOP", "MEDIA_BUG_STOP")]
    assert [event.get("Record-File-Path", event.get("Media-Bug-Target")) for event in told] == [*paths, *paths[::-1]]


async def test_stop_right_after_start(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Before RECORD_START a stop is refused and the recording runs on; right on it the file may be empty."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "a.wav"
    client.send(
        f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: record_session\n"
        f"execute-app-arg: {path} +9 {{{EXACT}}}"
    )
    client.send(f"bgapi uuid_record {leg.uuid} stop {path}\nJob-UUID: early")
    job = await client.event("BACKGROUND_JOB", Job_UUID="early")
    assert job["_body"] == "-ERR Cannot stop record session!\n"
    await client.event("RECORD_START")
    await client.api("eval two replies were pending")
    soft_switch_entry: RecordingEntry = soft_switch.journal.recording(str(path))
    assert soft_switch_entry.reason is None


async def test_hangup_right_after_start(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """A start followed by a kill in the same moment: neither START nor STOP nor COMPLETE."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    client.send(
        f"sendmsg {leg.uuid}\ncall-command: execute\nexecute-app-name: record_session\n"
        f"execute-app-arg: {tmp_path}/a.wav +9\nEvent-UUID: mine\n\napi uuid_kill {leg.uuid}"
    )
    await client.event("CHANNEL_DESTROY")
    assert "RECORD_START" not in client.names(leg)
    assert not any(event.get("Application-UUID") == "mine" for event in client.events)


async def test_hangup_amid_a_start_from_outside(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """It began on a leg that was going, which is destroyed only when the start is over: its recorder ends with it."""
    legs = [await soft_switch.call(f"10{number:02}", TALKER, answered=True) for number in range(10)]
    paths = [tmp_path / f"{leg.uuid}.wav" for leg in legs]

    async def raced(leg: Leg, path: Path) -> str:
        started = asyncio.ensure_future(client.api(f"uuid_record {leg.uuid} start {path} 60 {{{EXACT}}}"))
        await eventually(path.exists)  # the file is open, the recorder not yet there
        leg.hangup()
        await leg.wait_hangup()
        return await started

    for leg, path in zip(legs, paths, strict=True):
        assert await raced(leg, path) == "+OK Success\n"
        await client.event("RECORD_STOP", Record_File_Path=str(path))
        assert soft_switch.journal.recording(str(path)).reason == "hangup"
        assert leg.recorders == []


async def test_a_leg_on_hold(client: Client, soft_switch: Softswitch, tmp_path: Path) -> None:
    """Recorders get no frame of it: what is said meanwhile, and the time, are missing; afterwards they do again."""
    leg = await soft_switch.call("1001", TALKER, answered=True)
    path = tmp_path / "a.wav"
    await record(client, leg, path)
    await running_for(0.5)
    assert await client.api(f"uuid_hold {leg.uuid}") == "+OK Success\n"
    held = asyncio.get_running_loop().time()
    await running_for(0.5)
    assert await client.api(f"uuid_hold off {leg.uuid}") == "+OK Success\n"
    lost = asyncio.get_running_loop().time() - held
    await running_for(0.3)
    await stop(client, leg, path)
    [entry] = soft_switch.journal.recordings
    assert entry.stopped_at is not None
    assert len(samples(path)) / 8000 == pytest.approx(entry.stopped_at - entry.started_at - lost, abs=0.1)
    assert await client.api("uuid_hold") == "-USAGE: [off|toggle] <uuid> [<display>]\n"
    assert await client.api("uuid_hold nobody") == "+OK Success\n"
    assert await client.api(f"uuid_hold toggle {leg.uuid}") == "+OK Success\n"
    assert leg.held
