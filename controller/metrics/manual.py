"""docs/metrics.md, made of the tables: ``python -m controller.metrics.manual > docs/metrics.md``."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

from controller.metrics.registry import PREFIX, Metric, Names
from controller.metrics.tables import ROOMS

_HEAD = """\
# Metrics

What `/metrics` tells Prometheus: every family, its labels, what it is good for. This page is made of the tables in
`controller/metrics/` (`python -m controller.metrics.manual > docs/metrics.md`; a test compares).

Counters count since the daemon began. All children that can be foreseen exist at 0 from the start, so `rate()` and
`increase()` are right from the first event on; a value that nobody foresaw is told as `other`. No label has an id, a
URL, a number of a caller or an account's name. Units are seconds and bytes; times are Unix seconds by this machine's
clock. `switch` is a switch's name in the settings, `dialect` one of {dialects}. A scrape reads
memory alone. Beside these there are `fsrec_build_info` (`version`, `python`) and the process's own `process_…`.
"""
WIDTH = 118
_DIALECTS = ("swml", "twiml", "plivo")


def manual() -> str:
    """Return the page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD.format(dialects=", ".join(f"`{name}`" for name in _DIALECTS))
    names = Names(_DIALECTS, ())
    for room in ROOMS:
        yield f"## {room.name}\n\n{textwrap.fill(room.purpose, WIDTH, break_long_words=False)}\n"
        yield "| family | kind | labels | |\n|---|---|---|---|"
        for family in room.families(names):
            yield f"| `{PREFIX}{family.name}` | {family.kind} | {_labels(family)} | {family.help} |"
        yield ""


def _labels(family: Metric) -> str:
    return "<br>".join(
        f"`{label}`" if label in {"switch", "dialect"} else f"`{label}`: {', '.join(family.labels[label])}"
        for label in family.labels
    )


if __name__ == "__main__":
    sys.stdout.write(manual())
