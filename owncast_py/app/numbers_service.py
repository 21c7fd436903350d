"""The numbers of everything that is served beside media: HTTP, chat, channels, deliveries.

Owns their names and labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from owncast_py.metrics.families import Family, Labelled, counter, counters, gauge, gauges, histograms
from owncast_py.services import Services
from web.api.ably.dialect import Ably
from web.fanout import Fanout
from web.server import WebServer
from web.traffic import KINDS, Traffic


def http(traffic: Traffic, server: WebServer) -> list[Family]:
    """What is asked of the web server."""

    def connections() -> Iterator[Labelled]:
        media, others = server.connections
        yield ("media",), media
        yield ("other",), others

    return [
        counters(
            "owncast_http_requests",
            "Requests that were answered, without those for media that need nothing else.",
            ("route", "method", "status"),
            lambda: traffic.requests.items(),
        ),
        histograms(
            "owncast_http_request_duration_seconds",
            "How long they took, by the first part of the address; without streams and sockets.",
            ("root",),
            lambda: (((root,), seconds) for root, seconds in traffic.seconds.items()),
        ),
        counters(
            "owncast_media_requests",
            "Media requests that were answered.",
            ("kind",),
            lambda: (((kind,), number) for kind, number in zip(KINDS, traffic.media_requests, strict=True)),
        ),
        counters(
            "owncast_media_sent_bytes",
            "Bytes of their answers, without heads.",
            ("kind",),
            lambda: (((kind,), octets) for kind, octets in zip(KINDS, traffic.media_octets, strict=True)),
        ),
        gauges(
            "owncast_http_connections",
            "Open connections: those that asked for nothing but media yet, and others.",
            ("way",),
            connections,
        ),
        counter(
            "owncast_http_refused_connections",
            "Connections that were closed at once, for there were too many.",
            lambda: server.refused,
        ),
    ]


def talk(services: Services, chat_fanout: Fanout, ably: Ably) -> list[Family]:
    """Chat and channels."""
    posting, channels = services.chat.posting, services.foundations.channels
    occupancy = services.foundations.occupancy
    fanouts: Mapping[str, Fanout] = {"chat": chat_fanout, "channels": ably.realtime.fanout}

    def messages() -> Iterator[Labelled]:
        yield ("accepted",), posting.accepted
        yield ("refused",), posting.refused

    label = ("fanout",)
    return [
        counters("owncast_chat_messages", "What chatters wrote, as the rules judged it.", ("outcome",), messages),
        gauges(
            "owncast_fanout_sockets",
            "Sockets that are written to.",
            label,
            lambda: (((name,), len(each)) for name, each in fanouts.items()),
        ),
        gauges(
            "owncast_fanout_waiting_frames",
            "Frames that wait for the next flush.",
            label,
            lambda: (((name,), each.waiting) for name, each in fanouts.items()),
        ),
        counters(
            "owncast_fanout_dropped_sockets",
            "Sockets that were closed, for they read too slowly.",
            label,
            lambda: (((name,), each.dropped) for name, each in fanouts.items()),
        ),
        gauge(
            "owncast_channels_attached",
            "Channels to which somebody is attached.",
            lambda: len(occupancy.addresses()),
        ),
        gauge("owncast_channels_connections", "Realtime connections with a socket.", lambda: len(ably.realtime)),
        gauge("owncast_channels_streams", "Open streams of Server-Sent Events.", lambda: len(ably.streams)),
        counter(
            "owncast_channels_messages",
            "Messages that were delivered in all channels, the chat's among them.",
            lambda: channels.delivered,
        ),
        gauge("owncast_channels_waiting_messages", "Messages that wait to be kept.", lambda: channels.waiting),
    ]


def deliveries(services: Services) -> list[Family]:
    """The delivery queue."""
    figures = services.notifications.figures
    label = ("channel",)
    return [
        gauges(
            "owncast_queue_waiting",
            "Notifications that wait, by what they are delivered with.",
            label,
            lambda: (((channel,), number) for channel, number in figures.waiting().items()),
        ),
        gauges(
            "owncast_queue_dead_letters",
            "Notifications that were given up.",
            label,
            lambda: (((channel,), number) for channel, number in figures.dead().items()),
        ),
        counters(
            "owncast_queue_tries", "Deliveries that were tried.", (*label, "outcome"), lambda: figures.tries.items()
        ),
        counter(
            "owncast_queue_left_out",
            "Events that were not queued, for an endpoint had no room.",
            lambda: figures.left_out,
        ),
        gauge(
            "owncast_queue_oldest_seconds",
            "Age of the oldest notification that waits to be pushed, looked up once a minute.",
            figures.oldest_seconds,
        ),
        gauges(
            "owncast_queue_lanes",
            "Endpoints that are pushed to, by how they do.",
            ("state",),
            lambda: (((state,), number) for state, number in figures.lanes().items()),
        ),
    ]
