"""An S3 server in this process (moto).

All servers of a process keep the same objects, whichever port they listen on, so each begins by forgetting those.
"""

from __future__ import annotations

from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer


def s3_server() -> tuple[ThreadedMotoServer, str]:
    """A running one with nothing in it, and its address. Whoever asks for it stops it."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with urlopen(Request(f"{address}/moto-api/reset", method="POST")) as answer:
        assert answer.status == 200
    return server, address
