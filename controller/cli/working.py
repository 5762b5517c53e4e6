"""Long work, piece by piece: several at once, a bar on a terminal, and an end whenever Ctrl-C is pressed."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from controller.cli.client import Client, Refused
from controller.cli.output import console, is_terminal, safe, tell
from controller.cli.values import CommandFailed

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")
R = TypeVar("R")
TRIES = 6
"""How often a piece is tried that the daemon has no time or no way for just then."""
_LONGEST_WAIT = 30.0


class Bar:
    """How far work has come: drawn on standard error where that is a terminal, else nothing is."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress = progress
        self._task = task

    def advance(self) -> None:
        """One more is done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task)

    def say(self, text: str) -> None:
        """Tell something beside it."""
        if self._progress is None:
            tell(text)
        else:
            self._progress.console.print(safe(text), markup=False, highlight=False, soft_wrap=True)

    def result(self, line: str) -> None:
        """Print a line of standard output; where that is the bar's terminal, above the bar."""
        if self._progress is not None and is_terminal(sys.stdout):
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)


@contextlib.contextmanager
def bar(title: str, total: int | None) -> Iterator[Bar]:
    """Show how far work has come, while inside; ``total`` is None where it is not known yet."""
    if not is_terminal(sys.stderr):
        yield Bar(None, None)
        return
    from rich.progress import (  # where nobody looks it is not loaded
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    drawn = Progress(*columns, console=console(sys.stderr), redirect_stdout=False, redirect_stderr=False)
    with drawn as progress:
        yield Bar(progress, progress.add_task(title, total=total))


def each(items: Iterable[T], work: Callable[[T], R], at_once: int = 1) -> Iterator[tuple[T, R | CommandFailed]]:
    """Do work for every item, as ``each_in_order`` with no order among them."""
    return each_in_order([[item] for item in items], work, at_once)


def each_in_order(
    rows: Sequence[Sequence[T]], work: Callable[[T], R], at_once: int = 1
) -> Iterator[tuple[T, R | CommandFailed]]:
    """Do work for every item, of several rows at once; yield each with what came of it, or why nothing did.

    Those of one row are done one after the other. Whoever stops to read leaves what has not begun undone, and waits
    for nobody.
    """
    waiting: queue.SimpleQueue[Sequence[T]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[T, R | CommandFailed | BaseException]] = queue.SimpleQueue()
    over = threading.Event()
    for row in rows:
        waiting.put(row)

    def worker() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                for item in waiting.get_nowait():
                    if over.is_set():
                        return
                    try:
                        done.put((item, work(item)))
                    except BaseException as error:
                        done.put((item, error))

    for _ in range(min(at_once, len(rows))):
        threading.Thread(target=worker, daemon=True).start()
    try:
        for _ in range(sum(map(len, rows))):
            item, came = done.get()
            if isinstance(came, BaseException) and not isinstance(came, CommandFailed):
                raise came
            yield item, came
    finally:
        over.set()


def patiently(ask: Callable[[], R]) -> R:
    """Return what is answered, asking again where the daemon says that it may be otherwise soon. Raises Refused."""
    for _ in range(TRIES - 1):
        try:
            return ask()
        except Refused as refused:
            if refused.status not in {429, 503}:
                raise
            time.sleep(min(refused.retry_after or 1.0, _LONGEST_WAIT))
    return ask()


def everything(client: Client, path: str, key: str, query: dict[str, object]) -> Iterable[dict[str, object]]:
    """Yield every row of a list."""
    for rows in client.pages(path, key, query, None):  # type: ignore[arg-type]
        yield from rows
