"""The ingest benchmark: its events are a switch's, and each client hears all that it was promised."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import ingest
from benchmarks.ingest_events import SIZES, block, events, in_block
from benchmarks.row import OURS
from controller.switch import facts
from controller.switch.wire_codec import FrameReader


@pytest.mark.parametrize("size", SIZES)
def test_events_are_facts_of_that_size(size: int) -> None:
    """Every event is one that fsrec makes a fact of, and as long as it says, within one header."""
    made = list(events(size))
    assert len(made) == in_block()
    assert all(0 <= size - len(event.json().encode()) < 30 for event in made)
    told = [facts.parse(json.loads(event.json())) for event in made]
    assert not [fact for fact in told if fact is None or isinstance(fact, (facts.Forged, facts.Unusable))]


@pytest.mark.parametrize("size", SIZES)
def test_both_forms_are_of_the_same_events(size: int) -> None:
    """JSON and plain hold the same headers, so nobody reads less."""
    exact = FrameReader().feed(block(size, "json"))
    plain = FrameReader().feed(block(size, "plain"))
    assert len(exact) == len(plain) == in_block()
    for one, other in zip(exact, plain, strict=True):
        assert isinstance(one, dict)
        lines = getattr(other, "body", "").strip().split("\n")
        assert [line.partition(": ")[0] for line in lines] == list(one)


@pytest.mark.parametrize("client", [*ingest.CLIENTS, ingest._DRAIN], ids=lambda one: one.module)
async def test_a_client_hears_all(client: ingest._Client) -> None:
    """It ends by itself, having counted every event; and says what that took."""
    if client.python != sys.executable and not ingest.GENESIS.exists():
        pytest.skip("make bench sets up Genesis")
    async with ingest.feeder(SIZES[0]) as port:
        found = await ingest.flood(client, port, in_block(), SIZES[0])
    assert min(found.rate, found.cpu, found.memory) > 0


def test_fsrec_is_one_side() -> None:
    """And the only one without a target to itself."""
    assert [one.label for one in ingest.CLIENTS if one.target is None] == [OURS]
