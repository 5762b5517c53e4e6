"""The sounds that documents name, as files that a switch can play (``calls.ports.Audio``).

A recording of ours is played from its file, whatever its URL's credentials, as far as the call's account owns it;
what lies elsewhere is fetched, and decoded apart. A switch never fetches anything and never sees a foreign file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from controller.calls.ports import AudioFailed, SoundFile
from controller.documents.call import Call
from controller.documents.dialect import Dialect
from controller.documents.fetch import FetchFailed, shown
from controller.recordings.model import Recording, State
from controller.recordings.ports import MediaAway, NotPossible
from controller.telemetry import Hook

PATIENCE = 15.0
"""Seconds for which a recording that has ended is waited for until it can be played (DESIGN section 9)."""


@dataclass(frozen=True, slots=True)
class AudioFetched:
    """A URL gave a call's audio: ``size`` bytes, ready to be played ``duration`` seconds after they were asked for.

    ``fresh`` says that they were there already. ``url`` is told without credentials and query.
    """

    call: str
    url: str
    size: int
    duration: float
    fresh: bool


@dataclass(frozen=True, slots=True)
class AudioRefused:
    """A URL gave a call no audio that can be played, and ``why``."""

    call: str
    url: str
    why: str


class Recordings(Protocol):
    """The recordings, as far as they are played."""

    def get(self, identity: str) -> Recording | None:
        """Return a recording that is not final, as it is now."""
        ...

    async def playable(self, identity: str) -> Recording | None:
        """Return the recording as it will be, as soon as its WAV can be played; None where it is unknown."""
        ...


class Fetched(Protocol):
    """A file that was fetched; ``digest`` tells its content, ``fresh`` that nobody was asked for it now."""

    @property
    def path(self) -> Path:
        """Return where it is."""
        ...

    @property
    def digest(self) -> str:
        """Return what only this content has."""
        ...

    @property
    def size(self) -> int:
        """Return its bytes."""
        ...

    @property
    def fresh(self) -> bool:
        """Tell whether it was there already."""
        ...


class Downloads(Protocol):
    """Fetches foreign audio, bounded in every way."""

    def get(self, url: str, account: str) -> AbstractAsyncContextManager[Fetched]:
        """Give what lies at a URL, for an account; the file is there within the block. Raises FetchFailed."""
        ...


class Sounds(Protocol):
    """Makes WAVs that a switch can play."""

    async def made(self, switch: str, source: Path, mark: str, rate: int, gain: float, account: str) -> str:
        """Return the path on a switch of ``source``'s audio, made for an account; ``mark`` tells its content.

        It stays until ``over``. Raises KeyError, NotPossible where it is no audio, MediaAway where it can't be made.
        """
        ...

    def over(self, switch: str, path: str) -> None:
        """Let what was made go, once for each time; other paths do nothing."""
        ...


class Masters(Protocol):
    """The files of recordings."""

    async def wav_of(self, recording: Recording) -> Path:
        """Return the WAV that is served, or that what is served was made of.

        Raises KeyError, ValueError, OSError, MediaAway where it can't be had now.
        """
        ...

    def seen_by(self, switch: str, recording: Recording) -> str | None:
        """Return the path on a switch of that WAV, None where the switch does not see it as it is served."""
        ...


@dataclass(frozen=True, slots=True)
class CallAudio:
    """Implements ``calls.ports.Audio``. A recording that has ended is waited for ``patience`` seconds."""

    dialects: Mapping[str, Dialect]
    recordings: Recordings
    masters: Masters
    downloads: Downloads
    sounds: Sounds
    observe: Hook = lambda _: None
    patience: float = PATIENCE
    clock: Callable[[], float] = time.monotonic

    async def file(self, call: Call, url: str, gain: float) -> SoundFile:
        """Return what lies at a URL, ``gain`` dB louder, as a file on the call's switch. Raises AudioFailed.

        A recording that runs fails at once, one that has ended is waited for; one without any audio fails as well.
        """
        dialect = self.dialects.get(call.dialect)
        identity = None if dialect is None else dialect.recording_of(url)
        named = _named(url)
        if identity is None:
            return await self._foreign(call, url, named, gain)
        try:
            return await self._own(call, identity, gain)
        except (NotPossible, MediaAway, OSError, ValueError) as error:
            raise self._refused(call, named, error) from error
        except AudioFailed as error:
            raise AudioFailed(f"{named}: {error}") from error

    def over(self, call: Call, sound: SoundFile) -> None:
        """Let a file go whose play is over, or can no longer begin."""
        self.sounds.over(call.switch, sound.path)

    # --- recordings of ours -----------------------------------------------------------------------------------

    async def _own(self, call: Call, identity: str, gain: float) -> SoundFile:
        recording = await self._ended(call, identity)
        measured = recording.measured
        if recording.state is State.FAILED or measured is None:
            raise AudioFailed(f"the recording failed: {recording.error or 'it has no readable audio'}")
        if recording.state is State.ABSENT or not measured.duration:
            raise AudioFailed("the recording is absent: it has no audio worth keeping")
        seen = None if gain else self.masters.seen_by(call.switch, recording)
        if seen is not None:
            return SoundFile(seen)
        try:
            source = await self.masters.wav_of(recording)
            mark = f"recording {recording.id} {recording.revision}"
            return SoundFile(await self.sounds.made(call.switch, source, mark, call.info.rate, gain, call.account))
        except KeyError as error:
            raise AudioFailed(f"switch {error} has no recording directory in the settings") from error

    async def _ended(self, call: Call, identity: str) -> Recording:
        """Return a recording once it can be played. Raises AudioFailed, which tells others nothing of whose it is."""
        try:
            async with asyncio.timeout(self.patience):
                found = self.recordings.get(identity)
                if found is None:
                    found = await self.recordings.playable(identity)
                if found is None or found.owner.account != call.account or found.deleted_at is not None:
                    raise AudioFailed("there is no such recording")
                if found.state.active and found.wish.stop is None:
                    raise AudioFailed("the recording runs still; stop it before it is played")
                if not found.state.final:
                    found = await self.recordings.playable(identity)
        except TimeoutError:
            raise AudioFailed(f"the recording was not ready within {self.patience:g} s") from None
        if found is None:
            raise AudioFailed("there is no such recording")
        return found

    # --- what lies elsewhere ----------------------------------------------------------------------------------

    async def _foreign(self, call: Call, url: str, named: str, gain: float) -> SoundFile:
        began = self.clock()
        try:
            async with self.downloads.get(url, call.account) as fetched:
                path = await self.sounds.made(
                    call.switch, fetched.path, fetched.digest, call.info.rate, gain, call.account
                )
        except (FetchFailed, NotPossible, MediaAway) as error:
            raise self._refused(call, named, error) from error
        except KeyError as error:
            raise AudioFailed(f"{named}: switch {error} has no recording directory in the settings") from error
        self.observe(AudioFetched(call.id, named, fetched.size, self.clock() - began, fetched.fresh))
        return SoundFile(path)

    def _refused(self, call: Call, named: str, error: Exception) -> AudioFailed:
        """Tell the operator why, and return what the document is told: nothing of this machine, so no path."""
        self.observe(AudioRefused(call.id, named, str(error)))
        match error:
            case MediaAway():
                return AudioFailed(f"{named}: sounds can't be made playable now")
            case OSError() | ValueError():
                return AudioFailed(f"{named}: the recording's file can't be read")
        return AudioFailed(f"{named}: {error}")


def _named(url: str) -> str:
    """Return a URL as people are told it: without credentials, and without a query, which often holds some."""
    bare = shown(url)
    try:
        return urlsplit(bare)._replace(query="", fragment="").geturl()[:300]
    except ValueError:
        return bare.partition("?")[0][:300]
