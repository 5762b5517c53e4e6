"""The Recordings REST API over the whole daemon: what applications of Twilio and of LaML do to calls that are up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl
from uuid import UUID

import pytest

from controller.calls.events import CallReleased
from tests.harness.audio import Interval, read_wav
from tests.harness.esl import connected
from tests.harness.switch import Switch
from tests.scenarios.daemon import Daemon, swml
from tests.scenarios.rest import LAML, SID, TENANTS, TWILIO, Answer, Api, Line, Tenant, line, prepare

each_tenant = pytest.mark.parametrize("tenant", TENANTS, ids=lambda one: one.name)
ENDED = {TWILIO: "completed", LAML: "stopped"}


@each_tenant
async def test_the_life_of_a_recording(daemon: Daemon, switch: Switch, tenant: Tenant, tmp_path: Path) -> None:
    """Created, paused, resumed, stopped, downloaded, deleted: each answer has the account's words and status."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, tenant), Api(daemon, tenant)
    made = await api.create(up, RecordingChannels="dual")
    assert made.status == (201 if tenant is TWILIO else 200), made.json
    sid = made.json["sid"]
    assert (made.json["status"], made.json["duration"], made.json["channels"]) == ("in-progress", None, 2)
    assert made.json["call_sid"] == up.sid
    assert (await api.ask("GET", f"/Recordings/{sid}.wav", auth=False)).status == 404
    busy = await api.ask("DELETE", f"/Recordings/{sid}.json")
    assert (busy.status, busy.json["code"]) == (409, 20009)
    await asyncio.sleep(1.5)  # this is what is recorded: what is shorter than a second is told as absent
    paused = await api.update(up, sid, Status="paused", PauseBehavior="skip")
    assert (paused.status, paused.json["status"]) == (200, "paused")
    resumed = await api.update(up, "Twilio.CURRENT", Status="in-progress")
    assert (resumed.status, resumed.json["status"]) == (200, "in-progress")
    stopped = await api.update(up, sid, Status="stopped")
    assert (stopped.status, stopped.json["status"]) == (200, "stopped")
    done = await api.until(sid, ENDED[tenant])
    assert done["duration"].isdigit()
    sound = await api.ask("GET", f"/Recordings/{sid}", auth=False)
    assert (sound.status, sound.headers["Content-Type"]) == (200, "audio/x-wav")
    (tmp_path / "got.wav").write_bytes(sound.body)
    assert read_wav(tmp_path / "got.wav").channels == 2
    part = await api.ask("GET", f"/Recordings/{sid}.wav", headers={"Range": "bytes=0-3"}, auth=False)
    assert (part.status, part.body) == (206, b"RIFF")
    assert (await api.ask("DELETE", f"/Recordings/{sid}.json")).status == 204
    gone = await api.fetch(sid)
    assert (gone.status, gone.json["code"], gone.json["status"]) == (404, 20404, 404)
    assert (await api.ask("GET", f"/Recordings/{sid}", auth=False)).status == 404
    assert (await api.ask("GET", "/Recordings.json")).json["recordings"] == []
    kept = await api.ask("GET", f"/Recordings/{sid}.json", query={"IncludeSoftDeleted": "true"})
    assert (kept.status, kept.json.get("status")) == ((200, "deleted") if tenant is TWILIO else (404, 404))
    assert list(switch.recordings.glob("*.wav")) == []


@each_tenant
async def test_callbacks(daemon: Daemon, switch: Switch, tenant: Tenant) -> None:
    """A recording tells the events that were asked for, in order, by the sid that the create answered."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, tenant), Api(daemon, tenant)
    told = {"RecordingStatusCallback": daemon.receiver.url("/cb"), "RecordingStatusCallbackMethod": "POST"}
    events = {"RecordingStatusCallbackEvent": ["in-progress, completed", "absent"]}
    made = await api.create(up, **told, **events)
    await daemon.receiver.wait("/cb")
    await asyncio.sleep(1.5)
    await api.update(up, made.json["sid"], Status="stopped")
    seen = [dict(parse_qsl(one.body.decode())) for one in await daemon.receiver.wait("/cb", 2)]
    assert [one["RecordingStatus"] for one in seen] == ["in-progress", "completed"]
    assert {one["RecordingSid"] for one in seen} == {made.json["sid"]}
    assert {one["RecordingSource"] for one in seen} == {made.json["source"]}


async def test_the_default_event(daemon: Daemon, switch: Switch) -> None:
    """Without a list of events the end alone is told."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    made = await api.create(up, RecordingStatusCallback=daemon.receiver.url("/cb"))
    await asyncio.sleep(1.5)
    await api.update(up, made.json["sid"], Status="stopped")
    (only,) = await daemon.receiver.wait("/cb")
    assert dict(parse_qsl(only.body.decode()))["RecordingStatus"] == "completed"


# --- what a leg may be doing ----------------------------------------------------------------------------------------


async def _parked(daemon: Daemon, switch: Switch) -> Line:
    return await line(daemon, switch, TWILIO)


async def _playing(daemon: Daemon, switch: Switch) -> Line:
    return await line(daemon, switch, LAML)


async def _transferred(daemon: Daemon, switch: Switch) -> Line:
    up = await line(daemon, switch, TWILIO)
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_transfer {up.caller.leg} sleep:100000 inline")).startswith("+OK")
    await daemon.until(lambda: len(daemon.seen(CallReleased)) == 1)
    return up


@pytest.mark.parametrize("busy", [_parked, _playing, _transferred], ids=lambda one: one.__name__[1:])
async def test_recording_a_leg_that_is_busy(
    daemon: Daemon, switch: Switch, tmp_path: Path, busy: Callable[[Daemon, Switch], Awaitable[Line]]
) -> None:
    """Whatever an answered leg does, and whoever has it do that, it is recorded at once, and goes on doing it."""
    prepare(daemon)
    await daemon.start()
    up = await busy(daemon, switch)
    api = Api(daemon, up.tenant)
    made = await api.create(up, RecordingTrack="inbound", Trim="do-not-trim")
    assert made.json["status"] == "in-progress", made.json
    await asyncio.sleep(1.6)
    assert (await api.update(up, made.json["sid"], Status="stopped")).status == 200
    await api.until(made.json["sid"], ENDED[up.tenant])
    got = await api.ask("GET", f"/Recordings/{made.json['sid']}.wav", auth=False)
    (tmp_path / "got.wav").write_bytes(got.body)
    sound = read_wav(tmp_path / "got.wav")
    assert sound.seconds > 1.2
    assert abs(sound.hz() - 440) < 10
    assert up.caller.alive


async def test_a_bridged_call(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """While its document dials, both legs are recorded: dual the parent left and the child right, one track alone."""
    dial = {"number": "loopback/{number}/fsrec-harness", "sip": "sofia/internal/{uri}"}
    prepare(daemon, twiml="<Response><Dial><Number>2000</Number></Dial></Response>", dial=dial)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    wanted = {
        "dual": {"RecordingChannels": "dual"},
        "mono": {},
        "in": {"RecordingTrack": "inbound", "RecordingChannels": "dual"},
        "out": {"RecordingTrack": "outbound"},
    }
    made = {name: (await api.create(up, **fields)).json for name, fields in wanted.items()}
    assert {one["status"] for one in made.values()} == {"in-progress"}
    assert {one["call_sid"] for one in made.values()} == {up.sid}
    await asyncio.sleep(2)
    paused = await api.update(up, made["mono"]["sid"], Status="paused", PauseBehavior="skip")
    assert paused.json["status"] == "paused"
    await up.caller.hangup()
    sounds = {}
    for name, one in made.items():
        assert (await api.until(one["sid"], "completed"))["call_sid"] == up.sid
        got = await api.ask("GET", f"/Recordings/{one['sid']}.wav", auth=False)
        (tmp_path / f"{name}.wav").write_bytes(got.body)
        sounds[name] = read_wav(tmp_path / f"{name}.wav")
    assert {name: sound.channels for name, sound in sounds.items()} == {"dual": 2, "mono": 1, "in": 1, "out": 1}
    middle = Interval(0.3, 1.2)
    caller, callee = 440.0, 600.0
    assert abs(sounds["dual"].hz(0, middle) - caller) < 12
    assert abs(sounds["dual"].hz(1, middle) - callee) < 12
    assert abs(sounds["in"].hz(0, middle) - caller) < 12
    assert abs(sounds["out"].hz(0, middle) - callee) < 12
    assert sounds["mono"].seconds < sounds["dual"].seconds + 0.2


async def _held(up: Line, api: Api, switch: Switch) -> Answer:
    """Put a leg on hold; returns what a create is answered as soon as the daemon has heard of it."""
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_hold {up.caller.leg}")).startswith("+OK")
    async with asyncio.timeout(5):
        while (answer := await api.create(up)).status == 201:
            await asyncio.sleep(0.05)
    return answer


async def test_a_leg_on_hold(daemon: Daemon, switch: Switch) -> None:
    """A switch gives recorders nothing of a leg on hold: one that runs lacks that time, a new one is refused."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    first = (await api.create(up)).json["sid"]
    await asyncio.sleep(1.6)
    refused = await _held(up, api, switch)
    assert (refused.status, refused.json["code"]) == (400, 21220)
    assert "on hold" in refused.json["message"]
    await asyncio.sleep(2.5)
    assert (await api.update(up, first, Status="stopped")).status == 200
    assert (await api.until(first, "completed"))["duration"] in {"1", "2"}
    assert up.caller.alive


@pytest.mark.parametrize("switch", ["soft"], indirect=True)  # a real one lets no leg go whose endpoint holds nothing
async def test_a_leg_off_hold(daemon: Daemon, switch: Switch) -> None:
    """It is recorded as any other."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    await _held(up, api, switch)
    async with connected(switch.direct) as esl:
        assert (await esl.api(f"uuid_hold off {up.caller.leg}")).startswith("+OK")
    async with asyncio.timeout(5):
        while (again := await api.create(up)).status != 201:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.6)
    assert (await api.update(up, again.json["sid"], Status="stopped")).status == 200
    assert (await api.until(again.json["sid"], "completed"))["duration"] in {"1", "2"}


async def test_a_recording_that_is_too_short(daemon: Daemon, switch: Switch) -> None:
    """What is absent has neither length nor price, though a moment of it was heard."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    sid = (await api.create(up)).json["sid"]
    await asyncio.sleep(0.6)
    assert (await api.update(up, sid, Status="stopped")).status == 200
    absent = await api.until(sid, "absent")
    assert (absent["error_code"], absent["duration"], absent["price"], absent["price_unit"]) == (
        16101,
        "0",
        None,
        None,
    )


async def test_what_a_pause_leaves(daemon: Daemon, switch: Switch, tmp_path: Path) -> None:
    """`skip` leaves the paused time out, `silence` keeps it and hushes it, an unpaused one beside them has it all."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    names = ("skip", "silence", "whole")
    sids = {name: (await api.create(up, RecordingTrack="inbound")).json["sid"] for name in names}
    await asyncio.sleep(1.5)
    for name in ("skip", "silence"):
        assert (await api.update(up, sids[name], Status="paused", PauseBehavior=name)).json["status"] == "paused"
    await asyncio.sleep(2)
    for name in ("skip", "silence"):
        assert (await api.update(up, sids[name], Status="in-progress")).json["status"] == "in-progress"
    await asyncio.sleep(1.5)
    for sid in sids.values():
        assert (await api.update(up, sid, Status="stopped")).status == 200
    sounds = {}
    for name, sid in sids.items():
        await api.until(sid, "completed")
        got = await api.ask("GET", f"/Recordings/{sid}.wav", auth=False)
        (tmp_path / f"{name}.wav").write_bytes(got.body)
        sounds[name] = read_wav(tmp_path / f"{name}.wav")
    whole = sounds["whole"].seconds
    assert sounds["skip"].seconds == pytest.approx(whole - 2, abs=0.5)
    assert sounds["silence"].seconds == pytest.approx(whole, abs=0.5)
    hushed = {name: sum(gap.end - gap.start for gap in sound.silent()) for name, sound in sounds.items()}
    assert hushed["silence"] == pytest.approx(hushed["whole"] + 2, abs=0.5)
    assert hushed["skip"] < hushed["whole"] + 0.5


@pytest.mark.parametrize("media", ["none", "early"])
async def test_a_leg_that_is_not_answered(daemon: Daemon, switch: Switch, media: str) -> None:
    """It is no call in progress: refused with 21220, and why; nothing is left of it."""
    prepare(daemon)
    waiting = daemon.directory / "waiting.swml.yaml"
    waiting.write_text(swml({"sleep": 60000}))
    await daemon.start()
    up, api = await line(daemon, switch, LAML, answered=False), Api(daemon, LAML)
    if media == "early":
        async with connected(switch.direct, "CHANNEL_PROGRESS_MEDIA") as esl:
            with esl.watch() as watch:
                await esl.execute(up.caller.leg, "pre_answer")
                await watch.named("CHANNEL_PROGRESS_MEDIA", up.caller.leg)
    refused = await api.create(up)
    assert (refused.status, refused.json["code"]) == (400, 21220)
    assert "not answered" in refused.json["message"]
    assert (await api.ask("GET", "/Recordings.json")).json["recordings"] == []


@each_tenant
async def test_a_call_that_has_ended(daemon: Daemon, switch: Switch, tenant: Tenant) -> None:
    """It cannot be recorded any more; its recordings are listed, and cannot be stopped or paused again."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, tenant), Api(daemon, tenant)
    made = (await api.create(up)).json
    await asyncio.sleep(1.5)
    await up.caller.hangup()
    await api.until(made["sid"], ENDED[tenant])
    late = await api.create(up)
    assert (late.status, late.json["code"]) == (400, 21220)
    for fields in ({"Status": "stopped"}, {"Status": "paused"}, {"Status": "in-progress"}):
        refused = await api.update(up, made["sid"], **fields)
        assert (refused.status, refused.json["code"]) == (400, 21220), fields
    assert (await api.update(up, "Twilio.CURRENT", Status="stopped")).status == 404
    listed = (await api.ask("GET", f"/Calls/{up.sid}/Recordings.json")).json["recordings"]
    assert [one["sid"] for one in listed] == [made["sid"]]


async def test_creates_while_the_caller_hangs_up(daemon: Daemon, switch: Switch) -> None:
    """Refused as one that has ended, or a recording that has its end soon; the switch is rid of each leg."""
    prepare(daemon)
    await daemon.start()
    api, told = Api(daemon, TWILIO), {"RecordingStatusCallback": daemon.receiver.url("/cb")}
    made = []
    for number in range(24):
        up = await line(daemon, switch, TWILIO)
        creating = asyncio.ensure_future(api.create(up, **told, RecordingStatusCallbackEvent="completed absent"))
        await asyncio.sleep(0.004 * (number % 8))
        await up.caller.hangup()
        answer = await creating
        if answer.status == 201:
            made.append(answer.json["sid"])
        else:
            assert (answer.status, answer.json["code"]) == (400, 21220)
    await daemon.until(lambda: not daemon.unfinished() and daemon.quiet(), 15)
    ends = [dict(parse_qsl(one.body.decode()))["RecordingSid"] for one in daemon.receiver.to("/cb")]
    assert len(ends) == len(set(ends))
    assert set(made) <= set(ends)
    async with connected(switch.direct) as esl, asyncio.timeout(10):
        while json.loads(await esl.api("show channels as json"))["row_count"]:
            await asyncio.sleep(0.05)


async def test_many_creates_at_once(daemon: Daemon, switch: Switch) -> None:
    """Of 50 on one call as many run as may, the others are told so; all that ran end, and the caller stays."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    answers = await asyncio.gather(*(api.create(up, RecordingTrack="inbound") for _ in range(50)))
    made = [one.json["sid"] for one in answers if one.status == 201]
    refused = [one.json for one in answers if one.status != 201]
    assert (len(made), {(one["status"], one["code"]) for one in refused}) == (10, {(429, 20429)})
    assert len({one.stem for one in switch.recordings.glob("*.wav")}) == 10
    await asyncio.sleep(1.2)
    assert {one.status for one in await asyncio.gather(*(api.update(up, sid, Status="stopped") for sid in made))} == {
        200
    }
    await asyncio.gather(*(api.until(sid, "completed") for sid in made))
    assert (await api.create(up)).status == 201
    assert up.caller.alive


async def test_recordings_of_swml(daemon: Daemon, switch: Switch) -> None:
    """What a document records is the account's too: it is listed, found as the current one, and can be stopped."""
    prepare(daemon, {"record_call": {"control_id": "mine", "format": "mp3"}})
    await daemon.start()
    up, api = await line(daemon, switch, LAML), Api(daemon, LAML)
    async with asyncio.timeout(10):
        while not (listed := (await api.ask("GET", "/Recordings.json")).json["recordings"]):
            await asyncio.sleep(0.05)
    assert (listed[0]["source"], listed[0]["status"]) == ("StartCallRecordingApi", "in-progress")
    await asyncio.sleep(0.5)
    stopped = await api.update(up, "Twilio.CURRENT", Status="stopped")
    assert (stopped.json["sid"], stopped.json["status"]) == (listed[0]["sid"], "stopped")
    await api.until(listed[0]["sid"], "stopped")
    for form in ("wav", "mp3"):
        got = await api.ask("GET", f"/Recordings/{listed[0]['sid']}.{form}", auth=False)
        assert (got.status, bool(got.body)) == (200, True)


async def test_other_accounts(daemon: Daemon, switch: Switch) -> None:
    """What another account owns does not exist, by whichever way it is asked for; its audio alone is for everyone."""
    prepare(daemon)
    await daemon.start()
    up, owner = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    sid = (await owner.create(up)).json["sid"]
    identity = str(UUID(sid[2:]))
    stranger = Api(daemon, LAML)
    for name in (sid, identity):
        assert (await stranger.fetch(name)).status == 404
        assert (await stranger.ask("DELETE", f"/Recordings/{name}.json")).status == 404
        assert (await stranger.ask("GET", f"/Recordings/{name}.wav", auth=False)).status == 404
    assert (await stranger.ask("POST", f"/Calls/{up.identity}/Recordings.json", {})).status == 404
    assert (await stranger.ask("GET", f"/Calls/{up.identity}/Recordings.json")).status == 404
    assert (await stranger.ask("GET", "/Recordings.json", account=SID)).status == 404
    listed = await stranger.ask("GET", "/Recordings.json", query={"CallSid": up.identity})
    assert (listed.status, listed.json["recordings"]) == (200, [])
    wrong = await stranger.ask("GET", "/Recordings.json", query={"PageToken": f"PA{identity}"})
    assert wrong.status == 400
    assert (await daemon.command(up.identity, "calling.record", control_id="x"))[0] == 404
    assert (await owner.fetch(sid)).json["status"] == "in-progress"


async def test_while_the_switch_is_away(daemon: Daemon, switch: Switch) -> None:
    """Nothing is promised that cannot be done now: 503; afterwards what ran before goes on and can be stopped."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    sid = (await api.create(up)).json["sid"]
    await switch.refuse_links()
    await switch.cut_links()
    await daemon.until(lambda: bool(daemon.problems()))
    for answer in (await api.create(up), await api.update(up, sid, Status="paused")):
        assert (answer.status, answer.json["code"]) == (503, 20503)
    await switch.refuse_links(False)
    await daemon.until(lambda: not daemon.problems())
    assert (await api.fetch(sid)).json["status"] == "in-progress"
    await asyncio.sleep(1.2)
    assert (await api.update(up, sid, Status="stopped")).status == 200
    await api.until(sid, "completed")


async def test_a_restart(daemon: Daemon, switch: Switch) -> None:
    """A recording that was started over REST is known to the next daemon, and stopped by it."""
    prepare(daemon)
    await daemon.start()
    up, api = await line(daemon, switch, TWILIO), Api(daemon, TWILIO)
    sid = (await api.create(up)).json["sid"]
    await daemon.stop()
    await asyncio.sleep(1.2)
    await daemon.start()
    assert (await api.fetch(sid)).json["status"] == "in-progress"
    assert (await api.update(up, "Twilio.CURRENT", Status="stopped")).json["sid"] == sid
    await api.until(sid, "completed")


async def test_the_command_that_records(daemon: Daemon, switch: Switch) -> None:
    """`calling.record` has defaults of its own, tells SWML's callbacks, and can beep first."""
    prepare(daemon, {"sleep": 60000})
    await daemon.start()
    up = await line(daemon, switch, LAML)
    url = daemon.receiver.url("/status")
    audio = {"beep": True, "terminators": "5", "direction": "listen", "initial_timeout": 0}
    status, shown = await daemon.command(
        up.identity, "calling.record", control_id="rec", record={"audio": audio}, status_url=url
    )
    assert (status, shown["id"]) == (200, up.identity), shown
    began = await daemon.callbacks.wait("recording")
    assert began["record"]["audio"] == {"format": "mp3", "direction": "listen", "stereo": False}
    again, refusal = await daemon.command(up.identity, "calling.record", control_id="rec")
    assert (again, refusal["errors"][0]["code"]) == (422, "invalid_command_attempted")
    await up.caller.press("5")
    ended = await daemon.callbacks.wait("finished")
    assert ended["record"]["format"] == "mp3"
