"""`config/s3`: the S3-compatible store of segments, as Owncast's clients set and see it.

Owns the wire format, the mask of the secret, and the check of the addresses against networks that must not be reached.
`config/s3/test` tries a store before it is set; what it does is `store_trial`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from owncast_py.chat.moderation import Moderation
from owncast_py.errors import SettingError
from owncast_py.setting_groups import InstanceSettings, StorageSettings
from owncast_py.settings import Settings
from owncast_py.store_trial import StoreTrial
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.api.owncast.settings import Insists
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


class TrialInput(BaseModel):
    """The store to try. What is left out is as it is set now."""

    model_config = ConfigDict(extra="ignore")

    endpoint: str | None = None
    servingEndpoint: str | None = None
    accessKey: str | None = None
    secret: str | None = None
    bucket: str | None = None
    region: str | None = None
    acl: str | None = None
    pathPrefix: str | None = None
    forcePathStyle: bool | None = None


class TrialValue(Input):
    """The store to try."""

    value: TrialInput = TrialInput()


class StepView(TypedDict):
    """One thing that was tried: `write`, `read`, `cors` or `delete`."""

    name: str
    ok: bool
    message: str


class TrialView(TypedDict):
    """What came of it; the message is of the first step that failed."""

    success: bool
    message: str
    steps: list[StepView]


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
    """The routes of the store."""

    def __init__(
        self,
        settings: Settings,
        trial: StoreTrial,
        moderation: Moderation,
        authentication: Authentication,
        insists: Insists,
        check_target: Callable[[str], None],
        hide: Callable[[str], None],
    ) -> None:
        """`insists` tells whether the environment or the command line gave a setting; `check_target` raises for an
        address that must not be reached; `hide` keeps a secret out of the logs from now on.
        """
        self._settings = settings
        self._trial = trial
        self._insists = insists
        self._hide = hide
        self._moderation = moderation
        self._authentication = authentication
        self._check_target = check_target

    def operations(self) -> list[Operation]:
        """All of them."""
        api = answers.api("Settings")
        api.add("POST", "/api/admin/config/s3", self._set, self._authentication.as_admin)
        api.add("POST", "/api/admin/config/s3/test", self._test, self._authentication.as_admin)
        return api.operations

    async def _set(self, call: Call[StorageValue]) -> Done:
        """Sets the S3-compatible store of segments."""
        given = call.input.value
        before = self._settings.get(StorageSettings)
        secret = before.secret if given.secret == MASK else given.secret
        self._hide(secret)
        if given.enabled:
            _whole(given.endpoint, given.accessKey, secret, given.bucket, given.region)
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
        effect = "; segments go there with the next broadcast" if given.enabled else ", and switched off"
        if any(self._insists("storage.s3", name) for name in StorageSettings.model_fields):
            effect += "; but the environment sets some of it too, and wins at the next start"
        return done(f"the store is kept{effect}")

    async def _test(self, call: Call[TrialValue]) -> TrialView:
        """Tries a store: writes a small object, reads it where viewers would, deletes it. Changes nothing.

        What is left out is as it is set now. Takes at most 10 s for each step.
        """
        given = call.input.value.model_dump(exclude_none=True)
        if given.get("secret") == MASK:
            del given["secret"]
        self._hide(given.get("secret", ""))
        for name in ("endpoint", "servingEndpoint"):
            if address := given.get(name):
                self._check_target(address)
        storage = self._settings.altered(StorageSettings, **{_FIELDS[name]: value for name, value in given.items()})
        _whole(storage.endpoint, storage.access_key, storage.secret, storage.bucket, storage.region)
        steps = await self._trial.run(storage, self._settings.get(InstanceSettings).server_url)
        failed = [step for step in steps if not step.ok]
        return {
            "success": not failed,
            "message": failed[0].message if failed else "The store works: viewers can read what is written there.",
            "steps": [{"name": step.name, "ok": step.ok, "message": step.message} for step in steps],
        }


_FIELDS = {
    "endpoint": "endpoint",
    "servingEndpoint": "serving_endpoint",
    "accessKey": "access_key",
    "secret": "secret",
    "bucket": "bucket",
    "region": "region",
    "acl": "acl",
    "pathPrefix": "path_prefix",
    "forcePathStyle": "force_path_style",
}
"""The names on the wire, and what they set."""


def _whole(endpoint: str, access_key: str, secret: str, bucket: str, region: str) -> None:
    """Raises SettingError when a store lacks something."""
    wanted = {"endpoint": endpoint, "accessKey": access_key, "secret": secret, "bucket": bucket, "region": region}
    missing = [name for name, value in wanted.items() if not value.strip()]
    if missing:
        raise SettingError(f"An S3 store needs {', '.join(missing)}; fill in what is missing.")


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
