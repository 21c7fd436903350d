"""Posting: the rules in their order, and what becomes of a message that passes them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from house import Clock, House

from owncast_py.accounts.model import ADMIN_ID, User
from owncast_py.broadcast.session import State, Status
from owncast_py.chat import content
from owncast_py.chat.errors import MessageRefused
from owncast_py.realtime.messages import CHAT, Action


@pytest.fixture
async def ana(home: House) -> User:
    user, _ = await home.foundations.accounts.register("Ana")
    return user


async def refused(home: House, user: User, body: str = "hello") -> tuple[str, float | None]:
    with pytest.raises(MessageRefused) as caught:
        await home.chat.posting.message(user, body)
    assert str(caught.value).endswith(".")
    return caught.value.code, caught.value.retry_after


async def test_a_message_is_rendered_kept_and_found_by_what_was_typed(home: House, ana: User) -> None:
    message = await home.chat.posting.message(ana, "  **Hallo** Ärger\u202e ")
    document = content.load(message)
    assert (document["body"], document["rawBody"]) == ("<p><strong>Hallo</strong> Ärger</p>", "**Hallo** Ärger")
    assert message.client_id == ana.id
    (found,) = await home.foundations.channels.history(CHAT, limit=5, text="äRGER")
    assert found.serial == message.serial


async def test_three_in_two_seconds_then_silence_except_for_moderators_and_bots(home: House, ana: User) -> None:
    for number in range(3):
        await home.chat.posting.message(ana, f"{number}")
    assert await refused(home, ana) == ("RATE_LIMITED", 10.0)
    bot, _ = await home.foundations.accounts.create_bot("Beep", ["CAN_SEND_MESSAGES"])
    moderator = await home.foundations.accounts.set_moderator(ana.id, True)
    for number in range(20):
        await home.chat.posting.message(bot, f"{number}")
        await home.chat.posting.message(moderator, f"{number}")
    await home.rule(rate_limit=False)
    ben, _ = await home.foundations.accounts.register("Ben")
    for number in range(20):
        await home.chat.posting.message(ben, f"{number}")


async def test_slow_mode_counts_the_messages_that_were_taken(home: House, ana: User, clock: Clock) -> None:
    await home.rule(slow_mode_seconds=30, block_links=True)
    assert (await refused(home, ana, "see example.com"))[0] == "LINKS_BLOCKED"
    await home.chat.posting.message(ana, "one")
    clock.turn(10)
    assert await refused(home, ana) == ("SLOW_MODE", 20.0)
    clock.turn(20)
    await home.chat.posting.message(ana, "two")


async def test_only_the_established_may_write_when_it_is_set_so(home: House, ana: User, clock: Clock) -> None:
    await home.rule(established_user_mode=True, established_after=900)
    clock.turn(300)
    assert await refused(home, ana) == ("NOT_ESTABLISHED", 600.0)
    await home.chat.posting.message(await home.foundations.accounts.set_moderator(ana.id, True), "as a moderator")
    clock.turn(600)
    await home.chat.posting.message(await home.foundations.accounts.set_moderator(ana.id, False), "of age")


async def test_who_is_timed_out_waits(home: House, ana: User, clock: Clock) -> None:
    user = await home.foundations.accounts.time_out(ana.id, clock.now() + timedelta(seconds=90))
    assert await refused(home, user) == ("TIMED_OUT", 90.0)
    clock.turn(90)
    await home.chat.posting.message(user, "back")


async def test_the_disabled_and_bots_without_the_scope_may_not(home: House, ana: User) -> None:
    user = await home.foundations.accounts.set_enabled(ana.id, False)
    assert (await refused(home, user))[0] == "USER_DISABLED"
    bot, _ = await home.foundations.accounts.create_bot("Beep", ["CAN_SEND_SYSTEM_MESSAGES"])
    assert (await refused(home, bot))[0] == "SCOPE_MISSING"


async def test_links_words_and_spam(home: House, ana: User, clock: Clock) -> None:
    await home.rule(block_links=True, blocked_words=("darn",), spam_filter=True)
    assert (await refused(home, ana, "see example.com"))[0] == "LINKS_BLOCKED"
    clock.turn(60)
    assert (await refused(home, ana, "d4rn"))[0] == "SPAM"
    assert (await refused(home, ana, "a" * 500))[0] == "SPAM"
    clock.turn(60)
    for _ in range(3):
        await home.chat.posting.message(ana, "again")
        clock.turn(5)
    assert (await refused(home, ana, "AGAIN"))[0] == "SPAM"
    assert (await refused(home, ana, " \u200b"))[0] == "EMPTY"
    assert (await refused(home, ana, "x" * 2049))[0] == "TOO_LONG"


async def test_chat_closes_some_minutes_after_the_stream(home: House, ana: User, clock: Clock) -> None:
    await home.chat.posting.message(ana, "before the first stream")
    home.status = Status(State.LIVE, 0, 0, 0, clock.now(), None, "")
    await home.chat.posting.message(ana, "during")
    home.status = Status(State.OFFLINE, 0, 0, 0, clock.now(), clock.now(), "")
    clock.turn(299)
    await home.chat.posting.message(ana, "just after")
    clock.turn(1)
    assert (await refused(home, ana))[0] == "CHAT_CLOSED"
    admin = await home.foundations.accounts.user(ADMIN_ID)
    assert admin is not None
    await home.chat.posting.message(admin, "the owner still may")
    await home.rule(open_minutes_after_stream=None)
    await home.chat.posting.message(ana, "always open")


async def test_an_answer_quotes_what_it_answers(home: House, ana: User) -> None:
    first = await home.chat.posting.message(ana, "**What** is " + "very " * 40 + "long?")
    answer = await home.chat.posting.message(ana, "That.", first.serial)
    quote = content.load(answer)["inReplyTo"]
    assert isinstance(quote, dict)
    assert (quote["id"], quote["displayName"]) == (first.serial, "Ana")
    assert quote["body"].startswith("What is very")
    assert len(quote["body"]) <= 100
    await home.foundations.channels.revise(CHAT, [first.serial], Action.DELETE)
    with pytest.raises(MessageRefused) as caught:
        await home.chat.posting.message(ana, "And that.", first.serial)
    assert caught.value.code == "NOT_FOUND"


async def test_old_messages_go_when_their_time_is_over(home: House, ana: User, clock: Clock) -> None:
    await home.rule(retention_hours=2)
    await home.chat.posting.message(ana, "old")
    clock.turn(2 * 3600 - 60)
    await home.chat.posting.message(ana, "young")
    clock.turn(120)
    await home.chat.tidy()
    found = await home.foundations.channels.history(CHAT, limit=9)
    assert [content.load(message)["rawBody"] for message in found] == ["young"]
    await home.rule(retention_hours=None)
    clock.turn(10**7)
    await home.chat.tidy()
    assert len(await home.foundations.channels.history(CHAT, limit=9)) == 1
