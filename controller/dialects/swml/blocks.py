"""What a checked document is: blocks of instructions, by names that a stored position can hold."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Any

_SHOWN = 40
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Branch:
    """One `when` of a cond, as JavaScript, and the name of its block."""

    when: str
    then: str


@dataclass(frozen=True, slots=True)
class Cond:
    """Branches in their order; ``other`` is the block that runs where none is true, if there is one."""

    branches: tuple[Branch, ...]
    other: str | None


@dataclass(frozen=True, slots=True)
class Switch:
    """Blocks by the text of a variable's value."""

    variable: str
    cases: MappingOf[str, str]
    default: str | None


@dataclass(frozen=True, slots=True)
class Inline:
    """A document within a document, by the block of its ``main``."""

    block: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step as written: its method, the values of all its properties that have one (defaults filled in).

    A value is of its row's type, a template of that, or one of the shapes above. Any value (`set`, `params`,
    `return`) is in JSON types with templates in them; a list of steps is its block's name.
    """

    method: str
    values: MappingOf[str, Any]
    line: int
    where: str


@dataclass(frozen=True, slots=True)
class Block:
    """A list of steps: a section's, or one within a step. ``parent`` is the block and place of that step.

    ``scope`` is what the names of sections are looked up with: it differs for each inline document.
    """

    steps: tuple[Instruction, ...]
    section: str
    scope: str
    labels: MappingOf[str, int]
    parent: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may run: all its blocks by name. Those of its sections have the sections' names."""

    blocks: MappingOf[str, Block]
    text: str = ""

    @property
    def sections(self) -> MappingOf[str, tuple[Instruction, ...]]:
        """The steps of its own sections, ``main`` among them."""
        own = {name: block for name, block in self.blocks.items() if block.parent is None and not block.scope}
        return {block.section: block.steps for block in own.values()}


def section_block(scope: str, name: str) -> str:
    """Return what a section's block is called."""
    return f"{scope}{place('', name)}"


def find_label(blocks: MappingOf[str, Block], block: str, label: str) -> tuple[str, int] | None:
    """Return where a label is, seen from a block: in its steps or in those around it, the nearest first."""
    name: str | None = block
    while name is not None:
        found = blocks[name]
        if label in found.labels:
            return name, found.labels[label]
        name = None if found.parent is None else found.parent[0]
    return None


def place(where: str, key: str) -> str:
    """Return the place of a key within another: for messages short, and as a block's name no other's."""
    if _NAME.match(key):
        return f"{where}.{key}" if where else key
    cut = (
        key if len(key) <= _SHOWN else f"{key[:_SHOWN]}...{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}"
    )
    return f"{where}[{json.dumps(cut)}]"
