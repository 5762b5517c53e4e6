"""Callbacks on their way: the outbox worker, its schedule, the client (DESIGN section 7)."""

from controller.documents.fragments import Timeouts
from controller.webhooks.client import CallbackClient
from controller.webhooks.outbox import IDENTITY_HEADER, Outbox, Sender, WebhookSettings
from controller.webhooks.schedule import ErrorKind

__all__ = [
    "IDENTITY_HEADER",
    "CallbackClient",
    "ErrorKind",
    "Outbox",
    "Sender",
    "Timeouts",
    "WebhookSettings",
]
