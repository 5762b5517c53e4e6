"""Whose a leg is, and how its account's dialect says things: what the rooms ask of accounts, routes and dialects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.calls.ports import Claim, ParkedLeg
from controller.composition.site import Site
from controller.dialects.plivo import PlivoDialect
from controller.dialects.swml import SwmlDialect
from controller.dialects.twiml import TwimlDialect
from controller.documents.dialect import Account, Dialect
from controller.documents.fetch import is_url
from controller.recordings.model import Delivery, Notice, Recording, Transcription
from controller.settings import Settings


@dataclass(frozen=True, slots=True)
class Tenants:
    """``base`` is where relative documents named by channel variables lie."""

    settings: Settings
    base: Path
    accounts: Mapping[str, Account]
    dialects: dict[str, Dialect]

    def claim(self, leg: ParkedLeg) -> Claim | None:
        """Channel variables win over routes, first match wins among these; nobody else is touched."""
        if leg.account is not None and leg.document is not None:
            account = self.accounts.get(leg.account)
            document = leg.document if is_url(leg.document) else str(self.base / leg.document)
            return None if account is None else Claim(account, document)
        route = self.settings.route(leg.info.destination)
        if route is None:
            return None
        fallback = None if route.fallback is None else str(route.fallback)
        return Claim(
            self.accounts[route.account],
            str(route.document),
            fallback,
            route.method,
            route.dialect or "",
            route.hangup_url,
        )

    def render(self, notice: Notice) -> tuple[Delivery, ...]:
        """Return a notice's callbacks. Raises LookupError where its account left the settings, as all below do."""
        owner = notice.recording.owner
        return self.dialects[owner.dialect].render(notice, self._account(owner.account))

    def transcribed(self, transcription: Transcription, recording: Recording) -> Delivery | None:
        """Return the callback of a transcription, where one is wanted."""
        owner = recording.owner
        return self.dialects[owner.dialect].transcribed(transcription, recording, self._account(owner.account))

    def sign(self, delivery: Delivery, now: float) -> Mapping[str, str]:
        """Return the headers that say that a request is ours; ``now`` in Unix seconds."""
        return self.dialects[delivery.dialect].sign(delivery, self._account(delivery.account), now)

    def _account(self, name: str) -> Account:
        account = self.accounts.get(name)
        if account is None:
            raise LookupError(f"account {name!r} is no longer in the settings")
        return account


def tenants(site: Site, base: Path, base_url: str) -> Tenants:
    """Return those of the settings, told URLs below ``base_url``."""
    accounts = site.settings.accounts_by_name()
    dialects: dict[str, Dialect] = {
        "swml": SwmlDialect(base_url),
        "twiml": TwimlDialect(base_url, accounts, site.observe),
        "plivo": PlivoDialect(base_url, accounts, site.observe),
    }
    return Tenants(site.settings, base, accounts, dialects)
