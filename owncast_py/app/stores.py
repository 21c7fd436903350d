"""Where finished segments go: a store elsewhere when the owner has one, else the local disk, else nowhere.

Owns which stores are open, and how the owner's words for one become a place in it. A change takes effect with the next
broadcast; the store before stays open until the end, since a show may still be in it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from owncast_py.setting_groups import StorageSettings
from transcoder.offload import Offload
from transcoder.segment_store import SegmentStore
from transcoder.segment_store.disk import DiskStore
from transcoder.segment_store.s3 import S3Store
from transcoder.segment_store.s3_client import FOLDER, S3Client, S3Place, connect

Choice = tuple[SegmentStore | None, Offload | None]


class Stores:
    """All open stores, from the first choice to `aclose`."""

    def __init__(self, local: DiskStore | None, told: Callable[[str], None]) -> None:
        """`local` is started already; `told` hears of trouble with a store elsewhere, and the empty text of its end."""
        self.local = local
        self.elsewhere: list[S3Store] = []
        """Those that were opened since the start, the one in use last."""
        self._in_use = False
        self._told = told
        self._stack = AsyncExitStack()

    async def choose(self, storage: StorageSettings) -> Choice:
        """The store of the next broadcast, and who decides from where its viewers fetch."""
        if not storage.enabled:
            self._in_use = False
            return self.local, None
        place = place_of(storage)
        stores: list[S3Store] = []
        offload = Offload(
            f"{storage.serving_address}/{FOLDER}/", lambda key, text: stores[0].publish(key, text), self._told
        )
        stores.append(S3Store(place, offload))
        await stores[0].start()
        self._stack.push_async_callback(stores[0].aclose)
        self.elsewhere.append(stores[0])
        self._in_use = True
        return stores[0], offload

    @property
    def problem(self) -> str:
        """What is wrong with the store in use, as a sentence; empty while it works."""
        store = self.elsewhere[-1] if self._in_use else self.local
        return store.problem if store is not None else ""

    async def aclose(self) -> None:
        """Ends what was opened here."""
        await self._stack.aclose()


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
