"""Documents as people write them: ours in `dialplans/documents`, and anybody's in a directory that is named.

FSREC_SWML_SAMPLES is a directory of SWML documents (`*.json`, `*.yaml`, `*.yml`), SignalWire's public ones for
instance. What its documents ask for is read here from the text itself, by a reader that shares nothing with ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controller.dialects.swml.methods import METHODS
from tests.dialects.swml.sample import DIALECT

ROOT = Path(__file__).parents[3]
OURS = sorted((ROOT / "dialplans" / "documents").glob("*.swml.*"))
NAMED = os.environ.get("FSREC_SWML_SAMPLES", "")
SUFFIXES = {".json", ".yaml", ".yml"}


def samples() -> list[Path]:
    """The named directory's documents."""
    return sorted(path for path in Path(NAMED).iterdir() if path.suffix in SUFFIXES) if NAMED else []


def asked(text: str) -> list[tuple[str, int]]:
    """Every step's method and its line. Raises yaml.YAMLError."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    sections = dict(pairs(root)).get("sections")
    return [found for _, steps in pairs(sections) for found in methods(steps)]


def pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """A mapping's keys and their nodes; nothing of anything else."""
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), value) for key, value in node.value)


def items(node: yaml.Node | None) -> list[yaml.Node]:
    """A list's nodes; nothing of anything else."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def methods(steps: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """The methods of a list of steps, and of the lists within them; no name for a step that has not one."""
    for step in items(steps):
        if len(list(pairs(step))) != 1:
            yield "", int(step.start_mark.line) + 1
            continue
        for name, value in pairs(step):
            yield name, line_of(step, name)
            inner = dict(pairs(value))
            if name == "cond":
                yield from branches(value)
            elif name == "switch":
                yield from cases(value)
            elif name == "execute":
                yield from methods(inner.get("on_return"))
                yield from branches(inner.get("result"))
                yield from cases(inner.get("result"))


def line_of(step: yaml.Node, name: str) -> int:
    """The line of a mapping's key, from 1."""
    assert isinstance(step, yaml.MappingNode)
    return next(int(key.start_mark.line) + 1 for key, _ in step.value if key.value == name)


def branches(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """The methods of a `cond`."""
    for branch in items(node):
        for name, steps in pairs(branch):
            if name in {"then", "else"}:
                yield from methods(steps)


def cases(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """The methods of a `switch`."""
    inner = dict(pairs(node))
    for _, steps in pairs(inner.get("case")):
        yield from methods(steps)
    yield from methods(inner.get("default"))


def faults(text: str) -> list[str]:
    """What the check of a document says wrongly, or leaves out."""
    problems = DIALECT.check(text, "sample")
    foreign = [(name, line) for name, line in asked(text) if name not in METHODS]
    if not foreign:
        return [str(problem) for problem in problems]
    if any("more problems" in problem.message for problem in problems):
        foreign = foreign[:1]
    told = [(problem.line, str(problem)) for problem in problems]
    return [
        f"line {line}: {name} is not told of"
        for name, line in foreign
        if not any(at == line and name in words for at, words in told)
    ]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_our_documents_are_right(path: Path) -> None:
    """`fsrec check` has nothing to say of the documents that we ship."""
    assert DIALECT.check(path.read_text(), path.name) == ()


@pytest.mark.skipif(not NAMED, reason="FSREC_SWML_SAMPLES names no directory of SWML documents")
@pytest.mark.parametrize("path", samples(), ids=lambda path: path.name)
def test_a_document_passes_or_is_refused_by_method_and_line(path: Path) -> None:
    """One that asks for what is served passes; one that asks for more is refused, each such step by name and line."""
    assert faults(path.read_text()) == []


def test_the_reader_of_this_test_finds_every_step() -> None:
    """Steps in steps, in YAML of both styles and in JSON; else the test above would pass for nothing."""
    block = """\
sections:
  main:
    - sip_refer: {}
    - cond:
        - when: 'true'
          then: [{denoise: {}}]
        - else:
            - tap: {}
    - switch:
        variable: a
        case:
          b:
            - pay: {}
        default:
          - join_room: {}
    - execute:
        dest: other
        on_return:
          - stop_tap: {}
        result:
          case: {x: [{stream: {}}]}
  other:
    - {ai: {}}
"""
    every = {"sip_refer", "denoise", "tap", "pay", "join_room", "stop_tap", "stream", "ai"}
    assert {name for name, _ in asked(block)} - METHODS.keys() == every
    assert ("tap", 8) in asked(block)
    assert asked('{"sections": {"main": [\n{"play":\n{}}]}}') == [("play", 2)]
    assert faults(block) == []
    assert faults("sections: {main: [{hangup: {}}]}") == []
    assert faults("sections: {main: [{hangup: {}, sleep: 1}]}") == []
