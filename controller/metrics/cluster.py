"""Daemons that share a database: who holds which switch, and what they ask each other."""

from __future__ import annotations

from controller.cluster.events import (
    CommandAsked,
    CommandsStalled,
    CommandTaken,
    CommandUnreadable,
    LeaseEnded,
    LeasesUnreachable,
    LeaseTaken,
)
from controller.cluster.verbs import REFUSALS, VERBS
from controller.metrics.registry import LATENCIES, Metric, Names, On, counter, gauge, histogram

TAKEN = ("done", *REFUSALS)
ASKED = (*TAKEN, "void", "unanswered", "failed")
_VERBS = tuple(VERBS)


def cluster(names: Names) -> tuple[Metric, ...]:
    """Return the families."""
    of_switch = {"switch": names.switches}
    return (
        gauge(
            "switches_held",
            "Whether this daemon serves a switch. One of those that share a database does, one alone serves all; "
            "where it says 0, so do the other gauges of that switch.",
            labels=of_switch,
        ),
        counter(
            "leases_taken_total",
            "Times that this daemon began to serve a switch that it shares with others.",
            On(LeaseTaken, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        counter(
            "leases_ended_total",
            "Times that it let one go again.",
            On(LeaseEnded, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        counter(
            "lease_failures_total", "Times that leases could not be renewed or looked at.", On(LeasesUnreachable)
        ),
        counter(
            "commands_asked_total",
            "Commands that the daemon which holds the switch was asked for.",
            On(CommandAsked, lambda event: (event.verb, event.outcome)),
            labels={"verb": _VERBS, "outcome": ASKED},
        ),
        histogram(
            "command_asked_duration_seconds",
            "Time until such a command was answered, or given up.",
            On(CommandAsked, amount=lambda event: event.seconds),
            buckets=LATENCIES,
        ),
        counter(
            "commands_taken_total",
            "Commands that were carried out for another daemon.",
            On(CommandTaken, lambda event: (event.verb, event.outcome)),
            labels={"verb": _VERBS, "outcome": TAKEN},
        ),
        counter(
            "commands_unreadable_total",
            "Commands or answers of another daemon that this version could not read.",
            On(CommandUnreadable),
        ),
        counter("commands_stalled_total", "Times that the store could not be asked for them.", On(CommandsStalled)),
    )
