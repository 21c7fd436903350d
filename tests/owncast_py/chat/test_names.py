"""Display names: which can be had, which read alike, and which are suggested."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.chat.errors import NameRefused
from owncast_py.chat.names import MAX_MARKS, MAX_NAME_LENGTH, clean_name, is_forbidden, key, suggest_name
from owncast_py.setting_groups import ChatSettings

FORBIDDEN = ChatSettings().forbidden_names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ana", "Ana"),
        ("  Ana \t Maria\n", "Ana Maria"),
        ("Ana\u3000Maria", "Ana Maria"),
        ("A\u202ena\u200b\x00\x1b\u2066", "Ana"),
        ("e\u0301", "é"),
        ("Ana\ud800", "Ana"),
        ("Nguyễn", "Nguyễn"),
        ("สวัสดี", "สวัสดี"),
        ("👩\u200d🚀 Ana", "👩\u200d🚀 Ana"),
        ("A\u200dna", "Ana"),
        ("\u200fשלום", "שלום"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("<b>", "<b>"),  # names are text wherever they are shown
        ("x" * MAX_NAME_LENGTH + " \u200b", "x" * MAX_NAME_LENGTH),
        ("a\u0301\u0302", "á\u0302"),
    ],
)
def test_a_name_as_it_is_shown(text: str, name: str) -> None:
    assert clean_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "  ", "\u200b\u200d", "\u2800", "\u3164\u115f", "\x00", "\u0301\u0302", "\u202e", "\ud800", "\U000e0041"],
)
def test_a_name_that_cannot_be_seen_is_refused(text: str) -> None:
    with pytest.raises(NameRefused, match="can be seen"):
        clean_name(text)


@pytest.mark.parametrize("text", ["x" * (MAX_NAME_LENGTH + 1), "x" * 1_000_000, "é" * 31])
def test_a_name_too_long_is_refused_with_what_was_read_of_it(text: str) -> None:
    with pytest.raises(NameRefused, match="30 characters") as refused:
        clean_name(text)
    assert len(str(refused.value)) < 120


@pytest.mark.parametrize("text", ["Z" + "\u0336" * (MAX_MARKS + 1), "Zalgo" + "\u0301\u0489\u0300", "ệ\u0301"])
def test_marks_piled_on_a_letter_are_refused(text: str) -> None:
    with pytest.raises(NameRefused, match="marks"):
        clean_name(text)


@given(st.text(alphabet=st.characters() | st.sampled_from(list(" \n\u200b\u200d\u202e\u0301\ud800a")), max_size=60))
@settings(max_examples=500, deadline=None)
def test_whatever_is_taken_is_clean(text: str) -> None:
    try:
        name = clean_name(text)
    except NameRefused:
        return
    assert 0 < len(name) <= MAX_NAME_LENGTH
    assert clean_name(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cs", "Co"}
    assert name == name.strip()
    assert key(name)


@pytest.mark.parametrize(
    "alike",
    [
        "ADMIN",
        "аdmin",
        "αdmin",
        "ａｄｍｉｎ",
        "ádmïn",
        "a d m i n",
        "a.d-m_in",
        "adm1n",
        "@dmin",
        "4dm|n",
        "adrnin",
        "𝓪𝓭𝓶𝓲𝓷",
        "ɑdmin",
        "adm\u200bin",
        "ⓐⓓⓜⓘⓝ",
    ],
)
def test_names_that_read_like_admin(alike: str) -> None:
    assert key(alike) == key("admin")
    assert is_forbidden(alike, FORBIDDEN)


@pytest.mark.parametrize(
    ("one", "other"), [("Ana", "Anna"), ("Bob", "Rob"), ("李", "王"), ("👍", "👎"), ("Иван", "Ирина")]
)
def test_other_names_have_other_keys(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    "name",
    ["Owncast", "the admin", "xX_admin_Xx", "Real @dmin", "admin!", "!admin!", "the_@dmin", "System", "0perat0r"],
)
def test_a_forbidden_name_as_one_of_its_words(name: str) -> None:
    assert is_forbidden(name, FORBIDDEN)


@pytest.mark.parametrize("name", ["Badminton", "Administrata", "Ecosystem", "Ana", "Cooperator", "👑", ""])
def test_a_forbidden_name_inside_of_another_word(name: str) -> None:
    assert not is_forbidden(name, FORBIDDEN)


def test_nothing_is_forbidden_by_an_empty_list_and_signs_are_by_themselves() -> None:
    assert not is_forbidden("admin", [])
    assert is_forbidden("👑", ["👑"])
    assert not is_forbidden("👑", ["👍"])


def test_suggested_names_come_from_the_list_of_the_settings() -> None:
    assert {suggest_name(["One", "Two"], random.Random(seed)) for seed in range(20)} == {"One", "Two"}
    assert suggest_name(["x" * 60], random.Random(1)) == "x" * MAX_NAME_LENGTH


def test_names_that_are_made_up_are_many_and_can_be_had() -> None:
    choice = random.Random(1)
    names = {suggest_name((), choice) for _ in range(20_000)}
    assert len(names) > 1_500
    for name in names:
        assert clean_name(name) == name
        assert not is_forbidden(name, FORBIDDEN)
