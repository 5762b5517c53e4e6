"""The links to the switches, and what they bring.

A gauge of a switch that another daemon holds says 0 here; ``switches_held`` tells it from one that is away.
"""

from __future__ import annotations

import time

from controller.metrics.registry import LATENCIES, Metric, Names, On, counter, gauge, histogram
from controller.recordings.reconcile import Reconciled
from controller.switch.board import EventForged, EventUnusable, SwitchReady, SwitchRefused
from controller.switch.commands import NAMES
from controller.switch.link_values import (
    CommandDone,
    CommandLost,
    ConnectFailed,
    EventsRead,
    EventUnreadable,
    FrameIgnored,
    JobDone,
    Lack,
    LinkDown,
    LinkUp,
    ReadingHeld,
)

DROPPED = ("unreadable", "unusable", "forged")
PROBES = {"global_getvar", "module_exists", "originate", "status", "uuid_displace", "xml_locate"}
"""Commands that ``fsrec doctor`` alone sends."""
COMMANDS = (*(name for name in NAMES if name not in PROBES), "event", "echo")
"""Those of ``switch.commands``, and the link's own."""
LACKS = tuple(lack.value for lack in Lack)
RESULTS = ("running", "ended", "mended", "lost")
_JOB = "bgapi "


def _named(kind: str) -> str:
    """Return a command's name: of ``bgapi uuid_record`` that is ``uuid_record``."""
    return kind.rpartition(" ")[2]


def _again(event: LinkUp) -> float | None:
    return None if event.previous_core_uuid is None else 1.0


def _restarted(event: LinkUp) -> float | None:
    return None if event.previous_core_uuid in {None, event.core_uuid} else 1.0


def link(names: Names) -> tuple[Metric, ...]:
    """Return the families."""
    of_switch = {"switch": names.switches}
    return (
        gauge(
            "esl_connected",
            "Whether a switch's event socket is connected.",
            On(LinkUp, lambda event: (event.switch,)),
            On(LinkDown, lambda event: (event.switch,), lambda _: 0.0),
            labels=of_switch,
        ),
        gauge(
            "switch_ready",
            "Whether a switch is connected and reconciled, so that its calls are served.",
            On(SwitchReady, lambda event: (event.switch,)),
            On(LinkDown, lambda event: (event.switch,), lambda _: 0.0),
            labels=of_switch,
        ),
        counter(
            "esl_reconnects_total",
            "Connections to a switch after the first one.",
            On(LinkUp, lambda event: (event.switch,), _again),
            labels=of_switch,
        ),
        counter(
            "switch_restarts_total",
            "Reconnections that found another process of the switch: its calls were lost.",
            On(LinkUp, lambda event: (event.switch,), _restarted),
            labels=of_switch,
        ),
        counter(
            "esl_connect_failures_total",
            "Tries to connect that failed.",
            On(ConnectFailed, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        counter(
            "esl_refusals_total",
            "Times that a switch refused fsrec for good: a wrong password, an ACL. It is not tried again.",
            On(SwitchRefused, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        gauge(
            "esl_last_event_timestamp_seconds",
            "When a switch sent its last event (it sends a heartbeat each 20 s); 0: none yet.",
            On(EventsRead, lambda event: (event.switch,), lambda _: time.time()),
            labels=of_switch,
        ),
        counter(
            "esl_events_total",
            "Events that came, of all kinds.",
            On(EventsRead, lambda event: (event.switch,), lambda event: event.count),
            labels=of_switch,
        ),
        counter(
            "esl_received_bytes_total",
            "Bytes in which they came.",
            On(EventsRead, lambda event: (event.switch,), lambda event: event.bytes),
            labels=of_switch,
        ),
        counter(
            "esl_events_dropped_total",
            "Events not used: no JSON (unreadable), a header not as the core writes it (unusable), or not the core's "
            "own (forged).",
            On(EventUnreadable, lambda event: (event.switch, "unreadable")),
            On(EventUnusable, lambda event: (event.switch, "unusable")),
            On(EventForged, lambda event: (event.switch, "forged")),
            labels={**of_switch, "reason": DROPPED},
        ),
        counter(
            "esl_frames_ignored_total",
            "Frames of a kind that was never asked for.",
            On(FrameIgnored, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        counter(
            "esl_reading_held_total",
            "Times that reading stopped because events came faster than they were taken.",
            On(ReadingHeld, lambda event: (event.switch,), lambda event: 1.0 if event.paused else None),
            labels=of_switch,
        ),
        histogram(
            "esl_command_duration_seconds",
            "Time until a command was answered; of a background job, until its end.",
            On(
                CommandDone,
                lambda event: (_named(event.kind),),
                lambda event: None if event.kind.startswith(_JOB) else event.seconds,
            ),
            On(
                JobDone,
                lambda event: (_named(event.kind),),
                lambda event: None if event.ok is None else event.seconds,
            ),
            buckets=LATENCIES,
            labels={"command": COMMANDS},
        ),
        counter(
            "esl_command_failures_total",
            "Commands that the switch refused (as it does those about a leg that has hung up), that it did not "
            "answer in time, whose connection was lost, or that waited too long for their busy leg to be sent.",
            On(
                CommandDone,
                lambda event: (_named(event.kind), Lack.REFUSED.value),
                lambda event: None if event.ok or event.kind.startswith(_JOB) else 1.0,
            ),
            On(
                CommandLost,
                lambda event: (_named(event.kind), event.lack.value),
                lambda event: None if event.kind.startswith(_JOB) else 1.0,
            ),
            On(
                JobDone,
                lambda event: (_named(event.kind), (event.lack or Lack.REFUSED).value),
                lambda event: 1.0 if event.lack is not None or event.ok is False else None,
            ),
            labels={"command": COMMANDS, "reason": LACKS},
        ),
        counter(
            "reconciles_total",
            "Times that a switch's recordings were looked at after a connection.",
            On(Reconciled, lambda event: (event.switch,)),
            labels=of_switch,
        ),
        histogram(
            "reconcile_duration_seconds",
            "Time that this took.",
            On(Reconciled, amount=lambda event: event.duration),
            buckets=LATENCIES,
        ),
        counter(
            "reconcile_recordings_total",
            "Recordings looked at: they ran on (running), had ended unseen (ended), are started again (mended), or "
            "were lost with the switch's process (lost).",
            On(Reconciled, lambda _: ("running",), lambda event: event.still_running),
            On(Reconciled, lambda _: ("ended",), lambda event: event.ended),
            On(Reconciled, lambda _: ("mended",), lambda event: event.mended),
            On(Reconciled, lambda _: ("lost",), lambda event: event.lost),
            labels={"result": RESULTS},
        ),
    )
