"""Documents at URLs: the call is ours before they are asked for, waits as it was, outlives hangups and kills."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from controller.calls import opening
from controller.calls.desk import REFUSED
from controller.calls.events import CallEnded, CallFailed, CallReleased, CallTaken, DocumentFetched, DocumentRefused
from controller.calls.living import LOST
from controller.calls.ports import Languages
from controller.calls.runner import LARGE
from controller.calls.source import SourceFailed, Sources
from controller.documents.call import Call, CallState
from controller.documents.dialect import Account
from controller.documents.fetch import FetchFailed, Patience, Render, is_url, shown
from controller.recordings.ports import CommandFailed
from tests.calls.test_runner import same, survived
from tests.calls.world import ACCOUNT, FAILED_LEDGER, FETCH, SWITCH, ScriptDialect, World, running
from tests.recordings.virtual import run_virtually, virtual

URL = "http://user:secret@app/doc"
OTHER = "https://app/other"
FOREVER = [["wait", None]]


async def asking(document: object = FOREVER, *, source: str = URL, **fields: Any) -> World:
    """A world whose call's document is being fetched, until ``world.held["fetch"]`` is set."""
    world = World(document, source=source, **fields)
    world.held["fetch"] = asyncio.Event()
    world.boot()
    world.park()
    await world.settle()
    return world


async def given(world: World) -> World:
    """The server answers."""
    world.held["fetch"].set()
    await world.settle()
    return world


# --- while it is fetched --------------------------------------------------------------------------------------------


@virtual
async def test_the_call_is_ours_before_it_is_asked() -> None:
    """Its row exists without a text, the dialplan's hangup is disarmed, the leg is not answered; then it runs."""
    world = await asking([["answer"], ["wait", None]])
    leg, row = world.legs["leg"], world.call
    assert (row.text, row.dialect, row.document, row.method, row.step) == ("", "", URL, "POST", 0)
    assert world.log == ["take_over"]
    assert (leg.armed, leg.marker, leg.answered) == (False, row.id, False)
    assert [(one.method, one.url, one.body) for one in world.asked] == [("POST", URL, f"{row.id} False".encode())]
    assert world.asked[0].headers == (("account", "acme"),)
    await given(world)
    assert leg.answered
    assert world.log == ["take_over", "answer"]
    assert (world.call.id, world.call.text, world.call.step) == (row.id, '[["answer"], ["wait", null]]', 2)
    assert world.call.marked
    assert len(world.asked) == 1


@virtual
async def test_what_is_told_of_it() -> None:
    """How long it took, and by which URL, whose credentials nobody is told."""
    world = World(FOREVER, source=URL)
    world.boot()
    world.park()
    await world.settle()
    [told] = world.of(DocumentFetched)
    assert (told.call, told.document, told.size) == (world.call.id, "http://app/doc", len('[["wait", null]]'))
    assert told.duration == pytest.approx(FETCH)
    assert [event.document for event in world.of(CallTaken)] == ["http://app/doc"]


@virtual
async def test_a_hangup_gives_it_up() -> None:
    """The request is cancelled, the call ends with the switch's cause, nothing of the document runs."""
    world = await asking()
    world.hang_up(cause="ORIGINATOR_CANCEL")
    await given(world)
    assert world.given_up == [URL]
    assert (world.call.state, world.call.cause) == (CallState.ENDED, "ORIGINATOR_CANCEL")
    assert world.log == ["take_over"]
    assert world.of(CallFailed) == []
    assert len(world.of(CallEnded)) == 1
    assert world.daemon is not None
    assert world.daemon.desk.count == 0


@virtual
async def test_others_may_take_the_leg_meanwhile() -> None:
    """It is given up, and the leg is theirs without our marker."""
    world = await asking()
    leg = world.legs["leg"]
    leg.parked, leg.routed = False, 2.0
    world.tell(lambda daemon: daemon.desk.unparked(SWITCH, "leg"))
    await world.settle()
    await given(world)
    assert world.given_up == [URL]
    assert (leg.alive, leg.marker) == (True, None)
    assert world.call.state is CallState.RELEASED
    assert len(world.of(CallReleased)) == 1


@virtual
async def test_a_leg_answered_by_others_meanwhile_is_told_so() -> None:
    """An answer that came while it was fetched is not commanded again."""
    world = await asking([["answer"], ["wait", None]])
    world.legs["leg"].answered = True
    world.tell(lambda daemon: daemon.desk.answered(SWITCH, "leg"))
    await given(world)
    assert world.log == ["take_over"]
    assert world.told == {0: "good"}


# --- links ----------------------------------------------------------------------------------------------------------


@virtual
async def test_a_take_over_that_the_link_lost_is_told_again() -> None:
    """When the link is back, while it is still being fetched: else the dialplan would hang the caller up."""
    world = World([["answer"], ["wait", None]], source=URL)
    world.held |= {"fetch": asyncio.Event(), "take_over": asyncio.Event()}
    world.boot()
    world.park()
    await world.settle()
    world.cut()
    world.held.pop("take_over").set()
    await world.settle()
    leg = world.legs["leg"]
    assert leg.armed
    leg.answered = True  # and nobody heard of it
    await world.relink()
    await world.settle()
    assert (leg.armed, leg.marker) == (False, world.call.id)
    await given(world)
    assert world.told == {0: "good"}
    assert world.log == ["take_over"]
    assert (leg.alive, world.call.marked) == (True, True)


@virtual
async def test_a_document_that_comes_before_the_leg_is_taken_over() -> None:
    """The take-over is not told twice; the row after it says that the leg carries our marker."""
    world = World([["wait", 1], ["wait", None]], source=URL)
    world.held["take_over"] = asyncio.Event()
    world.boot()
    world.park()
    await world.settle(0.5)
    assert (world.call.step, world.call.marked) == (1, False)
    world.held.pop("take_over").set()
    await world.settle(2)
    assert world.log == ["take_over"]
    assert (world.call.step, world.call.marked) == (2, True)


@virtual
async def test_a_document_that_comes_while_the_link_returns_waits_for_the_look() -> None:
    """No step begins on a leg that others may have taken meanwhile."""
    world = await asking([["answer"], ["wait", None]])
    world.cut()
    world.held["look"] = asyncio.Event()
    leg = world.legs["leg"]
    leg.parked, leg.routed = False, 2.0
    back = asyncio.get_running_loop().create_task(world.relink())
    await world.settle()
    await given(world)
    assert world.log == ["take_over"]
    world.held.pop("look").set()
    await back
    await world.settle()
    assert not leg.answered
    assert world.call.state is CallState.RELEASED


@virtual
async def test_an_end_while_the_link_was_away_gives_it_up() -> None:
    """Nobody told of it; the look finds no leg."""
    world = await asking()
    world.cut()
    world.hang_up()
    await world.relink()
    await given(world)
    assert world.given_up == [URL]
    assert (world.call.state, world.call.cause) == (CallState.ENDED, LOST)


# --- refused or not to be had ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "fallback", "reasons", "troubles"),
    [
        ({}, None, ["http://app/doc: no answer"], ["connect"]),
        ({URL: "{}"}, None, ["http://app/doc: line 1: top: no list"], ["invalid"]),
        (
            {URL: "<x/>"},
            None,
            ["http://app/doc: XML documents of signalwire accounts are not supported in this version"],
            ["settings"],
        ),
        ({}, OTHER, ["http://app/doc: no answer", "https://app/other: no answer"], ["connect", "connect"]),
        ({}, "file", ["http://app/doc: no answer", "file: no such file"], ["connect", "file"]),
    ],
)
@virtual
async def test_one_that_cannot_be_had(
    texts: dict[str, str], fallback: str | None, reasons: list[str], troubles: list[str]
) -> None:
    """The fallback, then a temporary failure, each with its reason told."""
    world = World(None, source=URL, texts=texts, fallback=fallback)
    world.boot()
    world.park()
    await world.settle()
    assert world.legs["leg"].cause == world.call.cause == REFUSED
    assert [event.why for event in world.of(DocumentRefused)] == reasons
    assert [event.trouble for event in world.of(DocumentRefused)] == troubles
    assert {event.dialect for event in world.of(DocumentRefused)} == {"swml"}
    assert [event.document for event in world.of(DocumentRefused)] == [why.split(": ")[0] for why in reasons]
    assert [event.why for event in world.of(CallFailed)] == ["; ".join(reasons)]
    assert "take_over" in world.log
    assert not any("secret" in repr(event) for event in world.seen)


@pytest.mark.parametrize("fallback", ["file", OTHER])
@pytest.mark.parametrize("document", [None, "{}"])
@virtual
async def test_the_fallback_runs_instead(fallback: str, document: str | None) -> None:
    """A file or another URL, whether the first was away or refused; taken over once."""
    texts = {fallback: '[["hangup", "BUSY"]]', **({} if document is None else {URL: document})}
    world = World(None, source=URL, texts=texts, fallback=fallback)
    world.boot()
    world.park()
    await world.settle()
    assert (world.call.document, world.call.cause) == (fallback, "BUSY")
    assert world.log == ["take_over", "hang_up BUSY"]
    assert world.of(CallFailed) == []


@virtual
async def test_a_fallback_may_be_the_first_url() -> None:
    """A file that is refused, then a URL: the call is ours before that is asked, beginning with the file."""
    world = await asking(None, source="file", texts={"file": "{}", OTHER: '[["hangup", "BUSY"]]'}, fallback=OTHER)
    assert (world.call.document, world.call.fallback, world.call.text) == ("file", OTHER, "")
    await given(world)
    assert (world.call.document, world.call.cause) == (OTHER, "BUSY")


@virtual
async def test_a_row_that_cannot_be_stored_asks_nobody() -> None:
    """No request without a row: the caller is hung up, and why is told."""
    world = World(FOREVER, source=URL, refusals={"save": [FAILED_LEDGER]})
    world.boot()
    world.park()
    await world.settle()
    assert world.asked == []
    assert world.legs["leg"].cause == REFUSED
    assert [event.why for event in world.of(CallFailed)] == ["the call could not be stored: disk full"]


@virtual
async def test_a_refused_take_over_holds_nothing_up() -> None:
    """It is the first step's to tell again; the document is asked for all the same."""
    world = await asking(refusals={"take_over": [CommandFailed("-ERR")]})
    await given(world)
    assert len(world.asked) == 1
    assert world.call.step == 1
    assert not world.call.marked


# --- killed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fallback", [None, OTHER])
@virtual
async def test_killed_while_it_is_fetched(fallback: str | None) -> None:
    """The next daemon asks anew for the same call, by the same method, with the same fallback."""
    texts = {fallback: '[["wait", null]]'} if fallback else {URL: '[["wait", null]]'}
    world = await asking(None, texts=texts, fallback=fallback, method="GET")
    first = world.call
    await world.kill()
    world.held["fetch"].set()
    await world.boot().connected()
    await world.settle()
    assert world.call.id == first.id
    assert [one.method for one in world.asked] == ["GET"] * len(world.asked)
    assert [one.url for one in world.asked] == [URL, URL, *([OTHER] if fallback else [])]
    assert (world.call.document, world.call.step) == (fallback or URL, 1)
    assert world.log == ["take_over"]
    assert world.legs["leg"].alive


@virtual
async def test_killed_after_it_was_fetched() -> None:
    """It is stored with the first step, and nobody is asked again."""
    world = await given(await asking())
    await world.kill()
    await world.boot().connected()
    await world.settle()
    assert len(world.asked) == 1
    assert (world.call.text, world.call.step) == ('[["wait", null]]', 1)
    assert world.legs["leg"].alive


@virtual
async def test_an_account_that_went_meanwhile() -> None:
    """A restart with other settings: nobody can ask for the document any more, and the caller is hung up."""
    world = await asking()
    await world.kill()
    world.accounts.clear()
    await world.boot().connected()
    await world.settle()
    assert world.legs["leg"].cause == REFUSED
    assert [event.why for event in world.of(CallFailed)] == ["account 'acme' is no longer in the settings"]


@pytest.mark.parametrize("fallback", [None, OTHER])
def test_killed_at_every_point(fallback: str | None) -> None:
    """Whatever was done by then: asked at most once more, and it comes to what an uninterrupted call comes to."""
    document = [["record", "a"], ["wait", 1], ["stop", "a"], ["hangup", "BUSY"]]

    async def run() -> None:
        whole = await lived_through(None)
        for point in range(1, whole.points + 1):
            world = await lived_through(point)
            assert world.killed.is_set()
            same(world, whole)
            assert len(world.asked) <= 2 * len(whole.asked)

    async def lived_through(kill_at: int | None) -> World:
        if fallback is None:
            return await survived(document, kill_at, source=URL)
        made = World(document, source=OTHER)
        texts = {"file": "{}", **made.texts}
        return await survived(None, kill_at, source="file", fallback=OTHER, texts=texts)

    run_virtually(run())


# --- what is made of an answer --------------------------------------------------------------------------------------


class Answers:
    """`documents.fetch.Fetcher` that gives bytes, or fails."""

    def __init__(self, answer: bytes | FetchFailed) -> None:
        self.answer = answer

    async def fetch(self, method: str, url: str, render: Render, patience: Patience, limit: int) -> bytes:
        assert render("GET", OTHER).url == OTHER
        if isinstance(self.answer, bytes):
            return self.answer
        raise self.answer


async def asked(answers: Answers) -> str:
    sources = Sources(Languages({}), {}, answers)
    return (await sources.fetched(URL, "POST", running(), ACCOUNT, ScriptDialect({}))).text


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"ab\xe4", "http://app/doc: byte 2 is not UTF-8; answer in UTF-8"),
        (b"\x1f\x8b\x08\x00", "http://app/doc: compressed by gzip; answer without Content-Encoding"),
        (FetchFailed("away"), "http://app/doc: away"),
    ],
)
async def test_answers_that_are_no_text(answer: bytes | FetchFailed, why: str) -> None:
    """Each says where, why, and what would be right."""
    with pytest.raises(SourceFailed) as failed:
        await asked(Answers(answer))
    assert str(failed.value).startswith(why)


async def test_answers_that_are_text() -> None:
    """UTF-8, with or without a byte order mark, of any content type."""
    for raw in ("ä".encode(), "ä".encode("utf-8-sig")):
        assert await asked(Answers(raw)) == "ä"


@virtual
async def test_a_vendor_whose_documents_nobody_can_ask_for() -> None:
    """It is said, and the fallback is tried."""
    world = World(None, source=URL, texts={"file": "[]"}, fallback="file")
    booted = world.boot()
    claim = booted.desk.claims(world.parked(world.park("other")))
    assert claim is not None
    booted.desk.claims = lambda _leg: replace(claim, account=Account("acme", "plivo", "identity"))
    world.park()
    await world.settle()
    assert "http://app/doc: plivo accounts have documents in files only" in [
        event.why for event in world.of(DocumentRefused)
    ]


def test_who_asks() -> None:
    """An account's vendor tells which dialect asks for its documents: they are not there yet to tell themselves."""
    swml, twiml = ScriptDialect({}), ScriptDialect({}, "twiml")
    languages = Languages({"swml": swml, "twiml": twiml})
    assert languages.asking("signalwire") is swml
    assert languages.asking("signalwire", "twiml") is twiml
    assert languages.asking("twilio") is twiml
    assert languages.asking("plivo") is None


@pytest.mark.parametrize(
    ("source", "url", "named"),
    [
        ("https://u:p@h/a?b=@c", True, "https://h/a?b=@c"),
        ("HTTP://h/a@b", True, "HTTP://h/a@b"),
        ("http://u@h", True, "http://h"),
        ("/a/http://u:p@h", False, "/a/http://u:p@h"),
        ("ftp://u:p@h", False, "ftp://u:p@h"),
    ],
)
def test_sources(source: str, url: bool, named: str) -> None:
    """What is a URL, and how a source is called before people."""
    assert (is_url(source), shown(source)) == (url, named)


async def test_a_large_document_is_read_beside_other_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a thread, so that reading it holds nobody up; a small one does not."""
    taken: list[int] = []
    real = asyncio.to_thread

    async def counted(work: Any, *arguments: Any) -> Any:
        taken.append(len(arguments[0]))
        return await real(work, *arguments)

    monkeypatch.setattr("controller.calls.opening.asyncio.to_thread", counted)
    call: Call = running(text="[]")
    await opening.begun(ScriptDialect({}), call, ACCOUNT)
    assert taken == []
    await opening.begun(ScriptDialect({}), replace(call, text="[]" + " " * LARGE), ACCOUNT)
    assert taken == [LARGE + 2]
