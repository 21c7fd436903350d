"""Passwords: which are right, what a wrong one costs, and who waits for whom."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator

import argon2
import pytest

from owncast_py.accounts.passwords import NICENESS, Passwords
from owncast_py.errors import AccountsBusy


def always() -> None:
    """Lets everybody in."""


CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    opened = Passwords(CHEAP, max_waiting=3)
    await opened.start()
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("password", ["correct horse", " spaces ", "пароль 密码 🫖", "a\0b", "\ud800", "x" * 256])
async def test_a_password_is_right_and_no_other_is(passwords: Passwords, password: str) -> None:
    hashed = await passwords.hash(password)
    assert hashed.startswith("$argon2id$")
    assert password.strip() not in hashed
    assert await passwords.hash(password) != hashed, "each has a salt of its own"
    assert await passwords.verify(hashed, password, always)
    for other in (password + "x", password[:-1], password.upper() + " ", ""):
        assert not await passwords.verify(hashed, other, always)


@pytest.mark.parametrize("damaged", ["nonsense", "$argon2id$v=19$m=8,t=1,p=1$AAAA"])
async def test_a_damaged_hash_is_of_no_password(passwords: Passwords, damaged: str) -> None:
    assert not await passwords.verify(damaged, "correct horse", always)


async def test_who_has_no_password_has_not_any(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "", always)
    assert not await passwords.verify("", "correct horse", always)


async def test_the_hashing_is_as_hard_as_the_recommendation() -> None:
    usual = Passwords()
    hashed = await usual.hash("correct horse")
    await usual.aclose()
    found = argon2.extract_parameters(hashed)
    # RFC 9106, section 4: the second choice.
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (argon2.Type.ID, 65_536, 3, 4)


async def test_a_verification_without_a_hash_hashes_as_one_with_it() -> None:
    compared: list[str] = []

    class Counting(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            compared.append(str(hash))
            return super().verify(hash, password)

    passwords = Passwords(Counting(time_cost=2, memory_cost=16, parallelism=1))
    await passwords.start()
    hashed = await passwords.hash("correct horse")
    assert not await passwords.verify(hashed, "wrong", always)
    assert not await passwords.verify(None, "wrong", always)
    await passwords.aclose()
    assert len(compared) == 2
    assert argon2.extract_parameters(compared[0]) == argon2.extract_parameters(compared[1])


async def test_hashing_leaves_the_loop_to_others_and_steps_back(passwords: Passwords) -> None:
    entered, leave, found = threading.Event(), threading.Event(), dict[str, object]()

    def work() -> str:
        found["thread"] = threading.current_thread()
        found["niceness"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        entered.set()
        assert leave.wait(20), "the loop was held up"
        return "done"

    task = asyncio.create_task(passwords.run(work))
    assert await asyncio.to_thread(entered.wait, 20)
    assert not task.done()
    leave.set()  # Nobody could say so if the work were on the loop.
    assert await task == "done"
    assert found["thread"] is not threading.main_thread()
    if sys.platform == "linux":
        assert found["niceness"] == NICENESS
        assert os.getpriority(os.PRIO_PROCESS, 0) < NICENESS, "the process itself keeps its priority"


async def test_more_than_may_wait_are_told_to_come_again(passwords: Passwords) -> None:
    leave = threading.Event()
    tasks = [asyncio.create_task(passwords.run(lambda: leave.wait(20))) for _ in range(3)]
    await asyncio.sleep(0)
    for refused in (passwords.hash("correct horse"), passwords.verify(None, "x", always)):
        with pytest.raises(AccountsBusy, match="try again in a minute"):
            await refused
    leave.set()
    assert await asyncio.gather(*tasks) == [True] * 3
    assert (await passwords.hash("correct horse")).startswith("$argon2id$"), "then there is room again"


async def test_work_that_fails_leaves_its_place_to_others(passwords: Passwords) -> None:
    def work() -> None:
        raise OSError("no")

    for _ in range(5):
        with pytest.raises(OSError, match="no"):
            await passwords.run(work)
    assert await passwords.verify(await passwords.hash("correct horse"), "correct horse", always)


async def test_whoever_is_not_admitted_when_their_turn_comes_costs_no_work() -> None:
    passwords, leave, open_to_all = Passwords(CHEAP), threading.Event(), [True]
    done: list[str] = []

    def admit() -> None:
        if not open_to_all[0]:
            raise LookupError("closed")

    def work() -> None:
        done.append("worked")

    held = [asyncio.create_task(passwords.run(lambda: leave.wait(20))) for _ in range(os.cpu_count() or 1)]
    waiting = [asyncio.create_task(passwords.run(work, admit)) for _ in range(3)]
    await asyncio.sleep(0)
    open_to_all[0] = False
    leave.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    assert done == []
    await asyncio.gather(*held)
    open_to_all[0] = True
    await passwords.run(work, admit)
    assert done == ["worked"], "and they have left their places"
    await passwords.aclose()


async def test_few_are_hashed_at_the_same_time() -> None:
    passwords, lock = Passwords(CHEAP), threading.Lock()
    most = under_way = 0
    both = threading.Barrier(2)

    def work() -> None:
        nonlocal most, under_way
        with lock:
            under_way += 1
            most = max(most, under_way)
        try:
            both.wait(0.05)
        except threading.BrokenBarrierError:
            pass
        with lock:
            under_way -= 1

    await asyncio.gather(*(passwords.run(work) for _ in range(12)))
    await passwords.aclose()
    assert 1 <= most <= max(1, (os.cpu_count() or 1) // 2)
