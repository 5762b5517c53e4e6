"""What a recording's player is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.console.ports import Operations, Viewer
from controller.recordings.model import Recording


async def context(operations: Operations, viewer: Viewer, recording: Recording) -> Mapping[str, Any]:  # noqa: ARG001
    """Return what ``player.html`` needs beside the recording."""
    return {}
