"""The daemon as a whole: whether it is ready, and what it gives up."""

from __future__ import annotations

from controller.metrics.registry import Metric, Names, On, counter, gauge
from controller.overload.admission import OverloadBegan, OverloadEnded
from controller.overload.levels import Shed

SHED = tuple(shed.name.lower() for shed in Shed if shed)


def daemon(_names: Names) -> tuple[Metric, ...]:
    """Return the families."""
    return (
        gauge("ready", "Whether /readyz says ready: this daemon serves, and takes what is new."),
        gauge("degraded", "Whether /readyz has something to say of what is served less well."),
        gauge("shedding", "What is given up now: 1 extras, 2 recordings that APIs ask for, too, 3 new calls, too."),
        counter(
            "overloads_total",
            "Times that something became too much, by what was given up.",
            On(OverloadBegan, lambda event: (event.shed,)),
            labels={"shed": SHED},
        ),
        counter(
            "overload_seconds_total",
            "Time for which something was too much, told when it no longer is.",
            On(OverloadEnded, amount=lambda event: event.seconds),
        ),
    )
