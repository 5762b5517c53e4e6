"""What is asked over HTTP, and who answers: this daemon, or another that shares its store."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from controller import __version__
from controller.api_desk import ApiDesk
from controller.cluster.commands import Commands
from controller.cluster.ports import Cluster
from controller.composition.site import Site
from controller.documents.dialect import Account
from controller.federated_desk import FederatedDesk
from controller.http import calling, openapi, plivo, recordings, relay
from controller.http.app import HttpRooms, build_app
from controller.http.basic import owners_only
from controller.http.listener import LOOPBACK, Listener
from controller.media.examine import DiskMedia
from controller.operator_desk import OperatorDesk
from controller.overload.disks import Disks
from controller.store.bell import listen
from controller.store.commands import CHANNEL, StoreCommands
from controller.store.places import database_at
from controller.store.postgres import PostgresDatabase
from controller.store.store import Store
from controller.transcription.desk import TranscriptionDesk
from controller.webhooks.outbox import Outbox


def federated(site: Site, local: ApiDesk, rows: Store, cluster: Cluster) -> ApiDesk | FederatedDesk:
    """Return who serves the APIs; where other daemons share the store, it asks them, and is asked."""
    database = database_at(site.settings.store_place())
    if not isinstance(database, PostgresDatabase):
        return local
    commands = Commands(StoreCommands(rows, site.daemon), site.observe)
    desk = FederatedDesk(local, cluster, commands)

    def ring(daemon: str) -> None:
        if daemon in {"", site.daemon}:
            commands.wake()

    site.start(commands.run(desk.carry_out))
    site.start(listen(database.connect, CHANNEL, ring, observe=site.observe))
    return desk


def operations(
    site: Site,
    desk: ApiDesk | FederatedDesk,
    *,
    outbox: Outbox,
    cluster: Cluster,
    disks: Disks,
    problems: Callable[[], Sequence[str]],
    degraded: Callable[[], Sequence[str]],
) -> OperatorDesk:
    """Build who answers operators: the console, and the API of the command."""
    local = desk if isinstance(desk, ApiDesk) else desk.local
    built = OperatorDesk(
        site.switches,
        desk,
        local.recordings,
        local.desk,
        local.store,
        outbox,
        local.board,
        cluster,
        disks,
        problems,
        degraded,
    )
    site.subscribe(built.observe)
    site.stack.callback(built.close)
    return built


def listener(
    site: Site,
    bound: socket.socket,
    *,
    base_url: str,
    accounts: Sequence[Account],
    desk: ApiDesk | FederatedDesk,
    operations: OperatorDesk,  # noqa: ARG001 - the console's routes are registered with it
    rows: Store,
    files: DiskMedia,
    transcriptions: TranscriptionDesk,
    cluster: Cluster,
    exposition: Callable[[], bytes],
    problems: Callable[[], Sequence[str]],
    degraded: Callable[[], Sequence[str]],
) -> Listener:
    """Build every route, behind a listener on a socket that has its port."""
    settings = site.settings
    app = build_app(
        HttpRooms(
            find=lambda identity: rows.read(lambda reader: reader.recording(identity)),
            opened=files.opened,
            elsewhere=desk.elsewhere,
            problems=problems,
            degraded=degraded,
            held_elsewhere=lambda: cluster.elsewhere,
            exposition=exposition,
            authorize=owners_only(accounts) if settings.media.require_auth else None,
            proxies=settings.http.trusted_proxies,
            observe=site.observe,
            register=(
                lambda router, files: recordings.register(router, files, desk, accounts, base_url),
                lambda router, _files: relay.register(router, desk, accounts, base_url),
                lambda router, files: plivo.register(router, files, desk, transcriptions, accounts, base_url),
                lambda router, _files: openapi.register(router, __version__),
            ),
        )
    )
    calling.register(app, desk, accounts)
    port = bound.getsockname()[1]
    return Listener(
        app,
        settings.http.listen.host,
        port,
        certificate=settings.http.tls_certificate,
        key=settings.http.tls_key,
        proxies=(*LOOPBACK, *settings.http.trusted_proxies),
        observe=site.observe,
        bound=bound,
    )
