"""A record, a chapter or a folder of images as a Manifest.

Pure: what is known goes in, with the size of each picture; a document comes out. The Canvases of
a chapter's Manifest are those of its records' Manifests, with the same ids.

Presentation API 3.0: https://iiif.io/api/presentation/3.0/#52-manifest
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import iiif_prezi3 as prezi

from iiifserver.language import LanguageMap, in_no_language, phrase
from iiifserver.presentation import description, links
from iiifserver.presentation.canvases import (
    PLACEHOLDER,
    Picture,
    canvas,
    placeholder_canvas,
    thumbnail,
    transcriptions,
)
from iiifserver.presentation.model import Address, Json, Range, document, words
from iiifserver.records import Agent, Chapter, Exhibition, Record
from iiifserver.urls import Urls

Pictures = Mapping[str, Picture]
"""What the Image API publishes, by identifier."""
CONTENTS = "contents"
"""The name of the Range that holds all others of a Manifest."""


def record_manifest(record: Record, exhibition: Exhibition, pictures: Pictures, urls: Urls) -> Json:
    """Return the Manifest of one record."""
    [chapter] = [c for c in exhibition.chapters if c.identifier == record.chapter]
    related = [r for name in record.related for r in exhibition.records if r.identifier == name]
    beside = links.shown_beside(related, exhibition, urls)
    return document(
        prezi.Manifest(
            id=Address(urls.manifest(record.identifier)),
            label=words(description.record_label(record)),
            metadata=description.record_metadata(record, chapter, beside, exhibition),
            summary=words(record.summary),
            requiredStatement=description.required_statement([exhibition]),
            rights=record.rights or exhibition.rights,
            provider=links.providers(_holders([record]), exhibition, urls),
            homepage=links.homepages(record.homepage, links.record_pages(record, exhibition, urls)),
            seeAlso=links.see_also(record, related, exhibition, urls),
            rendering=links.rendering(record, exhibition, urls),
            navDate=description.navigation_date(record.date),
            thumbnail=first_thumbnail([record], pictures, urls),
            viewingDirection=record.viewing_direction,
            behavior=[record.behavior] if record.behavior else None,
            partOf=links.part_of(chapter.identifier, description.chapter_label(chapter), urls),
            items=_canvases(record, exhibition, pictures, urls),
        )
    )


def chapter_manifest(
    chapter: Chapter, exhibition: Exhibition, pictures: Pictures, urls: Urls
) -> Json:
    """Return the Manifest of a whole chapter, with a Range for each section and each record.

    A chapter whose records are to follow has one Canvas with nothing on it.
    """
    records = chapter.in_order
    canvases = [c for record in records for c in _canvases(record, exhibition, pictures, urls)]
    label, languages = description.chapter_label(chapter), exhibition.languages
    to_follow = phrase("records_to_follow", languages)
    return document(
        prezi.Manifest(
            id=Address(urls.manifest(chapter.identifier)),
            label=words(label),
            metadata=description.chapter_metadata(chapter, exhibition),
            summary=words(description.chapter_summary(chapter, exhibition)),
            requiredStatement=description.required_statement([exhibition]),
            rights=_common_rights(records, exhibition),
            provider=links.providers(
                [*exhibition.organisers, *_holders(records)], exhibition, urls
            ),
            homepage=links.homepages(
                chapter.homepage, links.exhibition_pages(exhibition, urls, chapter.identifier)
            ),
            navDate=description.navigation_date(chapter.period),
            thumbnail=first_thumbnail(records, pictures, urls),
            partOf=links.part_of(chapter.identifier, label, urls),
            items=canvases or [placeholder_canvas(chapter.identifier, to_follow, urls)],
            structures=_structures(chapter, exhibition, urls) if records else None,
        )
    )


def folder_manifest(identifier: str, label: str, pictures: Sequence[Picture], urls: Urls) -> Json:
    """Return the Manifest of a folder of images, of which nothing is known but their names.

    The page of a Canvas is the identifier of its image, its label the last part of that.
    """
    return document(
        prezi.Manifest(
            id=Address(urls.manifest(identifier)),
            label=words(in_no_language(label)),
            thumbnail=[thumbnail(pictures[0], urls)] if pictures else None,
            items=[
                canvas(identifier, p.identifier, in_no_language(_last_part(p.identifier)), p, urls)
                for p in pictures
            ],
        )
    )


def _holders(records: Sequence[Record]) -> list[Agent]:
    return [record.holder for record in records if record.holder]


def _common_rights(records: Sequence[Record], exhibition: Exhibition) -> str | None:
    """Return the rights that hold for all of *records*; None, so that none is misled, else."""
    each = {record.rights or exhibition.rights for record in records} or {exhibition.rights}
    return each.pop() if len(each) == 1 else None


def _canvases(
    record: Record, exhibition: Exhibition, pictures: Pictures, urls: Urls
) -> list[prezi.Canvas]:
    owner, languages = record.identifier, exhibition.languages
    return [
        canvas(
            owner,
            page.identifier,
            page.label,
            pictures[page.image],
            urls,
            transcriptions(owner, page.identifier, page.transcription, languages, urls),
        )
        for page in record.pages
    ] or [placeholder_canvas(owner, phrase("scans_to_follow", languages), urls)]


def first_thumbnail(
    records: Sequence[Record], pictures: Pictures, urls: Urls
) -> list[prezi.AnnotationBody] | None:
    """Return a thumbnail of the first page of *records*, None where there is none."""
    first = next((page for record in records for page in record.pages), None)
    return [thumbnail(pictures[first.image], urls)] if first else None


def _last_part(identifier: str) -> str:
    return identifier.rpartition("/")[2]


# -- the table of contents


def _structures(chapter: Chapter, exhibition: Exhibition, urls: Urls) -> list[Range]:
    """Return one Range that holds the Ranges of sections and records.

    Each begins with a Canvas, where viewers go when it is chosen, before any Range within it.
    https://iiif.io/api/presentation/3.0/#54-range
    """
    ranges = []
    for section, records in chapter.parts:
        inner = [_record_range(record, chapter, urls) for record in records]
        if section is None:
            ranges += inner
        else:
            label = section.title or in_no_language(section.identifier)
            ranges.append(_range(chapter, section.identifier, label, inner, urls))
    label = phrase("contents", exhibition.languages)
    return [_range(chapter, CONTENTS, label, ranges, urls)]


def _range(
    chapter: Chapter, name: str, label: LanguageMap, inner: Sequence[Range], urls: Urls
) -> Range:
    """Return a Range of Ranges, which starts where the first of them does."""
    return Range(
        id=Address(urls.range(chapter.identifier, name)),
        label=words(label),
        start=inner[0].start,
        items=[inner[0].start, *inner],
    )


def _record_range(record: Record, chapter: Chapter, urls: Urls) -> Range:
    """Return the Range of a record, which carries how the record is to be seen and used."""
    pages = [page.identifier for page in record.pages] or [PLACEHOLDER]
    canvases = [
        prezi.CanvasRef(id=Address(urls.canvas(record.identifier, page)), type="Canvas")
        for page in pages
    ]
    return Range(
        id=Address(urls.range(chapter.identifier, record.identifier)),
        label=words(description.record_label(record)),
        summary=words(record.summary),
        rights=record.rights,
        start=canvases[0],
        viewingDirection=record.viewing_direction,
        behavior=[record.behavior] if record.behavior else None,
        items=canvases,
    )
