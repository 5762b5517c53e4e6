"""Seed 004, row by row, as it stands: what ``<Recording>`` may say, and what its callback says."""

ATTRIBUTES = """
recordingStatusCallback | A relative or absolute URL | none
recordingStatusCallbackMethod | GET, POST | POST
recordingStatusCallbackEvent | in-progress, completed, absent | completed
trim | trim-silence, do-not-trim | trim-silence
track | inbound, outbound, both | both
channels | mono, dual | dual
"""
"""Attribute name, allowed values, default value."""

PARAMETERS = """
AccountSid | The SID of the account responsible for this recording.
CallSid | The SID of the call associated with the recording. This always refers to the parent leg of a two-leg call.
RecordingSid | The SID of the recording.
RecordingUrl | The URL of the recorded audio.
RecordingStatus | The status of the recording. Possible values: in-progress, completed, absent.
RecordingDuration | The length of the recording in seconds. Only provided when RecordingStatus is completed.
RecordingChannels | The number of channels in the recording file. Possible values: 1, 2.
RecordingStartTime | The timestamp when the recording started.
RecordingSource | The method used to initiate this recording.
RecordingTrack | The audio track recorded. Possible values: inbound, outbound, both.
"""
"""Parameter, description."""

EVENTS = """
in-progress | The recording has started.
completed | The recording is complete and available for access.
absent | The recording is absent and inaccessible.
"""
"""Event, what it means."""


def rows(table: str) -> list[list[str]]:
    """The cells of each row."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
