"""The same random conversations with a real FreeSWITCH and with the softswitch, compared event by event.

Each conversation is made from a seed: what is done to a parked leg, in which order, with which pauses. Both
switches hold all of them at once. Ids and times are normalised; everything else must be the same.
"""

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.softswitch import Silence, Speech
from tests.harness.live import LiveSwitch
from tests.harness.soft import SoftSwitch
from tests.harness.switch import Switch
from tests.softswitch.client import Client, connect
from tests.softswitch.test_replay import COMPARED

SEEDS = range(24)
STEPS = 9
UNCOMPARED = {"Event-Calling-File", "Event-Calling-Function", "variable_endpoint_disposition"}
NOT_TOLD = {"CODEC", "CALL_UPDATE", "API", "BACKGROUND_JOB"}
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BLOCK = "{RECORD_PRE_BUFFER_FRAMES=0,enable_file_write_buffering=1024,note=n}"


@dataclass
class Talk:
    """One conversation with one switch."""

    client: Client
    leg: str
    directory: Path
    replies: list[str] = field(default_factory=list)

    async def api(self, text: str) -> None:
        self.replies.append(await self.client.api(text))

    async def run(self, app: str, argument: str = "", **more: str) -> None:
        self.replies.append(await self.client.execute(self.leg, app, argument, **more))


Action = Callable[[Talk, str], Any]

ACTIONS: list[Action] = [
    lambda t, p: t.run("answer"),
    lambda t, p: t.run("record_session", f"{p} +60 {BLOCK}"),
    lambda t, p: t.run("record_session", f"{p} +60 {BLOCK}"),
    lambda t, p: t.api(f"uuid_record {t.leg} start {p} 0 {BLOCK}"),
    lambda t, p: t.api(f"uuid_record {t.leg} start {t.directory}/x.nosuch"),
    lambda t, p: t.run("record_session", "/proc/nope/x.wav +5"),
    lambda t, p: t.run("stop_record_session", p),
    lambda t, p: t.api(f"uuid_record {t.leg} stop {p}"),
    lambda t, p: t.api(f"uuid_record {t.leg} stop all"),
    lambda t, p: t.api(f"uuid_record {t.leg} mask {p}"),
    lambda t, p: t.api(f"uuid_record {t.leg} unmask {p}"),
    lambda t, p: t.api(f"uuid_record {t.leg} pause {p}"),
    lambda t, p: t.api(f"uuid_record {t.leg} resume {p}"),
    lambda t, p: t.run("record_session_mask", p),
    lambda t, p: t.run("playback", "silence_stream://40"),
    lambda t, p: t.run("playback", "tone_stream://%(60000,0,300)"),
    lambda t, p: t.run("playback", "tone_stream://%(60000,0,300)", event_lock="true"),
    lambda t, p: t.run("playback", "/nowhere.wav"),
    lambda t, p: t.run("set", "a=${b}c"),
    lambda t, p: t.run("sleep", "30"),
    lambda t, p: t.run("park"),
    lambda t, p: t.api(f"uuid_recv_dtmf {t.leg} 12"),
    lambda t, p: t.api(f"uuid_recv_dtmf {t.leg} *"),
    lambda t, p: t.api(f"uuid_break {t.leg}"),
    lambda t, p: t.api(f"uuid_break {t.leg} all"),
    lambda t, p: t.api(f"uuid_setvar {t.leg} playback_terminators none"),
    lambda t, p: t.api(f"uuid_getvar {t.leg} record_completion_cause"),
    lambda t, p: t.api(f"uuid_buglist {t.leg}"),
    lambda t, p: t.api(f"sched_del {t.leg}"),
    lambda t, p: t.api(f"uuid_exists {t.leg}"),
]
ENDS: list[Action] = [
    lambda t, p: t.api(f"uuid_kill {t.leg}"),
    lambda t, p: t.api(f"uuid_kill {t.leg} USER_BUSY"),
    lambda t, p: t.run("hangup", "CALL_REJECTED"),
    lambda t, p: t.run("nosuchapplication"),
]


async def hold(switch: Switch, seed: int) -> tuple[list[str], list[dict[str, Any]]]:
    """Replies and events of one conversation."""
    chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    call = await switch.call("1001", [Speech(30), Silence(30)])
    directory = switch.recordings / f"s{seed}"
    async with connect(switch.direct) as client:
        talk = Talk(client, call.leg, directory)
        steps = [*chance.choices(ACTIONS, k=STEPS), chance.choice(ENDS), ENDS[0]]
        for step in steps:
            await step(talk, f"{directory}/{chance.choice('ab')}.wav")
            await asyncio.sleep(chance.choice([0.12, 0.16, 0.25]))
        await client.event("CHANNEL_HANGUP_COMPLETE", Unique_ID=call.leg)
        await client.event("CHANNEL_DESTROY", Unique_ID=call.leg)
        told = [e for e in client.events if e.get("Unique-ID") == call.leg and e["Event-Name"] not in NOT_TOLD]
    return [normal(reply, directory) for reply in talk.replies], [shown(event, directory) for event in told]


def normal(text: str, directory: Path) -> str:
    return UUID.sub("<uuid>", text.replace(str(directory), "<dir>"))


def shown(event: dict[str, Any], directory: Path) -> dict[str, Any]:
    kept = {key: event[key] for key in COMPARED if key in event and key not in UNCOMPARED}
    if event.get("Answer-State") == "hangup":
        # PLAYBACK ERROR or FILE PLAYED: a race of the real switch between a hangup and its reading of a frame
        kept.pop("Application-Response", None)
    kept |= {key: value for key, value in event.items() if key.startswith("Recording-Variable")}
    return {"Event-Name": event["Event-Name"], **{k: normal(str(v), directory) for k, v in kept.items()}}


@pytest.mark.live
async def test_random_conversations(live: LiveSwitch, soft: SoftSwitch) -> None:
    """Whatever is done to a leg, in whatever order: the same replies, the same events in the same order."""
    for first in range(0, len(SEEDS), 12):
        seeds = SEEDS[first : first + 12]
        real, ours = await asyncio.gather(
            *(asyncio.gather(*(hold(switch, seed) for seed in seeds)) for switch in (live, soft))
        )
        for seed, (there, here) in zip(seeds, zip(real, ours, strict=True), strict=True):
            assert here[0] == there[0], f"replies of seed {seed}"
            assert here[1] == there[1], f"events of seed {seed}"
