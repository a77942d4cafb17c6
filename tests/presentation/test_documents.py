"""Manifests and Collections of Presentation 3.0."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import iiif_prezi3
import pytest

from iiifserver.dates import parse_date
from iiifserver.language import NOTHING, LanguageMap, in_no_language
from iiifserver.presentation.canvases import Picture
from iiifserver.presentation.collection import (
    chapter_collection,
    exhibition_collection,
    top_collection,
)
from iiifserver.presentation.manifest import chapter_manifest, folder_manifest, record_manifest
from iiifserver.presentation.model import document_bytes
from iiifserver.records import (
    Agent,
    Chapter,
    Exhibition,
    Page,
    Record,
    Section,
    with_unreviewed,
)
from iiifserver.urls import Urls

URLS = Urls("https://iiif.example.org")
P = "https://iiif.example.org/presentation"


def text(**texts: str) -> LanguageMap:
    return LanguageMap.of({tag.replace("_", "-"): value for tag, value in texts.items()})


def pages(record: str, *names: str) -> tuple[Page, ...]:
    return tuple(
        Page(identifier=n, file=f"{n}.jpg", image=f"{record}-{n}", label=in_no_language(n))
        for n in names
    )


NAJ = Agent(
    identifier="naj",
    name=text(en="National Archives", ja="国立公文書館"),
    homepage="https://archives.example.org",
)
LETTER = Record(
    identifier="r1",
    chapter="ch1",
    section="s1",
    title=text(en="Letter", ja="国書", mn="Захидал"),
    record_title=text(ja="書簡"),
    holder=NAJ,
    reference="184-0216",
    date=parse_date("1972-02-24"),
    date_note=text(en="the exchange"),
    places=LanguageMap.of({"en": ("Tokyo", "Nara"), "ja": ("東京",)}),
    summary=text(en="A letter."),
    rights="http://rightsstatements.org/vocab/InC/1.0/",
    viewing_direction="right-to-left",
    behavior="individuals",
    homepage=text(en="https://archives.example.org/en/r1"),
    pages=pages("r1", "1", "2"),
)
MAP = Record(identifier="r2", chapter="ch1", title=text(ja="地図"), pages=pages("r2", "1"))
TABLE = Record(identifier="r3", chapter="ch1", section="s1", title=text(en="Table"))
CHAPTER = Chapter(
    identifier="ch1",
    title=text(ja="第一章", mn="Нэг"),
    period=parse_date("195X/196X"),
    sections=(Section(identifier="s1", chapter="ch1", title=text(en="Trade", ja="貿易")),),
    records=(LETTER, MAP, TABLE),
)
TO_FOLLOW = Chapter(identifier="ch2", title=NOTHING, working_title=text(en="War"))
EXHIBITION = Exhibition(
    identifier="demo",
    languages=("en", "ja", "mn"),
    title=text(en="Demo", ja="展示"),
    required_statement=text(en="Synthetic.", ja="合成", mn="Зохиомол"),
    organisers=(NAJ,),
    chapters=(CHAPTER, TO_FOLLOW),
)
SIZES = ((188, 263), (375, 525), (3000, 4200))
PICTURES = {
    page.image: Picture(page.image, 3000, 4200, SIZES)
    for record in EXHIBITION.records
    for page in record.pages
}


def letter() -> dict[str, Any]:
    return record_manifest(LETTER, EXHIBITION, PICTURES, URLS)


def chapter() -> dict[str, Any]:
    return chapter_manifest(CHAPTER, EXHIBITION, PICTURES, URLS)


def every_document() -> Iterator[dict[str, Any]]:
    yield top_collection([EXHIBITION], PICTURES, URLS)
    yield exhibition_collection(EXHIBITION, PICTURES, URLS)
    for part in EXHIBITION.chapters:
        yield chapter_collection(part, EXHIBITION, PICTURES, URLS)
        yield chapter_manifest(part, EXHIBITION, PICTURES, URLS)
    for record in EXHIBITION.records:
        yield record_manifest(record, EXHIBITION, PICTURES, URLS)
    yield folder_manifest("a/b", "b", [Picture("a/b/c d.tif", 10, 20)], URLS)


def within(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, (dict, list)):
            yield from within(part)


def metadata(document: dict[str, Any]) -> dict[str, Any]:
    return {field["label"]["en"][0]: field["value"] for field in document["metadata"]}


@pytest.mark.parametrize("document", list(every_document()), ids=lambda d: d["id"])
def test_document_is_read_by_prezi3(document):
    kind = getattr(iiif_prezi3, document["type"])
    assert kind(**{key: value for key, value in document.items() if key != "@context"})
    assert next(iter(document)) == "@context"


@pytest.mark.parametrize("document", list(every_document()), ids=lambda d: d["id"])
def test_identifiers_are_unique_in_a_document_except_for_references(document):
    described = [
        part["id"]
        for part in within(document)
        if part.get("type") in ("Canvas", "AnnotationPage", "Annotation", "Range")
        and "items" in part | ({"items": 1} if part["type"] == "Annotation" else {})
    ]
    assert len(described) == len(set(described))


@pytest.mark.parametrize("document", list(every_document()), ids=lambda d: d["id"])
def test_every_resource_of_ours_has_an_address_below_the_base_url(document):
    outside = ("https://archives.example.org",)
    for part in within(document):
        address = part.get("id", part.get("@id", URLS.base_url))
        assert address.startswith((URLS.base_url + "/", URLS.base_url, *outside))


def test_texts_are_in_the_order_of_the_exhibition_and_missing_ones_are_missing():
    assert list(letter()["label"]) == ["en", "ja", "mn"]
    assert chapter()["label"] == {"ja": ["第一章"], "mn": ["Нэг"]}
    assert record_manifest(MAP, EXHIBITION, PICTURES, URLS)["label"] == {"ja": ["地図"]}


def test_declared_order_is_the_order_of_keys_in_the_bytes():
    order = replace(EXHIBITION, languages=("mn", "ja", "en"))
    label = record_manifest(LETTER, order, PICTURES, URLS)["metadata"][0]["label"]
    assert list(label) == ["mn", "ja", "en"]
    assert '{"mn":["Баримтын нэр"],"ja":["資料名"],"en"' in document_bytes(
        {"label": label}
    ).decode().replace('{"label":', "")


def test_record_says_what_is_known_of_it_in_every_language():
    assert metadata(letter()) == {
        "Title of the record": {"ja": ["書簡"]},
        "Date": {
            "en": ["24 February 1972"],
            "ja": ["昭和47年(1972)2月24日"],
            "mn": ["1972 оны 2 дугаар сарын 24"],
        },
        "What the date refers to": {"en": ["the exchange"]},
        "Holding archive": {"en": ["National Archives"], "ja": ["国立公文書館"]},
        "Reference": {"none": ["184-0216"]},
        "Places": {"en": ["Tokyo", "Nara"], "ja": ["東京"]},
        "Chapter": {"ja": ["第一章"], "mn": ["Нэг"]},
        "Section": {"en": ["Trade"], "ja": ["貿易"]},
    }


def test_record_has_its_properties():
    manifest = letter()
    expected = {
        "id": f"{P}/3/r1/manifest",
        "type": "Manifest",
        "summary": {"en": ["A letter."]},
        "rights": "http://rightsstatements.org/vocab/InC/1.0/",
        "navDate": "1972-02-24T00:00:00Z",
        "viewingDirection": "right-to-left",
        "behavior": ["individuals"],
    }
    assert {key: manifest[key] for key in expected} == expected
    assert manifest["requiredStatement"]["value"]["mn"] == ["Зохиомол"]
    [part_of] = manifest["partOf"]
    assert part_of["id"] == f"{P}/3/ch1/collection"


def test_pages_about_a_record_come_by_language_the_archives_own_first():
    page = f"{EXHIBITION.identifier}/record/r1"
    assert [(each["language"], each["id"], each["label"]) for each in letter()["homepage"]] == [
        (["en"], "https://archives.example.org/en/r1", {"en": ["The archive's own page"]}),
        (["en"], f"{URLS.base_url}/en/{page}", {"en": ["This exhibition's own page"]}),
        (["ja"], f"{URLS.base_url}/ja/{page}", {"ja": ["この展示のページ"]}),
        (["mn"], f"{URLS.base_url}/mn/{page}", {"mn": ["Энэ үзэсгэлэнгийн хуудас"]}),
    ]


def test_no_page_is_named_in_a_language_that_the_pages_do_not_speak():
    order = replace(EXHIBITION, languages=("ja-Latn-alalc97", "mn-Mong", "fr", "ja"))
    pages = chapter_manifest(TO_FOLLOW, order, PICTURES, URLS)["homepage"]
    assert [page["language"] for page in pages] == [["ja"]]


def test_record_is_also_data_and_a_pdf():
    assert letter()["seeAlso"] == [
        {
            "id": f"{P}/r1/record.json",
            "type": "Dataset",
            "label": {
                "en": ["The record as JSON"],
                "ja": ["資料情報(JSON)"],
                "mn": ["Баримтын мэдээлэл (JSON)"],
            },
            "format": "application/json",
        },
        {
            "id": f"{P}/r1/record.xml",
            "type": "Dataset",
            "label": {
                "en": ["The record as Dublin Core"],
                "ja": ["資料情報(Dublin Core)"],
                "mn": ["Баримтын мэдээлэл (Dublin Core)"],
            },
            "format": "text/xml",
            "profile": "http://www.openarchives.org/OAI/2.0/oai_dc/",
        },
    ]
    [pdf] = letter()["rendering"]
    assert pdf["id"] == f"{P}/r1/record.pdf"
    assert (pdf["type"], pdf["format"]) == ("Text", "application/pdf")
    assert list(pdf["label"]) == ["en", "ja", "mn"]


def test_record_without_scans_has_no_pdf():
    manifest = record_manifest(TABLE, EXHIBITION, PICTURES, URLS)
    assert "rendering" not in manifest
    assert len(manifest["seeAlso"]) == 2


def test_related_record_is_there_for_visitors_and_for_machines():
    related = replace(MAP, title=text(ja="<地図>", en="A's & B"))
    one = replace(LETTER, related=("r2",))
    held = replace(EXHIBITION, chapters=(replace(CHAPTER, records=(one, related)),))
    manifest = record_manifest(one, held, PICTURES, URLS)
    *_, entry = manifest["seeAlso"]
    assert entry == {
        "id": f"{P}/3/r2/manifest",
        "type": "Manifest",
        "label": {"ja": ["<地図>"], "en": ["A's & B"]},
    }
    page = f"{EXHIBITION.identifier}/record/r2"
    assert metadata(manifest)["See also"] == {
        "en": [f'<a href="{URLS.base_url}/en/{page}">A\'s &amp; B</a>'],
        "ja": [f'<a href="{URLS.base_url}/ja/{page}">&lt;地図&gt;</a>'],
    }


def test_what_is_not_known_is_not_there():
    manifest = record_manifest(MAP, EXHIBITION, PICTURES, URLS)
    absent = {"summary", "rights", "navDate", "viewingDirection", "behavior", "provider"}
    assert not absent & manifest.keys()
    assert len(manifest["homepage"]) == 3  # our own
    assert metadata(manifest).keys() == {"Chapter"}


def test_holder_is_the_provider_with_its_page_as_written():
    [provider] = letter()["provider"]
    assert provider["type"] == "Agent"
    assert provider["label"] == {"en": ["National Archives"], "ja": ["国立公文書館"]}
    assert provider["homepage"][0]["id"] == "https://archives.example.org"  # no slash added
    assert provider["id"] == f"{P}/3/demo/collection#naj"


@pytest.mark.parametrize(
    ("logo", "body"),
    [
        ("https://archives.example.org/logo.PNG?v=2", {"format": "image/png"}),
        ("https://archives.example.org/logo.svg", {"format": "image/svg+xml"}),
        ("https://archives.example.org", {}),  # no slash added, nothing guessed
    ],
)
def test_logo_of_an_archive_is_named_as_written(logo, body):
    record = replace(LETTER, holder=replace(NAJ, logo=logo))
    [provider] = record_manifest(record, EXHIBITION, PICTURES, URLS)["provider"]
    assert provider["logo"] == [{"id": logo, "type": "Image", **body}]


def test_chapter_names_the_organisers_and_the_holders_of_its_records_once():
    museum = Agent(identifier="m", name=text(en="Museum"))
    held = replace(CHAPTER, records=(LETTER, replace(MAP, holder=museum), TABLE))
    providers = chapter_manifest(held, EXHIBITION, PICTURES, URLS)["provider"]
    assert [provider["label"]["en"] for provider in providers] == [
        ["National Archives"],
        ["Museum"],
    ]


def test_canvas_carries_the_scan_and_both_image_services():
    canvas = letter()["items"][0]
    [page] = canvas["items"]
    [painting] = page["items"]
    assert canvas["id"] == painting["target"] == f"{P}/r1/canvas/1"
    assert page["id"] == f"{P}/3/r1/annotation-page/1"
    assert painting["motivation"] == "painting"
    assert (canvas["width"], canvas["height"]) == (3000, 4200)
    body = painting["body"]
    assert body["id"] == "https://iiif.example.org/iiif/3/r1-1/full/max/0/default.jpg"
    assert (body["width"], body["height"], body["format"]) == (3000, 4200, "image/jpeg")
    three, two = body["service"]
    sizes = [{"width": width, "height": height} for width, height in SIZES]
    assert three == {
        "id": "https://iiif.example.org/iiif/3/r1-1",
        "type": "ImageService3",
        "profile": "level2",
        "sizes": sizes,
    }
    assert two == {
        "@id": "https://iiif.example.org/iiif/2/r1-1",
        "@type": "ImageService2",
        "profile": "http://iiif.io/api/image/2/level2.json",
        "sizes": sizes,
    }


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [
        (SIZES, "188,263"),
        (tuple(reversed(SIZES)), "188,263"),
        (((94, 132), (375, 525)), "375,525"),
        (((94, 132),), "94,132"),
        ((), "3000,4200"),
    ],
)
def test_thumbnail_is_the_smallest_published_size_that_shows_something(sizes, asked):
    picture = Picture("x", 3000, 4200, sizes)
    [thumbnail] = folder_manifest("f", "f", [picture], URLS)["items"][0]["thumbnail"]
    assert thumbnail["id"].split("/")[-3] == asked
    assert f"{thumbnail['width']},{thumbnail['height']}" == asked
    assert thumbnail["service"][0]["type"] == "ImageService3"


def test_chapter_shows_the_canvases_of_its_records():
    ids = [canvas["id"] for canvas in chapter()["items"]]
    assert ids == [
        f"{P}/r2/canvas/1",  # what has no section comes first
        f"{P}/r1/canvas/1",
        f"{P}/r1/canvas/2",
        f"{P}/r3/canvas/to-follow",
    ]
    assert chapter()["items"][1:3] == letter()["items"]


def test_chapter_has_a_table_of_contents():
    [contents] = chapter()["structures"]
    assert contents["label"] == {"en": ["Contents"], "ja": ["目次"], "mn": ["Гарчиг"]}
    _, loose, section = contents["items"]
    assert (loose["label"], section["label"]["en"]) == ({"ja": ["地図"]}, ["Trade"])
    _, first, second = section["items"]
    assert [canvas["id"] for canvas in first["items"]] == [
        f"{P}/r1/canvas/1",
        f"{P}/r1/canvas/2",
    ]
    assert second["items"] == [{"id": f"{P}/r3/canvas/to-follow", "type": "Canvas"}]
    told = {name: first[name] for name in ("viewingDirection", "behavior", "rights", "summary")}
    assert told == {
        "viewingDirection": "right-to-left",
        "behavior": ["individuals"],
        "rights": "http://rightsstatements.org/vocab/InC/1.0/",
        "summary": {"en": ["A letter."]},
    }
    assert not told.keys() & second.keys()
    assert first["id"] == f"{P}/3/ch1/range/r1"


def test_every_range_starts_with_a_canvas_of_the_manifest():
    manifest = chapter()
    canvases = {canvas["id"] for canvas in manifest["items"]}
    ranges = [part for part in within(manifest["structures"]) if part.get("type") == "Range"]
    assert len(ranges) == 5
    for part in ranges:
        assert part["items"][0]["type"] == "Canvas"
        assert part["start"] == part["items"][0]
        assert part["start"]["id"] in canvases


def test_chapter_is_never_paged_whatever_its_records_are():
    paged = replace(CHAPTER, records=(replace(LETTER, behavior="paged"),))
    manifest = chapter_manifest(paged, EXHIBITION, PICTURES, URLS)
    assert "behavior" not in manifest
    assert "viewingDirection" not in manifest


CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
INC = "http://rightsstatements.org/vocab/InC/1.0/"


@pytest.mark.parametrize(
    ("of_records", "of_exhibition", "of_chapter"),
    [
        ((None, None), CC0, CC0),
        ((INC, None), CC0, None),
        ((INC, None), None, None),
        ((INC, INC), CC0, INC),
        ((), CC0, CC0),
    ],
)
def test_chapter_has_the_rights_that_hold_for_all_of_it(of_records, of_exhibition, of_chapter):
    records = tuple(
        replace(MAP, identifier=f"x{number}", pages=(), rights=rights)
        for number, rights in enumerate(of_records)
    )
    exhibition = replace(EXHIBITION, rights=of_exhibition)
    manifest = chapter_manifest(replace(CHAPTER, records=records), exhibition, {}, URLS)
    assert manifest.get("rights") == of_chapter


def test_chapter_without_records_says_that_they_are_to_follow():
    manifest = chapter_manifest(TO_FOLLOW, EXHIBITION, PICTURES, URLS)
    assert manifest["label"] == {"en": ["War (working title)"]}
    assert manifest["summary"]["en"] == ["The records of this chapter are to follow."]
    [canvas] = manifest["items"]
    assert canvas["items"] == []
    assert canvas["label"] == manifest["summary"]
    assert "structures" not in manifest
    assert "thumbnail" not in manifest


def test_vague_period_has_no_nav_date():
    assert "navDate" not in chapter()
    assert metadata(chapter())["Period"]["mn"] == ["1950-иад он – 1960-аад он"]


def test_collections_hold_each_other_from_the_site_down_to_the_records():
    top = top_collection([EXHIBITION], PICTURES, URLS)
    exhibition = exhibition_collection(EXHIBITION, PICTURES, URLS)
    chapter = chapter_collection(CHAPTER, EXHIBITION, PICTURES, URLS)
    below = {
        document["id"]: [(item["type"], item["id"]) for item in document["items"]]
        for document in (top, exhibition, chapter)
    }
    assert below == {
        f"{P}/3/collection": [("Collection", f"{P}/3/demo/collection")],
        f"{P}/3/demo/collection": [
            ("Collection", f"{P}/3/ch1/collection"),
            ("Collection", f"{P}/3/ch2/collection"),
        ],
        f"{P}/3/ch1/collection": [
            ("Manifest", f"{P}/3/ch1/manifest"),
            ("Manifest", f"{P}/3/r2/manifest"),  # as in the table of contents
            ("Manifest", f"{P}/3/r1/manifest"),
            ("Manifest", f"{P}/3/r3/manifest"),
        ],
    }


def test_every_document_says_what_it_is_part_of_and_is_listed_there():
    documents = {document["id"]: document for document in every_document()}
    for document in documents.values():
        for above in document.get("partOf", ()):
            holder = documents[above["id"]]
            assert document["id"] in [item["id"] for item in holder["items"]]
            assert above["label"] == holder["label"]
    parts = [document["id"] for document in documents.values() if "partOf" not in document]
    assert parts == [f"{P}/3/collection", f"{P}/3/a%2Fb/manifest"]


def test_entries_of_collections_have_what_their_documents_say():
    documents = {document["id"]: document for document in every_document()}
    for document in documents.values():
        for item in document["items"] if document["type"] == "Collection" else ():
            entry = documents[item["id"]]
            assert item == {
                name: entry[name]
                for name in ("id", "label", "type", "thumbnail", "navDate")
                if name in entry
            }


def test_collections_have_the_thumbnail_of_their_first_scan():
    held = replace(EXHIBITION, chapters=(TO_FOLLOW, CHAPTER))
    for document in (
        exhibition_collection(held, PICTURES, URLS),
        chapter_collection(CHAPTER, held, PICTURES, URLS),
    ):
        [thumbnail] = document["thumbnail"]
        assert thumbnail["id"].endswith("/r2-1/full/188,263/0/default.jpg")
        assert (thumbnail["width"], thumbnail["height"]) == (188, 263)
        assert [service.get("type", "ImageService2") for service in thumbnail["service"]] == [
            "ImageService3",
            "ImageService2",
        ]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (top_collection([EXHIBITION], PICTURES, URLS), ""),
        (exhibition_collection(EXHIBITION, PICTURES, URLS), f"{EXHIBITION.identifier}/"),
        (chapter_manifest(CHAPTER, EXHIBITION, PICTURES, URLS), f"{EXHIBITION.identifier}/ch1/"),
    ],
)
def test_our_own_pages_are_homepages_in_every_language(document, place):
    ours = [page["id"] for page in document["homepage"] if URLS.base_url in page["id"]]
    assert ours == [f"{URLS.base_url}/{language}/{place}" for language in ("en", "ja", "mn")]


def test_every_collection_carries_the_required_statement():
    for document in every_document():
        if document["type"] == "Collection":
            assert document["requiredStatement"]["value"]["en"] == ["Synthetic."]


def test_site_joins_the_statements_of_its_exhibitions():
    other = replace(EXHIBITION, identifier="o", required_statement=text(en="Other.", ja="合成"))
    statement = top_collection([EXHIBITION, other], PICTURES, URLS)["requiredStatement"]
    assert statement["value"]["en"] == ["Synthetic.", "Other."]
    assert statement["value"]["ja"] == ["合成"]


def test_folder_shows_its_images_under_their_names():
    manifest = folder_manifest("a/b", "b", [Picture("a/b/c d.tif", 10, 20)], URLS)
    [canvas] = manifest["items"]
    assert manifest["label"] == {"none": ["b"]}
    assert canvas["label"] == {"none": ["c d.tif"]}
    assert canvas["id"] == f"{P}/a%2Fb/canvas/a%2Fb%2Fc%20d.tif"
    body = canvas["items"][0]["items"][0]["body"]
    assert body["service"][0]["id"] == "https://iiif.example.org/iiif/3/a%2Fb%2Fc%20d.tif"


def test_tag_with_digits_and_address_without_path_are_kept():
    record = replace(
        MAP,
        title=LanguageMap.of({"ja-Latn-alalc97": "Chizu"}),
        homepage=LanguageMap.of({"ja-Latn-alalc97": "https://EXAMPLE.org"}),
    )
    manifest = record_manifest(record, EXHIBITION, PICTURES, URLS)
    assert manifest["label"] == {"ja-Latn-alalc97": ["Chizu"]}
    page = manifest["homepage"][0]
    assert (page["id"], page["language"]) == ("https://EXAMPLE.org", ["ja-Latn-alalc97"])


def test_unreviewed_translations_are_marked_wherever_they_are_shown():
    agent = replace(NAJ, unreviewed=(("name", text(mn="Архив")),))
    record = replace(
        TABLE,
        holder=agent,
        section="s1",
        unreviewed=(
            ("title", text(ja="表")),
            ("places", LanguageMap.of({"ja": ("東京", "奈良")})),
            ("summary", text(ja="<p>表です</p>")),
        ),
    )
    section = replace(CHAPTER.sections[0], unreviewed=(("title", text(mn="Худалдаа")),))
    one = replace(
        CHAPTER,
        sections=(section,),
        records=(record,),
        unreviewed=(("title", text(en="Chapter one")),),
    )
    hidden = replace(EXHIBITION, chapters=(one,), organisers=(agent,))
    unreviewed = ("表", "東京", "奈良", "表です", "Худалдаа", "Архив", "Chapter one")

    def texts_of(exhibition: Exhibition) -> list[str]:
        [one] = exhibition.chapters
        documents = (
            top_collection([exhibition], PICTURES, URLS),
            exhibition_collection(exhibition, PICTURES, URLS),
            chapter_collection(one, exhibition, PICTURES, URLS),
            chapter_manifest(one, exhibition, PICTURES, URLS),
            record_manifest(one.records[0], exhibition, PICTURES, URLS),
        )
        maps = [part for part in within(list(documents)) if not part.keys() & {"id", "@id"}]
        values = [value for part in maps for value in part.values() if isinstance(value, list)]
        return [text for value in values for text in value if isinstance(text, str)]

    assert not [shown for shown in texts_of(hidden) for text in unreviewed if text in shown]
    marks = ("未確認の翻訳", "хянагдаагүй орчуулга", "translation not reviewed")
    texts = texts_of(with_unreviewed(hidden))
    for text_ in unreviewed:
        shown = [each for each in texts if text_ in each]
        assert shown
        assert all(any(mark in each for mark in marks) for each in shown)
    assert "<span><p>表です</p>(未確認の翻訳)</span>" in texts


def test_same_input_gives_the_same_bytes():
    assert document_bytes(chapter()) == document_bytes(chapter())
    assert json.loads(document_bytes(chapter())) == chapter()
    assert "第一章".encode() in document_bytes(chapter())


def test_no_document_fetches_from_the_network(monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("connected"))
    assert list(every_document())


def test_thousand_canvases_take_at_most_a_second_of_processor_time():
    names = [str(number) for number in range(1000)]
    record = replace(MAP, pages=pages("r2", *names))
    pictures = {page.image: Picture(page.image, 3000, 4200, SIZES) for page in record.pages}
    start = time.process_time()
    document_bytes(record_manifest(record, EXHIBITION, pictures, URLS))
    assert time.process_time() - start < 1
