"""The dashboard's file: what Grafana would refuse, draw over itself, or leave unexplained. Grafana is not run."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import yaml

from tests.monitoring.files import DASHBOARD, MONITORING, dashboard, panels

MODEL = dashboard()
PANELS = list(panels(MODEL))
DRAWN = [panel for panel in PANELS if panel["type"] != "row"]


def test_it_is_written_to_be_read() -> None:
    """Two spaces, so that a change is a change of its lines."""
    assert DASHBOARD.read_text() == json.dumps(MODEL, indent=2, ensure_ascii=False) + "\n"


def test_panels_have_ids_of_their_own() -> None:
    """Grafana takes two of one id for one."""
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_no_panel_lies_on_another() -> None:
    """On the page, and in each closed row."""
    for group in (MODEL["panels"], *(panel["panels"] for panel in MODEL["panels"] if panel.get("panels"))):
        places = [panel["gridPos"] for panel in group]
        assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
        assert not [pair for pair in itertools.combinations(places, 2) if overlap(*pair)]


def test_it_answers_the_four_questions_first() -> None:
    """Open, top to bottom; the rooms' rows are closed below."""
    rows = [panel for panel in MODEL["panels"] if panel["type"] == "row"]
    opened = [row["title"] for row in rows if not row["collapsed"]]
    assert opened == ["Is it up?", "Is it recording?", "Is anything late?", "Is anything lost?"]
    assert [row["title"] for row in rows][:4] == opened
    assert all(bool(row["panels"]) == row["collapsed"] for row in rows)


def test_each_panel_explains_itself() -> None:
    """A title, a description, a unit, an expression; each by a reference of its own."""
    for panel in DRAWN:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
        assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def units(expression: str) -> set[str]:
    """The units that fit what an expression says, by its metrics' names."""
    if "60 *" in expression:
        return {"cpm", "epm", "reqpm"}
    if re.search(r"\) / |\) by|process_cpu", expression):
        return {"percentunit"}
    if "bytes_total" in expression:
        return {"Bps"}
    if "_bytes" in expression:
        return {"bytes"}
    return {"s"} if "_seconds" in expression else {"short"}


def test_units_are_those_of_the_metrics() -> None:
    """Seconds are shown as seconds, bytes as bytes, ratios as percent."""
    for panel in DRAWN:
        unit = panel["fieldConfig"]["defaults"].get("unit")
        for target in panel["targets"] if unit else ():
            assert unit in units(target["expr"]), (panel["title"], target["expr"])


def sources(value: Any) -> list[dict[str, str]]:
    """Every reference to a data source."""
    if isinstance(value, list):
        return [found for one in value for found in sources(one)]
    if not isinstance(value, dict):
        return []
    own = [value["datasource"]] if "datasource" in value else []
    return own + [found for one in value.values() for found in sources(one)]


def test_its_data_source_is_the_provisioned_one() -> None:
    """By uid: a name or a default would be whatever that Grafana has."""
    path = MONITORING / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    (provisioned,) = yaml.safe_load(path.read_text())["datasources"]
    wanted = {"type": provisioned["type"], "uid": provisioned["uid"]}
    built_in = {"type": "grafana", "uid": "-- Grafana --"}
    assert [one for one in sources(MODEL) if one not in (wanted, built_in)] == []
    interval = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert provisioned["jsonData"]["timeInterval"] == interval


def test_variables_are_there_and_used() -> None:
    """Daemon, switch, dialect: each narrows some panels, and no panel names another."""
    variables = {one["name"] for one in MODEL["templating"]["list"]}
    assert variables == {"instance", "switch", "dialect"}
    used = {
        name
        for panel in DRAWN
        for target in panel["targets"]
        for name in re.findall(r"\$(\w+)", target["expr"])
        if not name.startswith("__")
    }
    assert used == variables
