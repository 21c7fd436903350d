"""The document of the server against that of the Ably Platform API 1.1.0: all of its operations are there.

`data/ably_platform_1.1.0.json` has of each what can be compared: its parameters and its media types.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from admin_wire import administered

from web.openapi import PATH

SEED = json.loads((Path(__file__).parent / "data" / "ably_platform_1.1.0.json").read_text())
OPERATIONS = 22


async def test_every_operation_of_the_platform_is_described(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        document = await admin.get(PATH)
    assert isinstance(document, dict)
    assert len(SEED) == OPERATIONS
    missing = []
    for name, wanted in SEED.items():
        verb, path = name.split(" ")
        found = document["paths"].get(path, {}).get(verb.lower())
        if found is None:
            missing.append(name)
            continue
        parameters = {f"{each['in']} {each['name']}" for each in found.get("parameters", [])}
        missing += [f"{name}: {each}" for each in wanted["parameters"] if each not in parameters]
        bodies = found.get("requestBody", {"content": {}})["content"]
        missing += [f"{name}: a body as {each}" for each in wanted["body"] if each not in bodies]
        assert ("requestBody" in found) == bool(wanted["body"]), name
        good = {status: answer for status, answer in found["responses"].items() if status.startswith("2")}
        assert len(good) == 1, name
        [(status, answer)] = good.items()
        assert wanted["success"] in (status, "2XX"), name
        missing += [
            f"{name}: an answer as {each}" for each in wanted["answer"] if each not in answer.get("content", {})
        ]
        # What is refused has the envelope of the platform, in each format.
        for status, refused in found["responses"].items():
            if status.startswith(("4", "5")):
                assert set(refused["content"]) >= {"application/json", "application/x-msgpack"}, name
                assert refused["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorDocument"), name
    assert missing == []


def test_the_comparison_misses_nothing() -> None:
    bodies = [name for name, wanted in SEED.items() if wanted["body"]]
    assert len(bodies) == len([name for name in SEED if name.split(" ")[0] in ("POST", "PUT", "PATCH")])
    assert all("header X-Ably-Version" in wanted["parameters"] for wanted in SEED.values())
    assert all("query format" in wanted["parameters"] for wanted in SEED.values())


@pytest.mark.parametrize("name", ["getServerSentEvents", "getEventStream"])
async def test_streams_are_described_too(tmp_path: Path, name: str) -> None:
    async with administered(tmp_path) as admin:
        document = await admin.get(PATH)
    assert isinstance(document, dict)
    [found] = [each for verbs in document["paths"].values() for each in verbs.values() if each["operationId"] == name]
    assert list(found["responses"]["200"]["content"]) == ["text/event-stream"]
    parameters = {each["name"] for each in found["parameters"]}
    assert parameters >= {"channels", "rewind", "lastEvent", "enveloped", "separator", "Last-Event-ID"}
