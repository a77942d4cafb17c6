"""The site, exhibitions and chapters as Collections, each within the one before.

Presentation API 3.0: https://iiif.io/api/presentation/3.0/#51-collection
"""

from __future__ import annotations

from collections.abc import Sequence

import iiif_prezi3 as prezi

from iiifserver.dates import Date
from iiifserver.language import LanguageMap, phrase
from iiifserver.presentation import description, links
from iiifserver.presentation.manifest import Pictures, first_thumbnail
from iiifserver.presentation.model import (
    Address,
    CollectionRef,
    Json,
    ManifestRef,
    document,
    words,
)
from iiifserver.records import Chapter, Exhibition, Record
from iiifserver.urls import Urls


def top_collection(exhibitions: Sequence[Exhibition], pictures: Pictures, urls: Urls) -> Json:
    """Return the Collection of all *exhibitions* of the site."""
    languages = tuple(dict.fromkeys(tag for e in exhibitions for tag in e.languages)) or ("en",)
    organisers = [
        provider
        for exhibition in exhibitions
        for provider in links.providers(exhibition.organisers, exhibition, urls) or ()
    ]
    return document(
        prezi.Collection(
            id=Address(urls.collection()),
            label=words(phrase("exhibitions", languages)),
            requiredStatement=description.required_statement(exhibitions),
            provider=organisers or None,
            homepage=links.homepages({}, links.first_pages(languages, urls)),
            items=[
                CollectionRef(
                    id=Address(urls.collection_of(exhibition.identifier)),
                    label=words(exhibition.title),
                    thumbnail=_thumbnail(exhibition, pictures, urls),
                    navDate=description.navigation_date(exhibition.occasion_date),
                )
                for exhibition in exhibitions
            ],
        )
    )


def exhibition_collection(exhibition: Exhibition, pictures: Pictures, urls: Urls) -> Json:
    """Return the Collection of an exhibition: that of each chapter."""
    above = prezi.Class(
        id=Address(urls.collection()),
        type="Collection",
        label=words(phrase("exhibitions", exhibition.languages)),
    )
    return document(
        prezi.Collection(
            id=Address(urls.collection_of(exhibition.identifier)),
            label=words(exhibition.title),
            metadata=description.exhibition_metadata(exhibition),
            summary=words(exhibition.summary),
            requiredStatement=description.required_statement([exhibition]),
            rights=exhibition.rights,
            provider=links.providers(exhibition.organisers, exhibition, urls),
            homepage=links.homepages(exhibition.homepage, links.exhibition_pages(exhibition, urls)),
            thumbnail=_thumbnail(exhibition, pictures, urls),
            navDate=description.navigation_date(exhibition.occasion_date),
            partOf=[above],
            items=[
                CollectionRef(
                    id=Address(urls.collection_of(chapter.identifier)),
                    label=words(description.chapter_label(chapter)),
                    thumbnail=first_thumbnail(chapter.in_order, pictures, urls),
                    navDate=description.navigation_date(chapter.period),
                )
                for chapter in exhibition.chapters
            ],
        )
    )


def chapter_collection(
    chapter: Chapter, exhibition: Exhibition, pictures: Pictures, urls: Urls
) -> Json:
    """Return the Collection of a chapter: its own Manifest, then that of each record."""
    label = description.chapter_label(chapter)
    return document(
        prezi.Collection(
            id=Address(urls.collection_of(chapter.identifier)),
            label=words(label),
            metadata=description.chapter_metadata(chapter, exhibition),
            summary=words(description.chapter_summary(chapter, exhibition)),
            requiredStatement=description.required_statement([exhibition]),
            rights=exhibition.rights,
            provider=links.providers(exhibition.organisers, exhibition, urls),
            homepage=links.homepages(
                chapter.homepage, links.exhibition_pages(exhibition, urls, chapter.identifier)
            ),
            thumbnail=first_thumbnail(chapter.in_order, pictures, urls),
            navDate=description.navigation_date(chapter.period),
            partOf=links.part_of(exhibition.identifier, exhibition.title, urls),
            items=[
                _manifest(
                    chapter.identifier, label, chapter.period, chapter.in_order, pictures, urls
                ),
                *(
                    _manifest(
                        record.identifier,
                        description.record_label(record),
                        record.date,
                        [record],
                        pictures,
                        urls,
                    )
                    for record in chapter.in_order
                ),
            ],
        )
    )


def _thumbnail(
    exhibition: Exhibition, pictures: Pictures, urls: Urls
) -> list[prezi.AnnotationBody] | None:
    records = [record for chapter in exhibition.chapters for record in chapter.in_order]
    return first_thumbnail(records, pictures, urls)


def _manifest(
    identifier: str,
    label: LanguageMap,
    date: Date | None,
    shown: Sequence[Record],
    pictures: Pictures,
    urls: Urls,
) -> ManifestRef:
    return ManifestRef(
        id=Address(urls.manifest(identifier)),
        label=words(label),
        thumbnail=first_thumbnail(shown, pictures, urls),
        navDate=description.navigation_date(date),
    )
