"""Somebody registers, signs in at several devices, names them and signs them out, all by matrix-nio."""

import asyncio
import json
import os
import sys

from nio import (
    AsyncClient,
    DeleteDevicesAuthResponse,
    DeleteDevicesResponse,
    ErrorResponse,
    LoginResponse,
    LogoutResponse,
    RegisterResponse,
    Response,
    UpdateDeviceResponse,
    WhoamiResponse,
)

URL, PASSWORD, ANOTHER = (os.environ[f"MATRIX_{name}"] for name in ("URL", "PASSWORD", "NEW_PASSWORD"))
USER = "ana"


def tell(value: object) -> None:
    """What the test reads."""
    print(json.dumps(value), flush=True)


def proof(session: str, password: str = PASSWORD) -> dict[str, object]:
    """What is asked for before something is done."""
    identifier = {"type": "m.id.user", "user": USER}
    return {"type": "m.login.password", "identifier": identifier, "password": password, "session": session}


def code(response: Response) -> str:
    """What a refusal says."""
    assert isinstance(response, ErrorResponse), response
    return str(response.status_code)


async def sign_in(client: AsyncClient, name: str, password: str = PASSWORD) -> AsyncClient:
    """The client, signed in."""
    found = await client.login(password, device_name=name)
    assert isinstance(found, LoginResponse), found
    return client


async def set_password(client: AsyncClient, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    """The library has no method for that, but a way to send it."""
    headers = {"Authorization": f"Bearer {client.access_token}"}
    found = await client.send("POST", "/_matrix/client/v3/account/password", json.dumps(body), headers)
    return found.status, await found.json()


async def main() -> None:
    """Asks, and says what came."""
    clients: list[AsyncClient] = []

    def at(device_id: str) -> AsyncClient:
        clients.append(AsyncClient(URL, USER, device_id))
        return clients[-1]

    flows = (await at("").login_info()).flows
    registering = at("HERE")
    registered = await registering.register(USER, PASSWORD, "Here")
    assert isinstance(registered, RegisterResponse), registered
    here = await sign_in(at("HERE"), "Another name")
    phone = await sign_in(at("PHONE"), "Phone")
    await sign_in(at("TABLET"), "Tablet")
    laptop = await sign_in(at("LAPTOP"), "Laptop")

    async def names() -> list[list[str]]:
        return sorted([each.id, each.display_name] for each in (await here.devices()).devices)

    listed = await names()
    updated = await here.update_device("PHONE", {"display_name": "My phone"})
    assert isinstance(updated, UpdateDeviceResponse), updated
    renamed = dict(await names())["PHONE"]
    tell({"token": phone.access_token})
    await asyncio.to_thread(sys.stdin.readline)

    wanted = await here.delete_devices(["PHONE"])
    assert isinstance(wanted, DeleteDevicesAuthResponse), wanted
    wrong = await here.delete_devices(["PHONE"], proof(wanted.session, "not the password"))
    assert isinstance(wrong, DeleteDevicesAuthResponse), wrong
    deleted = await here.delete_devices(["PHONE"], proof(wanted.session))
    assert isinstance(deleted, DeleteDevicesResponse), deleted
    gone = code(await phone.whoami())
    many = await here.delete_devices(["TABLET", "LAPTOP"])
    assert isinstance(many, DeleteDevicesAuthResponse), many
    deleted = await here.delete_devices(["TABLET", "LAPTOP"], proof(many.session))
    assert isinstance(deleted, DeleteDevicesResponse), deleted
    left = await names()
    other = await sign_in(at("OTHER"), "Other")
    status, asked = await set_password(here, {"new_password": ANOTHER})
    changed, _ = await set_password(here, {"new_password": ANOTHER, "auth": proof(asked["session"])})
    ended = code(await other.whoami())
    old = code(await at("OLD").login(PASSWORD))
    await sign_in(at("NEW"), "New", ANOTHER)
    me = await here.whoami()
    assert isinstance(me, WhoamiResponse), me
    token = here.access_token
    assert isinstance(await here.logout(), LogoutResponse)
    here.access_token = token
    tell(
        {
            "flows": flows,
            "registered": [registered.user_id, registered.device_id],
            "listed": listed,
            "renamed": renamed,
            "wanted": wanted.flows,
            "wrong": wrong.session == wanted.session,
            "gone": gone,
            "laptop": code(await laptop.whoami()),
            "left": left,
            "password": [status, changed],
            "ended": ended,
            "old": old,
            "me": [me.user_id, me.device_id],
            "after": code(await here.whoami()),
        }
    )
    for client in clients:
        await client.close()


asyncio.run(main())
