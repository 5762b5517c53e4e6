"""Stock greenswitch, as its documentation shows it: plain events, a handler for all of them, a greenlet's queue."""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

import gevent  # noqa: E402
from greenswitch import InboundESL  # noqa: E402
from greenswitch.esl import ESLEvent  # noqa: E402

from benchmarks.ingest_clients.meter import Meter  # noqa: E402


def main() -> None:
    meter = Meter()

    def heard(event: ESLEvent) -> None:
        event.headers["Event-Name"]
        meter.left -= 1
        if not meter.left:
            meter.end()

    client = InboundESL("127.0.0.1", meter.port, "ClueCon")
    client.register_handle("*", heard)
    client.connect()
    client.send("events plain ALL")
    meter.begin()
    client.send(f"api flood {meter.events}")
    gevent.sleep(300)


if __name__ == "__main__":
    main()
