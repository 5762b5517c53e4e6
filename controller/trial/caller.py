"""``fsrec call``: a caller who speaks for four seconds and hangs up, and the callback that tells of the recording.

It calls through the dialplan over a connection of its own, as ``fsrec doctor`` does; a running daemon takes the call.
What came of it is read where a receiver keeps its callbacks (``receiver.py``), never from the daemon's own word.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from controller.doctor.switches import attached
from controller.settings import SwitchSettings
from controller.switch import commands
from controller.switch.commands_text import shown
from controller.switch.link import JobRefused, JobTimeout, LinkLost
from controller.trial.callbacks import ended

JOB_SECONDS = 10.0
LOOK_EVERY = 0.1


class CallFailed(Exception):
    """Nothing came of a call; its text says what was wrong."""


async def call(switch: SwitchSettings, number: str, context: str, file: Path, within: float) -> dict[str, Any]:
    """Call, and return the callback that tells that a recording has ended, ``within`` seconds.

    Raises CallFailed, doctor.switches.Unreachable, and OSError where the file can't be read.
    """
    try:
        originate = commands.Originate(str(uuid.uuid4()), number, context, speaks=True)
    except ValueError as error:
        raise CallFailed(str(error)) from None
    begin = await asyncio.to_thread(_length, file)
    async with attached(switch) as session:
        try:
            said = (await session.job(originate, deadline=originate.patience + JOB_SECONDS)).text
        except (JobRefused, JobTimeout, LinkLost) as error:
            raise CallFailed(f"{number} was not called: {error}") from None
    if not said.startswith("+OK"):
        raise CallFailed(f"{number} did not answer: {shown(said.strip())}")
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            return await _told(file, begin)
    raise CallFailed(f"{number} answered, and within {within:g} s no callback in {file} told that a recording ended")


async def _told(file: Path, begin: int) -> dict[str, Any]:
    while True:  # a file tells nobody that it grew
        for callback in await asyncio.to_thread(lambda: list(_since(file, begin))):
            if ended(callback["parameters"]) is not None:
                return callback
        await asyncio.sleep(LOOK_EVERY)


def _length(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        raise CallFailed(f"{file} is not there: fsrec receiver --file {file} makes it") from None


def _since(file: Path, begin: int) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        lines.seek(begin)
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)
