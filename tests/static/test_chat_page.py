"""The page's chat in Chromium, against a chat that does what a test says: attacks, refusals, breaks, moderation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from axe import assert_clean
from fake_chat import FakeChat, Json, at, person, said
from playwright.async_api import Browser, Locator, Page, expect
from show import DIST, Show, serve
from viewer_browser import WAIT_SECONDS, open_page, send_words, until

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=WAIT_SECONDS * 1000)

ALONE = "/embed/chat/readwrite"
"""The chat without the page around it."""

HOSTILE = [
    "<img src=x onerror='window.broken = 1'>",
    "<script>window.broken = 1</script>",
    "<svg onload='window.broken = 1'></svg>",
    "<svg><script>window.broken = 1</script></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror='window.broken = 1'>",
    "<a href='javascript:window.broken=1'>click</a>",
    "<a href=' java\nscript:window.broken=1'>click too</a>",
    "<a href='data:text/html,<script>parent.broken=1</script>'>data</a>",
    "<iframe srcdoc='<script>parent.broken = 1</script>'></iframe>",
    "<object data='javascript:window.broken=1'></object><embed src='javascript:window.broken=1'>",
    "<p style='position:fixed;inset:0'>over</p>",
    "<form action='//evil.example'><button>send</button></form>",
    "<img class='emoji' src='https://evil.example/x.png' alt='away'>",
    "<img class='emoji' src='/img/emoji/../../api/status' alt='inside'>",
    "<style>* { display: none }</style>words",
    "<b onclick='window.broken = 1'>bold</b>",
    "<template><img src=x onerror='window.broken = 1'></template>",
    "<p><noscript><p title='</noscript><img src=x onerror=window.broken=1>'></p>",
    "<base href='//evil.example'><meta http-equiv=refresh content='0;url=//evil.example'><link rel=stylesheet>",
    "<details open ontoggle='window.broken = 1'>",
    "<p>" + "<em>" * 3_000 + "deep",
    "<p>{{constructor.constructor('window.broken=1')()}} ${window.broken=1}</p>",
]
HOSTILE_TEXT = "<img src=x onerror='window.broken=1'>\"><script>window.broken=1</script>&lt;b&gt;{name}${1}"
CARD: Json = {
    "user": {
        **person("Ana"),
        "createdAt": "2025-11-02T10:00:00Z",
        "previousNames": ["Guest 12", "Anna", "Ana"],
        "authenticated": False,
    },
    "connectedClients": [
        {
            "id": "c1",
            "clientID": "c1",
            "connectedAt": "2026-01-02T02:00:00Z",
            "messageCount": 3,
            "user": None,
            "userAgent": "Mozilla/5.0 (X11)",
            "ipAddress": "203.0.113.7",
            "username": "Ana",
            "geo": {"countryCode": "PT", "regionName": "Lisbon", "timeZone": "Europe/Lisbon"},
        }
    ],
    "messages": [
        {**said(2, "<p>later</p>"), "rawBody": "later"},
        {**said(1, "<p>rude</p>"), "rawBody": "rude", "visible": False},
    ],
}


@pytest.fixture
def chat() -> FakeChat:
    return FakeChat()


@pytest.fixture
def show() -> Show:
    return Show(Path("/nonexistent"))


@pytest_asyncio.fixture(loop_scope="session")
async def server(chat: FakeChat, show: Show) -> AsyncIterator[TestServer]:
    if not (DIST / "index.html").is_file():
        pytest.skip("The pages have not been built: run `make setup`.")
    async with serve(show, chat) as server:
        yield server
        await chat.cut()


@pytest_asyncio.fixture(loop_scope="session")
async def chat_page(browser: Browser, server: TestServer, chat: FakeChat) -> AsyncIterator[Page]:
    """The chat alone, connected."""
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await chat.wait_connected()
        yield page


@pytest.fixture
def moderating(chat: FakeChat) -> None:
    """Whoever opens the page is a moderator, and Ana has been rude."""
    chat.scopes, chat.card = ["MODERATOR"], CARD
    chat.history = [said(1, "<p>rude</p>"), said(2, "<p>kind</p>", "Ben")]


def the_field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


def the_tool(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="Message of").get_by_role("button", name=name)


def mine(number: int, body: str) -> Json:
    """A message that I wrote."""
    return said(number, body, "Me", user=person("Me", id="me", displayColor=2))


# What is shown.


async def test_no_markup_of_a_message_becomes_the_pages(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    # Not by `open_page`: Chromium reports the inline styles that it refuses while it parses, though nothing uses them.
    page = await browser.new_page()
    await page.goto(str(server.make_url(ALONE)))
    await chat.wait_connected()
    bodies = [said(number, body, HOSTILE_TEXT) for number, body in enumerate(HOSTILE)]
    pinned = {"type": "MESSAGE_PINNED", "id": "x", "message": said(90, HOSTILE[0], HOSTILE_TEXT)}
    lines = [
        {"type": kind, "id": kind, "timestamp": at(1), "body": "".join(HOSTILE)} for kind in ("SYSTEM", "CHAT_ACTION")
    ]
    names = {
        "type": "NAME_CHANGE",
        "id": "n",
        "timestamp": at(1),
        "oldName": HOSTILE_TEXT,
        "user": person(HOSTILE_TEXT),
    }
    joined = {"type": "USER_JOINED", "id": "j", "timestamp": at(1), "user": person(HOSTILE_TEXT)}
    quote = {"id": "0", "displayName": HOSTILE_TEXT, "body": HOSTILE_TEXT}
    await chat.tell(*bodies, pinned, *lines, names, joined, said(95, "<p>x</p>", inReplyTo=quote))
    await chat.tell(said(96, "<p>the <em>end</em></p>"))
    log = page.get_by_role("log")
    await expect(log.get_by_text("the end")).to_be_visible()
    forbidden = (
        "script, style, iframe, object, embed, form, input, img, b:not(.chat-quote b), base, meta, link, template"
    )
    assert await page.locator(f".chat-body :is({forbidden}), .chat-line :is({forbidden})").count() == 0
    attributes = "[style], [onclick], [onload], [ontoggle], [onerror], [srcdoc], [title*=img]"
    assert await page.locator(f".chat-body :is({attributes}), .chat-line :is({attributes})").count() == 0
    assert await log.locator("a").count() == 0
    await expect(log).to_contain_text("away")
    for words in ("click", "click too", "data"):
        await log.get_by_text(words, exact=True).first.click()
    assert await page.evaluate("window.broken") is None
    assert page.url.endswith(ALONE)
    await page.close()


async def test_emoji_links_and_quotes_are_shown(chat_page: Page, chat: FakeChat) -> None:
    body = (
        "<p><a href='https://a.example/'>there</a> <img src='/img/emoji/party.gif' alt=':party:'><br><code>x</code></p>"
    )
    await chat.tell(said(1, body, inReplyTo={"id": "0", "displayName": "<b>Ben", "body": "<i>what?"}))
    log = chat_page.get_by_role("log")
    await expect(log.locator("a")).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    await expect(log.locator("img.emoji")).to_have_attribute("src", "/img/emoji/party.gif")
    await expect(log.locator(".chat-quote")).to_have_text("<b>Ben<i>what?")


async def test_who_came_and_left_and_what_happened_stands_in_lines(chat_page: Page, chat: FakeChat) -> None:
    joined = [
        {"type": "USER_JOINED", "id": f"j{number}", "timestamp": at(1), "user": person(name)}
        for number, name in enumerate(("Ana", "Ben", "Cem", "Dan"))
    ]
    renamed = {"type": "NAME_CHANGE", "id": "n", "timestamp": at(1), "oldName": "Ana", "user": person("Zoë", id="ana")}
    many = {"event": "USER_PARTED", "count": 30}
    parted = {"type": "CHAT_ACTION", "id": "m", "timestamp": at(1), "body": "x", "aggregated": many}
    welcome = {"type": "SYSTEM", "id": "p1", "timestamp": at(1), "body": "<p>Welcome</p>"}
    action = {"type": "CHAT_ACTION", "id": "a", "timestamp": at(1), "body": "<p>Ana dances</p>"}
    await chat.tell(*joined, renamed, parted, welcome, welcome, action)
    await expect(chat_page.locator(".chat-line")).to_have_text(
        ["Ana and 3 others joined", "Ana is now Zoë", "30 people left", "Welcome", "Ana dances"]
    )
    await expect(chat_page.locator(".chat-line").last).to_have_css("font-style", "italic")


async def test_who_speaks_to_me_is_marked(chat_page: Page, chat: FakeChat) -> None:
    quote = {"id": "0", "displayName": "Me", "body": "x"}
    await chat.tell(
        said(1, "<p>hello @me, and @nobody</p>"),
        said(2, "<p>meanwhile</p>", "Ben"),
        said(3, "<p>yes</p>", "Cem", inReplyTo=quote),
        said(4, "<p>@Ben and @Mel</p>", "Dan"),
    )
    messages = chat_page.locator(".chat-message")
    await expect(messages).to_have_count(4)
    assert [await each.get_attribute("data-mentions") for each in await messages.all()] == [
        "true",
        "false",
        "true",
        "false",
    ]
    await expect(chat_page.locator(".chat-at")).to_have_text(["@me", "@Ben"])


async def test_a_long_message_is_folded_until_it_is_wanted(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(said(1, "<p>" + "line<br>\n" * 200 + "end</p>"))
    words = chat_page.locator(".chat-words")
    await expect(words).to_have_attribute("data-folded", "true")
    assert (await words.bounding_box() or {})["height"] < 300
    await chat_page.get_by_role("button", name="Show all").click()
    await expect(words).to_have_attribute("data-folded", "false")
    assert (await words.bounding_box() or {})["height"] > 2_000


async def test_10_kb_of_anything_leave_the_layout_as_it_is(chat_page: Page, chat: FakeChat) -> None:
    await chat_page.set_viewport_size({"width": 320, "height": 640})
    long = "W" * 10_000
    towers = "e" + "\u0301" * 5_000
    quote = {"id": "0", "displayName": long, "body": long}
    pinned = {"type": "MESSAGE_PINNED", "id": "x", "message": said(90, f"<p>{long}</p>", long)}
    await chat.tell(said(1, f"<p>{long}</p>", long, inReplyTo=quote), pinned, said(2, f"<p>{towers}</p>", towers))
    await chat.tell({"type": "USER_JOINED", "id": "j", "timestamp": at(3), "user": person(long)})
    await chat.tell(said(3, "<p>" + "😀" * 2_500 + "</p>", "Ben"), said(4, "<p>the end</p>", "Ben"))
    await expect(chat_page.get_by_text("the end")).to_be_in_viewport()
    assert await chat_page.evaluate("document.documentElement.scrollWidth") <= 320
    assert await chat_page.locator(".chat-scroll").evaluate("box => box.scrollWidth - box.clientWidth") == 0
    await expect(chat_page.get_by_role("button", name="Send")).to_be_in_viewport()
    await assert_clean(chat_page, ".chat")


async def test_a_pinned_message_is_folded_away_by_readers_and_taken_down_by_moderators(
    browser: Browser, server: TestServer, chat: FakeChat
) -> None:
    pinned = {"type": "MESSAGE_PINNED", "id": "x", "message": said(1, "<p>read me</p>")}
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await chat.wait_connected()
        await chat.tell(pinned)
        note = page.get_by_role("note", name="Pinned message")
        await expect(note).to_contain_text("Ana read me")
        await note.get_by_role("button", name="Fold away").click()
        await expect(note).to_have_count(0)
    chat.scopes = ["MODERATOR"]
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await chat.wait_connected()
        await chat.tell(pinned)
        await page.get_by_role("button", name="Take the pinned message down").click()
        assert await chat.acts.get() == ("/api/chat/pin", {"id": None})
        await chat.tell({"type": "MESSAGE_UNPINNED", "id": "y"})
        await expect(page.get_by_role("note")).to_have_count(0)


async def test_names_can_be_read_whatever_colours_the_owner_chose(
    browser: Browser, server: TestServer, chat: FakeChat
) -> None:
    chat.history = [
        said(number, "<p>@Me hello</p>", f"P{number}", user=person(f"P{number}", displayColor=number))
        for number in range(8)
    ]
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await expect(page.locator(".chat-message")).to_have_count(8)
        await assert_clean(page, ".chat")
        # As the owner's CSS would, in the page's own colour and in its opposite.
        for color in ("#121217", "#fdfdff", "#777", "yellow", "color-mix(in srgb, blue, black)"):
            await page.evaluate(
                "color => { for (let n = 0; n < 8; n++)"
                "document.documentElement.style.setProperty(`--theme-color-users-${n}`, color) }",
                color,
            )
            await assert_clean(page, ".chat")


# Following, and reading further up.


async def test_the_reader_who_scrolled_up_is_left_alone(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(*(said(number, f"<p>line {number}</p>", f"P{number}") for number in range(60)))
    log = chat_page.get_by_role("log")
    await expect(log.get_by_text("line 59")).to_be_in_viewport()
    await log.evaluate("box => { box.scrollTop = 0 }")
    await expect(chat_page.get_by_role("button", name="To the newest")).to_be_visible()
    await chat.tell(*(said(number, f"<p>line {number}</p>", f"P{number}") for number in range(60, 63)))
    pill = chat_page.get_by_role("button", name="3 new")
    await expect(pill).to_be_visible()
    assert await log.evaluate("box => box.scrollTop") == 0
    await chat.tell({"type": "VISIBILITY-UPDATE", "ids": ["000062"], "visible": False})
    await chat_page.get_by_role("button", name="2 new").click()
    await expect(log.get_by_text("line 61")).to_be_in_viewport()
    await expect(pill).to_have_count(0)
    await expect(log.locator("[data-fresh] + .chat-message")).to_contain_text("line 60")


async def test_what_changes_its_height_above_moves_nothing(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(
        *(said(number, f"<p>line {number}</p>", f"P{number}", minutes=number / 100) for number in range(60))
    )
    log = chat_page.get_by_role("log")
    await expect(log.get_by_text("line 59")).to_be_in_viewport()
    place = """() => Math.round([...document.querySelectorAll(".chat-message")]
        .find((row) => row.textContent.includes("line 30")).getBoundingClientRect().top)"""
    await log.get_by_text("line 30").evaluate("row => row.scrollIntoView({ block: 'start' })")
    await expect(chat_page.get_by_role("button", name="To the newest")).to_be_visible()
    before = await chat_page.evaluate(place)
    await chat.tell(
        {"type": "VISIBILITY-UPDATE", "ids": [f"{number:06}" for number in range(10, 25)], "visible": False}
    )
    await expect(log.get_by_text("line 20")).to_have_count(0)
    assert abs(await chat_page.evaluate(place) - before) <= 1
    await chat_page.set_viewport_size({"width": 340, "height": 700})
    await until(chat_page, "innerWidth === 340")
    await chat_page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert abs(await chat_page.evaluate(place) - before) <= 1


async def test_a_page_in_the_background_marks_what_came_meanwhile(chat_page: Page, chat: FakeChat) -> None:
    hide = """hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange')) }"""
    await chat.tell(said(1, "<p>one</p>"))
    await expect(chat_page.get_by_text("one")).to_be_visible()
    await chat_page.evaluate(hide, True)
    await chat.tell(said(2, "<p>two</p>"))
    await expect(chat_page.get_by_text("two")).to_be_visible()
    await chat_page.evaluate(hide, False)
    await expect(chat_page.locator("[data-fresh] + .chat-message")).to_contain_text("two")


# Writing.


async def test_what_is_sent_stays_until_it_comes_back(chat_page: Page, chat: FakeChat) -> None:
    field = the_field(chat_page)
    await field.fill("hello")
    await send_words(chat_page)
    assert await chat.heard() == {"type": "CHAT", "body": "hello"}
    await expect(field).to_have_value("hello")
    await field.press("Enter")
    await field.press_sequentially(", and more")
    await chat.tell(mine(1, "<p>hello</p>"))
    await expect(field).to_have_value(", and more")
    assert chat.received.empty(), "what is on its way is not sent again"
    await field.fill("too much")
    await send_words(chat_page)
    await chat.heard()
    await chat.refuse("X", 2, "<p>Wait &amp; see.</p>")
    await expect(chat_page.get_by_role("alert")).to_have_text("Wait & see.")
    await expect(field).to_have_value("too much")
    send = chat_page.locator(".chat-send")
    await expect(send).to_be_disabled()
    await expect(send).to_have_text(re.compile(r"[12] s"))
    await expect(send).to_be_enabled()
    await expect(chat_page.get_by_role("alert")).to_have_count(0)


async def test_slow_mode_counts_down_in_the_button(
    browser: Browser, server: TestServer, chat: FakeChat, show: Show
) -> None:
    show.config_says = {"slowModeSeconds": 300}
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await chat.wait_connected()
        await the_field(page).fill("one")
        await send_words(page)
        await chat.heard()
        await chat.tell(mine(1, "<p>one</p>"))
        await expect(page.locator(".chat-send")).to_have_text(re.compile(r"[45]:\d\d"))
        await the_field(page).fill("two")
        await expect(page.locator(".chat-send")).to_be_disabled()


async def test_a_closed_chat_says_so_and_keeps_the_words_until_it_opens(
    chat_page: Page, chat: FakeChat, show: Show
) -> None:
    closed = chat_page.locator(".chat-closed")
    await the_field(chat_page).fill("still there?")
    for begins in (chat.tell(said(1, "<p>it began</p>")), None):
        await send_words(chat_page)
        await chat.heard()
        await chat.refuse("CHAT_CLOSED")
        await expect(closed).to_contain_text("closed until the next stream")
        await expect(the_field(chat_page)).to_have_value("still there?")
        if begins is not None:
            await begins
        else:
            show.begin()
        await expect(closed).to_have_count(0)
    show.status_says = {"chatOpen": False}
    await expect(closed).to_contain_text("closed until the next stream")


async def test_the_limit_is_counted_in_bytes_and_the_field_grows_to_four_lines(chat_page: Page) -> None:
    field = the_field(chat_page)
    height = "field => field.clientHeight"
    one = await field.evaluate(height)
    await field.fill("a\nb\nc")
    three = await field.evaluate(height)
    await field.fill("a\n" * 30)
    assert one < three < await field.evaluate(height) <= one + 3 * 20
    await field.fill("ü" * 819)
    await expect(chat_page.locator(".chat-count")).to_have_count(0)
    await field.fill("ü" * 820)
    await expect(chat_page.locator(".chat-count")).to_have_text("408 left")
    await field.fill("ü" * 1025)
    await expect(chat_page.locator(".chat-count")).to_have_text("2 bytes too long")
    await expect(chat_page.get_by_role("button", name="Send")).to_be_disabled()


async def test_a_message_can_be_answered(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(said(7, "<p>question</p>"))
    await chat_page.get_by_text("question").hover()
    await chat_page.get_by_role("button", name="Reply to Ana").click()
    field = the_field(chat_page)
    await expect(field).to_be_focused()
    await expect(chat_page.locator(".chat-replying")).to_contain_text("question")
    await field.fill("answer")
    await send_words(chat_page)
    assert await chat.heard() == {"type": "CHAT", "body": "answer", "inReplyTo": "000007"}
    await chat.tell(mine(8, "<p>answer</p>"))
    await expect(chat_page.locator(".chat-replying")).to_have_count(0)


async def test_names_are_completed_by_the_keyboard(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(said(1, "<p>x</p>", "Amber Fox"), said(2, "<p>x</p>", HOSTILE_TEXT), said(3, "<p>x</p>", "Ana"))
    await expect(chat_page.locator(".chat-message")).to_have_count(3)
    field = the_field(chat_page)
    await field.fill("hello ")
    await field.press_sequentially("@a")
    options = chat_page.get_by_role("option")
    await expect(options).to_have_text(["@Ana", "@Amber Fox"])
    await expect(options.first).to_have_attribute("aria-selected", "true")
    await field.press("ArrowDown")
    chosen = await field.get_attribute("aria-activedescendant")
    assert await options.nth(1).get_attribute("id") == chosen
    await assert_clean(chat_page, ".chat")
    await field.press("Tab")
    await expect(field).to_have_value("hello @Amber Fox ")
    await expect(field).to_be_focused()
    await field.press_sequentially("@a")
    await expect(options).to_have_count(2)
    await field.press("Escape")
    await expect(options).to_have_count(0)
    assert chat.received.empty()
    await field.fill("@")
    await options.filter(has_text="onerror").click()
    await expect(field).to_have_value(re.compile(r"^@<img src=x"))
    await expect(field).to_be_focused()


async def test_emoji_are_completed_and_picked(chat_page: Page, chat: FakeChat) -> None:
    chat.emoji = [
        {"name": "teapot-of-ours", "url": "/img/emoji/teapot.gif", "emoji": "/img/emoji/teapot.gif"},
        {"name": HOSTILE_TEXT, "url": "/img/emoji/x.gif"},
        {"name": "foreign", "url": "https://evil.example/x.gif"},
    ]
    asked: list[str] = []
    chat_page.on("request", lambda request: asked.append(request.url))
    field = the_field(chat_page)
    await field.press_sequentially("a :teapot")
    await expect(chat_page.get_by_role("option")).to_have_text([":teapot-of-ours:", "🫖teapot"])
    await field.press("ArrowUp")
    await field.press("Enter")
    await expect(field).to_have_value("a 🫖 ")

    button = chat_page.get_by_role("button", name="Emoji")
    await button.click()
    picker = chat_page.locator("emoji-picker")
    own = picker.get_by_role("menuitem", name="teapot-of-ours")
    await expect(own).to_be_visible()
    assert await picker.get_by_role("menuitem", name="foreign").count() == 0
    assert await own.evaluate("each => getComputedStyle(each, '::after').backgroundImage") != "none"
    await own.click()
    await expect(field).to_have_value("a 🫖 :teapot-of-ours:")
    await picker.get_by_role("combobox").fill("grinning cat")
    await picker.get_by_role("option", name="grinning cat,").first.click()
    await expect(field).to_have_value("a 🫖 :teapot-of-ours: 😺")
    await assert_clean(chat_page, ".chat")
    await chat_page.keyboard.press("Escape")
    await expect(picker).to_have_count(0)
    await expect(button).to_be_focused()
    origin = chat_page.url.removesuffix(ALONE)
    assert [url for url in asked if not url.startswith((origin, "data:"))] == [], "nothing is asked of others"


async def test_name_and_colour_are_changed_when_the_server_takes_them(chat_page: Page, chat: FakeChat) -> None:
    await chat_page.locator(".chat-me").click()
    dialog = chat_page.get_by_role("dialog")
    name = dialog.get_by_label("Name")
    await name.fill("Admin")
    await dialog.get_by_role("button", name="Save").click()
    assert await chat.heard() == {"type": "NAME_CHANGE", "newName": "Admin"}
    await chat.refuse("NAME_REFUSED", body="<p>That name is reserved.</p>")
    await expect(dialog.get_by_role("alert")).to_have_text("That name is reserved.")
    await expect(chat_page.locator(".chat-problem")).to_have_count(0)
    await assert_clean(chat_page, ".chat")
    await name.fill("Zoë")
    await dialog.get_by_label("Colour 4").check()
    await name.press("Enter")
    assert await chat.heard() == {"type": "NAME_CHANGE", "newName": "Zoë"}
    assert await chat.heard() == {"type": "COLOR_CHANGE", "newColor": 3}
    now = person("Zoë", id="me", displayColor=2)
    await chat.tell({"type": "NAME_CHANGE", "id": "n", "timestamp": at(1), "oldName": "Me", "user": now})
    await expect(chat_page.locator(".chat-me")).to_contain_text("Zoë")
    await expect(dialog).to_be_visible()
    await chat.tell({"type": "CONNECTED_USER_INFO", "id": "p", "user": {**now, "displayColor": 3}})
    await expect(dialog).to_have_count(0)


# Moderation.


async def test_only_moderators_have_their_tools(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    chat.history = [said(1, "<p>rude</p>")]
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await page.get_by_text("rude").hover()
        await expect(the_tool(page, "Reply to Ana")).to_be_visible()
        await expect(page.get_by_role("group", name="Message of").get_by_role("button")).to_have_count(1)


@pytest.mark.usefixtures("moderating")
async def test_a_message_is_hidden_and_leaves_a_trace_for_moderators_alone(
    browser: Browser, server: TestServer, chat_page: Page, chat: FakeChat
) -> None:
    await chat_page.get_by_text("rude").hover()
    await the_tool(chat_page, "Hide").click()
    assert await chat.acts.get() == ("/api/chat/messagevisibility", {"visible": False, "idArray": ["000001"]})
    chat.scopes = []
    async with open_page(browser, str(server.make_url(ALONE))) as other:
        await expect(other.get_by_text("rude")).to_be_visible()
        await chat.tell({"type": "VISIBILITY-UPDATE", "ids": ["000001"], "visible": False})
        await expect(other.get_by_text("rude")).to_have_count(0)
        trace = chat_page.locator("[data-hidden=true]")
        await expect(trace).to_contain_text("Hidden: rude")
        await chat_page.mouse.move(0, 0)
        await trace.hover()
        await assert_clean(chat_page, ".chat")
        await the_tool(chat_page, "Show").click()
        assert await chat.acts.get() == ("/api/chat/messagevisibility", {"visible": True, "idArray": ["000001"]})
        await chat.tell({"type": "VISIBILITY-UPDATE", "ids": ["000001"], "visible": True})
        await expect(other.get_by_text("rude")).to_be_visible()


@pytest.mark.usefixtures("moderating")
async def test_somebody_is_timed_out_and_that_is_taken_back(chat_page: Page, chat: FakeChat) -> None:
    await chat_page.get_by_text("rude").hover()
    await the_tool(chat_page, "Time out Ana").click()
    dialog = chat_page.get_by_role("dialog", name="Time out Ana")
    await expect(dialog.locator(".chat-times").get_by_role("button")).to_have_text(
        ["1 minute", "10 minutes", "1 hour", "1 day"]
    )
    await assert_clean(chat_page, ".chat")
    await dialog.get_by_role("button", name="1 hour").click()
    assert await chat.acts.get() == ("/api/chat/users/timeout", {"userId": "ana", "seconds": 3600})
    await expect(dialog).to_have_count(0)
    notice = chat_page.locator(".chat-notice")
    await expect(notice).to_contain_text("Ana cannot write for 1 hour.")
    await assert_clean(chat_page, ".chat")
    await notice.get_by_role("button", name="Undo").click()
    assert await chat.acts.get() == ("/api/chat/users/timeout", {"userId": "ana", "seconds": 0})


@pytest.mark.usefixtures("moderating")
async def test_a_ban_says_from_where_and_what_it_does(chat_page: Page, chat: FakeChat) -> None:
    await chat_page.get_by_text("rude").hover()
    await the_tool(chat_page, "Ban Ana").click()
    dialog = chat_page.get_by_role("dialog", name="Ban Ana, who is here from 203.0.113.7?")
    await expect(dialog).to_contain_text("All their messages are hidden")
    await assert_clean(chat_page, ".chat")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)
    assert chat.acts.empty()
    await chat_page.mouse.move(0, 0)
    await chat_page.get_by_text("rude").hover()
    await the_tool(chat_page, "Ban Ana").click()
    await dialog.get_by_role("button", name="Ban Ana").click()
    assert await chat.acts.get() == ("/api/chat/users/setenabled", {"userId": "ana", "enabled": False})
    await expect(chat_page.locator(".chat-notice")).to_contain_text("Ana is banned")


@pytest.mark.usefixtures("moderating")
async def test_the_card_tells_who_somebody_is(chat_page: Page, chat: FakeChat) -> None:
    await chat_page.get_by_text("rude").hover()
    await the_tool(chat_page, "About Ana").click()
    dialog = chat_page.get_by_role("dialog", name="Ana")
    for words in ("Guest 12, Anna", "1 open window", "203.0.113.7", "Mozilla/5.0 (X11)", "2 newest messages", "later"):
        await expect(dialog).to_contain_text(words)
    await expect(dialog.locator("s")).to_have_text("rude")
    await assert_clean(chat_page, ".chat")
    await dialog.get_by_role("button", name="Time out").click()
    await chat_page.get_by_role("button", name="1 minute").click()
    assert await chat.acts.get() == ("/api/chat/users/timeout", {"userId": "ana", "seconds": 60})


@pytest.mark.usefixtures("moderating")
async def test_moderators_do_not_act_on_moderators(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(said(3, "<p>me too</p>", "Mo", user=person("Mo", scopes=["MODERATOR"])))
    await chat_page.get_by_text("me too").hover()
    await expect(the_tool(chat_page, "Hide")).to_be_visible()
    assert await the_tool(chat_page, "Ban").count() == 0
    assert await the_tool(chat_page, "Time out").count() == 0


@pytest.mark.usefixtures("moderating")
async def test_the_list_stands_still_under_the_tools(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(*(said(number, f"<p>line {number}</p>", f"P{number}") for number in range(3, 60)))
    row = chat_page.locator(".chat-message", has_text="line 55")
    await row.hover()
    tool = the_tool(chat_page, "Ban P55")
    await tool.hover()
    before = await tool.bounding_box()
    await chat.tell(*(said(number, f"<p>line {number}</p>", f"P{number}") for number in range(60, 70)))
    await expect(chat_page.get_by_role("button", name="10 new")).to_be_visible()
    assert await tool.bounding_box() == before
    await chat_page.mouse.move(0, 0)
    await expect(chat_page.get_by_text("line 69")).to_be_in_viewport()


@pytest.mark.usefixtures("moderating")
async def test_everything_is_done_by_the_keyboard(chat_page: Page, chat: FakeChat) -> None:
    log = chat_page.get_by_role("log")
    await expect(log.get_by_text("kind")).to_be_visible()
    await log.focus()
    await chat_page.keyboard.press("ArrowUp")
    await expect(log.locator(".chat-message").nth(1)).to_be_focused()
    await chat_page.keyboard.press("ArrowUp")
    await expect(log.locator(".chat-message").nth(0)).to_be_focused()
    await chat_page.keyboard.press("Tab")
    await expect(the_tool(chat_page, "Reply to Ana")).to_be_focused()
    await chat_page.keyboard.press("Tab")
    await chat_page.keyboard.press("Enter")
    assert (await chat.acts.get())[1] == {"visible": False, "idArray": ["000001"]}
    await chat.tell({"type": "VISIBILITY-UPDATE", "ids": ["000001"], "visible": False})
    await expect(log.locator("[data-hidden=true]")).to_be_visible()
    # The button is gone; the focus is not.
    await until(chat_page, "document.querySelector('[role=log]').contains(document.activeElement)")
    await log.locator(".chat-message").nth(1).focus()
    await chat_page.keyboard.press("ArrowUp")
    await chat_page.keyboard.press("Tab")
    await chat_page.keyboard.press("Tab")
    await expect(the_tool(chat_page, "Time out Ana")).to_be_focused()
    await chat_page.keyboard.press("Enter")
    await expect(chat_page.get_by_role("dialog")).to_be_visible()
    await chat_page.keyboard.press("Escape")
    await expect(chat_page.get_by_role("dialog")).to_have_count(0)
    await expect(the_tool(chat_page, "Time out Ana")).to_be_focused()
    await chat_page.keyboard.press("Escape")
    await expect(log).to_be_focused()


async def test_a_tap_or_a_long_press_shows_the_tools(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    chat.history = [said(1, "<p>one</p>"), said(2, "<p>two</p>", "Ben")]
    context = await browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    page = await context.new_page()
    await page.goto(str(server.make_url(ALONE)))
    await page.get_by_text("one").tap()
    await expect(the_tool(page, "Reply to Ana")).to_be_visible()
    box = await page.get_by_text("two").bounding_box()
    assert box is not None
    protocol = await context.new_cdp_session(page)
    point = {"x": box["x"] + 5, "y": box["y"] + 5}
    await protocol.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    await expect(the_tool(page, "Reply to Ben")).to_be_visible()
    await protocol.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await expect(the_tool(page, "Reply to Ben")).to_be_visible()
    await context.close()


# The connection, and why there is none.


async def test_a_break_is_bridged_without_doubles(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(said(1, "<p>one</p>"), said(2, "<p>two</p>"))
    log = chat_page.get_by_role("log")
    await expect(log.get_by_text("two")).to_have_count(1)
    chat.history = [said(number, f"<p>{words}</p>") for number, words in enumerate(("one", "two", "three"), 1)]
    await chat.cut()
    await expect(log.get_by_text("three")).to_have_count(1)
    await chat.wait_connected()
    await chat.tell(said(4, "<p>four</p>"))
    await expect(log.get_by_text("four")).to_have_count(1)
    assert await log.locator(".chat-body").all_inner_texts() == ["one", "two", "three", "four"]
    assert chat.registered == 1


async def test_a_break_that_lasts_is_told(chat_page: Page, chat: FakeChat) -> None:
    await expect(chat_page.locator(".chat-me")).to_be_visible()
    await chat_page.route_web_socket(re.compile("/ws"), lambda socket: socket.close())
    await the_field(chat_page).fill("not lost")
    await chat.cut()
    await expect(chat_page.get_by_text("Reconnecting…")).to_be_visible()
    await expect(chat_page.get_by_role("button", name="Send")).to_be_disabled()
    await expect(the_field(chat_page)).to_have_value("not lost")
    await assert_clean(chat_page, ".chat")


async def test_a_token_that_is_not_known_is_replaced_once(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    chat.refusal = {"type": "ERROR_NEEDS_REGISTRATION", "body": "Register first."}
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await expect(page.locator(".chat-closed")).to_contain_text("does not let you in")
        assert chat.registered == 1, "a page that has just registered does not try for ever"


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("CHAT_DISABLED", "Chat is switched off."),
        ("ERROR_USER_DISABLED", "A moderator has removed you from this chat."),
        ("ERROR_MAX_CONNECTIONS_EXCEEDED", "Chat is full. You are let in as soon as there is room."),
    ],
)
async def test_a_chat_that_is_closed_says_why(
    browser: Browser, server: TestServer, chat: FakeChat, kind: str, sentence: str
) -> None:
    chat.refusal = {"type": kind, "body": "The reason."}
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await expect(page.locator(".chat-closed")).to_have_text(sentence)
        await expect(the_field(page)).to_have_count(0)
        await assert_clean(page, ".chat")


async def test_a_banned_address_is_told_so(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await chat.wait_connected()
        await expect(page.locator(".chat-me")).to_be_visible()
        chat.banned = "Your address is banned from this chat."
        await chat.cut()
        await expect(page.locator(".chat-closed")).to_have_text(chat.banned)
    async with open_page(browser, str(server.make_url(ALONE))) as page:
        await expect(page.locator(".chat-closed")).to_have_text(chat.banned)


# Where the chat is.


async def test_the_page_has_the_chat_beside_it_and_opens_it_in_a_window(
    browser: Browser, server: TestServer, chat: FakeChat
) -> None:
    chat.history = [said(1, "<p>hello</p>")]
    async with open_page(browser, str(server.make_url("/"))) as page:
        await expect(page.get_by_role("log")).to_contain_text("hello")
        async with page.context.expect_page() as opening:
            await page.get_by_role("button", name="Open in a window of its own").click()
        window = await opening.value
        await expect(window.get_by_role("log")).to_contain_text("hello")
        assert window.url.endswith(ALONE)
        await expect(window.locator(".chat-me")).to_be_visible()
        assert await window.get_by_role("button", name="Open in a window of its own").count() == 0


async def test_the_embed_to_read_has_nothing_to_write_in(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    chat.history = [said(1, "<p>hello</p>")]
    async with open_page(browser, str(server.make_url("/embed/chat/readonly"))) as page:
        await expect(page.get_by_role("log")).to_contain_text("hello")
        await page.get_by_text("hello").hover()
        assert await page.get_by_role("textbox").count() == 0
        assert await page.get_by_role("button").count() == 0
        await assert_clean(page, ".chat")


@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_everything_is_within_the_screen(chat_page: Page, chat: FakeChat, width: int, direction: str) -> None:
    await chat_page.set_viewport_size({"width": width, "height": 640})
    await chat_page.evaluate("direction => { document.documentElement.dir = direction }", direction)
    await chat.tell(said(1, "<p>" + "endless" * 60 + "</p>", "A name as long as names can be."))
    await expect(chat_page.locator(".chat-body")).to_contain_text("endless")
    assert await chat_page.evaluate("document.documentElement.scrollWidth") <= width
    await expect(chat_page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    name, words = chat_page.locator(".chat-message .chat-name"), chat_page.locator(".chat-body")
    boxes = [await each.bounding_box() for each in (name, words)]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)


async def test_whoever_reads_or_hears_it_can_use_it(chat_page: Page, chat: FakeChat) -> None:
    await chat_page.emulate_media(reduced_motion="reduce")
    await assert_clean(chat_page)
    quote = {"id": "0", "displayName": "Me", "body": "x"}
    await chat.tell(
        said(1, "<p>hello @Me <code>x</code> <a href='https://a.example'>there</a></p>", inReplyTo=quote),
        said(2, "<p>again</p>", minutes=1),
        {"type": "USER_JOINED", "id": "j", "timestamp": at(1), "user": person("Ben")},
        {"type": "CHAT_ACTION", "id": "a", "timestamp": at(1), "body": "<p>Ana dances</p>"},
        {"type": "MESSAGE_PINNED", "id": "x", "message": said(90, "<p>read me</p>")},
        said(3, "<p>mod</p>", user=person("Mo", scopes=["MODERATOR"])),
    )
    await expect(chat_page.get_by_text("Ana dances")).to_be_visible()
    await chat_page.get_by_text("again").hover()
    await expect(the_tool(chat_page, "Reply to Ana")).to_be_visible()
    await assert_clean(chat_page)
    await the_tool(chat_page, "Reply to Ana").click()
    await the_field(chat_page).fill("x" * 2_000)
    await chat.refuse("SPAM", body="<p>Too much of one.</p>")
    await expect(chat_page.locator(".chat-problem")).to_be_visible()
    await assert_clean(chat_page)
    await chat_page.get_by_role("button", name="Emoji").click()
    await expect(chat_page.locator("emoji-picker").get_by_role("menuitem").first).to_be_visible()
    await assert_clean(chat_page)


async def test_one_message_is_said_in_words_and_many_by_their_number(chat_page: Page, chat: FakeChat) -> None:
    said_aloud = chat_page.locator("[aria-live=polite]:not([role])")
    await expect(chat_page.locator(".chat-empty")).to_be_visible()
    await chat.tell(said(1, "<p>hello <em>there</em></p>"))
    await expect(said_aloud).to_have_text("Ana: hello there")
    await chat.tell(*(said(number, "<p>x</p>") for number in range(2, 22)))
    await expect(said_aloud).to_have_text("20 new messages")
    await expect(chat_page.get_by_role("log")).to_have_attribute("aria-live", "off")
