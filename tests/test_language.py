"""Language tags, maps and fallback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifserver.errors import InvalidValue
from iiifserver.language import (
    LANGUAGES,
    Found,
    LanguageMap,
    field_label,
    lookup,
    parse_tag,
    phrase,
    speaks,
    texts_in,
    writing_mode,
)


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("en", "en"),
        ("JA", "ja"),
        ("mn-mong", "mn-Mong"),
        ("MN-CYRL-mn", "mn-Cyrl-MN"),
        ("ja-latn-ALALC97", "ja-Latn-alalc97"),
        ("zh-cmn-Hant-TW", "zh-cmn-Hant-TW"),
        ("es-419", "es-419"),
        ("de-CH-1996", "de-CH-1996"),
        ("xmg", "xmg"),
        ("en-a-bbb-x-Mine", "en-a-bbb-x-mine"),
        ("x-archive", "x-archive"),
    ],
)
def test_tag_gets_its_usual_spelling(written, tag):
    assert parse_tag(written) == tag
    assert parse_tag(tag) == tag


@pytest.mark.parametrize(
    ("written", "proposal"),
    [
        ("jp", "ja"),
        ("cn-Hant", "zh-Hant"),
        ("mn_Mong", "mn-Mong"),
        ("qq", None),
        ("", None),
        ("e", None),
        ("mn-", None),
        ("mn-Mongolian-Script", None),
        ("日本", None),
        ("ja-Latn-alalc97-" + "x" * 60, None),
    ],
)
def test_what_is_no_tag_is_refused_with_a_proposal(written, proposal):
    with pytest.raises(InvalidValue) as caught:
        parse_tag(written)
    assert caught.value.proposal == proposal


@given(st.text(max_size=40))
def test_any_text_is_a_stable_tag_or_refused(text):
    try:
        tag = parse_tag(text)
    except InvalidValue:
        return
    assert parse_tag(tag) == tag
    assert tag.lower() == text.lower()
    assert tag.isascii()


def test_map_has_the_order_that_is_declared_not_the_order_of_writing():
    texts = LanguageMap.of({"mn": "в", "x-other": "d", "en": "a", "ja": "b"}, ("en", "ja", "mn"))
    assert list(texts) == ["en", "ja", "mn", "x-other"]
    assert list(LanguageMap.of(texts, ("mn", "ja", "en"))) == ["mn", "ja", "en", "x-other"]


def test_language_without_text_is_not_in_the_map():
    assert dict(LanguageMap.of({"en": "a", "ja": "", "mn": ()})) == {"en": ("a",)}


def test_maps_in_different_order_are_different():
    assert LanguageMap.of({"en": "a", "ja": "b"}) != LanguageMap.of({"ja": "b", "en": "a"})


TEXTS = LanguageMap.of(
    {"en": "a", "ja": "b", "mn-Cyrl": "c", "mn-Mong": "d", "zh-Hant": ("e", "f")}
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["ja"], Found("b", "ja")),
        (["ja-JP"], Found("b", "ja")),
        (["JA-jp"], Found("b", "ja")),
        (["mn-Mong-CN"], Found("d", "mn-Mong")),
        (["mn"], Found("c", "mn-Cyrl")),
        (["de", "ja"], Found("b", "ja")),
        (["zh-Hant-x-mine"], Found("e; f", "zh-Hant")),
        (["zh-Hans"], Found("a", "en")),
        (["de"], Found("a", "en")),
        ([], Found("a", "en")),
    ],
)
def test_lookup_says_in_which_language_its_answer_is(wanted, found):
    assert lookup(TEXTS, wanted) == found


def test_lookup_in_nothing_finds_nothing():
    assert lookup(LanguageMap(), ["en"]) is None


@pytest.mark.parametrize(
    ("tag", "own"),
    [
        ("ja-JP", "ja"),
        ("mn-Cyrl", "mn"),
        ("mn-Mong", None),
        ("ja-Latn-alalc97", None),
        ("de", None),
    ],
)
def test_program_does_not_speak_another_script(tag, own):
    assert speaks(tag) == own


def test_all_languages_say_the_same_things():
    english = texts_in("en")
    for language in LANGUAGES:
        texts = texts_in(language)
        assert texts.language == language
        assert set(texts.fields) == set(english.fields)
        assert set(texts.phrases) == set(english.phrases)
        assert all((*texts.fields.values(), *texts.phrases.values()))


def test_translations_that_nobody_reviewed_say_so():
    assert [language for language in LANGUAGES if texts_in(language).reviewed] == ["en"]


def test_field_is_named_in_the_order_of_the_exhibition():
    label = field_label("reference", ("mn", "mn-Mong", "ja"))
    assert label.entries == (("mn", ("Архивын дугаар",)), ("ja", ("請求番号",)))


def test_program_says_it_in_english_where_it_speaks_none_of_the_languages():
    assert list(phrase("contents", ("de", "mn-Mong"))) == ["en"]


@pytest.mark.parametrize(
    ("tag", "on_a_vertical_page", "on_any_other"),
    [
        ("ja", "vertical-rl", "horizontal-tb"),
        ("ja-JP", "vertical-rl", "horizontal-tb"),
        ("zh-Hant", "vertical-rl", "horizontal-tb"),
        ("lzh", "vertical-rl", "horizontal-tb"),
        ("ja-Latn", "horizontal-tb", "horizontal-tb"),
        ("en", "horizontal-tb", "horizontal-tb"),
        ("mn", "horizontal-tb", "horizontal-tb"),
        ("mn-Cyrl", "horizontal-tb", "horizontal-tb"),
        ("mn-Mong", "vertical-lr", "vertical-lr"),
        ("mn-Mong-CN", "vertical-lr", "vertical-lr"),
        ("mnc-Mong", "vertical-lr", "vertical-lr"),
    ],
)
def test_a_text_is_written_as_its_script_and_its_page_are(tag, on_a_vertical_page, on_any_other):
    assert writing_mode(tag, vertical=True) == on_a_vertical_page
    assert writing_mode(tag, vertical=False) == on_any_other
