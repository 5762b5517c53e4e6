"""A real Prometheus scrapes a running daemon: names are those that it tells, and a forced fault fires its alert."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from controller.softswitch.script import Tone
from controller.webhooks.events import DeliveryGivenUp
from tests.harness.switch import Switch
from tests.monitoring.files import MONITORING, dashboard, ruled, shown
from tests.monitoring.server import Prometheus, prometheus
from tests.scenarios.daemon import Daemon, record_call

OWN = {"job", "instance"}
"""Labels that Prometheus adds to what it scrapes."""


@contextlib.asynccontextmanager
async def scraping(daemon: Daemon) -> AsyncIterator[Prometheus]:
    """A Prometheus of monitoring/, and the daemon as its target."""
    async with prometheus(daemon.directory / "prometheus", daemon.url.removeprefix("http://")) as running:
        yield running


async def test_rules_and_dashboard_ask_for_what_the_daemon_tells(daemon: Daemon, switch: Switch) -> None:
    """Every rule loads and is evaluated; each metric, label and value is there before any call."""
    await daemon.start()
    async with scraping(daemon) as server:
        expressions = [*ruled(), *shown()]
        recorded = {rule["name"] for rule in await healthy_rules(server)}
        missing = []
        for one in expressions:
            known = set(OWN)
            for selector in one.selectors:
                name = selector.partition("{")[0]
                if name in recorded:  # what it is made of is looked for where it is recorded
                    known |= set(re.findall(r"[a-z]+", name.partition(":")[0]))
                    continue
                series = await server.series(selector)
                known |= {label for labels in series for label in labels}
                if not series:
                    missing.append(f"{one.place}: {selector}")
            missing += [f"{one.place}: by {label}" for label in one.labels - known]
        assert missing == []


async def healthy_rules(server: Prometheus) -> list[dict[str, str]]:
    """Every rule, once all were evaluated without an error."""
    while True:
        groups = (await server.ask("rules"))["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert [rule for rule in rules if rule["health"] == "err"] == []
        if all(rule["health"] == "ok" for rule in rules):
            break
    files = {Path(group["file"]).name for group in groups}
    assert files == {path.name for path in (MONITORING / "rules").iterdir()}
    return rules


async def test_the_dashboard_is_answered(daemon: Daemon, switch: Switch) -> None:
    """Every expression of it is one, its variables' too; what counts a call has counted it."""
    daemon.say(record_call(daemon.receiver, max_length=0.5), {"sleep": 2000}, {"hangup": {}})
    await daemon.start()
    async with scraping(daemon) as server:
        call = await switch.call(script=(Tone(10.0),))
        await daemon.callbacks.wait("finished")
        await call.ended()
        for one in shown():
            await server.query(one.text)
        for variable in dashboard()["templating"]["list"]:
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            assert all(label in labels for labels in await server.series(metric))
        counted = 'sum(fsrec_recordings_finished_total{outcome="completed", dialect="swml"}) == 1'
        await server.found(counted)
        assert await server.query("sum(fsrec_recordings_started_total) == 1")
        assert await server.query("sum(fsrec_recording_start_latency_seconds_count) == 1")


async def test_a_switch_that_is_gone_fires_its_alert_until_it_is_back(daemon: Daemon, switch: Switch) -> None:
    """No daemon is connected to it. It is the only one, so the daemon is not ready either; nothing else fires."""
    await daemon.start()
    async with scraping(daemon) as server:
        wanted = {("SwitchDisconnected", "critical"), ("FsrecNotReady", "critical")}
        assert await server.firing() == set()
        await switch.refuse_links()
        await switch.cut_links()
        assert await server.until(lambda firing: firing >= wanted) == wanted
        (alert,) = await server.query('ALERTS{alertname="SwitchDisconnected", alertstate="firing"}')
        assert alert["metric"]["switch"] == "fs1"
        await switch.refuse_links(False)
        await server.until(lambda firing: not firing)


async def test_callbacks_that_die_fire_their_alert_until_they_are_replayed(daemon: Daemon, switch: Switch) -> None:
    """The receiver refuses both callbacks of a recording, once each; then it is mended, and they are replayed."""
    daemon.options["look_at_outbox"] = 0.2
    daemon.changes["webhooks"] = {"allow_networks": ["127.0.0.0/8"], "max_attempts": 1}
    daemon.say(record_call(daemon.receiver, max_length=0.5), {"sleep": 2000}, {"hangup": {}})
    daemon.receiver.plan("/status", 500, 500, 200)
    await daemon.start()
    async with scraping(daemon) as server:
        await server.found("job:fsrec_webhooks_dead:max == 0")
        await switch.call(script=(Tone(10.0),))
        firing = await server.until(bool)
        assert firing == {("CallbacksDead", "warning")}
        await server.found("job:fsrec_webhooks_dead:max == 2")
        assert daemon.app is not None
        for given_up in daemon.seen(DeliveryGivenUp):
            await daemon.app.outbox.replay(given_up.delivery)
        await server.until(lambda firing: not firing)
        assert sorted(daemon.callbacks.states()) == ["finished", "finished", "recording", "recording"]


async def test_a_daemon_that_is_gone_fires_its_alert_until_it_is_back(daemon: Daemon, switch: Switch) -> None:
    """Its target does not answer; what it told before is not taken for what is."""
    await daemon.start()
    daemon.port = int(daemon.url.rpartition(":")[2])
    async with scraping(daemon) as server:
        await daemon.stop()
        assert await server.until(bool) == {("FsrecDown", "critical")}
        await daemon.start()
        await server.until(lambda firing: not firing)


async def test_a_switch_that_dies_while_it_records_fires_the_alert_of_what_is_lost(
    daemon: Daemon, switch: Switch
) -> None:
    """The daemon finds another process of the switch, and what had been written; nothing failed of it."""
    daemon.say(record_call(daemon.receiver), {"sleep": -1})
    await daemon.start()
    async with scraping(daemon) as server:
        await switch.call(script=(Tone(30.0),))
        await daemon.callbacks.wait("recording")
        await asyncio.sleep(1.0)  # of sound, of which the last half second may be lost
        await switch.kill()
        await switch.restart()
        lost = ("RecordingLost", "warning")
        assert lost in await server.until(lambda firing: lost in firing)
        await daemon.callbacks.wait("finished")
        await server.until(lambda firing: firing == {lost})


async def test_callbacks_that_died_long_ago_fire_nothing_at_a_start(daemon: Daemon, switch: Switch) -> None:
    """From its first scrape on a daemon tells of those that an earlier one gave up: none of them is new."""
    daemon.changes["webhooks"] = {"allow_networks": ["127.0.0.0/8"], "max_attempts": 1}
    daemon.say(record_call(daemon.receiver, max_length=0.5), {"sleep": 1000}, {"hangup": {}})
    daemon.receiver.plan("/status", 500)
    await daemon.start()
    await switch.call(script=(Tone(10.0),))
    await daemon.until(lambda: len(daemon.seen(DeliveryGivenUp)) == 2 and daemon.quiet())
    await daemon.stop()
    async with aiohttp.ClientSession() as client:
        await daemon.start(ready=False)
        async with client.get(f"{daemon.url}/metrics") as response:
            told = (await response.text()).splitlines()
    assert "fsrec_webhooks_dead 2.0" in told
    assert "fsrec_webhooks_oldest_pending_timestamp_seconds 0.0" in told
