"""What a daemon's place among others is, by its database."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Collection

from controller.cluster.alone import Alone
from controller.cluster.keeper import LeaseKeeper, LeaseTerms
from controller.cluster.ports import Duties
from controller.store.leases import LeaseRows
from controller.store.places import database_at
from controller.store.postgres import PostgresDatabase
from controller.telemetry import Hook


def new_daemon_id() -> str:
    """Return an id that no process ever has again; it begins with the machine's name, for whoever reads it."""
    return f"{socket.gethostname()[:64]}-{uuid.uuid4()}"


def join(
    place: str, daemon: str, switches: Collection[str], duties: Duties, observe: Hook, terms: LeaseTerms | None = None
) -> LeaseKeeper | Alone:
    """Return who says which switches are this daemon's, with a store at ``place``. Raises StoreError."""
    database = database_at(place)
    if not isinstance(database, PostgresDatabase):
        return Alone(switches, duties)
    terms = terms or LeaseTerms()
    return LeaseKeeper(daemon, switches, LeaseRows(database, daemon, terms.lasts), duties, observe, terms)
