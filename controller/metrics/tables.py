"""All families: the rooms' tables, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from controller.metrics.calls import calls
from controller.metrics.cluster import cluster
from controller.metrics.daemon import daemon
from controller.metrics.http import http
from controller.metrics.link import link
from controller.metrics.media import media, transcription
from controller.metrics.recordings import recordings
from controller.metrics.registry import Metric, Names
from controller.metrics.store import store
from controller.metrics.webhooks import webhooks


class Room(NamedTuple):
    """A room's name in the manual, what its families are good for, and these."""

    name: str
    purpose: str
    families: Callable[[Names], tuple[Metric, ...]]


ROOMS = (
    Room(
        "The daemon",
        "Whether to look any further. A daemon that only waits for a switch that another one holds is ready.",
        daemon,
    ),
    Room(
        "Links to the switches",
        "Whether fsrec hears each switch, how quickly it answers, and what a reconnection found. A switch that "
        "another daemon holds is connected to that one: here its gauges say 0, so ask them together with "
        "`fsrec_switches_held`: `fsrec_esl_connected == 0 and fsrec_switches_held == 1`.",
        link,
    ),
    Room(
        "Recordings",
        "Whether calls are recorded: what was asked for, began, ended, and how. What was asked for is "
        '`fsrec_recording_changes_total{state="requested"}`; of these each either starts or fails.',
        recordings,
    ),
    Room("Files", "Whether recordings get their files whole, and whether there is room for more.", media),
    Room("Transcriptions", "Whether text comes, and how late.", transcription),
    Room(
        "Calls and documents",
        "Whether calls are served, and whether the applications' documents are to be had.",
        calls,
    ),
    Room(
        "Callbacks",
        "Whether applications are told, how late, and of what they were not. What lies in the store is counted "
        "every 5 s, or more seldom where counting takes long. Daemons on one database say the same of it: take "
        "`max()`, not `sum()`. While the store does not answer, these stand still.",
        webhooks,
    ),
    Room("The store", "Whether changes become durable, and how quickly: each step of a call waits for one.", store),
    Room(
        "Daemons that share a database",
        "Who holds which switch: `sum by (switch) (fsrec_switches_held)` is 1 of each that is served. Of a daemon "
        "with a store of its own, all but that one stay 0.",
        cluster,
    ),
    Room("HTTP", "Whether the APIs and downloads answer.", http),
)


def table(names: Names) -> tuple[Metric, ...]:
    """Return every family."""
    return tuple(family for room in ROOMS for family in room.families(names))
