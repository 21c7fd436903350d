"""Where finished segments go: a store elsewhere when the owner has one, else the local disk, else nowhere.

Owns which stores are open, and how the owner's words for one become a place in it. A change takes effect with the next
broadcast; the store before stays open for as long as a show is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from owncast_py.serving import ServingWatch
from owncast_py.setting_groups import StorageSettings
from transcoder.offload import Offload
from transcoder.segment_store import SegmentStore
from transcoder.segment_store.disk import DiskStore
from transcoder.segment_store.s3 import S3Store
from transcoder.segment_store.s3_client import FOLDER, S3Client, S3Place, connect

Choice = tuple[SegmentStore | None, Offload | None]


@dataclass(slots=True)
class Closed:
    """What stores elsewhere have done that are not open any more."""

    kept: int = 0
    given_up: int = 0
    waiting: int = 0
    waiting_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A store that is open, and whoever sends viewers there."""

    store: S3Store
    offload: Offload
    watch: ServingWatch

    async def aclose(self) -> None:
        """Ends both."""
        await self.watch.aclose()
        await self.store.aclose()


class Stores:
    """All open stores, from the first choice to `aclose`."""

    def __init__(self, local: DiskStore | None, told: Callable[[str], None]) -> None:
        """`local` is started already; `told` hears of trouble with a store elsewhere, and the empty text of its end."""
        self.local = local
        self.elsewhere: list[Elsewhere] = []
        """Those that are open, the newest last."""
        self.closed = Closed()
        self._chosen: Elsewhere | None = None
        self._told = told

    async def choose(self, storage: StorageSettings) -> Choice:
        """The store of the next broadcast, and who decides from where its viewers fetch."""
        if not storage.enabled:
            self._chosen = None
            return self.local, None
        serving = f"{storage.serving_address}/{FOLDER}/"
        watch = ServingWatch(serving, lambda readable, problem: offload.on_read(readable, problem))
        offload = Offload(serving, lambda key, text: store.publish(key, text), self._told, watch.note)
        store = S3Store(place_of(storage), offload)
        await store.start()
        await watch.start()
        self._chosen = Elsewhere(store, offload, watch)
        self.elsewhere.append(self._chosen)
        return store, offload

    async def release(self, in_use: SegmentStore | None) -> None:
        """Closes what is neither chosen nor in use by the show on air, or by the last one."""
        unused = [each for each in self.elsewhere if each is not self._chosen and each.store is not in_use]
        self.elsewhere = [each for each in self.elsewhere if each not in unused]
        await asyncio.gather(*(each.aclose() for each in unused))
        for each in unused:
            self.closed.kept += each.store.kept
            self.closed.given_up += each.store.given_up + each.store.waiting

    @property
    def problem(self) -> str:
        """What is wrong with the store that was chosen, as a sentence; empty while it works."""
        if self._chosen is not None:
            return self._chosen.offload.problem
        return self.local.problem if self.local is not None else ""

    async def aclose(self) -> None:
        """Ends what was opened here."""
        self._chosen = None
        await self.release(None)


@dataclass(frozen=True, slots=True)
class StoreObjects:
    """A store for a trial of it (`owncast_py.store_trial.Objects`)."""

    place: S3Place
    client: S3Client
    serving: str

    @classmethod
    def open(cls, storage: StorageSettings) -> StoreObjects:
        """That store; nothing is sent yet. Blocks; raises OSError for settings that cannot be used."""
        place = place_of(storage)
        return cls(place, connect(place), f"{storage.serving_address}/{FOLDER}/")

    def put(self, name: str, body: bytes) -> str:
        """See `Objects`."""
        self.client.put(self.place.key(name), body, "text/plain", "no-store")
        return self.serving + name

    def delete(self, name: str) -> None:
        """See `Objects`."""
        self.client.delete([self.place.key(name)])


def place_of(storage: StorageSettings) -> S3Place:
    """Where that store is."""
    return S3Place(
        endpoint=storage.endpoint,
        region=storage.region,
        bucket=storage.bucket,
        access_key=storage.access_key,
        secret=storage.secret,
        acl=storage.acl,
        path_prefix=storage.path_prefix,
        force_path_style=storage.force_path_style,
    )
