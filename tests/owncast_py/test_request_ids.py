"""The name of a request: on its lines, on those of its tasks while it lasts, and on no others."""

from __future__ import annotations

import asyncio

import pytest

from owncast_py.request_ids import add_request_id, new_request_id, serving, usable


def line() -> dict[str, object]:
    return dict(add_request_id(None, "info", {"event": "x"}))


async def test_tasks_carry_the_id_while_the_request_lasts_and_not_longer() -> None:
    told, go_on = list[dict[str, object]](), asyncio.Event()

    async def work() -> None:
        told.append(line())
        await go_on.wait()
        told.append(line())

    with serving("one"):
        task = asyncio.create_task(work())
        while not told:
            await asyncio.sleep(0)
        with serving("two"):
            assert line() == {"event": "x", "request_id": "two"}
        assert line() == {"event": "x", "request_id": "one"}
    go_on.set()
    await task
    assert told == [{"event": "x", "request_id": "one"}, {"event": "x"}]
    assert line() == {"event": "x"}


@pytest.mark.parametrize("given", ["", "-a", "a b", "a\n", "ä", "a" * 65, '"', "<script>", "a;b", "../a", "\u0660"])
def test_what_could_harm_a_log_is_no_id(given: str) -> None:
    assert not usable(given)


def test_ids_of_ours_and_of_usual_proxies_can_be_used() -> None:
    found = {new_request_id() for _ in range(1000)}
    assert len(found) == 1000
    assert all(map(usable, found))
    assert usable("0af7651916cd43dd8448eb211c80319c")
    assert usable("6b1f2c1e-5f0e-4f6b-9f4e-0d5f3f7f7c11")
