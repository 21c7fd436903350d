"""Users for their administration: everybody who ever came, page by page, and how to forget one of them.

Owns those routes' wire format, which is that of Owncast's development branch.
"""

from __future__ import annotations

from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.chat.chat import Chat
from owncast_py.chat.content import UserContent
from web.api.owncast import answers, views
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input, Query
from web.operations import Call, Operation

DEFAULT_PAGE = 50
MAX_PAGE = 1_000


class UsersQuery(Query):
    """Which users. `status`: all, active, disabled, banned, moderator, bot or authenticated."""

    offset: int = Field(0, ge=0, le=10**9)
    limit: int = Field(DEFAULT_PAGE, ge=0, le=MAX_PAGE)
    search: str = Field("", max_length=100)
    status: str = Field("", max_length=60)


class UserId(Input):
    """A user."""

    userId: str = Field(max_length=60)


class Users(TypedDict):
    """One page of users, and how many there are."""

    total: int
    results: list[UserContent]


class UsersApi:
    """The routes of users."""

    def __init__(self, chat: Chat, authentication: Authentication) -> None:
        self._chat = chat
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """All of them."""
        admin = self._authentication.as_admin
        api = answers.api("Users")
        api.add("GET", "/api/admin/users", self._page, admin)
        api.add("POST", "/api/admin/users/delete", self._delete, admin)
        return api.operations

    async def _page(self, call: Call[UsersQuery]) -> Users:
        """Chatters and bots, the latest first."""
        wanted = call.input
        found, total = await self._chat.accounts.page(
            wanted.offset, wanted.limit or DEFAULT_PAGE, wanted.search, wanted.status or "all"
        )
        return {"total": total, "results": [views.user_view(user) for user in found]}

    async def _delete(self, call: Call[UserId]) -> Done:
        """Forgets a user and all that they wrote, for good."""
        user = await self._chat.moderation.delete_user(call.actor, call.input.userId)
        return done(f"{user.display_name} is deleted")
