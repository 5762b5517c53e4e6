"""One OS thread with a gevent hub of its own, and the only door into it.

A greenlet can be switched to only by the thread whose hub made it (greenswitch used from elsewhere ends in LoopExit),
so everything that touches greenswitch enters through `WireThread.call`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent.pool import Group

JOIN_SECONDS: Final = 5.0


class WireThread:
    """Starts at once; serves any number of connections, one after another or together, until `close`."""

    def __init__(self, name: str) -> None:
        self._lock = threading.Lock()
        self._loop: Any = None
        self._stop: Any = None
        self._greenlets: Any = None
        started = threading.Event()
        # A daemon, so that a program which forgets close() can still end.
        self._thread = threading.Thread(target=self._run, args=(started,), name=f"esl-{name}", daemon=True)
        self._thread.start()
        started.wait()

    def call(self, function: Callable[..., object], *args: object) -> bool:
        """Run `function` in the hub: soon, after what was called before, and never blocking there. From any thread.

        False if the thread is closed: nothing will run.
        """
        with self._lock:
            if self._loop is None:
                return False
            self._loop.run_callback_threadsafe(function, *args)
            return True

    def spawn(self, function: Callable[[], object]) -> bool:
        """Run `function` as a greenlet of the hub. From any thread; False as for `call`."""
        return self.call(lambda: self._greenlets.spawn(function))

    async def close(self) -> None:
        """End every greenlet and the thread."""
        with self._lock:
            if self._loop is not None:
                self._stop.send()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, JOIN_SECONDS)

    def _run(self, started: threading.Event) -> None:
        hub: Any = gevent.get_hub()
        # gevent's own writes to stderr what came from the switch, as it came.
        hub.print_exception = _log
        self._greenlets = Group()
        self._stop = hub.loop.async_()
        self._loop = hub.loop
        started.set()
        hub.wait(self._stop)
        self._greenlets.kill(timeout=1)
        with self._lock:  # after this no call() reaches a loop that is being taken down
            self._loop = None
            self._stop.close()
            hub.destroy(destroy_loop=True)


def _log(
    _context: object, kind: type[BaseException] | None, error: BaseException | str | None, _trace: object
) -> None:
    told = error if isinstance(error, BaseException) else None
    logging.getLogger(__name__).error("greenlet.crashed", extra={"kind": str(kind)}, exc_info=told)
