"""Each field of a callback, state by state, against the reference's own rows."""

import re
from typing import Any

import orjson
import pytest

from controller.dialects.swml.render import STATES
from controller.recordings.model import NoticeKind, Recording, State
from tests.dialects.swml.callback_fields import ALWAYS, FIELDS, Field, values, wrong
from tests.dialects.swml.sample import ACCOUNT, DIALECT, notice, recording
from tests.dialects.swml.seeds import RECORD, RECORD_CALL, seed
from tests.dialects.swml.test_render import MOMENTS


def body(kind: NoticeKind, of: Recording | None = None) -> dict[str, Any]:
    """What the receiver gets."""
    (delivery,) = DIALECT.render(notice(kind, of or MOMENTS[kind]), ACCOUNT)
    found: dict[str, Any] = orjson.loads(delivery.body)
    return found


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_callback_keeps_every_row(kind: NoticeKind) -> None:
    """In each state exactly the fields that the rows give it, each of its type."""
    assert wrong(body(kind)) == []


def test_all_five_states_are_told() -> None:
    """The notices come to the five states, and to no other."""
    assert {body(kind)["params"]["state"] for kind in NoticeKind} == set(STATES.values()) == ALWAYS


def test_an_error_before_the_start_has_no_times() -> None:
    """What never started has not ended: neither start_time nor end_time."""
    unstarted = recording(state=State.FAILED, started_at=None)
    assert wrong(body(NoticeKind.FAILED, unstarted), started=False) == []
    assert [problem.split(":")[0] for problem in wrong(body(NoticeKind.FAILED, unstarted))] == [
        "params.start_time",
        "params.end_time",
    ]


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.path)
def test_the_table_notices(kind: NoticeKind, field: Field) -> None:
    """A field that is left out, or is of another type, is found by its row."""
    whole = body(kind)
    if field.path not in values(whole) or field.path == "params.state":
        return
    *outer, last = field.path.split(".")
    for change in ("leave out", "null"):
        changed = orjson.loads(orjson.dumps(whole))
        at = changed
        for name in outer:
            at = at[name]
        if change == "leave out":
            del at[last]
        else:
            at[last] = [None]
        if field.path != "params":
            assert any(problem.startswith(f"{field.path}:") for problem in wrong(changed)), change


def test_the_rows_are_the_references() -> None:
    """Every row of the page of `record`, in its order; those of the other page stand on it."""
    page = seed(RECORD)
    begin, end = page.index("with a JSON payload like the following:\n"), page.index("### Raw JSON example")
    assert page[begin:end].splitlines()[1:] == [field.row for field in FIELDS if field.seed == RECORD]
    other = seed(RECORD_CALL)
    rows = other[other.index("JSON payload like the following:") : other.index("### Raw JSON example")]
    assert " ".join(field.row for field in FIELDS if field.seed == RECORD_CALL) in rows


@pytest.mark.parametrize("number", [RECORD, RECORD_CALL])
def test_the_references_own_payload_has_no_other_field(number: str) -> None:
    """Each field of the published example is one that the table knows, and `finished` tells all of them."""
    found = re.search(r"### Raw JSON example\s```json\s(.*?)\s```", seed(number), re.DOTALL)
    assert found is not None
    assert values(orjson.loads(found[1])).keys() <= values(body(NoticeKind.COMPLETED)).keys()
