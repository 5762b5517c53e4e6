"""controller/console/: each page, what it says, what it refuses, and what it makes of hostile texts."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.console.access import ACCESS
from controller.console.assets import Assets
from controller.console.live import Row
from controller.console.pages import MOST_STEPS, abridged
from controller.console.ports import Told, Viewer
from controller.console.render import POLICY, Templates, own
from controller.documents.call import CallInfo
from controller.http.listener import Listener
from controller.recordings.model import HistoryEntry, Notice, NoticeKind, Pause, PauseBehavior, State, new_id
from controller.recordings.ports import LedgerFailed, MediaAway, NoRoom, NotPossible, SwitchAway
from controller.store.values import Attempt, DeliveryState
from tests.console.conftest import Served
from tests.console.world import AT, ATTEMPT, CONSOLE, HEALTH, SWITCH, delivery, recording, story

NOBODY = "5f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001"
PAGES = ("/", "/console/recordings", "/console/callbacks", "/console/switches")


class Checked(HTMLParser):
    """Reads a page as a browser would: which elements and attributes there are, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


# --- who may look -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PAGES, "/console/recordings?text=x&dialect=swml", f"/console/recordings/{NOBODY}"])
async def test_strangers_sign_in_first(served: Served, path: str) -> None:
    """And come back to where they wanted; nothing was asked of the rooms for them."""
    async with served.client.get(served.url + path, allow_redirects=False) as answer:
        assert answer.status == 303
        there = answer.headers["Location"]
    assert re.fullmatch(r"(\./|(\.\./)+)console/sign-in(\?next=.+)?", there)
    signed_in = await served.get(path)  # followed: the sign-in page, which keeps where they wanted
    assert signed_in[0] == 200
    assert f'name="next" value="{path.replace("&", "&amp;")}"' in signed_in[1]
    assert not served.fake.lived
    assert not served.fake.searched


async def test_signing_in_and_out(served: Served) -> None:
    """The right token leads back, a wrong one to the page again; after signing out the same cookie is nobody's."""
    refused = await served.post("/console/sign-in", token="wrong", next="/console/callbacks")
    page = await refused.text()
    assert refused.status == 403
    assert 'role="alert"' in page
    assert "wrong" not in Checked(page).text
    assert 'value="/console/callbacks"' in page
    answer = await served.post("/console/sign-in", token=CONSOLE, next="/console/callbacks")
    assert (answer.status, answer.headers["Location"]) == (303, "../console/callbacks")
    assert (await served.get("/console/callbacks"))[0] == 200
    await served.sign_in()
    kept = {cookie.key: cookie.value for cookie in served.client.cookie_jar}
    out = await served.post("/console/sign-out")
    assert (out.status, out.headers["Location"]) == (303, "../console/sign-in")
    for cookies in ({}, kept):  # the browser has forgotten it; who stole it before has no use for it
        served.client.cookie_jar.update_cookies(cookies)
        assert (await served.get("/console/session", headers={"Accept": "application/json"}))[0] == 401


async def test_too_many_tries_are_told_kindly(served: Served) -> None:
    """As a page that says when to come again, and for the right token too."""
    for _ in range(10):
        await served.post("/console/sign-in", id="AC1", token="wrong")
    answer = await served.post("/console/sign-in", id="AC1", token="token-2")
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Try again in" in await answer.text()


@pytest.mark.parametrize("header", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
async def test_nobody_is_signed_in_by_another_site(served: Served, header: dict[str, str]) -> None:
    """It could have somebody look at an account of its own, and not notice."""
    answer = await served.post("/console/sign-in", token=CONSOLE, headers=header)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


BACK = [
    ("/", "/"),
    ("/console/recordings?text=%2B49&before=1.5~x", "/console/recordings?text=%2B49&before=1.5~x"),
    ("//evil.example", "/"),
    ("/\\evil.example", "/"),
    ("https://evil.example/", "/"),
    ("javascript:alert(1)", "/"),
    ("/console/../metrics", "/"),
    ("/console/%2e%2e/metrics", "/"),
    ("/console/.%2E//evil.example/", "/"),
    ("/metrics", "/"),
    ("/console/x y", "/"),
    ("/console/x\r\nSet-Cookie: a=b", "/"),
    ("/console/" + "x" * 3000, "/"),
    ("", "/"),
    ("/console/ü", "/"),
]


@pytest.mark.parametrize(("asked", "led"), BACK)
async def test_signing_in_leads_nowhere_else(served: Served, asked: str, led: str) -> None:
    """Only to pages of ours, whatever a link to the sign-in page says."""
    answer = await served.post("/console/sign-in", token=CONSOLE, next=asked)
    assert (answer.status, answer.headers["Location"]) == (303, "../" + led[1:])
    assert own(led) == led


async def test_an_account_sees_its_own(served: Served) -> None:
    """No row, story, callback or verb of another's, no switches, no filter by account."""
    mine, theirs = recording(State.RECORDING), recording(State.RECORDING, "other", caller="+15550001")
    finished = recording(account="other", caller="+15550002")
    told = Told(delivery(finished, url="https://their.example/x"), (ATTEMPT,))
    served.fake.add(mine, theirs, finished)
    served.fake.told_of[told.row.id] = told
    await served.sign_in("project-1", "token-1")
    for path in ("/", "/console/recordings", "/console/callbacks?state=all"):
        status, page = await served.get(path)
        assert status == 200
        assert "+1555000" not in page
        assert "their.example" not in page
        assert "console/switches" not in page
        assert "Account" not in Checked(page).text
    for path in (f"/console/recordings/{theirs.id}", f"/console/callbacks/{told.row.id}"):
        assert (await served.get(path))[0] == 404
    assert (await served.get("/console/switches"))[0] == 403
    for path in (f"recordings/{theirs.id}/stop", f"callbacks/{told.row.id}/replay", "switches/fs1/reconcile"):
        assert (await served.post(f"/console/{path}")).status in {303, 404}
    assert served.fake.done == []


# --- what they say ----------------------------------------------------------------------------------------------


async def test_the_live_page(served: Served) -> None:
    """Each running recording with what may be done to it, how many there are, and what is wrong now."""
    running, paused = recording(State.RECORDING), recording(State.PAUSED)
    stopping, asked = recording(State.STOPPING), recording(State.REQUESTED, started_at=None)
    served.fake.add(running, paused, stopping, asked, recording())
    served.fake.health_now = replace(HEALTH, problems=("switch fs9 is away",))
    await served.sign_in()
    _, page = await served.get("/")
    text = Checked(page).text
    assert "Live recordings 4" in text
    assert "switch fs9 is away" in text
    verbs = {
        one.id: set(re.findall(rf"console/recordings/{one.id}/(\w+)", page))
        for one in served.fake.recordings.values()
    }
    assert verbs[running.id] == {"pause", "stop"}
    assert verbs[paused.id] == {"resume", "stop"}
    assert verbs[asked.id] == {"stop"}
    assert verbs[stopping.id] == set()
    assert "0:12" in text


async def test_nothing_runs(served: Served) -> None:
    """Then the page says so."""
    await served.sign_in()
    _, page = await served.get("/")
    assert re.search(r'id="empty">Nothing is being recorded', page)


async def test_what_is_searched(served: Served) -> None:
    """Each field of the form comes to the search as it is meant; finished ones where nothing is said."""
    await served.sign_in()
    await served.get(
        "/console/recordings?text=%2B4930&account=acme&dialect=swml&outcome=failed"
        "&from=2026-11-20T16:00&until=2026-11-20T16:05"
    )
    await served.get("/console/recordings")
    (viewer, search, limit, before), (_, every, *_rest) = served.fake.searched
    assert (viewer, limit, before) == (Viewer(), 51, None)
    assert (search.text, search.account, search.dialect, search.states) == ("+4930", "acme", "swml", (State.FAILED,))
    assert (search.since, search.until) == (1795190400.0, 1795190759.999)
    assert set(every.states) == {state for state in State if state.final}


async def test_a_list_goes_on(served: Served) -> None:
    """Fifty rows, then a link that begins after the last of them and keeps what was searched."""
    rows = [recording(requested_at=AT - number) for number in range(51)]
    served.fake.add(*rows)
    await served.sign_in()
    _, page = await served.get("/console/recordings?text=1001")
    assert len(re.findall("<tr>", page)) == 51  # with the heading's
    link = re.search(r'rel="next" href="([^"]+)"', page)
    assert link is not None
    _, page = await served.get("/console/" + link[1].replace("&amp;", "&").split("console/")[1])
    _, search, _, before = served.fake.searched[-1]
    assert (search.text, before) == ("1001", (rows[49].requested_at, rows[49].id))
    assert ">Newest<" in page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("until=2026-13-01", "until"),
        ("outcome=lost", "outcome"),
        ("from=2026-01-02&until=2026-01-01", "until"),
        ("text=%00", "text"),
        ("text=" + "x" * 201, "text"),
        ("from=2026-11-20T25:00", "from"),
    ],
)
async def test_a_search_that_cannot_be(served: Served, query: str, field: str) -> None:
    """It is refused beside its field, before anything is searched."""
    await served.sign_in()
    status, page = await served.get(f"/console/recordings?{query}")
    assert (status, served.fake.searched) == (400, [])
    assert f'id="wrong-{field}"' in page
    assert f'aria-describedby="wrong-{field}"' in page


@pytest.mark.parametrize("before", ["x", "1~", "~x", "1e999~x", "nan~x", "1~<b>", "-1~x", "9" * 400 + "~x"])
async def test_a_page_that_is_none(served: Served, before: str) -> None:
    """It is the first one."""
    await served.sign_in()
    for path in ("recordings", "callbacks"):
        assert (await served.get(f"/console/{path}", params={"before": before}))[0] in {200, 400}
    assert {place for *_, place in served.fake.searched} == {None}


async def test_the_story(served: Served) -> None:
    """What happened in order, who was told, each attempt with its answer, what can be sent again, what was said."""
    one = recording()
    dead, fine = delivery(one), delivery(one, DeliveryState.DELIVERED, sequence=2, reason=None)
    failed = Attempt(AT + 15, 5.0, error="connect", detail="connection refused")
    unrendered = Notice(new_id(), NoticeKind.STARTED, one, AT, 0)
    ended = Notice(new_id(), NoticeKind.COMPLETED, one, AT + 13, 1)
    served.fake.add(one)
    served.fake.stories[one.id] = story(
        one,
        (Told(dead, (ATTEMPT, failed)), Told(fine, (replace(ATTEMPT, status=204),))),
        notices=(unrendered, ended),
        unrendered={unrendered.id: "account 'acme' is no longer in the settings"},
    )
    await served.sign_in()
    status, page = await served.get(f"/console/recordings/{one.id}")
    text = Checked(page).text
    assert status == 200
    order = [
        "asked for",
        "the switch records (RECORD_START)",
        "the switch stopped (RECORD_STOP)",
        "the leg was hanging up",
    ]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)
    for words in (
        *(
            "500",
            "42 ms",
            "Internal Server Error",
            "connection refused",
            "5.00 s",
            "204",
            "no longer in the settings",
        ),
        *("hello there", "NORMAL_CLEARING", "the call ended", "Ada", "12.400 s"),
    ):
        assert words in text, words
    assert f"console/callbacks/{dead.id}/replay" in page
    assert "secret" not in page  # of the receiver's URL: neither its password nor its query
    assert "/stop" not in page


async def test_a_very_long_story(served: Served) -> None:
    """A page of it has how it began and how it goes of late, says what it leaves out, and stays small."""
    one = recording(pauses=tuple(Pause(AT + at, PauseBehavior.SILENCE, AT + at + 0.5) for at in range(2000)))
    served.fake.add(one)
    served.fake.stories[one.id] = story(
        one,
        [Told(delivery(one, sequence=number, attempts=30), (ATTEMPT,) * 30) for number in range(2000)],
        history=[
            HistoryEntry(one.id, step, AT + step, f"Step{step}", State.RECORDING, "", ()) for step in range(5000)
        ],
        notices=[Notice(new_id(), NoticeKind.PAUSED, one, AT + number, number) for number in range(2000)],
    )
    await served.sign_in()
    status, page = await served.get(f"/console/recordings/{one.id}")
    assert (status, len(page) < 500_000) == (200, True)
    shown = [int(step) for step in re.findall(r"<strong>step(\d+)</strong>", page)]
    assert (shown[0], shown[-1], len(shown)) == (0, 4999, MOST_STEPS)
    assert f"{5000 - MOST_STEPS} steps are left out here" in page
    notices = page.count('<div class="notice">')
    assert f"{2000 - notices} earlier notices are left out here" in page
    assert page.count('<article class="told">') == notices > 1  # none of them without what it told
    assert "10 earlier ones are left out here" in page
    assert page.count("<dt>Paused</dt>") == 10


async def test_callbacks(served: Served) -> None:
    """Dead ones first, each with a way to send it again, and all of the page at once; others by a tab."""
    one = recording()
    for state in DeliveryState:
        told = Told(delivery(one, state, url=f"https://app.example.com/{state.value}"), (ATTEMPT,))
        served.fake.told_of[told.row.id] = told
    await served.sign_in()
    for query, shown in {
        "": ["dead"], "?state=pending": ["pending"], "?state=delivered": ["delivered"], "?state=x": ["dead"],
        "?state=all": ["dead", "delivered", "pending"],
    }.items():  # fmt: skip
        _, page = await served.get(f"/console/callbacks{query}")
        assert sorted(set(re.findall(r"example\.com/(\w+)<", page))) == shown
    [dead] = [told.row for told in served.fake.told_of.values() if told.row.state is DeliveryState.DEAD]
    assert (
        await served.post("/console/callbacks/replay", id=dead.id, next="/console/callbacks?state=dead")
    ).status == 303
    assert served.fake.done == [("replay", dead.id)]
    status, page = await served.get(f"/console/callbacks/{dead.id}")
    assert status == 200
    assert '{"state":"finished"}' in Checked(page).text


async def test_switches(served: Served) -> None:
    """How each one is and why, and its link can be made anew."""
    away = replace(SWITCH, name="fs2", state="away", why="connection refused", connected_at=None, free=None)
    served.fake.health_now = replace(HEALTH, switches=(SWITCH, away))
    await served.sign_in()
    _, page = await served.get("/console/switches")
    text = Checked(page).text
    for words in ("fs1 serving", "fs2 away connection refused", "5.0 GiB", "1.10.12"):
        assert words in text, words
    assert (await served.post("/console/switches/fs2/reconcile", next="/console/switches")).status == 303
    assert served.fake.done == [("reconcile", "fs2")]
    assert "fs2 is being connected" in Checked((await served.get("/console/switches"))[1]).text


# --- what is done -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "fields", "done"),
    [
        ("stop", {}, ("stop",)),
        ("pause", {}, ("pause", "silence")),
        ("pause", {"behavior": "skip"}, ("pause", "skip")),
        ("pause", {"behavior": "<b>"}, ("pause", "silence")),
        ("resume", {}, ("resume",)),
    ],
)
async def test_verbs(served: Served, path: str, fields: dict[str, Any], done: tuple[str, ...]) -> None:
    """A form does it and leads back to its page, which says so once; our script is told in JSON."""
    one = recording(State.RECORDING)
    served.fake.add(one)
    await served.sign_in()
    back = f"/console/recordings/{one.id}"
    answer = await served.post(f"{back}/{path}", next=back, **fields)
    assert (answer.status, answer.headers["Location"]) == (303, f"../../../console/recordings/{one.id}")
    assert served.fake.done == [(*done, one.id)]
    assert 'class="flash"' in (await served.get(back))[1]
    assert "flash" not in (await served.get(back))[1]
    answer = await served.post(f"{back}/{path}", headers={"Accept": "application/json"}, **fields)
    assert (answer.status, list(await answer.json())) == (200, ["message"])


async def test_without_the_pages_own_token_nothing_is_done(served: Served) -> None:
    """Whoever else has the browser send a form is refused, as a page; the token of another session is none."""
    one = recording(State.RECORDING)
    served.fake.add(one)
    await served.sign_in()
    token, served.csrf = served.csrf, "0" * 64
    for path in (f"/console/recordings/{one.id}/stop", "/console/sign-out", "/console/callbacks/replay"):
        answer = await served.post(path)
        assert answer.status == 403
        assert "<h1>Not carried out</h1>" in await answer.text()
    served.csrf = token
    answer = await served.post(f"/console/recordings/{one.id}/stop", headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status, served.fake.done) == (403, [])


FAILURES: list[tuple[Exception, int]] = [
    (NotPossible("it has ended"), 409),
    (NoRoom("the disk is full"), 503),
    (SwitchAway("fs1 is away"), 503),
    (MediaAway("the directory is away"), 503),
    (LedgerFailed("postgresql://db.internal is away"), 503),
]


@pytest.mark.parametrize(("error", "status"), FAILURES, ids=[type(row[0]).__name__ for row in FAILURES])
async def test_what_fails_is_told(served: Served, error: Exception, status: int) -> None:
    """A verb's failure comes back to its page in words, a page's is a page; of the store nothing."""
    one = recording(State.RECORDING)
    served.fake.add(one)
    await served.sign_in()
    served.fake.fail = error
    back = f"/console/recordings/{one.id}"
    answer = await served.post(f"{back}/stop", next=back)
    assert answer.status == 303
    answer = await served.post(f"{back}/stop", headers={"Accept": "application/json"})
    told = await answer.json()
    assert (answer.status, told["code"]) == (status, status)
    assert "db.internal" not in told["message"]
    got, page = await served.get(back)
    assert got == status
    assert "db.internal" not in page
    served.fake.fail = None
    served.client.cookie_jar.update_cookies({})
    answer = await served.post(f"{back}/pause", next=back)
    assert "flash" in (await served.get(back))[1]


# --- of every answer --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in PAGES),
        ("GET", "/console"),
        ("GET", "/console/sign-in"),
        ("GET", "/console/nowhere/at/all"),
        ("GET", f"/console/recordings/{NOBODY}"),
        ("GET", "/console/static/nothing.css"),
        ("GET", "/console/session"),
        ("POST", "/console/sign-in"),
        ("POST", "/console/sign-out"),
        ("PUT", "/console/recordings"),
        ("DELETE", "/console/x"),
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
async def test_headers_of_every_answer(served: Served, method: str, path: str, signed_in: bool) -> None:
    """None is kept, framed, or runs anything but our own files; none fails."""
    if signed_in:
        await served.sign_in()
    async with served.client.request(method, served.url + path, allow_redirects=False) as answer:
        headers = answer.headers
        assert answer.status < 500
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        if answer.status >= 400:
            assert "<h1>" in await answer.text()


def test_the_policy_lets_nothing_in() -> None:
    """But what is the daemon's own, in files."""
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules.pop("default-src") == "'none'"
    assert set(rules.values()) == {"'self'", "'none'"}
    assert {"frame-ancestors", "base-uri", "form-action"} <= rules.keys()


async def test_files_are_kept_for_ever(served: Served) -> None:
    """Under a name that changes with them; no page has a script or style of its own, or of others."""
    await served.sign_in()
    _, page = await served.get("/")
    found = set(re.findall(r'(?:href|src)="\./(console/static/[^"]+)"', page))
    assert {name.rsplit(".", 1)[1] for name in found} == {"css", "js", "svg"}
    for path in found:
        async with served.client.get(f"{served.url}/{path}") as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
    checked = Checked(page)
    assert not [name for name, _ in checked.attributes if name.startswith("on") or name == "style"]
    assert "style" not in checked.tags
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)


async def test_the_api_has_its_own_errors(served: Served) -> None:
    """What is no page there is JSON."""
    async with served.client.get(served.url + "/console/api/nothing") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, 404)


async def test_links_hold_behind_a_prefix(served: Served) -> None:
    """They lead to the console's root from each page's own depth, so that a proxy may put it anywhere."""
    one = recording()
    served.fake.add(one)
    await served.sign_in()
    for path, root in {"/": "./", "/console/recordings": "../", f"/console/recordings/{one.id}": "../../",
                       "/console/a/b/c/d": "../../../../"}.items():  # fmt: skip
        _, page = await served.get(path)
        links = [value for name, value in Checked(page).attributes if name in {"href", "src", "action"}]
        assert len(links) > 5
        assert all(link.startswith(root) or link == "#main" for link in links), links


# --- hostile texts ----------------------------------------------------------------------------------------------

NASTY = "<script>alert(1)</script>\"'&\u202e\x00\x1b[31m\ud800"


def environment() -> tuple[Templates, Any]:
    """Templates, and a request to render for."""
    access = SimpleNamespace(session=lambda _: None)
    return Templates(Assets.load()), SimpleNamespace(
        rel_url=SimpleNamespace(raw_path="/console/x", raw_path_qs="/console/x"),
        config_dict={ACCESS: access},
        cookies={},
    )


TEMPLATES, REQUEST = environment()


def rendered(text: str) -> list[str]:
    """Every page with a text of others in every place that can have one."""
    hostile: dict[str, Any] = {"caller": text, "called": text, "leg": text, "switch": text}
    one = recording(error=text, digit=text, followed=text, **hostile)
    one = replace(one, request=replace(one.request, reference=text, source=text))
    attempt = Attempt(AT, 0.1, None, text, text, text.encode(errors="replace"), text)
    row = delivery(one, url=f"https://u:p@x.example/{text}", reason=text, body=text.encode(errors="replace"))
    told = Told(row, (attempt,))
    notice = Notice(new_id(), NoticeKind.COMPLETED, one, AT, 1)
    lost = Notice(new_id(), NoticeKind.STARTED, one, AT, 0)
    whole = story(
        one, (told, replace(told, row=replace(row, sequence=9))), notices=(notice, lost), unrendered={lost.id: text},
        history=(HistoryEntry(one.id, 0, AT, text, State.FAILED, text, (text,)),),
    )  # fmt: skip
    assert whole.call is not None
    assert whole.transcription is not None
    call = replace(whole.call, document=f"https://x.example/{text}", cause=text, info=CallInfo(text, text, text))
    whole = replace(whole, call=call, transcription=replace(whole.transcription, text=text))
    switch = replace(SWITCH, why=text, holder=text, version=text, core_uuid=text)
    health = replace(HEALTH, problems=(text,), degraded=(text,), switches=(switch,))
    player = {"player": SimpleNamespace(why=text or "x")}
    live = [Row(replace(one, state=State.RECORDING), AT, 1.0)]

    def page(name: str, /, **values: Any) -> str:
        return TEMPLATES.page(REQUEST, name, Viewer(), **values).text or ""

    return [
        page("live.html", rows=live, total=1, health=health, now=AT),
        page("recording.html", story=whole, recording=one, **abridged(whole), **player),
        page("callbacks.html", state="dead", found=[row], older="", first=True),
        page("callback.html", told=told, body=row.delivery.body.decode()),
        page("switches.html", health=health, now=AT),
        page("error.html", problem=SimpleNamespace(status=404, title="x", text=text)),
        page("sign_in.html", next="/", problem="", name=text, has_token=False, has_accounts=True, elsewhere=""),
        TEMPLATES.text("live_row.html", row=live[0], viewer=Viewer(), root="./", csrf="", csrf_field=""),
    ]


PLAIN = [sorted(set(Checked(page).tags)) for page in rendered("x")]


@settings(max_examples=40)
@given(st.text(st.characters(categories=("L", "N", "P", "S", "Z", "C")), min_size=1, max_size=60))
@example(NASTY)
@example("x" * 8192)
@example("'\"><img src=x onerror=alert(1)>")
@example("</title></textarea></pre><script>")
@example("{{ 7*7 }}{% raw %}")
@example("\u2028\u2029\ufeff\u200b")
def test_texts_of_others_stay_texts(text: str) -> None:
    """No element or attribute comes of them, no control character or change of direction, and no page grows large."""
    for page, plain in zip(rendered(text), PLAIN, strict=True):
        page.encode()  # lone surrogates would not
        checked = Checked(page)
        assert sorted(set(checked.tags)) == plain
        assert not [name for name, _ in checked.attributes if name.startswith("on") or name in {"style", "srcdoc"}]
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", page)
        assert len(page) < 120_000


@pytest.mark.parametrize("text", [NASTY.replace("\ud800", ""), "x" * 8192])
async def test_hostile_callers_in_every_list(served: Served, text: str) -> None:
    """Through the whole way: escaped, and cut short in a line."""
    served.fake.add(recording(State.RECORDING, caller=text, called=text), recording(caller=text, called=text))
    await served.sign_in()
    for path in ("/", "/console/recordings", "/console/recordings?text=%3Cscript%3E"):
        status, page = await served.get(path)
        assert status == 200
        assert "<script>alert" not in page
        assert "x" * 1001 not in page


async def test_a_flash_is_text_whoever_wrote_it(served: Served) -> None:
    """A cookie of somebody else's making can say something, and no more; one that is nothing is nothing."""
    import base64
    import json

    await served.sign_in()
    for cookie in (base64.urlsafe_b64encode(json.dumps([True, NASTY]).encode()).decode(), "x", "=", "W10=", "%00"):
        served.client.cookie_jar.update_cookies({"fsrec-flash": cookie})
        status, page = await served.get("/console/recordings")
        assert status == 200
        assert "<script>alert" not in page


async def test_a_listener_stops_with_pages_open(served: Served) -> None:
    """A client that keeps its connection holds nobody up."""
    assert isinstance(served.listener, Listener)
    await served.sign_in()
    await served.listener.stop()
