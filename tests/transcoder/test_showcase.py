"""Pictures for those who never ask this server: when there are others, and only while a show is on."""

from __future__ import annotations

from test_window import live

from transcoder.offload import Offload
from transcoder.showcase import SHOWN_SECONDS, Showcase
from transcoder.stills import Still, Stills


class Made(Stills):
    """Pictures as a test has them."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.pictures: dict[Still, bytes | None] = {}

    async def get(self, still: Still) -> bytes | None:
        return self.pictures.get(still)


async def test_a_picture_goes_to_the_store_once_and_again_when_it_is_another() -> None:
    stills, published = Made(), list[tuple[str, bytes]]()
    showcase, window = Showcase(stills), live()
    offload = Offload("https://cdn.example/hls/", lambda key, data: published.append((key, data)), lambda _: None)
    await showcase.show(offload, window)
    assert published == [], "there is nothing to see yet"
    stills.pictures = {Still.THUMBNAIL: b"one"}
    await showcase.show(offload, window)
    await showcase.show(offload, window)
    assert published == [("thumbnail.jpg", b"one")]
    stills.pictures[Still.THUMBNAIL] = b"two"
    await showcase.show(offload, window)
    assert published[1:] == [("thumbnail.jpg", b"two")]
    showcase.forget()
    await showcase.show(offload, window)
    assert published[2:] == [("thumbnail.jpg", b"two")], "another store has nothing yet"
    window.end()
    stills.pictures[Still.THUMBNAIL] = b"three"
    await showcase.show(offload, window)
    assert len(published) == 3


def test_it_looks_now_and_then() -> None:
    showcase = Showcase(Made())
    assert [showcase.due(now) for now in (5.0, 6.0, 5.0 + SHOWN_SECONDS)] == [True, False, True]
    showcase.forget()
    assert showcase.due(5.1 + SHOWN_SECONDS), "what is on air is looked for at once"
