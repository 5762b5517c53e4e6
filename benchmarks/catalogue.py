"""Every benchmark, in the order in which they are run."""

from __future__ import annotations

from benchmarks import beside_httapi, start_latency, start_rate
from benchmarks.row import Benchmark

BENCHMARKS = (
    Benchmark("start-rate", (2,), start_rate.rows),
    Benchmark("start-latency", (3,), start_latency.rows),
    Benchmark("beside-httapi", (10,), beside_httapi.rows),
)
