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
    publishing: list[asyncio.Task[object]] = []
    async with asyncio.timeout(90):
        # Messages that the library sends again may be out of order among those it waits for: then it misses their
        # acknowledgments until that of a later one comes.
        while not enough.done() or not all(task.done() for task in publishing):
            publishing.append(asyncio.create_task(channel.publish("number", str(len(publishing)))))
            await asyncio.sleep(0.05 if enough.done() else 0.005)
        while len(set(heard)) < len(publishing):
            await asyncio.sleep(0.02)
    outcomes = await asyncio.gather(*publishing, return_exceptions=True)
    kept, page = [], await channel.history(limit=1000, direction="forwards")
    while page is not None:
        kept += [int(each.data) for each in page.items]
        page = await page.next() if page.has_next() else None
    print(
        json.dumps(
            {
                "sent": len(publishing),
                "heard": heard,
                "kept": kept,
                "failed": [str(each) for each in outcomes if isinstance(each, BaseException)],
                "connections": len(connections),
            }
        ),
        flush=True,
    )
    await asyncio.gather(ana.close(), ben.close())


asyncio.run(main())
