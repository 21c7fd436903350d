"""What systemd is told of this process (`Type=notify`): that it is ready, that it ends, and that it is not stuck.

Owns the datagrams of sd_notify(3). Without a service manager nothing is sent and nothing runs.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import MutableMapping
from contextlib import suppress

import structlog

MICROSECONDS = 1_000_000

log = structlog.get_logger(__name__)


class ServiceManager:
    """`start()` says that the server is ready and then, at half of the watchdog's time, that its loop still turns.

    A loop that hangs says nothing any more, so that systemd ends the process and starts another.
    """

    def __init__(self, address: str, watchdog: float | None = None) -> None:
        """`address` is a socket's path, or a name after an `@`; "" for nobody. `watchdog` in seconds."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = watchdog
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str], pid: int) -> ServiceManager:
        """The one that the environment names for this process; it is taken out, so that no child speaks for it."""
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        for_whom = environment.pop("WATCHDOG_PID", str(pid))
        watched = address and for_whom == str(pid) and microseconds.isdecimal() and int(microseconds) > 0
        return cls(address, int(microseconds) / MICROSECONDS if watched else None)

    def start(self, status: str) -> None:
        """The server is ready; `status` is the sentence that `systemctl status` shows."""
        self._tell("READY=1", f"STATUS={status}")
        if self._watchdog is not None:
            self._task = asyncio.create_task(self._reassure(self._watchdog / 2), name="service manager: watchdog")

    def stopping(self) -> None:
        """The server has begun to end."""
        self._tell("STOPPING=1", "STATUS=Ending.")

    async def aclose(self) -> None:
        """Nothing is sent any more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _reassure(self, interval: float) -> None:
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(interval)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except (OSError, ValueError) as error:
            # Not a reason to end: whoever watches will find out for themselves.
            log.warning("the service manager was not reached", what=lines[0], reason=str(error))
