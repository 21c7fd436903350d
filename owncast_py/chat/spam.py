"""What a chat does not want to read: links where they are not allowed, blocked words, and spam by a few plain signs.

Owns the recognition, each sign with its sentence; whether it is asked is a setting. It knows words only, no users,
apart from what each user has just written, which it forgets after REPEAT_SECONDS.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import lru_cache

from owncast_py.chat.names import DISGUISED_WORDS, WORDS, key
from owncast_py.chat.rendering import INVISIBLE, render

REPEAT_SECONDS = 60.0
MAX_REPEATS = 3
"""How often one user may write the same within REPEAT_SECONDS."""
MAX_WRITERS = 20_000
WALL = 12
"""The same character so many times in a row is a wall, not emphasis."""
MAX_EMOJI = 12
SHOUT_LENGTH = 40
"""Letters from which on nearly nothing but capitals is shouting."""
MAX_MENTIONS = 6

_DOMAINS = (
    "com|net|org|info|biz|io|gg|tv|me|co|ru|cn|xyz|top|site|online|shop|club|live|app|dev|link|click|ly|to|be|de|uk"
)
_LINK = re.compile(
    r"(?:h(?:tt|xx)ps?\s*:|ftp\s*:|\bwww\s*\.|://)"
    rf"|\b[a-z0-9][a-z0-9-]{{0,62}}(?:\.|\s\.\s?|\s?[\[(]dot[\])]\s?)(?:{_DOMAINS})\b(?!\w)"
    r"|\b[a-z0-9][a-z0-9-]{0,62}\sdot\s(?:com|net|org|io|gg|tv)\b",
    re.IGNORECASE,
)
_WALL = re.compile(rf"(\S)\1{{{WALL - 1},}}")
_MENTION = re.compile(r"(?:^|\s)@\w")
_PICTURE = "[\u2600-\u27bf\U0001f1e6-\U0001f3fa\U0001f400-\U0001faff]"
# Joined ones and the two halves of a flag are seen, and counted, as one.
_EMOJI = re.compile(
    ":[A-Za-z0-9_-]{1,50}:|[\U0001f1e6-\U0001f1ff]{2}"
    f"|{_PICTURE}[\ufe0f\U0001f3fb-\U0001f3ff]?(?:\u200d{_PICTURE}[\ufe0f\U0001f3fb-\U0001f3ff]?)*"
)
_SPACED = re.compile(r"(?:\b\w\b[\s.*_-]*){3,}")

_SLURS = (
    "avttre avttref avttn avttnm snttbg snttbgf snt sntf genaal genaavrf xvxr xvxrf puvax puvaxf fcvp "
    "fcvpf jrgonpx tbbx tbbxf qlxr ergneq ergneqf pbba pbbaf cnxv cnxvf enturnq gbjryurnq ornare"
)
"""Turned by 13 letters, so that nobody has to read them here."""


def has_link(source: str) -> bool:
    """Whether a normalized message leads elsewhere, also by an address that is spelled out or pulled apart.

    Whatever would be rendered as a link is one, however its Markdown is written.
    """
    read = INVISIBLE.sub("", unicodedata.normalize("NFKC", source)).replace("\u3002", ".")
    return _LINK.search(read) is not None or "<a " in render(source, {})


@lru_cache(maxsize=1)
def _slurs() -> tuple[str, ...]:
    return tuple(codecs.decode(_SLURS, "rot13").split())


def has_slur(source: str) -> bool:
    """Whether the message holds a word that is known for nothing but hatred, however it is disguised."""
    return has_blocked_word(source, _slurs())


def has_blocked_word(source: str, words: Collection[str]) -> bool:
    """Whether one of `words` stands in the message as a word, however it is disguised; inside of others it may.

    A blocked phrase is found where its words follow each other.
    """
    read = unicodedata.normalize("NFKC", source)
    written = [_phrase(read, WORDS), _phrase(read, DISGUISED_WORDS)]
    # Letters that stand alone, s p a c e d, are read as the word that they make.
    written += [f" {key(''.join(WORDS.findall(run)))} " for run in _SPACED.findall(read)]
    phrases, signs = _blocked(tuple(words))
    return any(phrase in text for phrase in phrases for text in written) or any(sign in source for sign in signs)


@lru_cache(maxsize=8)
def _blocked(words: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Of a list that is the same until somebody changes the settings: its phrases, and what has no letters at all."""
    phrases = [(word, _phrase(word, DISGUISED_WORDS)) for word in words]
    return [phrase for _, phrase in phrases if phrase.strip()], [word for word, phrase in phrases if not phrase.strip()]


def _phrase(text: str, pattern: re.Pattern[str]) -> str:
    """The words of a text as they are compared, with a space around each. A number is itself, not its look-alike."""
    return f" {' '.join(word if word.isdecimal() else key(word) for word in pattern.findall(text))} "


def looks_like_spam(source: str) -> str | None:
    """The sentence for the sign of spam that a message bears; None when it bears none."""
    if _WALL.search(source):
        return f"The same character {WALL} times and more in a row is too much."
    if len(_EMOJI.findall(source)) > MAX_EMOJI:
        return f"More than {MAX_EMOJI} emoji in one message are too many."
    if len(_MENTION.findall(source)) > MAX_MENTIONS:
        return f"A message can mention {MAX_MENTIONS} people."
    letters = [character for character in source if character.isalpha()]
    if len(letters) >= SHOUT_LENGTH and sum(map(str.isupper, letters)) > 0.8 * len(letters):
        return "Please do not write in capitals alone."
    return None


class Repeats:
    """Who has just written the same thing how often."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic` counts seconds."""
        self._monotonic = monotonic
        self._written: OrderedDict[str, tuple[int, int, float]] = OrderedDict()
        """The hash of what was written last, how often, and since when."""

    def check(self, user_id: str, source: str) -> str | None:
        """Counts a message; the sentence when it came once too often."""
        text = hash(" ".join(source.casefold().split()))
        before, times, since = self._written.get(user_id, (text, 0, float("-inf")))
        now = self._monotonic()
        if text != before or now - since > REPEAT_SECONDS:
            times, since = 0, now
        self._written[user_id] = (text, times + 1, since)
        self._written.move_to_end(user_id)
        if len(self._written) > MAX_WRITERS:
            self._written.popitem(last=False)
        return "You have written the same several times; say something else." if times >= MAX_REPEATS else None
