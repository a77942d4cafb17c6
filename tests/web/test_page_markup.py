"""HTML of curators: what the Presentation API allows is shown, nothing else."""

from __future__ import annotations

import pytest

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
