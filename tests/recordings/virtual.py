"""Virtual time: a loop whose clock jumps to the next timer as soon as nothing else is to be done.

An hour passes at once, in the order in which it would have passed, and a wait for what never comes is told as such.
For code without threads and sockets.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")

BEGINNING = 1_000_000.0
"""When the loop's clock begins, in seconds."""

HOPELESS = "nothing is under way, so what is waited for never comes"


class _Jump(selectors.SelectSelector):
    """Waits for no time at all, and tells how long it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGINNING

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError(HOPELESS)
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in virtual time; what reaches the loop's exception handler fails it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtually(test(*args, **kwargs))

    return run


def run_virtually(work: Coroutine[Any, Any, None]) -> None:
    unhandled: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
        runner.run(work)
    assert not unhandled, unhandled


async def settled() -> None:
    """Let everything happen that waits for nothing but the loop."""
    await asyncio.sleep(1e-6)
