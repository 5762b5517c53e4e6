"""Decoding outside the daemon, each file in a confined process of its own, with a caller waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from controller.media.job import DecodeJob
from controller.media.processes import NoProcess, Processes, ProcessLost
from controller.recordings.ports import MediaAway, NotPossible
from controller.turns import Turns

WORKERS = 3
"""Processes at a time; one account may have all but one of them."""
WITHIN = 30.0
"""Seconds from the wish to the WAV, waiting for a turn included: the caller hears nothing meanwhile."""


@dataclass(frozen=True, slots=True)
class DecoderLost:
    """A process that decoded audio crashed, hung, or met a limit."""

    reason: str


class Decoders:
    """``workers`` processes that decode, at a time, apart from those that encode: these may take an hour.

    An account has all but one of them at most, and the one that has the fewest goes first.
    What is not there ``within`` seconds is given up; ``observe`` gets ``DecoderLost``.
    """

    def __init__(
        self,
        *,
        workers: int = WORKERS,
        within: float = WITHIN,
        command: Sequence[str] | None = None,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._processes = Processes(workers=workers, stall=within, command=command)
        self._turns = Turns(workers, max(1, workers - 1))
        self._within = within
        self._observe = observe

    async def decode(self, job: DecodeJob, ready: Callable[[], Awaitable[None]], account: str = "") -> int:
        """Have a file decoded for an account; return its bytes. There is one try. Cancelling it kills its process.

        ``ready`` is awaited when its turn has come: what it raises is raised, and nothing is decoded.
        Raises NotPossible where the fault is the audio's, MediaAway where it is this machine's.
        """
        try:
            async with asyncio.timeout(self._within), self._turns.turn(party=account):
                await ready()
                message = await self._processes.run(job)
        except TimeoutError:
            raise NotPossible(f"it was not decoded within {self._within:g} s") from None
        except ProcessLost as lost:
            self._observe(DecoderLost(str(lost)))
            raise NotPossible(f"the process that decodes it {lost}") from None
        except NoProcess as error:
            raise MediaAway(f"no process can be started to decode: {error}") from error
        match message:
            case {"size": int(size)}:
                return size
            case {"failed": str(why), "fault": "source"}:
                raise NotPossible(f"it {why}")
        raise MediaAway(f"it can't be decoded now: {message['failed']}")

    async def close(self) -> None:
        """Wait for the ends of processes whose jobs were cancelled."""
        await self._processes.close()
