"""The delivery API's own document: complete, true, and held against the server by schemathesis."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import schemathesis
from apiture_wire import Office, office
from attempts import attempt
from house import ADMIN
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from web.openapi import PATH
from web.operations import OPERATIONS

EXAMPLES = 8
"""Of each operation, and as many that are wrong."""
SEED = {
    "getApiDoc": "GET /apiDoc",
    "getApi": "GET /",
    "publishMessage": "POST /messages",
    "getPullNotifications": "GET /pullNotifications",
    "getPullNotification": "GET /pullNotifications/{notificationId}",
    "deleteNotification": "DELETE /pullNotifications/{notificationId}",
    "getDeliveryQueue": "GET /deliveryQueue",
    "getPushNotification": "GET /deliveryQueue/{notificationId}",
    "deletePushNotification": "DELETE /deliveryQueue/{notificationId}",
    "getFailedNotifications": "GET /failedNotifications",
    "getFailedNotification": "GET /failedNotifications/{notificationId}",
    "getReceivedNotifications": "GET /receivedNotifications",
    "acknowledgeNotification": "POST /receivedNotifications",
    "getReceivedNotification": "GET /receivedNotifications/{notificationId}",
    "getNotificationsSubscription": "GET /subscriptions/{subscriptionId}/notifications",
    "getNotificationsForTopic": "GET /topics/{topicId}/notifications",
    "getSubscriptions": "GET /subscriptions",
    "createSubscription": "POST /subscriptions",
    "activateSubscription": "POST /activeSubscriptions",
    "deactivateSubscription": "POST /inactiveSubscriptions",
    "getSubscription": "GET /subscriptions/{subscriptionId}",
    "updateSubscription": "PUT /subscriptions/{subscriptionId}",
    "patchSubscription": "PATCH /subscriptions/{subscriptionId}",
    "deleteSubscription": "DELETE /subscriptions/{subscriptionId}",
    "getTopics": "GET /topics",
    "createTopic": "POST /topics",
    "getTopic": "GET /topics/{topicId}",
    "deleteTopic": "DELETE /topics/{topicId}",
}
"""The operations of Apiture Notifications 0.4.1."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


async def test_the_document_has_every_operation_and_no_other(desk: Office) -> None:
    found = await desk.get("/apiDoc", key="")
    paths = found.body["paths"]
    assert isinstance(paths, dict)
    described = {
        operation["operationId"]: f"{verb.upper()} {path.removeprefix('/notifications')}"
        for path, verbs in paths.items()
        for verb, operation in verbs.items()
    }
    assert len(SEED) == 28
    assert {name: described[name] for name in SEED} == SEED
    mounted = {f"{each.method} {each.path.removeprefix('/notifications')}" for each in desk.application[OPERATIONS]}
    assert set(described.values()) == mounted
    assert len(described) == len(desk.application[OPERATIONS])
    for verbs in paths.values():
        for operation in verbs.values():
            assert len(operation["summary"]) > 5
            assert ("security" in operation) == (operation["operationId"] != "getApiDoc")
    schemas = found.at("components/schemas")
    assert isinstance(schemas, dict)
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(found.body))) <= schemas.keys()


async def test_the_whole_servers_document_has_them_too(desk: Office) -> None:
    own = await desk.get("/apiDoc")
    everything = await desk.get(f"{desk.origin}{PATH}")
    assert everything.body["paths"] == own.body["paths"]


async def test_schemathesis_finds_no_answer_that_is_not_as_described(desk: Office) -> None:
    topic = await desk.topic()
    await desk.subscribed(topic)
    await desk.publish(topic, 1)
    # Nobody waits any more, and streams end: they would take as long as they may.
    await desk.application.shutdown()
    schema = schemathesis.openapi.from_dict(dict((await desk.get("/apiDoc")).body))
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        negative_data_rejection,
        unsupported_method,
        ignored_auth,
    ]

    def ask(case: schemathesis.Case) -> None:
        # So that those wrong credentials which a check tries never become too many.
        desk.clock.turn(60)
        response = case.call(base_url=desk.origin, headers=ADMIN, allow_redirects=False)
        case.validate_response(response, checks=checks)

    def hold() -> set[str]:
        tried = set()
        for found in schema.get_all_operations():
            operation = found.ok()
            raw = operation.definition.raw
            # Where nothing is taken, nothing can be wrong.
            taking = "parameters" in raw or "requestBody" in raw
            for mode in GenerationMode if taking else [GenerationMode.POSITIVE]:
                attempt(operation.as_strategy(generation_mode=mode), ask, EXAMPLES)
            tried.add(str(raw["operationId"]))
        return tried

    assert await asyncio.to_thread(hold) >= {*SEED, "getSubscriptionEvents"}
