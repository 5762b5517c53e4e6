"""The recorded conversations' commands, varied in time and order, told to the softswitch and to a real switch."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness.absent import absent
from tests.harness.freeswitch import FreeSwitch, find_binary
from tests.softswitch.client import Listening, running
from tests.softswitch.twin import Outcome, hold
from tests.softswitch.twin_sequences import DATA, Sequence, recorded, vary, written

SEEDS = range(4)
ROUNDS = 3
BATCH = 12
BASES = [*recorded(), *written()]
SEQUENCES = {sequence.name: sequence for base in BASES for sequence in (vary(base, seed) for seed in SEEDS)}

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Twins:
    """What each switch made of one sequence, each time that it was told to it."""

    soft: list[Outcome] = field(default_factory=list)
    real: list[Outcome] = field(default_factory=list)

    def differences(self) -> list[str]:
        """None as soon as the softswitch did once what the real switch did once."""
        found = [soft.differences(real) for soft in self.soft for real in self.real]
        return min(found, key=len)


async def hold_softly(directory: Path, sequence: Sequence) -> Outcome:
    async with running(directory / "switch") as switch:
        return await hold(switch, directory / "recordings", sequence)


@pytest.fixture(scope="module")
def real_switch() -> Iterator[Listening]:
    binary = find_binary()
    if binary is None:
        absent("no FreeSWITCH that could be started with these tests' dialplan: set FSREC_FREESWITCH to its binary")
    server = FreeSwitch(binary, settings={"FSREC_DIALPLAN_MORE": str(DATA / "twin-dialplan.xml")})
    try:
        server.start()
        yield server.address
    finally:
        server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def twins(real_switch: Listening) -> AsyncIterator[dict[str, Twins]]:
    """Every sequence told to both; those that came out differently again.

    A real switch is not the same twice where a command meets the leg's 20 ms tick, or a hangup meets a frame: for
    these, one time the same is the same. A true difference is one every time.
    """
    held = {name: Twins() for name in SEQUENCES}
    place = Path(tempfile.mkdtemp(prefix="fsrec-twin-"))
    names = list(held)
    try:
        for attempt in range(ROUNDS):
            for at in range(0, len(names), BATCH):
                batch = names[at : at + BATCH]
                soft, real = await asyncio.gather(
                    asyncio.gather(*(hold_softly(place / f"soft-{attempt}-{n}", SEQUENCES[n]) for n in batch)),
                    asyncio.gather(*(hold(real_switch, place / f"real-{attempt}-{n}", SEQUENCES[n]) for n in batch)),
                )
                for name, ours, theirs in zip(batch, soft, real, strict=True):
                    held[name].soft.append(ours)
                    held[name].real.append(theirs)
            names = [name for name in names if held[name].differences()]
        yield held
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("name", SEQUENCES)
async def test_same(name: str, twins: dict[str, Twins]) -> None:
    """The same replies, events, key headers and files; lengths and masks within three frames."""
    assert twins[name].real[0].events, "a sequence that nothing came of proves nothing"
    differences = twins[name].differences()
    told = "\n".join(f"{command.delay:.3f} {command.text!r}" for command in SEQUENCES[name].commands)
    assert not differences, told + "\n" + "\n".join(differences)


async def test_a_difference_is_seen(twins: dict[str, Twins]) -> None:
    """Every part of an outcome counts: one that is otherwise in it differs."""
    real = twins["uuid_record_pause_mask_stop"].real[0]
    others = (
        replace(real, replies=real.replies[:-1]),
        replace(real, events=[*real.events[1:], real.events[0]]),
        replace(real, events=[{**event, "Answer-State": "early"} for event in real.events]),
        replace(real, jobs={"job-x": "+OK Success\n"}),
        replace(real, files=dict.fromkeys(real.files, (2, 16000, 0))),
        replace(real, missing={name: seconds + 0.1 for name, seconds in real.missing.items()}),
    )
    assert not real.differences(real)
    for other in others:
        assert len(other.differences(real)) == 1
    mask = twins["masked_to_its_end"].real[0]
    assert mask.masked
    assert mask.differences(replace(mask, masked={name: seconds + 0.1 for name, seconds in mask.masked.items()}))
