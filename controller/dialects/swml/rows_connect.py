"""The method that dials."""

from __future__ import annotations

from controller.dialects.swml.rows import Kind, Method, Property, Served

LONGEST_RINGING = 600
"""Seconds."""

LONGEST_CALL = 86_400
"""Seconds."""


def _not_yet(name: str, row: str) -> Property:
    return Property(name, Kind.TEXT, row, served=Served.NOT_YET)


CONNECT = Method(
    "connect",
    (
        Property("to", Kind.CALLEE, "Single destination to dial."),
        Property("serial", Kind.CALLEES, "Array of destination objects to dial one after another."),
        Property("parallel", Kind.CALLEES, "Array of destination objects to dial simultaneously."),
        Property(
            "serial_parallel",
            Kind.CALLEE_GROUPS,
            "Array of arrays: the inner ones are dialled in parallel, one after another.",
        ),
        Property("from", Kind.CALLER, "Caller ID number. Optional."),
        Property(
            "timeout",
            Kind.INTEGER,
            "Maximum time, in seconds, to wait for an answer.",
            default=60,
            unit="seconds",
            at_least=1,
            at_most=LONGEST_RINGING,
            variable=True,
        ),
        Property(
            "max_duration",
            Kind.INTEGER,
            "Maximum duration, in seconds, allowed for the call.",
            default=14400,
            unit="seconds",
            at_least=1,
            at_most=LONGEST_CALL,
            variable=True,
        ),
        Property(
            "answer_on_bridge",
            Kind.BOOLEAN,
            "Delay answer until the B-leg answers.",
            default=False,
            variable=True,
        ),
        Property("result", Kind.RESULT, "Action to take based on the result of the call."),
        Property(
            "webrtc_media",
            Kind.BOOLEAN,
            "If true, WebRTC media is offered to the SIP endpoint.",
            default=False,
            served=Served.AT_DEFAULT,
        ),
        Property(
            "encryption",
            Kind.TEXT,
            "The encryption method to use for the call.",
            default="optional",
            choices=("mandatory", "optional", "forbidden"),
            served=Served.AT_DEFAULT,
        ),
        _not_yet("from_name", "The caller ID name shown to the person you're calling."),
        _not_yet("headers", "Custom SIP headers to add to INVITE."),
        _not_yet("codecs", "Comma-separated string of codecs to offer."),
        _not_yet("session_timeout", "Time, in seconds, to set the SIP `Session-Expires` header in INVITE."),
        _not_yet("ringback", "Array of `play` URIs to play as ringback tone."),
        _not_yet("confirm", "Confirmation to execute when the call is connected."),
        _not_yet("confirm_timeout", "The amount of time, in seconds, to wait for the `confirm` script to execute."),
        _not_yet("username", "SIP authentication username for the outbound leg."),
        _not_yet("password", "SIP authentication password for the outbound leg."),
        _not_yet("call_state_url", "Webhook url to send call status change notifications to."),
        _not_yet("call_state_events", "An array of call state event names to be notified about."),
        _not_yet("transfer_after_bridge", "SWML to execute after the bridge completes."),
        _not_yet("execute_after_queue", "SWML to execute when the queue interaction ends."),
        _not_yet("status_url", "Webhook URL to deliver status events."),
        _not_yet("status_url_method", "HTTP method for the status webhook."),
        _not_yet("authorization_bearer_token", "Bearer token sent during the WebSocket handshake."),
        _not_yet("codec", "Audio codec for the stream."),
        _not_yet("custom_parameters", "Custom key-value pairs sent in the WebSocket start message."),
        _not_yet("name", "Stream name identifier."),
        _not_yet("realtime", "Enable realtime mode for bidirectional audio."),
    ),
    one_of=("to", "serial", "parallel", "serial_parallel"),
)
