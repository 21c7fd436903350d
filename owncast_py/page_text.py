"""What the owner writes in Markdown → HTML for the page.

Owns which elements a page may have: more than a chat message, still no script, no style and no frame, for page content
is copied from anywhere. `chat.rendering` is the other one, for what viewers write.
"""

from __future__ import annotations

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt

_MARKDOWN = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
_CLEANER = nh3.Cleaner(
    tags={
        *(
            "a",
            "abbr",
            "b",
            "blockquote",
            "br",
            "center",
            "code",
            "del",
            "details",
            "div",
            "dl",
            "dt",
            "dd",
            "em",
            "h1",
        ),
        *("h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "ol", "p", "pre", "s", "small", "span"),
        *("strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "figure"),
        *("figcaption", "mark", "q"),
    },
    attributes={
        "*": {"title", "align", "id"},
        "a": {"href", "name"},
        "img": {"src", "alt", "width", "height", "loading"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan", "rowspan", "scope"},
        "ol": {"start"},
        "details": {"open"},
    },
    url_schemes={"http", "https", "mailto", "xmpp", "matrix"},
    link_rel="noopener noreferrer",
    id_prefix="content-",
)


@lru_cache(maxsize=8)
def render(source: str) -> str:
    """Safe HTML of what the owner wrote."""
    return _CLEANER.clean(_MARKDOWN.render(source)).strip()
