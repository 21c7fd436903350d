"""How Ably's realtime for Python is pointed at the server under test."""

import os

from ably import AblyRealtime


def client(name: str, **more: object) -> AblyRealtime:
    """Somebody of that name. The library takes no port for realtime: it is always 80."""
    return AblyRealtime(
        key=os.environ["ABLY_KEY"],
        use_token_auth=True,
        client_id=name,
        # Else the library asks for a token that is for nobody, and then refuses it.
        default_token_params={"client_id": name},
        endpoint=os.environ["ABLY_HOST"],
        port=80,
        tls=False,
        use_binary_protocol=os.environ["ABLY_BINARY"] == "yes",
        **more,
    )
