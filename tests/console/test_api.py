"""controller/console/api.py, asked.py, shapes.py: the operators' JSON, which is a contract."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from controller.console import api, asked, shapes
from controller.console.access import ACCESS, Access
from controller.console.ports import Health, NotAllowed, NotFound, Place, Running, Search, Told, Viewer
from controller.http import openapi
from controller.http.basic import DOOR, Door
from controller.http.openapi.operators import OPERATIONS
from controller.recordings.model import PauseBehavior, Recording, State
from controller.recordings.ports import LedgerFailed, MediaAway, NotHeld, NotPossible, SwitchAway
from controller.store.values import DeliveryState, OutboxRow
from tests.console.world import ACME, AT, ATTEMPT, CONSOLE, OTHER, SWITCH, Fake, delivery, recording, story

OPERATOR = {"Authorization": f"Bearer {CONSOLE}"}
ROOT = "/console/api"
HOSTILE = "<script>\ud800\x00\x1b[2J\u202e'\"{{7*7}}"


@dataclass
class Operators(Fake):
    """Operations that find pages and beginnings, too."""

    async def search(
        self, viewer: Viewer, search: Search, *, limit: int, before: Place | None = None
    ) -> Sequence[Recording]:
        found = await super().search(viewer, search, limit=10_000, before=before)
        rows = sorted(found, key=lambda one: (one.requested_at, one.id), reverse=True)
        return [one for one in rows if before is None or (one.requested_at, one.id) < before][:limit]

    async def deliveries(
        self, viewer: Viewer, state: DeliveryState | None, *, limit: int, before: Place | None = None
    ) -> Sequence[OutboxRow]:
        found = await super().deliveries(viewer, state, limit=10_000)
        rows = sorted(found, key=lambda row: (row.created_at, row.id), reverse=True)
        return [row for row in rows if before is None or (row.created_at, row.id) < before][:limit]

    async def recordings_beginning(self, viewer: Viewer, prefix: str, limit: int) -> Sequence[str]:
        self._raise()
        return [one.id for one in self._mine(viewer) if one.id.startswith(prefix)][:limit]

    async def deliveries_beginning(self, viewer: Viewer, prefix: str, limit: int) -> Sequence[str]:
        return [identity for identity in self.told_of if identity.startswith(prefix)][:limit]


@pytest.fixture
def operators() -> Operators:
    return Operators()


@pytest_asyncio.fixture
async def client(operators: Operators) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application()
    app[DOOR] = Door()
    app[ACCESS] = Access((ACME, OTHER), (CONSOLE,), "http://127.0.0.1")
    api.register(app.router, operators)
    async with TestClient(TestServer(app), headers=OPERATOR) as made:
        yield made


def basic(name: str, token: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{token}'.encode()).decode()}"}


async def got(client: TestClient[Any, Any], path: str, status: int = 200, **more: Any) -> Any:
    async with client.get(ROOT + path, **more) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def did(client: TestClient[Any, Any], path: str, status: int = 200, **more: Any) -> Any:
    async with client.post(ROOT + path, **more) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


def fits(name: str, value: object) -> None:
    """Hold a shape to its description."""
    described = openapi.description("x")
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(value)


# What is said


def test_shapes_are_as_described() -> None:
    """Of each kind of recording and delivery, whoever wrote the texts: every key is there, of its type."""
    ends = (State.REQUESTED, State.RECORDING, State.COMPLETED)
    for one in (*map(recording, ends), recording(caller=HOSTILE, called=HOSTILE, leg=HOSTILE, error=HOSTILE)):
        fits("OperatorRecording", shapes.recording(one))
        fits("OperatorRunning", shapes.running(Running(one, None)))
        told = Told(
            delivery(one, url=f"https://h/{HOSTILE}"), (ATTEMPT, replace(ATTEMPT, status=None, error="timeout"))
        )
        fits("OperatorTold", shapes.told(told))
        fits("OperatorStory", shapes.story(story(one, (told,))))
        fits("OperatorStory", shapes.story(story(one, call=None, transcription=None)))
    fits("OperatorSwitch", shapes.switch(SWITCH))
    fits("OperatorSwitch", shapes.switch(replace(SWITCH, state="away", why=HOSTILE, version="", free=None)))


def test_credentials_of_urls_are_not_shown() -> None:
    """An application's URL may hold them; its receiver alone is to have them."""
    assert shapes.webhook(delivery(recording()))["url"] == "https://app.example.com/status?key=secret"


async def test_health(client: TestClient[Any, Any], operators: Operators) -> None:
    """The words of /readyz, the switches, and how many deliveries wait or were given up."""
    assert (await got(client, "/health"))["status"] == "ready"
    operators.health_now = Health((SWITCH,), ("fs1 is away",), ("slow",), {DeliveryState.PENDING: 3}, AT, "1")
    said = await got(client, "/health")
    assert (said["status"], said["problems"], said["webhooks"]) == (
        "not ready",
        ["fs1 is away"],
        {"pending": 3, "dead": 0},
    )
    assert (await got(client, "/switches"))["switches"] == [shapes.switch(SWITCH)]


# Lists


async def test_pages_follow_each_other(client: TestClient[Any, Any], operators: Operators) -> None:
    """Every row once, newest first, equal times included; the last page says that it is the last."""
    made = [recording(requested_at=AT + index // 3 + 0.1234567) for index in range(10)]
    operators.add(*made)
    for index, one in enumerate(made):
        row = delivery(one, created_at=AT + index // 3)
        operators.told_of[row.id] = Told(row)
    for path, key in (("/recordings", "recordings"), ("/webhooks", "webhooks")):
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 3}
        while True:
            page = await got(client, path, params=query)
            seen += [one["id"] for one in page[key]]
            assert len(page[key]) <= 3
            if page["next"] is None:
                break
            query["before"] = page["next"]
        assert len(seen) == len(set(seen)) == 10
    since = await got(client, "/webhooks", params={"since": AT + 2, "limit": 5})
    assert (len(since["webhooks"]), since["next"]) == (4, None)


async def test_what_is_looked_for(client: TestClient[Any, Any], operators: Operators) -> None:
    """Each parameter is handed on as it is meant."""
    query = [
        ("account", "acme"), ("dialect", "swml"), ("state", "failed"), ("state", "absent"), ("text", "+49"),
        ("since", "1.5"), ("until", "2e9"), ("deleted", "false"), ("limit", "7"),
    ]  # fmt: skip
    await got(client, "/recordings", params=query)
    ((viewer, search, _, before),) = operators.searched
    assert (viewer, before) == (Viewer(), None)
    assert search == Search("acme", "swml", (State.FAILED, State.ABSENT), "+49", 1.5, 2e9, deleted=False)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/recordings?limit=0", "limit should be a whole number from 1 to 200"),
        ("/recordings?limit=201", "limit should be"),
        ("/recordings?limit=٣", "limit should be"),
        ("/recordings?stat=failed", "did you mean state?"),
        ("/recordings?state=done", "state should be one of requested, recording"),
        ("/recordings?since=yesterday", "since should be a time in Unix seconds"),
        ("/recordings?since=nan", "since should be"),
        ("/recordings?deleted=no", "deleted should be true or false"),
        ("/recordings?before=1", "before should be what next said"),
        ("/recordings?text=a&text=b", "text is given 2 times"),
        (f"/recordings?text={'x' * 300}", "text has 300 characters"),
        ("/webhooks?state=gone", "state should be one of pending, delivered, dead"),
        ("/live?before=1~a", "known are limit"),
        ("/health?verbose=1", "none is known here"),
    ],
)
async def test_wrong_queries(client: TestClient[Any, Any], path: str, words: str) -> None:
    """400, naming the parameter and what would be right."""
    assert words in (await got(client, path, 400))["message"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("limit", "before", "state", "since", "text", "deleted", "account")), st.text(max_size=20)
        )
    )
)
def test_queries_are_read_or_refused(query: list[tuple[str, str]]) -> None:
    """Whatever is asked: read within its bounds, or refused in words."""
    request: Any = type("Request", (), {"query": _multi(query)})()
    with contextlib.suppress(asked.BadRequest):
        _, page = asked.recordings(request)
        assert 1 <= page.limit <= 200


def _multi(query: list[tuple[str, str]]) -> Any:
    from multidict import MultiDict

    return MultiDict(query)


# Verbs


async def test_verbs(client: TestClient[Any, Any], operators: Operators) -> None:
    """Each is carried out on what is named, whole or by its beginning; what is not told has its default."""
    one = recording(State.RECORDING)
    operators.add(one)
    row = delivery(one)
    operators.told_of[row.id] = Told(row, (ATTEMPT,))
    assert (await did(client, f"/recordings/{one.id}/stop"))["id"] == one.id
    await did(client, f"/recordings/{one.id[:6]}/pause")
    await did(client, f"/recordings/{one.id}/pause", json={"behavior": "silence"})
    await did(client, f"/recordings/{one.id[:20].upper()}/resume", json={})
    made = await did(client, f"/recordings/{one.id}/derive", json={"format": "mp3"})
    assert made == {"id": one.id, "format": "mp3", "size": 100}
    assert (await did(client, f"/webhooks/{row.id[:8]}/replay"))["state"] == "pending"
    assert await did(client, "/switches/fs1/reconcile", 202) == {"name": "fs1"}
    assert operators.done == [
        ("stop", one.id), ("pause", PauseBehavior.SKIP, one.id), ("pause", PauseBehavior.SILENCE, one.id),
        ("resume", one.id), ("replay", row.id), ("reconcile", "fs1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("pause", b"[1]", 400, "the body should be a JSON object"),
        ("pause", b"{", 400, "the body should be a JSON object"),
        ("pause", b'{"behaviour":"skip"}', 400, "did you mean behavior?"),
        ("pause", b'{"behavior":[]}', 400, "behavior should be one of silence, skip"),
        ("stop", b'{"now":true}', 400, "none is known here"),
        ("derive", b"", 400, "format should be one of wav, mp3, mp4"),
        ("derive", b'{"format":"ogg"}', 400, "format should be"),
        ("derive", b" " * 5000, 413, "4096 bytes"),
    ],
)
async def test_wrong_bodies(
    client: TestClient[Any, Any], operators: Operators, path: str, body: bytes, status: int, words: str
) -> None:
    """Refused, naming the key, before anything is done."""
    one = recording(State.RECORDING)
    operators.add(one)
    assert words in (await did(client, f"/recordings/{one.id}/{path}", status, data=body))["message"]
    assert operators.done == []


async def test_a_beginning_of_several(client: TestClient[Any, Any], operators: Operators) -> None:
    """409 with two of them; of none 404; shorter than six characters it is the beginning of none."""
    first, second = (recording(id=f"aaaaaaaa-aaaa-4aaa-8aaa-00000000000{index}") for index in (1, 2))
    operators.add(first, second)
    message = (await did(client, "/recordings/aaaaaaaa/stop", 409))["message"]
    assert first.id in message
    assert second.id in message
    await did(client, f"/recordings/{first.id[:35]}2/stop")
    await got(client, "/recordings/bbbbbb", 404)
    await got(client, "/recordings/aaaaa", 404)
    assert operators.done == [("stop", second.id)]


@pytest.mark.parametrize(
    "said", ["RE0123456789ab4d", "0123456789AB4", "01234567-89ab-4", "0123456789ab4def8123456789abcde", "re012345"]
)
async def test_a_beginning_in_any_form(client: TestClient[Any, Any], operators: Operators, said: str) -> None:
    """A vendor's letters, digits without dashes, either case: also the beginning of a delivery's id."""
    one = recording(id="01234567-89ab-4def-8123-456789abcdef")
    row = delivery(one)
    row = replace(row, delivery=replace(row.delivery, id=one.id))
    operators.add(one)
    operators.told_of[row.id] = Told(row)
    assert (await got(client, f"/recordings/{said}"))["recording"]["id"] == one.id
    assert (await got(client, f"/webhooks/{said}"))["id"] == row.id


async def test_the_next_page_is_asked_for_as_described(client: TestClient[Any, Any], operators: Operators) -> None:
    """What ``next`` says has the form that ``before`` is described to have."""
    operators.add(*(recording(requested_at=AT + index / 3) for index in range(2)))
    [pattern] = {
        one["schema"]["pattern"]
        for operation in OPERATIONS
        for one in operation.parameters
        if one["name"] == "before"
    }
    assert re.fullmatch(pattern, (await got(client, "/recordings?limit=1"))["next"])


@pytest.mark.parametrize(
    ("failure", "status", "again"),
    [
        (NotFound("there is no such recording"), 404, False),
        (NotAllowed(), 403, False),
        (NotPossible("the recording has ended"), 409, False),
        (FileNotFoundError("x"), 409, False),
        (SwitchAway(), 503, True),
        (MediaAway("the disk is full"), 503, True),
        (LedgerFailed("secret"), 503, True),
        (NotHeld("secret"), 503, True),
    ],
)
async def test_failures(
    client: TestClient[Any, Any], operators: Operators, failure: Exception, status: int, again: bool
) -> None:
    """One shape; what may be otherwise soon says when to come again; what is ours alone is not told."""
    operators.fail = failure
    path = f"{ROOT}/recordings/{recording().id}/derive"
    async with client.post(path, json={"format": "mp3"}) as answer:
        assert (answer.status, "Retry-After" in answer.headers) == (status, again)
        said = await answer.json()
        assert said["code"] == status
        assert said["message"]
        assert "secret" not in said["message"]


# Who may


async def test_who_may(client: TestClient[Any, Any], operators: Operators) -> None:
    """Nobody without credentials; an account its own, and nothing of switches; browsers of other sites nothing."""
    mine, others = recording(), recording(account="other")
    operators.add(mine, others)
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, basic("project-1", "wrong")):
        async with client.get(f"{ROOT}/recordings", headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    account = basic("project-1", "token-1")
    found = await got(client, "/recordings", headers=account)
    assert [one["id"] for one in found["recordings"]] == [mine.id]
    await got(client, f"/recordings/{others.id}", 404, headers=account)
    await got(client, f"/recordings/{others.id[:8]}", 404, headers=account)
    for path in ("/switches", "/health"):
        await got(client, path, 403, headers=account)
    await did(client, "/switches/fs1/reconcile", 403, headers=account)
    assert (await got(client, "/webhooks?account=other", headers=account))["webhooks"] == []
    crossed = {"Sec-Fetch-Site": "cross-site", **OPERATOR}
    await did(client, f"/recordings/{mine.id}/stop", 403, headers=crossed)
    assert operators.done == []


async def test_other_methods(client: TestClient[Any, Any]) -> None:
    """405, and which are right."""
    for method, path, allowed in (("DELETE", "/recordings", "GET,HEAD"), ("GET", "/recordings/x/stop", "POST")):
        async with client.request(method, ROOT + path) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, allowed)
