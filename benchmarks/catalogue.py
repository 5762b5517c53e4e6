"""Every benchmark, in the order in which they are run."""

from __future__ import annotations

from benchmarks import (
    an_hour,
    beside_httapi,
    callbacks,
    derived,
    ingest,
    many_recordings,
    start_latency,
    start_rate,
    startup,
    store_size,
)
from benchmarks.row import Benchmark

BENCHMARKS = (
    Benchmark("ingest", (1,), ingest.rows),
    Benchmark("start-rate", (2,), start_rate.rows),
    Benchmark("start-latency", (3,), start_latency.rows),
    Benchmark("derived", (4,), derived.rows),
    Benchmark("many-recordings", (5,), many_recordings.rows),
    Benchmark("callbacks", (6,), callbacks.rows),
    Benchmark("store-size", (7,), store_size.rows),
    Benchmark("an-hour", (8,), an_hour.rows),
    Benchmark("an-hour-beside-calls", (8,), an_hour.calls_beside),
    Benchmark("startup", (9,), startup.rows),
    Benchmark("beside-httapi", (10,), beside_httapi.rows),
)
