"""The numbers as Prometheus reads them."""

from __future__ import annotations

import gzip

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from owncast_py.metrics.families import counter, gauge, histogram, info
from owncast_py.metrics.histogram import Histogram
from owncast_py.metrics.prometheus import Exposition, Numbers


def build(cpu: float | None = 12.5) -> Exposition:
    return Exposition(
        Numbers(
            online=lambda: True,
            viewers=lambda: 7,
            chatters=lambda: 3,
            users=lambda: 40,
            messages=lambda: 500,
            playback_errors=lambda: 2,
            cpu=lambda: cpu,
            memory=lambda: 50.0,
            disk=lambda: 60.0,
        )
    )


async def scraped(exposition: Exposition) -> dict[str, float]:
    families = text_string_to_metric_families((await exposition.render()).body.decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


async def test_all_numbers_have_their_names() -> None:
    found = await scraped(build())
    assert {name: value for name, value in found.items() if name.startswith("owncast_")} == {
        "owncast_instance_stream_online": 1,
        "owncast_instance_active_viewer_count": 7,
        "owncast_instance_active_chat_client_count": 3,
        "owncast_instance_total_chat_users": 40,
        "owncast_instance_current_chat_message_count": 500,
        "owncast_instance_playback_error_count": 2,
        "owncast_instance_cpu_usage": 12.5,
        "owncast_instance_memory_usage": 50,
        "owncast_instance_disk_usage": 60,
    }


async def test_this_process_is_told_of_and_nothing_of_the_global_registry() -> None:
    found = await scraped(build())
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert "python_info" not in found
    assert not any(family.name.startswith("owncast") for family in REGISTRY.collect())


async def test_what_is_not_known_is_left_out() -> None:
    assert "owncast_instance_cpu_usage" not in await scraped(build(cpu=None))


async def test_the_type_is_the_one_that_every_prometheus_reads() -> None:
    for accept in ("", "*/*", "text/plain; version=99; escaping=\r\nX-Evil: 1", "application/json"):
        found = await build().render(accept)
        assert found.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_openmetrics_and_gzip_are_for_those_who_ask() -> None:
    exposition = build()
    exposition.add([counter("tea_cups", "Cups.", lambda: 3)])
    asked = "application/openmetrics-text; version=1.0.0; q=0.9, text/plain;version=0.0.4;q=0.5"
    plain, packed = await exposition.render(asked), await exposition.render(asked, compress=True)
    assert plain.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    for text in (plain.body.decode(), gzip.decompress(packed.body).decode()):
        assert text.endswith("# EOF\n")
        families = {family.name: family for family in openmetrics.text_string_to_metric_families(text)}
        assert [(each.name, each.value) for each in families["tea_cups"].samples] == [("tea_cups_total", 3)]
        assert families["owncast_instance_active_viewer_count"].samples[0].value == 7


async def test_families_of_every_kind_are_told_as_prometheus_has_them() -> None:
    exposition, slow = build(), Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        slow.observe(seconds)
    exposition.add(
        [
            histogram("tea_seconds", "Brewing.", lambda: slow),
            info("tea", "The kind.", ("leaf",), lambda: [('green "1"',)]),
            gauge("tea_heat", "How hot.", lambda: None),
        ]
    )
    text = (await exposition.render()).body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {each.labels["le"]: each.value for each in families["tea_seconds"].samples if "le" in each.labels} == {
        "0.1": 2,
        "1.0": 3,
        "+Inf": 4,
    }
    sums = {each.name: each.value for each in families["tea_seconds"].samples if "le" not in each.labels}
    assert sums == {"tea_seconds_count": 4, "tea_seconds_sum": 7.65}
    assert families["tea_info"].samples[0].labels == {"leaf": 'green "1"'}
    assert families["tea_heat"].samples == [], "what is not known has a name and no number"


async def test_a_name_is_taken_once() -> None:
    exposition = build()
    with pytest.raises(ValueError, match="owncast_instance_cpu_usage"):
        exposition.add([gauge("owncast_instance_cpu_usage", "Again.", lambda: 1)])
