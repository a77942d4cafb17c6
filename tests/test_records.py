"""The values of an exhibition, and its unreviewed translations."""

from iiifserver.language import LanguageMap
from iiifserver.records import Agent, Chapter, Exhibition, Record, Section, with_unreviewed


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
    assert after.title.entries == (("en", ("Letter",)), ("ja", ("国書",)))  # in declared order
    assert after.record_title == text(mn="Захидал")


def test_unreviewed_texts_appear_in_every_part_of_an_exhibition():
    shown = with_unreviewed(exhibition())
    [chapter] = shown.chapters
    [organiser], [record, _] = shown.organisers, chapter.records
    assert organiser.name == record.holder.name == text(en="Archives", mn="Архив")
    assert chapter.sections[0].title == text(en="A", ja="あ")


def test_unreviewed_texts_stay_marked_when_they_are_shown():
    shown = next(with_unreviewed(exhibition()).records)
    assert dict(shown.unreviewed)["title"] == text(en="Letter")
