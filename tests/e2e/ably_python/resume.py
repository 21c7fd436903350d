"""A subscriber and a publisher whose lines are cut again and again. The subscriber tells what it has heard."""

import asyncio
import json
import sys

from clients import client


async def main() -> None:
    """Publishes until it is told that it is enough."""
    ana, ben = (client(name, disconnected_retry_timeout=100, suspended_retry_timeout=100) for name in ("ana", "ben"))
    heard: list[int] = []
    connections = set()
    for each in (ana, ben):
        each.connection.on(
            "connected", lambda _, each=each: connections.add(each.connection.connection_manager.connection_id)
        )
    await ana.channels.get("numbers").subscribe(lambda message: heard.append(int(message.data)))
    channel = ben.channels.get("numbers")
    await channel.attach()
    print(json.dumps("ready"), flush=True)
    enough = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    publishing = []
    while not enough.done():
        publishing.append(asyncio.create_task(channel.publish("number", str(len(publishing)))))
        await asyncio.sleep(0.005)
    outcomes = await asyncio.gather(*publishing, return_exceptions=True)
    async with asyncio.timeout(30):
        while len(set(heard)) < len(publishing):
            await asyncio.sleep(0.02)
    print(
        json.dumps(
            {
                "sent": len(publishing),
                "heard": heard,
                "failed": [str(each) for each in outcomes if isinstance(each, BaseException)],
                "connections": len(connections),
            }
        ),
        flush=True,
    )
    await asyncio.gather(ana.close(), ben.close())


asyncio.run(main())
