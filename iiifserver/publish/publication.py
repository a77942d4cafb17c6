"""From a folder of sheets and a folder of scans to the current edition: read, build, switch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iiifserver.config import Config
from iiifserver.image.service import Images
from iiifserver.language import LanguageMap, phrase
from iiifserver.presentation import collection, description, manifest
from iiifserver.presentation.canvases import Picture
from iiifserver.presentation.model import CONTEXT, Json, document_bytes
from iiifserver.records import Chapter, Exhibition
from iiifserver.sources import Listed
from iiifserver.urls import Urls

from .check import load
from .edition import Published, write_edition

MEDIA_TYPE = f'application/ld+json;profile="{CONTEXT}"'


class _NoPixels:
    """A renderer for those who only read headers."""

    def render(self, job: object) -> bytes:
        """Refuse: publishing needs no picture."""
        raise NotImplementedError(job)


def publish(folder: Path, scans: Path, config: Config) -> str:
    """Make the exhibition in *folder* the current edition; return what happened, in words.

    Raises:
        InvalidExhibition: its sheets have mistakes; nothing has changed.
        BrokenSource: a scan cannot be read; nothing has changed.
    """
    exhibition = load(folder, scans)
    scans = scans.resolve()
    files = dict(_files(exhibition))
    listed = Listed({name: (scans / file, rights) for name, (file, rights) in files.items()})
    images = Images(listed, config, _NoPixels())
    pictures = {name: _picture(name, images) for name in files}
    urls = Urls(config.base_url)
    documents = {
        str(document["id"]).removeprefix(f"{urls.base_url}/"): (
            document_bytes(document),
            MEDIA_TYPE,
        )
        for document in _documents(exhibition, pictures, urls)
    }
    site = _site(exhibition, urls)
    done = write_edition(config.data, config.base_url, documents, scans, files, site)
    return _words(exhibition, done)


def _files(exhibition: Exhibition) -> Iterator[tuple[str, tuple[str, str | None]]]:
    for record in exhibition.records:
        for page in record.pages:
            rights = record.rights or exhibition.rights
            yield page.image, (f"{record.identifier}/{page.file}", rights)


def _picture(identifier: str, images: Images) -> Picture:
    image = images.describe(identifier)
    return Picture(identifier, *image.dimensions, images.sizes(image))


def _documents(exhibition: Exhibition, pictures: manifest.Pictures, urls: Urls) -> Iterator[Json]:
    yield collection.top_collection([exhibition], urls)
    yield collection.exhibition_collection(exhibition, pictures, urls)
    for chapter in exhibition.chapters:
        yield collection.chapter_collection(chapter, exhibition, pictures, urls)
        yield manifest.chapter_manifest(chapter, exhibition, pictures, urls)
    for record in exhibition.records:
        yield manifest.record_manifest(record, exhibition, pictures, urls)


def _site(exhibition: Exhibition, urls: Urls) -> dict[str, Any]:
    """Return what the pages show of the exhibition."""
    return {
        "title": _plain(exhibition.title),
        "summary": _plain(exhibition.summary),
        "languages": list(exhibition.languages),
        "entries": [_entry(chapter, exhibition, urls) for chapter in exhibition.chapters],
    }


def _entry(chapter: Chapter, exhibition: Exhibition, urls: Urls) -> dict[str, Any]:
    scans = [page.image for record in chapter.records for page in record.pages]
    to_follow = phrase("records_to_follow", exhibition.languages)
    return {
        "label": _plain(description.chapter_label(chapter)),
        "image_count": len(scans),
        "manifest": urls.manifest(chapter.identifier).removeprefix(urls.base_url),
        "thumbnail": scans[0] if scans else None,
        "note": {} if chapter.records else _plain(to_follow),
    }


def _plain(texts: LanguageMap) -> dict[str, list[str]]:
    return {tag: list(values) for tag, values in texts.items()}


def _words(exhibition: Exhibition, done: Published) -> str:
    records = list(exhibition.records)
    pages = sum(len(record.pages) for record in records)
    state = "published" if done.changed else "unchanged"
    holds = f"{len(exhibition.chapters)} chapters, {len(records)} records, {pages} pages"
    return f"{exhibition.identifier}: edition {done.number} {state}: {holds}"
