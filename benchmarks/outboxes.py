"""A store as a daemon left it: recordings that are over, and callbacks of them that are still to be delivered."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from controller.dialects.swml import SwmlDialect
from controller.recordings.model import (
    Channels,
    EndReason,
    Measured,
    Notice,
    NoticeKind,
    Owner,
    Recording,
    RecordingRequest,
    State,
    StatusTarget,
    Track,
    new_id,
)
from controller.settings import parse
from controller.store.store import open_store
from controller.store.transaction import Transaction

_BATCH = 1000


async def fill(database: Path, settings: str, url: str, count: int) -> bytes:
    """Put ``count`` finished recordings into a store, each with one callback to ``url``; return the body of one."""
    account = parse(settings).accounts_by_name()["acme"]
    dialect = SwmlDialect("http://127.0.0.1:8080")
    database.parent.mkdir(parents=True, exist_ok=True)
    store = await open_store(database)
    body = b""
    try:
        for start in range(0, count, _BATCH):
            notices = [_finished(url) for _ in range(min(_BATCH, count - start))]
            rendered = [(notice, dialect.render(notice, account)) for notice in notices]
            body = rendered[0][1][0].body

            def work(transaction: Transaction, rendered=rendered) -> None:  # type: ignore[no-untyped-def]
                for notice, deliveries in rendered:
                    transaction.save_recording(notice.recording)
                    transaction.add_notice(notice, deliveries)

            await store.write(work)
    finally:
        await store.close()
    return body


def _finished(url: str) -> Notice:
    now, identity, call = time.time(), new_id(), new_id()
    request = RecordingRequest(Channels.MONO, Track.BOTH, "wav", "rec", "record_call")
    recording = Recording(
        identity,
        Owner("acme", "swml", call, "fs1", new_id()),
        replace(request, status=StatusTarget(url, "POST", ("recording", "finished"))),
        State.COMPLETED,
        f"/nowhere/{identity}.wav",
        now - 60,
        started_at=now - 59,
        finished_at=now - 29,
        reason=EndReason.HANGUP,
        measured=Measured(30.0, 480_044),
        revision=5,
    )
    return Notice(new_id(), NoticeKind.COMPLETED, recording, now - 29, 2)
