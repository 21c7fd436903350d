"""What was published lately under an id that its publisher gave, so that nothing is published twice.

Owns how long ids are known, also over a restart, and how many. A publisher that got no answer sends the same again; it
is told what became of the first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from owncast_py.realtime.messages import Action, Address, Message, milliseconds_of, serial_at
from owncast_py.storage import channel_messages as repository
from owncast_py.storage.database import Database

REMEMBERED = timedelta(minutes=10)
"""How long ids are known, at least."""
MAX_REMEMBERED = 200_000
"""Ids; with more, the oldest are forgotten early."""


class Published:
    """The ids of every channel."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[tuple[Address, str], Message] = OrderedDict()
        self._before = ""
        """The serial with which the memory of an earlier process begins; nothing when all of that is too old."""
        self._last = ""
        self._recalled: set[Address] = set()

    def start(self, last: str) -> None:
        """`last` is the last version of the process before."""
        if last:
            milliseconds = milliseconds_of(last) - REMEMBERED // timedelta(milliseconds=1)
            self._before, self._last = serial_at(max(0, milliseconds)), last

    async def recall(self, addresses: Iterable[Address]) -> None:
        """Remembers what an earlier process published in those channels."""
        if not self._before:
            return
        for address in {*addresses} - self._recalled:
            async with self._database.reading() as connection:
                found = await repository.named_since(connection, address, self._before, MAX_REMEMBERED)
            self._recalled.add(address)
            for message in found:
                self._known.setdefault((address, message.id), _slim(message))

    def find(self, address: Address, message_id: str) -> Message | None:
        """What was published under that id, without its data."""
        return self._known.get((address, message_id))

    def add(self, messages: Sequence[Message]) -> None:
        """These have just been published."""
        for message in messages:
            if message.action is Action.CREATE and message.id != message.serial:
                self._known[message.address, message.id] = _slim(message)
        if not messages:
            return
        now = messages[-1].at
        while self._known and (
            len(self._known) > MAX_REMEMBERED or now - next(iter(self._known.values())).at > REMEMBERED
        ):
            self._known.popitem(last=False)
        if self._before and serial_at(int((now - REMEMBERED).timestamp() * 1000)) > self._last:
            self._before = ""


def _slim(message: Message) -> Message:
    """The same without what takes room."""
    return replace(message, data=b"", extras=b"", text=None)
