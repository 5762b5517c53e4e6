"""Reads and throws away: what the feeder gives at most."""

from __future__ import annotations

import socket

from benchmarks.ingest_clients.meter import Meter
from benchmarks.ingest_events import block, in_block


def main() -> None:
    meter = Meter()
    expected = len(block(meter.size, "json")) * (meter.events // in_block())
    with socket.create_connection(("127.0.0.1", meter.port)) as connection:
        connection.recv(1 << 16)
        for command in (b"auth ClueCon", b"event json ALL"):
            connection.sendall(command + b"\n\n")
            connection.recv(1 << 16)
        meter.begin()
        connection.sendall(b"api flood %d\n\n" % meter.events)
        buffer = bytearray(1 << 18)
        while expected > 0:
            expected -= connection.recv_into(buffer)
        meter.end()


if __name__ == "__main__":
    main()
