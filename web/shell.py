"""A built page, filled for one request: its language, its theme, its head, and the state that it begins with.

Owns the places in the HTML where something goes, and how a browser says which language and theme it wants. What goes
there is `web.site`'s. The state is JSON in a script element that nothing runs, so the page draws itself without asking.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web

from web.pages import Page

LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
THEMES = ("dark", "light")
DEFAULT_LANGUAGE = "en"
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
MAX_ACCEPT_LANGUAGE = 500
"""Characters of Accept-Language that are read."""

_WORDS = re.compile(r"/words/(?P<folder>\w+)(?:/\w+)*/(?P<language>[a-z]{2})\.json")
_HTML = re.compile(rb"<html[^>]*>")
_TITLE = re.compile(rb"<title>.*?</title>", re.DOTALL)
_DESCRIPTION = re.compile(rb'\s*<meta name="description"[^>]*>')
_ICON = re.compile(rb'<link rel="icon"[^>]*>')
_NOSCRIPT = re.compile(rb"<noscript>.*?</noscript>", re.DOTALL)
_HEAD_END = b"</head>"


@dataclass(frozen=True, slots=True)
class Taste:
    """What a browser wants. No theme: that of the system."""

    language: str
    theme: str


@dataclass(frozen=True, slots=True)
class Filling:
    """What goes into a page: HTML for the head and for browsers without scripts, and JSON documents by name."""

    title: str
    head: str
    plain: str
    icon: str
    """The address of the owner's icon; empty leaves the page's own."""
    state: Mapping[str, bytes]


class Shell:
    """One page of the build, with the words of each language."""

    def __init__(self, page: Page, folders: Collection[str], pages: Mapping[str, Page]) -> None:
        """Its words are in and below those folders, among `pages`."""
        self._page = page.body
        words: dict[str, dict[str, str]] = {}
        for path, file in pages.items():
            match = _WORDS.fullmatch(path)
            if match is not None and match["folder"] in folders:
                words.setdefault(match["language"], {}).update(orjson.loads(file.body))
        self._words = {language: orjson.dumps(found) for language, found in words.items()}
        self.languages = sorted(self._words)

    def taste(self, request: web.Request) -> Taste:
        """What this browser wants, by its cookies, else by Accept-Language."""
        language, theme = request.cookies.get(LANGUAGE_COOKIE, ""), request.cookies.get(THEME_COOKIE, "")
        if language not in self._words:
            language = preferred(request.headers.get("Accept-Language", ""), self.languages)
        return Taste(language, theme if theme in THEMES else "")

    def fill(self, taste: Taste, filling: Filling) -> bytes:
        """The page for that taste, without the nonce."""
        theme = f' data-theme="{taste.theme}"' if taste.theme else ""
        direction = "rtl" if taste.language in RIGHT_TO_LEFT else "ltr"
        root = f'<html lang="{taste.language}" dir="{direction}"{theme}>'.encode()
        body = _HTML.sub(lambda _: root, self._page, count=1)
        body = _TITLE.sub(lambda _: f"<title>{html.escape(filling.title)}</title>".encode(), body, count=1)
        body = _DESCRIPTION.sub(b"", body, count=1)
        if filling.icon:
            icon = f'<link rel="icon" href="{html.escape(filling.icon)}">'.encode()
            body = _ICON.sub(lambda _: icon, body, count=1)
        if filling.plain:
            body = _NOSCRIPT.sub(lambda _: f"<noscript>{filling.plain}</noscript>".encode(), body, count=1)
        return body.replace(_HEAD_END, filling.head.encode() + self._state(taste, filling.state) + _HEAD_END, 1)

    def _state(self, taste: Taste, documents: Mapping[str, bytes]) -> bytes:
        parts = {
            **documents,
            "language": orjson.dumps(taste.language),
            "languages": orjson.dumps(self.languages),
            "words": self._words.get(taste.language, b"{}"),
        }
        joined = b",".join(orjson.dumps(name) + b":" + document for name, document in parts.items())
        # "</script" would end the element, "<!--" change how it is read: neither can be written without this sign.
        return b'<script type="application/json" id="state">{' + joined.replace(b"<", b"\\u003c") + b"}</script>"


def preferred(accept_language: str, languages: list[str]) -> str:
    """The language that `Accept-Language` weighs most (RFC 9110 §12.5.4) among those; English when there is none."""
    wanted: list[tuple[float, int, str]] = []
    for place, item in enumerate(accept_language[:MAX_ACCEPT_LANGUAGE].split(",")):
        language, _, parameter = (part.strip().lower() for part in item.partition(";"))
        primary = language.partition("-")[0]
        if primary in languages:
            wanted.append((-_weight(parameter), place, primary))
    best = min(wanted, default=None)
    return best[2] if best is not None and best[0] < 0 else DEFAULT_LANGUAGE


def _weight(parameter: str) -> float:
    name, _, value = parameter.replace(" ", "").partition("=")
    if name != "q":
        return 1.0
    return float(value) if re.fullmatch(r"[01](\.\d{0,3})?", value) else 0.0
