"""/metrics of a running daemon: what happened is what it says, Prometheus finds nothing to mend, no id gets in."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from controller.calls.events import DocumentRefused
from controller.metrics.registry import Names
from controller.metrics.tables import table
from controller.softswitch.script import Tone
from controller.switch.link import ConnectFailed
from tests.harness.prometheus import lint
from tests.harness.receiver import Answer, Receiver
from tests.harness.switch import Switch
from tests.metrics.exposed import Key, foreseen, key, samples
from tests.metrics.test_tables import FAMILIES, UNCOUNTED
from tests.scenarios.cluster import Pair, paired, until_ready
from tests.scenarios.daemon import Callbacks, Daemon, record_call

SWML, FS1 = {"dialect": "swml"}, {"switch": "fs1"}
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}|[0-9a-f]{32}|://|127\.0\.0\.1|\d{7,}")


async def scraped(daemon: Daemon) -> bytes:
    """What a scrape gets of this daemon, whatever its public URL says."""
    url = f"http://127.0.0.1:{daemon.port}" if daemon.port else daemon.url
    async with aiohttp.ClientSession() as client, client.get(f"{url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return await response.read()


async def until(daemon: Daemon, true: Callable[[dict[Key, float]], bool]) -> dict[Key, float]:
    """Scrape until something is true; all of that scrape."""
    deadline = time.monotonic() + 15
    while True:
        found = samples(await scraped(daemon))
        if true(found):
            return found
        assert time.monotonic() < deadline, {name: value for name, value in found.items() if value}


def labels_of(exposition: bytes) -> set[str]:
    """Every label's value, but those of buckets and of the build."""
    return {
        value
        for name, labels in samples(exposition)
        for label, value in labels
        if label != "le" and name != "fsrec_build_info"
    }


async def test_a_daemon_without_its_switch(daemon: Daemon, switch: Switch) -> None:
    """From the first scrape on every foreseen child is there: not connected, not ready, nothing counted."""
    await switch.refuse_links()
    daemon.say({"sleep": -1})
    await daemon.start(ready=False)
    found = samples(await scraped(daemon))
    names = foreseen(table(Names(("swml", "twiml", "plivo"), ("fs1",))))
    assert names <= found.keys()
    moving = ("store_", "esl_connect_failures", "disk_free", "limit", "switches_held", "http_")
    moved = {name for name, labels in names if found[name, labels] and not any(one in name for one in moving)}
    assert moved == set()
    assert found[key("esl_connected", **FS1)] == found[key("ready")] == 0
    assert found[key("switches_held", **FS1)] == 1
    assert found[key("recordings_disk_free_bytes", **FS1)] > 0
    assert found[key("data_disk_free_bytes")] > 0
    await daemon.until(lambda: bool(daemon.seen(ConnectFailed)))
    await switch.refuse_links(False)
    await daemon.until(lambda: not daemon.problems())
    found = samples(await scraped(daemon))
    assert found[key("esl_connected", **FS1)] == found[key("switch_ready", **FS1)] == found[key("ready")] == 1
    assert found[key("esl_connect_failures_total", **FS1)] > 0
    assert found[key("esl_reconnects_total", **FS1)] == 0


async def test_what_happened_is_what_it_says(daemon: Daemon, switch: Switch, callbacks: Callbacks) -> None:
    """A call recorded over a cut link, one receiver that is gone and one that is late, a document that is not one."""
    receiver = daemon.receiver
    receiver.plan("/gone", 410)
    receiver.plan("/failing", 503)
    daemon.options = {"look_at_outbox": 0.05}
    daemon.say(
        record_call(receiver),
        record_call(receiver, "gone", "/gone"),
        record_call(receiver, "failing", "/failing"),
        {"sleep": -1},
    )
    began = time.time()
    await daemon.start()
    call = await switch.call(script=(Tone(30.0),))
    for control_id in ("rec", "gone", "failing"):
        path = "/status" if control_id == "rec" else f"/{control_id}"
        await Callbacks(receiver, path).wait("recording", control_id)
    found = await until(daemon, lambda now: now[key("recordings_active", **SWML)] == 3)
    assert found[key("calls_active", **FS1)] == 1
    await switch.cut_links()
    await daemon.until(lambda: bool(daemon.problems()))
    assert samples(await scraped(daemon))[key("esl_connected", **FS1)] == 0
    await daemon.until(lambda: not daemon.problems())
    await call.hangup()
    await callbacks.wait("finished")
    daemon.document.write_text("not: [a document")
    refused = await switch.call()
    await refused.ended()

    expected = {
        key("esl_connected", **FS1): 1,
        key("esl_reconnects_total", **FS1): 1,
        key("switch_restarts_total", **FS1): 0,
        key("reconciles_total", **FS1): 2,
        key("reconcile_recordings_total", result="running"): 3,
        key("recordings_started_total", **SWML): 3,
        key("recording_start_latency_seconds_count"): 3,
        key("recordings_finished_total", **SWML, outcome="completed"): 3,
        key("recording_processing_duration_seconds_count"): 3,
        key("recordings_active", **SWML): 0,
        key("calls_active", **FS1): 0,
        key("documents_refused_total", **SWML, reason="invalid"): 1,
        key("webhook_failures_total", **SWML, reason="gone"): 2,
        key("webhooks_given_up_total", **SWML): 2,
        key("esl_events_dropped_total", **FS1, reason="unreadable"): 0,
        key("store_failures_total"): 0,
        key("webhooks_dead"): 2,
        key("calls_failed_total"): 1,
        key("ready"): 1,
    }

    def over(now: dict[Key, float]) -> bool:
        attempts = now[key("webhook_attempts_total", **SWML)]
        return attempts == len(receiver.requests) and all(now[name] == value for name, value in expected.items())

    found = await until(daemon, over)
    exposition = await scraped(daemon)
    assert lint(exposition) == ""
    assert not [value for value in labels_of(exposition) if ID.search(value) or re.fullmatch(r"[\d.+-]+", value)]
    assert "other" not in labels_of(exposition)
    assert len(found) < 1500
    assert found[key("webhook_failures_total", **SWML, reason="5xx")] >= 1
    assert found[key("webhooks_pending")] >= 1
    assert began <= found[key("webhooks_oldest_pending_timestamp_seconds")] <= time.time()
    assert began <= found[key("esl_last_event_timestamp_seconds", **FS1)] <= time.time()
    assert found[key("esl_command_duration_seconds_count", command="record_session")] == 3
    assert found[key("store_commit_duration_seconds_count")] == found[key("store_commit_writes_count")] > 0

    counted = {source.event for family in FAMILIES for source in family.sources}
    assert {type(event).__name__ for event in daemon.events if type(event) not in counted} <= UNCOUNTED.keys()


async def test_a_document_from_a_url(daemon: Daemon, switch: Switch) -> None:
    """What was fetched is counted in its dialect; one that is not there in the vendor's, with its reason."""
    url = daemon.receiver.url("/document")
    daemon.changes = {"routes": [{"destination": "^1001$", "account": "acme", "document": url}]}
    daemon.receiver.plan("/document", 404)
    await daemon.start()
    call = await switch.call()
    await call.ended()
    found = await until(daemon, lambda now: now[key("calls_failed_total")] == 1)
    assert found[key("documents_refused_total", **SWML, reason="status")] == 1
    assert found[key("documents_fetched_total", **SWML)] == 0


FIRST = {
    "swml": "version: 1.0.0\nsections:\n  main:\n    - transfer: {dest: '%s'}\n",
    "twiml": "<Response><Redirect>%s</Redirect></Response>",
}
"""Documents that go on with another, by dialect."""


@pytest.mark.parametrize("dialect", FIRST)
@pytest.mark.parametrize(
    ("answer", "reason"), [((404, b""), "status"), ((200, b"<Response><Nonsense></Response>"), "invalid")]
)
async def test_a_document_that_is_refused_in_a_call(
    daemon: Daemon, switch: Switch, dialect: str, answer: tuple[int, bytes], reason: str
) -> None:
    """The second document counts like the first: one that is not had, and one that came and is not run, once."""
    url = daemon.receiver.url("/second")
    daemon.receiver.plan("/second", Answer(*answer))
    daemon.document.write_text(FIRST[dialect] % url)
    await daemon.start()
    call = await switch.call()
    await call.ended()
    (refused,) = daemon.seen(DocumentRefused)
    assert (refused.document, refused.dialect, refused.trouble) == (url, dialect, reason)
    assert refused.why.startswith(f"{url}: ")
    found = samples(await scraped(daemon))
    assert {name: found[name] for name in found if name[0] == "fsrec_documents_refused_total" and found[name]} == {
        key("documents_refused_total", dialect=dialect, reason=reason): 1
    }
    assert found[key("documents_fetched_total", dialect=dialect)] == (reason == "invalid")


@pytest.fixture
async def pair(switch: Switch, receiver: Receiver, postgres_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two daemons on one database."""
    async with paired(switch, receiver, postgres_url, tmp_path) as made:
        yield made


@pytest.mark.parametrize("switch", ["soft"], indirect=True)
async def test_a_switch_that_another_daemon_holds(pair: Pair) -> None:
    """The one that waits is ready, holds nothing, and its gauges of the switch say 0; it takes over with all."""
    await pair.one.start()
    await until_ready(pair.one, serving=True)
    await pair.other.start(ready=False)
    await until_ready(pair.other, serving=False)
    one, other = [samples(await scraped(daemon)) for daemon in (pair.one, pair.other)]
    for name, held in (("switches_held", 1), ("esl_connected", 1), ("switch_ready", 1)):
        assert (one[key(name, **FS1)], other[key(name, **FS1)]) == (held, 0), name
    assert one[key("ready")] == other[key("ready")] == 1
    assert other[key("esl_last_event_timestamp_seconds", **FS1)] == 0
    await pair.one.stop()
    found = await until(pair.other, lambda now: now[key("switch_ready", **FS1)] == 1)
    assert found[key("switches_held", **FS1)] == found[key("leases_taken_total", **FS1)] == 1
    assert lint(await scraped(pair.other)) == ""
