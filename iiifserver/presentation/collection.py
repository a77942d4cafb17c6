"""Exhibitions and chapters as Collections.

Presentation API 3.0: https://iiif.io/api/presentation/3.0/#51-collection
"""

from __future__ import annotations

from collections.abc import Sequence

import iiif_prezi3 as prezi

from iiifserver.language import LanguageMap, phrase
from iiifserver.presentation import description
from iiifserver.presentation.manifest import Pictures, first_thumbnail, record_label
from iiifserver.presentation.model import Address, Json, document, words
from iiifserver.records import Chapter, Exhibition, Record
from iiifserver.urls import Urls


def top_collection(exhibitions: Sequence[Exhibition], urls: Urls) -> Json:
    """Return the Collection of all *exhibitions* of the site."""
    languages = dict.fromkeys(tag for e in exhibitions for tag in e.languages) or ("en",)
    return document(
        prezi.Collection(
            id=Address(urls.collection()),
            label=words(phrase("exhibitions", languages)),
            requiredStatement=description.required_statement(exhibitions),
            items=[
                prezi.CollectionRef(
                    id=Address(urls.collection_of(exhibition.identifier)),
                    type="Collection",
                    label=words(exhibition.title),
                )
                for exhibition in exhibitions
            ],
        )
    )


def exhibition_collection(exhibition: Exhibition, pictures: Pictures, urls: Urls) -> Json:
    """Return the Collection of an exhibition: the Manifest of each chapter."""
    return document(
        prezi.Collection(
            id=Address(urls.collection_of(exhibition.identifier)),
            label=words(exhibition.title),
            metadata=description.exhibition_metadata(exhibition),
            summary=words(exhibition.summary),
            requiredStatement=description.required_statement([exhibition]),
            rights=exhibition.rights,
            provider=description.providers(exhibition.organisers, exhibition, urls),
            homepage=description.homepages(exhibition.homepage),
            navDate=description.navigation_date(exhibition.occasion_date),
            partOf=[prezi.Class(id=Address(urls.collection()), type="Collection")],
            items=[_chapter(chapter, pictures, urls) for chapter in exhibition.chapters],
        )
    )


def chapter_collection(
    chapter: Chapter, exhibition: Exhibition, pictures: Pictures, urls: Urls
) -> Json:
    """Return the Collection of a chapter: its own Manifest, then that of each record."""
    records = [_record(record, pictures, urls) for record in chapter.records]
    return document(
        prezi.Collection(
            id=Address(urls.collection_of(chapter.identifier)),
            label=words(description.chapter_label(chapter)),
            metadata=description.chapter_metadata(chapter, exhibition),
            summary=words(description.chapter_summary(chapter, exhibition)),
            requiredStatement=description.required_statement([exhibition]),
            rights=exhibition.rights,
            provider=description.providers(exhibition.organisers, exhibition, urls),
            homepage=description.homepages(chapter.homepage),
            navDate=description.navigation_date(chapter.period),
            partOf=[
                prezi.Class(
                    id=Address(urls.collection_of(exhibition.identifier)),
                    type="Collection",
                    label=words(exhibition.title),
                )
            ],
            items=[_chapter(chapter, pictures, urls), *records],
        )
    )


def _chapter(chapter: Chapter, pictures: Pictures, urls: Urls) -> prezi.ManifestRef:
    label = description.chapter_label(chapter)
    return _manifest(chapter.identifier, label, chapter.records, pictures, urls)


def _record(record: Record, pictures: Pictures, urls: Urls) -> prezi.ManifestRef:
    return _manifest(record.identifier, record_label(record), [record], pictures, urls)


def _manifest(
    identifier: str, label: LanguageMap, shown: Sequence[Record], pictures: Pictures, urls: Urls
) -> prezi.ManifestRef:
    return prezi.ManifestRef(
        id=Address(urls.manifest(identifier)),
        type="Manifest",
        label=words(label),
        thumbnail=first_thumbnail(shown, pictures, urls),
    )
