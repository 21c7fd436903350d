"""What Owncast's directory reads of this server, what else is public about it, and the reset of the registration.

Owns those routes' wire format. The registration itself is `owncast_py.directory`'s.
"""

from __future__ import annotations

from typing_extensions import TypedDict

from owncast_py.broadcast.studio import Studio
from owncast_py.chat.content import timestamp
from owncast_py.chat.moderation import Moderation
from owncast_py.directory import DirectoryListing
from owncast_py.setting_groups import DirectorySettings, InstanceSettings
from owncast_py.settings import Settings
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.api.owncast.config import SocialHandleView, social_views
from web.api.owncast.social_platforms import PlatformView, all_platforms
from web.authentication import Authentication
from web.operations import Call, Operation


class YpView(TypedDict):
    """The server as the directory lists it."""

    name: str
    description: str
    streamTitle: str
    logo: str
    nsfw: bool
    tags: list[str]
    social: list[SocialHandleView]
    online: bool
    viewerCount: int
    overallMaxViewerCount: int
    sessionMaxViewerCount: int
    lastConnectTime: str | None


class PublicVariant(TypedDict):
    """A variant that viewers can choose. Bit rates in kbit/s."""

    index: int
    name: str
    videoPassthrough: bool
    videoBitrate: int
    scaledWidth: int
    scaledHeight: int
    framerate: float


class DirectoryApi:
    """The routes of the directory."""

    def __init__(
        self,
        directory: DirectoryListing,
        settings: Settings,
        studio: Studio,
        moderation: Moderation,
        authentication: Authentication,
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._studio = studio
        self._moderation = moderation
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """All of them."""
        api = answers.api("Server")
        api.add("GET", "/api/yp", self._yp)
        api.add("GET", "/api/socialplatforms", self._platforms)
        api.add("GET", "/api/video/variants", self._variants)
        api.add("POST", "/api/admin/yp/reset", self._reset, self._authentication.as_admin)
        return api.operations

    async def _yp(self, _call: Call[None]) -> YpView:
        """The server as Owncast's directory lists it."""
        instance, status = self._settings.get(InstanceSettings), self._studio.status()
        # Counts that the owner hides are hidden here as well, unless the listing is wanted.
        shown = not instance.hide_viewer_count or self._settings.get(DirectorySettings).enabled
        return {
            "name": instance.name,
            "description": instance.summary,
            "streamTitle": instance.title,
            "logo": "/logo",
            "nsfw": instance.nsfw,
            "tags": list(instance.tags),
            "social": social_views(instance.social_handles),
            "online": status.online,
            "viewerCount": status.viewer_count if shown else 0,
            "overallMaxViewerCount": status.overall_max_viewer_count if shown else 0,
            "sessionMaxViewerCount": status.session_max_viewer_count if shown else 0,
            "lastConnectTime": timestamp(status.last_connect_time) if status.last_connect_time else None,
        }

    async def _platforms(self, _call: Call[None]) -> dict[str, PlatformView]:
        """The social platforms that have a name and an icon here."""
        return all_platforms()

    async def _variants(self, _call: Call[None]) -> list[PublicVariant]:
        """What viewers can choose, best first."""
        return [
            {
                "index": index,
                "name": variant.name,
                "videoPassthrough": variant.video_passthrough,
                "videoBitrate": variant.video_bitrate,
                "scaledWidth": variant.width,
                "scaledHeight": variant.height,
                "framerate": variant.framerate,
            }
            for index, variant in enumerate(self._studio.variants())
        ]

    async def _reset(self, call: Call[None]) -> Done:
        """Forgets the key of the directory; the next registration is a new one."""
        await self._directory.reset()
        await self._moderation.record(call.actor, "reset registration", "directory")
        return done("the registration with the directory is reset")
