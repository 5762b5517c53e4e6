"""A running softswitch, and a client that hears all of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from controller.softswitch import Softswitch
from tests.softswitch.client import Client, connect, running


@pytest_asyncio.fixture
async def soft_switch(tmp_path: Path) -> AsyncIterator[Softswitch]:
    async with running(tmp_path) as switch:
        yield switch


@pytest_asyncio.fixture
async def client(soft_switch: Softswitch) -> AsyncIterator[Client]:
    async with connect(soft_switch) as connected:
        yield connected
