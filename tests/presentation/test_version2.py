"""Presentation 3.0 to 2.1, property by property."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifserver.dates import parse_date
from iiifserver.language import LanguageMap, in_no_language
from iiifserver.presentation import collection, manifest
from iiifserver.presentation.canvases import Picture
from iiifserver.presentation.version2 import version2
from iiifserver.records import Agent, Chapter, Exhibition, Page, Record, Section
from iiifserver.urls import Urls

URLS = Urls("https://iiif.example/a")
THIRD = "https://iiif.example/a/presentation/3/r1"
SECOND = "https://iiif.example/a/presentation/2/r1"
CANVAS = "https://iiif.example/a/presentation/r1/canvas/1"
IMAGE_2 = "http://iiif.io/api/image/2"
IMAGE_3 = "http://iiif.io/api/image/3"
SIZES = [{"width": 75, "height": 100}]
SERVICES = [
    {
        "id": "https://iiif.example/a/iiif/3/r1-1",
        "type": "ImageService3",
        "profile": "level2",
        "sizes": SIZES,
    },
    {
        "@id": "https://iiif.example/a/iiif/2/r1-1",
        "@type": "ImageService2",
        "profile": f"{IMAGE_2}/level2.json",
        "sizes": SIZES,
    },
]
SERVICE = {
    "@context": f"{IMAGE_2}/context.json",
    "@id": "https://iiif.example/a/iiif/2/r1-1",
    "profile": f"{IMAGE_2}/level2.json",
    "sizes": SIZES,
}
THUMBNAIL_3 = {
    "id": "https://iiif.example/a/iiif/3/r1-1/full/75,100/0/default.jpg",
    "type": "Image",
    "format": "image/jpeg",
    "width": 75,
    "height": 100,
    "service": SERVICES,
}
THUMBNAIL_2 = {
    "@id": "https://iiif.example/a/iiif/2/r1-1/full/75,100/0/default.jpg",
    "@type": "dctypes:Image",
    "format": "image/jpeg",
    "width": 75,
    "height": 100,
    "service": SERVICE,
}
AGENT = {
    "id": "https://iiif.example/a/presentation/3/e/collection#naj",
    "type": "Agent",
    "label": {"en": ["Archives"], "ja": ["公文書館"]},
    "homepage": [
        {
            "id": "https://naj.example/",
            "type": "Text",
            "label": {"en": ["Archives"]},
            "format": "text/html",
        }
    ],
    "logo": [THUMBNAIL_3],
}


def converted(kind: str, **properties: Any) -> dict[str, Any]:
    """Properties of a resource of this type as 2.1, without what every resource has."""
    document = version2({"id": f"{THIRD}/x", "type": kind, **properties}, URLS)
    return {name: value for name, value in document.items() if name[0] != "@"}


def tagged(text: str, tag: str) -> dict[str, str]:
    return {"@value": text, "@language": tag}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Collection", "sc:Collection"),
        ("Manifest", "sc:Manifest"),
        ("Canvas", "sc:Canvas"),
        ("Range", "sc:Range"),
        ("AnnotationPage", "sc:AnnotationList"),
        ("Annotation", "oa:Annotation"),
    ],
)
def test_every_document_has_context_id_and_type(kind, name):
    assert version2({"@context": "3", "id": f"{THIRD}/x", "type": kind}, URLS) == {
        "@context": "http://iiif.io/api/presentation/2/context.json",
        "@id": f"{SECOND}/x",
        "@type": name,
    }


@pytest.mark.parametrize(
    ("language_map", "text"),
    [
        ({"none": ["184-0216"]}, "184-0216"),
        ({"en": ["Letter"]}, tagged("Letter", "en")),
        ({"mn-Mong": ["ᠮᠣᠩᠭᠣᠯ"]}, tagged("ᠮᠣᠩᠭᠣᠯ", "mn-Mong")),
        (
            {"ja": ["国書", "写"], "ja-Latn-alalc97": ["Kokusho"], "none": ["1"]},
            [tagged("国書", "ja"), tagged("写", "ja"), tagged("Kokusho", "ja-Latn-alalc97"), "1"],
        ),
    ],
)
def test_a_language_map_becomes_texts_with_tags(language_map, text):
    assert converted("Manifest", label=language_map) == {"label": text}


tags = st.sampled_from(["none", "en", "ja", "mn-Cyrl", "mn-Mong", "ja-Latn-alalc97", "x-own"])
language_maps = st.dictionaries(tags, st.lists(st.text(), min_size=1), min_size=1)


@given(language_maps)
def test_no_text_and_no_tag_is_lost_or_moved(language_map):
    shown = converted("Manifest", summary=language_map)["description"]
    back: dict[str, list[str]] = {}
    for text in shown if isinstance(shown, list) else [shown]:
        tag = "none" if isinstance(text, str) else text["@language"]
        back.setdefault(tag, []).append(text if isinstance(text, str) else text["@value"])
    assert back == language_map
    assert list(back) == list(language_map)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (
            {"metadata": [{"label": {"en": ["Date"]}, "value": {"none": ["1266", "1268"]}}]},
            {"metadata": [{"label": tagged("Date", "en"), "value": ["1266", "1268"]}]},
        ),
        ({"summary": {"en": ["All"]}}, {"description": tagged("All", "en")}),
        ({"thumbnail": [THUMBNAIL_3]}, {"thumbnail": THUMBNAIL_2}),
        ({"rights": "http://r.example/"}, {"license": "http://r.example/"}),
        ({"navDate": "1266-01-01T00:00:00Z"}, {"navDate": "1266-01-01T00:00:00Z"}),
        ({"viewingDirection": "right-to-left"}, {"viewingDirection": "right-to-left"}),
        ({"behavior": ["paged"]}, {"viewingHint": "paged"}),
        (
            {"behavior": ["unordered"]},
            {"viewingHint": "http://iiif.io/api/presentation/3#unordered"},
        ),
        (  # 2.1 demands a direction, and 3.0 has this default
            {"behavior": ["continuous"]},
            {"viewingHint": "continuous", "viewingDirection": "left-to-right"},
        ),
        (
            {"behavior": ["continuous"], "viewingDirection": "top-to-bottom"},
            {"viewingHint": "continuous", "viewingDirection": "top-to-bottom"},
        ),
        (  # 2.1 has no label for its attribution: it stays, with the text, in the metadata
            {"requiredStatement": {"label": {"en": ["Note"]}, "value": {"en": ["Drawn"]}}},
            {
                "metadata": [{"label": tagged("Note", "en"), "value": tagged("Drawn", "en")}],
                "attribution": tagged("Drawn", "en"),
            },
        ),
        (
            {"provider": [AGENT]},
            {
                "attribution": [tagged("Archives", "en"), tagged("公文書館", "ja")],
                "related": {
                    "@id": "https://naj.example/",
                    "@type": "dctypes:Text",
                    "label": tagged("Archives", "en"),
                    "format": "text/html",
                },
                "logo": THUMBNAIL_2,
            },
        ),
        (
            {
                "homepage": [
                    {
                        "id": "https://naj.example/1",
                        "type": "Text",
                        "label": {"ja": ["ページ"]},
                        "format": "text/html",
                        "language": ["ja"],
                    }
                ]
            },
            {
                "related": {
                    "@id": "https://naj.example/1",
                    "@type": "dctypes:Text",
                    "label": tagged("ページ", "ja"),
                    "format": "text/html",
                    "language": "ja",
                }
            },
        ),
        (
            {
                "seeAlso": [
                    {
                        "id": URLS.record_xml("r1"),
                        "type": "Dataset",
                        "format": "text/xml",
                        "profile": "http://www.openarchives.org/OAI/2.0/oai_dc/",
                    }
                ]
            },
            {
                "seeAlso": {
                    "@id": URLS.record_xml("r1"),
                    "@type": "dctypes:Dataset",
                    "format": "text/xml",
                    "profile": "http://www.openarchives.org/OAI/2.0/oai_dc/",
                }
            },
        ),
        (
            {
                "rendering": [
                    {
                        "id": URLS.record_pdf("r1"),
                        "type": "Text",
                        "label": {"en": ["PDF"]},
                        "format": "application/pdf",
                    }
                ]
            },
            {
                "rendering": {
                    "@id": URLS.record_pdf("r1"),
                    "@type": "dctypes:Text",
                    "label": tagged("PDF", "en"),
                    "format": "application/pdf",
                }
            },
        ),
        (
            {
                "partOf": [
                    {
                        "id": "https://iiif.example/a/presentation/3/ch1/collection",
                        "type": "Collection",
                        "label": {"en": ["One"]},
                    }
                ]
            },
            {
                "within": {
                    "@id": "https://iiif.example/a/presentation/2/ch1/collection",
                    "@type": "sc:Collection",
                    "label": tagged("One", "en"),
                }
            },
        ),
    ],
    ids=lambda value: "+".join(value),
)
def test_a_property_has_its_place_in_version_2(properties, expected):
    assert converted("Manifest", **properties) == expected


def test_what_goes_to_the_same_place_is_listed_there_in_order():
    statement = {"label": {"en": ["Note"]}, "value": {"en": ["Drawn"]}}
    page = {"id": "https://naj.example/1", "type": "Text"}
    found = converted(
        "Manifest", requiredStatement=statement, provider=[AGENT], homepage=[page], label={}
    )
    assert found["attribution"] == [
        tagged("Drawn", "en"),
        tagged("Archives", "en"),
        tagged("公文書館", "ja"),
    ]
    assert [each["@id"] for each in found["related"]] == [
        "https://naj.example/",
        "https://naj.example/1",
    ]


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        (SERVICES, SERVICE),
        (SERVICES[::-1], SERVICE),
        (
            [{"id": "https://other.example/i", "type": "ImageService3", "profile": "level1"}],
            {
                "@context": f"{IMAGE_3}/context.json",
                "@id": "https://other.example/i",
                "profile": f"{IMAGE_3}/level1.json",
            },
        ),
    ],
)
def test_an_image_has_one_service_with_the_full_address_of_its_profile(services, expected):
    image = {"id": "https://other.example/i.jpg", "type": "Image", "service": services}
    assert converted("Manifest", thumbnail=[image])["thumbnail"]["service"] == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"{THIRD}/manifest", f"{SECOND}/manifest"),
        ("https://iiif.example/a/presentation/3/collection", URLS.collection(2)),
        (URLS.image("r1-1"), URLS.image("r1-1", version=2)),
        (CANVAS, CANVAS),
        ("https://other.example/presentation/3/r1/manifest",) * 2,
        ("https://iiif.example/presentation/3/r1/manifest",) * 2,
    ],
)
def test_only_addresses_of_our_own_change_their_version(address, expected):
    assert version2({"id": address, "type": "Manifest"}, URLS)["@id"] == expected


def test_a_text_that_looks_like_an_address_stays_as_it_is():
    assert converted("Manifest", label={"none": [f"{THIRD}/manifest"]}) == {
        "label": f"{THIRD}/manifest"
    }


ANNOTATION_3 = {
    "id": f"{THIRD}/annotation-page/1#painting",
    "type": "Annotation",
    "motivation": "painting",
    "body": THUMBNAIL_3,
    "target": CANVAS,
}
CANVAS_3 = {
    "id": CANVAS,
    "type": "Canvas",
    "label": {"none": ["1"]},
    "height": 100,
    "width": 75,
    "thumbnail": [THUMBNAIL_3],
    "items": [
        {"id": f"{THIRD}/annotation-page/1", "type": "AnnotationPage", "items": [ANNOTATION_3]}
    ],
    "annotations": [
        {
            "id": f"{THIRD}/annotation-page/ja",
            "type": "AnnotationPage",
            "label": {"ja": ["翻刻"]},
            "items": [ANNOTATION_3],
        }
    ],
}
CANVAS_2 = {
    "@id": CANVAS,
    "@type": "sc:Canvas",
    "label": "1",
    "height": 100,
    "width": 75,
    "thumbnail": THUMBNAIL_2,
    "images": [
        {
            "@id": f"{SECOND}/annotation-page/1#painting",
            "@type": "oa:Annotation",
            "motivation": "sc:painting",
            "resource": THUMBNAIL_2,
            "on": CANVAS,
        }
    ],
    "otherContent": [
        {
            "@id": f"{SECOND}/annotation-page/ja",
            "@type": "sc:AnnotationList",
            "label": tagged("翻刻", "ja"),
        }
    ],
}


def test_a_canvas_keeps_its_id_and_names_its_annotation_lists_without_embedding_them():
    assert version2(CANVAS_3, URLS) == {
        "@context": "http://iiif.io/api/presentation/2/context.json",
        **CANVAS_2,
    }


def test_a_canvas_with_nothing_painted_has_an_empty_list_of_images():
    assert converted("Canvas", items=[])["images"] == []


def test_a_manifest_has_one_sequence_of_its_canvases():
    start = {"id": CANVAS, "type": "Canvas"}
    found = converted("Manifest", items=[CANVAS_3], start=start, viewingDirection="right-to-left")
    assert found == {
        "viewingDirection": "right-to-left",
        "sequences": [
            {
                "@id": f"{SECOND}/x#sequence",
                "@type": "sc:Sequence",
                "viewingDirection": "right-to-left",
                "startCanvas": CANVAS,
                "canvases": [CANVAS_2],
            }
        ],
    }


def range_3(name: str, *items: dict[str, Any]) -> dict[str, Any]:
    canvas = {"id": CANVAS, "type": "Canvas"}
    return {
        "id": f"{THIRD}/range/{name}",
        "type": "Range",
        "label": {"en": [name]},
        "start": canvas,
        "items": [canvas, *items],
    }


def range_2(name: str, *inner: str, **more: str) -> dict[str, Any]:
    return {
        "@id": f"{SECOND}/range/{name}",
        "@type": "sc:Range",
        "label": tagged(name, "en"),
        **more,
        "startCanvas": CANVAS,
        "canvases": [CANVAS],
        **({"ranges": [f"{SECOND}/range/{name}" for name in inner]} if inner else {}),
    }


def test_ranges_are_a_flat_list_whose_outermost_is_the_top():
    ranges = range_3("contents", range_3("a", range_3("a1")), range_3("b"))
    assert converted("Manifest", structures=[ranges])["structures"] == [
        range_2("contents", "a", "b", viewingHint="top"),
        range_2("a", "a1"),
        range_2("a1"),
        range_2("b"),
    ]


def test_a_range_alone_names_the_ranges_within_it():
    document = version2(range_3("a", range_3("a1")), URLS)
    assert document == {
        "@context": "http://iiif.io/api/presentation/2/context.json",
        **range_2("a", "a1"),
    }


def test_a_text_on_a_part_of_a_canvas_becomes_an_annotation_of_a_list():
    annotation = {
        "type": "Annotation",
        "id": f"{THIRD}/annotation-page/ja#1",
        "motivation": "supplementing",
        "body": {"type": "TextualBody", "value": "国書", "language": "ja", "format": "text/plain"},
        "target": {
            "type": "SpecificResource",
            "source": {"id": CANVAS, "type": "Canvas"},
            "selector": {"type": "FragmentSelector", "value": "xywh=1,2,3,4"},
        },
    }
    assert converted("AnnotationPage", items=[annotation]) == {
        "resources": [
            {
                "@id": f"{SECOND}/annotation-page/ja#1",
                "@type": "oa:Annotation",
                "motivation": "sc:painting",
                "resource": {
                    "@type": "cnt:ContentAsText",
                    "chars": "国書",
                    "language": "ja",
                    "format": "text/plain",
                },
                "on": f"{CANVAS}#xywh=1,2,3,4",
            }
        ]
    }


def test_a_comment_keeps_its_motivation():
    assert converted("Annotation", motivation="commenting") == {"motivation": "oa:commenting"}


def member(kind: str, name: str, label: str) -> dict[str, Any]:
    return {"id": f"{THIRD}/{name}", "type": kind, "label": {"en": [label]}}


def test_the_members_of_a_collection_stand_by_their_kind():
    items = [member("Manifest", "m1", "One"), member("Manifest", "m2", "Two")]
    assert converted("Collection", items=items) == {
        "manifests": [
            {"@id": f"{SECOND}/m1", "@type": "sc:Manifest", "label": tagged("One", "en")},
            {"@id": f"{SECOND}/m2", "@type": "sc:Manifest", "label": tagged("Two", "en")},
        ]
    }


def test_the_order_of_manifests_among_collections_is_kept():
    items = [member("Manifest", "m1", "One"), member("Collection", "c", "Two")]
    found = converted("Collection", items=items)
    assert [each["@id"] for each in found["members"]] == [f"{SECOND}/m1", f"{SECOND}/c"]
    assert found["members"][1]["viewingHint"] == "individuals"  # demanded in this list
    assert len(found["manifests"]) == len(found["collections"]) == 1


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        ("Collection", {"viewingDirection": "right-to-left"}),
        ("Canvas", {"navDate": "1266-01-01T00:00:00Z"}),
        ("Range", {"navDate": "1266-01-01T00:00:00Z"}),
    ],
)
def test_what_version_2_forbids_a_resource_is_left_out(kind, left_out):
    assert converted(kind, **left_out) == {}


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("Manifest", {"lable": {"en": ["?"]}}),
        ("Manifest", {"provider": [{**AGENT, "summary": {"en": ["?"]}}]}),
        ("Manifest", {"behavior": ["hovering"]}),
        ("Manifest", {"service": [{"id": "https://x.example", "type": "SearchService9"}]}),
        ("Manifest", {"thumbnail": [{"id": "https://x.example", "type": "Sound"}]}),
        ("Canvas", {"duration": 1.5}),
        ("Person", {}),
    ],
)
def test_what_is_in_no_table_is_refused(kind, properties):
    with pytest.raises(LookupError):
        converted(kind, **properties)


def exhibition() -> tuple[Exhibition, dict[str, Picture]]:
    """An exhibition with everything that our builders know to say."""
    holder = Agent(
        identifier="naj",
        name=LanguageMap.of({"en": "Archives", "mn-Mong": "ᠠᠷᠬᠢᠸ"}),
        homepage="https://naj.example/",
    )
    record = Record(
        identifier="r1",
        chapter="ch1",
        section="s1",
        title=LanguageMap.of({"en": "Letter", "ja": "国書"}),
        record_title=LanguageMap.of({"ja": "異国日記"}),
        holder=holder,
        reference="184-0216",
        date=parse_date("1266"),
        summary=LanguageMap.of({"en": "A letter."}),
        rights="http://rightsstatements.org/vocab/NKC/1.0/",
        viewing_direction="right-to-left",
        behavior="paged",
        homepage=LanguageMap.of({"en": ("https://naj.example/1",)}),
        pages=tuple(
            Page(identifier=name, file="f", image=f"r1-{name}", label=in_no_language(name))
            for name in ("1", "2")
        ),
    )
    waiting = Record(identifier="r2", chapter="ch1", title=LanguageMap.of({"en": "Later"}))
    section = Section(identifier="s1", chapter="ch1", title=LanguageMap.of({"en": "Letters"}))
    chapters = (
        Chapter(
            identifier="ch1",
            title=LanguageMap.of({"en": "One"}),
            period=parse_date("12XX"),
            sections=(section,),
            records=(record, waiting),
        ),
        Chapter(identifier="ch2", title=LanguageMap.of({"en": "Two"})),
    )
    whole = Exhibition(
        identifier="e",
        languages=("en", "ja", "mn-Mong"),
        title=LanguageMap.of({"en": "E"}),
        summary=LanguageMap.of({"en": "All of it."}),
        required_statement=LanguageMap.of({"en": "Drawn."}),
        organisers=(holder,),
        agents=(holder,),
        chapters=chapters,
    )
    return whole, {f"r1-{n}": Picture(f"r1-{n}", 3000, 4200, ((750, 1050),)) for n in (1, 2)}


def documents() -> list[dict[str, Any]]:
    """Every document that our builders make of that exhibition."""
    whole, pictures = exhibition()
    one, two = whole.chapters
    return [
        collection.top_collection([whole], pictures, URLS),
        collection.exhibition_collection(whole, pictures, URLS),
        collection.chapter_collection(one, whole, pictures, URLS),
        manifest.chapter_manifest(one, whole, pictures, URLS),
        manifest.chapter_manifest(two, whole, pictures, URLS),
        *(manifest.record_manifest(record, whole, pictures, URLS) for record in whole.records),
        manifest.folder_manifest("f", "Folder", list(pictures.values()), URLS),
    ]


@pytest.mark.parametrize("document", documents(), ids=lambda document: document["id"])
def test_every_document_that_we_build_has_a_twin_that_names_version_3_nowhere(document):
    text = json.dumps(version2(document, URLS))
    # addresses, not the links to pages: those open version 3 in our viewer
    assert f'"{URLS.base_url}/presentation/3/' not in text
    assert f"{URLS.base_url}/iiif/3/" not in text
    assert '"id"' not in text
    assert '"type"' not in text


@pytest.mark.parametrize(
    "document",
    [document for document in documents() if document["type"] == "Manifest"],
    ids=lambda document: document["id"],
)
def test_canvases_and_what_is_on_them_are_the_same_in_both_versions(document):
    [sequence] = version2(document, URLS)["sequences"]
    assert [(canvas["@id"], len(canvas["images"])) for canvas in sequence["canvases"]] == [
        (canvas["id"], len(canvas["items"])) for canvas in document["items"]
    ]
