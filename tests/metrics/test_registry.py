"""controller/metrics/registry.py: what an event adds where, and what nobody foresaw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from controller.metrics.registry import Metric, Metrics, On, counter, gauge, histogram
from tests.metrics.exposed import key, samples


@dataclass(frozen=True, slots=True)
class Rained:
    """An event."""

    place: str
    amount: float | None = 1.0


PLACES = {"place": ("hill", "vale")}
FAMILIES: tuple[Metric, ...] = (
    counter(
        "rain_total", "Rain.", On(Rained, lambda event: (event.place,), lambda event: event.amount), labels=PLACES
    ),
    gauge("wet", "Wet.", On(Rained, lambda event: (event.place,), lambda event: event.amount), labels=PLACES),
    histogram("rain_bytes", "How much.", On(Rained, amount=lambda event: event.amount), buckets=(1.0, 5.0)),
    gauge("sun", "Sun.", labels=PLACES),
    gauge("wind", "Wind."),
)


def made() -> Metrics:
    return Metrics(FAMILIES, version="1.2.3")


def test_children_are_there_at_zero() -> None:
    """Each child that is foreseen is told before anything happened."""
    found = samples(made().exposition())
    for name, labels in (("rain_total", {"place": "vale"}), ("sun", {"place": "hill"}), ("rain_bytes_count", {})):
        assert found[key(name, **labels)] == 0
    assert not [name for name, _ in found if name.endswith("_created")]


def test_an_event_feeds_every_family_that_has_it() -> None:
    """A counter grows, a gauge is set, a histogram sorts; one that amounts to None leaves all as they were."""
    metrics = made()
    for amount in (3.0, None, 0.5):
        metrics.observe(Rained("vale", amount))
    metrics.observe(object())
    found = samples(metrics.exposition())
    assert found[key("rain_total", place="vale")] == 3.5
    assert found[key("wet", place="vale")] == 0.5
    assert found[key("rain_bytes_count")] == 2
    assert found[key("rain_bytes_bucket", le="1.0")] == 1
    assert found[key("rain_total", place="hill")] == found[key("wet", place="hill")] == 0


def test_several_events_feed_one_family() -> None:
    """As many sources as there are are added up."""
    one = counter("rain_total", "Rain.", On(Rained), On(int, amount=float))
    metrics = Metrics((one,), version="")
    metrics.observe(Rained("x"))
    metrics.observe(5)
    assert samples(metrics.exposition())[key("rain_total")] == 6


def test_what_is_not_foreseen_is_other() -> None:
    """Any number of invented values make one more series for each family."""
    metrics = made()
    before = samples(metrics.exposition()).keys()
    for number in range(50):
        metrics.observe(Rained(f"place{number}"))
    after = samples(metrics.exposition())
    assert after[key("rain_total", place="other")] == 50
    assert after.keys() - before == {key("rain_total", place="other"), key("wet", place="other")}


def test_gauges_without_events_are_read_at_each_exposition() -> None:
    """By label or plain; what a reading does not name is 0 again; who watches nothing that exists is told so."""
    metrics = made()
    assert metrics.unwatched == {"sun", "wind"}
    said: list[Mapping[str, float]] = [{"hill": 2.0}, {"vale": 1.0, "elsewhere": 9.0}]
    metrics.watch("sun", lambda: said.pop(0))
    metrics.watch("wind", lambda: 4)
    assert metrics.unwatched == set()
    first, second = samples(metrics.exposition()), samples(metrics.exposition())
    assert [(one[key("sun", place="hill")], one[key("sun", place="vale")]) for one in (first, second)] == [
        (2.0, 0.0),
        (0.0, 1.0),
    ]
    assert first[key("wind")] == 4
    assert key("sun", place="elsewhere") not in second
    with pytest.raises(KeyError):
        metrics.watch("rain", lambda: 1.0)


def test_the_build_and_the_process_are_told() -> None:
    """Version and Python are labels of one sample; the process's own metrics are there; registries are apart."""
    found = samples(made().exposition())
    (build,) = [labels for name, labels in found if name == "fsrec_build_info"]
    assert dict(build)["version"] == "1.2.3"
    assert ("process_resident_memory_bytes", frozenset()) in found
    assert samples(made().exposition()).keys() == found.keys()
