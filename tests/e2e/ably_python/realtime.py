"""Two clients meet on a channel, by Ably's own library for Python."""

import asyncio
import json

from clients import client


async def main() -> None:
    """Both say something, and hear it."""
    ana, ben = client("ana"), client("ben")
    heard: list[list[object]] = []
    enough = asyncio.Event()

    def listen(message: object) -> None:
        heard.append([message.name, message.data, message.client_id])  # type: ignore[attr-defined]
        if len(heard) == 3:
            enough.set()

    hers, his = ana.channels.get("snakes"), ben.channels.get("snakes")
    await hers.subscribe(listen)
    await his.attach()
    await his.publish("text", "hiss")
    await his.publish("json", {"length": 3})
    await hers.publish("own", "echo")
    await asyncio.wait_for(enough.wait(), 30)
    entered = asyncio.Event()
    await hers.presence.subscribe("enter", lambda _: entered.set())
    await his.presence.enter("coiled")
    await asyncio.wait_for(entered.wait(), 30)
    present = [[each.client_id, each.data] for each in await hers.presence.get()]
    await ana.close()
    await ben.close()
    print(json.dumps({"heard": sorted(heard, key=str), "present": present}))


asyncio.run(main())
