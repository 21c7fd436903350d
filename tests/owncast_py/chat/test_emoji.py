"""The store of custom emoji: what is uploaded, what lies in the directory, and what no name may reach."""

from __future__ import annotations

import asyncio
import base64
import io
import os
from pathlib import Path

import pytest
from PIL import Image
from structlog.testing import capture_logs

from owncast_py.chat import emoji as emoji_module
from owncast_py.chat.emoji import EmojiStore, clean_name
from owncast_py.chat.errors import EmojiRefused
from owncast_py.errors import ImageRefused


def image(kind: str = "PNG", color: int = 0) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (color, 0, 0)).save(out, kind)
    return out.getvalue()


def upload(kind: str = "PNG", color: int = 0) -> str:
    return f"data:image/{kind.lower()};base64," + base64.b64encode(image(kind, color)).decode()


@pytest.fixture
async def store(tmp_path: Path) -> EmojiStore:
    store = EmojiStore(tmp_path / "emoji")
    await store.start()
    return store


def files(tmp_path: Path) -> list[str]:
    """Every file below, wherever it went."""
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


async def test_an_empty_store(store: EmojiStore, tmp_path: Path) -> None:
    assert store.listing() == []
    assert dict(store.urls) == {}
    assert store.file("party.gif") is None
    assert files(tmp_path) == []


async def test_an_emoji_is_added_and_is_there_after_a_restart(store: EmojiStore, tmp_path: Path) -> None:
    added = await store.add("party.gif", upload("PNG"))  # the content counts, not the suffix
    assert (added.name, added.file, added.url, added.content_type) == (
        "party",
        "party.png",
        "/img/emoji/party.png",
        "image/png",
    )
    await store.add("another", upload("GIF"))
    assert files(tmp_path) == ["emoji/another.gif", "emoji/party.png"]
    assert (tmp_path / "emoji/party.png").read_bytes() == added.data

    again = EmojiStore(tmp_path / "emoji")
    await again.start()
    assert again.listing() == store.listing()
    assert [each.name for each in again.listing()] == ["another", "party"]
    assert dict(again.urls) == {"another": "/img/emoji/another.gif", "party": "/img/emoji/party.png"}


async def test_the_mapping_follows_and_cannot_be_changed(store: EmojiStore) -> None:
    urls = store.urls
    await store.add("party", upload())
    assert urls == {"party": "/img/emoji/party.png"}
    with pytest.raises(TypeError):
        urls["x"] = "y"  # type: ignore[index]
    await store.delete("party")
    assert urls == {}


async def test_one_of_the_same_name_is_replaced(store: EmojiStore, tmp_path: Path) -> None:
    await store.add("party.png", upload("PNG"))
    await store.add("party.gif", upload("GIF"))
    assert files(tmp_path) == ["emoji/party.gif"]
    assert [each.file for each in store.listing()] == ["party.gif"]
    assert store.file("party.png") is None
    assert store.file("party.gif") is not None


@pytest.mark.parametrize("name", ["party", "party.png", "/img/emoji/party.png", "/party.png"])
async def test_an_emoji_is_deleted_by_any_of_its_names(store: EmojiStore, tmp_path: Path, name: str) -> None:
    await store.add("party", upload())
    assert (await store.delete(name)).name == "party"
    assert store.listing() == []
    assert files(tmp_path) == []
    with pytest.raises(EmojiRefused, match="no emoji"):
        await store.delete(name)


HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "../../x.png",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\x00b",
    "a.svg",
    "a.png.png",
    ".png",
    "%2e%2e",
    "a b",
    "ä",
    "party\n",
    "party.png\n",
    "x" * 51,
    "x" * 100_000,
    "con:",
    "<script>",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_name_leads_elsewhere(store: EmojiStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "x.png").write_bytes(b"mine")
    with pytest.raises(EmojiRefused) as refused:
        await store.add(name, upload())
    assert len(str(refused.value)) < 300
    with pytest.raises(EmojiRefused):
        await store.delete(name)
    assert store.file(name) is None
    assert files(tmp_path) == ["x.png"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("party", "party"), ("party.gif", "party"), ("A_b-1.WEBP", "A_b-1"), ("x" * 50 + ".jpeg", "x" * 50)],
)
def test_names_that_can_be_had(text: str, name: str) -> None:
    assert clean_name(text) == name


@pytest.mark.parametrize("data", ["", "data:image/svg+xml;base64,PHN2Zy8+", "data:image/png;base64,AAAA", "no base64!"])
async def test_what_is_no_image_is_not_kept(store: EmojiStore, tmp_path: Path, data: str) -> None:
    await store.add("party", upload())
    for name in ("party", "other"):
        with pytest.raises(ImageRefused):
            await store.add(name, data)
    assert files(tmp_path) == ["emoji/party.png"]
    assert list(store.urls) == ["party"]


async def test_there_are_only_so_many(store: EmojiStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emoji_module, "MAX_EMOJI", 2)
    await store.add("a", upload())
    await store.add("b", upload())
    with pytest.raises(EmojiRefused, match="2 emoji already"):
        await store.add("c", upload())
    await store.add("b", upload(color=9))  # in the place of another
    await store.delete("a")
    await store.add("c", upload())
    assert list(store.urls) == ["b", "c"]


async def test_those_added_at_once_are_counted_too(store: EmojiStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emoji_module, "MAX_EMOJI", 2)
    done = await asyncio.gather(*(store.add(f"e{index}", upload()) for index in range(5)), return_exceptions=True)
    assert sum(isinstance(each, EmojiRefused) for each in done) == 3
    assert len(store.listing()) == 2


async def test_all_together_have_only_so_many_octets(store: EmojiStore, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await store.add("a", upload())
    monkeypatch.setattr(emoji_module, "MAX_TOTAL_BYTES", 2 * len(one.data))
    await store.add("b", upload())
    await store.add("b", upload())
    with pytest.raises(EmojiRefused, match="together"):
        await store.add("c", upload())


async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "emoji").write_bytes(b"a file")
    store = EmojiStore(tmp_path / "emoji")
    await store.start()
    with pytest.raises(EmojiRefused, match="cannot be kept"):
        await store.add("party", upload())
    assert store.listing() == []


async def test_a_write_that_fails_leaves_the_one_before(
    store: EmojiStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await store.add("party", upload(color=1))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EmojiRefused, match="No space left"):
        await store.add("party", upload(color=2))
    assert files(tmp_path) == ["emoji/party.png"]
    assert (tmp_path / "emoji/party.png").read_bytes() == before.data
    assert store.listing() == [before]


async def test_a_file_that_is_gone_can_still_be_deleted(store: EmojiStore, tmp_path: Path) -> None:
    await store.add("party", upload())
    (tmp_path / "emoji/party.png").unlink()
    await store.delete("party")
    assert store.listing() == []


async def test_files_that_the_owner_puts_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "emoji"
    (directory / "folder.png").mkdir(parents=True)
    good = {"good.png": image(), "Good2.GIF": image("GIF"), "photo.jpeg": image("JPEG"), "w.webp": image("WEBP")}
    bad = {
        "script.svg": b"<svg/>",
        "words.png": b"no image",
        "svg.png": b"<svg/>",
        "cut.png": image()[:40],
        "broken.gif": b"GIF89a" + bytes(3),
        "a b.png": image(),
        "good.gif": image("GIF"),
        "readme.txt": b"hello",
        "huge.png": image() + bytes(2_000_000),
    }
    for name, data in {**good, **bad, ".hidden.png": image(), ".party.png.tmp": image()[:9]}.items():
        (directory / name).write_bytes(data)
    (tmp_path / "secret.png").write_bytes(image())
    (directory / "link.png").symlink_to(tmp_path / "secret.png")
    (directory / "nowhere.png").symlink_to(tmp_path / "nowhere")

    store = EmojiStore(directory)
    with capture_logs() as logs:
        await store.start()
    skipped = {line["file"]: line["reason"] for line in logs if line["event"] == "emoji skipped"}
    names = {each.file for each in store.listing()}
    # Of two with the same name the first by the alphabet counts.
    assert names == {"Good2.GIF", "photo.jpeg", "w.webp", "good.gif"}
    assert set(skipped) == (set(bad) | {"good.png", "link.png"}) - {"good.gif"}
    assert all(skipped.values())
    found = store.file("Good2.GIF")
    assert found is not None
    assert (found.url, found.content_type, found.data) == ("/img/emoji/Good2.GIF", "image/gif", good["Good2.GIF"])


async def test_of_what_lies_there_only_so_much_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.png").write_bytes(b"no image" if name == "a" else image())
    monkeypatch.setattr(emoji_module, "MAX_EMOJI", 2)
    store = EmojiStore(tmp_path)
    await store.start()
    assert list(store.urls) == ["b", "c"]
    monkeypatch.setattr(emoji_module, "MAX_TOTAL_BYTES", len(image()))
    store = EmojiStore(tmp_path)
    await store.start()
    assert list(store.urls) == ["b"]


async def test_a_directory_that_cannot_be_read_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    store = EmojiStore(tmp_path)
    with capture_logs() as logs:
        await store.start()
    assert store.listing() == []
    assert "Permission denied" in logs[0]["reason"]


async def test_the_loop_goes_on_while_an_image_is_decoded(store: EmojiStore, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    reached = asyncio.Event()
    clean = emoji_module._clean

    def waits_for_the_loop(data: str) -> object:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(timeout=60)
        loop.call_soon_threadsafe(reached.set)
        return clean(data)

    monkeypatch.setattr(emoji_module, "_clean", waits_for_the_loop)
    await store.add("party", upload())
    assert reached.is_set()
