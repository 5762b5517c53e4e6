"""fsrec.sample.yaml is the settings' manual: each key in its place, with words, its default, an example."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from controller.settings import Settings, parse
from controller.settings import _models as models_of
from tests.test_settings import ENVIRON, SAMPLE

TEXT = SAMPLE.read_text()
_HIDDEN = re.compile(r"^( *)# ( {0,3}(?:- )?[a-z_0-9]+:(?: .*)?)$", re.MULTILINE)
SHOWN = _HIDDEN.sub(r"\1\2", TEXT)
"""The sample with each key that is commented out taken out of its comment."""

OF_ALL_ACCOUNTS = {"retention_days", "absent_below_seconds", "absent_when_silent", "price_per_minute"}
"""Shown once, in the first account; the sample says of which vendors they are."""

_KEY = re.compile(r"^ *(?:- )?([a-z_0-9]+): *(.*?) *(?:(?<= )#(.*))?$")


def words() -> Iterator[tuple[str, str, str]]:
    """Each key of the file in its order: what stands behind it, and its comment with the lines that go on."""
    found: list[list[str]] = []
    for line in SHOWN.splitlines():
        key = _KEY.match(line)
        if key and not line.lstrip().startswith("#"):
            found.append([key[1], key[2], key[3] or ""])
        elif found and re.match(r"^ *#  ", line):
            found[-1][2] += line.replace("#", " ")
        elif found and line.startswith("# ") and found[-1][2]:
            found.append(["", "", ""])  # a section's words, which belong to no key
    return ((name, value, comment) for name, value, comment in found if name)


def keys(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Each key's path; an account's goes by its vendor."""
    for name, value in tree.items():
        yield (*path, name)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from keys(inner, (*path, name, *([inner["vendor"]] if "vendor" in inner else [])))


def fields(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Each key that settings may have, with its path as ``keys`` has it."""
    for name, field in model.model_fields.items():
        yield (*path, name), field
        for inner in models_of(field.annotation):
            vendor = inner.model_fields.get("vendor")
            yield from fields(inner, (*path, name, *(get_args(vendor.annotation) if vendor is not None else ())))


FIELDS = dict(fields(Settings))


def test_no_key_is_missing_from_its_place() -> None:
    """Each key stands under its own section, and nothing else does."""
    shown = set(keys(yaml.safe_load(SHOWN)))
    missing = {path for path in FIELDS if path not in shown}
    assert {path for path in missing if path[-1] not in OF_ALL_ACCOUNTS} == set()
    assert {("accounts", "signalwire", name) for name in OF_ALL_ACCOUNTS} <= shown
    assert shown - FIELDS.keys() == set()


def test_it_loads_with_all_that_is_shown() -> None:
    """Taken out of its comments it is valid as well."""
    names = set(re.findall(r"\$\{(\w+)\}", SHOWN)) - {"NAME"}
    settings = parse(SHOWN, environ=dict.fromkeys(names, "secret") | ENVIRON, base=Path("/etc/fsrec"))
    assert {account.vendor for account in settings.accounts} == {"signalwire", "twilio", "plivo"}


SECTIONS = {path[-1] for path, field in FIELDS.items() if any(models_of(field.annotation))}


@pytest.mark.parametrize(("name", "value", "comment"), list(words()), ids=lambda value: str(value)[:20])
def test_each_key_is_explained(name: str, value: str, comment: str) -> None:
    """Each key says what it is for; one without a value of its own shows an example and tells what holds without."""
    if name in SECTIONS:
        return
    told = comment.lower()
    assert comment.strip() or name in {"name", "vendor"}  # which the first account explains
    if value in {"", "{}", "[]"}:
        assert "example" in told or "as in" in told or re.search(r"\[\d", comment), "shows no example"
    if not value:
        assert "default:" in told, "does not tell what holds without it"


@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if field.is_required()], ids=".".join)
def test_what_is_required_says_so(path: tuple[str, ...]) -> None:
    """A key that must be there is told as required."""
    if any(models_of(FIELDS[path].annotation)) or path[-1] in {"name", "vendor"}:
        return
    assert any(name == path[-1] and "required" in comment for name, _, comment in words())
