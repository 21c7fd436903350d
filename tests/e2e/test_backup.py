"""Backup and restore as commands: taken while the server works, and everything is as it was then."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from owner import Json, Owner, at, basic
from rig import PASSTHROUGH, Server, ServerFactory, publishing, refused, run, segments
from websockets.asyncio.client import connect

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAE"
    "hQGAhKmMIQAAAABJRU5ErkJggg=="
)
UNUSABLE = 2
"""The exit code of a refusal."""


async def command(name: str, data_dir: Path, *arguments: str) -> tuple[int, str]:
    """Runs a command of ours on that data directory."""
    config = ("--config", str(data_dir / "config.yaml"))
    return await run(sys.executable, "-m", "owncast_py", name, *config, "--data-dir", str(data_dir), *arguments)


def steps(output: str) -> dict[str, list[int]]:
    """What was being done, and the per cents that were told of each."""
    found: dict[str, list[int]] = {}
    for what, percent in re.findall(r"^(\w[\w ]+\w)  +(\d+) %$", output, re.MULTILINE):
        found.setdefault(what, []).append(int(percent))
    return found


def contents(data_dir: Path) -> dict[str, str]:
    """What lies in a data directory, by name, as hashes; the lock and the server's own backups aside."""
    files = (path for path in data_dir.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(data_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


async def history(owner: Owner) -> list[object]:
    """What stands in chat."""
    return [message["body"] for message in await owner.listing("/api/chat")]


async def told(owner: Owner) -> Json:
    """What a backup has to bring back, as far as it can be seen."""
    config, emoji = await owner.get("/api/config"), await owner.listing("/api/emoji")
    found: Json = {name: config[name] for name in ("name", "extraPageContent", "tags", "slowModeSeconds")}
    return found | {
        "history": await history(owner),
        "emoji": [each["name"] for each in emoji],
        "emoji file": (await owner.server.get(str(emoji[0]["url"])))[0] if emoji else None,
        "logo": hashlib.sha256((await owner.server.get("/logo"))[1]).hexdigest(),
        "bots": [each["name"] for each in await owner.listing("/api/admin/accesstokens")],
        "keys": [each["key"] for each in at(await owner.get("/api/admin/serverconfig"), "streamKeys")],
        "webhooks": [each["url"] for each in await owner.listing("/api/admin/webhooks")],
        "bans": [each["ipAddress"] for each in await owner.listing("/api/admin/chat/users/ipbans")],
    }


async def live_with(server: Server, owner: Owner) -> tuple[str, str]:
    """Everything that an owner and chatters leave behind; the tokens of a bot and of a chatter."""
    await owner.set("name", "Tea house")
    await owner.set("pagecontent", "# Menu")
    await owner.set("tags", ["tea"])
    await owner.set("logo", PIXEL)
    await owner.post("/api/admin/emoji/upload", {"name": "pot.png", "data": PIXEL})
    await owner.post("/api/admin/chat/users/ipbans/create", {"value": "203.0.113.7"})
    await owner.post("/api/admin/webhooks/create", {"url": "https://hook.example/x", "events": ["USER_PARTED"]})
    made = await owner.post("/api/admin/accesstokens/create", {"name": "Beep", "scopes": ["CAN_SEND_MESSAGES"]})
    bot = str(made["token"])
    await Owner(server, {"Authorization": f"Bearer {bot}"}).post("/api/integrations/chat/send", {"body": "before"})
    return bot, str((await owner.post("/api/chat/register", {"displayName": "Ana"}))["accessToken"])


async def go_wrong(server: Server, owner: Owner, bot: str) -> None:
    """All of it becomes something else."""
    await Owner(server, {"Authorization": f"Bearer {bot}"}).post("/api/integrations/chat/send", {"body": "after"})
    for name, value in {"name": "Ruin", "pagecontent": "gone", "tags": [], "chat/slowmodeseconds": 30}.items():
        await owner.set(name, value)
    await owner.set("streamkeys", [{"key": "another", "comment": ""}])
    await owner.post("/api/admin/emoji/delete", {"name": "pot.png"})
    await owner.post("/api/admin/accesstokens/delete", {"token": bot})
    await owner.post("/api/admin/chat/users/ipbans/remove", {"value": "203.0.113.7"})
    (webhook,) = await owner.listing("/api/admin/webhooks")
    await owner.post("/api/admin/webhooks/delete", {"id": webhook["id"]})
    await owner.set("adminpass", "another-password")
    owner.headers = basic("another-password")


async def test_a_restore_brings_back_what_was(start: ServerFactory, samples: Samples, tmp_path: Path) -> None:
    data_dir, file = tmp_path / "data", tmp_path / "mine.tar.gz"
    async with start(secrets=False, config=PASSTHROUGH) as server:
        password, key = basic(server.made("Admin password")), server.made("Stream key")
        owner = Owner(server, password)
        bot, chatter = await live_with(server, owner)
        async with publishing(server, samples("plain.flv"), key=key):
            await server.playlist(0, lambda text: bool(segments(text)))
            code, output = await command("backup", data_dir, "--to", str(file))
        assert code == 0, output
        assert f"The backup is {file}" in output
        assert "It holds secrets" in output
        progress = steps(output)
        assert progress.keys() == {"copying the database", "packing"}
        assert all(percents[-1] == 100 for percents in progress.values()), progress
        assert file.stat().st_mode & 0o777 == 0o600
        wanted = await told(owner)
        await go_wrong(server, owner, bot)
        assert {name for name, value in (await told(owner)).items() if wanted[name] == value} == {"logo"}
        for name in ("serve", "restore"):
            code, output = await command(name, data_dir, *([str(file), "--yes"] if name == "restore" else []))
            assert code == UNUSABLE
            assert f"in use by a running server (process {server.process.pid})" in output
            assert len(output.splitlines()) == 1, output
        assert (await owner.get("/api/config"))["name"] == "Ruin", "it runs on"

    code, output = await command("restore", data_dir, str(file), "--yes")
    assert code == 0, output
    progress = steps(output)
    assert progress.keys() == {"unpacking", "checking the database"}
    assert all(percents[-1] == 100 for percents in progress.values()), progress
    aside = re.search(r"What was there before is in (\S+);", output)
    assert aside is not None, output
    assert (Path(aside[1]) / "owncast.db").is_file()
    async with start(secrets=False, config=PASSTHROUGH) as server:
        owner = Owner(server, password)
        assert await told(owner) == wanted
        assert (await owner.ask("GET", "/api/admin/status", headers=basic("another-password")))[0] == 401
        async with connect(f"{server.http.replace('http', 'ws', 1)}/ws?accessToken={chatter}") as client:
            assert '"Ana"' in str(await client.recv())
        await Owner(server, {"Authorization": f"Bearer {bot}"}).post("/api/integrations/chat/send", {"body": "back"})
        assert await history(owner) == ["<p>before</p>", "<p>back</p>"]
        assert await refused(server, samples("plain.flv"), "another")
        async with publishing(server, samples("plain.flv"), key=key):
            await server.playlist(0, lambda text: bool(segments(text)))


async def test_what_is_damaged_or_not_wanted_changes_nothing(start: ServerFactory, tmp_path: Path) -> None:
    data_dir, file = tmp_path / "data", tmp_path / "mine.tar.gz"
    async with start(config=PASSTHROUGH):
        code, output = await command("backup", data_dir, "--to", str(file))
        assert code == 0, output
        code, output = await command("backup", data_dir, "--to", str(file))
        assert (code, "exists already" in output) == (UNUSABLE, True), output
    before, whole = contents(data_dir), file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for damaged in (bytes(flipped), whole[:-200], b"no archive at all"):
        file.write_bytes(damaged)
        code, output = await command("restore", data_dir, str(file), "--yes")
        assert code == UNUSABLE, output
        assert output.rstrip().endswith("."), output
        assert "Traceback" not in output
        assert contents(data_dir) == before, output
    file.write_bytes(whole)
    arguments = f"--config {data_dir / 'config.yaml'} --data-dir {data_dir} {file}"
    code, output = await run("/bin/sh", "-c", f"echo n | {sys.executable} -m owncast_py restore {arguments}")
    assert (code, "Nothing was changed." in output) == (0, True), output
    assert contents(data_dir) == before
