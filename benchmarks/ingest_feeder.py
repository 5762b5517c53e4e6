"""``python -m benchmarks.ingest_feeder SIZE``: a switch that does nothing but send, as fast as it is read.

Prints its port, then serves one client after another, until its standard input ends: any password, any subscription
(its form counts), and ``api flood N``, which it answers and follows by N events in one stream. What it sends was made
before, so that it costs a copy to the kernel and no more.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

from benchmarks.ingest_events import block, in_block

_REPLY = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
_ABOUT = b'{"Event-Name":"BACKGROUND_JOB","Core-UUID":"efe02e35","Job-UUID":"%s","_body":"+OK"}'


def serve(connection: socket.socket, size: int) -> None:
    """Serve one client until it goes."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"Content-Type: auth/request\n\n")
    events = block(size, "plain")
    buffer = b""
    while data := connection.recv(65_536):
        buffer += data
        while b"\n\n" in buffer:
            packet, _, buffer = buffer.partition(b"\n\n")
            words = packet.split()
            if not words:
                continue
            if words[0] == b"auth":
                connection.sendall(_REPLY.replace(b"+OK", b"+OK accepted"))
            elif words[:2] == [b"api", b"flood"]:
                connection.sendall(b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n")
                for _ in range(int(words[2]) // in_block()):
                    connection.sendall(events)
            else:
                connection.sendall(_REPLY)
                if words[0] in {b"event", b"events"} and words[1] == b"json":
                    events = block(size, "json")
                elif words[0] == b"bgapi":
                    about = _ABOUT % words[-1]
                    connection.sendall(
                        b"Content-Length: %d\nContent-Type: text/event-json\n\n%s" % (len(about), about)
                    )


def main() -> None:
    """Serve clients until standard input ends."""
    size = int(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def end_with_parent() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                serve(connection, size)
            except ConnectionError:
                continue


if __name__ == "__main__":
    main()
