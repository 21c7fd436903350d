"""Owncast's chat on an application: its routes, and what must run while the server does."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from owncast_py.chat.chat import Chat
from web.api.owncast.chat import ChatApi
from web.api.owncast.chat_socket import ChatSockets
from web.api.owncast.integrations import IntegrationsApi
from web.api.owncast.moderation import ModerationApi
from web.authentication import Authentication


def mount_chat(
    application: web.Application, chat: Chat, authentication: Authentication, monotonic: Callable[[], float]
) -> None:
    """Adds chat. The sockets are told of the end before the server waits for its open requests."""
    sockets = ChatSockets(chat, monotonic)
    public = ChatApi(chat, authentication)
    moderation = ModerationApi(chat, authentication)
    integrations = IntegrationsApi(chat, authentication, moderation)
    for part in (sockets, public, moderation, integrations):
        application.add_routes(part.routes())

    async def start(_application: web.Application) -> None:
        await sockets.start()
        public.start()

    async def stop(_application: web.Application) -> None:
        await sockets.aclose()
        public.stop()

    application.on_startup.append(start)
    application.on_shutdown.append(stop)
