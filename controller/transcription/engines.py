"""Which engine the settings mean, and whether it can be had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from controller.transcription import moonshine, openai
from controller.transcription.ports import Engine

NAMES = ("none", "moonshine", "openai")


def engine_of(
    name: str,
    *,
    url: str = "",
    key: str = "",
    model: str | None = None,
    workers: int = 1,
    observe: Callable[[object], None] = lambda _: None,
) -> Engine | None:
    """Return the engine of a name, None for ``none``. Nothing is loaded or connected before it has work."""
    match name:
        case "none":
            return None
        case "moonshine":
            return moonshine.Moonshine(workers=workers, observe=observe)
        case "openai":
            return openai.OpenAi(url, key=key, model=model or openai.MODEL, observe=observe)
    raise ValueError(f"there is no engine {name!r}; there are {', '.join(NAMES)}")


def missing(name: str) -> str | None:
    """Return why the engine of a name can't be had on this machine, and what mends it; None where it can."""
    return moonshine.missing() if name == "moonshine" else None


async def unreachable(url: str, within: float = openai.CONNECT) -> str | None:
    """Return why the server of a URL can't be connected to, None where it can; nothing is asked of it."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except TimeoutError:
        return f"no connection within {within:g} s"
    except OSError as error:
        return error.strerror or str(error)
    writer.close()
    return None
