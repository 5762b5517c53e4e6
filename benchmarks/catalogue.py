"""Every benchmark, in the order in which they are run."""

from __future__ import annotations

from benchmarks import an_hour, beside_httapi, derived, start_latency, start_rate
from benchmarks.row import Benchmark

BENCHMARKS = (
    Benchmark("start-rate", (2,), start_rate.rows),
    Benchmark("start-latency", (3,), start_latency.rows),
    Benchmark("derived", (4,), derived.rows),
    Benchmark("an-hour", (8,), an_hour.rows),
    Benchmark("an-hour-beside-calls", (8,), an_hour.calls_beside),
    Benchmark("beside-httapi", (10,), beside_httapi.rows),
)
