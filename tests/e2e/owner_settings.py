"""What the end-to-end tests set as the owner, and every place where that shows.

Owns the two tables and how each place is read: documents, the page's head, pictures, chat. It judges nothing.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re

from owner import Owner, at
from PIL import Image
from rig import PATIENCE, Server
from websockets.asyncio.client import connect

CONFIG, SERVER, STATUS, YP, OEMBED = "/api/config", "/api/admin/serverconfig", "/api/status", "/api/yp", "/api/oembed"
SOURCE = {"name": "Source", "videoPassthrough": True, "audioPassthrough": True}
SMALL = {"name": "Small", "videoBitrate": 200, "audioPassthrough": True, "scaledHeight": 90, "cpuUsageLevel": 0}
ACTION = {"title": "Tip", "url": "https://example.org/tip", "description": "For tea", "color": "#aabbcc"}
HANDLE = {"platform": "mastodon", "url": "https://social.example/@tea"}
S3 = {
    "enabled": True,
    "endpoint": "https://s3.example.org",
    "accessKey": "tea",
    "secret": "leaves-of-s3",
    "bucket": "pots",
    "region": "eu",
}
MASK = "••••••••"

SETTINGS: dict[str, object] = {
    "name": "Tea house",
    "streamtitle": "Oolong & friends",
    "serversummary": "Kettles",
    "tags": ["tea", "#water"],
    "pagecontent": "# Menu <script>x</script>",
    "offlinemessage": "Back *soon*",
    "welcomemessage": "Come *in*",
    "nsfw": True,
    "serverurl": "https://tea.example",
    "socialhandles": [HANDLE],
    "externalactions": [ACTION],
    "hideviewercount": True,
    "disablesearchindexing": True,
    "customstyles": "body{color:red}",
    "customjavascript": "window.tea = 1",
    "appearance": {"theme-color-action": "#ff0000"},
    "chat/suggestedusernames": ["Leaf"],
    "chat/slowmodeseconds": 9,
    "chat/joinmessagesenabled": False,
    "chat/blockedwords": ["coffee"],
    "chat/retentionhours": None,
    "video/streamlatencylevel": 4,
    "video/streamoutputvariants": [SOURCE, SMALL],
    "videoservingendpoint": "https://cdn.example",
    "schedule/enabled": True,
    "notifications/discord": {"enabled": False, "webhook": "https://discord.example/x", "goLiveMessage": "Tea!"},
    "s3": S3,
}
SEEN: dict[str, object] = {
    f"{CONFIG} name": "Tea house",
    f"{CONFIG} streamTitle": "Oolong & friends",
    f"{CONFIG} summary": "Kettles",
    f"{CONFIG} tags": ["tea", "water"],
    f"{CONFIG} extraPageContent": "<h1>Menu </h1>",
    f"{CONFIG} offlineMessage": "<p>Back <em>soon</em></p>",
    f"{CONFIG} socialHandles.0.url": HANDLE["url"],
    f"{CONFIG} externalActions.0.title": "Tip",
    f"{CONFIG} hideViewerCount": True,
    f"{CONFIG} appearanceVariables": {"theme-color-action": "#ff0000"},
    f"{CONFIG} slowModeSeconds": 9,
    f"{CONFIG} schedule.enabled": True,
    f"{STATUS} streamTitle": "Oolong & friends",
    f"{STATUS} viewerCount": None,
    f"{YP} name": "Tea house",
    f"{YP} nsfw": True,
    f"{OEMBED} title": "Oolong & friends",
    f"{OEMBED} provider_url": "https://tea.example",
    f"{SERVER} instanceDetails.extraPageContent": "# Menu <script>x</script>",
    f"{SERVER} instanceDetails.welcomeMessage": "Come *in*",
    f"{SERVER} yp.instanceUrl": "https://tea.example",
    f"{SERVER} chatJoinMessagesEnabled": False,
    f"{SERVER} chat.blockedWords": ["coffee"],
    f"{SERVER} chat.retentionHours": None,
    f"{SERVER} videoSettings.latencyLevel": 4,
    f"{SERVER} videoSettings.videoQualityVariants.1.scaledHeight": 90,
    f"{SERVER} videoServingEndpoint": "https://cdn.example",
    f"{SERVER} notifications.discord.goLiveMessage": "Tea!",
    f"{SERVER} s3.bucket": "pots",
    f"{SERVER} s3.secret": MASK,
    "/ title": "Oolong &amp; friends · Tea house",
    "/ og:description": "Kettles",
    "/ og:url": "https://tea.example",
    "/ robots": "noindex, nofollow",
    "/ styles": True,
    "/robots.txt": "User-agent: *\nDisallow: /\n",
    "/customstyles": ":root{--theme-color-action:#ff0000;}\nbody{color:red}",
    "/customjavascript": "window.tea = 1",
    "/logo": ((64, 64), (255, 0, 0)),
    "/logo/external": ((512, 512), (255, 0, 0)),
    "/favicon.ico": ((32, 32), (0, 0, 255)),
    "newcomer": "Leaf",
    "welcome": "<p>Come <em>in</em></p>",
}


def picture(color: str, side: int) -> bytes:
    """A PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), color).save(file, "PNG")
    return file.getvalue()


async def set_all(owner: Owner) -> None:
    """Sets all of SETTINGS, the logo and the icon."""
    for name, value in SETTINGS.items():
        await owner.set(name, value)
    await owner.set("logo", f"data:image/png;base64,{base64.b64encode(picture('red', 64)).decode()}")
    await owner.post("/api/admin/config/favicon", picture("blue", 32))


async def seen(owner: Owner) -> dict[str, object]:
    """Everything that SEEN names, as it is now, wherever it shows."""
    server, found = owner.server, dict[str, object]()
    documents = {path: await owner.get(path) for path in (CONFIG, SERVER, STATUS, YP, OEMBED)}
    for name in SEEN:
        document, _, where = name.partition(" ")
        if document in documents:
            try:
                found[name] = at(documents[document], where)
            except (KeyError, IndexError):
                found[name] = None
    page = await server.text("/")
    for name, pattern in {
        "title": "<title>(.*?)</title>",
        "og:description": '<meta property="og:description" content="(.*?)"',
        "og:url": '<meta property="og:url" content="(.*?)"',
        "robots": '<meta name="robots" content="(.*?)"',
    }.items():
        match = re.search(pattern, page)
        found[f"/ {name}"] = match[1] if match else None
    found["/ styles"] = "/customstyles" in page and "/customjavascript" in page
    for path in ("/robots.txt", "/customstyles", "/customjavascript"):
        found[path] = await server.text(path)
    for path in ("/logo", "/logo/external", "/favicon.ico"):
        found[path] = _seen_picture((await server.get(path))[1])
    newcomer = await owner.post("/api/chat/register", {})
    found["newcomer"] = str(newcomer["displayName"])[:4]
    found["welcome"] = await _welcome(server, str(newcomer["accessToken"]))
    return found


def _seen_picture(data: bytes) -> object:
    try:
        image = Image.open(io.BytesIO(data)).convert("RGB")
    except OSError:
        return None
    return image.size, image.getpixel((image.width // 2, image.height // 2))


async def _welcome(server: Server, token: str) -> object:
    """What a chatter is greeted with, if at all: it comes before the answer to what the chatter sends."""
    async with connect(f"{server.http.replace('http', 'ws', 1)}/ws?accessToken={token}") as client:
        await client.send(json.dumps({"type": "PING"}))
        async with asyncio.timeout(PATIENCE):
            while (event := json.loads(await client.recv()))["type"] not in ("SYSTEM", "PONG"):
                pass
    return event.get("body")
