"""Topics and what is published on them.

Owns `/topics` and `/messages`.
"""

from __future__ import annotations

from typing import Annotated

import orjson
from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.accounts.model import Scope
from owncast_py.notifications.listing import TOPIC_FIELDS
from owncast_py.notifications.model import DOMAIN, Topic
from owncast_py.notifications.service import Notifications
from web.api.apiture import callers, etags
from web.api.apiture.errors import ENVELOPE, Refused
from web.api.apiture.hal import Hal, Link, Links, link, page, profile, uri
from web.api.apiture.lists import CREATED_AT, UPDATED_AT, Part
from web.api.apiture.references import TOPIC, identifier
from web.api.apiture.views import TopicsView, TopicView, topic_view
from web.authentication import Authentication
from web.body import Input
from web.operations import Api, Call, Contract, Operation, Wrapper

MAX_BODY = 256 * 1024
"""Octets of a request. "By default, a message body can contain up to 256 kb"."""
MAX_URI = 2_048
ETAG = {"ETag": "The entity tag, for If-Match."}
IF_MATCH = {"If-Match": "An entity tag; if the resource has another one by now, nothing is done (412)."}
IF_NONE_MATCH = {"If-None-Match": "An entity tag; if the resource still has it, it is not sent again (304)."}
MADE = {"Location": "Where it is.", **ETAG}

Uri = Annotated[str, Field(max_length=MAX_URI, pattern=r"^[!-~]+$")]
"""A URI, or what may stand for one: nothing but visible ASCII."""


class Reference(Input):
    """A link in a body."""

    href: Uri


class NewTopic(Input):
    """A topic's name, which is unique in its domain."""

    name: str = Field(min_length=1, max_length=200)
    domain: str = Field(min_length=1, max_length=200)


class TopicPart(Part):
    """Which topics."""

    name: str = Field("", description="Only those with this name; `|` between several.")
    created_at: str = Field("", alias="createdAt", description=CREATED_AT)
    updated_at: str = Field("", alias="updatedAt", description=UPDATED_AT)


class MessageLinks(Input):
    """What a message belongs to."""

    topic: Reference = Field(alias="apiture:topic")
    entity: Reference | None = Field(None, alias="apiture:entity")


class NewMessage(Input):
    """A message: any JSON object, and the topic that it is about."""

    body: dict[str, object]
    links: MessageLinks = Field(alias="_links")


class MessageView(TypedDict):
    """A message that was taken. Every notification of it is on its way, or waits to be pulled."""

    _id: str
    _profile: str
    _links: Links


class TopicsApi:
    """The routes of topics and messages."""

    def __init__(self, notifications: Notifications, authentication: Authentication) -> None:
        self._notifications = notifications
        self._subscribing = notifications.subscribing
        self._authentication = authentication

    def operations(self, wrapper: Wrapper) -> list[Operation]:
        """All of them."""
        reading = self._authentication.as_data(Scope.DATA_READ)
        writing = self._authentication.as_data(Scope.DATA_WRITE)
        deleting = self._authentication.as_data(Scope.DATA_DELETE)
        api = Api("Notifications: topics", wrapper, ENVELOPE)
        api.add(
            *("POST", "/notifications/messages", self._publish, writing),
            max_body=MAX_BODY,
            contract=Contract("publishMessage", 202, refusals=(413, 422, 507)),
        )
        api.add(
            *("GET", "/notifications/topics", self._topics, reading),
            contract=Contract("getTopics", refusals=(422,)),
        )
        api.add(
            *("POST", "/notifications/topics", self._create, writing),
            contract=Contract("createTopic", 201, MADE, refusals=(413, 422, 507)),
        )
        api.add(
            *("GET", "/notifications/topics/{topicId}", self._topic, reading),
            contract=Contract("getTopic", 200, ETAG, IF_NONE_MATCH, refusals=(404,), unchanged=True),
        )
        api.add(
            *("DELETE", "/notifications/topics/{topicId}", self._delete, deleting),
            contract=Contract("deleteTopic", 204, takes=IF_MATCH, refusals=(404, 412, 422, 507)),
        )
        return api.operations

    async def _publish(self, call: Call[NewMessage]) -> Hal[MessageView]:
        """Publishes a message on a topic.

        Once this has answered, the message is kept, and is delivered to every active subscription of the topic at least
        once. With a link apiture:entity, it concerns that entity only: restricted subscriptions of other subscribers do
        not get it.
        """
        wanted = call.input
        topic_id = identifier(call.request, wanted.links.topic.href, TOPIC, "_links.apiture:topic")
        topic = self._subscribing.topic(topic_id)
        if topic is None:
            raise _no_topic(topic_id)
        if topic.domain == DOMAIN:
            raise Refused(
                422,
                "requestInvalid",
                f"The topic {topic.name!r} of the domain {DOMAIN!r} is the server's own, which alone publishes on it.",
            )
        try:
            body = orjson.dumps(wanted.body)
        except orjson.JSONEncodeError:
            raise Refused(
                422, "fieldInvalid", "The field 'body' is nested too deeply; use at most 250 levels."
            ) from None
        entity = wanted.links.entity.href if wanted.links.entity else ""
        message_id = await self._notifications.publish(topic.id, body, entity)
        about: dict[str, Link] = {"apiture:topic": link(call.request, "topics", topic.id)}
        if entity:
            about["apiture:entity"] = {"href": entity}
        view: MessageView = {"_id": message_id, "_profile": profile("notifications/message"), "_links": about}
        return Hal(call.request, view, 202)

    async def _topics(self, call: Call[TopicPart]) -> Hal[TopicsView]:
        """A page of topics."""
        asked = call.input
        given = {"name": asked.name, "createdAt": asked.created_at, "updatedAt": asked.updated_at}
        found = await self._notifications.shelves.topics(asked.listing(TOPIC_FIELDS, given))
        about = page(
            *(call.request, "notifications/topics", "topics"),
            start=asked.start,
            limit=asked.limit,
            count=found.count,
            as_of=found.as_of,
        )
        items = [topic_view(call.request, each, call.actor) for each in found.items]
        return Hal(call.request, {**about, "_embedded": {"items": items}})

    async def _create(self, call: Call[NewTopic]) -> Hal[TopicView]:
        """Makes a topic. Its name is unique in its domain, and neither changes ever."""
        topic = await self._subscribing.create_topic(call.input.domain, call.input.name)
        return Hal(
            call.request,
            topic_view(call.request, topic, call.actor, []),
            201,
            etag=etags.of_topic(topic, []),
            location=uri(call.request, "topics", topic.id),
        )

    async def _topic(self, call: Call[None]) -> Hal[TopicView] | web.Response:
        """A topic with its subscriptions."""
        topic = self._known(call)
        subscriptions = self._subscribing.subscriptions_of_topic(topic.id)
        tag = etags.of_topic(topic, subscriptions)
        if etags.not_modified(call.request, tag):
            return etags.unchanged(tag)
        return Hal(call.request, topic_view(call.request, topic, call.actor, subscriptions), etag=tag)

    async def _delete(self, call: Call[None]) -> web.Response:
        """Deletes a topic with its subscriptions and all notifications of it.

        Needs the scope data/full where others are subscribed.
        """
        topic = self._known(call)
        subscriptions = self._subscribing.subscriptions_of_topic(topic.id)
        etags.check(call.request, etags.of_topic(topic, subscriptions))
        for each in subscriptions:
            callers.check_owns(call.actor, each)
        if not await self._subscribing.delete_topic(topic.id):
            raise _missing(topic.id)
        return web.Response(status=204)

    def _known(self, call: Call[None]) -> Topic:
        topic = self._subscribing.topic(call.part("topicId"))
        if topic is None:
            raise _missing(call.part("topicId"))
        return topic


def _no_topic(topic_id: str) -> Refused:
    sentence = f"There is no topic with the id {topic_id[:60]!r}; create it first."
    return Refused(422, "referenceInvalid", sentence, attributes={"reference": "_links.apiture:topic"})


def _missing(topic_id: str) -> Refused:
    return Refused(404, "resourceNotFound", f"There is no topic with the id {topic_id[:60]!r}.")
