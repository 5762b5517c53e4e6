"""What keeps a daemon that lost a switch's lease from storing anything about it (DESIGN section 6).

A work names the switches that it is about when it is enqueued, and so claims them by the epochs at which their leases
are held then. Its transaction looks whether that is still so, and keeps others from taking the leases until it ends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, bindparam, select

from controller.store.tables import LEASES
from controller.store.values import LeaseLost


class Fence(Protocol):
    """Who knows the leases that this daemon holds. Belongs to the event loop's thread."""

    @property
    def daemon(self) -> str:
        """Its id."""
        ...

    @property
    def epochs(self) -> Mapping[str, int]:
        """The epochs of the leases that it holds, by switch."""
        ...

    def lost(self, switch: str, epoch: int) -> None:
        """Hear that what claimed this epoch was refused."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """That a daemon holds the leases of some switches, each at an epoch."""

    daemon: str
    epochs: Mapping[str, int]

    def refuse_if_void(self, held: Mapping[str, int]) -> None:
        """Raise LeaseLost for the first switch that is not held so."""
        for switch, epoch in self.epochs.items():
            if held.get(switch) != epoch:
                raise LeaseLost(switch, epoch)


def claim(fence: Fence, switches: Collection[str]) -> Claim:
    """Claim switches as they are held now. Raises LeaseLost."""
    epochs = fence.epochs
    for switch in switches:
        if switch not in epochs:
            raise LeaseLost(switch, None)
    return Claim(fence.daemon, {switch: epochs[switch] for switch in switches})


# Renewing a lease changes no key, so it does not wait for this, nor this for it; taking one does (``store.leases``).
_HELD = (
    select(LEASES.c.switch, LEASES.c.epoch)
    .where(LEASES.c.holder == bindparam("daemon"), LEASES.c.switch.in_(bindparam("switches", expanding=True)))
    .with_for_update(read=True, key_share=True)
)


def held_by(connection: Connection, claims: Collection[Claim]) -> Mapping[str, int]:
    """Return the epochs at which the claimed switches are held; nobody takes these before the transaction ends.

    One statement, and none where nothing is claimed. All claims are of one daemon.
    """
    switches = sorted({switch for claim in claims for switch in claim.epochs})
    if not switches:
        return {}
    daemon = next(iter(claims)).daemon
    return {row.switch: row.epoch for row in connection.execute(_HELD, {"daemon": daemon, "switches": switches})}
