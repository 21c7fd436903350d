"""Everything that can be asked for over HTTP, by Ably's own library for Python."""

import asyncio
import json
import os

from ably import AblyException, AblyRest
from ably.types.message import Message


def plain(data: object) -> object:
    """Data that JSON can say."""
    return list(data) if isinstance(data, (bytes, bytearray)) else data


async def main() -> None:
    """Asks, and says what came."""
    options = {
        "endpoint": os.environ["ABLY_HOST"],
        "port": int(os.environ["ABLY_PORT"]),
        "tls": False,
        "use_binary_protocol": os.environ["ABLY_BINARY"] == "yes",
    }
    async with AblyRest(key=os.environ["ABLY_KEY"], use_token_auth=True, **options) as rest:
        channel = rest.channels.get("snake")
        await channel.publish("text", "one")
        await channel.publish("json", {"two": [2, None, "zwei"]})
        await channel.publish("octets", bytearray([0, 1, 254, 255]))
        await channel.publish(messages=[Message(name="a", data="3"), Message(name="b", data="4")])
        pages, page = [], await channel.history(limit=2, direction="forwards")
        while page is not None:
            pages.append([[each.name, plain(each.data)] for each in page.items])
            page = await page.next() if page.has_next() else None
        token = await rest.auth.request_token({"client_id": "ana", "capability": {"a:*": ["publish"]}})
        async with AblyRest(token=token.token, **options) as narrow:
            await narrow.channels.get("a:game").publish("x", "y")
            try:
                await narrow.channels.get("b:game").publish("x", "y")
                denied = None
            except AblyException as error:
                denied = [error.code, error.status_code]
        status = await channel.status()
        print(
            json.dumps(
                {
                    "pages": pages,
                    "denied": denied,
                    "time": await rest.time() > 0,
                    "present": [each.client_id for each in (await channel.presence.get()).items],
                    "active": status.status.is_active,
                }
            )
        )


asyncio.run(main())
