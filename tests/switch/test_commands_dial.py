"""Who is dialled: a closed grammar of templates and addresses, and nothing else in FreeSWITCH's dial string."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.switch.commands import DIALLER, Bridge, Callee, Templates, parse

LEG = "50025a09-4c0c-4a8c-800c-88bd3014e327"
EXECUTION = "ee37fb7e-d586-45ed-8f6c-44bc0f5ba9c3"
CALLEE = "1c0d60f5-3ad7-4c11-9be5-1d30a2f49c11"
OTHER = "2c0d60f5-3ad7-4c11-9be5-1d30a2f49c12"
CALL = "0495cc91bd10458ba3b1e67a5c824afe"
TEMPLATES = Templates()
SAFE = re.compile(r"[A-Za-z0-9._@:;=+*#/-]*")
"""What may stand in an endpoint. FreeSWITCH's separators, brackets, quotes, blanks and dollars may not."""

NUMBERS = ["1000", "+15551234567", "*97#", "#" * 32]
HOSTILE = [
    "1000,loopback/app=system:touch x",
    "[execute_on_answer=system touch x]1000",
    "{execute_on_answer='system touch x'}1000",
    "<a=b>1000",
    "1000|loopback/9",
    "1000:_:loopback/9",
    "1000 &park()",
    "app=system:id",
    "${system id}",
    "1000\r\n\r\napi reloadxml",
    "1000\n",
    "100%30",
    "+",
    "",
    "1" * 33,
    "1000'",
    "1000\\",
    "\uff11\uff10\uff10\uff10",
    "\u0661\u0662",
    "../1000",
    "1000/default",
    "1000@evil.example",
    "^^:1000",
]
URIS = [
    "sip:ada@example.com",
    "sips:ada.b+1@example.com:5061;transport=tls",
    "sip:1000@192.0.2.1:5060",
    "sip:example.com",
    "sip:*97@pbx",
]
TRICKS = [
    *HOSTILE,
    *(f"sip:{text}@example.com" for text in HOSTILE if (text not in {"+", ""} and not text.isascii()) or "," in text),
    "sip:ada@example.com,loopback/app=system:touch x",
    "sip:ada@example.com;fs_path=sip:evil.example",
    "sip:ada@example.com;transport=udp;x=y",
    "sip:ada@example.com?X-Evil=1",
    "sip:ada:secret@example.com",
    "sip:ada@example.com^sip:eve@example.com",
    "sip:ada@[::1]",
    "sip:_:_@example.com",
    "sip::_:loopback@example.com",
    "sip:ada@example.com:99999999",
    "sip:ada@-example.com",
    "sip:ada@example..com",
    "sip:ada@example.com/9",
    "SIP:ada@example.com",
    "tel:+1555",
    "ada@example.com",
    "sip:",
    "sip:@example.com",
]


Headers = tuple[tuple[str, str], ...]


def bridge(*endpoints: str, caller: str = "", rings: int = 60, name: str = "", headers: Headers = ()) -> Bridge:
    legs = zip((CALLEE, OTHER), endpoints, strict=False)
    callees = tuple(Callee(leg, endpoint, caller, name, headers) for leg, endpoint in legs)
    return Bridge(LEG, callees, CALL, rings, event_uuid=EXECUTION)


def test_one_callee() -> None:
    """Its early media is heard; its leg has the id that it is given, and says whose it is."""
    command = bridge("sofia/gateway/carrier/1000", caller="+1555", rings=70)
    assert command.argument() == (
        "{ignore_early_media=false,originate_timeout=70}"
        f"[origination_uuid={CALLEE},{DIALLER}={CALL},origination_caller_id_number=+1555]sofia/gateway/carrier/1000"
    )
    assert parse(command.packet()) == command


def test_several_callees() -> None:
    """They ring together, and the early media of none ends that; without a number to show the leg's own is shown."""
    command = bridge("sofia/gateway/carrier/1000", "sofia/external/sip:ada@example.com")
    assert command.argument() == (
        "{ignore_early_media=true,originate_timeout=60}"
        f"[origination_uuid={CALLEE},{DIALLER}={CALL}]sofia/gateway/carrier/1000,"
        f"[origination_uuid={OTHER},{DIALLER}={CALL}]sofia/external/sip:ada@example.com"
    )
    assert parse(command.packet()) == command


def test_what_a_callee_is_shown_and_sent() -> None:
    """A name beside the number, and SIP headers of its INVITE: each in the callee's own block, in their order."""
    command = bridge(
        *("sofia/gateway/carrier/1000", "sofia/external/sip:ada@example.com"),
        caller="+1555",
        name="Zo\u00eb & Co. (Kyiv)",
        headers=(("X-PH-Order", "17%2B4"), ("X-PH-a", "b")),
    )
    own = (
        f"{DIALLER}={CALL},origination_caller_id_number=+1555,origination_caller_id_name=Zo\u00eb & Co. (Kyiv),"
        "sip_h_X-PH-Order=17%2B4,sip_h_X-PH-a=b"
    )
    assert command.argument() == (
        "{ignore_early_media=true,originate_timeout=60}"
        f"[origination_uuid={CALLEE},{own}]sofia/gateway/carrier/1000,"
        f"[origination_uuid={OTHER},{own}]sofia/external/sip:ada@example.com"
    )
    assert parse(command.packet()) == command


HEADER_TRICKS = [
    ("Route", "sip.example.com"),
    ("P-Asserted-Identity", "x"),
    ("Content-Length", "0"),
    ("identity", "x"),
    ("X-FS-Channel-Name", "x"),
    ("x-fs-refer-for", "x"),
    ("X-", "x"),
    ("X-a b", "x"),
    ("X-a:b", "x"),
    ("X-a=b,execute_on_answer", "x"),
    ("X-\u017f", "x"),
    ("X-" + "a" * 63, "x"),
    ("X-a", ""),
    ("X-a", "a b"),
    ("X-a", "a\r\nVia: x"),
    ("X-a", "a,execute_on_answer=x"),
    ("X-a", "a]loopback/9"),
    ("X-a", "'"),
    ("X-a", "a\\"),
    ("X-a", "^^:x"),
    ("X-a", "${system id}"),
    ("X-a", "a:_:b"),
    ("X-a", "mod_event_socket"),
    ("X-a", "\u0661"),
    ("X-a", "a" * 257),
]


@pytest.mark.parametrize(("name", "value"), HEADER_TRICKS)
def test_headers_that_are_refused(name: str, value: str) -> None:
    """Those that SIP or FreeSWITCH understands, and all that could be more than a header's value."""
    with pytest.raises(ValueError, match="SIP header"):
        bridge("a/b", headers=((name, value),))


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ((("X-a", "1"), ("x-A", "2")), "given twice"),
        (tuple((f"X-{number}", "1") for number in range(25)), "25; right are up to 24"),
    ],
)
def test_too_many_headers(headers: Headers, why: str) -> None:
    """One of a name, and not without end."""
    with pytest.raises(ValueError, match=why):
        bridge("a/b", headers=headers)


NAME_TRICKS = [
    "Ada,Eve",
    "Ada]",
    "[Ada",
    "{Ada}",
    'Ada"',
    "O'Brien",
    "Ada\\",
    "Ada ",
    " Ada",
    "^^:Ada",
    "_undef_",
    "$Ada",
    "100%22",
    "a=b",
    "<sip:ada@a>",
    "Ada\n",
    "Ada\u2028",
    "\u202eAda",
    "a" * 65,
    "mod_event_socket",
    "a|b",
    "a:_:b",
    "\ud800",
]


@pytest.mark.parametrize("name", NAME_TRICKS)
def test_names_that_are_refused(name: str) -> None:
    """Whatever a quoted name, a block or a display could take for its end."""
    with pytest.raises(ValueError, match="caller's name"):
        bridge("a/b", name=name)


@given(
    st.text(max_size=20) | st.text("aB1 .+&()-_,='\\%$[]{}^:|", max_size=20),
    st.text("XxFS-a1_,=", max_size=12),
    st.text("a1%.-_,='\\$[]{}^:|", max_size=12),
)
def test_no_name_and_no_header_adds_anything(name: str, header: str, value: str) -> None:
    """Whatever is shown or sent is refused, or one variable more of which the value is what was given."""
    plain = bridge("a/b").argument()
    for changed in ({"name": name}, {"headers": ((header, value),)}):
        try:
            command = bridge("a/b", **changed)
        except ValueError:
            continue
        argument = command.argument()
        added = bool(name) if "name" in changed else True
        assert argument.count(",") == plain.count(",") + added
        assert argument.count("]") == argument.count("[") == argument.count("{") == 1
        assert parse(command.packet()) == command


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers(number: str) -> None:
    """They stand where the template says."""
    assert TEMPLATES.of_number(number) == f"sofia/gateway/carrier/{number}"
    assert bridge(TEMPLATES.of_number(number)).argument().endswith(f"/{number}")


@pytest.mark.parametrize("number", HOSTILE)
def test_what_is_no_number_is_not_dialled(number: str) -> None:
    """Refused, with what would be right."""
    with pytest.raises(ValueError, match="right is an optional"):
        TEMPLATES.of_number(number)


@pytest.mark.parametrize("uri", URIS)
def test_sip_uris(uri: str) -> None:
    """They stand where the template says."""
    assert bridge(TEMPLATES.of_sip(uri)).argument().endswith(f"]sofia/external/{uri}")


@pytest.mark.parametrize("uri", TRICKS)
def test_what_is_no_plain_sip_uri_is_not_dialled(uri: str) -> None:
    """Refused, with what would be right: parameters, headers, passwords and whatever FreeSWITCH reads its own way."""
    with pytest.raises(ValueError, match="right is sip:user@host"):
        TEMPLATES.of_sip(uri)


@given(st.text(max_size=40) | st.text("0123456789+*#,|[]{}<>:_/=@ '\\$%&^", max_size=40))
def test_no_text_adds_anything(text: str) -> None:
    """Whatever is dialled is refused, or one endpoint without a separator, a bracket or a variable in it."""
    for make in (TEMPLATES.of_number, TEMPLATES.of_sip, lambda text: TEMPLATES.of_sip(f"sip:{text}@example.com")):
        try:
            endpoint = make(text)
        except ValueError:
            continue
        assert SAFE.fullmatch(endpoint)
        assert ":_:" not in endpoint
        assert "app=" not in endpoint
        assert endpoint.startswith(("sofia/gateway/carrier/", "sofia/external/sip"))


@given(st.text(max_size=40))
def test_no_caller_adds_anything(text: str) -> None:
    """What is shown to who is dialled is a number or a plain name, or refused."""
    try:
        argument = bridge("sofia/gateway/carrier/1", caller=text).argument()
    except ValueError:
        return
    assert argument.count(",") == bridge("sofia/gateway/carrier/1").argument().count(",") + bool(text)
    assert SAFE.fullmatch(text)


@pytest.mark.parametrize(
    "number",
    [
        "sofia/gateway/carrier",
        "{number}",
        "{number}/x",
        "sofia/gateway/{number}/{number}",
        "sofia/gateway/{uri}",
        "sofia/gateway/{number},loopback/9",
        "[a=b]sofia/gateway/{number}",
        "{a=b}sofia/gateway/{number}",
        "sofia/gateway/x|sofia/gateway/{number}",
        "sofia/gateway/ {number}",
        "sofia/gateway/{number}:_:loopback/9",
        "loopback/app=system:{number}",
        "sofia/${x}/{number}",
        "",
    ],
)
def test_templates_are_closed(number: str) -> None:
    """One endpoint, its placeholder once, and no language of FreeSWITCH's around it."""
    with pytest.raises(ValueError, match=r"should be one FreeSWITCH endpoint|must not have"):
        Templates(number=number)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (bridge, "callees: 0"),
        (lambda: Bridge(LEG, (Callee(CALLEE, "a/b"),) * 2, CALL, event_uuid=EXECUTION), "two have one leg"),
        (lambda: bridge("a/b", rings=0), "rings"),
        (lambda: bridge("a/b", caller="Ada <1>"), "caller"),
        (lambda: Callee("x", "a/b"), "callee"),
        (lambda: Callee(CALLEE, "a/b,c/d"), "endpoint"),
        (lambda: Callee(CALLEE, "loopback/app=x"), "endpoint"),
        (lambda: bridge("sofia/external/sip:reload@mod_event_socket"), "endpoint|packet"),
        (lambda: bridge("sofia/external/sip:reload.mod_event_socket@a"), "packet"),
    ],
)
def test_what_is_refused(make: object, why: str) -> None:
    """Each field says what is wrong with it."""
    assert callable(make)
    with pytest.raises(ValueError, match=why):
        make()
