"""The server against the OpenAPI document of Matrix' device management: all of it is mounted, and answers as it says.

`data/matrix_devices.json` has of each operation its parameters, body and answers as JSON Schemas; the definitions that
the document leaves to other files are those of the Matrix client-server API.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator, ValidationError
from matrix_wire import Json, Matrix, homeserver, proof

from web.openapi import PATH

SEED = json.loads((Path(__file__).parent / "data" / "matrix_devices.json").read_text())
BASE = "/_matrix/client/v3"
OPERATIONS = {"getDevices", "getDevice", "updateDevice", "deleteDevice", "deleteDevices"}


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


def check(name: str, status: int, document: object) -> None:
    """Raises ValidationError unless the document is what the operation answers with that status."""
    schema = SEED["operations"][name]["answers"][str(status)]
    Draft202012Validator({**schema, "definitions": SEED["definitions"]}).validate(document)


async def test_every_operation_is_described_with_its_parameters_and_its_answers(matrix: Matrix) -> None:
    async with matrix.session.get(matrix.address(PATH)) as answer:
        document = await answer.json()
    paths = document["paths"]
    assert SEED["operations"].keys() == OPERATIONS
    for name, wanted in SEED["operations"].items():
        found = paths[BASE + wanted["path"]][wanted["method"].lower()]
        assert found["operationId"] == name
        assert found["security"], name
        parameters = {each["name"] for each in found.get("parameters", []) if each["in"] == "path"}
        assert parameters == set(wanted["parameters"]), name
        assert ("requestBody" in found) == bool(wanted["body"]), name
        if wanted["body"]:
            reference = found["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            body = document["components"]["schemas"][reference.rpartition("/")[2]]
            assert body["properties"].keys() == set(wanted["body"]), name
        assert {*wanted["answers"], *wanted["refusals"]} <= found["responses"].keys(), name


async def test_every_operation_answers_as_the_document_says(matrix: Matrix) -> None:
    ana = await matrix.register("ana", initial_device_display_name="Phone")
    nameless = await matrix.login("ana", device_id="NAMELESS")
    assert (await matrix.ask("PUT", "devices/NAMELESS", {"display_name": ""}, ana)).done() == {}
    check("getDevices", 200, (await matrix.ask("GET", "devices", person=ana)).done())
    for person in (ana, nameless):
        check("getDevice", 200, (await matrix.ask("GET", f"devices/{person.device_id}", person=ana)).done())
    check("updateDevice", 200, (await matrix.ask("PUT", "devices/NAMELESS", {"display_name": "x"}, ana)).done())
    for name, method, path, body in [
        ("deleteDevice", "DELETE", "devices/NAMELESS", {}),
        ("deleteDevices", "POST", "delete_devices", {"devices": ["NAMELESS"]}),
    ]:
        asked = await matrix.ask(method, path, body, ana)
        check(name, asked.status, asked.body)
        session = asked.asks()
        wrong = await matrix.ask(method, path, {**body, "auth": proof(ana, "wrong password", session=session)}, ana)
        assert wrong.asks(tried=True) == session
        check(name, wrong.status, wrong.body)
        done = await matrix.ask(method, path, {**body, "auth": proof(ana, session=session)}, ana)
        check(name, 200, done.done())


@pytest.mark.parametrize(
    ("name", "status", "document"),
    [
        ("getDevice", 200, {"display_name": "Phone"}),
        ("getDevice", 200, {"device_id": 1}),
        ("getDevice", 200, {"device_id": "A", "display_name": None}),
        ("getDevice", 200, {"device_id": "A", "last_seen_ts": "yesterday"}),
        ("getDevices", 200, {"devices": [{"last_seen_ip": "192.0.2.1"}]}),
        ("getDevices", 200, []),
        ("deleteDevice", 401, {"session": "x", "params": {}}),
        ("deleteDevices", 401, {"flows": [{}]}),
    ],
)
def test_the_check_fails_for_what_the_document_does_not_allow(name: str, status: int, document: Json) -> None:
    with pytest.raises(ValidationError):
        check(name, status, document)
