"""What a client of the flood measures of itself. Standard library alone."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


class Meter:
    """Counts down the events that a client was promised; the clock runs from `begin` to the last of them."""

    def __init__(self) -> None:
        self.port, self.events, self.size = map(int, sys.argv[1:4])
        self.left = self.events
        self._began = self._cpu = 0.0

    def begin(self) -> None:
        """Start the clock: right before the flood is asked for."""
        self._cpu, self._began = time.process_time(), time.perf_counter()

    def end(self) -> None:
        """Print seconds, processor seconds and peak memory (bytes), and end the process."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        status = Path("/proc/self/status").read_text()  # getrusage's maximum is inherited from who started us
        peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
        print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": peak}), flush=True)
        os._exit(0)
