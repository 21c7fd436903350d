"""What people type → HTML that is safe to show, and back to plain words.

Owns what may stand in a message: Markdown's emphasis, code, line breaks and links, addresses that are typed bare,
custom emoji. No headings, lists, tables or foreign images. Everything passes nh3's allow-list at the end, whatever the
parser made of it; text in which no rule finds anything takes a short cut that gives the same bytes.

`normalize` first, `render` after it: sizes and invisible characters are judged once, on what will be kept.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from owncast_py.chat.errors import MessageRefused

MAX_BODY_BYTES = 2048
"""UTF-8 octets of a message as it was typed."""
MAX_EMOJI = 50
"""Custom emoji in one message; further ones stay words."""
MAX_NESTING = 10
"""Levels of Markdown inside each other; what is deeper stays as it was typed."""
EMOJI_PREFIX = "/img/emoji/"

# Characters that are not seen but change how others are: overrides and isolates of direction, fillers, tags.
INVISIBLE = re.compile(
    "[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)
BLANK_BRAILLE = "\u2800"
_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n[ \n]*\n")
_MARKUP = re.compile(r"[\\`*_\[\]<>&\n\xa0]|~~~|:[A-Za-z0-9_-]+:|https?:|www\.", re.IGNORECASE)
# The second colon is only looked at: in `10:30:party:` it belongs to the emoji after it.
_PLACE = r"[\w.-]+(?::\d{1,5})?(?:[/?#][^\s<>\"`]*)?"
"""Host, port and the rest of an address, as people paste them."""
_SPECIAL = re.compile(rf"(?P<emoji>:[A-Za-z0-9_-]{{1,50}}(?=:))|(?P<link>\bwww\.{_PLACE})", re.IGNORECASE)
_SCHEME = re.compile(r"(?<!\w)https?\Z", re.IGNORECASE)
_REST = re.compile(f"://{_PLACE}")
_TAG = re.compile(r"<[^>]*>")
_IMAGE = re.compile(r'<img\b[^>]*\balt="([^"]*)"[^>]*>')
_BREAK = re.compile(r"(?:<br>|</p>|</pre>)\n?")
_EMOJI_FILE = re.compile(rf"{EMOJI_PREFIX}[A-Za-z0-9_-]+\.[A-Za-z]+")
_LEADS_ELSEWHERE = re.compile(r"https?://|mailto:", re.IGNORECASE)
_BRACKETS = {")": "(", "]": "["}


def normalize(body: str) -> str:
    """The message as it is kept: composed (NFC), without control and hidden characters, without needless blank lines.

    Raises MessageRefused, with TOO_LONG over MAX_BODY_BYTES or EMPTY when nothing can be seen of it.
    """
    if len(body) > MAX_BODY_BYTES or len(body.encode("utf-8", "surrogatepass")) > MAX_BODY_BYTES:
        raise MessageRefused("TOO_LONG", f"A message can have {MAX_BODY_BYTES} bytes; this one is longer.")
    text = body
    if not (text.isascii() and text.isprintable()):
        text = _LINE_ENDS.sub("\n", text).replace("\t", " ")
        text = INVISIBLE.sub("", _CONTROL.sub("", text))
        text = _BLANK_LINES.sub("\n\n", unicodedata.normalize("NFC", text))
        # Composing can make a text longer, by three times at the worst.
        if len(text.encode()) > MAX_BODY_BYTES:
            raise MessageRefused("TOO_LONG", f"A message can have {MAX_BODY_BYTES} bytes; this one is longer.")
    text = text.strip()
    if not seen(text):
        raise MessageRefused("EMPTY", "There is nothing to see in this message; write something.")
    return text


def seen(text: str) -> bool:
    """Whether any character of it leaves a mark."""
    return any(unicodedata.category(character)[0] not in "ZCM" and character != BLANK_BRAILLE for character in text)


def render(source: str, emoji: Mapping[str, str]) -> str:
    """Safe HTML of a normalized message. `emoji` gives the address of each custom emoji by its name."""
    if _MARKUP.search(source) is None:
        return f"<p>{source}</p>"
    return _CLEANER.clean(_MARKDOWN.render(source, {"emoji": emoji})).strip()


def cleaned(markup: str) -> str:
    """Safe HTML of what another program rendered, with what may stand in a message and nothing else."""
    return _CLEANER.clean(markup).strip()


def plain_text(body: str) -> str:
    """The words of a rendered message, with emoji by their names."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", _IMAGE.sub(r"\1", body)))).strip()


def excerpt(body: str, limit: int) -> str:
    """The first `limit` characters of a rendered message's words, on one line."""
    words = " ".join(plain_text(body).split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def _emoji_and_links(state: StateCore) -> None:
    """A rule of the parser: finds emoji and addresses without a scheme in what is left as text."""
    emoji = state.env.get("emoji", {})
    left = MAX_EMOJI
    for block in state.tokens:
        if block.type != "inline" or not block.children:
            continue
        children: list[Token] = []
        inside_link = 0
        for token in block.children:
            inside_link += {"link_open": 1, "link_close": -1}.get(token.type, 0)
            if token.type != "text":
                children.append(token)
                continue
            found, left = _split(token.content, emoji, left, linkable=not inside_link)
            children += found
        block.children = children


def _split(text: str, emoji: Mapping[str, str], left: int, *, linkable: bool) -> tuple[list[Token], int]:
    """Text as tokens, and how many emoji may still follow."""
    tokens: list[Token] = []
    done = 0
    for found in _SPECIAL.finditer(text):
        made: list[Token] = []
        end = found.end()
        if found.start() < done:  # the colon that ended an emoji begins no other
            continue
        if found["emoji"] and left and (address := emoji.get(found["emoji"][1:])):
            end += 1
            made = [Token("emoji", "img", 0, attrs={"src": address, "name": found["emoji"] + ":"})]
            left -= 1
        elif found["link"] and linkable:
            link = _trimmed(found["link"])
            if len(link) > len("www."):
                end = found.start() + len(link)
                made = _link(link, f"https://{link}")
        if made:
            tokens += [_text(text[done : found.start()]), *made]
            done = end
    return [*tokens, _text(text[done:])], left


def _trimmed(link: str) -> str:
    """An address without the punctuation of the sentence around it."""
    surplus = {closing: link.count(closing) - link.count(opening) for closing, opening in _BRACKETS.items()}
    end = len(link)
    while end and (link[end - 1] in ".,:;!?'*_~" or surplus.get(link[end - 1], 0) > 0):
        if link[end - 1] in surplus:
            surplus[link[end - 1]] -= 1
        end -= 1
    return link[:end]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _link(text: str, address: str) -> list[Token]:
    return [Token("link_open", "a", 1, attrs={"href": address}), _text(text), Token("link_close", "a", -1)]


def _bare_address(state: StateInline, silent: bool) -> bool:
    """A rule of the parser: an address with its scheme, found before `_` and `*` in it could become emphasis."""
    if silent or state.linkLevel or not state.src.startswith("://", state.pos):
        return False
    scheme = _SCHEME.search(state.pending)
    rest = _REST.match(state.src, state.pos)
    if scheme is None or rest is None:
        return False
    path = _trimmed(rest[0])
    if len(path) <= len("://"):
        return False
    state.pending = state.pending[: scheme.start()]
    address = scheme[0] + path
    state.push("link_open", "a", 1).attrs = {"href": address}
    state.push("text", "", 0).content = address
    state.push("link_close", "a", -1)
    state.pos += len(path)
    return True


def _render_emoji(_renderer: object, tokens: list[Token], index: int, _options: object, _env: object) -> str:
    source, name = (html.escape(str(tokens[index].attrs[key])) for key in ("src", "name"))
    return f'<img src="{source}" class="emoji" alt="{name}" title="{name}">'


class _Parser(MarkdownIt):
    """Links nothing of this server, nor what no browser should follow; such Markdown stays as it was typed."""

    def validateLink(self, url: str) -> bool:
        return _LEADS_ELSEWHERE.match(url) is not None


def _parser() -> MarkdownIt:
    parser = _Parser("zero", {"breaks": True, "maxNesting": MAX_NESTING})
    parser.enable(["fence", "newline", "escape", "backticks", "emphasis", "link", "autolink"])
    parser.inline.ruler.push("bare_address", _bare_address)
    parser.core.ruler.push("emoji_and_links", _emoji_and_links)
    parser.add_render_rule("emoji", _render_emoji)
    return parser


def _addresses(_tag: str, attribute: str, value: str) -> str | None:
    """A message loads nothing but emoji, and links nothing of this server."""
    if attribute == "src":
        return value if _EMOJI_FILE.fullmatch(value) else None
    if attribute == "href":
        return value if _LEADS_ELSEWHERE.match(value) else None
    return value


_MARKDOWN = _parser()
_CLEANER = nh3.Cleaner(
    tags={"a", "br", "p", "strong", "em", "code", "pre", "img"},
    attributes={"*": set(), "a": {"href"}, "img": {"src", "alt", "title"}},
    allowed_classes={"img": {"emoji"}},
    url_schemes={"http", "https", "mailto"},
    attribute_filter=_addresses,
    link_rel="noopener noreferrer nofollow ugc",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)
