"""The admin's pages for content, in Chromium against the real application: what is set there is what viewers get."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from admin_pages import ATTACKS, HOSTILE, LONG, Owner, owned, picture
from playwright.async_api import Browser, Locator, expect
from viewer_browser import open_page

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = {
    "/general": "General",
    "/page": "Page",
    "/appearance": "Appearance",
    "/pictures": "Logo and icon",
    "/links": "Links",
    "/schedule": "Schedule",
    "/directory": "Directory",
}
LISTS = {path: PAGES[path] for path in ("/page", "/links", "/schedule")}
"""Those that look different while there is nothing."""
TOO_LONG = "at most"


@pytest_asyncio.fixture(loop_scope="session")
async def owner(browser: Browser, tmp_path: Path) -> AsyncIterator[Owner]:
    async with owned(browser, tmp_path, timezone_id="Europe/Berlin") as owner:
        yield owner


async def config(owner: Owner) -> dict[str, object]:
    """What viewers are told."""
    found: dict[str, object] = await owner.ask("/api/config")
    return found


def field_error(field: Locator) -> Locator:
    """The server's sentence at a field."""
    return field.locator("xpath=ancestor::div[contains(@class, 'field')][1]").locator(".field-error")


# What is set is seen.


async def test_general_is_saved_and_a_refusal_stands_at_its_field(owner: Owner) -> None:
    page = await owner.open("/general", "General")
    await page.get_by_label("Title of the stream").fill("Oolong")
    await page.get_by_label("Public address").fill("nonsense")
    await page.locator(".save-bar").get_by_role("button", name="Save").click()
    await expect(field_error(page.get_by_label("Public address"))).to_contain_text("such as https://")
    await expect(page.get_by_label("Title of the stream")).to_have_value("Oolong")
    assert ((await config(owner))["streamTitle"], await page.locator(".field-error").count()) == ("Oolong", 1)
    await page.get_by_label("Public address").fill("https://tea.example")
    await owner.save()
    await page.reload()
    await expect(page.get_by_label("Public address")).to_have_value("https://tea.example")
    await page.get_by_role("switch", name="Not safe for work").click()
    # The way back is there once the change is kept.
    await expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert (await config(owner))["nsfw"] is True
    async with page.expect_response(lambda answer: "/config/nsfw" in answer.url):
        await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("switch", name="Not safe for work")).not_to_be_checked()
    assert (await config(owner))["nsfw"] is False


async def test_the_about_page_is_previewed_as_viewers_get_it(browser: Browser, owner: Owner) -> None:
    page = await owner.open("/page", "Page")
    await page.get_by_role("textbox", name="About").fill("# Tea\n\n**hot**\n\n| a |\n|-|\n| b |")
    preview = page.get_by_role("region", name="Preview: About")
    await expect(preview.locator("strong")).to_have_text("hot")
    await expect(preview.get_by_role("cell", name="b")).to_be_visible()
    assert (await config(owner))["extraPageContent"] == ""
    await page.get_by_role("textbox", name="While you are offline").fill("Back *soon*")
    await owner.save()
    shown = await preview.locator(".prose").inner_text()
    async with open_page(browser, owner.address) as viewer:
        await expect(viewer.locator("strong")).to_have_text("hot")
        await expect(viewer.locator("em")).to_have_text("soon")
        assert await viewer.locator(".prose", has_text="hot").inner_text() == shown
    await page.get_by_role("textbox", name="While you are offline").fill("x" * 2_001)
    await page.locator(".save-bar").get_by_role("button", name="Save").click()
    await expect(field_error(page.get_by_role("textbox", name="While you are offline"))).to_contain_text(TOO_LONG)
    await page.set_viewport_size({"width": 320, "height": 800})
    await expect(preview).to_be_hidden()
    tabs = page.get_by_role("tablist", name="About")
    await tabs.get_by_role("tab", name="Write").focus()
    await page.keyboard.press("ArrowRight")
    await expect(preview).to_be_visible()
    await expect(page.get_by_role("textbox", name="About")).to_be_hidden()


async def test_colours_are_chosen_for_each_theme_and_a_poor_contrast_is_said(browser: Browser, owner: Owner) -> None:
    page = await owner.open("/appearance", "Appearance")
    await expect(page.get_by_text("hard to read")).to_have_count(0)
    await page.get_by_label("Accent, in the light theme", exact=True).fill("#eeeeee")
    await expect(page.get_by_text("Light theme: “Accent” is hard to read on “Background”")).to_be_visible()
    await page.get_by_label("Accent, in the light theme", exact=True).fill("#006644")
    await expect(page.get_by_text("hard to read")).to_have_count(0)
    light = page.locator(".mock[data-theme=light] .mock-link")
    assert await light.evaluate("each => getComputedStyle(each).color") == "rgb(0, 102, 68)"
    assert await page.locator(".mock[data-theme=dark] .mock-link").evaluate("each => getComputedStyle(each).color") == (
        "rgb(165, 163, 255)"
    )
    await page.get_by_label("Live, in the dark theme", exact=True).fill("bluish")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("This is no colour.")).to_be_visible()
    await page.get_by_label("Live, in the dark theme", exact=True).fill("")
    await page.get_by_label("Live, in the light theme, choose").fill("#ff0000")
    await page.get_by_label("Corners").fill("2px")
    await owner.save()
    variables = (await config(owner))["appearanceVariables"]
    assert variables == {
        "theme-color-action": "light-dark(#006644, #a5a3ff)",
        "theme-color-components-video-live-indicator": "light-dark(#ff0000, #d92c3f)",
        "theme-rounded-corners": "2px",
    }
    for scheme, color in (("light", "rgb(0, 102, 68)"), ("dark", "rgb(165, 163, 255)")):
        async with open_page(browser, owner.address, color_scheme=scheme) as viewer:
            made = "document.body.appendChild(Object.assign(document.createElement('a'), { href: '#' }))"
            assert await viewer.evaluate(f"getComputedStyle({made}).color") == color
    await page.reload()
    await expect(page.get_by_label("Accent, in the light theme", exact=True)).to_have_value("#006644")
    await page.get_by_role("button", name="Accent: back to how it comes").click()
    await owner.save()
    assert "theme-color-action" not in (await config(owner))["appearanceVariables"]  # type: ignore[operator]
    await page.get_by_label("Corners").fill("2px; } body { display: none")
    await page.locator(".save-bar").get_by_role("button", name="Save").click()
    await expect(page.locator(".looks .field-error")).to_contain_text("cannot be")


async def test_own_css_and_javascript_are_typed_and_used(browser: Browser, owner: Owner) -> None:
    page = await owner.open("/appearance", "Appearance")
    await expect(page.get_by_text("JavaScript can do everything")).to_be_visible()
    css = page.get_by_label("Your own CSS")
    await css.click()
    await page.keyboard.type("body {")
    await page.keyboard.press("Tab")
    await page.keyboard.type("outline: rgb(1, 2, 3) solid 1px }")
    await expect(css).to_have_value("body {  outline: rgb(1, 2, 3) solid 1px }")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Tab")
    await expect(css).not_to_be_focused()
    await page.get_by_label("Your own JavaScript").fill("document.documentElement.dataset.tea = 'ready'")
    await owner.save()
    async with open_page(browser, owner.address) as viewer:
        await expect(viewer.locator("html[data-tea=ready]")).to_have_count(1)
        assert await viewer.evaluate("getComputedStyle(document.body).outlineColor") == "rgb(1, 2, 3)"


async def test_logo_and_icon_are_seen_before_they_are_sent_and_can_be_taken_back(owner: Owner) -> None:
    page = await owner.open("/pictures", "Logo and icon")
    for title, size in (("Logo", (96, 48)), ("Icon", (32, 32))):
        section = page.get_by_role("region", name=title)
        await expect(section).to_contain_text("at most")
        await expect(section.get_by_role("button", name="Back to the server’s own")).to_have_count(0)
        drop = section.locator("input[type=file]")
        await drop.set_input_files({"name": "tea.png", "mimeType": "image/png", "buffer": b"no picture"})
        await section.get_by_role("button", name="Use this one").click()
        await expect(section.locator(".field-error")).to_contain_text("image")
        await drop.set_input_files({"name": "tea.png", "mimeType": "image/png", "buffer": picture(size=size)})
        await expect(section.locator(".field-error")).to_have_count(0)
        waiting = section.locator("figure", has_text="tea.png").locator("img").first
        await expect(waiting).to_have_js_property("naturalWidth", size[0])
        await section.get_by_role("button", name="Use this one").click()
        await expect(section.locator("figure")).to_have_count(1)
        await expect(section.locator("figure img").first).to_have_js_property("naturalWidth", size[0])
    answer = await page.request.get(f"{owner.address}/logo")
    assert (answer.headers["content-type"], (await answer.body())[:4]) == ("image/png", b"\x89PNG")
    await page.reload()
    for title in ("Logo", "Icon"):
        section = page.get_by_role("region", name=title)
        await section.get_by_role("button", name="Back to the server’s own").click()
        await page.get_by_role("dialog").get_by_role("button", name="Back to the server’s own").click()
        await expect(section.get_by_role("button", name="Back to the server’s own")).to_have_count(0)
    assert (await page.request.get(f"{owner.address}/logo")).headers["content-type"] == "image/svg+xml"


async def test_a_picture_is_dropped(owner: Owner) -> None:
    page = await owner.open("/pictures", "Logo and icon")
    encoded = json.dumps(list(picture()))
    dropped = await page.evaluate_handle(
        f"""() => {{
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array({encoded})], "dropped.png", {{ type: "image/png" }}));
            return files;
        }}"""
    )
    section = page.get_by_role("region", name="Logo")
    await section.locator(".drop").dispatch_event("drop", {"dataTransfer": dropped})
    await expect(section.get_by_text("dropped.png")).to_be_visible()


async def test_links_are_added_moved_changed_and_taken_away(browser: Browser, owner: Owner) -> None:
    page = await owner.open("/links", "Links")
    social = page.get_by_role("region", name="Where else you are")
    dialog = page.get_by_role("dialog")
    await social.get_by_role("button", name="Add a link").click()
    await dialog.get_by_label("Address").fill("javascript:alert(1)")
    await dialog.get_by_role("button", name="Save").click()
    await expect(field_error(dialog.get_by_label("Address"))).to_contain_text("such as https://")
    await dialog.get_by_label("Address").fill("https://social.example/@tea")
    await dialog.get_by_role("button", name="Save").click()
    await expect(social.get_by_text("Mastodon")).to_be_visible()
    await social.get_by_role("button", name="Add a link").click()
    await dialog.get_by_label("Platform").select_option("other")
    await dialog.get_by_label("Its name").fill("Samovar")
    await dialog.get_by_label("Address").fill("https://samovar.example/")
    await dialog.get_by_role("button", name="Save").click()
    await expect(social.get_by_role("listitem")).to_have_count(2)
    # By the keyboard alone, and the focus goes along.
    await social.get_by_role("button", name="Move Samovar up").focus()
    await page.keyboard.press("Enter")
    await expect(social.get_by_role("listitem").first).to_contain_text("Samovar")
    await expect(social.get_by_role("button", name="Move Samovar up")).to_be_focused()
    await page.reload()
    await expect(social.get_by_role("listitem").first).to_contain_text("Samovar")
    handles = (await config(owner))["socialHandles"]
    assert [each["platform"] for each in handles] == ["Samovar", "mastodon"]  # type: ignore[attr-defined]
    async with open_page(browser, owner.address) as viewer:
        await expect(viewer.locator('a[href="https://samovar.example/"]')).to_have_count(1)
    await social.get_by_role("button", name="Actions: Samovar").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(social.get_by_role("listitem")).to_have_count(1)
    await page.get_by_role("button", name="Undo").last.click()
    await expect(social.get_by_role("listitem")).to_have_count(2)


async def test_buttons_open_tabs_dialogs_and_words(browser: Browser, owner: Owner) -> None:
    page = await owner.open("/links", "Links")
    section, dialog = page.get_by_role("region", name="Buttons below the video"), page.get_by_role("dialog")
    for title, kind, field, value in (
        ("Shop", "tab", "Address", "https://tea.example/shop"),
        ("Poll", "dialog", "Address", "/public/poll.html"),
        ("Today", "html", "HTML", "<b>Oolong</b><script>window.broken = 1</script>"),
    ):
        await section.get_by_role("button", name="Add a button").click()
        await dialog.get_by_label("On the button").fill(title)
        await dialog.get_by_label("What it opens").select_option(kind)
        await dialog.get_by_label(field, exact=True).fill(value)
        await dialog.get_by_label("Colour").fill("x{}" if title == "Shop" else "#087443")
        await dialog.get_by_role("button", name="Save").click()
        if title == "Shop":
            await expect(field_error(dialog.get_by_label("Colour"))).to_contain_text("cannot be")
            await dialog.get_by_label("Colour").fill("#087443")
            await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_have_count(0)
    await expect(section.get_by_role("listitem")).to_contain_text(
        ["Opens in a new tab", "Opens in a dialog", "Shows words of your own"]
    )
    async with open_page(browser, owner.address) as viewer:
        shop = viewer.locator("a.action", has_text="Shop")
        await expect(shop).to_have_attribute("target", "_blank")
        await viewer.get_by_role("button", name="Today").click()
        await expect(viewer.get_by_role("dialog").locator("b")).to_have_text("Oolong")
    await page.reload()
    await section.get_by_role("button", name="Actions: Today").click()
    await page.get_by_role("menuitem", name="Edit").click()
    await expect(dialog.get_by_label("HTML", exact=True)).to_have_value(
        "<b>Oolong</b><script>window.broken = 1</script>"
    )


async def test_shows_are_planned_once_and_again(owner: Owner) -> None:
    page = await owner.open("/schedule", "Schedule")
    await expect(page.get_by_text("Times are those of your computer, Europe/Berlin.")).to_be_visible()
    await page.get_by_role("switch", name="Show the schedule").click()
    dialog = page.get_by_role("dialog")
    year = owner.home.clock.now().year + 1
    await page.get_by_role("button", name="Plan a show").click()
    await dialog.get_by_label("Name").fill("Tea time")
    await dialog.get_by_label("Begins").fill(f"{year}-07-05T18:00")
    await dialog.get_by_label("Time zone").fill("Nowhere/Else")
    await expect(dialog.get_by_text("There is no such time zone.")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    await dialog.get_by_label("Time zone").fill("America/New_York")
    await expect(dialog.get_by_text("For you, in Europe/Berlin")).to_be_visible()
    await dialog.get_by_label("Length").fill("0")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.locator(".field-error")).to_contain_text("1 to 10080 minutes")
    await dialog.get_by_label("Length").fill("90")
    await dialog.get_by_role("button", name="Save").click()
    coming = page.get_by_role("region", name="To come")
    await expect(coming.get_by_role("row", name="Tea time")).to_contain_text("06:00 PM in America/New_York")
    (event,) = (await owner.ask("/api/admin/schedule"))["events"]
    assert (event["startTime"], event["durationMinutes"]) == (f"{year}-07-05T22:00:00.000Z", 90)

    await page.get_by_role("button", name="Plan a show").click()
    await dialog.get_by_label("Name").fill("Mondays")
    await dialog.get_by_label("Repeats").select_option("weekly")
    await dialog.get_by_label("First time").fill(f"{year}-01-04T20:00")
    for day in await dialog.get_by_role("checkbox").all():
        await day.set_checked(await day.evaluate("each => each.parentElement.textContent") == "Mon")
    times = dialog.get_by_role("region", name="The next times")
    await expect(times.get_by_role("listitem")).to_have_count(5)
    await expect(times.get_by_role("listitem").first).to_contain_text("08:00 PM")
    await dialog.get_by_role("button", name="Save").click()
    series = page.get_by_role("region", name="What repeats")
    await expect(series.get_by_role("listitem")).to_contain_text("Every week at 20:00, Europe/Berlin")
    await page.reload()
    await series.get_by_role("button", name="Actions: Mondays").click()
    await page.get_by_role("menuitem", name="Edit").click()
    await expect(dialog.get_by_role("checkbox", name="Mon")).to_be_checked()
    await dialog.get_by_label("Repeats").select_option("own")
    await dialog.get_by_label("Rule").fill("nonsense")
    await expect(times).to_contain_text("two lines")
    await page.keyboard.press("Escape")
    await series.get_by_role("button", name="Actions: Mondays").click()
    await page.get_by_role("menuitem", name="Call off").click()
    await dialog.get_by_role("button", name="Call off").click()
    await expect(series).to_contain_text("called off")
    await coming.get_by_role("button", name="Actions: Tea time").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(coming.get_by_role("row", name="Tea time")).to_have_count(0)

    await page.get_by_label("Chat opens").select_option("30")
    await page.get_by_label("Reminder in chat").fill("Soon!")
    await owner.save()
    schedule = (await owner.ask("/api/admin/serverconfig"))["schedule"]
    assert schedule == {
        "enabled": True,
        "showCountdown": True,
        "chatOpenMinutesBefore": 30,
        "reminderMessage": "Soon!",
    }


async def test_the_directory_says_what_it_needs(owner: Owner) -> None:
    page = await owner.open("/directory", "Directory")
    await expect(page.get_by_text("The public address is missing")).to_be_visible()
    await owner.set("serverurl", "https://tea.example")
    await page.reload()
    await expect(page.get_by_text("Public address: https://tea.example")).to_be_visible()
    await page.get_by_role("switch", name="List this server").click()
    await expect(page.get_by_role("status").get_by_text("Saved")).to_be_visible()
    assert (await owner.ask("/api/admin/serverconfig"))["yp"]["enabled"] is True
    await page.get_by_role("button", name="Register anew").click()
    await page.get_by_role("dialog").get_by_role("button", name="Register anew").click()
    await expect(page.get_by_text("The registration is forgotten")).to_be_visible()


async def test_whoever_leaves_unsaved_is_asked(owner: Owner) -> None:
    page = await owner.open("/page", "Page")
    asked: list[str] = []

    async def stay(dialog: object) -> None:
        asked.append(dialog.message)  # type: ignore[attr-defined]
        await dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", stay)
    await page.get_by_role("textbox", name="About").fill("not yet")
    await page.get_by_role("link", name="General").click()
    await expect(page.get_by_role("textbox", name="About")).to_have_value("not yet")
    assert asked == ["Leave this page without saving what you changed?"]
    await page.locator(".save-bar").get_by_role("button", name="Discard").click()
    await page.get_by_role("link", name="General").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("General")
    assert len(asked) == 1


# What nobody should write, for everybody's eyes.


async def test_nothing_of_an_attack_runs_and_everything_is_shown_as_it_is(owner: Owner) -> None:
    line = HOSTILE.replace("\n\n", " ")[:200]
    await owner.set("name", line[:100])
    await owner.set("streamtitle", line)
    for name in ("serversummary", "offlinemessage", "pagecontent", "customstyles", "schedule/remindermessage"):
        await owner.set(name, HOSTILE)
    await owner.set("tags", [attack[:60] for attack in ATTACKS])
    hosts = [f"https://tea.example/{attack}" for attack in ("a" * 1_900, "ü" * 900)]
    await owner.set("socialhandles", [{"platform": ATTACKS[at][:60], "url": host} for at, host in enumerate(hosts)])
    await owner.set(
        "externalactions",
        [{"title": attack, "description": attack, "html": attack, "url": hosts[0]} for attack in ATTACKS],
    )
    start = owner.home.clock.now().replace(year=owner.home.clock.now().year + 1).isoformat()
    event = {"name": line, "description": HOSTILE, "reminderMessage": line, "start": start, "timezone": "UTC"}
    await owner.ask("/api/admin/schedule/event", event)
    for path, title in PAGES.items():
        page = await owner.turn(path, title)
        await owner.whole()
        assert await page.locator("main script, main iframe, main svg[onload], main [onerror]").count() == 0
    page = await owner.open("/page", "Page")
    await expect(page.get_by_role("textbox", name="About")).to_have_value(HOSTILE)
    await expect(page.get_by_role("region", name="Preview: About").locator(".prose")).to_be_visible()
    page = await owner.open("/links", "Links")
    await expect(page.locator(".link-row b", has_text=ATTACKS[1])).to_have_count(2)


async def test_ten_thousand_letters_in_each_place_leave_the_pages_in_shape(owner: Owner) -> None:
    for name in ("pagecontent", "customstyles", "customjavascript"):
        await owner.set(name, LONG)
    await owner.set("name", LONG[:100])
    await owner.set("serversummary", LONG[:2_000])
    await owner.set("socialhandles", [{"platform": LONG[:60], "url": f"https://tea.example/{LONG[:1_900]}"}])
    await owner.set("externalactions", [{"title": LONG[:200], "description": LONG[:200], "html": LONG}])
    await owner.set("appearance", {"theme-text-body-font-family": LONG[:200]})
    start = owner.home.clock.now().replace(year=owner.home.clock.now().year + 1).isoformat()
    await owner.ask("/api/admin/schedule/event", {"name": LONG[:200], "start": start, "timezone": "UTC"})
    for path, title in PAGES.items():
        page = await owner.turn(path, title)
        await owner.whole()
        # A field for a colour keeps nothing else.
        for field in await page.locator("main :is(.field input[type=text], textarea)").all():
            await field.fill(LONG)
        await owner.whole()
        if await page.locator(".save-bar").count():
            await page.locator(".save-bar").get_by_role("button", name="Discard").click()


# For everybody.


async def fill(owner: Owner) -> None:
    """Something everywhere."""
    await owner.set("name", "Tea house")
    await owner.set("tags", ["tea", "water"])
    await owner.set("pagecontent", "# What you will see\n\n[Tea](https://tea.example/)\n\n|a|\n|-|\n|b|\n\n`code`")
    await owner.set("socialhandles", [{"platform": "mastodon", "url": "https://social.example/@tea"}])
    await owner.set("externalactions", [{"title": "Shop", "url": "https://tea.example/", "color": "#087443"}])
    await owner.set("appearance", {"theme-color-action": "light-dark(#006644, #88ddbb)"})
    rule = {"name": "Mondays", "recurrence": "DTSTART;TZID=Europe/Berlin:20240101T180000\nRRULE:FREQ=WEEKLY;BYDAY=MO"}
    await owner.ask("/api/admin/schedule/event", rule)


@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
async def test_axe_finds_nothing_and_nothing_sticks_out(owner: Owner, full: bool) -> None:
    if full:
        await fill(owner)
    for path, title in (PAGES if full else LISTS).items():
        await owner.turn(path, title)
        await owner.accessible()
        await owner.whole()


async def test_axe_finds_nothing_in_the_dialogs(owner: Owner) -> None:
    await fill(owner)
    dialog = owner.page.get_by_role("dialog")
    for path, title, button in (
        ("/links", "Links", "Add a link"),
        ("/links", "Links", "Add a button"),
        ("/schedule", "Schedule", "Plan a show"),
    ):
        page = await owner.open(path, title)
        await page.get_by_role("button", name=button).click()
        await expect(dialog).to_be_visible()
        if title == "Schedule":
            await dialog.get_by_label("Repeats").select_option("weekly")
        await owner.accessible()
        await owner.whole()
