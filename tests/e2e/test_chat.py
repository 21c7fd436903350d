"""Chat from outside: a server as its users start it, clients that are not ours, a browser, a process that is killed."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from contextlib import suppress

import aiohttp
import pytest
from playwright.async_api import Page, expect
from rig import PATIENCE, Server, ServerFactory, run
from viewer_browser import chromium, open_page, send_words, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.e2e

PROGRAM = f"{sys.executable} -m owncast_py"

ADMIN = {"Authorization": aiohttp.encode_basic_auth("admin", "e2e-password")}
QUIET = "chat:\n  rate_limit: false\n"


async def post(server: Server, path: str, body: object, headers: dict[str, str] | None = None) -> dict[str, object]:
    async with server.session.post(server.http + path, json=body, headers=headers) as response:
        answer: dict[str, object] = await response.json()
        assert response.status == 200, answer
        return answer


async def history(server: Server) -> list[dict[str, object]]:
    status, body = await server.get("/api/chat")
    assert status == 200
    found: list[dict[str, object]] = json.loads(body)
    return found


async def token_of(server: Server, name: str) -> str:
    return str((await post(server, "/api/chat/register", {"displayName": name}))["accessToken"])


async def bot_of(server: Server) -> str:
    wanted = {"name": "Beep", "scopes": ["CAN_SEND_MESSAGES", "HAS_ADMIN_ACCESS"]}
    return str((await post(server, "/api/admin/accesstokens/create", wanted, ADMIN))["token"])


def socket(server: Server, token: str) -> connect:
    return connect(f"{server.http.replace('http', 'ws', 1)}/ws?accessToken={token}")


async def hear(client: ClientConnection, words: str) -> dict[str, object]:
    """The event in which those words are."""
    async with asyncio.timeout(PATIENCE):
        while True:
            event: dict[str, object] = json.loads(await client.recv())
            if words in str(event.get("body", "")):
                return event


async def say(client: ClientConnection, words: str) -> None:
    await client.send(json.dumps({"type": "CHAT", "body": words}))


async def named(page: Page) -> str:
    """The name that the page's chatter has."""
    return await page.locator(".chat-me .chat-name").inner_text()


async def test_two_clients_and_a_browser_talk_and_a_bot_moderates(start: ServerFactory) -> None:
    async with start() as server, chromium() as browser, open_page(browser, server.http) as page:
        ana, ben = await token_of(server, "Ana"), await token_of(server, "Ben")
        async with socket(server, ana) as first, socket(server, ben) as second:
            await say(first, "Hello from *Ana*")
            await hear(second, "Hello from")
            log = page.get_by_role("log")
            await expect(log.get_by_text("Hello from Ana")).to_be_visible()
            assert await log.locator("em").inner_text() == "Ana"
            name = await named(page)
            field = page.get_by_role("textbox", name="Message")
            await field.fill("Hello from the page\nin two lines")
            await send_words(page)
            for client in (first, second):
                event = await hear(client, "Hello from the page")
                assert (event["author"], event["body"]) == (name, "<p>Hello from the page<br>\nin two lines</p>")
            await expect(field).to_have_value("")
            await say(second, "<img src=x onerror='document.title=`broken`'> rude")
            await expect(log.get_by_text("rude")).to_be_visible()
            assert await log.locator("img").count() == 0
            headers = {"Authorization": f"Bearer {await bot_of(server)}"}
            found = await server.session.get(server.http + "/api/integrations/chat", headers=headers)
            rude = next(each for each in await found.json() if "rude" in each["rawBody"])
            await post(server, "/api/integrations/chat/send", {"body": "beep, removed"}, headers)
            hide = {"visible": False, "idArray": [rude["id"]]}
            await post(server, "/api/integrations/chat/messagevisibility", hide, headers)
            await expect(log.get_by_text("beep, removed")).to_be_visible()
            await expect(log.get_by_text("rude")).to_have_count(0)
            await hear(first, "beep, removed")
        await page.reload()
        assert await named(page) == name, "the page comes back as the same person"
        await expect(page.get_by_role("log").get_by_text("Hello from Ana")).to_be_visible()


async def test_the_page_says_what_is_refused_and_keeps_the_words(start: ServerFactory) -> None:
    config = "chat:\n  blocked_words: [darn]\n  slow_mode_seconds: 600\n"
    async with start(config=config) as server, chromium() as browser, open_page(browser, server.http) as page:
        await named(page)
        field = page.get_by_role("textbox", name="Message")
        send = page.locator(".chat-composer .chat-send")
        await field.fill("darn it")
        await send_words(page)
        await expect(page.get_by_role("alert")).not_to_be_empty()
        await expect(field).to_have_value("darn it")
        await field.fill("one")
        await send_words(page)
        await expect(field).to_have_value("")
        await field.fill("two")
        await expect(send).to_have_text(re.compile(r"^(9|10):\d\d$"))
        await expect(send).to_be_disabled()
        await field.press("Enter")
        await expect(field).to_have_value("two")
        assert [each["body"] for each in await history(server)] == ["<p>one</p>"]


async def test_a_name_and_a_colour_are_chosen_on_the_page(start: ServerFactory) -> None:
    async with start() as server, chromium() as browser, open_page(browser, server.http) as page:
        await named(page)
        await page.locator(".chat-me").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("Zoë")
        await dialog.get_by_label("Colour 4").check()
        await dialog.get_by_role("button", name="Save").click()
        await expect(page.locator(".chat-me .chat-name")).to_have_text("Zoë")
        await expect(page.locator(".chat-me .chat-name")).to_have_attribute("data-color", "3")
        await expect(page.get_by_role("log")).to_contain_text("is now Zoë")
        await page.reload()
        await expect(page.locator(".chat-me .chat-name")).to_have_text("Zoë")


async def test_the_page_comes_back_after_a_restart_without_doubles(start: ServerFactory) -> None:
    async with chromium() as browser:
        async with start() as server:
            port = server.http.rpartition(":")[2]
            async with socket(server, await token_of(server, "Ana")) as ana:
                await say(ana, "before")
                await hear(ana, "before")
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(server.http)
            await expect(page.get_by_role("log").get_by_text("before")).to_have_count(1)
            name = await named(page)
        await expect(page.get_by_text("Reconnecting…")).to_be_visible()
        async with start("--http-port", port) as server:
            async with socket(server, await token_of(server, "Ben")) as ben:
                await until(page, "document.querySelector('.chat-closed') === null")
                await say(ben, "after")
                await hear(ben, "after")
            log = page.get_by_role("log")
            await expect(log.get_by_text("after")).to_have_count(1)
            await expect(log.get_by_text("before")).to_have_count(1)
            assert await named(page) == name
            await context.close()


async def test_nothing_that_anybody_saw_is_lost_when_the_process_is_killed(start: ServerFactory) -> None:
    for round_number in range(3):
        seen: set[str] = set()
        acknowledged: set[str] = set()
        async with start(config=QUIET) as server:
            headers = {"Authorization": f"Bearer {await bot_of(server)}"}
            async with socket(server, await token_of(server, "Ana")) as ana:

                async def listen(client: ClientConnection = ana, into: set[str] = seen) -> None:
                    with suppress(ConnectionClosed):
                        async for frame in client:
                            event = json.loads(frame)
                            if event["type"] == "CHAT":
                                into.add(event["id"])

                async def write(
                    server: Server = server, headers: dict[str, str] = headers, into: set[str] = acknowledged
                ) -> None:
                    with suppress(aiohttp.ClientError):
                        for number in range(10_000):
                            answer = await post(server, "/api/integrations/chat/send", {"body": f"{number}"}, headers)
                            into.add(str(answer["id"]))

                tasks = [asyncio.create_task(listen()), *(asyncio.create_task(write()) for _ in range(4))]
                async with asyncio.timeout(PATIENCE):
                    while len(acknowledged) < 60 + 25 * round_number or len(seen) < 20:
                        await asyncio.sleep(0.01)
                server.process.send_signal(signal.SIGKILL)
                await server.process.wait()
                await asyncio.gather(*tasks)
        async with start(config=QUIET) as server:
            query = "/api/admin/chat/messages?limit=1000"
            async with server.session.get(server.http + query, headers=ADMIN) as response:
                kept = {each["id"] for each in await response.json()}
        assert len(acknowledged) >= 60
        assert acknowledged - kept == set(), "told to its sender, and lost"
        assert seen - kept == set(), "seen, and lost"


async def test_moderation_and_identities_survive_a_restart(start: ServerFactory) -> None:
    async with start() as server:
        token = await token_of(server, "Ana")
        bot = await bot_of(server)
        async with socket(server, token) as ana:
            for words in ("one", "two"):
                await say(ana, words)
                event = await hear(ana, words)
        hide = {"visible": False, "idArray": [event["id"]]}
        await post(server, "/api/admin/chat/messagevisibility", hide, ADMIN)
        await post(server, "/api/admin/chat/users/ipbans/create", {"value": "203.0.113.7"}, ADMIN)
        title = {"value": "Desert Bus"}
        await post(server, "/api/integrations/streamtitle", title, {"Authorization": f"Bearer {bot}"})
        status, body = await server.get("/api/status")
        assert json.loads(body)["streamTitle"] == "Desert Bus"
    async with start() as server:
        assert [each["body"] for each in await history(server)] == ["<p>one</p>"]
        status, body = await server.get("/api/status")
        assert (status, json.loads(body)["streamTitle"]) == (200, "Desert Bus")
        async with server.session.get(server.http + "/api/admin/chat/users/ipbans", headers=ADMIN) as response:
            assert [ban["ipAddress"] for ban in await response.json()] == ["203.0.113.7"]
        async with socket(server, token) as ana:
            info = json.loads(await ana.recv())
            assert info["user"]["displayName"] == "Ana"
        await post(server, "/api/integrations/chat/send", {"body": "still me"}, {"Authorization": f"Bearer {bot}"})
    log = "".join(server.output)
    assert token not in log
    assert bot not in log


async def test_the_terminal_client_talks(start: ServerFactory) -> None:
    async with start() as server:
        async with socket(server, await token_of(server, "Ana")) as ana:
            await say(ana, "hello, \x1b[31mterminal\x1b[0m & <all>")
            await hear(ana, "hello")
            command = f"printf 'hi from a pipe\\n/name Zoe\\nbye\\n' | {PROGRAM} chat {server.http}"
            code, output = await run("/bin/sh", "-c", command)
            assert code == 0, output
            assert "Ana: hello, [31mterminal[0m & <all>" in output
            assert "Zoe: bye" in output
            assert (await hear(ana, "bye"))["author"] == "Zoe"
        code, output = await run("/bin/sh", "-c", f"echo x | {PROGRAM} chat {server.http} --token forged")
        assert (code, output.strip()) == (1, "This access token is not known here, or not any more.")
    code, output = await run("/bin/sh", "-c", f"echo x | {PROGRAM} chat http://127.0.0.1:1")
    assert code == 1
    assert "cannot be reached" in output
