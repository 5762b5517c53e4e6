"""The rules by themselves: Prometheus takes them, their own tests pass, and each alert says what people need."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.logs import event_name
from controller.settings_model import Settings
from tests.harness.prometheus import program
from tests.monitoring.files import MANUAL, MONITORING, ROOT, RULES, TESTS, ruled, rules, seconds, shown

ALERTS = rules("alert")


def promtool(*arguments: str) -> str:
    """What it says; it must be content."""
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    """`promtool check config` reads the rules that it names."""
    assert f"{len(RULES)} rule files found" in promtool("check", "config", str(MONITORING / "prometheus.yml"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_rules_tests_pass(path: Path) -> None:
    """`promtool test rules`: alerts fire after their time, with these words, and not in near misses."""
    promtool("test", "rules", str(path))


def told() -> list[tuple[str, list[dict[str, Any]]]]:
    """Of each question in the rules' tests the alert, and what is expected to fire."""
    tests = [test for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]]
    return [(one["alertname"], one.get("exp_alerts", [])) for test in tests for one in test["alert_rule_test"]]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}")
def test_each_alert_is_seen_to_fire_and_to_be_silent(alert: dict[str, Any]) -> None:
    """A rule that no test makes fire may never do so; one that none keeps silent may always."""
    asked = [expected for name, expected in told() if name == alert["alert"]]
    severity = alert["labels"]["severity"]
    fires = [[one for one in expected if one["exp_labels"]["severity"] == severity] for expected in asked]
    assert any(fires)
    assert not all(fires)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}")
def test_each_alert_says_what_people_need(alert: dict[str, Any]) -> None:
    """A name, how long, how bad, what in a line, what in full, and where it stands what to do."""
    assert re.fullmatch(r"([A-Z][a-z]+)+", alert["alert"])
    assert "for" in alert
    assert alert["labels"].keys() == {"severity"}
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    assert alert["annotations"]["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"


def test_the_manual_has_a_section_for_each_alert_and_no_other() -> None:
    """In each: what it means, where to look, what to do."""
    _, _, text = MANUAL.read_text().partition("\n## Alerts\n")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(dict.fromkeys(sections))
    assert set(sections) == {alert["alert"] for alert in ALERTS}
    for name, section in sections.items():
        assert re.findall(r"^\*\*(\w+)\*\*:", section, re.MULTILINE) == ["Means", "Look", "Do"], name


def test_links_within_the_manual_lead_somewhere() -> None:
    """Each anchor is a heading of its own."""
    text = MANUAL.read_text()
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings


def test_the_manual_names_log_events_and_settings_that_there_are() -> None:
    """What it writes as `noun.verb` is logged by that name, or is a setting."""
    sources = "\n".join(path.read_text() for path in (ROOT / "controller").rglob("*.py"))
    known = {event_name(type(name, (), {})) for name in re.findall(r"^class (\w+)\b", sources, re.MULTILINE)}
    known |= set(re.findall(r'"([a-z_]+\.[a-z_]+)"', (ROOT / "controller" / "logs.py").read_text()))
    for section, field in Settings.model_fields.items():
        known |= {f"{section}.{key}" for key in getattr(field.annotation, "model_fields", ())}
    named = set(re.findall(r"`([a-z_]+\.[a-z_]+)[:`]", MANUAL.read_text()))
    files = {name for name in named if name.rpartition(".")[2] in {"yaml", "yml", "db", "key"}}
    assert len(named) > 30
    assert named - files - known == set()


def test_recording_rules_are_named_by_their_level_metric_and_operations() -> None:
    """And each is used by an alert or a panel."""
    names = {rule["record"] for rule in rules("record")}
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*:fsrec_[a-z_]+:[a-z0-9_]+", name) for name in names)
    used = " ".join(one.text for one in (*ruled(), *shown()))
    assert {name for name in names if not re.search(rf"(?<![\w:]){name}(?![\w:])", used)} == set()


def test_no_alert_waits_less_than_it_takes_to_know() -> None:
    """A critical alert survives one scrape that failed, and no sooner wakes anybody."""
    scrape = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert all(
        seconds(alert["for"]) >= 2 * seconds(scrape) for alert in ALERTS if alert["labels"]["severity"] == "critical"
    )
