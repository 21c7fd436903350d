"""An Owncast server is imported by the command, then started as ours: everybody and everything goes on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from owncast_files import OLD, SETTINGS, Said, build, gob_text, sample, take_over
from owner import Json, Owner, at, basic, public
from PIL import Image
from rig import PASSTHROUGH, PATIENCE, Server, ServerFactory, publishing, refused, settles
from test_webhooks import Receiver
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

PASSWORD = "the password of before"
CONFIG = PASSTHROUGH + "notifications: {allow_private_targets: true}\ntrusted_proxies: [127.0.0.0/8]\n"
BANNED = {"X-Forwarded-For": "203.0.113.7"}
# What would call somebody beyond loopback, or encode for minutes.
AWAY = ("s3_storage_config", "discord_configuration", "browser_push_configuration", "video_stream_output_variants")
HERE = {key: value for key, value in SETTINGS.items() if key not in AWAY}
ANN, BEE = "ann-token+/=" + "a" * 32, "bee-token+/=" + "b" * 32


def ago(minutes: float) -> tuple[str, str]:
    """A time as Owncast writes it in California, and as ours tells it."""
    then = (datetime.now(UTC) - timedelta(minutes=minutes)).replace(microsecond=123_000)
    local = (then - timedelta(hours=7)).strftime("%Y-%m-%d %H:%M:%S.123456789-07:00")
    return local, then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def imported(owncast: Path, data_dir: Path, config: str = CONFIG) -> str:
    """Runs the command; its report."""
    data_dir.mkdir()
    (data_dir / "config.yaml").write_text(config)
    done = take_over(owncast, data_dir, config=data_dir / "config.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def socket(server: Server, token: str, headers: dict[str, str] | None = None) -> connect:
    address = f"{server.http.replace('http', 'ws', 1)}/ws?accessToken={quote(token, safe='')}"
    return connect(address, additional_headers=headers)


async def hear(client: ClientConnection, kind: str, words: str = "") -> Json:
    """The next event of that kind with those words."""
    async with asyncio.timeout(PATIENCE):
        while True:
            event: Json = json.loads(await client.recv())
            if event["type"] == kind and words in str(event.get("body", "")):
                return event


async def test_everybody_and_everything_of_an_owncast_goes_on_here(
    start: ServerFactory, samples: Samples, tmp_path: Path
) -> None:
    receiver = Receiver()
    first, hidden, second = ago(30), ago(20), ago(10)
    async with receiver.listening():
        owncast = tmp_path / "owncast"
        file = build(
            owncast / "owncast.db",
            settings={**HERE, "admin_password_key": gob_text(PASSWORD), "logo_path": gob_text("logo.png")},
            people=[
                {
                    "id": "ann",
                    "display_name": "Ann",
                    "display_color": 3,
                    "created_at": ago(99_999)[0],
                    "previous_names": "Anna,Annie,Ann",
                    "scopes": "MODERATOR",
                    "authenticated_at": ago(50)[0],
                },
                {"id": "bee", "display_name": "Beep", "display_color": 1, "type": "API", "scopes": "CAN_SEND_MESSAGES"},
                {"id": "bad", "display_name": "Bad", "display_color": 2, "disabled_at": ago(19)[0]},
            ],
            tokens=[(ANN, "ann"), (BEE, "bee"), ("t" * 44, "bad")],
            messages=[
                # Not in the order of their times, which are what counts.
                Said(
                    "later", "ann", '<p>and <img src="/img/emoji/tea/pot.png" alt=":pot:" title=":pot:"></p>', second[0]
                ),
                Said("rude", "bad", "<p>rude words</p>", hidden[0], hidden_at=second[0]),
                Said("early", "ann", "<p>good <strong>morning</strong><script>alert(1)</script></p>", first[0]),
            ],
            more=f"""
INSERT INTO ip_bans (ip_address, notes) VALUES ('203.0.113.7', 'rude');
INSERT INTO webhooks (url, events) VALUES ('{receiver.url}', 'CHAT');
""",
        )
        (owncast / "emoji" / "tea").mkdir(parents=True)
        Image.new("RGB", (8, 8), "green").save(owncast / "emoji" / "tea" / "pot.png")
        Image.new("RGB", (16, 16), "red").save(owncast / "logo.png")
        before = file.read_bytes()
        data_dir = tmp_path / "data"
        report = await asyncio.to_thread(imported, owncast, data_dir)
        assert re.search(r"^  users +3$", report, re.MULTILINE)
        assert file.read_bytes() == before

        async with start(config=CONFIG, secrets=False) as server:
            owner = Owner(server, basic(PASSWORD))
            config = await owner.get("/api/admin/serverconfig")
            for path, value in (
                ("instanceDetails.name", "Tea house"),
                ("instanceDetails.streamTitle", "Brewing"),
                ("instanceDetails.tags", ["tea", "music"]),
                ("instanceDetails.customStyles", "body { color: green }"),
                ("instanceDetails.appearanceVariables", {"theme-color-action": "#ff0000"}),
                ("instanceDetails.socialHandles.1.url", "https://example.org/@me"),
                ("externalActions.0.title", "Tip me"),
                ("videoSettings.latencyLevel", 2),
                # Owncast had no variants of its own, so ours are those of the configuration.
                ("videoSettings.videoQualityVariants.0.name", "Source"),
                ("videoCodec", "libx264"),
                ("forbiddenUsernames", ["admin", "system"]),
                ("chatJoinMessagesEnabled", False),
                ("hideViewerCount", True),
                ("streamKeys.0", {"key": "key-number-one", "comment": "OBS"}),
                ("streamKeys.1.key", "key-number-two"),
            ):
                assert at(config, path) == value, path
            assert [each["name"] for each in await owner.listing("/api/emoji")] == ["pot"]
            assert (await server.get("/logo"))[1][:8] == b"\x89PNG\r\n\x1a\n"

            history = await owner.listing("/api/chat")
            assert [(each["timestamp"], at(each, "user.displayName")) for each in history] == [
                (first[1], "Ann"),
                (second[1], "Ann"),
            ]
            assert history[0]["body"] == "<p>good <strong>morning</strong></p>"
            assert 'src="/img/emoji/pot.png"' in str(history[1]["body"])
            seen = {str(each["body"]): each["visible"] for each in await owner.listing("/api/admin/chat/messages")}
            assert seen["<p>rude words</p>"] is False
            assert len(seen) == 3

            with pytest.raises(InvalidStatus) as caught:
                await socket(server, ANN, BANNED)
            assert caught.value.response.status_code == 403
            async with socket(server, ANN) as client:
                user = at(await hear(client, "CONNECTED_USER_INFO"), "user")
                assert (user["id"], user["displayName"], user["displayColor"]) == ("ann", "Ann", 3)
                assert user["previousNames"] == ["Anna", "Annie", "Ann"]
                assert "MODERATOR" in user["scopes"]
                assert user["authenticated"] is True
                await client.send(json.dumps({"type": "CHAT", "body": "I am back"}))
                assert at(await hear(client, "CHAT", "I am back"), "user.id") == "ann"
                await Owner(server, {"Authorization": f"Bearer {BEE}"}).post(
                    "/api/integrations/chat/send", {"body": "and so am I"}
                )
                assert at(await hear(client, "CHAT", "and so am I"), "user.displayName") == "Beep"
            async with socket(server, "t" * 44) as client:
                assert (await hear(client, "ERROR_USER_DISABLED"))["type"] == "ERROR_USER_DISABLED"
            await receiver.has("CHAT", 2)
            assert [at(event, "eventData.rawBody") for event in receiver.events] == ["I am back", "and so am I"]
            # What is new stands behind what is old.
            assert [each["body"] for each in await owner.listing("/api/chat")][-2:] == [
                "<p>I am back</p>",
                "<p>and so am I</p>",
            ]

            assert await refused(server, samples("plain.flv"), "key-number-three")
            async with publishing(server, samples("plain.flv"), key="key-number-two"):
                await settles(lambda: public(server, "/api/status"), lambda found: found["online"], "the show is on")


async def test_an_owncast_of_the_first_releases_goes_on_here(start: ServerFactory, tmp_path: Path) -> None:
    at_first, then = ago(40), ago(5)
    build(
        tmp_path / "owncast" / "data" / "owncast.db",
        tables=OLD,
        version=2,
        settings={
            "server_name": gob_text("Oldest"),
            "stream_key": gob_text("one-secret-for-all"),
            "blocked_usernames": gob_text("boss,chief"),
            "chat_disabled": sample("false"),
        },
        people=[
            {"id": "old", "access_token": ANN, "display_name": "Olive", "display_color": 205, "created_at": at_first[0]}
        ],
        messages=[Said("1e3", "old", "<p>from long ago</p>", then[0])],
        wal=False,
    )
    await asyncio.to_thread(imported, tmp_path / "owncast", tmp_path / "data")
    async with start(config=CONFIG, secrets=False) as server:
        owner = Owner(server, basic("one-secret-for-all"))
        config = await owner.get("/api/admin/serverconfig")
        assert at(config, "streamKeys") == [{"key": "one-secret-for-all", "comment": "from Owncast"}]
        assert at(config, "instanceDetails.name") == "Oldest"
        assert at(config, "forbiddenUsernames") == ["boss", "chief"]
        (message,) = await owner.listing("/api/chat")
        assert (message["body"], message["timestamp"]) == ("<p>from long ago</p>", then[1])
        async with socket(server, ANN) as client:
            user = at(await hear(client, "CONNECTED_USER_INFO"), "user")
            assert (user["displayName"], user["displayColor"], user["createdAt"]) == ("Olive", 205 % 8, at_first[1])


async def test_a_password_that_nobody_can_read_is_made_anew_and_shown_at_the_next_start(
    start: ServerFactory, tmp_path: Path
) -> None:
    settings = {**HERE, "admin_password_key": gob_text("$2a$10$" + "a" * 53)}
    build(tmp_path / "owncast.db", settings=settings)
    report = await asyncio.to_thread(imported, tmp_path, tmp_path / "data")
    assert "The admin password: Owncast keeps it as a bcrypt hash" in report
    async with start(config=CONFIG, secrets=False) as server:
        config = await Owner(server, basic(server.made("Admin password"))).get("/api/admin/serverconfig")
        assert at(config, "streamKeys.0.key") == "key-number-one"
