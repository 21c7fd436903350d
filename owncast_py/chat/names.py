"""Display names: which can be had, how they are compared, and some to suggest.

Owns what a name may consist of. Two names with one `key` read alike: letters of other scripts that look Latin, marks,
case and digits that stand for letters make no difference. Whose a name is, is not known here.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Collection, Sequence
from functools import lru_cache

from owncast_py.chat.errors import NameRefused
from owncast_py.chat.rendering import INVISIBLE, seen

MAX_NAME_LENGTH = 30
MAX_INPUT_LENGTH = 300
"""Characters of input that are looked at."""
MAX_MARKS = 2
"""Combining marks on one letter: enough for Vietnamese and Hebrew, too few to spill over other lines."""

# Direction marks and joiners hide in names as well as the rest.
_HIDDEN = re.compile("[\u200b-\u200f\u2028\u2029]")
_JOINED_EMOJI = re.compile(
    "(?<=[\u2600-\u27bf\U0001f000-\U0001faff\ufe0f])\u200d(?=[\u2600-\u27bf\U0001f000-\U0001faff])"
)
_KEPT_JOINER = "\ue000"

WORDS = re.compile(r"[^\W_]+")
DISGUISED_WORDS = re.compile(r"(?:[^\W_]|[|!$@])+")
"""Words with the signs that can stand for letters. A text has to be read in both ways: `adm!n` is one, `admin!` not."""

_LOOK_ALIKES = str.maketrans(
    "абвгеёзикморѕстухцһіјѵԁԛԝղոսօαβγικνορτυχωϲϳɑɡı",
    "abbreezukmopsctyxuhijvdqwnnuoabyikvoptuxwcjagi",
)
_DIGITS = str.maketrans("013456789|!$@", "oieasgtbgllsa")
"""What stands for a letter when names are compared; `l` and `i` are one letter there."""


def clean_name(text: str) -> str:
    """The name as it will be shown. Raises NameRefused when nothing readable of at most 30 characters is left."""
    name = "".join(
        character
        for character in unicodedata.normalize("NFC", text[:MAX_INPUT_LENGTH])
        if unicodedata.category(character) not in ("Cc", "Cs", "Co", "Cn") or character.isspace()
    )
    name = _JOINED_EMOJI.sub(_KEPT_JOINER, INVISIBLE.sub("", name))
    name = _HIDDEN.sub("", name).replace(_KEPT_JOINER, "\u200d")
    name = " ".join(name.split())
    if not seen(name):
        raise NameRefused("A name needs at least one letter that can be seen.")
    if len(name) > MAX_NAME_LENGTH:
        raise NameRefused(
            f"{name[:MAX_NAME_LENGTH]}… is too long for a name: it can have {MAX_NAME_LENGTH} characters."
        )
    marks = 0
    for character in unicodedata.normalize("NFD", name):
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks > MAX_MARKS:
            raise NameRefused(f"A letter of a name can carry {MAX_MARKS} marks; this one has more.")
    return name


def key(name: str) -> str:
    """What two names that read alike have in common. Only for comparing."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(character for character in decomposed if unicodedata.category(character)[0] != "M")
    folded = letters.translate(_LOOK_ALIKES).translate(_DIGITS).replace("rn", "m").replace("vv", "w").replace("l", "i")
    kept = "".join(character for character in folded if character.isalnum())
    # A name of signs alone is compared as it is.
    return kept or decomposed


def is_forbidden(name: str, forbidden: Collection[str]) -> bool:
    """Whether the name reads like a forbidden one, or has it as one of its words."""
    words = {key(word) for words in (WORDS, DISGUISED_WORDS) for word in words.findall(name)}
    words.add(key(name))
    return not words.isdisjoint(_keys(tuple(forbidden)))


@lru_cache(maxsize=8)
def _keys(names: tuple[str, ...]) -> frozenset[str]:
    """Of a list that is the same until somebody changes the settings."""
    return frozenset(map(key, names))


def suggest_name(suggested: Sequence[str], choice: random.Random) -> str:
    """A name for somebody who brings none: one of `suggested`, else one that is made up."""
    if suggested:
        return choice.choice(suggested)[:MAX_NAME_LENGTH]
    return f"{choice.choice(_ADJECTIVES)} {choice.choice(_NOUNS)}"


_ADJECTIVES = (
    *("Amber", "Brave", "Breezy", "Bright", "Calm", "Cheery", "Clever", "Cosmic", "Cozy", "Curious", "Dapper"),
    *("Eager", "Fabled", "Gentle", "Golden", "Happy", "Humble", "Jolly", "Kind", "Lively", "Lucky", "Mellow", "Merry"),
    *("Mighty", "Misty", "Nimble", "Noble", "Peppy", "Plucky", "Quiet", "Rapid", "Rosy", "Sandy", "Silver", "Snowy"),
    *("Sunny", "Swift", "Tidy", "Velvet", "Witty"),
)
_NOUNS = (
    *("Badger", "Beaver", "Bison", "Comet", "Crane", "Dolphin", "Ember", "Falcon", "Fern", "Finch", "Fox", "Gecko"),
    *("Harbor", "Hare", "Heron", "Ibis", "Jackal", "Koala", "Lantern", "Lark", "Lemur", "Lynx", "Maple", "Marmot"),
    *("Meadow", "Moth", "Newt", "Otter", "Owl", "Panda", "Pebble", "Puffin", "Quokka", "Raven", "River", "Robin"),
    *("Seal", "Sparrow", "Tapir", "Willow"),
)
