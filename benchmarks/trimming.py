"""``fsrec`` whose SWML recordings in mp3 are trimmed, too: no dialect asks for both of one recording."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from controller import cli
from controller.dialects.swml import asking
from controller.dialects.swml.values import Value
from controller.recordings.model import RecordingRequest

_asked = asking.recording_request


def _trimmed(method: str, values: Mapping[str, Value], control_id: str) -> RecordingRequest:
    request = _asked(method, values, control_id)
    return replace(request, trim=request.format == "mp3")


if __name__ == "__main__":
    asking.recording_request = _trimmed
    sys.exit(cli.main())
