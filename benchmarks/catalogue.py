"""Every benchmark, in the order in which they are run."""

from __future__ import annotations

from benchmarks import callbacks, many_recordings, start_latency, startup
from benchmarks.row import Benchmark

BENCHMARKS = (
    Benchmark("start-latency", (3,), start_latency.rows),
    Benchmark("many-recordings", (5,), many_recordings.rows),
    Benchmark("callbacks", (6,), callbacks.rows),
    Benchmark("startup", (9,), startup.rows),
)
