"""Keeps the leases of a daemon that shares its database (DESIGN section 6).

A switch is held by one daemon, which renews its lease; who finds one that was given back, or sees none of its
renewals for as long as it lasts, takes it, and its epoch grows by one. The holder believes in its lease for a little
less than that, counted from before it asked, by a clock that goes on while it is stopped: so it has let go, and its
links refuse to write, before anybody else may take it. Each counts seconds by its own clock alone: those of the
machines, the database's among them, may differ and be set. What a holder still has to store carries the epoch that it
held when it enqueued it, and is refused where that is over (``store.fence``).

A lease that is lost (not renewed in time, taken by another, refused by the store) is let go at once; if it is had
again it is with a new epoch and from the rows, like any other.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from controller.cluster.clock import boottime
from controller.cluster.events import LeaseEnded, LeasesUnreachable, LeaseTaken
from controller.cluster.ports import Duties, Leases
from controller.recordings.ports import LedgerFailed
from controller.store.leases import Sight
from controller.telemetry import Hook


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """Times, in seconds.

    Attributes:
        lasts: a lease, from when its last renewal was seen.
        margin: by which its holder believes in it for less.
        renew: between renewals.
        look: between looks at the leases of others.
        watch: between looks at the clock: so late is let go what was not renewed, whose link is mute before.
        abandoned: for which nobody must have held a switch that is not in the settings before it is given up.

    """

    lasts: float = 8.0
    margin: float = 1.0
    renew: float = 2.0
    look: float = 1.0
    watch: float = 0.2
    abandoned: float = 60.0


@dataclass(frozen=True, slots=True)
class _Lease:
    epoch: int
    until: float


@dataclass(slots=True)
class LeaseKeeper:
    """Implements ``Cluster``, and the store's ``Fence``. ``daemon`` is this process's id, which no other ever has."""

    daemon: str
    switches: Collection[str]
    rows: Leases
    duties: Duties
    observe: Hook
    terms: LeaseTerms = field(default_factory=LeaseTerms)
    clock: Callable[[], float] = boottime
    _leases: Mapping[str, _Lease] = field(default_factory=dict)
    _epochs: Mapping[str, int] = field(default_factory=dict)
    _beginning: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)
    _ending: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _renounced: set[str] = field(default_factory=set)
    _sight: Sight = field(default_factory=lambda: Sight({}, (), 1))
    _seen_at: float = -math.inf
    _since: dict[str, float] = field(default_factory=dict)
    _alive_until: float = math.inf
    _trouble: str = ""
    _closing: bool = False

    # --- what is held -------------------------------------------------------------------------------------------

    def holds(self, switch: str) -> bool:
        """Tell whether the lease is had and believed in now."""
        return self.refusal(switch) is None

    def refusal(self, switch: str) -> str | None:
        """Say why nothing may be commanded on a switch now. From any thread: both mappings are only replaced."""
        lease = self._leases.get(switch)
        if lease is None:
            return f"switch {switch}: this daemon does not hold its lease"
        if self.clock() >= lease.until:
            return f"switch {switch}: its lease was not renewed in time"
        return None

    def foreign(self, switch: str) -> bool:
        """Tell whether another daemon holds a switch that is not in our settings, or did within the last minute.

        True as well where that is not known now.
        """
        if switch in self.switches or switch in self._leases:
            return False
        known = switch in self._sight.leases
        return not self._fresh() or (known and self._free_for(switch) < self.terms.abandoned)

    @property
    def held(self) -> Collection[str]:
        """The switches whose lease is had."""
        return self._leases.keys()

    @property
    def epochs(self) -> Mapping[str, int]:
        """The epochs of these: what is to be stored from now on carries them."""
        return self._epochs

    @property
    def elsewhere(self) -> Mapping[str, str]:
        """Who else held which switch of the settings, when that was last looked at."""
        if not self._fresh():
            return MappingProxyType({})
        others = {
            switch: self._sight.leases[switch].holder or ""
            for switch in self._sight.valid
            if switch in self.switches and switch not in self._leases
        }
        return {switch: holder for switch, holder in others.items() if holder not in {"", self.daemon}}

    def unserved(self) -> Mapping[str, str]:
        """Return the switches that nobody holds as far as is known, or this daemon has not begun with, and why."""
        elsewhere = self.elsewhere
        lacking = [switch for switch in self.switches if switch not in self._leases and switch not in elsewhere]
        why = f": {self._trouble}" if self._trouble else ""
        beginning = self._leases.keys() & {*self.switches} - self._begun
        return {
            **dict.fromkeys(lacking, f"no daemon is known to hold it{why}"),
            **dict.fromkeys(beginning, f"it is being taken over{why}"),
        }

    def lost(self, switch: str, epoch: int) -> None:
        """Hear from the store that what carried this epoch was refused: another daemon has the lease."""
        if self._epochs.get(switch) == epoch:
            self._lose(switch, "another daemon has taken its lease")

    def renounce(self, switch: str) -> None:
        """Leave a switch, which will not have us, to others, until this daemon is started again."""
        self._renounced.add(switch)
        epoch = self._epochs.get(switch)
        if epoch is not None:
            self._lose(switch, "it refuses this daemon")
            self._ending[switch] = asyncio.ensure_future(self._give_back({switch: epoch}, self._ending[switch]))

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make this daemon known. Raises LedgerFailed."""
        await self._renew()

    async def run(self) -> None:
        """Renew, look, and let go, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(self._renew, self.terms.renew))
            group.create_task(self._look_around())
            group.create_task(self._watch())

    async def close(self) -> None:
        """Let go of all, have stored what is to be, and give the leases back."""
        self._closing = True
        for switch in list(self._epochs):
            self._lose(switch, "this daemon stops")
        await asyncio.gather(*self._ending.values(), return_exceptions=True)
        await self.duties.flush()
        try:
            await self.rows.give_back_all()
            await self.rows.renew({})  # for as long as the rest of the stop may take
        except LedgerFailed as failure:
            self._fail(failure)

    async def leave(self) -> None:
        """Be known no more."""
        try:
            await self.rows.leave()
        except LedgerFailed as failure:
            self._fail(failure)
        await self.rows.close()

    async def _again(self, work: Callable[[], Awaitable[None]], every: float) -> None:
        while True:
            began = self.clock()
            try:
                await work()
            except LedgerFailed as failure:
                self._fail(failure)
            await asyncio.sleep(max(0.0, began + every - self.clock()))

    async def _renew(self) -> None:
        sent, held = self.clock(), self._epochs
        kept = await self.rows.renew(held)
        self._trouble = ""
        self._alive_until = sent + self.terms.lasts - self.terms.margin
        for switch, epoch in held.items():
            if self._epochs.get(switch) != epoch:  # lost meanwhile, and perhaps had again
                continue
            if switch in kept:
                self._believe(switch, epoch, sent)
            else:
                self._lose(switch, "another daemon has taken its lease")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.terms.watch)
            now = self.clock()
            if now >= self._alive_until:
                self._alive_until = math.inf
                self.duties.lapsed()
            for switch, lease in self._leases.items():
                if now >= lease.until:
                    self._lose(switch, f"its lease was not renewed in time{self._trouble and ': '}{self._trouble}")

    async def _look_around(self) -> None:
        """Look for what nobody holds; first when others that start at the same time are known as well."""
        await asyncio.sleep(self.terms.look)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(self._look, self.terms.look))
            group.create_task(self._again(self._tend_removed, self.terms.abandoned / 4))

    async def _look(self) -> None:
        await self._see(self.switches)
        share = math.ceil(len(self.switches) / max(1, self._sight.daemons))
        failure: LedgerFailed | None = None
        for switch in self.switches:
            if switch in self._epochs or switch in self._renounced:
                continue
            # Others may have fewer: what is more than a daemon's share it only takes when they left it lying.
            patience = 0.0 if len(self._epochs) < share else self.terms.look
            if self._free_for(switch) >= patience:
                try:
                    await self._take(switch)
                except LedgerFailed as failed:  # what keeps one of them from being taken need not keep the others
                    failure = failed
        if failure is not None:
            raise failure

    async def _see(self, switches: Collection[str]) -> None:
        """Look at the leases, and remember since when each stands as it does."""
        sight = await self.rows.look(switches)
        former, self._sight, self._seen_at = self._sight.leases, sight, self.clock()
        self._since = {
            switch: self._since[switch] if former.get(switch) == standing else self._seen_at
            for switch, standing in sight.leases.items()
        }

    def _fresh(self) -> bool:
        return self.clock() - self._seen_at < self.terms.lasts

    def _free_for(self, switch: str) -> float:
        """Return for how many seconds a lease could have been taken, as last seen; negative where it can't be."""
        standing = self._sight.leases.get(switch)
        if standing is None:
            return -math.inf
        unchanged = self._seen_at - self._since[switch]
        return unchanged if standing.holder in {None, self.daemon} else unchanged - self.terms.lasts

    async def _take(self, switch: str) -> None:
        standing = self._sight.leases[switch]
        if switch in self._ending:
            await self._ending[switch]
        sent = self.clock()
        epoch = await self.rows.take(switch, standing)
        if epoch is None:
            return
        if self._closing or self.clock() >= sent + self.terms.lasts - self.terms.margin:
            return  # it took too long: the lease is let expire
        self._believe(switch, epoch, sent)
        former = standing.holder if standing.holder not in {None, self.daemon} else None
        self.observe(LeaseTaken(switch, epoch, former or ""))
        if switch in self.switches:
            self._beginning[switch] = asyncio.create_task(self._begin(switch))

    async def _begin(self, switch: str) -> None:
        while True:
            try:
                await self.duties.begin(switch)
            except LedgerFailed as failure:
                self._fail(failure)
            except Exception as error:  # whatever it is, its calls must not wait for ever
                context = {"message": "a switch could not be begun with", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
            else:
                self._begun.add(switch)
                return
            await asyncio.sleep(self.terms.look)

    async def _tend_removed(self) -> None:
        """End what ran on switches that left the settings, each under its lease, once nobody seems to have it."""
        removed = await self.duties.removed()
        await self._see({*self.switches, *removed})
        for switch in removed:
            if switch not in self._epochs and self._free_for(switch) >= self.terms.abandoned:
                await self._take(switch)
        for switch in {*removed} & {*self._epochs}:
            await self.duties.give_up(switch)
        over = {name: epoch for name, epoch in self._epochs.items() if name not in {*self.switches, *removed}}
        for switch, epoch in over.items():
            if self._epochs.get(switch) == epoch:  # it may have been lost while others were given back
                self._lose(switch, "nothing of it is left")
                await self._give_back({switch: epoch}, self._ending[switch])

    # --- steps --------------------------------------------------------------------------------------------------

    def _believe(self, switch: str, epoch: int, sent: float) -> None:
        until = sent + self.terms.lasts - self.terms.margin
        self._leases = {**self._leases, switch: _Lease(epoch, until)}
        self._epochs = {name: lease.epoch for name, lease in self._leases.items()}

    def _lose(self, switch: str, reason: str) -> None:
        lease = self._leases[switch]
        self._leases = {name: lease for name, lease in self._leases.items() if name != switch}
        self._epochs = {name: lease.epoch for name, lease in self._leases.items()}
        self._begun.discard(switch)
        beginning = self._beginning.pop(switch, None)
        if beginning is not None:
            beginning.cancel()
        ending = self._ending[switch] = asyncio.ensure_future(self.duties.let_go(switch, reason))
        ending.add_done_callback(lambda _: self._ending.get(switch) is ending and self._ending.pop(switch))
        self.observe(LeaseEnded(switch, lease.epoch, reason))

    async def _give_back(self, held: Mapping[str, int], first: Awaitable[None] | None = None) -> None:
        """Let others have leases, once nothing of theirs goes on here; where it fails they expire."""
        if first is not None:
            await first
        try:
            await self.rows.give_back(held)
        except LedgerFailed as failure:
            self._fail(failure)

    def _fail(self, failure: LedgerFailed) -> None:
        if not self._trouble:
            self.observe(LeasesUnreachable(str(failure)))
        self._trouble = str(failure)
