"""record_call from a parked leg to a delivered callback, on the softswitch and on a real FreeSWITCH alike."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from controller.calls.events import LegLeftAlone
from controller.recordings.model import PauseBehavior
from controller.softswitch.script import Hangup, Silence, Speech, Tone
from tests.harness.audio import read_wav
from tests.harness.esl import EslClient
from tests.harness.switch import Switch
from tests.scenarios.daemon import KEY, PROJECT, SPACE, Callbacks, Daemon, late, record_call

FOREVER = {"sleep": -1}


def zero_runs(samples: NDArray[np.float64], shortest: int = 800) -> list[tuple[int, int]]:
    """Where at least `shortest` frames in a row are digital zeros: (start, end)."""
    zero = np.concatenate(([False], ~np.any(samples, axis=1), [False]))
    edges = np.flatnonzero(zero[1:] != zero[:-1])
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(start, end) for start, end in pairs if end - start >= shortest]


async def test_a_call_is_recorded_to_its_hangup(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """A parked call is answered and recorded; the file is as long as the call was and sounds as it did."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Speech(1.0), Silence(0.5), Tone(0.5), Hangup()))
    end = await callbacks.wait("finished")
    assert await call.ended() == "NORMAL_CLEARING"
    assert callbacks.states() == ["recording", "finished"]
    assert abs(end["duration"] - 2.0) < 0.3 + late(switch)
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    sound = read_wav(tmp_path / "got.wav")
    assert sound.finished
    assert sound.channels == 1
    assert abs(sound.seconds - end["duration"]) < 0.001
    assert end["size"] == (tmp_path / "got.wav").stat().st_size
    assert len(sound.sounding()) == 2
    assert daemon.unfinished() == []


async def test_callbacks_are_what_the_seed_says(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Envelope and params as in seed 000 and DESIGN 9: types, presence by state, ids, and SignalWire's signature."""
    daemon.say(record_call(daemon.receiver, stereo=True), {"sleep": 400}, {"hangup": {}})
    await daemon.start()
    await switch.call()
    await callbacks.wait("finished")
    requests = daemon.receiver.to("/status")
    for request in requests:
        assert request.method == "POST"
        assert request.header("Content-Type") == "application/json"
        expected = hmac.new(KEY.encode(), daemon.receiver.url("/status").encode() + request.body, hashlib.sha1)
        assert request.header("X-SignalWire-Signature") == expected.hexdigest()
        event = request.json
        assert event["event_type"] == "calling.call.record"
        assert event["event_channel"].startswith("swml:")
        assert isinstance(event["timestamp"], float)
        assert (event["project_id"], event["space_id"]) == (PROJECT, SPACE)
    began, ended = (request.json["params"] for request in requests)
    assert {"duration", "size", "start_time", "end_time"}.isdisjoint(began)
    assert began["record"]["audio"] == {"format": "wav", "direction": "both", "stereo": True}
    for name in ("call_id", "node_id", "control_id", "recording_id", "url"):
        assert began[name] == ended[name]
    assert isinstance(ended["duration"], float)
    assert abs((ended["end_time"] - ended["start_time"]) - ended["duration"]) < 0.1
    assert ended["record"]["duration"] == ended["duration"]


async def test_two_recordings_at_once_are_independent(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """Different options on one leg: stereo both ways to the hangup, and mono of what the party says, stopped."""
    daemon.say(
        record_call(daemon.receiver, "whole", stereo=True),
        {"sleep": 300},
        record_call(daemon.receiver, "part", direction="speak"),
        {"sleep": 700},
        {"stop_record_call": {"control_id": "part"}},
        {"sleep": 500},
        {"hangup": {}},
    )
    await daemon.start()
    await switch.call(script=(Tone(5.0),))
    ends = {end["control_id"]: end for end in await callbacks.ends(2)}
    sounds = {}
    for name, end in ends.items():
        assert await daemon.fetch(end["url"], tmp_path / name) == 200
        sounds[name] = read_wav(tmp_path / name)
    assert (sounds["whole"].channels, sounds["part"].channels) == (2, 1)
    assert abs(sounds["part"].seconds - 0.7) < 0.15 + late(switch)
    assert abs(sounds["whole"].seconds - 1.5) < 0.25 + late(switch)
    assert abs(sounds["whole"].hz(0) - 440) < 5
    assert sounds["whole"].loudness(1) < 0.001
    assert abs(sounds["part"].hz() - 440) < 5


async def test_max_length_ends_it(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """A max_length of 1.0 s gives a file within 0.1 s of it, and the call goes on."""
    daemon.say(record_call(daemon.receiver, max_length=1.0), {"sleep": 4000}, {"hangup": {}})
    await daemon.start()
    call = await switch.call(script=(Tone(9.0),))
    end = await callbacks.wait("finished")
    assert abs(end["duration"] - 1.0) <= 0.1 + late(switch)
    assert call.alive
    assert await call.ended() == "NORMAL_CLEARING"


@pytest.mark.parametrize("behavior", list(PauseBehavior))
async def test_a_pause_is_cut_out_or_silent_to_the_sample(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, behavior: PauseBehavior
) -> None:
    """Skip: exactly the masked samples are missing. Silence: they are zeros, and nothing is missing."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    await asyncio.sleep(0.6)
    status, answer = await daemon.command(
        began["call_id"], "calling.record.pause", control_id="rec", behavior=behavior.value
    )
    assert status == 200, answer
    paused = await callbacks.wait("paused")
    assert paused["pause_behavior"] == behavior.value
    await asyncio.sleep(0.8)
    assert (await daemon.command(began["call_id"], "calling.record.resume", control_id="rec"))[0] == 200
    await asyncio.sleep(0.5)
    assert (await daemon.command(began["call_id"], "calling.record.stop", control_id="rec"))[0] == 200
    end = await callbacks.wait("finished")
    await call.hangup()
    assert callbacks.states() == ["recording", "paused", "recording", "finished"]
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    served, master = read_wav(tmp_path / "got.wav"), read_wav(switch.recordings / f"{end['recording_id']}.wav")
    runs = [(start, stop) for start, stop in zero_runs(master.samples) if start > 0.3 * master.rate]
    assert len(runs) == 1
    start, stop = runs[0]
    assert abs((stop - start) / master.rate - 0.8) < 0.15 + late(switch)
    if behavior is PauseBehavior.SKIP:
        expected = np.concatenate((master.samples[:start], master.samples[stop:]))
        assert np.array_equal(served.samples, expected)
        assert zero_runs(served.samples[round(0.3 * served.rate) :]) == []
    else:
        assert np.array_equal(served.samples, master.samples)
    assert abs(end["duration"] - served.seconds) < 0.001


@pytest.mark.parametrize("behavior", list(PauseBehavior))
async def test_a_hangup_within_a_pause_ends_it_truly(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, behavior: PauseBehavior
) -> None:
    """The caller hangs up while it is paused: skip leaves the pause out to the end, silence leaves it in."""
    daemon.say(record_call(daemon.receiver), FOREVER)
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    began = await callbacks.wait("recording")
    await asyncio.sleep(0.6)
    await daemon.command(began["call_id"], "calling.record.pause", control_id="rec", behavior=behavior.value)
    await callbacks.wait("paused")
    await asyncio.sleep(0.6)
    await call.hangup()
    end = await callbacks.wait("finished")
    assert callbacks.states() == ["recording", "paused", "finished"]
    assert await daemon.fetch(end["url"], tmp_path / "got.wav") == 200
    served, master = read_wav(tmp_path / "got.wav"), read_wav(switch.recordings / f"{end['recording_id']}.wav")
    masked = [(start, stop) for start, stop in zero_runs(master.samples) if start > 0.3 * master.rate]
    assert len(masked) == 1
    kept = master.samples[: masked[0][0]] if behavior is PauseBehavior.SKIP else master.samples
    assert np.array_equal(served.samples[: len(kept)], kept)
    assert len(served.samples) - len(kept) <= 0.04 * master.rate  # a frame or two after the leg's end


async def test_methods_that_fail_let_the_document_go_on(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """Nothing to stop, a control_id that is active already: each fails alone (DESIGN 9)."""
    daemon.say(
        {"stop_record_call": {}},
        record_call(daemon.receiver),
        record_call(daemon.receiver),
        {"stop_record_call": {"control_id": "another"}},
        {"sleep": 300},
        {"stop_record_call": {}},
        {"sleep": 300},
        {"hangup": {"reason": "busy"}},
    )
    await daemon.start()
    call = await switch.call()
    end = await callbacks.wait("finished")
    assert await call.ended() == "USER_BUSY"
    assert abs(end["duration"] - 0.3) < 0.15 + late(switch)
    assert callbacks.states() == ["recording", "finished"]


async def test_a_leg_that_no_route_claims_is_left_alone(daemon: Daemon, switch: Switch) -> None:
    """A call to another number is neither answered nor marked nor disarmed."""
    daemon.say(FOREVER)
    await daemon.start()
    call = await switch.call("4711")
    await daemon.until(lambda: bool(daemon.seen(LegLeftAlone)))
    client = await EslClient.connect(switch.direct)
    try:
        assert await client.api(f"uuid_getvar {call.leg} fsrec_call") == "_undef_"
        assert await client.api(f"uuid_getvar {call.leg} app_disable_expand_variables") == "_undef_"
    finally:
        await client.close()
    assert call.alive
    await call.hangup()


async def test_a_leg_that_parked_while_no_daemon_ran_is_taken(
    daemon: Daemon, switch: Switch, callbacks: Callbacks
) -> None:
    """No CHANNEL_PARK is seen on connecting: the leg is found by its listing, once, and recorded."""
    daemon.say(record_call(daemon.receiver), {"sleep": 300}, {"hangup": {}})
    call = await switch.call()
    await daemon.start(ready=False)
    await callbacks.wait("finished")
    assert await call.ended() == "NORMAL_CLEARING"
    assert callbacks.states() == ["recording", "finished"]


async def test_channel_variables_win_over_routes(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path
) -> None:
    """fsrec_account and fsrec_document on the leg name its document, whatever was dialled."""
    daemon.say({"hangup": {"reason": "decline"}})
    other = tmp_path / "other.swml.yaml"
    daemon.say(record_call(daemon.receiver), {"sleep": 200}, {"hangup": {}})
    daemon.document.rename(other)
    daemon.say({"hangup": {"reason": "decline"}})
    await daemon.start()
    call = await switch.call("4711", variables={"fsrec_account": "acme", "fsrec_document": str(other)})
    await callbacks.wait("finished")
    assert await call.ended() == "NORMAL_CLEARING"


HOSTILE = (
    "${system(touch {file})}",
    "x;reload mod_event_socket",
    "ARRAY::a|:b",
    "\u2028Event-Name: RECORD_STOP",
    "a" * 500,
)


@pytest.mark.parametrize("switch", ["soft"], indirect=True)  # live: by SIP, where a caller can say such things
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_callers_text_is_only_text(
    daemon: Daemon, switch: Switch, callbacks: Callbacks, tmp_path: Path, name: str
) -> None:
    """A hostile caller name changes nothing about the recording, and runs nothing."""
    touched = tmp_path / "touched"
    daemon.say(record_call(daemon.receiver), {"sleep": 200}, {"hangup": {}})
    await daemon.start()
    call = await switch.call(caller_name=name.replace("{file}", str(touched)))
    await callbacks.wait("finished")
    assert await call.ended() == "NORMAL_CLEARING"
    assert not touched.exists()
