"""Any server that speaks OpenAI's ``POST /v1/audio/transcriptions``: theirs, or one's own with the same interface.

The URL is of the settings, so it is trusted: it may be on this machine or a private network, as a server of one's own
is, and no address guard looks at it. What it answers is bounded and believed as far as text goes; what it says of
errors may be about the operator's account, so it is logged and not told to those who asked for a text.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

from controller.media import wav as waves
from controller.transcription.events import EngineRefused
from controller.transcription.ports import TranscriptionFailed

MODEL = "whisper-1"
LANGUAGE = "en"
CONNECT = 5.0
LEAST, PER_SECOND = 60.0, 0.5
"""Seconds within which the answer is there: so many, and so many for each second of the recording."""
DELAYS = (1.0, 5.0, 20.0)
"""Seconds before each further try, a fifth more or less; a server that says when to come again is believed."""
LONGEST_DELAY = 120.0
MOST = 4 << 20
"""Bytes of an answer: what is said in four hours has a quarter of a million."""
_SHOWN = 300


def endpoint(url: str) -> str:
    """Return what is posted to, given a base URL (with or without ``/v1``) or the whole one."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith("/audio/transcriptions"):
        path += "/audio/transcriptions" if path.endswith("/v1") else "/v1/audio/transcriptions"
    return urlunsplit(parts._replace(path=path))


class _Again(Exception):
    """It may work another time, ``after`` so many seconds if the server said so; the words say what did not."""

    def __init__(self, words: str, after: float | None = None) -> None:
        super().__init__(words)
        self.after = after


class OpenAi:
    """Implements ``ports.Engine`` over HTTP, at ``url`` with ``key`` as bearer token, where there is one.

    What can't be connected to, breaks off, or answers 429 or 5xx is tried again after each of ``delays``. ``observe``
    gets ``EngineRefused``.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        model: str = MODEL,
        delays: Sequence[float] = DELAYS,
        least: float = LEAST,
        observe: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._url = endpoint(url)
        self._key = key.encode()
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._model = model
        self._delays = tuple(delays)
        self._least = least
        self._observe = observe
        self._session: aiohttp.ClientSession | None = None

    async def transcribe(self, wav: Path, seconds: float, progress: Callable[[float], None]) -> str:
        """Return what the server says is said in a WAV. Raises TranscriptionFailed."""
        for delay in (*self._delays, None):
            try:
                text = await self._attempt(wav, seconds)
            except _Again as again:
                self._observe(EngineRefused(wav.stem, str(again)))
                if delay is None:
                    tries = len(self._delays) + 1
                    raise TranscriptionFailed(f"the transcription server could not be used, {tries} times") from None
                wait = delay if again.after is None else min(again.after, LONGEST_DELAY)
                await asyncio.sleep(wait * random.uniform(0.8, 1.2))  # noqa: S311 - not for secrets
            else:
                progress(seconds)
                return text
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _attempt(self, wav: Path, seconds: float) -> str:
        within = self._least + PER_SECOND * seconds
        try:
            with waves.opened(wav) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
                form = aiohttp.FormData({"model": self._model, "language": LANGUAGE, "response_format": "json"})
                form.add_field("file", file, filename="recording.wav", content_type="audio/wav")
                async with asyncio.timeout(within):
                    return await self._post(form, wav.stem)
        except TimeoutError:
            raise _Again(f"no answer within {within:g} s") from None
        except aiohttp.ClientError as error:
            raise _Again(f"{type(error).__name__}: {str(error)[:_SHOWN]}") from None
        except (waves.WavError, OSError) as error:
            raise TranscriptionFailed(f"its file can't be read: {error}") from None

    async def _post(self, form: aiohttp.FormData, recording: str) -> str:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, headers={"Accept-Encoding": "identity"}
            )
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT)
        async with self._session.post(
            self._url, data=form, headers=self._headers, allow_redirects=False, timeout=timeout
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MOST:
                    raise TranscriptionFailed(f"the transcription server answered more than {MOST} bytes")
            return self._text(response, bytes(body), recording)

    def _text(self, response: aiohttp.ClientResponse, body: bytes, recording: str) -> str:
        if response.status == 429 or response.status >= 500:
            raise _Again(self._told(response.status, body), _seconds(response.headers.get("Retry-After", "")))
        if response.status != 200:
            self._observe(EngineRefused(recording, self._told(response.status, body)))
            raise TranscriptionFailed(f"the transcription server refused it with status {response.status}")
        try:
            match orjson.loads(body):
                case {"text": str(text)}:
                    return text
        except ValueError:
            pass
        # Which may be what callers say, in another form: that is for no log.
        form = f'{len(body)} bytes of {response.content_type}, not JSON with a "text"'
        self._observe(EngineRefused(recording, f"status {response.status}: {form}"))
        raise TranscriptionFailed('the transcription server answered something else than JSON with a "text"')

    def _told(self, status: int, body: bytes) -> str:
        """Return what a server said for the log, without the key: one that is cut in two the log does not know."""
        shown = body.replace(self._key, b"***") if self._key else body
        return f"status {status}: {shown[:_SHOWN].decode('utf-8', 'replace')}"


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None
