"""What all commands are: frozen values that print themselves as one ESL packet."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Command(ABC):
    """One ESL packet. Building it checks every field: one that exists can be sent.

    Attributes:
        leg: Unique-ID of the leg it is about, None for a command about the switch.

    """

    __slots__ = ()
    leg: str | None

    @abstractmethod
    def packet(self) -> str:
        """Return the packet's text without the blank line that ends it."""


class ApiCommand(Command):
    """A command of FreeSWITCH's API: sent as it is (``api``) or wrapped in ``bgapi`` with a Job-UUID by the link."""

    __slots__ = ()

    @abstractmethod
    def api_text(self) -> str:
        """Return the API command and its arguments, without ``api`` or ``bgapi``."""

    def packet(self) -> str:
        """Return the packet that runs it at once on the connection."""
        return f"api {self.api_text()}"
