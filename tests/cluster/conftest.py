from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.store import Store, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "fsrec.db")
    yield opened
    await opened.close()
