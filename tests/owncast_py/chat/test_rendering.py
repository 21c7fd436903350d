"""What people type, as HTML: what stands in it, what never does, and what the worst of it costs."""

from __future__ import annotations

import re
import time
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from owncast_py.chat import rendering
from owncast_py.chat.errors import MessageRefused
from owncast_py.chat.rendering import MAX_BODY_BYTES, MAX_EMOJI, excerpt, normalize, plain_text, render

EMOJI = {"party": "/img/emoji/party.gif", "x_y": "/img/emoji/x_y.png"}
PARTY = '<img src="/img/emoji/party.gif" class="emoji" alt=":party:" title=":party:">'
CORPUS = [
    line.replace("\\n", "\n")
    for line in (Path(__file__).parent / "xss_corpus.txt").read_text().splitlines()
    if line and not line.startswith("## ")
]
ATTRIBUTES = {
    "a": {"href", "target", "rel"},
    "img": {"src", "class", "alt", "title"},
    **{tag: set() for tag in ("br", "p", "strong", "em", "code", "pre")},
}


def link(address: str, text: str | None = None) -> str:
    return f'<a href="{address}" target="_blank" rel="noopener noreferrer nofollow ugc">{text or address}</a>'


def shown(source: str) -> str:
    return render(normalize(source), EMOJI)


class Judge(HTMLParser):
    """Fails on whatever a message must not consist of, and keeps what a reader would see."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert tag in ATTRIBUTES
        given = dict(attrs)
        assert set(given) <= ATTRIBUTES[tag]
        if tag == "a":
            assert given["target"] == "_blank"
            assert given["rel"] == "noopener noreferrer nofollow ugc"
            # nh3 takes the address away when there is no such host or port.
            assert re.match(r"https?://|mailto:", given.get("href") or "https://", re.IGNORECASE)
        if tag == "img":
            assert given["src"] in EMOJI.values()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data!r}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a section: {data!r}")


def judge(body: str) -> Judge:
    judged = Judge()
    judged.feed(body)
    judged.close()
    return judged


@pytest.mark.parametrize("attack", CORPUS)
def test_an_attack_is_only_words(attack: str) -> None:
    assert judge(shown(attack)).text


def test_the_judge_finds_what_it_should() -> None:
    for bad in (
        "<p onclick=x>",
        "<script>",
        "<a href='javascript:x' target=_blank rel='noopener noreferrer nofollow ugc'>",
        '<img src="//e.example/x">',
        "<a href='https://a.example'>",
        "<!-- x -->",
    ):
        with pytest.raises((AssertionError, KeyError)):
            judge(bad)


@given(st.lists(st.sampled_from(CORPUS) | st.sampled_from(list("*_`[]()<>\"'&\\\n :!~")), min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_attacks_in_any_order_are_only_words(parts: list[str]) -> None:
    try:
        judge(shown("".join(parts)))
    except MessageRefused:
        pass


@given(st.text(alphabet=st.sampled_from(list("ab:/*_`[]()<>\"'&\\\n!~#-.w")) | st.characters(), max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_text_is_safe(text: str) -> None:
    try:
        source = normalize(text)
    except MessageRefused:
        return
    judge(render(source, EMOJI))
    assert normalize(source) == source


@given(st.text(alphabet=st.sampled_from(list("abW.:/-=#+!~|'\"(){}0 \u200d\u00e9")) | st.characters(), max_size=120))
@settings(max_examples=600, deadline=None)
def test_the_short_cut_gives_what_the_parser_gives(text: str) -> None:
    try:
        source = normalize(text)
    except MessageRefused:
        return
    short = render(source, EMOJI)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "_MARKUP", re.compile(""))
        assert render(source, EMOJI) == short


def test_plain_words_take_the_short_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_MARKDOWN", None)
    assert shown("Nothing but words, isn't it? 100 % - #1!") == "<p>Nothing but words, isn't it? 100 % - #1!</p>"


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("a\nb", "<p>a<br>\nb</p>"),
        ("a\n\n\n\nb", "<p>a</p>\n<p>b</p>"),
        ("**a** *b* __c__ _d_", "<p><strong>a</strong> <em>b</em> <strong>c</strong> <em>d</em></p>"),
        ("`a<b`", "<p><code>a&lt;b</code></p>"),
        ("```\na\n  b\n```", "<pre><code>a\n  b\n</code></pre>"),
        ("1 < 2 & 3 > 2", "<p>1 &lt; 2 &amp; 3 &gt; 2</p>"),
        ("\\*a\\*", "<p>*a*</p>"),
        ("snake_case_name", "<p>snake_case_name</p>"),
        # No headings, lists, quotes, tables, rules, pictures.
        ("# a", "<p># a</p>"),
        ("- a\n- b", "<p>- a<br>\n- b</p>"),
        ("> a", "<p>&gt; a</p>"),
        ("1. a", "<p>1. a</p>"),
        ("***", "<p>***</p>"),
        ("![a](https://b.example/c.png)", f"<p>!{link('https://b.example/c.png', 'a')}</p>"),
    ],
)
def test_markdown(source: str, body: str) -> None:
    assert shown(source) == body


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("https://a.example", link("https://a.example")),
        ("see https://a.example/b?c=d#e.", f"see {link('https://a.example/b?c=d#e')}."),
        ("(https://a.example)", f"({link('https://a.example')})"),
        ("https://a.example/b_(c)", link("https://a.example/b_(c)")),
        ("(https://a.example/b_(c))", f"({link('https://a.example/b_(c)')})"),
        ("[https://a.example/b[c]].", f"[{link('https://a.example/b[c]')}]."),
        ("**https://a.example**", f"<strong>{link('https://a.example')}</strong>"),
        ("https://a.example/_b_/c*d*e", link("https://a.example/_b_/c*d*e")),
        ("HTTP://A.example", link("HTTP://A.example")),
        ("www.a.de", link("https://www.a.de", "www.a.de")),
        ("[a](//b.example) [c](/api/status) [d](ftp://e)", "[a](//b.example) [c](/api/status) [d](ftp://e)"),
        ("[a](https://b.example)", link("https://b.example", "a")),
        ("[https://a.example](https://b.example)", link("https://b.example", "https://a.example")),
        ('[a](https://b.example "title")', link("https://b.example", "a")),
        ("<https://a.example>", link("https://a.example")),
        ("<a@b.example>", link("mailto:a@b.example", "a@b.example")),
        ("`https://a.example`", "<code>https://a.example</code>"),
        ("https\\://a.example", "https://a.example"),
        ("xhttps://a.example", "xhttps://a.example"),
        ("http:// www. www.. https://", "http:// www. www.. https://"),
        ("a.example", "a.example"),
        ("https://a.example:8080/b", link("https://a.example:8080/b")),
        ("https://ü.example/ß", link("https://ü.example/ß")),
        ("https://a.example)(b", f"{link('https://a.example')})(b"),
        ("https://bank.example@evil.example", f"{link('https://bank.example')}@evil.example"),
    ],
)
def test_links(source: str, body: str) -> None:
    assert shown(source) == f"<p>{body}</p>"


@pytest.mark.parametrize(
    ("source", "body"),
    [
        (":party:", PARTY),
        ("a :party: b", f"a {PARTY} b"),
        (":party::party:", PARTY * 2),
        ("10:30:party:", f"10:30{PARTY}"),
        (":unknown:party:", f":unknown{PARTY}"),
        (":party:party:", f"{PARTY}party:"),
        (":Party: :nobody: ::", ":Party: :nobody: ::"),
        ("**:party:**", f"<strong>{PARTY}</strong>"),
        ("`:party:`", "<code>:party:</code>"),
        ("https://a.example/:party:", link("https://a.example/:party") + ":"),
        ("[:party:](https://a.example)", link("https://a.example", PARTY)),
    ],
)
def test_emoji(source: str, body: str) -> None:
    assert shown(source) == f"<p>{body}</p>"


def test_an_emoji_with_underscores() -> None:
    assert 'src="/img/emoji/x_y.png"' in shown(":x_y:")


def test_emoji_are_counted_over_all_paragraphs() -> None:
    body = shown(":party:\n\n" * (MAX_EMOJI // 2) + ":party:" * (MAX_EMOJI // 2 + 5))
    assert body.count("<img") == MAX_EMOJI
    assert body.endswith(":party:" * 5 + "</p>")


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/x.png", "//evil.example/x.png", "javascript:x", "/img/emoji/../x.gif", "/logo.png"],
)
def test_nothing_but_emoji_is_loaded_whatever_the_mapping_says(address: str) -> None:
    body = render(":x:", {"x": address})
    assert "src" not in body
    assert "x" in plain_text(body)


def test_a_message_of_the_greatest_size_and_one_octet_more() -> None:
    assert normalize("a" * MAX_BODY_BYTES)
    assert normalize("é" * (MAX_BODY_BYTES // 2))
    for body in ("a" * (MAX_BODY_BYTES + 1), "é" * (MAX_BODY_BYTES // 2) + "a", "x" * 1_000_000):
        with pytest.raises(MessageRefused, match="2048 bytes") as refused:
            normalize(body)
        assert refused.value.code == "TOO_LONG"


def test_a_message_that_grows_when_it_is_composed() -> None:
    # U+0958 is excluded from composition: NFC takes it apart, into twice the octets.
    with pytest.raises(MessageRefused, match="2048 bytes"):
        normalize("\u0958" * (MAX_BODY_BYTES // 3))


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "\n\n",
        "\t\r\n",
        "\x00",
        "\u200b\u200d\ufeff",
        "\u2800\u2800",
        "\u3164",
        "\u202e",
        "\u0301",
        "\ud800",
        "\u00a0",
    ],
)
def test_a_message_that_cannot_be_seen_is_empty(body: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        normalize(body)
    assert refused.value.code == "EMPTY"


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("e\u0301", "é"),
        ("a\x00b\x07c\x1b[31m", "abc[31m"),
        ("a\ud800b", "ab"),
        ("a\u202eb\u2066c\u200bd\ufeff", "abcd"),
        ("a\r\nb\rc\u2028d\u2029e\x85f", "a\nb\nc\nd\ne\nf"),
        ("a\n \n\n  \nb", "a\n\nb"),
        ("a\tb", "a b"),
        ("\u202a\n\n\u202c a \u200b", "a"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),  # one picture of three
        ("نامه\u200cای", "نامه\u200cای"),  # Persian needs it
        ("\u200fשלום", "\u200fשלום"),
        ("❤\ufe0f", "❤\ufe0f"),
    ],
)
def test_what_is_kept_of_a_message(body: str, kept: str) -> None:
    assert normalize(body) == kept


@given(st.text(alphabet=st.characters() | st.sampled_from(list("\n \r\t\x00\u202e\u0301\ud800")), max_size=300))
@settings(max_examples=400, deadline=None)
def test_whatever_is_kept_is_clean(text: str) -> None:
    try:
        kept = normalize(text)
    except MessageRefused:
        return
    assert unicodedata.is_normalized("NFC", kept)
    assert not {unicodedata.category(character) for character in kept.replace("\n", "")} & {"Cc", "Cs"}
    assert not rendering.INVISIBLE.search(kept)
    assert "\n\n\n" not in kept
    assert len(kept.encode()) <= MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a", "a"),
        ("**a** `b<c` & d", "a b<c & d"),
        ("a\nb\n\nc", "a\nb\nc"),
        ("hi :party: there", "hi :party: there"),
        ("[a > b](https://c.example)", "a > b"),
        ("<b>x</b>", "<b>x</b>"),
        ("&lt;b&gt;", "&lt;b&gt;"),
    ],
)
def test_the_words_of_a_message(source: str, words: str) -> None:
    assert plain_text(shown(source)) == words


def test_an_excerpt_is_one_line_and_at_most_so_long() -> None:
    assert excerpt(shown("a\nb\n\n**c**"), 100) == "a b c"
    assert excerpt(shown("a" * 200), 100) == "a" * 99 + "…"
    assert excerpt(shown("one two three"), 5) == "one…"
    assert excerpt(shown("<" * 10), 10) == "<" * 10


WORST = [
    "> ",
    "[",
    "![",
    "[](",
    "[a](",
    "[a][",
    "*",
    "**",
    "*a ",
    "*a_ ",
    "_*",
    "***a***",
    "`a``",
    "``` ",
    "~~~\n",
    "<",
    "<a",
    "<!--",
    ">",
    "&",
    "&amp;",
    "\\",
    "a\n",
    "\n\na",
    ":a:",
    ":party:",
    "http://",
    "https://a) ",
    "www.a)",
    "]",
    "(",
    '[a](b "',
    "[a](<",
    "[x](http://a.b)",
    "_a",
    ":",
]
ORDINARY = "hello **everybody** look at https://example.com/some_page and :party: or `code`, _nice_ isn't it?! "


def cost(source: str, times: int = 5) -> float:
    """The least CPU seconds of several tries to show a message and to read it back."""
    best = float("inf")
    for _ in range(times):
        begin = time.process_time()
        plain_text(render(source, EMOJI))
        best = min(best, time.process_time() - begin)
    return best


def test_the_worst_message_costs_little_more_than_an_ordinary_one_of_its_size() -> None:
    ordinary = normalize((ORDINARY * 40)[:MAX_BODY_BYTES])
    bound = 40 * cost(ordinary)
    for part in WORST:
        source = normalize((part * MAX_BODY_BYTES)[:MAX_BODY_BYTES])
        assert cost(source, 2) < bound, part


def test_ticks_of_every_length_and_brackets_never_closed() -> None:
    ordinary = normalize((ORDINARY * 40)[:MAX_BODY_BYTES])
    bound = 40 * cost(ordinary)
    for source in (" ".join("`" * count for count in range(1, 63)), "www." + ")" * 2040, "https://a" + ")" * 2000):
        assert cost(source, 2) < bound
        judge(shown(source))


def test_the_deepest_nesting_is_still_only_words() -> None:
    for source in ("**a *b " * 290, "[" * 1000 + "a" + "](https://b.example)" * 50, "*" * 2048, "_**" * 600 + "a"):
        judge(shown(source))
