"""controller/composition/measuring.py: every gauge is read from somewhere; a store that does not answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

from controller.composition.measuring import Outlook, watch
from controller.composition.site import Site
from controller.metrics.registry import Metrics, Names
from controller.metrics.tables import table
from controller.store.store import Store
from controller.store.values import Backlog, StoreFailed
from tests.recordings.virtual import virtual


class Rows:
    """A store that answers what it is told to."""

    def __init__(self, *answers: Backlog | None) -> None:
        self.answers = list(answers)

    async def read(self, _work: Any) -> Backlog:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise StoreFailed("away")
        return answer


@virtual
async def test_what_was_seen_last_stands() -> None:
    """Nothing is known before a look succeeds; one that fails changes nothing."""
    first, later = Backlog(3, 100.0, 1), Backlog(0, None, 2)
    outlook = Outlook(cast("Store", Rows(None, first, None, later)))
    seen = [outlook.seen]
    for _ in range(4):
        await outlook.look()
        seen.append(outlook.seen)
    assert seen == [None, None, first, first, later]


async def test_every_gauge_is_watched() -> None:
    """Each gauge that no event feeds is read from a room of the daemon."""
    built = Metrics(table(Names(("swml",), ("fs1",))), version="1.2.3")
    assert len(built.unwatched) > 10
    site = SimpleNamespace(start=lambda work: work.close())
    rooms = MagicMock(store=Rows(Backlog(1, 2.0, 3)))
    await watch(cast("Site", site), built, rooms)
    assert built.unwatched == set()
