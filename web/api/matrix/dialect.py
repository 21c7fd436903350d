"""Matrix' dialect on an application: device management of the client-server API, and what clients need to reach it.

Owns which parts there are and what each of them is told. There are no rooms here: a Matrix client sees where its user
is signed in, and signs those places out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from owncast_py.accounts.interactive import Sessions
from owncast_py.foundations import Foundations
from web.api.matrix.about import WELL_KNOWN, AboutApi
from web.api.matrix.callers import Callers
from web.api.matrix.devices import DevicesApi
from web.api.matrix.errors import before
from web.api.matrix.interactive import Interactive
from web.api.matrix.paths import CLIENT, OLDER_CLIENT
from web.api.matrix.registration import RegistrationApi
from web.api.matrix.signing_in import SigningInApi
from web.api.matrix.sync import SyncApi
from web.middleware import FAILURES, SHARINGS, Sharing
from web.operations import mount

ROOT = "_matrix"
SHARING = Sharing("GET, POST, PUT, DELETE, OPTIONS", "X-Requested-With, Content-Type, Authorization")
"""The specification's, "Web Browser Clients". Tokens are shown in each request, never by cookies."""


class Matrix:
    """The dialect, to be mounted."""

    def __init__(
        self,
        foundations: Foundations,
        display_name: Callable[[str], Awaitable[str]],
        monotonic: Callable[[], float],
        *,
        server_name: str = "",
        open_registration: bool = False,
    ) -> None:
        """`display_name` gives what somebody is called who would like that name; `monotonic` counts seconds.

        `server_name` is what user ids end with, where that is not the host that is asked.
        """
        devices, logins = foundations.accounts.devices, foundations.logins
        callers = Callers(foundations.accounts, server_name, monotonic)
        interactive = Interactive(logins, Sessions(monotonic), callers)
        self._sync = SyncApi(callers, foundations.events)
        self._parts = (
            AboutApi(callers),
            SigningInApi(devices, logins, callers),
            RegistrationApi(devices, logins, interactive, callers, display_name, open_to_all=open_registration),
            DevicesApi(devices, interactive, callers),
            self._sync,
        )

    def mount(self, application: web.Application) -> None:
        """Adds every operation. Requests that wait are told of the end before the server waits for them."""
        for part in self._parts:
            operations = part.operations()
            mount(application, operations)
            for operation in operations:
                if operation.path.startswith(CLIENT):
                    path = OLDER_CLIENT + operation.path.removeprefix(CLIENT)
                    application.router.add_route(operation.method, path, operation.handler)
        application[FAILURES][ROOT] = before
        application[SHARINGS][ROOT] = SHARING
        application[SHARINGS][WELL_KNOWN.split("/")[1]] = SHARING

        async def stop(_application: web.Application) -> None:
            self._sync.close()

        application.on_shutdown.append(stop)
