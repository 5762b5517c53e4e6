"""Fetches documents (DESIGN section 7). All of an answer that counts is its status and its body."""

from __future__ import annotations

import aiohttp

from controller.documents.fetch import FetchFailed, Patience, Render, Trouble
from controller.documents.fragments import Retried
from controller.web.client import WebClient, chunks

_STATUSES = {4: Retried.STATUS_4XX, 5: Retried.STATUS_5XX}


class DocumentClient(WebClient):
    """Implements ``documents.fetch.Fetcher``."""

    async def fetch(self, method: str, url: str, render: Render, patience: Patience, limit: int) -> bytes:
        """Return the document's bytes, ``limit`` of them at most. Raises FetchFailed."""

        async def take(response: aiohttp.ClientResponse) -> bytes:
            if not 200 <= response.status <= 299:
                response.close()  # whatever else it would say
                kind = _STATUSES.get(response.status // 100)
                said = f"answered with status {response.status}; a document comes with 200"
                raise FetchFailed(said, kind, Trouble.STATUS)
            return b"".join([chunk async for chunk in chunks(response, limit, "a document")])

        return await self.ask(method, url, render, patience, take)
