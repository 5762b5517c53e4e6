"""No text of others adds to a request, or breaks out of its parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.web.request import CannotSend, headers_of, method_of, target_of


@given(st.text(st.characters()), st.text(st.characters()))
def test_no_text_adds_a_header(name: str, value: str) -> None:
    """Whatever name and value: what is let through has no line break, and frames no message."""
    try:
        headers = headers_of(((name, value),), None)
    except CannotSend:
        return
    assert not set("\r\n\0") & set(f"{name}{value}")
    assert name.lower() not in {"content-length", "transfer-encoding", "host"}
    assert len(headers) <= 3


@given(st.text(st.characters()).map(lambda text: f"http://127.0.0.1/{text}") | st.text(st.characters()))
def test_no_text_breaks_out_of_the_request_line(url: str) -> None:
    """Whatever the URL: it is refused, or goes out as one visible word without credentials or fragment."""
    try:
        target, _ = target_of(url)
    except CannotSend:
        return
    assert target.raw_path_qs.isascii()
    assert not any(character <= " " or character == "\x7f" for character in target.raw_path_qs)
    assert target.raw_fragment == ""
    assert target.raw_user is None


def test_what_is_sent_as_it_is_written() -> None:
    """A URL of visible ASCII keeps every character but its credentials and fragment; the latter are never sent."""
    target, authorization = target_of("http://u:p@h/a%2fb/../c?q=%C3%A9+x&r='1'#rc=3")
    assert str(target) == "http://h/a%2fb/../c?q=%C3%A9+x&r='1'"
    assert authorization == "Basic dTpw"
    assert target_of("https://h/")[1] is None
    assert method_of("POST") == "POST"
    assert headers_of((), "Basic dTpw")["Authorization"] == "Basic dTpw"


@pytest.mark.parametrize("name", ["", "get", "PO ST", "GET / HTTP/1.1\r\n", "A" * 17])
def test_what_is_no_method(name: str) -> None:
    """A method is a short word of capitals."""
    with pytest.raises(CannotSend):
        method_of(name)


@pytest.mark.parametrize("name", ["Host", "content-length", "X Y", "", "Transfer-Encoding", "X:"])
def test_what_is_no_header_of_ours(name: str) -> None:
    """Names that frame the message are aiohttp's to write, and others are no names."""
    with pytest.raises(CannotSend, match="header name"):
        headers_of(((name, "v"),), None)
