"""A subscriber and a publisher whose lines are cut again and again. The subscriber tells what it has heard."""

import asyncio
import json
import os
import sys

from ably import AblyRealtime


def client(name: str) -> AblyRealtime:
    """One of them. The library takes no port for realtime: it is always 80."""
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
        disconnected_retry_timeout=100,
        suspended_retry_timeout=100,
    )


async def main() -> None:
    """Publishes until it is told that it is enough."""
    ana, ben = client("ana"), client("ben")
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
