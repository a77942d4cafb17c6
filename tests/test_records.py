"""The values of an exhibition, and its unreviewed translations."""

import pytest

from iiifserver.language import NOTHING, LanguageMap
from iiifserver.records import (
    Agent,
    Chapter,
    Exhibition,
    Record,
    Section,
    marked_unreviewed,
    with_unreviewed,
)


def text(**texts: str) -> LanguageMap:
    return LanguageMap.of(texts)


def exhibition() -> Exhibition:
    holder = Agent(
        identifier="naj", name=text(en="Archives"), unreviewed=(("name", text(mn="Архив")),)
    )
    record = Record(
        identifier="r1",
        chapter="ch1",
        section="s1",
        title=text(ja="国書"),
        holder=holder,
        unreviewed=(("title", text(en="Letter")), ("record_title", text(mn="Захидал"))),
    )
    loose = Record(identifier="r2", chapter="ch1", title=text(en="Loose"))
    section = Section(
        identifier="s1", chapter="ch1", title=text(en="A"), unreviewed=(("title", text(ja="あ")),)
    )
    chapter = Chapter(
        identifier="ch1", title=text(en="One"), sections=(section,), records=(record, loose)
    )
    return Exhibition(
        identifier="e",
        languages=("en", "ja", "mn"),
        title=text(en="E"),
        agents=(holder,),
        organisers=(holder,),
        chapters=(chapter,),
    )


def test_records_of_a_section_are_those_that_name_it():
    [chapter] = exhibition().chapters
    assert [record.identifier for record in chapter.records_of("s1")] == ["r1"]
    assert [record.identifier for record in chapter.records_of(None)] == ["r2"]


def test_records_come_in_the_order_of_the_visit():
    assert [record.identifier for record in exhibition().records] == ["r1", "r2"]


def test_unreviewed_texts_appear_only_when_asked_for():
    before, after = next(exhibition().records), next(with_unreviewed(exhibition()).records)
    assert list(before.title) == ["ja"]
    marked = "Letter (translation not reviewed)"
    assert after.title.entries == (("en", (marked,)), ("ja", ("国書",)))  # in declared order
    assert after.record_title == text(mn="Захидал (хянагдаагүй орчуулга)")


def test_unreviewed_texts_appear_in_every_part_of_an_exhibition():
    shown = with_unreviewed(exhibition())
    [chapter] = shown.chapters
    [organiser], [record, _] = shown.organisers, chapter.records
    assert organiser.name == record.holder.name
    assert organiser.name == text(en="Archives", mn="Архив (хянагдаагүй орчуулга)")
    assert chapter.sections[0].title == text(en="A", ja="あ(未確認の翻訳)")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (text(ru="Письмо"), text(ru="Письмо (непроверенный перевод)")),
        (
            LanguageMap.of({"mn": ("Токио", "Нара")}),
            LanguageMap.of({"mn": ("Токио (хянагдаагүй орчуулга)", "Нара (хянагдаагүй орчуулга)")}),
        ),
        (text(en="<p>A</p>"), text(en="<span><p>A</p> (translation not reviewed)</span>")),
        (text(en="a <b> c"), text(en="a <b> c (translation not reviewed)")),
        (text(en="{text} {0}"), text(en="{text} {0} (translation not reviewed)")),
        # a language that the program does not speak: in English
        (
            LanguageMap.of({"mn-Mong": "ᠪ"}),
            LanguageMap.of({"mn-Mong": "ᠪ (translation not reviewed)"}),
        ),
        (NOTHING, NOTHING),
    ],
)
def test_unreviewed_text_says_so_in_its_language(written, shown):
    assert marked_unreviewed(written) == shown


def test_unreviewed_texts_stay_apart_as_they_were_written():
    shown = next(with_unreviewed(exhibition()).records)
    assert dict(shown.unreviewed)["title"] == text(en="Letter")
