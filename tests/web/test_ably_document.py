"""The document of channels' operations: requests that follow it get answers that it describes, with a key that may."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import schemathesis
from ably_wire import rest
from attempts import attempt
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from owncast_py.realtime.messages import DEFAULT_APP, Address, Member
from owncast_py.realtime.occupancy import ALL
from web import openapi

EXAMPLES = 12
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


async def test_answers_are_as_described(tmp_path: Path) -> None:
    async with rest(tmp_path) as client:
        await client.publish("game", [{"data": {"x": 1}}, {"data": "AP8=", "encoding": "base64"}])
        await client.members.enter(Address(DEFAULT_APP, "game"), Member("c1", "ann", data=b"\xff", encoding=""))
        client.attachments.attach(Address(DEFAULT_APP, "game"), "c1", ALL)
        document = openapi.document(client.operations, "Channels", "1")
        name, _, secret = client.key.partition(":")
        headers = {"Authorization": aiohttp.encode_basic_auth(name, secret)}

        there = {"channel_id": "game", "serial": str((await client.get("/channels/game/messages"))[0]["serial"])}

        def ask(case: schemathesis.Case) -> None:
            case.validate_response(case.call(base_url=client.url, headers=headers), checks=CHECKS)

        def hold() -> list[str]:
            schema = schemathesis.openapi.from_dict(document)
            tried = []
            for found in schema.get_all_operations():
                operation = found.ok()
                attempt(operation.as_strategy(), ask, EXAMPLES)
                # And what is there, for what is made up is seldom there.
                known = {each: there[each] for each in ("channel_id", "serial") if f"{{{each}}}" in operation.path}
                if operation.method.upper() == "GET":
                    real = operation.Case(path_parameters=known, query={"channels": "game"})
                    response = real.call(base_url=client.url, headers=headers)
                    assert response.status_code == 200
                    real.validate_response(response, checks=CHECKS)
                tried.append(f"{operation.method.upper()} {operation.path}")
            return tried

        assert len(await asyncio.to_thread(hold)) == len(client.operations)
