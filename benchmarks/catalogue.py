"""Every benchmark, in the order in which they are run."""

from __future__ import annotations

from benchmarks import ingest, start_latency, store_size
from benchmarks.row import Benchmark

BENCHMARKS = (
    Benchmark("ingest", (1,), ingest.rows),
    Benchmark("start-latency", (3,), start_latency.rows),
    Benchmark("store-size", (7,), store_size.rows),
)
