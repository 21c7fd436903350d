"""What clients ask before anything else: which versions, which abilities, where.

Owns `/versions`, `/capabilities` and `/.well-known/matrix/client` (Matrix client-server API, "Server discovery", "API
standards" and "Capabilities negotiation").
"""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import TypedDict

from owncast_py.accounts.model import Kind
from web.addresses import origin
from web.api.matrix.callers import Callers
from web.api.matrix.errors import ENVELOPE, refusing
from web.api.matrix.paths import CLIENT
from web.operations import Api, Call, Contract, Operation

VERSIONS = ("r0.5.0", "r0.6.0", "r0.6.1", *(f"v1.{minor}" for minor in range(1, 12)))
"""In which device management is the same."""
WELL_KNOWN = "/.well-known/matrix/client"


class Versions(TypedDict):
    """Those of the specification, and abilities that are not in it yet."""

    versions: list[str]
    unstable_features: dict[str, bool]


class HomeServer(TypedDict):
    """A server's address."""

    base_url: str


Discovery = TypedDict("Discovery", {"m.homeserver": HomeServer})


class Ability(TypedDict):
    """Whether that can be changed here."""

    enabled: bool


class Abilities(TypedDict):
    """All of them, by the specification's names."""

    capabilities: Mapping[str, Ability]


class AboutApi:
    """The operations."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def operations(self) -> list[Operation]:
        """All of them."""
        api = Api("About", refusing, ENVELOPE)
        api.add("GET", WELL_KNOWN, self._discovery, contract=Contract("getWellknown"))
        api.add("GET", "/_matrix/client/versions", self._versions, contract=Contract("getVersions"))
        path = f"{CLIENT}/capabilities"
        api.add("GET", path, self._abilities, self._callers.guard, contract=Contract("getCapabilities"))
        return api.operations

    async def _discovery(self, call: Call[None]) -> Discovery:
        """Where clients find this server."""
        return {"m.homeserver": {"base_url": origin(call.request)}}

    async def _versions(self, _call: Call[None]) -> Versions:
        """The versions of the specification that are spoken here, of what there is here."""
        return {"versions": list(VERSIONS), "unstable_features": {}}

    async def _abilities(self, call: Call[None]) -> Abilities:
        """What whoever asks may change of their account here."""
        found: dict[str, Ability] = {
            "m.change_password": {"enabled": call.actor.kind is not Kind.BOT},
            "m.set_displayname": {"enabled": False},
            "m.set_avatar_url": {"enabled": False},
            "m.3pid_changes": {"enabled": False},
        }
        return {"capabilities": found}
