"""README and docs/: what they name exists, and the commands and settings that they show are right."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from controller.cli.parser import build
from controller.logs import event_name
from controller.metrics.registry import PREFIX, Names
from controller.metrics.tables import table
from controller.settings import Settings, parse
from controller.settings import _models as models_of
from tests.manual.pages import NAMES, PAGES, ROOT, anchors, blocks, links, shell, spans

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
ROOMS = ("controller/", "docs/", "tests/", "dialplans/", "freeswitch-conf/", "monitoring/", "systemd/", "benchmarks/")
CODE = "".join(module.read_text() for module in (ROOT / "controller").rglob("*.py"))
LOGGED = {
    re.sub(r"(?<!^)(?=[A-Z])", ".", name, count=1).lower()
    for name in re.findall(r"^class ([A-Z]\w+)[:(]", CODE, re.MULTILINE)
}
"""What a log calls telemetry's events: ``MediaStalled`` is media.stalled."""

VARIABLES = {"fsrec_account", "fsrec_document", "fsrec_recording", "fsrec_unattended"}
"""Names that fsrec gives to things in FreeSWITCH."""

SECRETS = ("API_TOKEN", "SIGNING_KEY", "TWILIO_TOKEN", "PLIVO_TOKEN", "ESL_PASSWORD")
ENVIRON = {f"FSREC_{name}": "secret" for name in SECRETS}
SWITCH = "switches: [{name: fs1, password: x, switch_path: /r, local_path: /r}]\n"

every_page = pytest.mark.parametrize("page", PAGES, ids=list(NAMES.values()))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file that is there, and a heading of it."""
    lost = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_decisions_have_a_table_of_contents() -> None:
    """Each section of docs/decisions.md is named at its head."""
    page = ROOT / "docs" / "decisions.md"
    head, *sections = page.read_text().split("\n## ")
    assert [title for section in sections if f"[{(title := section.splitlines()[0])}](" not in head] == []


@every_page
def test_files_exist(page: Path) -> None:
    """Each path of this repository that is named is there; one with a star names at least one file."""
    named = {span for span in spans(page) if span.startswith(ROOMS) and not re.search(r"[\s{…:]", span)}
    assert {path for path in named if not list(ROOT.glob(path.rstrip("/")))} == set()


@every_page
def test_make_targets_exist(page: Path) -> None:
    """Each `make …` is a target of the Makefile."""
    named = {match[1] for line in shell(page) if (match := re.search(r"(?:^| )make ([a-z]+)", line))}
    assert named - TARGETS == set()


def test_each_make_target_is_told() -> None:
    """Whoever changes fsrec finds each target of the Makefile."""
    told = (ROOT / "docs" / "contributing.md").read_text()
    assert [target for target in sorted(TARGETS) if f"| `make {target}` |" not in told] == []


def test_each_command_is_told() -> None:
    """Each command that --help lists is at the head of docs/cli.md, with the verbs that it has."""
    (head,) = re.findall(
        r"^ {4}fsrec recordings.*?\n\n", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE | re.DOTALL
    )
    words = set(re.findall("[a-z]+", head))
    assert names_of(build()) - words == set()


def names_of(parser: argparse.ArgumentParser) -> set[str]:
    """Its commands, and theirs."""
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                found |= {name, *names_of(inner)}
    return found


def test_events_exist() -> None:
    """Each event of the log that docs/operations.md has somebody look for is one that is logged."""
    known = {event_name(type(name, (), {})) for name in re.findall(r"^class ([A-Z]\w+)[:(]", CODE, re.MULTILINE)}
    named = {span for span in spans(ROOT / "docs" / "operations.md") if re.fullmatch(r"[a-z_]+\.[a-z_]+", span)}
    events = {name for name in named if name.split(".")[0] not in Settings.model_fields} - {"prometheus.yml"}
    assert len(events) > 30
    assert {name for name in events - known if f'"{name}"' not in CODE} == set()


@every_page
def test_commands_parse(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command line of fsrec is one that fsrec takes."""
    refused = []
    for line in shell(page):
        if not line.startswith("fsrec ") or "…" in line.removesuffix("FILE…"):
            continue
        words = shlex.split(re.split(r" [|>&]", line)[0].replace("[", "").replace("]", ""), comments=True)[1:]
        if all(word.isalpha() and word.islower() for word in words):  # a command's name
            words.append("--help")
        try:
            build().parse_args(words)
        except SystemExit as ended:
            if ended.code:
                refused.append((line, capsys.readouterr().err.splitlines()[-1]))
    assert refused == []


def knows(model: type[BaseModel], path: list[str]) -> bool:
    """Whether settings have a key."""
    field = model.model_fields.get(path[0])
    if field is None:
        return False
    return len(path) == 1 or any(knows(inner, path[1:]) for inner in models_of(field.annotation))


@every_page
def test_settings_exist(page: Path) -> None:
    """Each `section.key`, and each `key: value` of a section's, is one that fsrec.yaml may have."""
    named = [
        match[1] for span in spans(page) if (match := re.fullmatch(r"([a-z_0-9]+(?:\.[a-z_0-9]+)+)(?::.*)?", span))
    ]
    paths = [name.split(".") for name in named if name not in LOGGED]
    paths = [path for path in paths if path[0] in Settings.model_fields]
    assert [path for path in paths if not knows(Settings, path) and path[-1] not in {"py", "yaml"}] == []


@every_page
def test_shown_settings_load(page: Path) -> None:
    """Each piece of fsrec.yaml that is shown loads."""
    for block in blocks(page, "yaml"):
        tree = yaml.safe_load(block)
        if set(tree) <= Settings.model_fields.keys():
            parse(block if "switches" in tree else SWITCH + block, str(page), ROOT, ENVIRON)


SERIES = {f"{PREFIX}{family.name}" for family in table(Names((), ()))} | {f"{PREFIX}build_info"}


@every_page
def test_metrics_exist(page: Path) -> None:
    """Each metric that is named is one that /metrics shows."""
    named = {name for span in spans(page) for name in re.findall(r"\bfsrec_[a-z_]+\b", span)} - VARIABLES
    known = SERIES | {f"{name}{end}" for name in SERIES for end in ("_bucket", "_sum", "_count")}
    assert named - known == set()
