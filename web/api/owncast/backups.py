"""Backups, for their owner: which there are, one more, one to take away, one to go back to.

Owns those routes' wire format. What a backup is, and when one is made, is `owncast_py.backup`'s.
"""

from __future__ import annotations

from aiohttp import web
from typing_extensions import TypedDict

from owncast_py.backup.hourly import HourlyBackups
from owncast_py.chat.content import timestamp
from owncast_py.chat.moderation import Moderation
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Media, Operation

PREFIX = "/api/admin/backups"


class BackupName(Input):
    """A backup, by the name of its file."""

    name: str


class BackupView(TypedDict):
    """A backup. `size` is in bytes."""

    name: str
    time: str
    size: int


class StepView(TypedDict):
    """What is under way, and how much of it is done, 0 to 1."""

    what: str
    done: float


class BackupsView(TypedDict):
    """The backups that are there, the newest first, and what is under way."""

    step: StepView | None
    backups: list[BackupView]


class BackupsApi:
    """The routes of backups."""

    def __init__(self, backups: HourlyBackups | None, moderation: Moderation, authentication: Authentication) -> None:
        self._found = backups
        self._moderation = moderation
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """All of them."""
        admin = self._authentication.as_admin
        api = answers.api("Backups")
        api.add("GET", PREFIX, self._list, admin)
        api.add("POST", f"{PREFIX}/create", self._create, admin)
        api.add("POST", f"{PREFIX}/delete", self._delete, admin)
        api.add("POST", f"{PREFIX}/restore", self._restore, admin)
        api.add("GET", f"{PREFIX}/{{name}}", self._download, admin, media=Media("application/gzip", "The backup."))
        return api.operations

    @property
    def _backups(self) -> HourlyBackups:
        if self._found is None:
            raise web.HTTPConflict(
                text="This server's database is backed up with its own tools, such as pg_dump; see docs/backups.md."
            )
        return self._found

    async def _list(self, _call: Call[None]) -> BackupsView:
        """The backups that are there, and what is under way."""
        step = self._backups.step
        return {
            "step": {"what": step.what, "done": step.done} if step else None,
            "backups": [
                {"name": each.name, "time": timestamp(each.at), "size": each.size}
                for each in await self._backups.listing()
            ],
        }

    async def _create(self, call: Call[None]) -> Done:
        """Makes a backup now; answers when it is there."""
        file = await self._backups.backup_now()
        await self._moderation.record(call.actor, "create backup", file.name)
        return done(f"the backup {file.name} is there")

    async def _delete(self, call: Call[BackupName]) -> Done:
        """Deletes a backup."""
        await self._backups.remove(call.input.name)
        await self._moderation.record(call.actor, "delete backup", call.input.name)
        return done("the backup is deleted")

    async def _restore(self, call: Call[BackupName]) -> Done:
        """Goes back to a backup, with the next start of the server. Until then everything stays as it is."""
        await self._backups.prepare(call.input.name)
        await self._moderation.record(call.actor, "restore backup", call.input.name)
        return done("the backup is whole; it takes effect when the server is started again")

    async def _download(self, call: Call[None]) -> web.FileResponse:
        """A backup as a file. It holds secrets."""
        file = self._backups.file(call.part("name"))
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{file.name}"'}
        return web.FileResponse(file, headers=headers)
