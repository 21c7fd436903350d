"""Those who watch a real server: its numbers, the dashboard and the alerts over them, its probes and its log."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml
from owner import ADMIN, basic
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from rig import MIXED, PASSTHROUGH, PATIENCE, Server, ServerFactory, publishing, refused, run, segments, settles

Samples = Callable[[str], Path]

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
WATCHED = "metrics: {port: 0}\n"
PRIVATE = "notifications: {allow_private_targets: true}\n"
GIVEN_BY_PROMETHEUS = {"instance", "job", "le"}
KINDS = {"counter", "gauge", "histogram"}
WORDS = {"rate", "increase", "delta", "sum", "by", "histogram_quantile", "or", "and", "without"}


@dataclass
class Watcher:
    """Prometheus, at the server's own port for it."""

    server: Server
    address: str

    async def families(self) -> dict[str, Metric]:
        async with self.server.session.get(self.address + "/metrics") as response:
            assert response.status == 200
            text = await response.text()
        return {family.name: family for family in text_string_to_metric_families(text)}

    async def numbers(self) -> dict[str, float]:
        """Every sample as it is written, without the buckets."""
        found = {}
        for family in (await self.families()).values():
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    async def ready(self) -> tuple[int, dict[str, object]]:
        async with self.server.session.get(self.address + "/readyz") as response:
            return response.status, await response.json()


async def watch(server: Server) -> Watcher:
    return Watcher(server, f"http://{(await server.logged('ready'))['metrics']}")


def expressions() -> Iterator[tuple[str, str]]:
    """Where each expression of the dashboard and the alerts stands, and what it says."""
    dashboard = json.loads((ROOT / "deploy/grafana/owncast-py.json").read_bytes())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for rule in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"][0]["rules"]:
        yield rule["alert"], rule["expr"]


def asked(expression: str) -> tuple[set[str], set[str]]:
    """The names of metrics and of labels in an expression."""
    labels = set[str]()
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        labels |= {each.strip() for each in group.split(",")}
    for matchers in re.findall(r"{([^}]*)}", expression):
        labels |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    bare = re.sub(r"\bby \([^)]*\)|{[^}]*}|\[\w+\]", " ", expression)
    return set(re.findall(r"\b[a-z_][a-z0-9_]*", bare)) - WORDS, labels


def test_expressions_are_taken_apart_as_they_should_be() -> None:
    names, labels = asked('sum by (a, le) (rate(x_total{b="1",c=~"$d"}[5m])) > 2 or delta(y[1h])')
    assert (names, labels) == ({"x_total", "y"}, {"a", "le", "b", "c"})


async def test_all_that_is_shown_alarmed_and_documented_is_there(start: ServerFactory, samples: Samples) -> None:
    async with start(config=MIXED + WATCHED + PRIVATE) as server, publishing(server, samples("plain.flv")):
        await server.playlist(1, lambda text: bool(segments(text)))
        hook = {"url": "http://127.0.0.1:9/", "events": ["CHAT"]}
        async with server.session.post(
            server.http + "/api/admin/webhooks/create", json=hook, headers=ADMIN
        ) as response:
            assert response.status == 200
        token, _ = await chatter(server)
        await say(server, token, "something to deliver")
        watcher = await watch(server)
        families = await settles(
            watcher.families, lambda found: found["owncast_queue_tries"].samples, "a delivery was tried"
        )
    samples_found: dict[str, set[str]] = {}
    for family in families.values():
        assert family.type in KINDS, family.name
        assert family.documentation.endswith(".") or not family.name.startswith("owncast_"), family.name
        for sample in family.samples:
            samples_found.setdefault(sample.name, set()).update(sample.labels)
            assert sample.value >= 0, sample
            if family.type == "counter":
                assert sample.name.endswith("_total"), sample
            elif family.type == "gauge":
                assert not sample.name.endswith(("_total", "_count", "_sum", "_bucket")) or (
                    sample.name.startswith("owncast_instance_")
                ), sample
        assert not re.search(r"_(milliseconds|ms|kilobytes|kb|minutes)(_|$)", family.name)

    found = list(expressions())
    assert len(found) > 35
    for place, expression in found:
        names, labels = asked(expression)
        assert names, (place, expression)
        assert names <= samples_found.keys(), (place, expression)
        known = set().union(*(samples_found[name] for name in names))
        assert labels <= known | GIVEN_BY_PROMETHEUS, (place, expression)

    documented = dict(
        re.findall(r"^\| `(owncast_\w+)` \|([^|]*)\|", (ROOT / "docs/monitoring.md").read_text(), re.MULTILINE)
    )
    exposed = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in families.values()
        if family.name.startswith("owncast_")
    }
    assert documented.keys() == exposed.keys()
    for name, family in exposed.items():
        used = {label for sample in family.samples for label in sample.labels} - {"le"}
        if family.samples:
            assert set(re.findall(r"`(\w+)`", documented[name])) == used, name
        else:
            raise AssertionError(f"{name} has no number, so nothing of it was checked")
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
    text = (ROOT / "docs/monitoring.md").read_text()
    assert set(re.findall(r"^\| `(Owncast\w+)`", text, re.MULTILINE)) == {rule["alert"] for rule in alerts}


async def test_the_numbers_are_those_of_what_was_done(start: ServerFactory, samples: Samples) -> None:
    """Two shows, so that what is counted outlives one."""
    short = "stream: {reconnect_grace: 0, variants: [{video_passthrough: true, audio_passthrough: true}]}\n"
    async with start(config=short + WATCHED) as server:
        watcher = await watch(server)
        assert await refused(server, samples("plain.flv"), "wrong-key")
        seen, session = [], "of no show"
        for show in (1, 2):
            async with publishing(server, samples("plain.flv")):
                # For a while the end of the show before can still be fetched.
                playlist = await server.playlist(
                    0, lambda text, last=session: bool(segments(text)) and last not in text
                )
                number, _ = segments(playlist)[0]
                (session,) = set(re.findall(r"(\w+)-init0\.mp4", playlist))
                before = await watcher.numbers()
                # One connection asks for media alone and is answered on the short way, the other one is aiohttp's.
                sent = {"init": 0, "segment": 0}
                for first in ("/hls/0/nothing", "/healthz"):
                    async with aiohttp.ClientSession() as player:
                        await (await player.get(server.http + first)).read()
                        for kind, name in (("init", f"{session}-init0.mp4"), ("segment", f"{session}-{number}.m4s")):
                            async with player.get(f"{server.http}/hls/0/{name}") as response:
                                assert response.status == 200
                                sent[kind] += len(await response.read())
                        async with player.head(f"{server.http}/hls/0/{session}-init0.mp4") as response:
                            assert response.status == 200
                after = await watcher.numbers()

                def grown(name: str, now: dict[str, float] = after, then: dict[str, float] = before) -> float:
                    return now[name] - then.get(name, 0)

                assert grown("owncast_media_requests_total{kind=init}") == 4
                assert grown("owncast_media_requests_total{kind=segment}") == 2
                assert grown("owncast_media_requests_total{kind=refused}") == 1
                assert grown("owncast_media_sent_bytes_total{kind=init}") == sent["init"]
                assert grown("owncast_media_sent_bytes_total{kind=segment}") == sent["segment"]
                assert grown("owncast_http_requests_total{method=GET,route=/healthz,status=2xx}") == 1
                assert grown("owncast_http_requests_total{method=GET,route=/hls/{path},status=2xx}") == 2
                assert after["owncast_ingest_publishers{protocol=rtmp}"] == 1
                assert after["owncast_ingest_broadcasts_total"] == show
                assert after["owncast_ingest_refused_total"] == 1
                assert after["owncast_encoder_starts_total"] == 0, "all is passed through"
                seen.append(after)
            await settles(
                watcher.numbers,
                lambda found: "owncast_window_lag_seconds{kind=video,rendition=0}" not in found,
                "the show is over, and with it what is told of its renditions",
            )
        ended = await watcher.numbers()
        assert ended["owncast_ingest_publishers{protocol=rtmp}"] == ended["owncast_instance_stream_online"] == 0
        for name, value in seen[0].items():
            if "_total" in name and "_instance_" not in name:
                assert ended[name] >= seen[1][name] >= value, name
        # Frames and parts of both shows; a part has 15 of the 30 pictures that a second has.
        for name in ("owncast_ingest_received_bytes_total", "owncast_window_parts_total{kind=video,rendition=0}"):
            assert ended[name] > seen[1][name] - seen[0][name] > 0, name
        pictures = ended["owncast_ingest_frames_total{track=video}"]
        parts = ended["owncast_window_parts_total{kind=video,rendition=0}"]
        # What the slate shows between the shows is in the parts alone.
        assert 60 < pictures <= 15 * parts + 60, (pictures, parts)

        token, _ = await chatter(server)
        before = await watcher.numbers()
        for words in ("one", "two", ""):
            await say(server, token, words, refused=not words)
        after = await watcher.numbers()
        assert after["owncast_chat_messages_total{outcome=accepted}"] == 2
        assert after["owncast_chat_messages_total{outcome=refused}"] == 1, "the one without words"
        assert after["owncast_channels_messages_total"] >= before["owncast_channels_messages_total"] + 2
        assert after["owncast_database_writes_total"] > before["owncast_database_writes_total"]
        assert after["owncast_database_failed_commits_total"] == 0


async def chatter(server: Server) -> tuple[str, str]:
    """The token and the id of somebody new."""
    async with server.session.post(server.http + "/api/chat/register", json={"displayName": "Ana"}) as response:
        found = await response.json()
    return found["accessToken"], found["id"]


async def say(server: Server, token: str, words: str, *, refused: bool = False) -> None:
    """Writes in chat, and waits until everybody reads it."""
    async with server.session.ws_connect(server.http.replace("http", "ws") + f"/ws?accessToken={token}") as socket:
        await socket.send_json({"type": "CHAT", "body": words})
        async with asyncio.timeout(PATIENCE):
            while True:
                event = json.loads((await socket.receive_str()).splitlines()[0])
                if event["type"] == ("SYSTEM" if refused else "CHAT") and (refused or words in event["body"]):
                    return


async def test_the_main_port_asks_who_wants_to_know_and_the_other_has_nothing_else(start: ServerFactory) -> None:
    async with start(config=PASSTHROUGH + WATCHED) as server:
        for headers in ({}, basic("wrong"), {"Authorization": "Bearer x"}):
            status, body = await server.get("/metrics", headers=headers)
            assert status == 401
            assert b"owncast_ready" not in body
        modern = {"Accept": "application/openmetrics-text;version=1.0.0"}
        status, body = await server.get("/metrics", headers=ADMIN | modern)
        assert (status, b"\nowncast_ready 1.0\n" in body, body.endswith(b"# EOF\n")) == (200, True, True)
        status, same = await server.get("/api/admin/prometheus", headers=ADMIN)
        assert (status, b"\nowncast_ready 1.0\n" in same) == (200, True)
        watcher = await watch(server)
        assert urlsplit(watcher.address).hostname == "127.0.0.1"
        for path in ("/", "/api/status", "/api/admin/prometheus", "/admin", "/hls/stream.m3u8"):
            async with server.session.get(watcher.address + path, headers=ADMIN) as response:
                assert response.status == 404
                assert "There is nothing at this address." in await response.text()
        async with server.session.get(watcher.address + "/healthz") as response:
            assert await response.text() == "ok\n"


async def test_a_server_that_stops_says_so_to_the_end(start: ServerFactory) -> None:
    async with start(config=PASSTHROUGH + WATCHED) as server:
        watcher = await watch(server)
        assert await watcher.ready() == (200, {"ready": True, "reasons": [], "warnings": []})
        # Somebody who has not sent all of a request yet holds the server up for as long as it grants.
        address = urlsplit(server.http)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"POST /api/chat/register HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        await writer.drain()
        await settles(
            watcher.numbers, lambda found: found["owncast_http_connections{way=other}"] == 1, "the request has begun"
        )
        server.process.send_signal(signal.SIGTERM)
        status, found = await settles(watcher.ready, lambda answer: answer[0] == 503, "it says that it stops")
        assert status == 503
        assert found["ready"] is False
        assert "The server is stopping." in str(found["reasons"])
        writer.close()
        async with asyncio.timeout(PATIENCE):
            assert await server.process.wait() == 0
        with pytest.raises(aiohttp.ClientError):
            await watcher.ready()


async def test_every_line_about_a_request_has_its_id(start: ServerFactory) -> None:
    async with start(config=PASSTHROUGH + "log_requests: true\n") as server:
        async with server.session.get(server.http + "/api/emoji?accessToken=sesame") as response:
            made = response.headers["X-Request-Id"]
        async with server.session.get(
            server.http + "/x" * 300, headers={"X-Request-Id": "from-the.proxy_1"}
        ) as response:
            assert response.status == 404
            assert response.headers["X-Request-Id"] == "from-the.proxy_1"
        first = await server.logged("request", request_id=made)
        assert (first["method"], first["path"], first["route"], first["status"]) == (
            *("GET", "/api/emoji", "/api/emoji"),
            200,
        )
        assert (first["address"], first["level"]) == ("127.0.0.1", "info")
        second = await server.logged("request", request_id="from-the.proxy_1")
        assert (second["route"], second["status"], len(str(second["path"]))) == ("none", 404, 200)
        assert "sesame" not in "".join(server.output)


async def test_a_taken_port_for_metrics_is_explained(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = tmp_path / "config.yaml"
        settings.write_text(f"metrics: {{port: {port}}}\n")
        code, output = await run(
            *(sys.executable, "-m", "owncast_py", "serve", "--data-dir", str(tmp_path / "data"), "--stream-key", "k"),
            *("--admin-password", "p", "--http-host", "127.0.0.1", "--rtmp-host", "127.0.0.1", "--http-port", "0"),
            *("--rtmp-port", "0", "--config", str(settings)),
        )
    assert code != 0
    assert f"Port {port} for metrics is taken" in output
    assert "metrics.port" in output
    assert "Traceback" not in output
