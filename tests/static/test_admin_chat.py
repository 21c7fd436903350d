"""The admin's pages for chat, in Chromium against the real application: rules, messages, people, and what was done."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from admin_pages import ATTACKS, HOSTILE, LONG, Owner, owned, picture
from playwright.async_api import Browser, Page, expect

from owncast_py.accounts.model import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = {
    "/chat": "Rules",
    "/chat/messages": "Messages",
    "/chat/people": "People",
    "/chat/bans": "Bans",
    "/chat/moderators": "Moderators",
    "/chat/emoji": "Emoji",
    "/chat/audit": "What was done",
}
LISTS = {path: title for path, title in PAGES.items() if path != "/chat"}
"""Those that look different while there is nothing."""


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path) as owner:
        yield owner


async def history(owner: Owner) -> dict[str, bool]:
    """Which messages there are by their words, and whether they are seen."""
    found = await owner.ask("/api/admin/chat/messages")
    return {each["rawBody"]: each["visible"] for each in found}


async def user_of(owner: Owner, user: User) -> dict[str, object]:
    """What the server knows of somebody."""
    found: dict[str, object] = (await owner.ask(f"/api/admin/users/{user.id}"))["user"]
    return found


async def choose(page: Page, name: str, action: str) -> None:
    """Something from the menu of somebody, of the first one that there is."""
    await page.get_by_role("button", name=f"Actions: {name}").first.click()
    # Some say in a second line what they do; others are the beginning of a longer one.
    await page.get_by_role("menuitem", name=action, exact=action in ("Ban", "Delete")).click()


# Rules.


async def test_every_rule_is_set_seen_and_refused_at_its_field(owner: Owner) -> None:
    page = await owner.open("/chat", "Rules")
    for name in ("Refuse links", "Refuse slurs", "Refuse what looks like spam", "Only people who have been here"):
        await page.get_by_role("switch", name=name).click()
        await expect(page.get_by_role("switch", name=name)).to_be_checked()
    await page.get_by_label("After a show, chat stays open for").select_option(label="all the time")
    await page.get_by_label("Messages are deleted after").select_option(label="7 days")
    await page.get_by_label("Welcome").fill("Hello *there*")
    await page.get_by_label("Fast is more than").fill("5")
    await page.get_by_label("Within").fill("4")
    await page.get_by_label("“For a while” is").fill("30")
    await page.get_by_label("Words that are refused").fill("coffee,decaf,")
    await page.get_by_label("Slow mode").fill("4000")
    await page.locator(".save-bar").get_by_role("button", name="Save").click()
    slow = page.locator(".field", has=page.get_by_label("Slow mode"))
    await expect(slow.locator(".field-error")).to_contain_text("less than or equal to 3600")
    await expect(page.locator(".field-error")).to_have_count(1)
    await page.get_by_label("Slow mode").fill("20")
    await owner.save()
    config = await owner.ask("/api/admin/serverconfig")
    assert config["chat"] == {
        "slowModeSeconds": 20,
        "blockLinks": True,
        "blockedWords": ["coffee", "decaf"],
        "spamFilterEnabled": True,
        "rateLimitMessages": 5,
        "rateLimitSeconds": 4,
        "establishedAfter": 1_800,
        "openMinutesAfterStream": None,
        "retentionHours": 168,
    }
    assert (config["chatEstablishedUserMode"], config["chatSlurFilterEnabled"]) == (True, True)
    assert (await owner.ask("/api/config"))["slowModeSeconds"] == 20
    await owner.set("chat/retentionhours", 36)
    await page.reload()
    await expect(page.get_by_label("Messages are deleted after")).to_have_value("36")
    await expect(page.get_by_label("After a show, chat stays open for")).to_have_value("always")
    async with page.expect_response(lambda answer: "/config/chat/disable" in answer.url):
        await page.get_by_role("switch", name="Switch chat off").click()
    await expect(page.get_by_role("switch", name="Switch chat off")).to_be_checked()
    assert (await owner.ask("/api/config"))["chatDisabled"] is True


# Messages.


async def test_messages_are_hidden_one_by_one_and_together(owner: Owner) -> None:
    ana, troll = await owner.comes("Ana"), await owner.comes("Troll")
    await owner.says(ana, "Good evening")
    await owner.says(troll, *(f"spam {number}" for number in range(12)))
    page = await owner.open("/chat/messages", "Messages")
    rows = page.locator(".message")
    await expect(rows).to_have_count(13)
    await expect(rows.first).to_contain_text("spam 11")
    await rows.first.get_by_role("button", name="Hide").click()
    await expect(rows.first.get_by_text("hidden")).to_be_visible()
    assert (await history(owner))["spam 11"] is False
    await page.get_by_role("button", name="Undo").click()
    await expect(rows.first.get_by_text("hidden")).to_have_count(0)
    for box in await page.get_by_label("Choose the message of Troll").all():
        await box.check()
    await page.get_by_role("button", name="Hide 12 messages").click()
    await expect(page.get_by_text("12 messages hidden")).to_be_visible()
    assert [words for words, visible in (await history(owner)).items() if visible] == ["Good evening"]
    await page.reload()
    await expect(page.locator(".message[data-hidden=true]")).to_have_count(12)
    await page.get_by_label("All that are shown here").check()
    await page.get_by_role("button", name="Show 12 messages").click()
    await expect(page.locator(".message[data-hidden=true]")).to_have_count(0)
    await page.get_by_label("Search in messages").fill("EVENING")
    await expect(rows).to_have_count(1)
    await page.get_by_label("Search in messages").fill("nothing like it")
    await expect(page.get_by_text("Nothing matches “nothing like it”.")).to_be_visible()


async def test_what_is_new_waits_and_what_is_hidden_elsewhere_is_seen(owner: Owner) -> None:
    ana = await owner.comes("Ana")
    await owner.says(ana, *(f"number {number}" for number in range(120)))
    page = await owner.open("/chat/messages", "Messages")
    rows = page.locator(".message")
    await expect(rows).to_have_count(100)
    place = "document.querySelectorAll('.message')[40].getBoundingClientRect().top"
    await rows.nth(40).scroll_into_view_if_needed()
    before = await page.evaluate(place)
    await owner.says(ana, "hot off the press")
    newest = (await owner.ask("/api/admin/chat/messages?limit=2"))[0]["id"]
    await owner.ask("/api/admin/chat/messagevisibility", {"visible": False, "idArray": [newest]})
    await expect(page.get_by_role("button", name="1 new message")).to_be_visible()
    await expect(rows.first.get_by_text("hidden")).to_have_count(1)
    # Less than a pixel is the fraction of a line.
    assert abs(await page.evaluate(place) - before) < 1
    assert await rows.count() == 100
    await page.get_by_role("button", name="1 new message").click()
    await expect(rows.first).to_contain_text("hot off the press")
    await page.get_by_role("button", name="Show older ones").click()
    await expect(rows).to_have_count(121)
    await expect(rows.last).to_contain_text("number 0")
    await rows.last.get_by_role("button", name="Ana").click()
    await expect(page.get_by_role("dialog", name="Ana")).to_contain_text("100 messages, the newest first")


# People.


async def test_people_are_found_and_acted_on(owner: Owner) -> None:
    ana, ben, troll = await owner.comes("Ana"), await owner.comes("Ben"), await owner.comes("Troll", agent="curl/8")
    await owner.comes("Elsewhere", address="198.51.100.1")
    await owner.home.chat.accounts.rename(troll.id, "Trollolo")
    await owner.says(troll, "spam")
    page = await owner.open("/chat/people", "People")
    here, known = page.get_by_role("region", name="In chat now"), page.get_by_role("region", name="Everybody who was")
    await expect(here.get_by_role("row", name="Trollolo")).to_contain_text("203.0.113.7")
    await expect(here.get_by_role("row", name="Trollolo")).to_contain_text("curl/8")
    await expect(known.get_by_role("row", name="Trollolo")).to_contain_text("Troll")

    await here.get_by_role("button", name="Trollolo", exact=True).click()
    card = page.get_by_role("dialog", name="Trollolo")
    await expect(card).to_contain_text("203.0.113.7")
    await expect(card.get_by_role("list", name="1 message")).to_contain_text("spam")
    await page.keyboard.press("Escape")

    await choose(page, "Trollolo", "Make pause")
    await page.get_by_role("dialog").get_by_role("button", name="10 minutes").click()
    await expect(here.get_by_role("row", name="Trollolo")).to_contain_text("paused")
    assert "timedOutUntil" in await user_of(owner, troll)
    await choose(page, "Trollolo", "End the pause")
    await expect(here.get_by_role("row", name="Trollolo")).not_to_contain_text("paused")

    await choose(page, "Trollolo", "Ban 203.0.113.7")
    question = page.get_by_role("dialog", name="Ban Trollolo from 203.0.113.7?")
    await expect(question).to_contain_text("2 others use this address now.")
    await question.get_by_role("button", name="Cancel").click()
    assert await owner.ask("/api/admin/chat/users/ipbans") == []
    await choose(page, "Elsewhere", "Ban 198.51.100.1")
    await expect(page.get_by_role("dialog")).to_contain_text("Nobody else is in chat from this address now.")
    await page.get_by_role("dialog").get_by_role("button", name="Ban 198.51.100.1").click()
    await expect(page.get_by_text("198.51.100.1 is banned")).to_be_visible()
    (ban,) = await owner.ask("/api/admin/chat/users/ipbans")
    assert (ban["ipAddress"], ban["notes"]) == ("198.51.100.1", "Elsewhere")

    await choose(page, "Trollolo", "Ban")
    await page.get_by_role("dialog").get_by_role("button", name="Ban", exact=True).click()
    await expect(known.get_by_role("row", name="Trollolo")).to_contain_text("banned")
    assert (await history(owner))["spam"] is False
    await page.get_by_role("button", name="Undo").last.click()
    await expect(known.get_by_role("row", name="Trollolo")).not_to_contain_text("banned")
    assert "disabledAt" not in await user_of(owner, troll)

    await choose(page, "Ana", "Make a moderator")
    await expect(known.get_by_role("row", name="Ana")).to_contain_text("moderator")
    assert "MODERATOR" in (await user_of(owner, ana))["scopes"]  # type: ignore[operator]
    await choose(page, "Ben", "Delete")
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(known.get_by_role("row", name="Ben")).to_have_count(0)
    assert (await owner.ask("/api/admin/users?search=Ben"))["total"] == 0
    assert ben.display_name == "Ben"

    await known.get_by_label("Search by name").fill("troll")
    await expect(known.get_by_role("row", name="Ana")).to_have_count(0)
    await known.get_by_label("Show").select_option(label="moderators")
    await expect(known.get_by_text("Nobody is found.")).to_be_visible()
    await known.get_by_label("Search by name").fill("")
    await expect(known.get_by_role("row", name="Ana")).to_be_visible()


async def test_a_crowd_is_paged(owner: Owner) -> None:
    for number in range(60):
        await owner.home.chat.accounts.register(f"Guest {number}")
    page = await owner.open("/chat/people", "People")
    known = page.get_by_role("region", name="Everybody who was")
    await expect(known.locator("tbody tr")).to_have_count(50)
    await known.get_by_role("button", name="Older").click()
    await expect(known.get_by_text("51 to 60 of 60")).to_be_visible()
    await expect(known.get_by_role("button", name="Older")).to_be_disabled()
    await known.get_by_label("Search by name").fill("Guest 5")
    await expect(known.get_by_text("11 in all")).to_be_visible()


async def test_bans_are_made_by_hand_and_lifted(owner: Owner) -> None:
    troll = await owner.comes("Troll")
    await owner.ask("/api/admin/chat/users/setenabled", {"userId": troll.id, "enabled": False})
    page = await owner.open("/chat/bans", "Bans")
    await page.get_by_role("button", name="Ban an address").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Address").fill("nonsense")
    await dialog.get_by_label("Note").fill("spam all night")
    await dialog.get_by_role("button", name="Ban", exact=True).click()
    address = dialog.locator(".field", has=page.get_by_label("Address"))
    await expect(address.locator(".field-error")).to_contain_text("nonsense")
    await dialog.get_by_label("Address").fill("198.51.100.0/24")
    await dialog.get_by_label("Note").fill("x" * 201)
    await dialog.get_by_role("button", name="Ban", exact=True).click()
    note = dialog.locator(".field", has=page.get_by_label("Note"))
    await expect(note.locator(".field-error")).to_contain_text("200 characters")
    await dialog.get_by_label("Note").fill("spam all night")
    await dialog.get_by_role("button", name="Ban", exact=True).click()
    await expect(dialog).to_have_count(0)
    await page.reload()
    row = page.get_by_role("row", name="198.51.100.0/24")
    await expect(row).to_contain_text("spam all night")
    await row.get_by_role("button", name="Lift").click()
    await expect(row).to_have_count(0)
    assert await owner.ask("/api/admin/chat/users/ipbans") == []
    await page.get_by_role("button", name="Undo").click()
    await expect(row).to_contain_text("spam all night")
    await page.get_by_role("row", name="Troll").get_by_role("button", name="Lift the ban").click()
    await expect(page.get_by_text("Nobody is banned")).to_be_visible()
    assert await owner.ask("/api/admin/chat/users/disabled") == []


async def test_moderators_are_chosen_among_those_who_came(owner: Owner) -> None:
    await owner.comes("Ana")
    mo = await owner.comes("Mo")
    page = await owner.open("/chat/moderators", "Moderators")
    await expect(page.get_by_text("No moderators yet")).to_be_visible()
    await page.get_by_role("button", name="Add a moderator").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Search by name").fill("mo")
    await expect(dialog.get_by_role("listitem")).to_have_count(1)
    await dialog.get_by_role("listitem").get_by_role("button", name="Make a moderator").click()
    await expect(dialog.get_by_text("Nobody is found.")).to_be_visible()
    await page.keyboard.press("Escape")
    assert "MODERATOR" in (await user_of(owner, mo))["scopes"]  # type: ignore[operator]
    await page.reload()
    await page.get_by_role("row", name="Mo").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("No moderators yet")).to_be_visible()
    assert await owner.ask("/api/admin/chat/users/moderators") == []


async def test_emoji_are_added_by_their_names_and_come_back(owner: Owner) -> None:
    page = await owner.open("/chat/emoji", "Emoji")
    files = [
        {"name": "hot tea.png", "mimeType": "image/png", "buffer": picture()},
        {"name": "cup.gif", "mimeType": "image/gif", "buffer": b"no picture"},
    ]
    await page.locator("input[type=file]").set_input_files(files)  # type: ignore[arg-type]
    names = page.get_by_label("Name")
    await expect(names.first).to_have_value("hot_tea")
    await names.first.fill("hot tea!")
    await page.get_by_role("button", name="Add 2 emoji").click()
    await expect(page.locator(".field-error")).to_have_count(2)
    await expect(page.locator(".field-error").first).to_contain_text("cannot be an emoji's name")
    await names.first.fill("tea")
    await page.get_by_role("button", name="Add 2 emoji").click()
    await expect(page.locator(".emoji-card code")).to_have_text(":tea:")
    await expect(names).to_have_count(1)
    await page.get_by_role("button", name="Discard").click()
    (before,) = await owner.ask("/api/emoji")
    await page.reload()
    await page.get_by_role("button", name="Delete tea").click()
    await expect(page.get_by_text("No emoji of your own yet")).to_be_visible()
    assert await owner.ask("/api/emoji") == []
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator(".emoji-card code")).to_have_text(":tea:")
    assert await owner.ask("/api/emoji") == [before]


async def test_what_was_done_is_found_and_paged(owner: Owner) -> None:
    for number in range(30):
        await owner.set("streamtitle", f"Infusion {number}")
    await owner.ask("/api/admin/chat/users/ipbans/create", {"value": "203.0.113.9", "notes": "spam"})
    page = await owner.open("/chat/audit", "What was done")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(25)
    await expect(rows.first).to_contain_text("banned an address")
    await expect(rows.first).to_contain_text("203.0.113.9/32 · spam")
    await page.get_by_role("button", name="Show older ones").click()
    await expect(rows).to_have_count(31)
    await page.get_by_label("Search").fill("BAN ADDRESS")
    await expect(rows).to_have_count(1)
    await page.get_by_label("Search").fill("nothing like it")
    await expect(page.get_by_text("Nothing matches “nothing like it”.")).to_be_visible()


# What nobody should write, for everybody's eyes.


async def peopled(owner: Owner, name: str, words: str) -> None:
    """Somebody of that name wrote that, moderates, and is banned; and another one is there."""
    user = await owner.comes(name, agent=name[:256])
    await owner.says(user, words)
    await owner.home.chat.posting.action("went for tea")
    await owner.home.chat.posting.system("The kettle is on")
    gone = await owner.comes(name)
    await owner.ask("/api/admin/chat/users/setmoderator", {"userId": user.id, "isModerator": True})
    await owner.ask("/api/admin/chat/users/setenabled", {"userId": gone.id, "enabled": False})
    ban = {"value": "2001:db8:1111:2222:3333:4444:5555:6666", "notes": name[:200]}
    await owner.ask("/api/admin/chat/users/ipbans/create", ban)
    await owner.set("welcomemessage", words[:2_000])
    for setting in ("blockedwords", "forbiddenusernames", "suggestedusernames"):
        await owner.set(f"chat/{setting}", [name[:60]])
    emoji = base64.b64encode(picture()).decode()
    await owner.ask("/api/admin/emoji/upload", {"name": f"{'W' * 50}.png", "data": emoji})


async def test_nothing_of_an_attack_runs_and_everything_is_shown_as_it_is(owner: Owner) -> None:
    await peopled(owner, HOSTILE, HOSTILE)
    for path, title in PAGES.items():
        page = await owner.turn(path, title)
        await owner.whole()
        assert await page.locator("main script, main iframe, main svg[onload], main [onerror]").count() == 0
    page = await owner.open("/chat/people", "People")
    await expect(page.locator(".person-name").first).to_contain_text(ATTACKS[0])
    await page.locator(".person-name").first.click()
    await expect(page.get_by_role("dialog")).to_contain_text(ATTACKS[1])
    await expect(page.get_by_role("dialog").locator("h3").first).to_be_visible()
    await owner.whole()
    await page.keyboard.press("Escape")
    for action in ("Ban", "Delete", "Make pause"):
        await page.get_by_role("button", name="Actions: ").first.click()
        await page.get_by_role("menuitem", name=action).first.click()
        await expect(page.get_by_role("dialog")).to_contain_text(ATTACKS[0])
        await owner.whole()
        await page.keyboard.press("Escape")


async def test_ten_thousand_letters_in_each_place_leave_the_pages_in_shape(owner: Owner) -> None:
    await peopled(owner, LONG, LONG)
    for path, title in PAGES.items():
        page = await owner.turn(path, title)
        await owner.whole()
        for field in await page.locator("main input.input[type=text], main input[type=search], main textarea").all():
            await field.fill(LONG)
        await owner.whole()
        if await page.locator(".save-bar").count():
            await page.locator(".save-bar").get_by_role("button", name="Discard").click()


# For everybody.


@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
async def test_axe_finds_nothing_and_nothing_sticks_out(owner: Owner, full: bool) -> None:
    if full:
        await peopled(owner, "Ana", "Good evening")
    for path, title in (PAGES if full else LISTS).items():
        await owner.turn(path, title)
        await owner.accessible()
        await owner.whole()


async def test_axe_finds_nothing_in_menus_and_dialogs(owner: Owner) -> None:
    await peopled(owner, "Ana", "Good evening")
    page = await owner.open("/chat/people", "People")
    await page.get_by_role("button", name="Actions: Ana").first.click()
    await expect(page.get_by_role("menu")).to_be_visible()
    await owner.accessible()
    await page.keyboard.press("Escape")
    for action in ("What is known", "Ban 203.0.113.7"):
        await choose(page, "Ana", action)
        await expect(page.get_by_role("dialog")).to_be_visible()
        await expect(page.get_by_role("dialog").locator(".loading")).to_have_count(0)
        await owner.accessible()
        await page.keyboard.press("Escape")
    for path, title, button in (
        ("/chat/bans", "Bans", "Ban an address"),
        ("/chat/moderators", "Moderators", "Add a moderator"),
    ):
        page = await owner.open(path, title)
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_role("dialog").locator(".loading")).to_have_count(0)
        await owner.accessible()
