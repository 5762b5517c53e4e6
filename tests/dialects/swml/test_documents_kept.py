"""Documents are read once however many calls run them: bounded, shared, and no call sees another."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from controller.dialects.swml import dialect
from controller.dialects.swml import document as swml_document
from controller.dialects.swml.dialect import Documents, SwmlDialect
from controller.documents.dialect import DocumentError
from controller.documents.steps import Done
from tests.dialects.swml.sample import CALL


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are read."""
    real = swml_document.read
    seen: list[str] = []

    def read(text: str, source: str) -> Any:
        seen.append(text)
        return real(text, source)

    monkeypatch.setattr(dialect, "read", read)
    return seen


def document(steps: str) -> str:
    return f'{{"sections": {{"main": {steps}}}}}'


def texts(count: int) -> list[str]:
    return [document(f'[{{"set": {{"n": {number}}}}}, {{"sleep": 5}}]') for number in range(count)]


def test_start_and_restore_read_a_text_once(reads: list[str]) -> None:
    """Many calls of one document, begun and gone on with, from wherever it came."""
    swml, (text,) = SwmlDialect("https://rec.example.com"), texts(1)
    for source in ("a.yaml", "https://example.com/a"):
        begun = swml.start(text, source, CALL)
        begun.next(None)
        assert swml.restore(json.loads(json.dumps(text)), source, CALL, begun.snapshot()).next(None)
    assert reads == [text]


def test_another_text_is_another_document() -> None:
    """Each has its own values."""
    swml = SwmlDialect("https://rec.example.com")
    for _ in range(2):
        for number, text in enumerate(texts(3)):
            program = swml.start(text, "a.yaml", CALL)
            program.next(None)
            assert program.variables["n"] == number


def test_what_one_call_makes_of_its_document_no_other_sees() -> None:
    """Values of the document become variables, which change; the document does not."""
    swml = SwmlDialect("https://rec.example.com")
    text = document(
        '[{"set": {"a": {"b": [1]}, "c": "${a}"}}, {"sleep": 1}, {"set": {"a": 2}}, {"unset": "c"}, {"sleep": 1}]'
    )
    seen = []
    for _ in range(2):
        program = swml.start(text, "a.yaml", CALL)
        program.next(None)
        seen.append(json.dumps(program.variables, sort_keys=True))
        program.next(Done())
    assert seen[0] == seen[1]


def test_what_was_not_used_for_longest_is_forgotten_first(reads: list[str]) -> None:
    """Three documents' worth is kept, whatever comes; one that alone is more is not kept at all."""
    first, second, third, fourth = texts(4)
    kept = Documents(len(first) * 3)
    for text in (first, second, third, first, fourth, first, third, fourth, second):
        kept.read(text, "a.yaml")
    assert reads == [first, second, third, fourth, second]
    large = document(json.dumps([{"sleep": 1}] * 100))
    for _ in range(2):
        kept.read(large, "a.yaml")
    assert reads[-2:] == [large, large]
    assert kept._size == 0


def test_a_refused_text_is_refused_each_time_under_its_own_name(reads: list[str]) -> None:
    """Nothing is kept of it."""
    kept = Documents()
    for source in ("a.yaml", "b.yaml"):
        with pytest.raises(DocumentError, match=source):
            kept.read("[", source)
    assert len(reads) == 2
    assert kept._size == 0


def test_threads_may_ask_at_the_same_time() -> None:
    """Large documents are read in threads: what is counted stays true."""
    kept, wanted = Documents(2000), texts(40)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: kept.read(text, "a.yaml"), wanted * 5))
    assert [each.blocks["main"].steps[0].values for each in found[:40]] == [
        each.blocks["main"].steps[0].values for each in found[-40:]
    ]
    assert kept._size == sum(map(len, kept._read)) <= 2000
