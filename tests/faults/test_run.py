"""A short run of faults with every test: that nothing is lost, and that the suite itself works."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.faults.judge import judge
from tests.faults.plan import KINDS, NOTICE, CallPlan, Fault, FaultPlan, Plan, plan_of
from tests.faults.run import Run, troubles

CALL = CallPlan(
    at=0.2,
    number=1000,
    kind="swml_stop",
    length=1.5,
    speech=20.0,
    key="",
    hangup=None,
    receiver=0,
    form="wav",
    stereo=False,
    behavior="skip",
)
SMOKE = Plan(
    seed=0,
    store="sqlite",
    calls=(
        CALL,
        replace(CALL, number=1001, kind="twiml_start", receiver=1),
        replace(CALL, number=1002, kind="plivo_session", at=0.4, length=20.0, hangup=10.0),
        replace(CALL, number=1003, kind="swml_two", at=0.6, receiver=1),
    ),
    faults=(
        FaultPlan(0.0, Fault.CUT, 0.0, moment="RECORD_START"),
        FaultPlan(0.0, Fault.ERROR, 1.5, target=1),
        FaultPlan(1.0, Fault.KILL_DAEMON, 0.0, moment=NOTICE),
    ),
)


async def test_nothing_is_lost_in_a_short_run(tmp_path: Path) -> None:
    """The link is cut, the daemon killed, a receiver answers 500: five recordings are told truly, to their end."""
    run = Run(SMOKE, tmp_path, settle=40.0)
    judgement = judge(await run.live())
    assert judgement.findings == (), (tmp_path / "daemon.log").read_text()
    assert judgement.recordings == 5
    assert judgement.notices >= 9
    assert run.faults.total() == len(SMOKE.faults)


def test_what_is_trouble(tmp_path: Path) -> None:
    """An error, or a document that is wrong in itself; not one that an ill receiver did not give."""
    said = [
        {"event": "document.refused", "level": "warning", "trouble": "status"},
        {"event": "document.refused", "level": "warning", "trouble": "invalid"},
        {"event": "document.warned", "level": "warning"},
        {"event": "request.failed", "level": "error"},
        {"event": "link.down", "level": "warning"},
    ]
    log = tmp_path / "daemon.log"
    log.write_text("".join(f"{json.dumps(line)}\n" for line in said) + "Traceback\n")
    assert troubles(log) == [*(json.dumps(said[index]) for index in (1, 2, 3)), "no log line: Traceback"]


def test_a_seed_is_a_plan() -> None:
    """The same one always, another for another seed or store; a hundred of them have every kind of call and fault."""
    assert plan_of(17, "sqlite") == plan_of(17, "sqlite")
    assert len({plan_of(17, "sqlite"), plan_of(18, "sqlite"), plan_of(17, "postgresql")}) == 3
    plans = [plan_of(seed, "postgresql") for seed in range(100)]
    assert {call.kind for plan in plans for call in plan.calls} == set(KINDS)
    assert {fault.what for plan in plans for fault in plan.faults} == set(Fault)
    assert Fault.KILL_STORE not in {fault.what for seed in range(100) for fault in plan_of(seed, "sqlite").faults}
    assert str(plans[0]).startswith("seed 0, postgresql: 30 calls, 8 faults\n")
