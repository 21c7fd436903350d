"""`config/s3`: the S3-compatible store of segments, as Owncast's clients set and see it.

Owns the wire format, the mask of the secret, and the check of the addresses against networks that must not be reached.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from owncast_py.chat.moderation import Moderation
from owncast_py.errors import SettingError
from owncast_py.setting_groups import StorageSettings
from owncast_py.settings import Settings
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.authentication import Authentication
from web.body import Input
from web.operations import Call, Operation

MASK = "••••••••"
"""What is shown of the secret; sent back, it leaves the secret as it is."""


class StorageInput(BaseModel):
    """The store. What is left out is empty."""

    model_config = ConfigDict(extra="ignore")

    enabled: bool
    endpoint: str = ""
    servingEndpoint: str = ""
    accessKey: str = ""
    secret: str = ""
    bucket: str = ""
    region: str = ""
    acl: str = ""
    pathPrefix: str = ""
    forcePathStyle: bool = False


class StorageValue(Input):
    """The store."""

    value: StorageInput


class StorageView(TypedDict):
    """The store, its secret masked."""

    enabled: bool
    endpoint: str
    servingEndpoint: str
    accessKey: str
    secret: str
    bucket: str
    region: str
    acl: str
    pathPrefix: str
    forcePathStyle: bool


class StorageApi:
    """The route of the store."""

    def __init__(
        self,
        settings: Settings,
        moderation: Moderation,
        authentication: Authentication,
        check_target: Callable[[str], None],
    ) -> None:
        """`check_target` raises for an address that must not be reached."""
        self._settings = settings
        self._moderation = moderation
        self._authentication = authentication
        self._check_target = check_target

    def operations(self) -> list[Operation]:
        """All of them."""
        api = answers.api("Settings")
        api.add("POST", "/api/admin/config/s3", self._set, self._authentication.as_admin)
        return api.operations

    async def _set(self, call: Call[StorageValue]) -> Done:
        """Sets the S3-compatible store of segments."""
        given = call.input.value
        before = self._settings.get(StorageSettings)
        secret = before.secret if given.secret == MASK else given.secret
        if given.enabled:
            wanted = {
                "endpoint": given.endpoint,
                "accessKey": given.accessKey,
                "secret": secret,
                "bucket": given.bucket,
                "region": given.region,
            }
            missing = [name for name, value in wanted.items() if not value.strip()]
            if missing:
                raise SettingError(f"An S3 store needs {', '.join(missing)}; fill in what is missing.")
        for address in (given.endpoint, given.servingEndpoint):
            if address:
                self._check_target(address)
        await self._settings.change(
            StorageSettings,
            enabled=given.enabled,
            endpoint=given.endpoint,
            serving_endpoint=given.servingEndpoint,
            access_key=given.accessKey,
            secret=secret,
            bucket=given.bucket,
            region=given.region,
            acl=given.acl,
            path_prefix=given.pathPrefix,
            force_path_style=given.forcePathStyle,
        )
        await self._moderation.record(call.actor, "change setting", "s3")
        if given.enabled:
            return done("the store is kept; segments go there with the next broadcast")
        return done("the store is kept, and switched off")


def storage_view(storage: StorageSettings) -> StorageView:
    """That store."""
    return {
        "enabled": storage.enabled,
        "endpoint": storage.endpoint,
        "servingEndpoint": storage.serving_endpoint,
        "accessKey": storage.access_key,
        "secret": MASK if storage.secret else "",
        "bucket": storage.bucket,
        "region": storage.region,
        "acl": storage.acl,
        "pathPrefix": storage.path_prefix,
        "forcePathStyle": storage.force_path_style,
    }
