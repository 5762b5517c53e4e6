"""What monitoring/ holds, as tests read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yml"))
TESTS = sorted((MONITORING / "tests").glob("*.yml"))
DASHBOARD = MONITORING / "grafana" / "dashboards" / "fsrec.json"
MANUAL = ROOT / "docs" / "operations.md"

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SELECTOR = re.compile(r"(?<![\w:])([a-z_]+:\w+:\w+|fsrec_\w+|process_\w+|up)(?![\w:])(\{[^}]*\})?")
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right) *\(([^)]*)\)")


def seconds(duration: str) -> float:
    """Prometheus' durations, as in 1h30m."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhd])", duration))


def rules(kind: str) -> list[dict[str, Any]]:
    """The rules of all files; ``kind`` is alert or record."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def dashboard() -> dict[str, Any]:
    """The dashboard's model."""
    return dict(json.loads(DASHBOARD.read_text()))


def panels(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, rows and what is in them too."""
    for panel in model["panels"]:
        yield panel
        yield from panel.get("panels", ())


class Expression(NamedTuple):
    """One expression, and where it stands."""

    place: str
    text: str

    @property
    def selectors(self) -> list[str]:
        """Its metrics, each with what is asked of its labels."""
        return [name + (matchers or "") for name, matchers in _SELECTOR.findall(self.text)]

    @property
    def labels(self) -> set[str]:
        """The labels by which it groups or joins."""
        return {name.strip() for names in _GROUPED.findall(self.text) for name in names.split(",")}


def shown() -> list[Expression]:
    """The dashboard's expressions, as they are asked with every variable at All."""
    model = dashboard()
    found = [(panel["title"], target["expr"]) for panel in panels(model) for target in panel.get("targets", ())]
    found += [(one["name"], one["expr"]) for one in model["annotations"]["list"] if "expr" in one]
    return [Expression(f"dashboard: {title}", filled(text)) for title, text in found]


def filled(text: str) -> str:
    """An expression of the dashboard, as Grafana sends it where nothing is chosen."""
    for variable, value in {"$__rate_interval": "1m", "$__range": "6h"}.items():
        text = text.replace(variable, value)
    return re.sub(r"\$(instance|switch|dialect)\b", ".*", text)


def ruled() -> list[Expression]:
    """The rules' expressions."""
    return [
        Expression(f"rule: {rule.get('alert', rule.get('record'))}", rule["expr"])
        for kind in ("alert", "record")
        for rule in rules(kind)
    ]
