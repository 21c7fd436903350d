"""`/sync`: empty but true, and told at once when the token dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from matrix_wire import PATIENCE, Matrix, Person, Reply, homeserver

from web.api.matrix import sync

LONG = "sync?since=s1&timeout=600000"


@pytest.fixture
async def matrix(tmp_path: Path) -> AsyncIterator[Matrix]:
    async with homeserver(tmp_path) as matrix:
        yield matrix


class Waiting:
    """Requests that wait; they have reached the server when `all_there` returns."""

    def __init__(self, matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
        self._matrix = matrix
        self._arrived: asyncio.Queue[None] = asyncio.Queue()
        self.tasks: list[asyncio.Task[Reply]] = []
        wait = sync.SyncApi._wait

        async def noted(api: sync.SyncApi, *arguments: object) -> bool:
            waiting = asyncio.ensure_future(wait(api, *arguments))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            self._arrived.put_nowait(None)
            return await waiting

        monkeypatch.setattr(sync.SyncApi, "_wait", noted)

    async def begin(self, person: Person, path: str = LONG) -> asyncio.Task[Reply]:
        """One more, once it waits."""
        task = asyncio.create_task(self._matrix.ask("GET", path, person=person))
        self.tasks.append(task)
        async with asyncio.timeout(PATIENCE):
            await self._arrived.get()
        return task


@pytest.fixture
async def waiting(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Waiting]:
    waiting = Waiting(matrix, monkeypatch)
    yield waiting
    for task in waiting.tasks:
        task.cancel()
    await asyncio.gather(*waiting.tasks, return_exceptions=True)


async def soon(task: asyncio.Task[Reply]) -> Reply:
    async with asyncio.timeout(PATIENCE):
        return await task


@pytest.mark.parametrize(
    "query",
    ["", "?timeout=600000", "?since=s1", "?since=s1&timeout=0", "?filter=0&full_state=false&set_presence=offline"],
)
async def test_whoever_does_not_wait_is_answered_at_once(matrix: Matrix, query: str) -> None:
    ana = await matrix.register("ana")
    found = (await matrix.ask("GET", f"sync{query}", person=ana)).done()
    assert found.keys() == {"next_batch"}
    assert isinstance(found["next_batch"], str)
    assert found["next_batch"]


async def test_where_the_first_answer_ends_the_next_one_waits(matrix: Matrix, waiting: Waiting) -> None:
    ana = await matrix.register("ana")
    batch = (await matrix.ask("GET", "sync", person=ana)).done()["next_batch"]
    task = await waiting.begin(ana, f"sync?since={batch}&timeout=600000")
    assert not task.done()
    short = await matrix.ask("GET", f"sync?since={batch}&timeout=20", person=ana)
    assert short.done() == {"next_batch": batch}
    assert not task.done()


async def test_nobody_waits_longer_than_the_server_likes(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "MAX_WAIT", 0.02)
    ana = await matrix.register("ana")
    async with asyncio.timeout(PATIENCE):
        found = await matrix.ask("GET", "sync?since=s1&timeout=99999999999999", person=ana)
    assert found.done() == {"next_batch": "s1"}


@pytest.mark.parametrize("way", ["delete", "logout", "everywhere", "again"])
async def test_whoever_waits_is_told_when_their_device_is_signed_out(
    matrix: Matrix, waiting: Waiting, way: str
) -> None:
    ana = await matrix.register("ana")
    phone = await matrix.login("ana", device_id="PHONE")
    tasks = [await waiting.begin(phone) for _ in range(2)]
    kept = await waiting.begin(ana)
    if way == "delete":
        await matrix.delete(ana, "PHONE")
    elif way == "again":
        await matrix.login("ana", device_id="PHONE")
    else:
        await matrix.ask("POST", "logout" if way == "logout" else "logout/all", person=phone)
    for task in tasks:
        (await soon(task)).refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
    if way == "everywhere":
        (await soon(kept)).refused(401, "M_UNKNOWN_TOKEN", "soft_logout")
    else:
        assert not kept.done()


async def test_of_many_that_wait_for_one_device_the_first_is_answered(matrix: Matrix, waiting: Waiting) -> None:
    ana = await matrix.register("ana")
    other = await waiting.begin(await matrix.login("ana"))
    tasks = [await waiting.begin(ana) for _ in range(sync.MAX_WAITING_PER_DEVICE)]
    assert not any(task.done() for task in tasks)
    # The server may not have noticed that its clients are gone: whoever is there goes first.
    for number in (0, 1):
        newest = await waiting.begin(ana)
        assert (await soon(tasks[number])).done() == {"next_batch": "s1"}
        assert not any(task.done() for task in (*tasks[number + 1 :], newest, other))
    assert (await matrix.ask("POST", "logout", person=ana)).done() == {}
    for task in (*tasks[2:], newest):
        (await soon(task)).refused(401, "M_UNKNOWN_TOKEN", "soft_logout")


async def test_so_many_do_not_wait_at_all(matrix: Matrix, waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "MAX_WAITING", 2)
    people = [await matrix.visitor(f"Ana{number}") for number in range(3)]
    for person in people[:2]:
        await waiting.begin(person)
    refused = await matrix.ask("GET", LONG, person=people[2])
    refused.refused(429, "M_LIMIT_EXCEEDED", "retry_after_ms")
    assert (await matrix.ask("GET", "sync", person=people[2])).done()


async def test_the_end_of_the_server_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with homeserver(tmp_path) as matrix:
        waiting = Waiting(matrix, monkeypatch)
        ana = await matrix.register("ana")
        task = await waiting.begin(ana)
        async with asyncio.timeout(PATIENCE):
            await matrix.web.server.close()
        assert (await soon(task)).done() == {"next_batch": "s1"}


@pytest.mark.parametrize("query", ["timeout=-1", "timeout=soon", "timeout=1.5", f"since={'x' * 1_001}"])
async def test_a_wish_that_makes_no_sense_is_refused(matrix: Matrix, query: str) -> None:
    ana = await matrix.register("ana")
    (await matrix.ask("GET", f"sync?{query}", person=ana)).refused(400, "M_INVALID_PARAM")
