"""`owncast-py health`: whether the server answers, for whoever starts it anew when it does not.

Asks `/healthz` over HTTP, as a container's health check does. What the answer means is the server's.
"""

from __future__ import annotations

import http.client

from owncast_py.config import Config
from owncast_py.errors import StartError

PATIENCE = 5.0
"""Seconds for the answer."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
"""Addresses that are listened on, and where they are reached from this machine."""


def ask(config: Config) -> str:
    """The address that answered. Blocks. Raises StartError with a sentence when nobody does, or not with a 200."""
    host, port = EVERYWHERE.get(config.http_host, config.http_host), config.http_port
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz"
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise StartError(
            f"Nobody answers at {url}: {error or type(error).__name__}. "
            "Start the server, or name its address with --http-host and --http-port."
        ) from error
    finally:
        connection.close()
    if status != http.client.OK:
        raise StartError(f"{url} answers with {status}, not 200: is that another program? See who uses port {port}.")
    return url
