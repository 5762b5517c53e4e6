"""What started a recording (``RecordingRequest.source``). Plivo tells nobody, but its callbacks differ by it.

One that the REST API started is told in snake_case, with the ``api_id`` of the request that started it: its
``RecordingRequest.reference`` (spec 3.5).
"""

from __future__ import annotations

RECORD, SESSION, DIAL_ANSWER, API = (
    "PlivoRecord",
    "PlivoRecordSession",
    "PlivoStartOnDialAnswer",
    "PlivoRecordAPI",
)
"""``<Record>``, with ``recordSession``, with ``startOnDialAnswer``; ``POST …/Call/{uuid}/Record/``."""
