"""The facts of the demonstration's exhibition, as its sheets hold them."""

from collections import Counter
from pathlib import Path

import pytest

from iiifserver.dates import parse_date
from iiifserver.publish.check import read
from iiifserver.records import Exhibition, with_unreviewed

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def exhibition() -> Exhibition:
    exhibition, mistakes = read(ROOT / "manifests" / "japan-mongolia", ROOT / "images")
    assert [str(mistake) for mistake in mistakes] == []
    return exhibition


def languages_of(maps):
    return Counter(tag for texts in maps for tag in texts)


def test_chapters_hold_their_records(exhibition):
    numbers = {chapter.identifier: len(chapter.records) for chapter in exhibition.chapters}
    assert numbers == {"ch01": 1, "ch02": 1, "ch03": 0, "ch04": 4, "ch05": 11, "ch06": 3}


def test_titles_are_there_in_the_languages_that_are_known(exhibition):
    records = list(exhibition.records)
    assert languages_of(c.title for c in exhibition.chapters) == {"en": 4, "ja": 5, "mn": 2}
    assert languages_of(r.title for r in records) == {"en": 18, "ja": 16, "mn": 2}
    assert languages_of(r.record_title for r in records) == {"en": 13, "ja": 9}
    assert dict(exhibition.title).keys() == {"en", "ja"}


def test_facts_of_records_are_there_as_far_as_they_are_known(exhibition):
    records = list(exhibition.records)
    assert sum(r.reference is not None for r in records) == 13
    assert sum(r.holder is not None for r in records) == 16
    assert sum(r.date is not None for r in records) == 20


def test_suggested_translations_complete_the_titles_only_when_asked_for(exhibition):
    shown = with_unreviewed(exhibition)
    assert set(shown.title) == {"en", "ja", "mn"}
    assert languages_of(r.title for r in shown.records) == {"en": 20, "ja": 20, "mn": 20}
    assert not shown.chapters[2].title


def test_third_chapter_has_only_a_working_title(exhibition):
    chapter = exhibition.chapters[2]
    assert not chapter.title
    assert set(chapter.working_title) == {"en"}


def test_ambassador_stands_in_the_archives_of_both_countries(exhibition):
    records = {record.identifier: record for record in exhibition.records}
    cabinet, credentials = records["ch05-05"], records["ch05-06"]
    assert cabinet.related == ("ch05-06",)
    assert credentials.related == ("ch05-05",)
    assert (cabinet.holder.identifier, credentials.holder.identifier) == ("naj", "camfa")


def test_reference_is_not_an_identifier(exhibition):
    shared = Counter(r.reference for r in exhibition.records if r.reference)
    assert shared["Fund-59, File-1, Unit-548"] == 2


def test_visit_of_1971_has_its_facts(exhibition):
    [visit] = [r for r in exhibition.records if r.identifier == "ch05-01"]
    assert visit.date == parse_date("1971-09-10/1971-09-15")
    assert visit.reference == "K-19180-1"
    assert visit.people["ja"] == ("中島茂喜", "L. リンチン")
    assert visit.holder.part_of == "ncam"


def test_every_title_says_where_it_was_found(exhibition):
    for item in (*exhibition.records, *exhibition.chapters):
        found = {source.column for source in item.sources}
        assert {f"title_{language}" for language in item.title} <= found


def test_every_record_has_its_drawn_pages_listed(exhibition):
    for record in exhibition.records:
        folder = ROOT / "images" / record.identifier
        assert record.pages
        assert {page.file for page in record.pages} == {scan.name for scan in folder.iterdir()}


def test_pages_in_vertical_japanese_are_turned_from_right_to_left(exhibition):
    turned = [r.identifier for r in exhibition.records if r.viewing_direction == "right-to-left"]
    assert turned == ["ch01-01", "ch02-01", "ch04-04", "ch05-05", "ch05-11"]


def test_visitors_are_told_that_it_is_a_demonstration(exhibition):
    assert set(exhibition.required_statement) == {"en", "ja", "mn"}
    for texts in exhibition.required_statement.values():
        assert "https://www.archives.go.jp/about/activity/international/jp_mn50/" in texts[0]
    assert "synthetic" in exhibition.required_statement["en"][0]


def test_every_record_leads_to_the_pages_where_its_heading_was_found(exhibition):
    found = "https://www.archives.go.jp/about/activity/international/jp_mn50/"
    for record in exhibition.records:
        assert set(record.homepage) == set(record.title)
        for language, addresses in record.homepage.items():
            sources = [s.source for s in record.sources if s.column == f"title_{language}"]
            assert all(address.startswith(found) for address in addresses)
            assert [s for s in sources if all(address in s for address in addresses)] == sources
