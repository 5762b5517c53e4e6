"""What one daemon asks of another: rows of ``commands``, from asker to holder and back.

All times are the database's: the machines' clocks may differ. A row is asked, taken by the switch's holder once,
answered, and gone a while later. It is void from its deadline on, and where its asker took it back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from controller.recordings.model import new_id
from controller.store.reader import Reader
from controller.store.statements import database_now
from controller.store.store import Store
from controller.store.tables import COMMANDS, LEASES
from controller.store.transaction import Transaction
from controller.store.values import StoreFailed, column_text

CHANNEL = "fsrec_commands"
"""Where PostgreSQL tells of rows: the payload is the id of the daemon that should look."""


class CommandVoid(StoreFailed):
    """A command's row is gone: whoever asked waits no more, so nothing of it may begin."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A command that is ours to carry out: what is asked, and how many seconds ago."""

    id: str
    switch: str
    verb: str
    data: str
    age: float


_HELD = LEASES.c.holder.is_not(None) & (LEASES.c.expires_at > database_now())


class StoreCommands:
    """The rows that ``daemon`` (its id) asks and answers. All raise StoreFailed."""

    def __init__(self, store: Store, daemon: str) -> None:
        self._store = store
        self._daemon = daemon

    async def holders(self) -> dict[str, str]:
        """Return the switches that are held now, and the ids of the daemons that hold them."""
        query = select(LEASES.c.switch, LEASES.c.holder).where(_HELD)
        return await self._store.read(
            lambda reader: {row.switch: row.holder for row in reader.connection.execute(query)}
        )

    async def ask(self, switch: str, verb: str, data: str, within: float) -> str | None:
        """Ask a switch's holder to begin something ``within`` so many seconds; return the row's id.

        None where nobody holds the switch.
        """
        identity, place = new_id(), column_text(switch)

        def work(transaction: Transaction) -> str | None:
            database = transaction.connection
            holder = database.execute(select(LEASES.c.holder).where(LEASES.c.switch == place, _HELD)).scalar()
            if holder is None:
                return None
            row = {"id": identity, "switch": place, "asked_by": self._daemon, "verb": verb, "data": data}
            times = {"asked_at": database_now(), "deadline": database_now() + within}
            database.execute(insert(COMMANDS).values(**row, **times))
            _notify(database, holder)
            return identity

        return await self._store.write(work)

    async def asked(self) -> bool:
        """Tell whether something waits for this daemon: a look that costs little where nothing does."""
        query = select(_mine(self._daemon, COMMANDS.c.id).exists())
        return await self._store.read(lambda reader: bool(reader.connection.execute(query).scalar()))

    async def take(self, most: int) -> Sequence[Taken]:
        """Take the oldest commands for switches that this daemon holds; each is given once, to one daemon."""
        columns = (COMMANDS.c.id, COMMANDS.c.switch, COMMANDS.c.verb, COMMANDS.c.data)
        query = (
            _mine(self._daemon, *columns, (database_now() - COMMANDS.c.asked_at).label("age"))
            .order_by(COMMANDS.c.asked_at)
            .limit(most)
            .with_for_update(of=COMMANDS, skip_locked=True)
        )

        def work(transaction: Transaction) -> list[Taken]:
            found = transaction.connection.execute(query)
            taken = [Taken(row.id, row.switch, row.verb, row.data, max(0.0, row.age)) for row in found]
            if taken:
                ours = update(COMMANDS).where(COMMANDS.c.id.in_([one.id for one in taken]))
                transaction.connection.execute(ours.values(taken_by=self._daemon))
            return taken

        return await self._store.write(work)

    async def answer(self, identity: str, result: str) -> bool:
        """Answer a command that this daemon took; False where its asker took it back."""
        statement = (
            update(COMMANDS)
            .where(COMMANDS.c.id == identity, COMMANDS.c.taken_by == self._daemon)
            .values(answered_at=database_now(), result=result)
            .returning(COMMANDS.c.asked_by)
        )

        def work(transaction: Transaction) -> bool:
            asker = transaction.connection.execute(statement).scalar()
            if asker is not None:
                _notify(transaction.connection, asker)
            return asker is not None

        return await self._store.write(work)

    async def answers(self, identities: Collection[str]) -> dict[str, str]:
        """Return the answers that are there of commands that this daemon asked."""
        query = select(COMMANDS.c.id, COMMANDS.c.result).where(
            COMMANDS.c.id.in_(list(identities)), COMMANDS.c.answered_at.is_not(None)
        )

        def work(reader: Reader) -> dict[str, str]:
            return {row.id: row.result for row in reader.connection.execute(query)}

        return await self._store.read(work)

    async def take_back(self, identity: str, *, begun: bool) -> bool:
        """Make a command void that has no answer yet, ``begun`` or not; False where it stays as it is."""
        still = COMMANDS.c.answered_at if begun else COMMANDS.c.taken_by
        statement = delete(COMMANDS).where(COMMANDS.c.id == identity, still.is_(None))
        return await self._store.write(lambda transaction: transaction.connection.execute(statement).rowcount > 0)

    async def clear(self, age: float) -> int:
        """Remove commands whose deadline passed ``age`` seconds ago; return how many there were."""
        before = select(database_now() - age).scalar_subquery()  # once: else no index is used
        statement = delete(COMMANDS).where(COMMANDS.c.deadline < before)
        return await self._store.write(lambda transaction: transaction.connection.execute(statement).rowcount)


def still_wanted(transaction: Transaction, identity: str) -> None:
    """Let a transaction fail whose command was taken back, and hold up whoever would take it back until it is over.

    Raises CommandVoid.
    """
    query = select(COMMANDS.c.id).where(COMMANDS.c.id == identity).with_for_update(read=True)
    if transaction.connection.execute(query).scalar() is None:
        raise CommandVoid("whoever asked for it waits no more")


def _mine(daemon: str, *columns: ColumnElement[Any]) -> Select[Any]:
    return (
        select(*columns)
        .join(LEASES, LEASES.c.switch == COMMANDS.c.switch)
        .where(COMMANDS.c.taken_by.is_(None), COMMANDS.c.deadline > database_now(), LEASES.c.holder == daemon, _HELD)
    )


def _notify(database: Connection, daemon: str) -> None:
    """Wake a daemon when this transaction is durable; SQLite has none but ours."""
    if database.dialect.name == "postgresql":
        database.execute(select(func.pg_notify(CHANNEL, daemon)))
