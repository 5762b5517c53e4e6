"""Texts that were dangerous to somebody, and values of every JSON type made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

HOSTILE = (
    *("", " ", "\0", "\r\n", "\n\n", "a\nb", "\t", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "\ufffd"),
    *(
        "\ud800",
        "\udc00x",
        "😀",
        "e\u0301",
        "ß",
        "İ",
        "²",
        "\uff11\uff12",
        "٣",
        "Infinity",
        "NaN",
        "-0",
        "1e400",
        "0x10",
    ),
    *("9" * 25, "9" * 400, "-1", "1_000", " 1", "1.5", "true", "null", "undefined", "__proto__", "constructor"),
    *("${", "}", "${system ls}", "%{a}", "${call.from}", "${'a'}", "$${a}", "${a[0]}", "{{", "`", "\\", "'", '"'),
    *("../../etc/passwd", "a/b", "%2e%2e%2f", "%00", "%zz", "%", "&", "=", "?", "#", ";", ",", "|", ">", "<", "]]>"),
    *("&lt;", "&#0;", "&#xD800;", "&e;", "<!DOCTYPE a>", "<a", "</a>", "http://", "http://[", "http://a:99999/"),
    *("https://user:pass@a.example/b?c=d#rc=3&rp=5xx", "http://a b/", "//a", "file:///etc/passwd", "javascript:1"),
    *("reload mod_event_socket", "ARRAY::a|:b", "loopback/app=system:ls", "[execute_on_answer=hangup]", "+ERR no"),
    *("-ERR no such", "Content-Length: 9", "auth x", "2026-11-20", "0001-01-01", "9999-12-31T23:59:59-14:00"),
    *("Twilio.CURRENT", "RE" + "0" * 32, "CA" + "f" * 32, "00000000-0000-4000-8000-000000000000", "Basic Og=="),
    *("x" * 300, "é" * 3000, "9" * 5000),
)

words: st.SearchStrategy[str] = st.sampled_from(HOSTILE) | st.text(max_size=20)
texts: st.SearchStrategy[str] = words | st.lists(words, max_size=4).map("".join)
scalars: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.floats() | texts
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)


def encodable(text: str) -> str:
    """The text without what UTF-8 cannot carry, for where bytes are sent."""
    return text.encode("utf-8", "replace").decode()


def _put(before: str, after: str) -> Callable[[str], str]:
    return lambda word: before + word + after


def spoiled(good: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Good texts in which one place is not: something left out, doubled, or put in."""

    @st.composite
    def change(draw: st.DrawFn) -> str:
        text = draw(good)
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(text)))
            to = min(len(text), at + draw(st.integers(0, 12)))
            text = draw(
                st.sampled_from((text[:at] + text[to:], text[:to] + text[at:], text[:at]))
                | words.map(_put(text[:at], text[to:]))
            )
        return text

    return change()
