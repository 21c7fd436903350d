"""The page's chat in Chromium, against a chat that does what a test says: hostile bodies, refusals, breaks, floods."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from fake_chat import FakeChat, said
from playwright.async_api import Browser, Page, expect
from show import DIST, serve_chat
from viewer_browser import WAIT_SECONDS, open_page, until

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=WAIT_SECONDS * 1000)

HOSTILE = [
    "<img src=x onerror='window.broken = 1'>",
    "<script>window.broken = 1</script>",
    "<svg onload='window.broken = 1'></svg>",
    "<a href='javascript:window.broken=1'>click</a>",
    "<iframe srcdoc='<script>parent.broken = 1</script>'></iframe>",
    "<p style='position:fixed;inset:0'>over</p>",
    "<form action='//evil.example'><button>send</button></form>",
    "<img class='emoji' src='https://evil.example/x.png' alt='away'>",
    "<img class='emoji' src='/img/emoji/../../api/status' alt='inside'>",
    "<style>* { display: none }</style>words",
    "<b onclick='window.broken = 1'>bold</b>",
]


@pytest.fixture
def chat() -> FakeChat:
    return FakeChat()


@pytest_asyncio.fixture(loop_scope="session")
async def server(chat: FakeChat) -> AsyncIterator[TestServer]:
    if not (DIST / "index.html").is_file():
        pytest.skip("The pages have not been built: run `make setup`.")
    async with serve_chat(chat) as server:
        yield server
        await chat.cut()


@pytest_asyncio.fixture(loop_scope="session")
async def chat_page(browser: Browser, server: TestServer, chat: FakeChat) -> AsyncIterator[Page]:
    """The page, connected to the chat unless that refuses."""
    async with open_page(browser, str(server.make_url("/"))) as page:
        if chat.refusal is None:
            await chat.wait_connected()
        yield page


async def test_no_markup_of_a_message_becomes_the_pages(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    # Not by `open_page`: Chromium reports the inline styles that it refuses while it parses, though nothing uses them.
    page = await browser.new_page()
    await page.goto(str(server.make_url("/")))
    await chat.wait_connected()
    await chat.tell(*(said(number, body) for number, body in enumerate(HOSTILE)), said(50, "<p>the <em>end</em></p>"))
    log = page.get_by_role("log")
    await expect(log.locator("em")).to_have_text("end")
    assert await log.locator("script, style, svg, iframe, form, input, img, b, [style], [onclick]").count() == 0
    assert await log.locator("a").count() == 0
    await expect(log).to_contain_text("away")
    await log.get_by_text("click").click()
    assert await page.evaluate("window.broken") is None
    await page.close()


async def test_emoji_links_and_quotes_are_shown(chat_page: Page, chat: FakeChat) -> None:
    body = (
        "<p><a href='https://a.example/'>there</a> <img src='/img/emoji/party.gif' alt=':party:'><br><code>x</code></p>"
    )
    await chat.tell(said(1, body, inReplyTo={"id": "0", "displayName": "<b>Ben", "body": "<i>what?"}))
    log = chat_page.get_by_role("log")
    await expect(log.locator("a")).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    await expect(log.locator("img.emoji")).to_have_attribute("src", "/img/emoji/party.gif")
    await expect(log.locator(".chat-quote")).to_have_text("<b>Ben <i>what?")


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


async def test_what_is_sent_stays_until_it_comes_back(chat_page: Page, chat: FakeChat) -> None:
    field = chat_page.get_by_role("textbox", name="Message")
    await field.fill("hello")
    await field.press("Enter")
    assert await chat.received.get() == {"type": "CHAT", "body": "hello"}
    await expect(field).to_have_value("hello")
    await chat.tell(said(1, "<p>hello</p>", "Me", "me"))
    await expect(field).to_have_value("")
    await field.fill("too much")
    await field.press("Enter")
    await chat.received.get()
    refusal = {"type": "SYSTEM", "id": "p", "body": "<p>Wait &amp; see.</p>", "error": {"code": "X", "retryAfter": 2}}
    await chat.tell(refusal)
    await expect(chat_page.get_by_role("alert")).to_have_text("Wait & see.")
    await expect(field).to_have_value("too much")
    send = chat_page.locator(".chat-composer .chat-send")
    await expect(send).to_be_disabled()
    await expect(send).to_have_text("Send")
    await expect(send).to_be_enabled()


async def test_a_message_can_be_answered(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(said(7, "<p>question</p>"))
    await chat_page.get_by_text("question").hover()
    await chat_page.get_by_role("button", name="Reply to Ana").click()
    field = chat_page.get_by_role("textbox", name="Message")
    await expect(field).to_be_focused()
    await field.fill("answer")
    await field.press("Enter")
    assert await chat.received.get() == {"type": "CHAT", "body": "answer", "inReplyTo": "000007"}


async def test_the_reader_who_scrolled_up_is_left_alone(chat_page: Page, chat: FakeChat) -> None:
    await chat.tell(*(said(number, f"<p>line {number}</p>", user=f"u{number}") for number in range(60)))
    log = chat_page.get_by_role("log")
    await expect(log.get_by_text("line 59")).to_be_in_viewport()
    await log.evaluate("box => { box.scrollTop = 0 }")
    await until(chat_page, "document.querySelector('.chat-scroll').scrollTop === 0")
    await chat.tell(*(said(number, f"<p>line {number}</p>", user=f"u{number}") for number in range(60, 63)))
    pill = chat_page.get_by_role("button", name="3 new")
    await expect(pill).to_be_visible()
    assert await log.evaluate("box => box.scrollTop") == 0
    await pill.click()
    await expect(log.get_by_text("line 62")).to_be_in_viewport()
    await expect(pill).to_have_count(0)


async def test_only_moderators_have_their_tools(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    chat.history = [said(1, "<p>rude</p>")]
    async with open_page(browser, str(server.make_url("/"))) as page:
        await expect(page.get_by_text("rude")).to_be_visible()
        assert await page.get_by_role("button", name="Ban Ana", include_hidden=True).count() == 0
    chat.scopes = ["MODERATOR"]
    async with open_page(browser, str(server.make_url("/"))) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_text("rude").hover()
        for button, path, document in (
            ("Hide this message of Ana", "/api/chat/messagevisibility", {"visible": False, "idArray": ["000001"]}),
            ("Pause Ana for 10 minutes", "/api/chat/users/timeout", {"userId": "ana", "seconds": 600}),
            ("Ban Ana", "/api/chat/users/setenabled", {"userId": "ana", "enabled": False}),
        ):
            await page.get_by_role("button", name=button).click()
            assert await chat.acts.get() == (path, document)
        await chat.wait_connected()
        await chat.tell({"type": "VISIBILITY-UPDATE", "ids": ["000001"], "visible": False})
        await expect(page.get_by_text("rude")).to_have_count(0)


async def test_a_token_that_is_not_known_is_replaced_once(browser: Browser, server: TestServer, chat: FakeChat) -> None:
    chat.refusal = {"type": "ERROR_NEEDS_REGISTRATION", "body": "Register first."}
    async with open_page(browser, str(server.make_url("/"))) as page:
        await expect(page.locator(".chat-closed")).to_have_text("Register first.")
        assert chat.registered == 1, "a page that has just registered does not try for ever"


@pytest.mark.parametrize("kind", ["CHAT_DISABLED", "ERROR_USER_DISABLED", "ERROR_MAX_CONNECTIONS_EXCEEDED"])
async def test_a_chat_that_is_closed_says_why(browser: Browser, server: TestServer, chat: FakeChat, kind: str) -> None:
    chat.refusal = {"type": kind, "body": "The reason."}
    async with open_page(browser, str(server.make_url("/"))) as page:
        await expect(page.locator(".chat-closed")).to_have_text("The reason.")
        await expect(page.get_by_role("textbox", name="Message")).to_have_count(0)


async def test_on_a_phone_everything_is_within_the_screen(chat_page: Page, chat: FakeChat) -> None:
    await chat_page.set_viewport_size({"width": 320, "height": 640})
    await chat.tell(said(1, "<p>" + "endless" * 60 + "</p>", "A name as long as names can be."))
    await expect(chat_page.locator(".chat-body")).to_contain_text("endless")
    assert await chat_page.evaluate("document.documentElement.scrollWidth") <= 320
    await expect(chat_page.get_by_role("button", name="Send")).to_be_visible()
