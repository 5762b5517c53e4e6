"""All families: the rooms' tables, one after the other."""

from __future__ import annotations

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

ROOMS = {
    "The daemon": daemon,
    "Links to the switches": link,
    "Recordings": recordings,
    "Files": media,
    "Transcriptions": transcription,
    "Calls and documents": calls,
    "Callbacks": webhooks,
    "The store": store,
    "Daemons that share a database": cluster,
    "HTTP": http,
}
"""What each room's is called in the manual, and its families."""


def table(names: Names) -> tuple[Metric, ...]:
    """Return every family."""
    return tuple(family for room in ROOMS.values() for family in room(names))
