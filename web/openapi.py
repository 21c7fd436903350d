"""The OpenAPI 3.1 document of everything that is mounted as an operation, and a page to read it.

Owns the translation of `web.operations` into OpenAPI (spec.openapis.org/oas/v3.1.0). Shapes come from the models and
types of the handlers by way of pydantic's JSON Schema; nothing here knows any single operation. The page is plain HTML
made from the document, without a script.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus

import orjson
from aiohttp import web
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from web.authentication import API_KEY_HEADER
from web.body import Query
from web.operations import OPERATIONS, Contract, Envelope, Media, Operation

PATH = "/api/openapi.json"
PAGE = "/api/docs"
REFERENCE = "#/components/schemas/{model}"

Schema = dict[str, object]

SECURITY: Mapping[str, Schema] = {
    "admin": {"type": "http", "scheme": "basic", "description": "The user name is `admin`."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "admin_session",
        "description": "From POST /api/admin/session. What changes something needs the header X-CSRF-Token too.",
    },
    "bot": {"type": "http", "scheme": "bearer", "description": "An access token with the scope that is named."},
    "chatter": {"type": "apiKey", "in": "query", "name": "accessToken", "description": "A chatter's own token."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": API_KEY_HEADER,
        "description": "An access token with the scope that is named.",
    },
    "key": {
        "type": "http",
        "scheme": "basic",
        "description": "A key of an app of channels, as user name and password.",
    },
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token of a device: from signing in, from registering in chat, or a bot's.",
    },
    "token": {"type": "http", "scheme": "bearer", "description": "A token for channels, or a JWT signed with a key."},
}
ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "admin": ("admin", "session"),
    "data": ("apiKey", "bot", "admin", "session"),
    "channels": ("key", "token"),
}
"""The schemes of those guards that have several."""
EVERYTHING = "Everything that a client can ask of this server over HTTP."
FAILURE: Schema = {
    "type": "object",
    "required": ["success", "message"],
    "properties": {"success": {"const": False}, "message": {"type": "string"}},
}

STYLE = """
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:60rem;margin:2rem auto;padding:0 1rem}
summary{cursor:pointer;padding:.4rem 0}code,pre{font:13px/1.5 ui-monospace,monospace}pre{overflow:auto;padding:.8rem;
background:#8881;border-radius:6px}details{border-bottom:1px solid #8883}.verb{display:inline-block;min-width:4.5rem;
font-weight:600}h2{margin-top:2.5rem}.who{opacity:.7;margin-left:.6rem}
"""


def document(operations: list[Operation], title: str, version: str, description: str = EVERYTHING) -> Schema:
    """The whole document of those operations."""
    shapes = _Shapes(operations)
    paths: dict[str, dict[str, object]] = defaultdict(dict)
    for operation in operations:
        path = re.sub(r"{(\w+)[^}]*}", r"{\1}", operation.path)
        paths[path][operation.method.lower()] = _describe(operation, shapes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": description,
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": dict(paths),
        "components": {"schemas": shapes.definitions | {"Failure": FAILURE}, "securitySchemes": dict(SECURITY)},
    }


class _Shapes:
    """The JSON Schema of every input and answer, each named once."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        inputs: list[tuple[int, JsonSchemaMode, TypeAdapter[object]]] = []
        for number, operation in enumerate(operations):
            if operation.input is not None:
                inputs.append((number, "validation", TypeAdapter(operation.input)))
            if operation.answer is not None and not _is_response(operation.answer):
                inputs.append((number, "serialization", TypeAdapter(operation.answer)))  # type: ignore[arg-type]  # a type, from a return annotation
            if operation.envelope is not None:
                # Another number than any operation's, for its failures.
                inputs.append((-1 - number, "serialization", TypeAdapter(operation.envelope.failure)))  # type: ignore[arg-type]  # as above
            if operation.contract is not None and operation.contract.asks is not None:
                # In the mode that no failure has.
                inputs.append((-1 - number, "validation", TypeAdapter(operation.contract.asks)))  # type: ignore[arg-type]  # as above
        found, definitions = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE)
        self._found = {(number, mode): schema for (number, mode), schema in found.items()}
        self._numbers = {id(operation): number for number, operation in enumerate(operations)}
        self.definitions: Schema = dict(definitions.get("$defs", {}))

    def input(self, operation: Operation) -> Schema | None:
        """What it takes."""
        return self._found.get((self._numbers[id(operation)], "validation"))

    def answer(self, operation: Operation) -> Schema | None:
        """What it answers."""
        return self._found.get((self._numbers[id(operation)], "serialization"))

    def failure(self, operation: Operation) -> Schema:
        """What it refuses with."""
        return self._found[(-1 - self._numbers[id(operation)], "serialization")]

    def question(self, operation: Operation) -> Schema | None:
        """What it asks for more proof with."""
        return self._found.get((-1 - self._numbers[id(operation)], "validation"))

    def resolved(self, schema: Schema) -> Schema:
        """The schema itself where it is a reference."""
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        found = self.definitions.get(name, schema)
        return found if isinstance(found, dict) else schema


def _is_response(answer: object) -> bool:
    return isinstance(answer, type) and issubclass(answer, web.StreamResponse)


def _describe(operation: Operation, shapes: _Shapes) -> Schema:
    contract, envelope = operation.contract, operation.envelope
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in operation.parameters
    ]
    parameters += [
        {"name": name, "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}}
        for name, meaning in {**(envelope.takes if envelope else {}), **(contract.takes if contract else {})}.items()
    ]
    described: Schema = {
        "tags": [operation.tag],
        "operationId": contract.name if contract else _identifier(operation),
        "summary": operation.summary,
        "responses": _promised(operation, contract, envelope, shapes)
        if contract and envelope
        else _responses(operation, shapes),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.guard is not None:
        scopes = f"Needs the scope {operation.guard.scope}." if operation.guard.scope else ""
        described["description"] = " ".join(filter(None, [operation.description, scopes]))
        schemes = ALTERNATIVES.get(operation.guard.security, (operation.guard.security,))
        described["security"] = [{scheme: []} for scheme in schemes]
    taken = shapes.input(operation)
    if taken is not None and operation.input is not None:
        if issubclass(operation.input, Query) or operation.method == "GET":
            parameters += _query(shapes.resolved(taken))
        else:
            types = envelope.body_types if envelope else ("application/json",)
            described["requestBody"] = {"required": True, "content": {each: {"schema": taken} for each in types}}
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in (envelope.query if envelope else {}).items()
    ]
    if parameters:
        described["parameters"] = parameters
    return described


def _query(schema: Schema) -> list[Schema]:
    properties = schema.get("properties", {})
    needed = schema.get("required", [])
    assert isinstance(properties, dict) and isinstance(needed, list)  # noqa: S101, PT018 - pydantic's own
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": found} for name, found in properties.items()
    ]


def _responses(operation: Operation, shapes: _Shapes) -> Schema:
    failure = {
        "description": "Refused, with a sentence that says what to do.",
        "content": {"application/json": {"schema": {"$ref": REFERENCE.format(model="Failure")}}}
        if operation.path.startswith("/api/")
        else {"text/plain": {"schema": {"type": "string"}}},
    }
    answer = shapes.answer(operation)
    good: Schema = {"description": operation.summary}
    if operation.media is not None:
        good = _media(operation.media)
    elif answer is not None:
        good["content"] = {"application/json": {"schema": answer}}
    return (
        {"2XX": good, "4XX": failure, "5XX": failure}
        if operation.media is None
        else {
            "2XX": good,
            "3XX": {"description": "It is elsewhere, or has not changed."},
            "4XX": failure,
            "5XX": failure,
        }
    )


def _promised(operation: Operation, contract: Contract, envelope: Envelope, shapes: _Shapes) -> Schema:
    """Every status for itself, with its headers."""
    good: Schema = {"description": operation.summary} if operation.media is None else _media(operation.media)
    if (answer := shapes.answer(operation)) is not None:
        good["content"] = {media_type: {"schema": answer} for media_type in envelope.media_types}
    if contract.headers:
        good["headers"] = {
            name: {"description": meaning, "required": True, "schema": {"type": "string"}}
            for name, meaning in contract.headers.items()
        }
    responses: Schema = {str(contract.status): good}
    if contract.unchanged:
        responses["304"] = {"description": "It has not changed."}
    failure, question = shapes.failure(operation), shapes.question(operation)
    always = envelope.always if operation.guard is not None else ()
    for status in sorted({*contract.refusals, *always}):
        asks = status == HTTPStatus.UNAUTHORIZED and question is not None
        schema: Schema = {"anyOf": [question, failure]} if asks else failure
        content = {media_type: {"schema": schema} for media_type in envelope.media_types}
        responses[str(status)] = {"description": envelope.refusals[status], "content": content}
    return responses


def _media(media: Media) -> Schema:
    return {"description": media.description, "content": {media.type: {}}}


def _identifier(operation: Operation) -> str:
    words = re.findall(r"\w+", operation.path)
    return operation.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def page(found: Schema) -> str:
    """The document for people."""
    info, paths = found["info"], found["paths"]
    assert isinstance(info, dict) and isinstance(paths, dict)  # noqa: S101, PT018 - made above
    by_tag: dict[str, list[str]] = defaultdict(list)
    for path, methods in paths.items():
        for verb, operation in methods.items():
            by_tag[operation["tags"][0]].append(_section(verb, path, operation))
    sections = "".join(f"<h2>{html.escape(tag)}</h2>{''.join(parts)}" for tag, parts in by_tag.items())
    title = html.escape(f"{info['title']} {info['version']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{PAGE}/style.css"></head><body><h1>{title}</h1>'
        f'<p>{html.escape(info["description"])} For programs: <a href="{PATH}">{PATH}</a>.</p>'
        f"{sections}{_schemas(found)}</body></html>"
    )


def _section(verb: str, path: str, operation: Mapping[str, object]) -> str:
    security = operation.get("security")
    who = ", ".join(name for each in security for name in each) if isinstance(security, list) else "everybody"
    parts = [f"<p>{html.escape(str(operation[key]))}</p>" for key in ("description",) if operation.get(key)]
    for key, name in (("parameters", "Parameters"), ("requestBody", "Body"), ("responses", "Answers")):
        if key in operation:
            shown = orjson.dumps(operation[key], option=orjson.OPT_INDENT_2).decode()
            parts.append(f"<h4>{name}</h4><pre>{html.escape(shown)}</pre>")
    return (
        f'<details><summary><span class="verb">{verb.upper()}</span><code>{html.escape(path)}</code> '
        f'{html.escape(str(operation["summary"]))}<span class="who">{html.escape(who)}</span></summary>'
        f"{''.join(parts)}</details>"
    )


def _schemas(found: Schema) -> str:
    components = found["components"]
    assert isinstance(components, dict)  # noqa: S101 - made above
    parts = [
        f'<details id="{html.escape(name)}"><summary><code>{html.escape(name)}</code></summary>'
        f"<pre>{html.escape(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode())}</pre></details>"
        for name, schema in components["schemas"].items()
    ]
    return f"<h2>Shapes</h2>{''.join(parts)}"


def mount(application: web.Application, title: str, version: str) -> None:
    """Serves the document of all that was mounted before the first request for it."""
    rendered: list[tuple[bytes, str]] = []

    def both() -> tuple[bytes, str]:
        if not rendered:
            found = document(application[OPERATIONS], title, version)
            rendered.append((orjson.dumps(found), page(found)))
        return rendered[0]

    async def get_document(_request: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-cache"}
        return web.Response(body=both()[0], content_type="application/json", headers=headers)

    async def get_page(_request: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'; style-src 'self'"}
        return web.Response(text=both()[1], content_type="text/html", headers=headers)

    async def get_style(_request: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

    application.add_routes(
        [web.get(PATH, get_document), web.get(PAGE, get_page), web.get(f"{PAGE}/style.css", get_style)]
    )
