"""Transcriptions in Manifests: one labelled AnnotationPage a language."""

import iiif_prezi3

from iiifserver.language import LanguageMap, in_no_language
from iiifserver.presentation.canvases import Picture
from iiifserver.presentation.manifest import chapter_manifest, record_manifest
from iiifserver.presentation.parts import cut
from iiifserver.presentation.version2 import version2
from iiifserver.records import Chapter, Exhibition, Page, Record
from iiifserver.urls import Urls, presentation_paths

BASE = "https://iiif.example.org"
URLS = Urls(BASE)
TEXTS = LanguageMap.of({"ja": "試験\n二行目", "mn-Mong": "ᠮᠣᠩᠭᠣᠯ", "ja-Latn-alalc97": "shiken"})
PAGES = tuple(
    Page(
        identifier=name,
        file=f"{name}.jpg",
        image=f"r1-{name}",
        label=in_no_language(name),
        transcription=texts,
    )
    for name, texts in (("1", TEXTS), ("2", LanguageMap()))
)
RECORD = Record(identifier="r1", chapter="c1", title=LanguageMap.of({"en": "Letter"}), pages=PAGES)
CHAPTER = Chapter(identifier="c1", title=LanguageMap.of({"en": "One"}), records=(RECORD,))
EXHIBITION = Exhibition(
    identifier="demo",
    languages=("en", "ja", "mn-Mong"),
    title=LanguageMap.of({"en": "Demo"}),
    chapters=(CHAPTER,),
)
PICTURES = {page.image: Picture(page.image, 60, 80) for page in PAGES}
MANIFEST = record_manifest(RECORD, EXHIBITION, PICTURES, URLS)
ANNOTATED, PLAIN = MANIFEST["items"]


def test_each_language_is_a_labelled_page_with_its_text_on_the_canvas():
    first, *others = ANNOTATED["annotations"]
    assert first == {
        "id": f"{BASE}/presentation/3/r1/annotation-page/1:transcription:ja",
        "type": "AnnotationPage",
        "label": {"en": ["Transcription (ja)"], "ja": ["翻刻(ja)"]},
        "items": [
            {
                "id": f"{BASE}/presentation/3/r1/annotation-page/1:transcription:ja#text",
                "type": "Annotation",
                "motivation": "supplementing",
                "body": {
                    "type": "TextualBody",
                    "value": "試験\n二行目",
                    "format": "text/plain",
                    "language": "ja",
                },
                "target": f"{BASE}/presentation/r1/canvas/1",
            }
        ],
    }
    bodies = [page["items"][0]["body"] for page in others]
    assert [body["language"] for body in bodies] == ["mn-Mong", "ja-Latn-alalc97"]


def test_a_page_without_one_has_no_annotations():
    assert "annotations" not in PLAIN


def test_manifest_is_read_by_prezi3_with_its_transcriptions():
    read = iiif_prezi3.Manifest(**{k: v for k, v in MANIFEST.items() if k != "@context"})
    [body, *_] = [page.items[0].body for page in read.items[0].annotations]
    assert body.value == "試験\n二行目"


def test_a_chapter_shows_the_same_canvas_with_the_same_transcriptions():
    chapter = chapter_manifest(CHAPTER, EXHIBITION, PICTURES, URLS)
    assert chapter["items"] == MANIFEST["items"]


def test_every_transcription_is_a_document_of_its_own():
    for page in ANNOTATED["annotations"]:
        path = page["id"].removeprefix(f"{BASE}/presentation/")
        [document] = [
            found for place in presentation_paths(path) if (found := cut(MANIFEST, place))
        ]
        assert {name: document[name] for name in page} == page
        assert document["partOf"][0]["id"] == MANIFEST["id"]


def test_version_2_names_an_annotation_list_a_language_and_converts_it():
    twin = version2(MANIFEST, URLS)["sequences"][0]["canvases"][0]
    lists = [each["@id"] for each in twin["otherContent"]]
    assert lists[0] == f"{BASE}/presentation/2/r1/annotation-page/1:transcription:ja"
    assert len(lists) == 3
    page = version2(ANNOTATED["annotations"][0], URLS)
    [annotation] = page["resources"]
    assert (page["@id"], page["@type"]) == (lists[0], "sc:AnnotationList")
    assert annotation["motivation"] == "sc:painting"
    assert annotation["resource"] == {
        "@type": "cnt:ContentAsText",
        "format": "text/plain",
        "language": "ja",
        "chars": "試験\n二行目",
    }
