"""Tokens: asking for one with a key, and revoking those that were given out.

Owns the operations below `/keys/{keyName}`: requestToken of the Ably REST API 1.1.0, and revokeTokens as in the
features specification, RSA17. Both translate; who gets what, the keyring decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.realtime.capability import Capability
from owncast_py.realtime.keyring import Keyring
from owncast_py.realtime.keys import Target
from owncast_py.realtime.messages import EPOCH
from owncast_py.realtime.revocations import MAX_TARGETS
from owncast_py.realtime.tokens import TokenRequest, to_milliseconds
from web.api.ably.errors import ENVELOPE, AblyError, ErrorInfo
from web.api.ably.formats import CODEC
from web.api.ably.gate import Gate, granted
from web.body import Input
from web.operations import Api, Call, Contract, Operation, Wrapper

TARGETS: Mapping[str, Target] = {
    "clientId": Target.CLIENT,
    "revocationKey": Target.REVOCATION_KEY,
    "channel": Target.CHANNEL,
}
MAX_DIGITS = 16
"""Of a number that is written as a text."""
MAX_TIME = 10**13
"""Milliseconds since 1970."""


class TokenWish(Input):
    """A token request. With a `mac`, it needs no other credentials."""

    key_name: str | None = Field(None, alias="keyName", description="As in the address.")
    ttl: int | float | str | None = Field(None, description="How long the token is to be valid, in ms; an hour.")
    capability: str | dict[str, list[str]] | None = Field(
        None, description="What it is to allow, as JSON; all that the key does."
    )
    client_id: str | None = Field(None, alias="clientId", description="Who is to use it; `*` for anybody.")
    timestamp: int | float | str | None = Field(None, description="When it was signed, in ms since 1970.")
    nonce: str | None = Field(None, description="16 random characters or more.")
    mac: str | None = Field(None, description="The signature, HMAC-SHA256 with the key's secret, in base64.")


class TokenDetails(TypedDict):
    """A token, and what it says. Times are in ms since 1970."""

    token: str
    keyName: str
    issued: int
    expires: int
    capability: str
    clientId: NotRequired[str]


class RevocationWish(Input):
    """Which tokens of the key are to be revoked."""

    targets: list[str] = Field(
        min_length=1,
        max_length=MAX_TARGETS,
        description="Each as `clientId:…`, `revocationKey:…` or `channel:…`.",
    )
    issued_before: int | None = Field(
        None, alias="issuedBefore", ge=0, le=MAX_TIME, description="In ms since 1970, within the last hour; now."
    )
    allow_reauth_margin: bool = Field(
        False, alias="allowReauthMargin", description="Whether clients have 30 s to get new ones."
    )


class RevocationResult(TypedDict):
    """What became of one target. Times are in ms since 1970."""

    target: str
    issuedBefore: NotRequired[int]
    appliesAt: NotRequired[int]
    error: NotRequired[ErrorInfo]


class RevocationResults(TypedDict):
    """What became of all of them, in their order."""

    successCount: int
    failureCount: int
    results: list[RevocationResult]


class KeysApi:
    """The routes of tokens."""

    def __init__(self, keyring: Keyring, gate: Gate) -> None:
        self._keyring = keyring
        self._gate = gate

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        api = Api("Authentication", wrapper, ENVELOPE, CODEC)
        api.add(
            *("POST", "/keys/{keyName}/requestToken", self._request_token),
            contract=Contract("requestAccessToken", 201, refusals=(400, 401, 404, 413, 429, 503)),
        )
        api.add(
            *("POST", "/keys/{keyName}/revokeTokens", self._revoke_tokens, self._gate.guard),
            contract=Contract("revokeTokens", refusals=(413,)),
        )
        return api.operations

    async def _request_token(self, call: Call[TokenWish]) -> TokenDetails:
        """Gives a token to whoever has signed the request with a key, or shows that key."""
        wish = call.input
        request = TokenRequest(
            key_name=call.part("keyName"),
            ttl=_number(wish.ttl, "ttl", 40003),
            capability=_capability_text(wish.capability),
            client_id=wish.client_id or "",
            timestamp=_number(wish.timestamp, "timestamp", 40000),
            nonce=wish.nonce or "",
            mac=wish.mac or "",
        )
        if wish.key_name and wish.key_name != request.key_name:
            raise AblyError(40000, 400, f"The keyName {wish.key_name[:60]!r} is not that of the address.")
        by = None if request.mac else await self._gate.authenticate(call.request)
        issued = await self._keyring.request_token(request, by)
        claims = issued.claims
        details: TokenDetails = {
            "token": issued.token,
            "keyName": claims.key_name,
            "issued": to_milliseconds(claims.issued_at),
            "expires": to_milliseconds(claims.expires_at),
            "capability": claims.capability,
        }
        if claims.client_id:
            details["clientId"] = claims.client_id
        return details

    async def _revoke_tokens(self, call: Call[RevocationWish]) -> RevocationResults:
        """Ends tokens of a key before their time; who uses one is cut off."""
        wish, grant, key_name = call.input, granted(call.request), call.part("keyName")
        if grant.is_token:
            raise AblyError(40162, 401, "Tokens cannot be revoked with a token.")
        if grant.key_name != key_name:
            raise AblyError(40102, 401, f"Tokens of the key {key_name[:60]!r} are revoked with that key alone.")
        found = [_target(text) for text in wish.targets]
        targets = [each for each in found if not isinstance(each, AblyError)]
        applied: RevocationResult = {"target": ""}
        if targets:
            since = None if wish.issued_before is None else EPOCH + timedelta(milliseconds=wish.issued_before)
            before, applies_at = await self._keyring.revoke_tokens(
                key_name, targets, since, margin=wish.allow_reauth_margin
            )
            applied = {
                "target": "",
                "issuedBefore": to_milliseconds(before),
                "appliesAt": to_milliseconds(applies_at),
            }
        return {
            "successCount": len(targets),
            "failureCount": len(found) - len(targets),
            "results": _results(wish.targets, found, applied),
        }


def _results(
    texts: Sequence[str], found: Sequence[tuple[Target, str] | AblyError], applied: RevocationResult
) -> list[RevocationResult]:
    return [
        {"target": text, "error": each.info()} if isinstance(each, AblyError) else {**applied, "target": text}
        for text, each in zip(texts, found, strict=True)
    ]


def _target(text: str) -> tuple[Target, str] | AblyError:
    kind, colon, value = text.partition(":")
    if kind not in TARGETS or not colon or not value:
        return AblyError(
            40000, 400, f"There is no target {text[:60]!r}; give one as {', '.join(f'{each}:…' for each in TARGETS)}."
        )
    return TARGETS[kind], value


def _number(given: float | str | None, name: str, code: int) -> int | None:
    """Whole numbers, however they are written. Raises AblyError."""
    if given is None or given == "":
        return None
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= MAX_DIGITS:
        return int(given)
    if isinstance(given, int | float) and abs(given) < 10**MAX_DIGITS and given == int(given):
        return int(given)
    raise AblyError(code, 400, f"The {name} must be a whole number of milliseconds, not {str(given)[:60]!r}.")


def _capability_text(given: str | dict[str, list[str]] | None) -> str:
    """As it came, for it is signed so. Raises CapabilityError."""
    if given is None or isinstance(given, str):
        return given or ""
    return Capability.parse(given).canonical()
