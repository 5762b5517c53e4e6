"""What creates, updates and lists ask for, by vendor; and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from controller.dialects.twiml import rest
from controller.documents.dialect import Account
from controller.recordings.model import Channels, PauseBehavior, StatusTarget, Track
from tests.dialects.twiml.rest_fields import LAML_PARAMETERS

ID = "19e436af-5688-4307-b03b-bdb2b42b8142"
LAML = Account("acme", "signalwire", "p", absent_below=2.0, absent_when_silent=True)
TWILIO = Account("t", "twilio", "AC" + "0" * 32)
URL = "https://app.example/cb?x=1#rc=2"


def given(fields: Mapping[str, str | list[str]]) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in fields.items()}


def test_defaults_of_twilio() -> None:
    """Mono, both tracks, not trimmed, nobody told."""
    made = rest.creation({}, TWILIO, "r")
    assert (made.channels, made.track, made.trim, made.status) == (Channels.MONO, Track.BOTH, False, None)
    assert (made.source, made.reference, made.format) == ("StartCallRecordingAPI", "r", "wav")
    assert (rest.TWILIO.created, rest.LAML.created) == (201, 200)


def test_defaults_of_laml() -> None:
    """As the seed's rows say: trimmed, both tracks, POST, completed."""
    defaults = {name: default for name, _, _, default in LAML_PARAMETERS}
    assert defaults["Trim"] == "trim-silence"
    assert defaults["RecordingTrack"] == "both"
    made = rest.creation(given({"RecordingStatusCallback": URL}), LAML, "r")
    assert (made.trim, made.track, made.source) == (True, Track.BOTH, "StartCallRecordingApi")
    target = StatusTarget(URL, str(defaults["RecordingStatusCallbackMethod"]), ("completed",))
    assert (made.status, defaults["RecordingStatusCallbackEvent"]) == (target, "completed")
    assert (made.absent_below, made.absent_when_silent) == (2.0, True)


@pytest.mark.parametrize("row", LAML_PARAMETERS, ids=lambda row: row[0])
@pytest.mark.parametrize("account", [LAML, TWILIO], ids=lambda one: one.vendor)
def test_every_value_of_every_parameter(row: tuple[str, str, tuple[str, ...], str | None], account: Account) -> None:
    """What a row of the seed allows is taken, and means what it says; anything else is refused."""
    name, _, possible, _ = row
    told = {"RecordingStatusCallback": URL}
    for value in possible:
        made = rest.creation(given({**told, name: value}), account, "r")
        means = {
            "RecordingChannels": made.channels,
            "RecordingTrack": made.track,
            "Trim": "trim-silence" if made.trim else "do-not-trim",
            "RecordingStatusCallbackEvent": None if made.status is None else made.status.events[0],
            "RecordingStatusCallbackMethod": None if made.status is None else made.status.method,
        }
        assert means[name] == value
    with pytest.raises(rest.RestError) as refused:
        rest.creation(given({**told, name: "nonsense\r\n"}), account, "r")
    assert refused.value.status == 400
    assert name in str(refused.value)
    assert "\r" not in str(refused.value)


@pytest.mark.parametrize(
    "events",
    [
        "in-progress completed absent",
        "in-progress,completed,absent",
        " in-progress, completed ,absent ",
        ["in-progress", "completed", "absent"],
        ["in-progress completed", "absent,absent"],
    ],
)
def test_events_as_they_are_sent(events: str | list[str]) -> None:
    """Separated by spaces or commas, repeated, or both."""
    made = rest.creation(given({"RecordingStatusCallback": URL, "RecordingStatusCallbackEvent": events}), TWILIO, "r")
    assert made.status == StatusTarget(URL, "POST", ("in-progress", "completed", "absent"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Trim": "yes"}, 13699),
        ({"RecordingStatusCallbackEvent": "done"}, 13621),
        ({"RecordingStatusCallbackMethod": "PUT"}, 21209),
        ({"RecordingStatusCallback": "/relative"}, 21402),
        ({"RecordingStatusCallback": "ftp://x/"}, 21402),
        ({"RecordingStatusCallback": "https://"}, 21402),
        ({"RecordingStatusCallback": "https://x/" + "a" * 5000}, 21402),
        ({"RecordingStatusCallback": "file:///etc/passwd"}, 21402),
        ({"RecordingChannels": "stereo"}, 20001),
        ({"RecordingTrack": "left"}, 20001),
        ({"RecordingConfigurationId": "RC1"}, 20001),
    ],
)
def test_wrong_parameters(fields: dict[str, str], code: int) -> None:
    """Each is refused with its code, in the account's shape of an error."""
    with pytest.raises(rest.RestError) as refused:
        rest.creation(given(fields), LAML, "r")
    assert refused.value.code == code
    twilio, laml = (refused.value.body(vendor) for vendor in (rest.TWILIO, rest.LAML))
    assert set(twilio) == set(laml) == {"code", "message", "more_info", "status"}
    assert (twilio["status"], twilio["more_info"]) == (400, f"https://www.twilio.com/docs/errors/{code}")
    assert laml["more_info"].startswith("https://signalwire.com/")


@pytest.mark.parametrize("status", ["paused", "in-progress", "stopped"])
def test_updates(status: str) -> None:
    """A pause keeps its time as silence unless it says otherwise."""
    assert rest.update(given({"Status": status})) == rest.Update(status, PauseBehavior.SILENCE)
    skip = rest.update(given({"Status": status, "PauseBehavior": "skip"}))
    assert skip.behavior is PauseBehavior.SKIP


@pytest.mark.parametrize(
    "fields", [{}, {"Status": ""}, {"Status": "completed"}, {"Status": "paused", "PauseBehavior": "x"}]
)
def test_wrong_updates(fields: dict[str, str]) -> None:
    """Without a status, or with another, nothing is changed."""
    with pytest.raises(rest.RestError) as refused:
        rest.update(given(fields))
    assert (refused.value.status, refused.value.code) == (400, 20001)


DAY = 1537833600.0  # 2018-09-25


@pytest.mark.parametrize(
    ("fields", "since", "until"),
    [
        ({}, None, None),
        ({"DateCreated": "2018-09-25"}, DAY, DAY + 86400),
        ({"DateCreated>": "2018-09-25"}, DAY, None),
        ({"DateCreated<": "2018-09-25"}, None, DAY),
        ({"DateCreated>": "2018-09-25T10:00:00Z"}, DAY + 36000, None),
        ({"DateCreated>": "2018-09-25T10:00:00+02:00"}, DAY + 28800, None),
        ({"DateCreated<": "Tue, 25 Sep 2018 23:00:00 +0000"}, None, DAY + 82800),
        ({"DateCreated": "2018-09-25T10:00:00Z"}, DAY + 36000, DAY + 36001),
        ({"DateCreated": "2018-09-25", "DateCreated>": "2018-09-25T10:00:00"}, DAY + 36000, DAY + 86400),
    ],
)
def test_dates(fields: dict[str, str], since: float | None, until: float | None) -> None:
    """A date is its whole day, after and before begin with the moment; as both vendors' clients send them."""
    asked = rest.listing(given(fields), TWILIO)
    assert asked.since == since
    assert asked.until == (until if until is None else pytest.approx(until, abs=1e-5))


def test_lists() -> None:
    """Pages, tokens and filters are read as the account writes them."""
    sid = "RE" + ID.replace("-", "")
    asked = rest.listing(given({"PageSize": "5000", "Page": "3", "PageToken": f"PA{sid}"}), TWILIO)
    assert (asked.size, asked.page, asked.cursor, asked.backwards) == (1000, 3, ID, False)
    assert rest.listing(given({"PageToken": f"PB{ID}"}), LAML).backwards
    assert rest.listing(given({"CallSid": ID}), LAML).call == ID
    assert rest.listing(given({"CallSid": "nonsense"}), LAML).nothing
    assert rest.listing(given({"ConferenceSid": ID}), LAML).nothing
    assert rest.listing(given({"IncludeSoftDeleted": "True"}), TWILIO).deleted
    assert not rest.listing(given({"IncludeSoftDeleted": "true"}), LAML).deleted


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Page": "1"}, 21481),
        ({"PageToken": "PA1"}, 21481),
        ({"PageToken": "XX" + ID}, 21481),
        ({"PageSize": "0"}, 54454),
        ({"PageSize": "x"}, 54454),
        ({"PageSize": "99999999999999"}, 54454),
        ({"Page": "-1"}, 20001),
        ({"DateCreated": "yesterday"}, 20001),
        ({"DateCreated<": "2018-13-01"}, 20001),
        ({"DateCreated>": "99999-01-01"}, 20001),
        ({"IncludeSoftDeleted": "maybe"}, 20001),
    ],
)
def test_wrong_lists(fields: dict[str, str], code: int) -> None:
    """Each with its code; nothing is guessed."""
    with pytest.raises(rest.RestError) as refused:
        rest.listing(given(fields), LAML)
    assert (refused.value.status, refused.value.code) == (400, code)


FIELDS = ("DateCreated", "DateCreated<", "DateCreated>", "CallSid", "Page", "PageSize", "PageToken", "Status")
NAMES = st.sampled_from([*FIELDS, "PauseBehavior", "RequestedChannels", *(row[0] for row in LAML_PARAMETERS)])


@given_any(st.dictionaries(NAMES, st.lists(st.text(max_size=40), max_size=2)))
def test_anything(fields: dict[str, list[str]]) -> None:
    """Whatever is sent is read or refused in the vendors' shape; nothing else is raised, nothing unprintable told."""
    reads = (
        lambda: rest.creation(fields, LAML, "r"),
        lambda: rest.listing(fields, TWILIO),
        lambda: rest.update(fields),
        lambda: rest.wanted_channels(fields),
    )
    refusals = []
    for read in reads:
        try:
            read()
        except rest.RestError as refused:
            refusals.append(refused)
    assert all(400 <= refused.status < 500 and str(refused).isprintable() for refused in refusals)
