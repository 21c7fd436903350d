"""Operations: one method of one path each, declared once, served and described from the same declaration.

Owns how a request becomes a call (who asks, what they send) and how what a handler returns becomes an answer. The
signature of a handler is its contract: the input is the model in `Call[…]`, the answer is the return type, the summary
is the first line of its docstring. `web.openapi` reads those; nothing is written down twice.

    async def _timeout(self, call: Call[Timeout]) -> Done:
        \"\"\"Lets somebody write again only after a while.\"\"\"
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from types import UnionType
from typing import Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson
from aiohttp import web

from owncast_py.accounts.model import User
from web.body import Input, Query, parse_query, read

T = TypeVar("T")
I_co = TypeVar("I_co", bound=Input | None, covariant=True)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Wrapper = Callable[[Handler], Handler]

PARAMETER = re.compile(r"{(\w+)[^}]*}")


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may call. `security` is the scheme's name in the OpenAPI document."""

    check: Callable[[web.Request], Awaitable[User | None]]
    """None where it is nobody of this server's accounts."""
    security: str
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Call(Generic[I_co]):
    """One request that passed its guard and its model."""

    request: web.Request
    input: I_co
    caller: User | None

    @property
    def actor(self) -> User:
        """Who acts. Only operations with a guard know."""
        if self.caller is None:
            raise RuntimeError(f"{self.request.path} asks who acts, but has no guard.")
        return self.caller

    def part(self, name: str) -> str:
        """A part of the path that the operation's address names."""
        return self.request.match_info[name]


class Rendered(web.Response, Generic[T]):
    """A JSON document of the type T that was rendered before it was asked for."""

    def __init__(self, body: bytes, cache_control: str = "no-store") -> None:
        super().__init__(body=body, content_type="application/json", headers={"Cache-Control": cache_control})


class Media(NamedTuple):
    """An answer that is no JSON: its media type, and what it is."""

    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a dialect wraps its answers, where that is not Owncast's way."""

    media_types: tuple[str, ...]
    failure: object
    """The type of the JSON document of a refusal."""
    refusals: Mapping[int, str]
    """What each status means, of those that its operations refuse with."""
    always: tuple[int, ...]
    """Of these, those that any operation may."""
    body_types: tuple[str, ...] = ("application/json",)
    """In which a body may come."""
    takes: Mapping[str, str] = field(default_factory=dict)
    """Headers of requests that all operations understand."""
    query: Mapping[str, object] = field(default_factory=dict)
    """Parameters that all of them understand, each with its JSON Schema."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What an operation of such a dialect promises, beyond its shapes: all its statuses and headers."""

    name: str
    """Its operationId."""
    status: int = 200
    """Of the answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those of the answer, and what they say."""
    takes: Mapping[str, str] = field(default_factory=dict)
    """Headers of the request that it understands."""
    refusals: tuple[int, ...] = ()
    asks: object = None
    """The type of the JSON document with which it may ask for more proof (401), beside that of a refusal."""
    unchanged: bool = False
    """Whether it may answer that nothing has changed (304)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is served, and all that its description needs."""

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    description: str
    guard: Guard | None
    input: type[Input] | None
    answer: object
    """The type of the JSON document; None where `media` describes the answer."""
    media: Media | None
    contract: Contract | None = None
    envelope: Envelope | None = None

    @property
    def parameters(self) -> list[str]:
        """The named parts of the path."""
        return PARAMETER.findall(self.path)


def document(value: object) -> web.Response:
    """A JSON document that nobody may keep."""
    body = orjson.dumps(value)
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _as_json(_request: web.Request, answer: object, _status: int) -> web.StreamResponse:
    return document(answer)


@dataclass(frozen=True, slots=True)
class Codec:
    """How a dialect reads bodies and writes answers, where that is not JSON objects alone."""

    read: Callable[[web.Request, type[Input]], Awaitable[Input]] = read
    write: Callable[[web.Request, object, int], web.StreamResponse] = _as_json
    """Is given the request, what the handler returned, and the status of its contract."""


OPERATIONS: web.AppKey[list[Operation]] = web.AppKey("operations", list)


@dataclass(slots=True)
class Api:
    """Gathers the operations of one part of an API. `wrapper` turns the application's errors into its dialect's.

    With an `envelope`, every operation needs a contract.
    """

    tag: str
    wrapper: Wrapper
    envelope: Envelope | None = None
    codec: Codec = Codec()
    operations: list[Operation] = field(default_factory=list)

    def add(
        self,
        verb: str,
        path: str,
        method: Callable[..., Awaitable[object]],
        guard: Guard | None = None,
        *,
        shape: type[Input] | None = None,
        summary: str = "",
        max_body: int = 0,
        media: Media | None = None,
        contract: Contract | None = None,
    ) -> None:
        """Adds one. `shape` and `summary` are for handlers that are made by the dozen and cannot say so themselves.

        `max_body` is in octets, where the application's own limit is too small; `media` describes an answer that is no
        JSON.
        """
        said = _said(method)
        shape = shape or said.input
        self.operations.append(
            Operation(
                method=verb,
                path=path,
                handler=self.wrapper(_handler(method, guard, shape, verb, max_body, self.codec, contract)),
                tag=self.tag,
                summary=summary or said.summary,
                description=said.description,
                guard=guard,
                input=shape,
                answer=None if media else said.answer,
                media=media,
                contract=contract,
                envelope=self.envelope,
            )
        )


def mount(application: web.Application, operations: Iterable[Operation]) -> None:
    """Serves them, and remembers them for the description."""
    for operation in operations:
        if operation.method == "GET":
            application.router.add_get(operation.path, operation.handler)
        else:
            application.router.add_route(operation.method, operation.path, operation.handler)
        application[OPERATIONS].append(operation)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a handler's own text says of it."""

    input: type[Input] | None
    answer: object
    summary: str
    description: str


_SAID: dict[tuple[str, str], _Said] = {}
"""By module and qualified name: reading them costs most of what it costs to make an application."""


def _said(method: Callable[..., Awaitable[object]]) -> _Said:
    name = method.__module__, method.__qualname__
    if name not in _SAID:
        hints = get_type_hints(method)
        first, _, rest = cleandoc(method.__doc__ or "").partition("\n")
        _SAID[name] = _Said(_input(hints), _answer(hints.get("return")), first.rstrip("."), " ".join(rest.split()))
    return _SAID[name]


def _input(hints: dict[str, object]) -> type[Input] | None:
    for hint in hints.values():
        if get_origin(hint) is Call:
            (shape,) = get_args(hint)
            return shape if isinstance(shape, type) and issubclass(shape, Input) else None
    return None


def _answer(hint: object) -> object:
    # Of a union, one is the document; the other answers that nothing has changed.
    for each in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        origin = get_origin(each)
        if isinstance(origin, type) and issubclass(origin, web.Response):
            return get_args(each)[0]
    return hint


def _handler(
    method: Callable[..., Awaitable[object]],
    guard: Guard | None,
    shape: type[Input] | None,
    verb: str,
    max_body: int,
    codec: Codec,
    contract: Contract | None,
) -> Handler:
    status = contract.status if contract is not None else 200

    async def handle(request: web.Request) -> web.StreamResponse:
        # Who asks comes first: nobody's body is read who may not send one.
        caller = await guard.check(request) if guard is not None else None
        given: Input | None = None
        if shape is not None:
            if issubclass(shape, Query) or verb == "GET":
                given = parse_query(request, shape)
            else:
                given = await codec.read(request.clone(client_max_size=max_body) if max_body else request, shape)
        answer = await method(Call(request, given, caller))
        return answer if isinstance(answer, web.StreamResponse) else codec.write(request, answer, status)

    return handle
