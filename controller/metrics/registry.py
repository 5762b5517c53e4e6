"""What a family is, what feeds it, and the registry that Prometheus reads.

A family is fed by telemetry (``On``), or, if it is a gauge without that, by who watches it (``Metrics.watch``): it is
read at each exposition, which asks no database and waits for nobody.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

PREFIX = "fsrec_"
OTHER = "other"
_E = TypeVar("_E")
Values = tuple[str, ...]
Labels = Mapping[str, Sequence[str]]
Act = Callable[[float], None]

LATENCIES = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Buckets, in seconds, of what is to be quick."""
FETCHES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Buckets of what others answer."""
LENGTHS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Buckets of what is as long as a recording, or takes that long."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's; a third of all series, of use to nobody


class Names(NamedTuple):
    """The names of which there are as many as the settings say."""

    dialects: Sequence[str]
    switches: Sequence[str]


class Kind(StrEnum):
    """Kinds of families."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class On(Generic[_E]):
    """What an event adds to a family, or sets it to, if it is a gauge; None leaves it as it is.

    ``values`` are an event's, of the family's labels in their order.
    """

    event: type[_E]
    values: Callable[[_E], Values] = lambda _: ()
    amount: Callable[[_E], float | None] = lambda _: 1.0


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. ``labels`` maps each label to the values foreseen; ``name`` is without the prefix."""

    kind: Kind
    name: str
    help: str
    sources: tuple[On[Any], ...]
    labels: Labels = field(default_factory=dict)
    buckets: tuple[float, ...] = ()


def counter(name: str, text: str, *sources: On[Any], labels: Labels | None = None) -> Metric:
    """Return a family that grows by what its events amount to."""
    return Metric(Kind.COUNTER, name, text, sources, labels or {})


def histogram(
    name: str, text: str, *sources: On[Any], buckets: tuple[float, ...], labels: Labels | None = None
) -> Metric:
    """Return a family that sorts what its events amount to into buckets."""
    return Metric(Kind.HISTOGRAM, name, text, sources, labels or {}, buckets)


def gauge(name: str, text: str, *sources: On[Any], labels: Labels | None = None) -> Metric:
    """Return a family that says how something is now: what its last event amounted to, or who watches it says."""
    return Metric(Kind.GAUGE, name, text, sources, labels or {})


Read = Callable[[], float | Mapping[str, float]]
"""Reads a gauge: its value, or those of its one label, 0 where nothing is said."""


class Metrics:
    """A registry of its own, fed by telemetry: subscribe ``observe``. ``version`` is fsrec's.

    ``observe`` costs half a microsecond for each family that an event feeds, and a lookup for one that feeds none.
    """

    def __init__(self, families: Iterable[Metric], *, version: str) -> None:
        self._registry = CollectorRegistry()
        self._feeds: dict[type, tuple[Callable[[Any], None], ...]] = {}
        self._watched: dict[str, tuple[dict[Values, Act], Read | None]] = {}
        ProcessCollector(registry=self._registry)
        build = Gauge(f"{PREFIX}build_info", "What runs.", ["version", "python"], registry=self._registry)
        build.labels(version, platform.python_version()).set(1)
        for family in families:
            child, children = self._made(family)
            for source in family.sources:
                feed = _feed(source, child, children, tuple(family.labels.values()))
                self._feeds[source.event] = (*self._feeds.get(source.event, ()), feed)
            if not family.sources:
                self._watched[family.name] = (children, None)

    def observe(self, event: object) -> None:
        """Count an event; one that feeds no family is no metric's."""
        for feed in self._feeds.get(type(event), ()):
            feed(event)

    def watch(self, name: str, read: Read) -> None:
        """Have a gauge that no event feeds read whenever it is asked for. Raises KeyError where there is none."""
        children, _ = self._watched[name]
        self._watched[name] = (children, read)

    @property
    def unwatched(self) -> set[str]:
        """The gauges that nothing feeds."""
        return {name for name, (_, read) in self._watched.items() if read is None}

    def exposition(self) -> bytes:
        """Return the text format 0.0.4."""
        for children, read in self._watched.values():
            if read is None:
                continue
            value = read()
            for values, act in children.items():
                act(value.get(values[0], 0.0) if isinstance(value, Mapping) else value)
        return generate_latest(self._registry)

    def _made(self, family: Metric) -> tuple[Callable[[Values], Act], dict[Values, Act]]:
        """Return a family's children: how one is had, and those that are foreseen."""
        name, labels = f"{PREFIX}{family.name}", list(family.labels)
        instrument: Counter | Gauge | Histogram
        if family.kind is Kind.COUNTER:
            instrument = Counter(name, family.help, labels, registry=self._registry)
        elif family.kind is Kind.GAUGE:
            instrument = Gauge(name, family.help, labels, registry=self._registry)
        else:
            instrument = Histogram(name, family.help, labels, buckets=family.buckets, registry=self._registry)

        def child(values: Values) -> Act:
            return _act(instrument.labels(*values) if values else instrument)

        return child, {values: child(values) for values in itertools.product(*family.labels.values())}


def _act(child: Counter | Gauge | Histogram) -> Act:
    if isinstance(child, Counter):
        return child.inc
    return child.set if isinstance(child, Gauge) else child.observe


def _feed(
    source: On[_E], child: Callable[[Values], Act], children: Mapping[Values, Act], foreseen: Sequence[Sequence[str]]
) -> Callable[[_E], None]:
    """Return what counts an event: the children are looked up once, and not for each."""
    amount, values_of = source.amount, source.values
    if not foreseen:
        only = children[()]

        def count(event: _E) -> None:
            value = amount(event)
            if value is not None:
                only(value)

        return count

    def count_labelled(event: _E) -> None:
        value = amount(event)
        if value is not None:
            values = values_of(event)
            act = children.get(values)
            if act is None:
                known = zip(values, foreseen, strict=True)
                act = child(tuple(value if value in values else OTHER for value, values in known))
            act(value)

    return count_labelled
