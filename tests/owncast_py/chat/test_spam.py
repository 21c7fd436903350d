"""What chat does not want to read: links in every disguise, blocked words, plain signs of spam."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.chat import spam
from owncast_py.chat.errors import MessageRefused
from owncast_py.chat.rendering import MAX_BODY_BYTES, normalize, render
from owncast_py.chat.spam import MAX_REPEATS, REPEAT_SECONDS, Repeats, has_blocked_word, has_link, looks_like_spam


@pytest.mark.parametrize(
    "source",
    [
        "https://a.example",
        "HTTP://A",
        "www.a.example",
        "hxxp://a",
        "hxxps : //a",
        "example.com",
        "Example . com now",
        "example .com",
        "example[dot]com",
        "example (dot) com",
        "example dot com",
        "sub.example.gg/x",
        "t.me/abc",
        "bit.ly/x",
        "exam\u200bple.com",
        "ｅｘａｍｐｌｅ．ｃｏｍ",
        "example。com",
        "ftp://a",
        "[x](https://a.example)",
        "<a@b.example>",
        "[x](https&#58;//a.example)",
        "[x](mailto&colon;a@b)",
        "WWW . a . example",
        "[x](&#104;ttps:\\//a.example)",
    ],
)
def test_links_in_every_disguise(source: str) -> None:
    assert has_link(normalize(source))


@pytest.mark.parametrize(
    "source",
    [
        "hello",
        "a.b",
        "I like it. Be good",
        "wait...what",
        "3.14",
        "e.g. this",
        "file.txt",
        "no:way",
        "what? me",
        "1:30:00",
        "dot com",
        "connect the dots",
        "Mr. Example",
        "[x](y)",
        "a/b",
        "http",
        "u.s.a",
        ":party:",
    ],
)
def test_words_that_are_no_links(source: str) -> None:
    assert not has_link(source)


@given(st.text(alphabet=st.sampled_from(list("ab.:/&#;58()[]<>@\\ w*_htps-")), max_size=60))
@settings(max_examples=600, deadline=None)
def test_whatever_is_shown_as_a_link_is_found(text: str) -> None:
    try:
        source = normalize(text)
    except MessageRefused:
        return
    if "<a " in render(source, {}):
        assert has_link(source)


@pytest.mark.parametrize(
    "source",
    [
        "spam",
        "SPAM",
        "some spam here",
        "spam!",
        "(spam)",
        "sp4m",
        "$pam",
        "spám",
        "ѕраm",
        "s p a m",
        "s.p.a.m",
        "s-p-a-m yes",
        "ｓｐａｍ",
        "my_spam_here",
        "**spam**",
        "spam\nagain",
        "spam?!",
    ],
)
def test_a_blocked_word_in_every_disguise(source: str) -> None:
    assert has_blocked_word(source, ["ham", "Spam"])


@pytest.mark.parametrize(
    "source", ["spammer", "Spamalot", "unspam", "sp am", "ham", "", "!!!", "👍", "s p a", "5 p 4 m x y"]
)
def test_a_blocked_word_inside_of_others_may_stand(source: str) -> None:
    assert not has_blocked_word(source, ["spam"])


def test_scunthorpe_may_write() -> None:
    assert not has_blocked_word("classic assassin in Scunthorpe, Penistone", ["ass", "cunt", "penis"])
    assert not has_blocked_word("I paid 455 for 5 p", ["ass", "sp"])  # numbers are numbers


def test_phrases_numbers_and_signs_can_be_blocked() -> None:
    assert has_blocked_word("get FREE  money, now", ["free money"])
    assert not has_blocked_word("free of money", ["free money"])
    assert not has_blocked_word("carefree money", ["free money"])
    assert has_blocked_word("so 1488 it is", ["1488"])
    assert has_blocked_word("and 🖕 too", ["🖕"])
    assert not has_blocked_word("", ["🖕"])
    assert not has_blocked_word("anything", [])


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("noooooooooooooooooo", "same character"),
        ("🎉" * 12, "same character"),
        ("🎉🎊" * 7, "emoji"),
        (":a: " * 13, "emoji"),
        ("@a " * 7, "mention"),
        ("THIS IS THE ONLY WAY IN WHICH I EVER WRITE ANYTHING HERE", "capitals"),
    ],
)
def test_signs_of_spam(source: str, sentence: str) -> None:
    assert sentence in (looks_like_spam(source) or "")


@pytest.mark.parametrize(
    "source",
    [
        "nooooooooooo",
        "🎉🎊" * 6,
        "@a " * 6,
        "LOL WHAT",
        "THIS IS Not The Only Way In Which I Ever Write Anything",
        "a@b c@d " * 9,
        " " * 50 + "x",
        "👨\u200d👩\u200d👧\u200d👦🎉" * 6,
        "🇩🇪🇫🇷" * 6,
        "👍🏽👎🏿" * 6,
        "你好" * 30,
    ],
)
def test_what_people_write(source: str) -> None:
    assert looks_like_spam(source) is None


def test_the_same_again_and_again() -> None:
    now = [0.0]
    repeats = Repeats(lambda: now[0])
    for _ in range(MAX_REPEATS):
        assert repeats.check("ana", "Buy  this") is None
    assert "several times" in (repeats.check("ana", "buy THIS") or "")
    assert repeats.check("ben", "buy this") is None
    assert repeats.check("ana", "sorry") is None
    assert repeats.check("ana", "buy this") is None
    for _ in range(MAX_REPEATS):
        repeats.check("ana", "buy this")
    assert repeats.check("ana", "buy this")
    now[0] += REPEAT_SECONDS + 1
    assert repeats.check("ana", "buy this") is None


def test_of_too_many_writers_the_first_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spam, "MAX_WRITERS", 2)
    repeats = Repeats(lambda: 0.0)
    for _ in range(MAX_REPEATS):
        for user in ("ana", "ben"):
            repeats.check(user, "x")
    repeats.check("ben", "x")
    repeats.check("cleo", "y")  # ana goes
    assert repeats.check("ben", "x")
    assert repeats.check("ana", "x") is None


def test_the_worst_message_costs_as_much_as_its_size_says() -> None:
    ordinary = ("hello everybody, have you seen this? it is really nice. " * 40)[:MAX_BODY_BYTES]

    def cost(source: str) -> float:
        best = float("inf")
        for _ in range(3):
            begin = time.process_time()
            has_link(source)
            has_blocked_word(source, ("spam", "free money"))
            looks_like_spam(source)
            best = min(best, time.process_time() - begin)
        return best

    bound = 60 * cost(ordinary)
    for part in (
        "a-",
        "a",
        "a.",
        "a ",
        "_ ",
        ". ",
        "a .",
        "@a ",
        ":a",
        "www",
        "h",
        "[a](",
        "dot ",
        "🎉\u200d",
        "a. _",
        "1",
    ):
        assert cost((part * MAX_BODY_BYTES)[:MAX_BODY_BYTES]) < bound, part
