"""The recording of what is dialled: begins with the conversation (or the ringing), and ends with it or the call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.calls.context import CallContext
from controller.documents.steps import Dialled, DialRecording
from controller.recordings.model import Delivery, EndReason, new_id
from controller.recordings.ports import NotPossible

STARTED_WITHIN = 5.0
"""Seconds that an outcome waits for its recording to have begun, where they parted before that."""


@dataclass(slots=True)
class DialRecorder:
    """One dialling's recording, started once however many groups are tried.

    One that has an ``identity`` is started once in all: a later dialling that asks for it again has it.
    """

    context: CallContext
    wished: DialRecording | None

    @property
    def lasting(self) -> bool:
        """Whether there is one that goes on when they have parted."""
        return self.wished is not None and self.wished.lasting

    async def start(self, *, told: Sequence[Delivery] = (), **fields: float | None) -> None:
        """Begin it, once, in the transaction of the step's row. Raises LedgerFailed.

        ``fields`` and ``told`` are the row's; where there is nothing to begin, no row is stored.
        """
        context, wished = self.context, self.wished
        if wished is None or context.call.recording is not None:
            return
        recordings = context.rooms.recordings
        if wished.identity and await recordings.begun(wished.identity) is not None:
            await context.save(told=told, recording=wished.identity, **fields)
            return
        identity = wished.identity or new_id()
        call = context.call = context.call.changed(recording=identity, **fields)
        try:
            made = await recordings.start(
                call.owner(context.session, outside=True),
                wished.request,
                core_uuid=call.core_uuid,
                identity=identity,
                along=context.rooms.ledger.along(call, told),
                told=True,
            )
        except NotPossible as refusal:
            await context.save(told=told, recording=None)
            context.failed(wished, str(refusal))
        else:
            if made.error is not None:  # there was no room for it
                context.failed(wished, made.error)

    def stop(self) -> None:
        """End it with the conversation, unless it lasts; one that has ended by itself is left as it is."""
        if self.context.call.recording is not None and not self.lasting:
            self.context.rooms.recordings.let_end(self.context.call.recording, EndReason.HANGUP)

    async def told(self, outcome: Dialled) -> Dialled:
        """Return the outcome with the recording in it, if one has begun."""
        identity, recordings = self.context.call.recording, self.context.rooms.recordings
        if identity is None:
            return outcome
        begun = recordings.get(identity)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTED_WITHIN):
                begun = await recordings.begun(identity)
        if begun is None or begun.started_at is None:
            return outcome
        return replace(outcome, recording=begun.id, url=self.context.dialect.recording_url(begun))
