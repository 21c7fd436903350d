"""Every setter of `/api/admin/config`: set, seen in every place that shows it, and still there after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from admin_wire import Admin, administered, found_at
from house import OFFLINE, Clock

from owncast_py.broadcast.session import State, Status
from owncast_py.setting_groups import VideoSettings
from web.api.owncast.settings import PREFIX, SETTERS

LIVE = Status(State.LIVE, 3, 4, 5, None, None, "Tea")
CONFIG, SERVER, STATUS = "/api/config", "/api/admin/serverconfig", "/api/status"
VARIANT = {
    "name": "Small",
    "videoPassthrough": False,
    "audioPassthrough": True,
    "videoBitrate": 800,
    "audioBitrate": 0,
    "scaledWidth": 0,
    "scaledHeight": 360,
    "framerate": 24,
    "cpuUsageLevel": 1,
}
ACTION = {
    "title": "Tip",
    "url": "https://example.org/tip",
    "html": "",
    "description": "Some tea money",
    "icon": "https://example.org/tip.png",
    "color": "#aabbcc",
    "openExternally": True,
}
HANDLE = {"platform": "mastodon", "url": "https://social.example/@tea"}
ICON = {"icon": "/img/platformlogos/mastodon.svg"}

CASES: dict[str, tuple[object, dict[tuple[str, str], object]]] = {
    "name": ("Tea house", {(CONFIG, "name"): "Tea house", (SERVER, "instanceDetails.name"): "Tea house"}),
    "streamtitle": (
        "Oolong",
        {(CONFIG, "streamTitle"): "Oolong", (SERVER, "instanceDetails.streamTitle"): "Oolong"},
    ),
    "serversummary": ("Kettles", {(CONFIG, "summary"): "Kettles", (SERVER, "instanceDetails.summary"): "Kettles"}),
    "pagecontent": (
        "# Hi <script>x</script>",
        {
            (CONFIG, "extraPageContent"): "<h1>Hi </h1>",
            (SERVER, "instanceDetails.extraPageContent"): "# Hi <script>x</script>",
        },
    ),
    "offlinemessage": (
        "Back *soon*",
        {
            (CONFIG, "offlineMessage"): "<p>Back <em>soon</em></p>",
            (SERVER, "instanceDetails.offlineMessage"): "Back *soon*",
        },
    ),
    "tags": (
        ["#tea", "water"],
        {(CONFIG, "tags"): ["tea", "water"], (SERVER, "instanceDetails.tags"): ["tea", "water"]},
    ),
    "nsfw": (True, {(CONFIG, "nsfw"): True, (SERVER, "instanceDetails.nsfw"): True, ("/api/yp", "nsfw"): True}),
    "serverurl": ("https://tea.example/", {(SERVER, "yp.instanceUrl"): "https://tea.example"}),
    "socialhandles": (
        [{**HANDLE, "icon": "ignored"}],
        {
            (CONFIG, "socialHandles"): [HANDLE | ICON],
            (SERVER, "instanceDetails.socialHandles"): [HANDLE | ICON],
            ("/api/yp", "social"): [HANDLE | ICON],
        },
    ),
    "externalactions": ([ACTION], {(CONFIG, "externalActions"): [ACTION], (SERVER, "externalActions"): [ACTION]}),
    "hideviewercount": (True, {(CONFIG, "hideViewerCount"): True, (SERVER, "hideViewerCount"): True}),
    "disablesearchindexing": (True, {(SERVER, "disableSearchIndexing"): True}),
    "customstyles": (
        "body{color:red}",
        {(CONFIG, "customStyles"): "body{color:red}", (SERVER, "instanceDetails.customStyles"): "body{color:red}"},
    ),
    "customjavascript": ("let tea = 1", {(SERVER, "instanceDetails.customJavascript"): "let tea = 1"}),
    "appearance": (
        {"theme-color-action": "#ff0000"},
        {
            (CONFIG, "appearanceVariables"): {"theme-color-action": "#ff0000"},
            (SERVER, "instanceDetails.appearanceVariables"): {"theme-color-action": "#ff0000"},
        },
    ),
    "welcomemessage": ("Come in", {(SERVER, "instanceDetails.welcomeMessage"): "Come in"}),
    "chat/disable": (True, {(CONFIG, "chatDisabled"): True, (SERVER, "chatDisabled"): True}),
    "chat/joinmessagesenabled": (False, {(SERVER, "chatJoinMessagesEnabled"): False}),
    "chat/establishedusermode": (True, {(SERVER, "chatEstablishedUserMode"): True}),
    "chat/establishedafter": (60, {(SERVER, "chat.establishedAfter"): 60}),
    "chat/forbiddenusernames": (["boss"], {(SERVER, "forbiddenUsernames"): ["boss"]}),
    "chat/suggestedusernames": (["Leaf"], {(SERVER, "suggestedUsernames"): ["Leaf"]}),
    "chat/spamprotectionenabled": (
        False,
        {(CONFIG, "chatSpamProtectionDisabled"): True, (SERVER, "chatSpamProtectionEnabled"): False},
    ),
    "chat/ratelimitmessages": (7, {(SERVER, "chat.rateLimitMessages"): 7}),
    "chat/ratelimitseconds": (4.5, {(SERVER, "chat.rateLimitSeconds"): 4.5}),
    "chat/slurfilterenabled": (True, {(SERVER, "chatSlurFilterEnabled"): True}),
    "chat/spamfilterenabled": (True, {(SERVER, "chat.spamFilterEnabled"): True}),
    "chat/blocklinks": (True, {(SERVER, "chat.blockLinks"): True}),
    "chat/blockedwords": (["coffee"], {(SERVER, "chat.blockedWords"): ["coffee"]}),
    "chat/slowmodeseconds": (9, {(CONFIG, "slowModeSeconds"): 9, (SERVER, "chat.slowModeSeconds"): 9}),
    "chat/openminutesafterstream": (None, {(SERVER, "chat.openMinutesAfterStream"): None}),
    "chat/retentionhours": (48, {(SERVER, "chat.retentionHours"): 48}),
    "video/streamlatencylevel": (4, {(SERVER, "videoSettings.latencyLevel"): 4}),
    "video/streamoutputvariants": (
        [VARIANT | {"unknown": 1}],
        {(SERVER, "videoSettings.videoQualityVariants"): [VARIANT]},
    ),
    "video/codec": ("libx264", {(SERVER, "videoCodec"): "libx264"}),
    "videoservingendpoint": ("https://cdn.example/", {(SERVER, "videoServingEndpoint"): "https://cdn.example"}),
    "webserverport": (8099, {(SERVER, "webServerPort"): 8099}),
    "webserverip": ("127.0.0.2", {(SERVER, "webServerIP"): "127.0.0.2"}),
    "rtmpserverport": (1999, {(SERVER, "rtmpServerPort"): 1999}),
    "ffmpegpath": ("/usr/bin/env", {}),
    "sockethostoverride": (
        "wss://chat.example",
        {(CONFIG, "socketHostOverride"): "wss://chat.example", (SERVER, "socketHostOverride"): "wss://chat.example"},
    ),
    "directoryenabled": (True, {(SERVER, "yp.enabled"): True}),
    "schedule/enabled": (True, {(CONFIG, "schedule.enabled"): True, (SERVER, "schedule.enabled"): True}),
    "schedule/showcountdown": (
        False,
        {(CONFIG, "schedule.showCountdown"): False, (SERVER, "schedule.showCountdown"): False},
    ),
    "schedule/chatopenminutes": (
        10,
        {(CONFIG, "schedule.chatOpenMinutesBefore"): 10, (SERVER, "schedule.chatOpenMinutesBefore"): 10},
    ),
    "schedule/remindermessage": ("Soon!", {(SERVER, "schedule.reminderMessage"): "Soon!"}),
}


def test_every_setter_has_a_case() -> None:
    assert CASES.keys() == {setter.path for setter in SETTERS}


async def shown(admin: Admin) -> dict[tuple[str, str, str], object]:
    """Everything that the cases look at, as it is now."""
    documents = {path: await admin.get(path) for path in (CONFIG, SERVER, "/api/yp")}
    return {
        (name, document, where): found_at(documents[document], where)
        for name, (_, places) in CASES.items()
        for document, where in places
    }


async def test_what_is_set_is_seen_everywhere_and_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with administered(tmp_path, clock=clock) as admin:
        before = await shown(admin)
        for name, (value, _) in CASES.items():
            assert name.rpartition("/")[2] in await admin.set(name, value)
        after = await shown(admin)
    wanted = {(name, *place): value for name, (_, places) in CASES.items() for place, value in places.items()}
    assert after == wanted
    # A case that sets what was there anyhow would prove nothing.
    assert [place for place in wanted if before[place] == wanted[place]] == []
    async with administered(tmp_path, clock=clock) as again:
        assert await shown(again) == wanted
        log = await again.get("/api/admin/chat/audit?limit=1000")
        changed = [entry["target"] for entry in log if entry["action"] == "change setting"]  # type: ignore[union-attr]
        assert sorted(changed) == sorted(CASES)


async def test_a_change_is_served_at_once(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        config = await admin.get(CONFIG)
        assert config["name"] == "Tea"  # type: ignore[index]
        await admin.set("name", "Coffee")
        config = await admin.get(CONFIG)
        assert config["name"] == "Coffee"  # type: ignore[index]
        await admin.set("streamtitle", "Live now")
        await admin.set("hideviewercount", True)
        status = await admin.get(STATUS)
        assert "viewerCount" not in status  # type: ignore[operator]
        assert "Disallow: /\n" not in str((await admin.ask("GET", "/robots.txt"))[1])
        await admin.set("disablesearchindexing", True)
        assert "Disallow: /\n" in str((await admin.ask("GET", "/robots.txt"))[1])
        await admin.set("customjavascript", "let tea = 1")
        assert (await admin.ask("GET", "/customjavascript"))[1] == "let tea = 1"
        await admin.set("appearance", {"theme-color": "red"})
        await admin.set("customstyles", "p{}")
        assert (await admin.ask("GET", "/customstyles"))[1] == ":root{--theme-color:red;}\np{}"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("name", "", "instance.name cannot be ''"),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", 7, "valid string"),
        ("tags", "tea", "valid list"),
        ("tags", ["x" * 61], "60"),
        ("nsfw", "yes", "valid boolean"),
        ("serverurl", "javascript:alert(1)", "address such as https://"),
        ("serverurl", "https://me:secret@tea.example", "without credentials"),
        ("socialhandles", [{"platform": "x", "url": "javascript:alert(1)"}], "https://example.org/me"),
        ("externalactions", [{"title": "Tip", "color": "red;background:url(x)"}], "color"),
        ("appearance", {"x": "red;} body{display:none"}, "pattern"),
        ("appearance", {"}x": "red"}, "pattern"),
        ("customstyles", "x" * 100_001, "100000"),
        ("video/streamlatencylevel", 5, "less than or equal to 4"),
        ("video/streamlatencylevel", "2", "valid integer"),
        ("video/streamlatencylevel", True, "cannot be True"),
        ("video/streamoutputvariants", [{"videoBitrate": -1}], "videobitrate"),
        ("video/streamoutputvariants", [VARIANT] * 9, "at most 8"),
        ("video/codec", "h266", "libx264"),
        ("webserverport", 0, "greater than or equal to 1"),
        ("webserverport", 65_536, "less than or equal to 65535"),
        ("webserverip", "tea.example", "no IP address"),
        ("ffmpegpath", "/nowhere/ffmpeg", "no ffmpeg"),
        ("sockethostoverride", "chat.example/<script>", "pattern"),
        ("chat/ratelimitseconds", 0, "greater than 0"),
        ("schedule/chatopenminutes", 7, "0, 5, 10, 30 or 60"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence(tmp_path: Path, name: str, value: object, words: str) -> None:
    async with administered(tmp_path) as admin:
        before = await admin.get(SERVER)
        status, sentence = await admin.refused("POST", f"{PREFIX}/{name}", {"value": value})
        assert status == 400
        assert words.lower() in sentence.lower()
        assert await admin.get(SERVER) == before


async def test_the_bare_value_of_the_first_release_is_taken(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        await admin.post(f"{PREFIX}/externalactions", [ACTION])
        assert found_at(await admin.get(CONFIG), "externalActions") == [ACTION]
        # What everybody gets is clean; what the owner wrote comes back as it was written.
        written = "<b>Tip</b><script>alert(1)</script>"
        await admin.post(f"{PREFIX}/externalactions", [ACTION | {"html": written}])
        assert found_at(await admin.get(CONFIG), "externalActions.0.html") == "<p><b>Tip</b></p>"
        assert found_at(await admin.get(SERVER), "externalActions.0.html") == written
        await admin.post(f"{PREFIX}/pagecontent", "# Bare")
        assert found_at(await admin.get(CONFIG), "extraPageContent") == "<h1>Bare</h1>"


async def test_the_answer_says_when_a_change_takes_effect(tmp_path: Path) -> None:
    def insists(section: str, name: str) -> bool:
        return (section, name) in {("http_port", ""), ("chat", "disabled")}

    async with administered(tmp_path, insists=insists) as admin:
        assert await admin.set("name", "Now") == "name changed"
        assert "started again" in await admin.set("rtmpserverport", 1999)
        assert "wins at the next start" in await admin.set("webserverport", 8099)
        assert "wins at the next start" in await admin.set("chat/disable", True)
        assert await admin.set("video/streamlatencylevel", 1) == "video/streamlatencylevel changed"
        admin.home.status = LIVE
        assert "next broadcast" in await admin.set("video/streamlatencylevel", 3)
        assert "next broadcast" in await admin.set("video/codec", "auto")
        admin.home.status = OFFLINE
        assert "another is used" in await admin.set("video/codec", "h264_nvenc")


async def test_page_content_is_previewed_as_the_page_will_show_it(tmp_path: Path) -> None:
    path = "/api/admin/config/pagecontent/preview"
    source = "# Tea\n\n<script>x</script><b onclick=x>hot</b>\n\n|a|\n|-|\n|b|"
    async with administered(tmp_path) as admin:
        previewed = await admin.post(path, {"value": source})
        assert (await admin.get(CONFIG))["extraPageContent"] == ""  # type: ignore[call-overload, index]
        await admin.set("pagecontent", source)
        assert previewed == {"html": (await admin.get(CONFIG))["extraPageContent"]}  # type: ignore[call-overload, index]
        assert "<b>hot</b>" in str(previewed["html"])
        assert (await admin.refused("POST", path, {"value": "x" * 100_001}))[0] == 400
        assert (await admin.refused("POST", path, {"value": source}, None))[0] == 401


async def test_no_variants_let_the_server_choose(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        await admin.set("video/streamoutputvariants", [VARIANT])
        await admin.set("video/streamoutputvariants", [])
        assert admin.home.settings.get(VideoSettings).variants == "auto"
        assert found_at(await admin.get(SERVER), "videoSettings.videoQualityVariants") == []
