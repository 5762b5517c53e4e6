"""FreeSWITCH's hangup causes in Plivo's words: code, name and source (plivo.com, "Hangup Causes").

Plivo knows more of its own calls than a cause tells: what it does not tell is ``Unknown``, Plivo's own word for that.
"""

from __future__ import annotations

from controller.documents.call import Call, Ending

UNKNOWN = "Unknown"
REFUSED = "NORMAL_TEMPORARY_FAILURE"
"""Of a call whose document cannot be had, and whose fallback cannot either (DESIGN section 9)."""

CAUSES = {
    "NORMAL_CLEARING": (4000, "Normal Hangup"),
    "ORIGINATOR_CANCEL": (1000, "Canceled"),
    "INVALID_NUMBER_FORMAT": (2000, "Invalid Destination Address"),
    "DESTINATION_OUT_OF_ORDER": (2010, "Destination Out Of Service"),
    "USER_NOT_REGISTERED": (2020, "Endpoint Not Registered"),
    "NO_USER_RESPONSE": (3000, "No Answer"),
    "SUBSCRIBER_ABSENT": (3000, "No Answer"),
    "USER_BUSY": (3010, "Busy Line"),
    "CALL_REJECTED": (3020, "Rejected"),
    "UNALLOCATED_NUMBER": (3050, "Unallocated number"),
    "RECOVERY_ON_TIMER_EXPIRE": (3070, "Request timeout"),
    "NORMAL_CIRCUIT_CONGESTION": (3090, "Network congestion from carrier"),
    "SWITCH_CONGESTION": (3090, "Network congestion from carrier"),
    "NETWORK_OUT_OF_ORDER": (5000, "Network Error"),
    "NORMAL_TEMPORARY_FAILURE": (5010, "Internal Error"),
    "NO_ROUTE_DESTINATION": (5020, "Routing Error"),
    "EXCHANGE_ROUTING_ERROR": (5020, "Routing Error"),
    "ALLOTTED_TIMEOUT": (6000, "Scheduled Hangup"),
    "NO_ANSWER": (6010, "Ring Timeout Reached"),
    "MEDIA_TIMEOUT": (6020, "Media Timeout"),
    "LOSE_RACE": (9000, "Lost Race"),
}

_OF_A_CALL = {
    "ORIGINATOR_CANCEL": "Caller",
    "ALLOTTED_TIMEOUT": "Plivo",
    "MEDIA_TIMEOUT": "Plivo",
    REFUSED: "Error",
}
"""Who ended the call that runs a document, as far as the cause alone tells."""

_OF_A_DIALLED_LEG = {
    "ALLOTTED_TIMEOUT": "Plivo",
    "NO_ANSWER": "Plivo",
    "MEDIA_TIMEOUT": "Plivo",
    "LOSE_RACE": "Plivo",
}


SPENT = (4010, "End Of XML Instructions")


def of_dialled(cause: str) -> tuple[str, str, str]:
    """Return Plivo's code, name and source of a dialled leg's hangup."""
    code, name = CAUSES.get(cause, (0, UNKNOWN))
    return str(code), name, _OF_A_DIALLED_LEG.get(cause, UNKNOWN)


def of_call(call: Call) -> tuple[str, str, str]:
    """Return Plivo's code, name and source of the hangup of a call that is over.

    A normal one that no document of ours made is its party's: an operator's command cannot be told from that.
    """
    cause = call.cause or ""
    code, name = SPENT if call.ending is Ending.SPENT else CAUSES.get(cause, (0, UNKNOWN))
    source = _OF_A_CALL.get(cause, UNKNOWN)
    if call.ending is not None and cause != REFUSED:
        source = "Answer XML"
    elif cause == "NORMAL_CLEARING":
        source = "Caller" if call.info.direction == "inbound" else "Call recipient"
    return str(code), name, source
