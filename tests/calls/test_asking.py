"""Requests and documents that a document asks for amid a call."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from controller.calls.events import DocumentFetched, DocumentRefused
from controller.calls.runner import LARGE
from controller.documents.call import CallState
from controller.documents.fetch import FetchFailed
from controller.documents.steps import Failed, Fetched, Response
from tests.calls.test_playing import ended, playing
from tests.calls.test_runner import played
from tests.calls.world import FETCH, SWITCH, World
from tests.recordings.virtual import run_virtually, virtual

URL = "http://user:secret@app/x?key=secret"


@virtual
async def test_a_request() -> None:
    """Its answer is the outcome, whatever its status; the leg is ours, and not answered for it."""
    world = await played([["request", URL], ["wait", 1]])
    assert world.outcomes[0] == Response(404, (), "none")
    assert world.log == ["take_over", f"request {URL}", "hang_up NORMAL_CLEARING"]
    assert not world.legs["leg"].answered


@virtual
async def test_a_request_without_an_answer() -> None:
    """The step fails, saying why and of whom, without its credentials and its query, which may hold some."""
    world = await played([["request", URL]], refusals={"request": [FetchFailed("no answer")]})
    assert world.told == {0: "Failed: http://app/x: no answer"}


@virtual
async def test_a_request_amid_which_the_caller_hangs_up() -> None:
    """It is given up."""
    world = await playing([["request", URL], ["wait", None]], FETCH / 2)
    world.hang_up()
    await world.settle(10)
    assert world.call.state is CallState.ENDED
    assert world.log == ["take_over"]


@virtual
async def test_a_document_to_go_on_with() -> None:
    """Asked for in the dialect's way, as the account, telling what the document gives and what the call is now."""
    world = await played([["answer"], ["fetch", URL]], texts={URL: "more"})
    assert world.outcomes[1] == Fetched("more", URL)
    [asked] = world.asked
    assert (asked.method, asked.url) == ("POST", URL)
    assert asked.headers == (("account", "acme"), ("given", json.dumps({"vars": {}})))
    assert asked.body.decode().endswith(" True")
    assert [(told.document, told.size) for told in world.of(DocumentFetched)] == [("http://app/x", 4)]
    assert [told.dialect for told in world.of(DocumentFetched)] == ["swml"]


@virtual
async def test_a_document_that_does_not_come() -> None:
    """The step fails, and it is told in a word why."""
    world = await played([["fetch", URL]])
    assert isinstance(world.outcomes[0], Failed)
    [refused] = world.of(DocumentRefused)
    assert (refused.document, refused.dialect, refused.trouble) == ("http://app/x", "swml", "connect")


@virtual
async def test_an_answer_while_a_step_is_stored() -> None:
    """It is not forgotten by the row: who is asked next is told that the call is answered."""
    world = World([["wait", 1], ["fetch", URL]], texts={URL: "more"})
    world.boot()
    world.park()
    await world.settle(0.9)
    world.held["save"] = asyncio.Event()
    await world.settle(0.3)
    world.tell(lambda daemon: daemon.desk.answered("fs1", "leg"))
    world.held.pop("save").set()
    await world.settle(1)
    [asked] = world.asked
    assert asked.body.decode().endswith(" True")


@virtual
async def test_a_document_that_cannot_be_had() -> None:
    """The step fails with the reason, without a URL's credentials, and the document goes on."""
    world = await played([["fetch", URL], ["hangup", "BUSY"]])
    assert world.told == {0: "Failed: http://app/x: no answer"}
    assert world.legs["leg"].cause == "BUSY"
    world = await played([["fetch", URL]], accounts={})
    assert world.told == {0: "Failed: account 'acme' is no longer in the settings"}
    assert world.asked == []


@virtual
async def test_asked_again_after_a_restart() -> None:
    """At least once: what was under way when the daemon ended is asked anew."""
    world = await playing([["fetch", URL], ["request", URL]], FETCH / 2, texts={URL: "more"})
    await world.kill()
    await world.boot().connected()
    await ended(world)
    assert len(world.asked) == 2
    assert world.told == {0: "Fetched more", 1: "Response 404"}


def test_a_large_document_is_read_beside_other_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program reads it in a thread, so that it holds nobody up; a small one is read where it is."""
    taken: list[int] = []

    async def counted(work: Any, outcome: Fetched) -> Any:
        taken.append(len(outcome.text))
        return work(outcome)  # threads have no place in virtual time

    async def run() -> None:
        for size in (LARGE - 1, LARGE):
            world = await played([["fetch", URL]], texts={URL: "x" * size})
            assert world.told == {0: f"Fetched {'x' * size}"}

    monkeypatch.setattr("controller.calls.runner.asyncio.to_thread", counted)
    run_virtually(run())
    assert taken == [LARGE]


@virtual
async def test_what_is_still_asked_when_the_leg_ended_within_a_step() -> None:
    """Once, about a call that is over, with what became of the step: of a recording, when it has ended."""
    for step, came in ((["take", "a", {}], "RecordingEnded"), (["wait", None], "NoneType")):
        world = await playing([step, ["farewell", URL]], 2.0, texts={URL: "nobody minds"})
        assert world.asked == []
        world.hang_up()
        await world.settle(30)
        [asked] = world.asked
        assert (asked.method, asked.url) == ("POST", URL)
        assert asked.headers == (("account", "acme"), ("given", json.dumps({"outcome": came})))
        assert world.call.state is CallState.ENDED


@virtual
async def test_nothing_is_asked_after_a_document_that_ended_itself() -> None:
    """Nor of a server that is away, whose failure is nobody's; nor where others took the leg."""
    world = await played([["wait", 1], ["farewell", URL]], texts={URL: "more"})
    assert world.asked == []
    away = await playing([["wait", None], ["farewell", "http://away/"]], 2.0)
    away.hang_up()
    await away.settle(30)
    assert len(away.asked) == 1
    taken = await playing([["wait", None], ["farewell", URL]], 2.0, texts={URL: "more"})
    taken.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))
    await taken.settle(30)
    assert taken.asked == []


@virtual
async def test_a_fallback_that_is_a_file() -> None:
    """The settings' own is read; what a document names goes to who fetches URLs, and refuses what is none."""
    texts = {"file": "sorry", "/etc/passwd": "root"}
    world = await played([["fetch", "file"], ["fetch", "/etc/passwd"]], fallback="file", texts=texts)
    assert world.outcomes[0] == Fetched("sorry", "file")
    assert [request.url for request in world.asked] == ["/etc/passwd"]
