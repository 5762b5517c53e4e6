"""What comes back from disks and from other servers: rows, sound files, answers, URLs that were stored."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.documents.call import Call
from controller.documents.fragments import COMMON, rules_of, split_url
from controller.logs import Sanitizer
from controller.media import cut, master, wav
from controller.recordings.model import (
    Pause,
    PauseBehavior,
    Recording,
    Transcription,
)
from controller.recordings.ports import MediaAway
from controller.store import DecodeError, Transaction, open_store
from controller.store.codec import decode, encode
from controller.store.search import in_order, search
from controller.store.values import Attempt, DeliveryState
from controller.web.request import CannotSend, headers_of, target_of
from controller.webhooks.schedule import judge, retry_after
from tests.fuzz.profile import fuzz
from tests.fuzz.texts import HOSTILE, json_values, spoiled, texts, words
from tests.store.values import CALLS, RECORDINGS, call, delivery, notice, recording, transcription

# Stored text

stored = st.one_of(
    *(spoiled(values.map(encode)) for values in (RECORDINGS, CALLS)),
    st.builds(json.dumps, json_values),
    st.builds(lambda value: " " + json.dumps(value), json_values),
    texts,
)


@st.composite
def swapped(draw: st.DrawFn) -> str:
    """A whole recording or call in which one value, at any depth, is of another type."""
    data = json.loads(encode(draw(RECORDINGS | CALLS)))
    place: Any = data
    while True:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = draw(st.sampled_from(keys))
        if not (isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans())):
            break
        place = place[key]
    place[key] = draw(json_values)
    return draw(st.sampled_from(("", " "))) + json.dumps(data)


@fuzz(400)
@given(stored | swapped())
@example(" " + "[" * 100_000)
@example('{"id": ' + "[" * 1_000 + "]" * 1_000 + "}")
@example(' {"recording": "r", "account": "a", "state": "waiting", "requested_at": 1' + "0" * 400 + "}")
@example(' {"recording": "r", "account": "a", "state": "waiting", "requested_at": ' + "1" * 5_000 + "}")
def test_stored_text_is_a_value_or_decode_error(text: str) -> None:
    """Of every class that is stored: text that some bit of was lost is that value still, or DecodeError."""
    for kind in (Recording, Call, Transcription):
        try:
            value = decode(kind, text)
        except DecodeError as error:
            said = str(error)
        else:
            assert isinstance(value, kind)
            said = ""
        assert len(said) < 1_000


COLUMNS = (
    "data",
    "requested_at",
    "finished_at",
    "state",
    "revision",
    "deleted_at",
    "caller",
    "url",
    "due_at",
    "status",
)
ODD = st.one_of(
    *(st.sampled_from((None, 0, 1, -1, 2**62, 1e308, b"\xff\xfe", b"", "", "x", "[]", "{}", '{"id":1}')), words),
).filter(lambda value: not isinstance(value, str) or value.isprintable())
READERS: dict[str, Callable[..., Any]] = {
    "unfinished": lambda reader, one: reader.unfinished("fs1"),
    "recordings": lambda reader, one: reader.recordings("acme", limit=10),
    "counts": lambda reader, one: reader.counts(),
    "live calls": lambda reader, one: reader.live_calls("fs1"),
    "a readable recording": lambda reader, one: reader.readable_recording(one),
    "notices": lambda reader, one: reader.notices_of(one),
    "deliveries": lambda reader, one: reader.deliveries_of(one),
    "pending": lambda reader, one: reader.deliveries(DeliveryState.PENDING, limit=10),
    "dead": lambda reader, one: reader.deliveries(DeliveryState.DEAD, account="acme"),
    "found": lambda reader, one: search(reader, limit=10, text=one),
    "found by a number": lambda reader, one: search(reader, limit=10, text="1"),
    "live": lambda reader, one: in_order(reader, reader.live()),
    "history": lambda reader, one: reader.history(one),
    "transcriptions": lambda reader, one: reader.transcriptions_waiting(10),
    "due origins": lambda reader, one: reader.due_origins(1e12),
    "due": lambda reader, one: reader.due("http://127.0.0.1:9", 1e12, 10),
}


@fuzz(8, shrink=False)
@given(data=st.data())
def test_a_damaged_database_is_read_without_its_damage(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Columns of rows that hold anything: lists leave those rows out and tell telemetry; what is whole is found."""
    path = tmp_path_factory.mktemp("fuzz") / "fsrec.db"
    whole, spoilt = recording(), recording()
    asyncio.run(_stored(path, whole, spoilt))
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        for table in ("recordings", "calls", "notices", "deliveries", "transcriptions"):
            names = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
            column = data.draw(st.sampled_from([name for name in names if name in COLUMNS]))
            where = f" WHERE id = '{spoilt.id}'" if table == "recordings" else ""
            with contextlib.suppress(sqlite3.IntegrityError):
                raw.execute(f"UPDATE {table} SET {column} = ?{where}", (data.draw(ODD),))  # noqa: S608
    assert whole in asyncio.run(_read(path, spoilt))


async def _stored(path: Path, whole: Recording, spoilt: Recording) -> None:
    def save(work: Transaction) -> None:
        work.save_recording(whole)
        work.save_recording(spoilt)
        work.save_call(call())
        work.add_notice(notice(spoilt), [delivery()])
        work.add_transcription(transcription(spoilt))

    store = await open_store(path)
    await store.write(save)
    await store.close()


async def _read(path: Path, spoilt: Recording) -> list[Recording]:
    """Read all there is; what is unfinished."""
    store = await open_store(path)
    try:
        for read in READERS.values():
            await store.read(partial(read, one=spoilt.id))
        return await store.read(lambda reader: reader.unfinished("fs1"))
    finally:
        await store.close()


# Sound files

CHUNK = struct.Struct("<4sI")


@st.composite
def sounds(draw: st.DrawFn) -> bytes:
    """A WAV in which names, sizes and numbers lie, with chunks before and behind its audio."""
    sizes = st.sampled_from((0, 1, 2, 16, 44, 2**31, 2**32 - 1)) | st.integers(0, 2**32 - 1)
    numbers = st.sampled_from((0, 1, 2, 8, 16, 8_000, 65_535)) | st.integers(0, 65_535)
    channels, rate = draw(st.sampled_from((1, 2, 0, 9)) | numbers), draw(st.sampled_from((8_000, 0)) | sizes)
    form = struct.pack(
        "<HHIIHH", draw(st.sampled_from((1, 0xFFFE)) | numbers), channels, rate, draw(sizes),
        draw(st.sampled_from((channels * 2 % 65_536,)) | numbers), draw(st.sampled_from((16,)) | numbers),
    )  # fmt: skip
    audio = draw(st.binary(max_size=600) | st.integers(0, 2_000).map(bytes))
    parts = []
    for name in draw(
        st.permutations((b"fmt ", b"data", *draw(st.lists(st.binary(min_size=4, max_size=4), max_size=3))))
    ):
        body = {b"fmt ": form + draw(st.binary(max_size=24)), b"data": audio}.get(
            name, b"x" * draw(st.integers(0, 9))
        )
        length = draw(st.sampled_from((len(body),) * 6) | sizes)
        parts.append(CHUNK.pack(name, length) + body)
    inside = b"WAVE" + b"".join(parts)
    return CHUNK.pack(draw(st.sampled_from((b"RIFF", b"RIFX"))), draw(st.just(len(inside)) | sizes)) + inside


GOOD = wav.header(8_000, 1, 200) + bytes(400)
files = sounds() | st.builds(lambda at, put: GOOD[:at] + put + GOOD[at + len(put) :], st.integers(0, 60), st.binary())
moments = st.sampled_from((0.0, 0.01, 0.05, 1.0, -5.0, 1e9, math.nan, math.inf)) | st.floats()
pauses = st.lists(st.builds(Pause, moments, st.sampled_from(PauseBehavior), st.none() | moments), max_size=4)


def examined(path: Path, one: Recording) -> None:
    """A master is measured, and copied where it must be; or one of the errors that this states."""
    try:
        found, told = master.measure(one, path, path.with_suffix(".copy.wav"))
    except (wav.WavError, OSError, MediaAway):
        return
    assert math.isfinite(found.duration)
    assert found.duration >= 0
    assert 1 <= found.channels <= wav.MAX_CHANNELS
    assert told.cut_seconds >= 0
    if found.derived:
        made = wav.read(path.with_suffix(".copy.wav"))
        assert made.finished
        assert abs(made.duration - found.duration) < 1 / made.rate


@fuzz(300)
@given(files, pauses, st.booleans(), st.none() | st.sampled_from((0.0, 5.0)))
def test_any_file_is_measured_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, paused: list[Pause], trim: bool, ended: float | None
) -> None:
    """Headers that lie about sizes, rates and channels; pauses that were never in it."""
    path = tmp_path_factory.getbasetemp() / f"fuzz-{os.getpid()}.wav"
    path.write_bytes(content)
    steady = [one for one in paused if math.isfinite(one.start) and (one.end is None or math.isfinite(one.end))]
    asked = recording(pauses=tuple(steady), started_at=0.0, ended_at=ended)
    examined(path, replace(asked, request=replace(asked.request, trim=trim)))


@pytest.mark.parametrize("declared", [0, 400, 2**32 - 1])
def test_four_gigabytes_of_nothing(tmp_path: Path, declared: int) -> None:
    """A sparse file is measured without reading it, and cut in bounded memory near its pauses alone."""
    path = tmp_path / "large.wav"
    head = bytearray(wav.header(8_000, 2, 100))
    head[40:44] = struct.pack("<I", declared)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(5 << 30)
    found = wav.read(path)
    assert found.size == 5 << 30
    assert found.frames <= found.size // 4
    with wav.opened(path) as descriptor:
        cut.find_cuts(descriptor, found, [Pause(3.0, PauseBehavior.SKIP, 4.0)], 0.0)


# Answers of receivers and engines, and what is sent to them

HEADER = st.sampled_from(
    ("5", "-5", "1e9", "99999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Oct 2015 99:99:99")
)


@fuzz(400)
@given(
    spoiled(HEADER) | texts,
    st.none() | st.integers(100, 999),
    st.sampled_from(("swml", "twiml", "plivo", "x")),
    st.integers(1, 30),
    spoiled(st.sampled_from(("https://a.example/#rc=3&rp=5xx,ct&ct=1&rt=2&tt=9", "http://a.example"))),
)
@example("Mon, 01 Jan 0001 00:00:00 +9999", 500, "swml", 1, "https://a.example")
@example("Fri, 31 Dec 9999 23:59:59 -2359", 429, "swml", 1, "https://a.example")
@example("1 1 1 1:1:1 +" + "9" * 30, 429, "swml", 1, "https://a.example")
def test_any_answer_leads_to_a_time_or_an_end(
    waiting: str, status: int | None, dialect: str, tries: int, url: str
) -> None:
    """Whatever a receiver answers: delivered, dead with a reason, or due at a time that comes."""
    now = 1_771_539_204.5
    asked = retry_after(waiting, now)
    assert asked is None or (math.isfinite(asked) and asked >= 0)
    bare, wishes = split_url(url, rules_of(dialect))
    assert "#" not in bare
    limits = COMMON if dialect != "plivo" else rules_of(dialect)
    assert 0 < wishes.timeouts.connect <= limits.most.connect
    assert 0 < wishes.timeouts.total <= limits.most.total
    attempt = Attempt(now, 0.1, status, None if status else "connection", "", b"", waiting)
    verdict = judge(dialect, attempt, tries=tries, wishes=wishes, max_attempts=8, now=now, random=lambda: 0.5)
    if verdict.state is DeliveryState.PENDING:
        assert verdict.due_at is not None
        assert now <= verdict.due_at < now + 30 * 86_400
    else:
        assert verdict.state is DeliveryState.DELIVERED or verdict.reason


urls = spoiled(st.sampled_from(("https://user:pass@a.example:8443/b;c/d?e=f&g#h", "http://[::1]/", "http://1.2.3.4")))


@fuzz(400)
@given(urls | texts, st.lists(st.tuples(texts, texts), max_size=3))
def test_any_url_and_header_is_sent_as_one_or_refused(url: str, pairs: list[tuple[str, str]]) -> None:
    """Nothing but CannotSend; what goes out has a host, and no line of its own in any header."""
    authorization = None
    with contextlib.suppress(CannotSend):
        target, authorization = target_of(url)
        assert target.host
        assert target.scheme in {"http", "https"}
        assert not set(str(target)) & set("\r\n\0 ")
    with contextlib.suppress(CannotSend):
        for name, value in headers_of(pairs, authorization).items():
            assert not set(name + value) & set("\r\n\0")


# The log

values = st.recursive(
    texts | st.integers() | st.binary(max_size=9) | st.builds(ValueError, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
SECRET = "s3cret-Sesame"


@fuzz(150)
@given(st.dictionaries(st.sampled_from(("event", "exception", "password", *HOSTILE)), values, max_size=5), words)
def test_any_event_is_logged_on_lines_without_a_secret(event: dict[str, Any], before: str) -> None:
    """Control characters, secrets inside of anything, values that nest."""
    event["reason"] = f"{before}{SECRET}{before}"
    event["inside"] = [{"a": (SECRET, ValueError(SECRET))}]
    said = json.dumps(Sanitizer([SECRET])(None, "info", event), ensure_ascii=False)
    assert SECRET not in said
    assert said.isprintable()


def test_long_texts_are_logged_in_time() -> None:
    """What users of URLs send, as long as a body may be: no pattern goes over it more than once."""
    for text in ("://" * 300_000, "://" + "a" * 1_000_000, "@" * 1_000_000, "://a:" * 200_000, "\0" * 1_000_000):
        assert len(Sanitizer([SECRET])(None, "info", {"text": text})["text"]) < 100_000
