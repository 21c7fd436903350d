"""Logo and icon over HTTP: how the owner sets them, and where everybody finds them.

Owns those routes. What an image may be, and where it is kept, is `owncast_py.branding`'s.
"""

from __future__ import annotations

from aiohttp import BodyPartReader, web
from pydantic import Field

from owncast_py.branding import FAVICON, Branding, File
from owncast_py.chat.moderation import Moderation
from web.api.owncast import answers, social_platforms
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Media, Operation

MAX_LOGO_BODY = 7_000_000
"""Octets: an image in base64."""
MAX_ICON_BODY = 512 * 1024
ISOLATED = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For what was uploaded: an image and nothing else, also when it is opened by itself."""


class Logo(Input):
    """A logo: an image as a data: URL, its address elsewhere, or its path below /public/."""

    value: str = Field(min_length=1)


class BrandingApi:
    """The routes of pictures."""

    def __init__(self, branding: Branding, moderation: Moderation, authentication: Authentication) -> None:
        self._branding = branding
        self._moderation = moderation
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """Those of the admin, then those of everybody."""
        admin = self._authentication.as_admin
        image = Media("image/*", "The image, in the format that it was uploaded in.")
        api = answers.api("Branding")
        api.add("POST", "/api/admin/config/logo", self._set_logo, admin, max_body=MAX_LOGO_BODY)
        api.add("DELETE", "/api/admin/config/logo", self._remove_logo, admin)
        api.add("POST", "/api/admin/config/favicon", self._set_favicon, admin)
        api.add("DELETE", "/api/admin/config/favicon", self._remove_favicon, admin)
        api.add("GET", "/logo", self._logo, media=image)
        api.add("GET", "/logo/external", self._shared_logo, media=image)
        api.add("GET", "/favicon.ico", self._favicon, media=image)
        icon = Media("image/svg+xml", "The icon of a social platform.")
        api.add("GET", "/img/platformlogos/{file}", self._platform, media=icon)
        return api.operations

    async def _set_logo(self, call: Call[Logo]) -> Done:
        """Sets the server's logo."""
        await self._branding.set_logo(call.input.value)
        await self._moderation.record(call.actor, "change setting", "logo")
        return done("the logo is changed")

    async def _remove_logo(self, call: Call[None]) -> Done:
        """Goes back to the logo that comes with the server."""
        await self._branding.remove_logo()
        await self._moderation.record(call.actor, "change setting", "logo")
        return done("the logo is the server's own again")

    async def _set_favicon(self, call: Call[None]) -> Done:
        """Sets the icon of the pages: a PNG or ICO file in the form field `favicon`, or as the body itself."""
        request = call.request.clone(client_max_size=MAX_ICON_BODY)
        if request.content_type == "multipart/form-data":
            data = await _field(request)
        else:
            data = await request.read()
        if not data:
            raise web.HTTPBadRequest(text="Send a PNG or ICO file in the form field 'favicon'.")
        await self._branding.set_favicon(data)
        await self._moderation.record(call.actor, "change setting", "favicon")
        return done("the favicon is changed")

    async def _remove_favicon(self, call: Call[None]) -> Done:
        """Goes back to the icon that comes with the server."""
        await self._branding.remove_favicon()
        await self._moderation.record(call.actor, "change setting", "favicon")
        return done("the favicon is the server's own again")

    async def _logo(self, call: Call[None]) -> web.Response:
        """The server's logo."""
        return _send(call.request, self._branding.logo)

    async def _shared_logo(self, call: Call[None]) -> web.Response:
        """The server's logo as a PNG, for link previews."""
        return _send(call.request, await self._branding.shared_logo())

    async def _favicon(self, call: Call[None]) -> web.Response:
        """The icon of the pages."""
        return _send(call.request, self._branding.favicon or await self._branding.shared_logo())

    async def _platform(self, call: Call[None]) -> web.Response:
        """The icon of a social platform."""
        icon = social_platforms.draw(call.part("file").removesuffix(".svg"))
        if icon is None:
            raise web.HTTPNotFound(text="There is no such platform.")
        headers = {"Cache-Control": "public, max-age=86400", "Content-Security-Policy": ISOLATED}
        return web.Response(body=icon, content_type="image/svg+xml", headers=headers)


async def _field(request: web.Request) -> bytes:
    try:
        form = await request.multipart()
        while (part := await form.next()) is not None:
            if isinstance(part, BodyPartReader) and part.name == "favicon":
                data = bytearray()
                while chunk := await part.read_chunk():
                    data += chunk
                    if len(data) > FAVICON.max_bytes:
                        raise web.HTTPRequestEntityTooLarge(max_size=FAVICON.max_bytes, actual_size=len(data))
                return bytes(data)
    except (ValueError, AssertionError) as error:
        raise web.HTTPBadRequest(text="The form cannot be read; send it as multipart/form-data.") from error
    return b""


def _send(request: web.Request, file: File) -> web.Response:
    etag = f'"{file.etag}"'
    headers = {"Cache-Control": "no-cache", "ETag": etag, "Content-Security-Policy": ISOLATED}
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.data, content_type=file.content_type, headers=headers)
