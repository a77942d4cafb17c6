"""A record as JSON and as Dublin Core."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifserver.dates import parse_date
from iiifserver.language import LanguageMap, in_no_language
from iiifserver.presentation.seealso import record_json, record_xml
from iiifserver.records import (
    Agent,
    Chapter,
    Exhibition,
    Page,
    Record,
    Section,
    Source,
    with_unreviewed,
)
from iiifserver.urls import Urls

URLS = Urls("https://iiif.example")
DC = "{http://purl.org/dc/elements/1.1/}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"


def text(**texts: str) -> LanguageMap:
    return LanguageMap.of(texts)


RECORD = Record(
    identifier="r1",
    chapter="ch1",
    section="s1",
    title=LanguageMap.of({"en": "Letter", "mn-Mong": "ᠪᠢᠴᠢᠭ"}),
    record_title=text(ja="異国日記"),
    holder=Agent(
        identifier="ncam",
        name=text(en="Central Archives", mn="Төв архив"),
        part_of="gaam",
        homepage="https://ncam.example/",
        role=text(en="holder"),
    ),
    reference="Fund-59, <File>-1 & Unit-66",
    date=parse_date("1971-09-10/1971-09-15"),
    date_note=text(en="the visit"),
    date_as_written=text(ja="昭和46年9月"),
    places=LanguageMap.of({"en": ("Altai", "Khuree"), "ja": ("アルタイ",)}),
    people=text(en="Kublai Khan"),
    summary=text(en="A letter."),
    viewing_direction="right-to-left",
    behavior="paged",
    homepage=LanguageMap.of({"en": ("https://ncam.example/1",)}),
    related=("r2",),
    note=text(en="The caption is cut."),
    sources=(Source("date", "the English page"),),
    unreviewed=(("title", text(ja="手紙")),),
    pages=(Page(identifier="1", file="1.tif", image="r1-1", label=in_no_language("1a")),),
)
EXHIBITION = Exhibition(
    identifier="e",
    languages=("en", "ja", "mn", "mn-Mong"),
    title=text(en="E"),
    rights=CC0,
    agents=(Agent(identifier="gaam", name=text(en="Authority")),),
    chapters=(
        Chapter(
            identifier="ch1",
            title=text(en="One"),
            sections=(Section(identifier="s1", chapter="ch1", title=text(en="Letters")),),
            records=(RECORD,),
        ),
    ),
)
BARE = Record(identifier="r9", chapter="ch1", title=text(en="Bare"))


def test_a_record_as_json_holds_all_that_is_known():
    assert json.loads(record_json(RECORD, EXHIBITION, URLS)) == {
        "id": "https://iiif.example/presentation/r1/record.json",
        "identifier": "r1",
        "manifest": "https://iiif.example/presentation/3/r1/manifest",
        "exhibition": {"identifier": "e", "title": {"en": ["E"]}},
        "chapter": {"identifier": "ch1", "title": {"en": ["One"]}},
        "section": {"identifier": "s1", "title": {"en": ["Letters"]}},
        "title": {"en": ["Letter"], "mn-Mong": ["ᠪᠢᠴᠢᠭ"]},
        "record_title": {"ja": ["異国日記"]},
        "holder": {
            "identifier": "ncam",
            "name": {"en": ["Central Archives"], "mn": ["Төв архив"]},
            "role": {"en": ["holder"]},
            "homepage": "https://ncam.example/",
            "part_of": {"identifier": "gaam", "name": {"en": ["Authority"]}},
        },
        "reference": "Fund-59, <File>-1 & Unit-66",
        "date": "1971-09-10/1971-09-15",
        "date_note": {"en": ["the visit"]},
        "date_as_written": {"ja": ["昭和46年9月"]},
        "places": {"en": ["Altai", "Khuree"], "ja": ["アルタイ"]},
        "people": {"en": ["Kublai Khan"]},
        "summary": {"en": ["A letter."]},
        "rights": CC0,
        "viewing_direction": "right-to-left",
        "behavior": "paged",
        "homepage": {"en": ["https://ncam.example/1"]},
        "related": [
            {
                "identifier": "r2",
                "manifest": "https://iiif.example/presentation/3/r2/manifest",
            }
        ],
        "note": {"en": ["The caption is cut."]},
        "pages": [
            {
                "identifier": "1",
                "label": {"none": ["1a"]},
                "canvas": "https://iiif.example/presentation/r1/canvas/1",
                "image": {
                    "identifier": "r1-1",
                    "services": {
                        "3": "https://iiif.example/iiif/3/r1-1",
                        "2": "https://iiif.example/iiif/2/r1-1",
                    },
                },
            }
        ],
        "sources": [{"column": "date", "source": "the English page"}],
    }


def test_no_field_of_a_record_is_forgotten():
    [shown] = with_unreviewed(EXHIBITION).records
    assert {field.name for field in fields(Record)} <= json.loads(
        record_json(shown, EXHIBITION, URLS)
    ).keys()


def test_a_hidden_translation_stays_hidden():
    assert "手紙" not in record_json(RECORD, EXHIBITION, URLS).decode()
    assert "手紙" not in record_xml(RECORD, EXHIBITION, URLS).decode()


def test_a_translation_that_is_shown_unreviewed_is_marked():
    [shown] = with_unreviewed(EXHIBITION).records
    facts = json.loads(record_json(shown, EXHIBITION, URLS))
    assert facts["title"]["ja"] == ["手紙(未確認の翻訳)"]
    assert facts["unreviewed"] == {"title": ["ja"]}


def test_what_is_not_known_is_absent():
    facts = json.loads(record_json(BARE, replace(EXHIBITION, rights=None), URLS))
    assert facts.keys() == {"id", "identifier", "manifest", "exhibition", "chapter", "title"}


def elements(record: Record) -> list[tuple[str, str | None, str | None]]:
    """The elements of a record as Dublin Core: name, language, text."""
    root = ET.fromstring(record_xml(record, EXHIBITION, URLS))
    assert root.tag == "{http://www.openarchives.org/OAI/2.0/oai_dc/}dc"
    return [(each.tag.removeprefix(DC), each.get(LANG), each.text) for each in root]


def test_a_record_as_dublin_core_has_its_texts_in_every_language():
    assert elements(RECORD) == [
        ("title", "en", "Letter"),
        ("title", "mn-Mong", "ᠪᠢᠴᠢᠭ"),
        ("title", "ja", "異国日記"),
        ("description", "en", "A letter."),
        ("subject", "en", "Kublai Khan"),
        ("coverage", "en", "Altai"),
        ("coverage", "en", "Khuree"),
        ("coverage", "ja", "アルタイ"),
        ("date", None, "1971-09-10/1971-09-15"),
        ("publisher", "en", "Central Archives"),
        ("publisher", "mn", "Төв архив"),
        ("source", None, "Fund-59, <File>-1 & Unit-66"),
        ("rights", None, CC0),
        ("identifier", None, "https://iiif.example/presentation/3/r1/manifest"),
        ("identifier", None, "r1"),
        ("relation", None, "https://iiif.example/presentation/3/r2/manifest"),
        ("relation", None, "https://ncam.example/1"),
    ]


def test_dublin_core_is_written_with_the_prefixes_that_harvesters_know():
    body = record_xml(BARE, EXHIBITION, URLS).decode()
    assert body.startswith("<?xml version='1.0' encoding='utf-8'?>\n<oai_dc:dc ")
    assert '<dc:title xml:lang="en">Bare</dc:title>' in body
    assert (
        'xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/oai_dc/'
        ' http://www.openarchives.org/OAI/2.0/oai_dc.xsd"' in body
    )


@given(st.text())
def test_any_text_gives_well_formed_xml_without_losing_what_xml_can_hold(title):
    allowed = "".join(
        letter
        for letter in title
        if letter in "\t\n" or (letter >= " " and letter not in "\ufffe\uffff")
    )
    [found, *_] = elements(replace(BARE, title=in_no_language(title)))
    assert (found[2] or "") == allowed


@pytest.mark.parametrize("write", [record_json, record_xml])
def test_a_record_is_written_the_same_way_every_time(write):
    assert write(RECORD, EXHIBITION, URLS) == write(replace(RECORD), replace(EXHIBITION), URLS)
