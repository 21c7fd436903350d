"""What was measured: viewers, hardware, playback, for the admin and for Prometheus; and what players report.

Owns those routes' wire format. A percentage and a count are whole numbers, as Owncast has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from owncast_py.broadcast.studio import Studio
from owncast_py.broadcast.viewers import Viewer, Viewers
from owncast_py.chat.content import timestamp
from owncast_py.metrics import cmcd
from owncast_py.metrics.geo import GeoIp
from owncast_py.metrics.playback import Playback, PlaybackReport
from owncast_py.metrics.prometheus import Exposition
from owncast_py.metrics.samples import Sample, Samples
from web.addresses import viewer_id
from web.api.owncast import answers
from web.api.owncast.answers import Done, done
from web.api.owncast.views import GeoView, geo_view
from web.authentication import Authentication
from web.body import Input, Query
from web.operations import Call, Media, Operation
from web.scraping import scrape

MAX_VIEWERS = 5_000
"""Viewers listed at once."""
MAX_CMCD_BODY = 256 * 1024
DEFAULT_SPAN = timedelta(days=7)
"""How far back viewers are shown unless the caller says from when on."""


class SampleView(TypedDict):
    """A value, and when it was measured."""

    time: str
    value: float


class HardwareView(TypedDict):
    """Per cent in use, minute by minute."""

    cpu: list[SampleView]
    memory: list[SampleView]
    disk: list[SampleView]


class ViewerView(TypedDict):
    """Somebody who watches. `latency` in s and `bandwidth` in kbit/s are what the player reports, if it does."""

    clientID: str
    firstSeen: str
    lastSeen: str
    ipAddress: str
    userAgent: str
    geo: GeoView | None
    latency: float | None
    bandwidth: float | None


class VideoMetrics(TypedDict):
    """What players report, minute by minute: latency in s, downloads in s, bit rates in kbit/s."""

    errors: list[SampleView]
    qualityVariantChanges: list[SampleView]
    highestLatency: list[SampleView]
    medianLatency: list[SampleView]
    lowestLatency: list[SampleView]
    medianSegmentDownloadDuration: list[SampleView]
    maximumSegmentDownloadDuration: list[SampleView]
    minimumSegmentDownloadDuration: list[SampleView]
    minPlayerBitrate: list[SampleView]
    medianPlayerBitrate: list[SampleView]
    maxPlayerBitrate: list[SampleView]
    availableBitrates: list[int]
    segmentLength: int
    representation: int


class SinceQuery(Query):
    """From when on: seconds since 1970. Without it, everything that is kept; of viewers, the last week."""

    windowStart: int | None = Field(None, ge=0, le=10**11)

    def moment(self) -> datetime | None:
        """That time."""
        return datetime.fromtimestamp(self.windowStart, UTC) if self.windowStart is not None else None


class Report(Input):
    """What a player has seen since its last report."""

    bandwidth: float = Field(0, strict=False, description="kbit/s")
    latency: float = Field(0, strict=False, description="seconds behind the encoder")
    errors: float = Field(0, strict=False)
    downloadDuration: float = Field(0, strict=False, description="seconds")
    qualityVariantChanges: float = Field(0, strict=False)


class MeasurementsApi:
    """The routes of what was measured."""

    def __init__(
        self,
        samples: Samples,
        playback: Playback,
        viewers: Viewers,
        geo: GeoIp,
        studio: Studio,
        exposition: Exposition,
        authentication: Authentication,
    ) -> None:
        self._samples = samples
        self._playback = playback
        self._viewers = viewers
        self._geo = geo
        self._studio = studio
        self._exposition = exposition
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """Those of the admin, then those of players."""
        admin = self._authentication.as_admin
        text = Media("text/plain", "The metrics in Prometheus' text format.")
        api = answers.api("Measurements")
        api.add("GET", "/api/admin/viewersOverTime", self._viewers_over_time, admin)
        api.add("GET", "/api/admin/hardwarestats", self._hardware, admin)
        api.add("GET", "/api/admin/viewers", self._viewers_now, admin)
        api.add("GET", "/api/admin/metrics/video", self._video, admin)
        for verb in ("GET", "POST", "PUT", "DELETE"):
            # Owncast mounts Prometheus' own handler, which answers every method alike.
            api.add(verb, "/api/admin/prometheus", self._prometheus, admin, media=text)
        api.add("POST", "/api/metrics/playback", self._report)
        api.add("GET", "/api/metrics/cmcd", self._cmcd_query)
        api.add("POST", "/api/metrics/cmcd", self._cmcd_body)
        return api.operations

    async def _viewers_over_time(self, call: Call[SinceQuery]) -> list[SampleView]:
        """How many watched, minute by minute."""
        since = call.input.moment() or datetime.now(UTC) - DEFAULT_SPAN
        return _whole(self._samples.series("viewers", since))

    async def _hardware(self, call: Call[SinceQuery]) -> HardwareView:
        """How busy the machine was, minute by minute."""
        since = call.input.moment()
        return {
            "cpu": _whole(self._samples.series("cpu", since)),
            "memory": _whole(self._samples.series("memory", since)),
            "disk": _whole(self._samples.series("disk", since)),
        }

    async def _viewers_now(self, _call: Call[None]) -> list[ViewerView]:
        """Who watches now, the newest first."""
        now = datetime.now(UTC)
        return [self._viewer(viewer, now) for viewer in self._viewers.listing(MAX_VIEWERS)]

    def _viewer(self, viewer: Viewer, now: datetime) -> ViewerView:
        said = self._playback.latest(viewer.id)
        return {
            "clientID": viewer.id,
            "firstSeen": timestamp(now - timedelta(seconds=viewer.first_seen)),
            "lastSeen": timestamp(now - timedelta(seconds=viewer.last_seen)),
            "ipAddress": viewer.address,
            "userAgent": viewer.user_agent,
            "geo": geo_view(self._geo.lookup(viewer.address)),
            "latency": said.latency_seconds,
            "bandwidth": said.bandwidth_kbps,
        }

    async def _video(self, _call: Call[None]) -> VideoMetrics:
        """How well players play, minute by minute."""
        history = self._playback.over_time()
        return {
            "errors": _exact(history.errors),
            "qualityVariantChanges": _exact(history.quality_changes),
            "highestLatency": _exact(history.highest_latency),
            "medianLatency": _exact(history.median_latency),
            "lowestLatency": _exact(history.lowest_latency),
            "medianSegmentDownloadDuration": _exact(history.median_download),
            "maximumSegmentDownloadDuration": _exact(history.longest_download),
            "minimumSegmentDownloadDuration": _exact(history.shortest_download),
            "minPlayerBitrate": _exact(history.lowest_bitrate),
            "medianPlayerBitrate": _exact(history.median_bitrate),
            "maxPlayerBitrate": _exact(history.highest_bitrate),
            "availableBitrates": [variant.video_bitrate for variant in self._studio.variants()],
            "segmentLength": self._studio.segment_seconds(),
            "representation": self._playback.representation(self._studio.status().viewer_count),
        }

    async def _prometheus(self, call: Call[None]) -> web.Response:
        """The measurements of now, for Prometheus."""
        return await scrape(self._exposition, call.request)

    # Players.

    async def _report(self, call: Call[Report]) -> Done:
        """Takes what a player has seen."""
        given = call.input
        self._playback.report(
            viewer_id(call.request),
            PlaybackReport(
                bandwidth_kbps=given.bandwidth or None,
                latency_seconds=given.latency or None,
                errors=given.errors,
                download_seconds=given.downloadDuration or None,
                quality_changes=given.qualityVariantChanges,
            ),
        )
        return done("thank you")

    async def _cmcd_query(self, call: Call[None]) -> web.Response:
        """Takes an event of CTA-5004's event mode from the address."""
        try:
            events = [cmcd.parse(call.request.query.get("CMCD", ""))]
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return self._take(call.request, events)

    async def _cmcd_body(self, call: Call[None]) -> web.Response:
        """Takes events of CTA-5004's event mode: one object, many in a list, or lines of keys and values."""
        body = await call.request.clone(client_max_size=MAX_CMCD_BODY).read()
        try:
            looks_like_json = body.lstrip()[:1] in (b"{", b"[")
            events = cmcd.parse_json(body) if looks_like_json else cmcd.parse_lines(body.decode())
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return self._take(call.request, events)

    def _take(self, request: web.Request, events: Sequence[cmcd.CmcdEvent]) -> web.Response:
        for event in events:
            self._playback.report(event.sid or viewer_id(request), cmcd.to_report(event))
        return web.Response(status=204, headers={"Cache-Control": "no-store"})


def _whole(samples: Sequence[Sample]) -> list[SampleView]:
    return [{"time": timestamp(sample.at), "value": round(sample.value)} for sample in samples]


def _exact(samples: Sequence[Sample]) -> list[SampleView]:
    return [{"time": timestamp(sample.at), "value": round(sample.value, 3)} for sample in samples]
