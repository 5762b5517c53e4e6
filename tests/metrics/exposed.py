"""An exposition as tests look at it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from controller.metrics.registry import PREFIX, Metric

Key = tuple[str, frozenset[tuple[str, str]]]


def key(name: str, **labels: str) -> Key:
    """A sample's name, without the prefix, and its labels."""
    return f"{PREFIX}{name}", frozenset(labels.items())


def samples(exposition: bytes) -> dict[Key, float]:
    """What is exposed."""
    families = text_string_to_metric_families(exposition.decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def foreseen(families: Iterable[Metric]) -> set[Key]:
    """A sample of every child that the tables foresee."""
    return {
        key(
            f"{family.name}_count" if family.buckets else family.name, **dict(zip(family.labels, values, strict=True))
        )
        for family in families
        for values in itertools.product(*family.labels.values())
    }
