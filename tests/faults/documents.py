"""The documents of planned calls, in each vendor's words; each tells its recordings' whole life to its receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

import yaml

from tests.faults.plan import CallPlan

HASTE = "#ct=1000&rt=2000&tt=3000"
"""Timeouts (ms) that every callback URL wishes: a receiver that hangs is not waited for long."""

SWML, TWIML, PLIVO = "acme", "acme-twilio", "acme-plivo"


@dataclass(frozen=True, slots=True)
class Document:
    """A call's document, its account, and the file that it goes into."""

    account: str
    name: str
    text: str


def document(call: CallPlan, base: str) -> Document:
    """Write it; ``base`` is the receiver's URL."""
    status = f"{base}/status/{call.number}{HASTE}"
    if call.kind.startswith("swml"):
        return Document(SWML, f"{call.number}.yaml", _swml(call, status))
    if call.kind == "laml_rest":
        return Document(SWML, f"{call.number}.yaml", _said({"answer": {}}, _wait(call.length + 2)))
    if call.kind.startswith("twiml"):
        return Document(TWIML, f"{call.number}.xml", _twiml(call, status))
    return Document(PLIVO, f"{call.number}.xml", _plivo(call, base, status))


def _said(*steps: Any) -> str:
    return yaml.safe_dump({"version": "1.0.0", "sections": {"main": list(steps)}})


def _wait(seconds: float) -> dict[str, Any]:
    return {"play": {"url": f"silence:{seconds:.2f}"}}


def _swml(call: CallPlan, status: str) -> str:
    asked: dict[str, Any] = {
        "status_url": status,
        "format": call.form,
        "stereo": call.stereo,
        "direction": "both",
    }
    open_ended = {"terminators": "", "initial_timeout": 0.0, "end_silence_timeout": 0.0}
    background = {"record_call": {"control_id": "a", **asked, **open_ended}}
    match call.kind:
        case "swml_stop":
            return _said(background, _wait(call.length), {"stop_record_call": {"control_id": "a"}}, _wait(0.5))
        case "swml_end" | "swml_pause":
            return _said(background, _wait(call.length))
        case "swml_limit":
            background["record_call"]["max_length"] = max(0.5, call.length / 2)
            return _said(background, _wait(call.length))
        case "swml_two":
            second = {"record_call": {"control_id": "b", **asked, **open_ended, "format": "wav", "stereo": False}}
            stop, half = {"stop_record_call": {"control_id": "a"}}, call.length / 2
            return _said(background, second, _wait(half), stop, _wait(half))
        case _:
            taken = {"direction": "speak", "terminators": "#", "initial_timeout": 4.0, "end_silence_timeout": 1.0}
            return _said({"record": {**asked, **taken, "max_length": call.length, "stereo": False}}, _wait(0.5))


def _twiml(call: CallPlan, status: str) -> str:
    wait = f'<Play digits="w"/><Pause length="{round(call.length) + 1}"/>'
    if call.kind == "twiml_rest":
        return f"<Response>{wait}</Response>"
    channels = "dual" if call.stereo else "mono"
    events = 'recordingStatusCallbackEvent="in-progress completed absent"'
    recording = (
        f"<Recording recordingStatusCallback={quoteattr(status)} {events} channels='{channels}' "
        'trim="do-not-trim"/>'
    )
    return f"<Response><Start>{recording}</Start>{wait}</Response>"


def _plivo(call: CallPlan, base: str, status: str) -> str:
    wait = f'<Wait length="{round(call.length) + 1}"/>'
    form = f'fileFormat="{call.form}" callbackUrl={quoteattr(status)}'
    if call.kind == "plivo_rest":
        return f"<Response><Speak>Hello</Speak>{wait}</Response>"
    if call.kind == "plivo_session":
        kind = "stereo" if call.stereo else "mono"
        session = f'<Record recordSession="true" redirect="false" {form} recordChannelType="{kind}"/>'
        return f"<Response>{session}{wait}</Response>"
    ends = f'finishOnKey="#" timeout="2" maxLength="{round(call.length) + 1}" playBeep="false"'
    action = quoteattr(f"{base}/action/{call.number}{HASTE}")
    return f"<Response><Record {form} {ends} action={action}/></Response>"
