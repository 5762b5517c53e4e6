"""Seed 003 as it stands: the rows of its eight tables, and the sentences between them."""

BASIC = """
action | URL | - | URL to receive recording data
method | string | POST | HTTP method for action (GET, POST)
fileFormat | string | mp3 | Recording format (mp3, wav)
redirect | boolean | true | Redirect to action URL when complete
"""
TIMING = """
timeout | integer | 15 | Seconds of silence before stopping
maxLength | integer | 60 | Maximum recording duration in seconds
finishOnKey | string | # | Key to stop recording (digit, #, *, or none)
playBeep | boolean | true | Play beep before recording
"""
SESSION = """
recordSession | boolean | false | Record entire call in background
startOnDialAnswer | boolean | false | Start recording when B-leg answers
recordChannelType | string | stereo | Channel type (mono, stereo)
"""
TRANSCRIPTION = """
transcriptionType | string | - | Set to auto for transcription
transcriptionUrl | URL | - | URL to receive transcription
"""
CALLBACKS = """
callbackUrl | URL | - | URL notified when recording is ready
callbackMethod | string | POST | HTTP method for callback
"""
"""Attribute, type, default, description."""

ACTION_PARAMETERS = """
RecordUrl | URL of the recording file
RecordingID | Unique recording identifier
RecordingDuration | Duration in seconds
RecordingDurationMs | Duration in milliseconds
RecordingStartMs | Start time (epoch ms)
RecordingEndMs | End time (epoch ms)
Digits | Key pressed to stop (if any)
"""
CALLBACK_PARAMETERS = """
RecordUrl | URL of the recording file
RecordingID | Recording identifier
RecordingDuration | Duration in seconds
RecordingDurationMs | Duration in milliseconds
RecordingStartMs | Start time (epoch ms)
RecordingEndMs | End time (epoch ms)
"""
TRANSCRIPTION_PARAMETERS = """
transcription | Transcribed text
transcription_charge | Cost of transcription
transcription_rate | Rate per minute
duration | Recording duration
call_uuid | Call identifier
recording_id | Recording identifier
error | Error message (if failed)
"""
"""Parameter, description."""

SENTENCES = """
<Record> element records audio from the call and returns the URL of the recording file.
Record the complete call in the background:
Recording starts immediately and continues until the call ends
timeout, finishOnKey, and playBeep are ignored
Recording is sent to callbackUrl when complete
Record both parties after the dial connects:
Stereo (default): Each party on separate audio channels - useful for call analytics.
Mono: Both parties on single channel - smaller file size.
Get automatic speech-to-text:
English only
Duration: 500ms to 4 hours
File size: under 2GB
Sent when recording completes:
recordSession or startOnDialAnswer is true, duration values are -1 in the initial request.
Final values are sent to callbackUrl.
Sent when recording file is ready:
"""


def rows(table: str) -> list[list[str]]:
    """The cells of each row."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
