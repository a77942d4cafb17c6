"""The little HTML that Presentation 3.0 allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifserver.errors import InvalidValue
from iiifserver.publish.markup import is_html, marked_up


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "1 < 2 & 3 > 2",
        "<unclosed is plain",
        "<p>A <b>bold</b> <i>word</i><br>and<br/>H<sub>2</sub>O<sup>2</sup> &amp; more</p>",
        '<p><a href="https://example.org/?a=1&amp;b=2">link</a></p>',
        '<a href="mailto:a@example.org">mail</a>',
        '<span><img src="https://example.org/a.png" alt="a picture"></span>',
        "<small>1 &lt; 2</small>",
    ],
)
def test_text_is_kept_as_it_is(text):
    assert marked_up(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<script>alert(1)</script>", "<script> is not allowed"),
        ("<p><iframe src='https://example.org'></iframe></p>", "<iframe>"),
        ('<p onclick="x()">a</p>', "'onclick'"),
        ('<p style="color:red">a</p>', "'style'"),
        ('<a href="javascript:alert(1)">a</a>', "not an address"),
        ('<a href="/relative">a</a>', "not an address"),
        ("<a href>a</a>", "not an address"),
        ("<p>a", None),
        ("<p>a<br>", "<p> is not closed"),
        ("<p>a</b></p>", "</b> closes"),
        ("<p/>", "nothing in it"),
        ("<p>1 < 2</p>", "&lt;"),
        ("<!-- a --><p>a</p>", "comment"),
        ("<!DOCTYPE html><p>a</p>", "declaration"),
        ("<![CDATA[x]]><p>a</p>", "declaration"),
        ("<?php x ?><p>a</p>", "processing instruction"),
        ("<p>a</p><script>", "<script>"),
    ],
)
def test_what_viewers_would_take_away_is_refused(text, reason):
    if reason is None:  # does not end as HTML does, so it is plain
        assert not is_html(text)
        return
    with pytest.raises(InvalidValue, match=reason):
        marked_up(text)


@given(st.text(alphabet="<>/!?-[]=\"'& abpsx", max_size=40).map(lambda text: f"<{text}>"))
def test_any_markup_is_read_or_refused(text):
    try:
        assert marked_up(text) == text
    except InvalidValue:
        assert is_html(text)
