"""The judge finds what is wrong, each in evidence that is well but for that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.evidence import Audio, Delivery, Evidence, LegLife, Ran, Received, Served
from tests.faults.judge import What, judge
from tests.faults.told import Told, told_of

BEGAN = 1000.0
ENDED = 1004.0
MASTER = Audio(64044, 4.0, "sound")
START = Told("r", "recording", "recording", url="http://daemon/r")
END = Told("r", "finished", "completed", 4.0, size=64044, url="http://daemon/r", began=BEGAN, ended=ENDED)


def came(at: float, identity: str, told: Told, answered: int | None = 200) -> Received:
    return Received(at, 0, "/status/1000", identity, told, answered)


def listed(identity: str, told: Told, sequence: int, state: str = "delivered", reason: str = "") -> Delivery:
    return Delivery(identity, told.recording, sequence, state, reason, told)


RAN = Ran("r", "leg", 1000, BEGAN, 8000, 1, ENDED, 32000, 0.0, discarded=False, lived=None)
LEG = LegLife("leg", 1000, "swml_end", BEGAN - 1, ENDED + 1, 15.0)
WELL = Evidence(
    ran=(RAN,),
    masters={"r": MASTER},
    received=(came(1001, "d1", START), came(1005, "d2", END, None), came(1006, "d2", END)),
    served={"r": Served(200, MASTER)},
    rows={"r": "completed"},
    deliveries=(listed("d1", START, 1), listed("d2", END, 2)),
    legs=(LEG,),
    accepted=frozenset({"r"}),
    skipping=frozenset(),
    trimmed=frozenset(),
    ended_at=1100.0,
    ready=((990.0, 1100.0),),
)


def ending(told: Told, **changes: object) -> Evidence:
    """The same, but for what is told of its end."""
    received = tuple(replace(one, told=told) if one.identity == "d2" else one for one in WELL.received)
    deliveries = (WELL.deliveries[0], replace(WELL.deliveries[1], told=told))
    return replace(WELL, received=received, deliveries=deliveries, **changes)  # type: ignore[arg-type]


def killed(seconds: float) -> Evidence:
    """The same, but the switch was killed 4 s into it, and so much is in its file."""
    audio = Audio(44 + round(seconds * 16000), seconds, "sound")
    run = replace(RAN, frames=None, masked=None, lived=4.0)
    told = replace(END, seconds=seconds, size=audio.size)
    return ending(told, ran=(run,), masters={"r": audio}, served={"r": Served(200, audio)})


def test_what_is_well_is_well() -> None:
    """Nothing is found, and what there was is counted."""
    judgement = judge(WELL)
    assert judgement.findings == ()
    assert (judgement.recordings, judgement.notices, judgement.dead, judgement.repeated) == (1, 2, 0, 0)


def test_what_is_fine_all_the_same() -> None:
    """Dead with a reason; cut where it was skipped; without what the switch took with it; never run and told so."""
    dead = replace(listed("d2", END, 2, "dead", "status 410"))
    fine = (
        replace(WELL, received=WELL.received[:1], deliveries=(WELL.deliveries[0], dead)),
        ending(
            replace(END, seconds=3.0, size=48044),
            ran=(replace(RAN, masked=1.0),),
            skipping=frozenset({"r"}),
            served={"r": Served(200, Audio(48044, 3.0, "less"))},
        ),
        killed(3.2),
        ending(replace(END, word="error", state="failed", seconds=None, size=None), ran=(), masters={}, served={}),
        replace(WELL, legs=(replace(LEG, idle=((1000.0, 1018.0),)),), ready=((980.0, 1002.0), (1009.0, 1100.0))),
    )
    for evidence in fine:
        assert judge(evidence).findings == ()


WRONG: dict[str, tuple[What, Evidence]] = {
    "nobody was told the end": (
        What.LOST,
        replace(WELL, received=WELL.received[:1], deliveries=WELL.deliveries[:1]),
    ),
    "the end was never answered with a 2xx": (
        What.LOST,
        replace(WELL, received=WELL.received[:2], deliveries=WELL.deliveries[:1]),
    ),
    "accepted and forgotten": (What.LOST, replace(WELL, accepted=frozenset({"r", "s"}))),
    "too long": (What.UNTRUE, ending(replace(END, seconds=4.1))),
    "another size": (What.UNTRUE, ending(replace(END, size=64000))),
    "failed, and there is a file": (What.UNTRUE, ending(replace(END, word="error", state="failed", seconds=None))),
    "finished, and it never ran": (What.UNTRUE, replace(WELL, ran=())),
    "its media is not there": (What.UNTRUE, replace(WELL, served={"r": Served(404, None)})),
    "its media is other media": (What.UNTRUE, replace(WELL, served={"r": Served(200, Audio(64044, 4.0, "noise"))})),
    "its file was cut": (
        What.UNTRUE,
        ending(
            replace(END, seconds=3.0, size=48044),
            masters={"r": Audio(48044, 3.0, "less")},
            served={"r": Served(200, Audio(48044, 3.0, "less"))},
        ),
    ),
    "skipped by too much": (
        What.UNTRUE,
        ending(
            replace(END, seconds=2.0, size=32044),
            ran=(replace(RAN, masked=1.0),),
            skipping=frozenset({"r"}),
            served={"r": Served(200, Audio(32044, 2.0, "less"))},
        ),
    ),
    "two seconds gone with the switch": (What.UNTRUE, killed(2.0)),
    "it began later": (What.UNTRUE, ending(replace(END, began=BEGAN + 1.5))),
    "it ended later": (What.UNTRUE, ending(replace(END, ended=ENDED - 1.5))),
    "its end was told in two ways": (
        What.UNTRUE,
        replace(WELL, received=(*WELL.received, came(1007, "d2", replace(END, seconds=3.999)))),
    ),
    "its end was told by two notices": (What.UNTRUE, replace(WELL, received=(*WELL.received, came(1007, "d3", END)))),
    "the end came first": (
        What.UNTRUE,
        replace(WELL, received=(came(1000, "d2", END), *WELL.received)),
    ),
    "still under way": (What.STUCK, replace(WELL, rows={"r": "processing"})),
    "a leg that never ended": (What.SILENT, replace(WELL, legs=(replace(LEG, ended_at=None),))),
    "a leg that lived for long": (What.SILENT, replace(WELL, legs=(replace(LEG, ended_at=BEGAN + 90),))),
    "a leg on which nothing ran": (What.SILENT, replace(WELL, legs=(replace(LEG, idle=((1000.0, 1018.0),)),))),
    "never delivered": (
        What.UNDELIVERED,
        replace(WELL, deliveries=(*WELL.deliveries, listed("d3", START, 3, "pending"))),
    ),
    "dead without a reason": (
        What.UNDELIVERED,
        replace(WELL, deliveries=(*WELL.deliveries, listed("d3", START, 3, "dead"))),
    ),
    "delivered to nobody": (
        What.UNDELIVERED,
        replace(WELL, deliveries=(*WELL.deliveries, listed("d3", START, 3))),
    ),
    "an error of the daemon's": (What.TROUBLE, replace(WELL, trouble=("it ended with -11",))),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_found(case: str) -> None:
    """One thing is wrong, and it is found as what it is; nothing else is."""
    what, evidence = WRONG[case]
    assert [finding.what for finding in judge(evidence).findings] == [what]


def test_what_comes_again_is_counted() -> None:
    """After a 2xx that went out whole, not after one that did not."""

    def again(*more: Received) -> Evidence:
        return replace(WELL, received=(*WELL.received, *more))

    assert judge(again(came(1007, "d2", END))).repeated == 1
    assert judge(again(came(1007, "d2", END), came(1008, "d1", START, None))).repeated == 2
    assert judge(again(came(1007, "d2", END))).findings == ()


FORM = "application/x-www-form-urlencoded"
UUID = "3f0c1e9a-52f1-4b8e-9a3e-0d3a52d1c001"


def test_each_vendors_callback_is_read() -> None:
    """SWML, Twilio, LaML and Plivo, of documents and of the API: which recording, how it ended, how long it is."""
    swml = b'{"params": {"recording_id": "%s", "state": "no_input", "duration": 1.5, "size": 9, "url": "u"}}'
    twilio = b"RecordingSid=RE3f0c1e9a52f14b8e9a3e0d3a52d1c001&RecordingStatus=%s&RecordingUrl=u&ErrorCode=%s"
    plivo = b"RecordingID=%s&RecordUrl=u&RecordingDurationMs=%s&RecordingStartMs=1500&RecordingEndMs=-1"
    api = b"recording_id=%s&record_url=u&recording_duration_ms=1500&recording_start_ms=1&recording_end_ms=2"
    cases = (
        ("application/json", swml % UUID.encode(), "completed", 1.5),
        ("application/json", swml.replace(b"1.5", b"0.0") % UUID.encode(), "absent", 0.0),
        (FORM, twilio % (b"completed", b"0") + b"&RecordingDuration=2", "completed", 2.0),
        (FORM, twilio % (b"absent", b"16100"), "failed", None),
        (FORM, twilio % (b"absent", b"16101"), "absent", None),
        (FORM, twilio % (b"in-progress", b"0"), "in-progress", None),
        (FORM, plivo % (UUID.encode(), b"1500"), "completed", 1.5),
        (FORM, plivo % (UUID.encode(), b"0"), "absent", 0.0),
        (FORM, api % UUID.encode(), "completed", 1.5),
    )
    for kind, body, state, seconds in cases:
        told = told_of("/status/1000", kind, body)
        assert told is not None
        assert (told.recording, told.state, told.seconds) == (UUID, state, seconds)
    assert told_of("/action/1000", FORM, b"") is None
