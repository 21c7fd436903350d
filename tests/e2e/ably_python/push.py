"""A device is registered and subscribed, and a channel is pushed to, by Ably's own library for Python."""

import asyncio
import json
import os

from ably import AblyException, AblyRest

HOST, PORT, KEY = os.environ["ABLY_HOST"], int(os.environ["ABLY_PORT"]), os.environ["ABLY_KEY"]
# Devices of this transport the library refuses to register; it pushes to them.
RECIPIENT = {"transportType": "ablyChannel", "channel": "lit", "ablyKey": KEY, "ablyUrl": f"http://{HOST}:{PORT}"}
DEVICE = {
    "id": "lamp",
    "clientId": "ann",
    "formFactor": "embedded",
    "platform": "android",
    "push": {"recipient": {"transportType": "fcm", "registrationToken": "a-token"}},
}


async def main() -> None:
    """Asks, and says what came."""
    async with AblyRest(
        key=KEY,
        use_token_auth=True,
        endpoint=HOST,
        port=PORT,
        tls=False,
        use_binary_protocol=os.environ["ABLY_BINARY"] == "yes",
    ) as rest:
        admin = rest.push.admin
        saved = await admin.device_registrations.save(DEVICE)
        subscription = await admin.channel_subscriptions.save({"channel": "dusk", "deviceId": "lamp"})
        listed = [
            [each.id for each in (await admin.device_registrations.list(clientId="ann")).items],
            [each.channel for each in (await admin.channel_subscriptions.list(deviceId="lamp")).items],
            (await admin.channel_subscriptions.list_channels()).items,
        ]
        await admin.publish(RECIPIENT, {"notification": {"title": "on"}})
        await admin.publish(RECIPIENT, {"data": {"dim": "yes"}})
        inbox, arrived = rest.channels.get("lit"), []
        async with asyncio.timeout(30):
            while len(arrived) < 2:
                arrived = (await inbox.history(direction="forwards")).items
        await admin.channel_subscriptions.remove(subscription)
        unsubscribed = (await admin.channel_subscriptions.list(deviceId="lamp")).items
        await admin.device_registrations.remove("lamp")
        try:
            await admin.device_registrations.get("lamp")
            gone = None
        except AblyException as error:
            gone = error.code
        print(
            json.dumps(
                {
                    "saved": [saved.client_id, saved.form_factor, saved.push["state"]],
                    "listed": listed,
                    "arrived": [[each.name, each.data] for each in arrived],
                    "unsubscribed": len(unsubscribed),
                    "gone": gone,
                }
            )
        )


asyncio.run(main())
