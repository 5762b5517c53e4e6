from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from controller.store import Store, open_store


@pytest.fixture
async def store(place: str) -> AsyncIterator[Store]:
    opened = await open_store(place)
    yield opened
    await opened.close()
