"""Passwords: hashed with argon2id, in few threads of low priority, so that they delay nobody who watches or chats.

Owns the hashing and its queue. Who has which hash, `logins` knows. The parameters are argon2-cffi's own, the second
choice of RFC 9106, section 4: 64 MiB, three passes, four lanes.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2

from owncast_py.errors import AccountsBusy

MAX_WAITING = 2_000
"""Passwords that wait to be hashed; with more, whoever comes is told to try again."""
NICENESS = 10
MIN_LENGTH = 8
MAX_LENGTH = 500

T = TypeVar("T")


class Passwords:
    """Hashes passwords, and compares them with hashes."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None, *, max_waiting: int = MAX_WAITING) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._max_waiting = max_waiting
        self._waiting = 0
        workers = max(1, (os.cpu_count() or 1) // 2)
        self._turns = asyncio.Semaphore(workers)
        self._pool = ThreadPoolExecutor(workers, "passwords", initializer=_step_back)
        self._nobodys = ""

    async def start(self) -> None:
        """Makes the hash that is compared where there is none, so that this takes as long."""
        self._nobodys = await self.hash(secrets.token_urlsafe(16))

    async def aclose(self) -> None:
        """Lets what is being hashed come to its end."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Hashes one. Raises AccountsBusy when too many wait."""
        return await self.run(lambda: self._hasher.hash(_octets(password)))

    async def verify(self, hashed: str | None, password: str, admit: Callable[[], None]) -> bool:
        """Whether that is the password; without a hash it is not, after as long. Raises as `run` does."""
        right = await self.run(lambda: self._verify(hashed or self._nobodys, password), admit)
        return right and hashed is not None

    async def run(self, work: Callable[[], T], admit: Callable[[], None] | None = None) -> T:
        """Other work with a password that takes as long, by the same threads.

        `admit` is called when its turn has come, and may still refuse it by raising. Raises AccountsBusy.
        """
        if self._waiting >= self._max_waiting:
            raise AccountsBusy("Too many passwords wait to be checked; try again in a minute.")
        self._waiting += 1
        try:
            async with self._turns:
                if admit is not None:
                    admit()
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, _octets(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


def _octets(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _step_back() -> None:
    """Everything else comes first. Linux takes a thread's id here; elsewhere that would be the whole process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
