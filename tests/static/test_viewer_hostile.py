"""Whatever the two documents say, also what our server would never write: nothing runs, and the page holds together."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from show import Show
from viewer_browser import open_page, until, watch

pytestmark = pytest.mark.asyncio(loop_scope="session")

CORPUS = [
    line.replace("\\n", "\n").replace("alert(1)", "window.broken=1")
    for line in (Path(__file__).parents[1] / "owncast_py" / "chat" / "xss_corpus.txt").read_text().splitlines()
    if not line.startswith("##")
]
ALLOWED = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "center",
    "code",
    "del",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
]
SIZES = ((320, 568), (360, 740), (740, 360), (1000, 700), (1280, 800))
LONG = {
    "word": "Kettle" * 1_700,
    "words": "A kettle of tea. " * 600,
    "right to left": "קומקום " * 1_500,
    "zalgo": "e" + "\u0301" * 5_000,
}


def everywhere(text: str) -> tuple[dict[str, object], dict[str, object]]:
    """Status and configuration that say it in each of their fields."""
    event = {"name": text, "description": text, "startTime": "2199-01-01T00:00:00Z", "durationMinutes": 60}
    action = {"title": text, "description": text, "color": text, "icon": text, "url": text}
    status: dict[str, object] = {"streamTitle": text, "scheduledEvent": event}
    config: dict[str, object] = {
        "name": text,
        "summary": text,
        "logo": text,
        "tags": [text, text],
        "extraPageContent": text,
        "offlineMessage": text,
        "socialHandles": [{"platform": text, "url": text, "icon": text}, {"url": f"https://tea.example/{text}"}],
        "externalActions": [
            action,
            action | {"url": "", "html": text},
            action | {"url": "https://tea.example/", "openExternally": True},
        ],
        "schedule": {"enabled": True, "showCountdown": True},
    }
    return status, config


async def whole(page: Page) -> None:
    """Nothing has run, and what the owner wrote is made of nothing but what is allowed."""
    assert await page.evaluate("window.broken") is None
    found = await page.evaluate(
        """() => [...document.querySelectorAll(".prose *")].map((each) => [each.localName, each.getAttributeNames()])"""
    )
    assert {name for name, _ in found} <= set(ALLOWED)
    assert {name for _, names in found for name in names if name.startswith(("on", "style", "srcset", "form"))} == set()
    addresses = await page.evaluate(
        "[...document.querySelectorAll('[href], [src]')].map(each => each.href ?? each.src)"
    )
    assert [each for each in addresses if not each.startswith(("http:", "https:", "mailto:", "blob:"))] == []


@pytest.mark.parametrize("online", [False, True])
async def test_nothing_of_an_attack_runs(browser: Browser, address: str, show: Show, online: bool) -> None:
    if online:
        show.begin()
    # All at once, each apart from the others; what an attack leaves open is closed by the next field.
    show.status_says, show.config_says = everywhere("\n\n".join(CORPUS))
    show.config_says["externalActions"] = [
        {"title": attack or "x", "description": attack, "icon": attack, "color": attack, "url": attack, "html": attack}
        for attack in CORPUS
    ]
    show.config_says["tags"] = CORPUS
    show.config_says["socialHandles"] = [{"platform": attack, "url": attack, "icon": attack} for attack in CORPUS]
    # Not by `open_page`: Chromium reports the inline styles and handlers that it refuses already where they are parsed.
    async with await browser.new_context() as context:
        page = await context.new_page()
        asked: list[str] = []
        page.on("pageerror", lambda error: asked.append(str(error)))
        # Pictures from elsewhere are the owner's to show; the corpus has some.
        page.on("request", lambda request: asked.append(request.url) if request.resource_type != "image" else None)
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        await page.goto(address)
        await expect(page.locator("h1")).to_contain_text("<script>")
        await whole(page)
        buttons = page.locator(".action")
        for number in range(await buttons.count()):
            await buttons.nth(number).evaluate("button => button.click()")
            await expect(page.get_by_role("dialog")).to_be_visible()
            await whole(page)
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_have_count(0)
        assert [url for url in asked if not url.startswith((address, "blob:", "about:"))] == []


@pytest.mark.parametrize("kind", LONG)
async def test_ten_thousand_octets_in_each_place_leave_the_page_in_shape(
    browser: Browser, address: str, show: Show, kind: str
) -> None:
    show.status_says, show.config_says = everywhere(LONG[kind])
    async with open_page(browser, address) as page:
        for online in (False, True):
            if online:
                show.begin()
                await watch(page, 0.2)
            for width, height in SIZES:
                await page.set_viewport_size({"width": width, "height": height})
                await until(page, "document.querySelector('.player').clientWidth <= innerWidth")
                assert await page.evaluate("document.documentElement.scrollWidth") == width, (online, width)
                await expect(page.locator(".player")).to_be_in_viewport()
                if online:
                    box = await page.locator(".player").bounding_box()
                    assert box is not None
                    assert box["height"] <= height
            await page.get_by_role("button", name="Share").first.click()
            await expect(page.get_by_role("dialog", name="Share this stream")).to_be_visible()
            await page.keyboard.press("Escape")


async def test_documents_that_are_none_leave_an_empty_page(browser: Browser, address: str, show: Show) -> None:
    show.config_says = dict.fromkeys(everywhere("")[1], 7) | {"tags": [None, {}], "externalActions": [[], 7, None]}
    show.status_says = {"online": "yes", "streamTitle": [], "scheduledEvent": 7, "serverTime": {}, "viewerCount": "x"}
    async with open_page(browser, address) as page:
        await expect(page.get_by_role("heading", name="Live stream")).to_be_visible()
        await expect(page.locator(".now")).to_have_text("Offline")
