"""Interface texts in every language, and text of other languages shown to a reader."""

from __future__ import annotations

import string

import pytest

from iiifserver.web.reader import Shown, languages, reader

ORDER = ("en", "ja", "mn")


def _names(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", languages())
def test_every_language_says_the_same_things(language):
    texts, english = reader(language, ()).texts, reader("en", ()).texts
    assert texts.keys() == english.keys()
    for key, text in texts.items():
        assert _names(text) == _names(english[key]), key
        assert text or key == "unreviewed"


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ({"en": ["a"], "mn-x-unreviewed": ["c"]}, Shown("a", "en", False)),
        ({"en": ["a"], "mn": ["c"]}, Shown("c", "mn", True)),
        ({"mn-x-unreviewed": ["c"]}, Shown("c", "mn", True, False)),  # nothing else is there
        ({}, Shown("", "", True)),
    ],
)
def test_a_reviewed_text_is_quoted_before_one_in_the_readers_language(texts, shown):
    assert reader("mn", ORDER).quote(texts) == shown


@pytest.mark.parametrize("language", ["ja", "mn"])
def test_a_translation_nobody_has_read_says_so(language):
    assert reader(language, ()).say("unreviewed")


@pytest.mark.parametrize(
    ("language", "texts", "shown"),
    [
        ("ja", {"en": ["a"], "ja": ["b"]}, Shown("b", "ja", True)),
        ("ja", {"en": ["a"], "mn": ["c"]}, Shown("a", "en", False)),
        ("ja", {"mn": ["c"], "en": ["a"]}, Shown("a", "en", False)),  # the site's order decides
        ("en", {"ru": ["d"]}, Shown("d", "ru", False)),
        ("mn", {"en": ["a"], "none": ["184-0216"]}, Shown("184-0216", "", True)),
        ("mn", {"en": ["a"], "mn-Cyrl": ["c"]}, Shown("c", "mn-Cyrl", True)),
        ("en", {"en-GB": ["colour"]}, Shown("colour", "en-GB", True)),
        ("en", {}, Shown("", "", True)),
    ],
)
def test_the_readers_language_comes_first_and_another_is_shown_as_such(language, texts, shown):
    assert reader(language, ORDER).show(texts) == shown


@pytest.mark.parametrize(
    ("language", "tag", "name"),
    [("en", "ja", "Japanese"), ("ja", "mn-Cyrl", "モンゴル語"), ("mn", "fr", "fr")],
)
def test_a_language_is_named_in_the_readers_own(language, tag, name):
    assert reader(language, ORDER).name_of(tag) == name
