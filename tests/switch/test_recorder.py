"""The recorder over ESL: its variables, its packets, what each answer means, and when an inquiry is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from controller.recordings.model import (
    Break,
    Channels,
    Owner,
    Pause,
    PauseBehavior,
    Recording,
    RecordingRequest,
    State,
    Track,
)
from controller.recordings.ports import CommandFailed, CommandUnanswered, Presence, SwitchAway
from controller.switch import recorder
from controller.switch.board import Switchboard
from controller.switch.commands_values import Track as Direction
from controller.switch.commands_values import silence_threshold
from controller.switch.facts import LegGone, RecordStopped
from controller.switch.link import SwitchAddress
from controller.switch.recorder import EslRecorder, recording_id, recording_variables
from controller.telemetry import Telemetry
from tests.switch.answering import LEG, QUICK, SWITCH, Answers, Heard, connected, core_event, dies
from tests.switch.peer import Conn, api, reply

ID = "0d3c7b52-9a51-4f6f-8d2c-2d1c6b9a7e10"
HEX = ID.replace("-", "")
REQUEST = RecordingRequest(Channels.MONO, Track.BOTH, "wav", "ref", "swml.record_call")
PATH = f"/var/lib/fsrec/{ID}.wav"
RECORDING = Recording(ID, Owner("acme", "swml", "call", SWITCH, LEG), REQUEST, State.REQUESTED, PATH, 1.0)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for the settling of a real switch."""
    monkeypatch.setattr(recorder, "SETTLE", 0.01)


def bugs(*paths: str) -> str:
    inner = "".join(
        f" <media-bug>\n  <function>session_record</function>\n  <target>{path}</target>\n </media-bug>\n"
        for path in paths
    )
    return f"<media-bugs>\n{inner}</media-bugs>\n"


# --- variables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outside", [False, True])
def test_who_writes(outside: bool) -> None:
    """From outside no thread begins that could keep a leg that hangs up just then."""
    made = recording_variables(replace(RECORDING, owner=replace(RECORDING.owner, outside=outside)))
    assert f"RECORD_USE_THREAD={str(not outside).lower()}" in str(made)
    assert type(made).parse(str(made)) == made


@pytest.mark.parametrize(
    ("channels", "track", "initial", "final"),
    list(product(Channels, Track, (0.0, 2.5), (0.0, 0.0004, 3.0))),
)
def test_variables_of_every_request(channels: Channels, track: Track, initial: float, final: float) -> None:
    """Two channels only of both tracks; silence is judged only where a timeout wants it, at the leg's own rate."""
    request = replace(
        REQUEST,
        channels=channels,
        track=track,
        initial_timeout=initial,
        end_silence_timeout=final,
        sensitivity=60.0,
    )
    made = recording_variables(replace(RECORDING, request=request, owner=replace(RECORDING.owner, rate=16000)))
    directions = {Track.INBOUND: Direction.READ, Track.OUTBOUND: Direction.WRITE, Track.BOTH: Direction.BOTH}
    assert made.recording == HEX
    assert made.track is directions[track]
    assert made.stereo == (channels is Channels.DUAL and track is Track.BOTH)
    assert (made.initial_timeout_ms, made.final_timeout_ms) == (round(initial * 1000), round(final * 1000))
    assert made.silence_threshold == (silence_threshold(60.0, 16000) if initial or final else 0)
    assert (made.swap, made.answer_required, made.bridge_required) == (False, False, False)


@pytest.mark.parametrize(("child", "channels", "swap"), [(True, 2, True), (True, 1, False), (False, 2, False)])
def test_the_parent_is_the_first_channel(child: bool, channels: int, swap: bool) -> None:
    """Also where the recorder is on a leg that the call dialled, and hears the parent."""
    request = replace(REQUEST, channels=Channels.DUAL if channels == 2 else Channels.MONO)
    made = recording_variables(replace(RECORDING, request=request, owner=replace(RECORDING.owner, child=child)))
    assert made.swap is swap


def test_a_file_that_is_continued() -> None:
    """Once its recorder was broken off, the file is appended to, with what is left of the timeouts."""
    request = replace(REQUEST, initial_timeout=4.0, end_silence_timeout=3.0)
    begun = replace(RECORDING, request=request, started_at=10.0, pauses=(Pause(11.0, PauseBehavior.SKIP),))
    assert not recording_variables(begun).append
    made = recording_variables(replace(begun, breaks=(Break(14.0),)))
    assert (made.append, made.initial_timeout_ms, made.final_timeout_ms) == (True, 3000, 3000)
    assert made.silence_threshold == recording_variables(begun).silence_threshold


@pytest.mark.parametrize(("rate", "clock", "threshold"), [(8000, 0, 200), (16000, 0, 400), (16000, 8000, 200)])
def test_the_threshold_is_scaled_as_levels_are(rate: int, clock: int, threshold: int) -> None:
    """By the leg's rate, but where its codec goes by another, as G.722 does."""
    owner = replace(RECORDING.owner, rate=rate, clock=clock)
    made = recording_variables(replace(RECORDING, owner=owner, request=replace(REQUEST, initial_timeout=4.0)))
    assert made.silence_threshold == threshold


def test_ids_come_back() -> None:
    """Our id is known in both its forms; anything else is nobody's."""
    assert recording_id(HEX) == recording_id(ID) == ID
    assert recording_id(None) is None
    assert recording_id("not ours") is None


# --- commands -------------------------------------------------------------------------------------------------------


async def test_the_packet_of_a_start() -> None:
    """record_session in the leg's own thread, named by our id, with the whole variable block."""
    answers = Answers({"sendmsg": "+OK"})
    async with connected(answers) as board:
        await EslRecorder(board).start(RECORDING)
    [packet] = answers.packets
    assert packet.startswith(f"sendmsg {LEG}\ncall-command: execute\nexecute-app-name: record_session\n")
    assert f"execute-app-arg: {PATH} +86400 {recording_variables(RECORDING)}\n" in packet
    assert f"Event-UUID: {ID}" in packet


OUTSIDE = replace(RECORDING, owner=replace(RECORDING.owner, outside=True))


async def test_the_packet_of_a_start_from_outside() -> None:
    """bgapi uuid_record with its limit, without which the block behind it would mean nothing, and the whole block."""
    answers = Answers()
    async with connected(answers) as board:
        await EslRecorder(board).start(OUTSIDE)
        await EslRecorder(board).start(replace(OUTSIDE, breaks=(Break(2.0),)))
    first, second = answers.lines
    assert first == f"bgapi uuid_record {LEG} start {PATH} 86400 {recording_variables(OUTSIDE)}"
    assert ("RECORD_APPEND=false" in first, "RECORD_APPEND=true" in second) == (True, True)


async def test_starts_from_outside_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is one; a link that goes is no verdict, nor is a job whose end does not come: it may record."""
    refused = Answers({"bgapi": "-ERR Cannot record session!\n"})
    async with connected(refused) as board:
        with pytest.raises(CommandFailed, match="Cannot record session"):
            await EslRecorder(board).start(OUTSIDE)
    async with connected(Answers({"bgapi": dies})) as board:
        with pytest.raises(SwitchAway):
            await EslRecorder(board).start(OUTSIDE)
    endless = Answers()

    async def taken(conn: Conn) -> None:
        job = endless.packets[-1].partition("\nJob-UUID: ")[2]
        await conn.send(reply(f"+OK Job-UUID: {job}", **{"Job-UUID": job}))

    endless.table["bgapi"] = taken
    monkeypatch.setattr(recorder, "JOB_WITHIN", 0.05)
    async with connected(endless) as board:
        with pytest.raises(SwitchAway):
            await EslRecorder(board).start(OUTSIDE)
    async with connected(Answers()) as board:
        with pytest.raises(CommandFailed):
            await EslRecorder(board).start(replace(OUTSIDE, path="/a b.wav"))


Act = Callable[[EslRecorder, Recording], Awaitable[Any]]
JOBS: dict[str, Act] = {
    "stop": EslRecorder.stop,
    "mask": EslRecorder.mask,
    "unmask": EslRecorder.unmask,
}


@pytest.mark.parametrize("name", JOBS)
async def test_the_packets_of_jobs(name: str) -> None:
    """bgapi uuid_record; its answer is the switch's time of the job's end, or by the board's clock without one."""
    answers = Answers(at=1795147988.25)
    async with connected(answers) as board:
        assert await JOBS[name](EslRecorder(board), RECORDING) == 1795147988.25
        answers.at = None
        before = board.now(SWITCH)
        assert before <= await JOBS[name](EslRecorder(board), RECORDING) <= board.now(SWITCH)
        assert abs(EslRecorder(board).now(SWITCH) - board.now(SWITCH)) < 1
    assert answers.lines == [f"bgapi uuid_record {LEG} {name} {PATH}"] * 2


@pytest.mark.parametrize(("name", "start"), [("start", "sendmsg"), *((name, "bgapi") for name in JOBS)])
async def test_refusals_and_links_that_go(name: str, start: str) -> None:
    """The switch's refusal is CommandFailed with its words; a link that is down or breaks is SwitchAway."""
    act = {"start": EslRecorder.start, **JOBS}[name]
    async with connected(Answers({start: "-ERR Cannot do that!\n"})) as board:
        with pytest.raises(CommandFailed, match=r"^-ERR Cannot do that!$"):
            await act(EslRecorder(board), RECORDING)
    async with connected(Answers({start: dies})) as board:
        with pytest.raises(SwitchAway):
            await act(EslRecorder(board), RECORDING)
    board = Switchboard([SwitchAddress(SWITCH, "127.0.0.1", 1, "secret")], Telemetry(), QUICK)
    with pytest.raises(SwitchAway, match="not connected"):
        await act(EslRecorder(board), RECORDING)


@pytest.mark.parametrize("name", ["start", *JOBS])
async def test_what_no_command_can_name(name: str) -> None:
    """A hostile leg or path fails before anything is sent."""
    act = {"start": EslRecorder.start, **JOBS}[name]
    answers = Answers()
    async with connected(answers) as board:
        hostile = (replace(RECORDING, path="/a b.wav"), replace(RECORDING, owner=replace(RECORDING.owner, leg="a b")))
        for bad in hostile:
            with pytest.raises(CommandFailed):
                await act(EslRecorder(board), bad)
    assert answers.packets == []


async def test_a_busy_leg_fails_the_start() -> None:
    """So many commands of a leg are outstanding that this one's turn does not come: it was not sent."""
    answers = Answers({"sendmsg": "+OK"})
    async with connected(answers, timings=replace(QUICK, reply=0.3)) as board:
        starts = [EslRecorder(board).start(replace(RECORDING, id=f"{n:02d}{ID[2:]}")) for n in range(33)]
        results = await asyncio.gather(*starts, return_exceptions=True)
    assert [result for result in results if result is not None] == [results[32]]
    assert isinstance(results[32], CommandFailed)
    assert len(answers.packets) == 32


async def test_a_job_that_is_not_taken_or_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both fail this one command; the connection goes on."""

    async def not_taken(conn: Conn) -> None:
        await conn.send(reply("-ERR no more threads"))

    answers = Answers({"bgapi": not_taken})
    heard = Heard()
    async with connected(answers, heard=heard) as board:
        with pytest.raises(CommandFailed, match="no more threads"):
            await EslRecorder(board).stop(RECORDING)

        async def endless(conn: Conn) -> None:
            job = answers.packets[-1].partition("\nJob-UUID: ")[2]
            await conn.send(reply(f"+OK Job-UUID: {job}", **{"Job-UUID": job}))

        answers.table["bgapi"] = endless
        monkeypatch.setattr(recorder, "JOB_WITHIN", 0.05)
        with pytest.raises(CommandUnanswered, match="did not end within"):
            await EslRecorder(board).mask(RECORDING)
        assert len(heard.connects) == 1


# --- inquiries ------------------------------------------------------------------------------------------------------


PARTNER = "0b0c0d0e-4a8c-4c8c-800c-88bd3014e327"
FOLLOWED = Presence(recorder=True, leg=True, followed=PARTNER)


@pytest.mark.parametrize(
    ("here", "partner", "there", "presence"),
    [
        (bugs(PATH), None, None, Presence(recorder=True, leg=True)),
        (bugs("/other.wav", PATH), None, None, Presence(recorder=True, leg=True)),
        (bugs("/other.wav"), "_undef_", None, Presence(recorder=False, leg=True)),
        (bugs(), "a b", None, Presence(recorder=False, leg=True)),
        (bugs(), PARTNER, bugs(PATH), FOLLOWED),
        (bugs(), PARTNER, bugs("/other.wav"), Presence(recorder=False, leg=True)),
        (bugs(), PARTNER, "-ERR no reply\n", Presence(recorder=False, leg=True)),
        ("-ERR no reply\n", None, None, Presence(recorder=False, leg=False)),
        ("-ERR No such channel!\n", None, None, Presence(recorder=False, leg=False)),
    ],
)
async def test_what_an_inquiry_finds(here: str, partner: str | None, there: str | None, presence: Presence) -> None:
    """The leg's list of recorders decides, or that of whom it was connected with last; a fence follows them."""
    answers = Answers(
        {
            f"api uuid_buglist {LEG}": here,
            f"api uuid_buglist {PARTNER}": there or "",
            "api uuid_getvar": partner or "",
        }
    )
    async with connected(answers) as board:
        assert await EslRecorder(board).inquire(RECORDING) == presence
    asked = [] if partner is None else [f"api uuid_getvar {LEG} last_bridge_to"]
    asked += [] if there is None else [f"api uuid_buglist {PARTNER}"]
    assert answers.lines == [f"api uuid_buglist {LEG}", *asked, "bgapi echo fence"]


MOVED = replace(RECORDING, followed=PARTNER)


async def test_what_followed_a_transfer_is_stopped_where_it_is() -> None:
    """FreeSWITCH knows it there only among all; with others there it refuses, and masks are not asked for at all."""
    answers = Answers({"api uuid_buglist": bugs(PATH)})
    async with connected(answers) as board:
        await EslRecorder(board).stop(MOVED)
        assert answers.lines == [f"api uuid_buglist {PARTNER}", f"bgapi uuid_record {PARTNER} stop all"]
        answers.table["api uuid_buglist"] = bugs(PATH, "/other.wav")
        with pytest.raises(CommandFailed, match="other recordings"):
            await EslRecorder(board).stop(MOVED)
        answers.table["api uuid_buglist"] = "-ERR no reply\n"
        with pytest.raises(CommandFailed, match="gone"):
            await EslRecorder(board).stop(MOVED)
        for command in (EslRecorder(board).mask, EslRecorder(board).unmask):
            with pytest.raises(CommandFailed, match="only stop it"):
                await command(MOVED)
    assert len(answers.lines) == 4


async def test_an_absent_recorder_is_believed_only_after_what_explains_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its RECORD_STOP, fired after the list was printed, is told before the inquiry returns."""
    heard, order = Heard(), list[str]()
    fired = asyncio.Event()

    async def gone(conn: Conn) -> None:
        await conn.send(api(bugs()))
        fired.set()

    sleep = asyncio.sleep

    async def stop_then_settle(seconds: float) -> None:
        if seconds != recorder.SETTLE:  # the board's
            return await sleep(seconds)
        await fired.wait()
        assert answers.conn is not None
        await answers.conn.send(core_event("RECORD_STOP", Record_File_Path=PATH))
        order.append("settled")
        return None

    answers = Answers({"api uuid_buglist": gone})
    async with connected(answers, heard=heard) as board:
        monkeypatch.setattr("controller.switch.recorder.asyncio.sleep", stop_then_settle)
        assert not (await EslRecorder(board).inquire(RECORDING)).recorder
        monkeypatch.undo()
    assert order == ["settled"]
    assert [type(fact) for fact in heard.facts] == [RecordStopped]


async def test_a_present_recorder_needs_no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only absence may be early; events before the answer are told all the same."""
    heard = Heard()

    async def there(conn: Conn) -> None:
        await conn.send(api(bugs(PATH)), core_event("CHANNEL_HANGUP_COMPLETE"))

    sleep = asyncio.sleep

    async def never(seconds: float) -> None:
        assert seconds != recorder.SETTLE, "it settled"
        await sleep(seconds)

    async with connected(Answers({"api uuid_buglist": there}), heard=heard) as board:
        monkeypatch.setattr("controller.switch.recorder.asyncio.sleep", never)
        assert (await EslRecorder(board).inquire(RECORDING)).recorder
        monkeypatch.undo()
        assert [type(fact) for fact in heard.facts] == [LegGone]


@pytest.mark.parametrize(
    "table",
    [
        {"api uuid_buglist": "odd"},
        {"api uuid_buglist": "-ERR permission denied\n"},
        {"api uuid_buglist": dies},
        {"api uuid_buglist": bugs(PATH), "bgapi": dies},
    ],
)
async def test_an_inquiry_without_an_answer(table: dict[str, Any]) -> None:
    """No list, or a link that goes before or at the fence: nothing is known."""
    async with connected(Answers(table), Answers()) as board:
        with pytest.raises(SwitchAway):
            await EslRecorder(board).inquire(RECORDING)


async def test_a_fence_that_is_refused() -> None:
    """The list alone is not believed."""

    async def not_taken(conn: Conn) -> None:
        await conn.send(reply("-ERR no more threads"))

    async with connected(Answers({"api uuid_buglist": bugs(PATH), "bgapi": not_taken})) as board:
        with pytest.raises(SwitchAway, match="no more threads"):
            await EslRecorder(board).inquire(RECORDING)


async def test_a_leg_that_no_command_names_has_no_recorder() -> None:
    """One bad row must not keep a switch from being reconciled."""
    answers = Answers()
    async with connected(answers) as board:
        bad = replace(RECORDING, owner=replace(RECORDING.owner, leg="a b"))
        assert await EslRecorder(board).inquire(bad) == Presence(recorder=False, leg=False)
    assert answers.packets == []
