"""The numbers as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

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


def scraped(exposition: Exposition) -> dict[str, float]:
    body, _ = exposition.render()
    families = text_string_to_metric_families(body.decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_all_numbers_have_their_names() -> None:
    found = scraped(build())
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


def test_this_process_is_told_of_and_nothing_of_the_global_registry() -> None:
    found = scraped(build())
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert "python_info" not in found
    assert not any(family.name.startswith("owncast") for family in REGISTRY.collect())


def test_what_is_not_known_is_left_out() -> None:
    assert "owncast_instance_cpu_usage" not in scraped(build(cpu=None))


def test_the_type_is_the_one_that_every_prometheus_reads() -> None:
    assert build().render()[1] == "text/plain; version=0.0.4; charset=utf-8"
