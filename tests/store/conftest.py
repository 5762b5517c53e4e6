from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from controller.store import Store, open_store

T = TypeVar("T")


class Told(list[object]):
    """What telemetry was told; ``of(kind)`` picks."""

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def store(tmp_path: Path, told: Told) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "fsrec.db", observe=told.append, busy_timeout=0.05)
    yield opened
    await opened.close()
