"""HTML of curators: what the Presentation API allows is shown, nothing else."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifserver.web.markup import marked_up, without_markup


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("<b>bold", "&lt;b&gt;bold"),  # does not end with a tag: text
        ("<p>a <i>b</i></p>", "<p>a <i>b</i></p>"),
        ("<p>a<br>b</p>", "<p>a<br>b</p>"),
        ('<p onclick="x()" style="x" class="y">a</p>', "<p>a</p>"),
        ("<p><script>alert(1)</script>a</p>", "<p>a</p>"),
        ("<p><img src='https://elsewhere.example/x'>a</p>", "<p>a</p>"),
        ("<div><h1>a</h1></div>", "a"),
        ("</b><script>a</script>", "&lt;/b&gt;&lt;script&gt;a&lt;/script&gt;"),
        (
            '<a href="https://archive.example/">a</a>',
            '<a href="https://archive.example/" rel="external noopener">a</a>',
        ),
        ('<a href="javascript:alert(1)">a</a>', '<a rel="external noopener">a</a>'),
        ('<a href="//elsewhere.example/">a</a>', '<a rel="external noopener">a</a>'),
        ('<p lang="ja">草</p>', '<p lang="ja">草</p>'),
    ],
)
def test_only_the_html_that_is_allowed_is_shown(text, shown):
    assert str(marked_up(text)) == shown


@pytest.mark.parametrize(
    ("text", "plain"),
    [("<p>a <i>b</i></p>", "a b"), ("a < b", "a < b"), ("<p>a &amp; b</p>", "a & b")],
)
def test_for_machines_only_the_words_are_left(text, plain):
    assert without_markup(text) == plain


class Found(HTMLParser):
    """What a browser would find in a text, but for the text."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def harm(self):
        """Return what may not stand there."""
        return [
            (tag, attrs)
            for tag, attrs in self.found
            if tag not in ("a", "b", "br", "i", "p", "small", "span", "sub", "sup")
            or set(attrs) - {"href", "lang", "rel"}
            or not attrs.get("href", "http:").startswith(("http:", "https:", "mailto:"))
        ]


PIECES = [
    *("<p>", "</p>", "<a href='", "'>", "</a>", "<svg>", "<math>", "<style>", "</style>", "<!--"),
    *("-->", "<script>", "</script>", "<img src=x onerror=a()>", "<template>", "<noscript>"),
    *("javascript:a()", "JaVa\tScRiPt:a()", "&#106;avascript:a()", "data:text/html,<b>", "//x"),
    *('" onclick="a()', "<b", ">", "<iframe srcdoc='", "<base href=x>", "\x00", "<![CDATA[", "x"),
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join))
def test_nothing_but_allowed_html_comes_out_whatever_goes_in(text):
    for each in (text, f"<p>{text}</p>", f"<a href='{text}'>a</a>"):
        assert Found(str(marked_up(each))).harm() == []


def test_what_is_nested_very_deep_is_cleaned_like_all_else():
    deep = "<b>" * 20_000 + "<script>a()</script>" + "</b>" * 20_000
    assert Found(str(marked_up(deep))).harm() == []
