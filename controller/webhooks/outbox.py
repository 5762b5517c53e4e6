"""The outbox worker: what lies in the store and is due goes out, and what came of it goes back (DESIGN section 7).

What is in flight is this process's: after a crash it is due again. Nothing is held in memory but what is in flight
and a short queue for each origin, fetched from the store as it empties; whose a delivery is where several daemons
deliver is the store's to know. Each origin has its own cap and its own queue, and origins take turns: one that never
answers holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from controller.documents.fragments import Timeouts, rules_of, split_url
from controller.recordings.model import Delivery
from controller.store import Attempt, DeliveryState, OutboxRow, StoreError, Verdict, Wanted
from controller.telemetry import Hook
from controller.webhooks.events import DeliveryAttempted, DeliveryGivenUp, DeliverySucceeded, OutboxStalled
from controller.webhooks.ports import Queue
from controller.webhooks.schedule import ErrorKind, judge

Sign = Callable[[Delivery, float], Mapping[str, str]]

IDENTITY_HEADER = "webhook-id"
"""The delivery's id, the same on every attempt (Standard Webhooks' name for it): a receiver drops repeats by it."""

_BREATH = 0.02  # seconds between two looks into the store: what ends or comes meanwhile is looked for together
_GATHER = 0.01  # seconds that an ended attempt waits for others before it is stored
_TOGETHER = 25  # that are stored at once: the other half of those that may wait to be stored ends meanwhile
_AHEAD = 8  # rows queued for each attempt that an origin may have in flight: what it takes until the next look
_ROWS = 4  # rows queued in all for each attempt that may be in flight in all: what bounds the memory
_UNSTORED = 50  # attempts that may wait to be stored, then no more are made: a kill repeats them, and those in flight
_PARTING = 2.0  # seconds for giving back what is not delivered, at the end
_STALLED = (1.0, 5.0, 30.0)  # seconds between tries while the store fails
_REMEMBERED = 1000  # origins without work whose silence is remembered


class Sender(Protocol):
    """Makes one attempt and tells what came of it, whatever that was."""

    async def send(self, delivery: Delivery, headers: Mapping[str, str], timeouts: Timeouts) -> Attempt:
        """Send it once."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """``max_attempts`` of one schedule; attempts in flight to one origin, and in all."""

    max_attempts: int = 8
    per_origin: int = 20
    in_flight: int = 200


@dataclass(slots=True)
class _Origin:
    """One origin's work: rows to send, being sent, and sent but not stored yet.

    ``silent`` counts its attempts in a row that got no answer.
    """

    queue: deque[OutboxRow] = field(default_factory=deque)
    sending: int = 0
    storing: int = 0
    silent: int = 0

    @property
    def taken(self) -> int:
        """Rows of it in our hands, which the store still shows as due."""
        return len(self.queue) + self.sending + self.storing

    def cap(self, per_origin: int) -> int:
        """Return how many may be sent at once: one that does not answer gets a quarter."""
        return per_origin if self.silent < per_origin else max(1, per_origin // 4)


_Ended = tuple[_Origin, OutboxRow, Attempt, Verdict]


def _ignore(_: object) -> None:
    return


class Outbox:
    """Delivers what the store holds. ``run`` works until cancelled or stopped; one runs at a time.

    ``sign(delivery, now)`` gives the headers that sign one attempt; the delivery it gets has the URL that is sent.
    ``clock`` (Unix seconds) must be the store's. ``chance`` gives a float in [0, 1).
    """

    def __init__(
        self,
        queue: Queue,
        client: Sender,
        sign: Sign,
        settings: WebhookSettings = WebhookSettings(),
        *,
        observe: Hook = _ignore,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._client = client
        self._sign = sign
        self._settings = settings
        self._observe = observe
        self._clock = clock
        self._chance = chance
        self._origins: dict[str, _Origin] = {}
        self._turns: dict[str, None] = {}  # origins with a queue, whose turn is next first
        self._busy: set[str] = set()
        self._given_up: set[str] = set()  # fetched, and to be given back
        self._ended: list[_Ended] = []
        self._gathering: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._stopping = False
        self._sending = 0
        self._storing = 0
        self._looked = 0.0
        self._last = ""

    def wake(self) -> None:
        """Look into the store now: something was put there, or the clock moved. Called on the event loop."""
        self._woken.set()

    def stop(self) -> None:
        """Start nothing more; ``run`` returns when what is in flight has ended and is stored."""
        self._stopping = True
        self._woken.set()

    async def replay(self, identity: str) -> OutboxRow | None:
        """Begin a delivery's schedule anew, at once; None if there is no such delivery. Raises StoreFailed."""
        row = await self._queue.replay(identity)
        self.wake()
        return row

    def forget(self) -> None:
        """Give up what is queued and not begun, because it may be another daemon's by now."""
        for name, origin in self._origins.items():
            self._empty(name, origin)
        self.wake()

    async def run(self) -> None:
        """Deliver until stopped. Cancelling abandons what is in flight: it is due again when a worker runs."""
        failures = 0
        try:
            while not self._stopping:
                self._woken.clear()
                try:
                    pause = await self._look()
                    failures = 0
                except StoreError as error:
                    pause = self._stalled(error, failures)
                    failures += 1
                await self._rest(pause)
            while self._tasks or self._ended:
                if self._ended:
                    self._store_ended()
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_PARTING):
                    await self._queue.leave()

    async def _rest(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            return
        early = self._looked + _BREATH - asyncio.get_running_loop().time()
        if early > 0 and not self._stopping:
            await asyncio.sleep(early)

    def _stalled(self, error: StoreError, failures: int) -> float:
        pause = _STALLED[min(failures, len(_STALLED) - 1)]
        self._observe(OutboxStalled(str(error), pause))
        return pause

    async def _look(self) -> float:
        """Fetch what is due, start what may start; return for how long there is nothing to look for."""
        self._looked = asyncio.get_running_loop().time()
        now, room = self._clock(), self._room()
        # As it was before the view of the store was taken: what is stored meanwhile may still look due in that view.
        busy = frozenset(self._busy)
        known = {name: (origin.taken, self._wanted(origin)) for name, origin in self._origins.items()}
        given_up, self._given_up = self._given_up, set()
        await self._queue.give_back(given_up)
        others = _AHEAD * self._settings.per_origin
        fetched = await self._queue.fetch(now, Wanted(room, known, others, busy, self._last))
        self._last = fetched.last
        for row in fetched.rows:
            if row.id in self._busy:  # it was given to nobody else since it came into our hands
                continue
            self._busy.add(row.id)
            self._origins.setdefault(row.origin, _Origin()).queue.append(row)
            self._turns.setdefault(row.origin)
        self._start()
        rest, following = self._queue.rest, fetched.next_due
        return rest if following is None else min(max(following - self._clock(), 0.0), rest)

    def _room(self) -> int:
        """Return how many rows may be fetched; origins that are full give up their queues when space runs short."""
        limit = _ROWS * self._settings.in_flight
        queued = sum(len(origin.queue) for origin in self._origins.values())
        if queued > limit * 3 // 4:
            for name, origin in self._origins.items():
                if origin.sending >= origin.cap(self._settings.per_origin):
                    queued -= len(origin.queue)
                    self._empty(name, origin)
        return limit - queued

    def _empty(self, name: str, origin: _Origin) -> None:
        ids = {row.id for row in origin.queue}
        self._busy -= ids
        self._given_up |= ids
        origin.queue.clear()
        self._turns.pop(name, None)

    def _wanted(self, origin: _Origin) -> int:
        most = _AHEAD * origin.cap(self._settings.per_origin)
        return most - len(origin.queue) if len(origin.queue) <= most // 2 else 0

    def _start(self) -> None:
        """Start attempts, one of each origin in turn, up to the caps."""
        full = 0
        while self._turns and full < len(self._turns) and not self._stopping:
            unstored = self._storing + len(self._ended)
            if self._sending >= self._settings.in_flight or unstored >= _UNSTORED:
                return
            name = next(iter(self._turns))
            del self._turns[name]
            origin = self._origins[name]
            if origin.sending >= origin.cap(self._settings.per_origin):
                full += 1
            else:
                full = 0
                origin.sending += 1
                self._sending += 1
                self._spawn(self._deliver(origin, origin.queue.popleft()))
            if origin.queue:
                self._turns[name] = None

    async def _deliver(self, origin: _Origin, row: OutboxRow) -> None:
        try:
            attempt, verdict = await self._attempt(row)
        finally:
            origin.sending -= 1
            self._sending -= 1
        origin.silent = 0 if attempt.status is not None else origin.silent + 1
        origin.storing += 1
        self._ended.append((origin, row, attempt, verdict))
        if len(self._ended) == 1:  # those that end at about the same time share a commit
            self._gathering = asyncio.get_running_loop().call_later(_GATHER, self._store_ended)
        elif len(self._ended) == _TOGETHER:
            self._store_ended()
        self._start()

    def _store_ended(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
        ended, self._ended = self._ended, []
        if not ended:  # a stop has stored them already
            return
        self._storing += len(ended)
        self._spawn(self._store_attempts(ended))

    async def _store_attempts(self, ended: list[_Ended]) -> None:
        """Store what came of attempts, however long that takes: until it is stored they would be made again."""
        failures = 0
        while not await self._stored(ended, failures):
            if self._stopping:
                break
            failures += 1
            await asyncio.sleep(_STALLED[min(failures, len(_STALLED)) - 1])
            if len(ended) > 1:  # if it is one that cannot be stored, it holds up no other
                for one in ended:
                    self._spawn(self._store_attempts([one]))
                return
        self._storing -= len(ended)
        for origin, row, _, _ in ended:
            origin.storing -= 1
            self._busy.discard(row.id)
            self._forget(row.origin, origin)
        self._start()
        self.wake()

    async def _stored(self, ended: list[_Ended], failures: int) -> bool:
        try:
            await self._queue.attempted([(row, attempt, verdict) for _, row, attempt, verdict in ended])
        except StoreError as error:
            self._stalled(error, failures)
            return False
        for _, row, attempt, verdict in ended:
            self._tell(row, attempt, verdict)
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, row: OutboxRow) -> tuple[Attempt, Verdict]:
        url, wishes = split_url(row.delivery.url, rules_of(row.delivery.dialect))
        delivery = row.delivery if url == row.delivery.url else replace(row.delivery, url=url)
        at = self._clock()
        try:
            headers = self._sign(delivery, at)
        except Exception as error:
            attempt = Attempt(at, 0.0, None, ErrorKind.UNSIGNED.value, f"{type(error).__name__}: {error}")
        else:
            attempt = await self._send(delivery, {**headers, IDENTITY_HEADER: row.id}, wishes.timeouts)
        verdict = judge(
            delivery.dialect,
            attempt,
            tries=row.tries + 1,
            wishes=wishes,
            max_attempts=self._settings.max_attempts,
            now=self._clock(),
            random=self._chance,
        )
        return attempt, verdict

    async def _send(self, delivery: Delivery, headers: Mapping[str, str], timeouts: Timeouts) -> Attempt:
        at = self._clock()
        try:
            return await self._client.send(delivery, headers, timeouts)
        except Exception as error:  # a fault of ours must neither lose the row nor be tried without end
            text = f"{type(error).__name__}: {error}"
            return Attempt(at, self._clock() - at, None, ErrorKind.INTERNAL.value, text)

    def _forget(self, name: str, origin: _Origin) -> None:
        if origin.taken == 0 and (origin.silent == 0 or len(self._origins) > _REMEMBERED):
            self._origins.pop(name, None)

    def _tell(self, row: OutboxRow, attempt: Attempt, verdict: Verdict) -> None:
        delivery, number = row.delivery, row.attempts + 1
        about = row.id, row.subject, delivery.account, delivery.dialect
        self._observe(DeliveryAttempted(*about, row.origin, number, attempt.status, attempt.error, attempt.duration))
        if verdict.state is DeliveryState.DELIVERED:
            self._observe(DeliverySucceeded(*about, number, self._clock() - row.created_at))
        elif verdict.state is DeliveryState.DEAD:
            self._observe(DeliveryGivenUp(*about, number, verdict.reason or ""))
