"""What is built together, from what, and when it must be built anew.

A unit is a record, a chapter, the exhibition or the site. It is built from a *narrowed* exhibition,
which holds nothing but the unit's inputs, and the digest of exactly those tells whether it changed:
what is not in the digest cannot be seen by what builds.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

import iiifserver
from iiifserver.edition import MARK, PAGE
from iiifserver.errors import InvalidExhibition, Mistake
from iiifserver.language import LanguageMap
from iiifserver.presentation import pages, parts
from iiifserver.presentation.pages import Neighbours
from iiifserver.records import Chapter, Exhibition, Record
from iiifserver.urls import Urls

from .memory import Scan, tuple_as_list
from .objects import Unlinked

if TYPE_CHECKING:
    from iiifserver.presentation.canvases import Picture
    from iiifserver.presentation.manifest import Pictures
    from iiifserver.presentation.pages import Sizes

Kind = Literal["record", "chapter", "exhibition", "site"]
SITE = ""
"""The identifier of what belongs to the site as a whole."""


class Built(NamedTuple):
    """The documents of a unit by what their addresses end in, and what else is known of it."""

    documents: dict[str, Unlinked]
    label: Mapping[str, Sequence[str]]
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """Documents that are built together; `inputs` is the digest of all that they show."""

    kind: Kind
    identifier: str
    inputs: str
    build: Callable[[], Built]


def units_of(exhibition: Exhibition, scans: Mapping[str, Scan]) -> Iterator[Unit]:
    """Yield all that is to be built for *exhibition*.

    Raises:
        InvalidExhibition: one of its texts holds the mark that stands for base_url.
    """
    frame = replace(exhibition, chapters=())
    below = _digest(_program(), frame)
    frames = {c.identifier: _digest(below, replace(c, records=())) for c in exhibition.chapters}
    records = {record.identifier: record for record in exhibition.records}
    turned = pages.neighbours([r for c in exhibition.chapters for r in c.in_order])
    turned |= pages.neighbours(exhibition.chapters)
    seen: list[str] = []
    for number, chapter in enumerate(exhibition.chapters, 1):
        inputs = []
        for record in chapter.records:
            shown = [record, *(records[name] for name in record.related if name in records)]
            around = [frames[each.chapter] for each in shown]
            between = turned[record.identifier]
            inputs.append(_digest(around, between, shown, _scans_of(shown, scans)))
            build = functools.partial(_record, record, between, exhibition, scans)
            yield Unit("record", record.identifier, inputs[-1], build)
        between = turned[chapter.identifier]
        seen.append(_digest(frames[chapter.identifier], number, between, inputs))
        build = functools.partial(_chapter, chapter, number, between, exhibition, scans)
        yield Unit("chapter", chapter.identifier, seen[-1], build)
    whole = _digest(below, seen)
    build = functools.partial(_exhibition, exhibition, scans)
    yield Unit("exhibition", exhibition.identifier, whole, build)
    yield Unit("site", SITE, whole, functools.partial(_site, exhibition, scans))


# -- inputs


@functools.cache
def _program() -> str:
    """Return a digest of the code that builds documents: another one may build others."""
    home = Path(iiifserver.__file__).parent
    code = [home / f"{name}.py" for name in ("dates", "language", "records", "urls")]
    code += sorted([*(home / "presentation").glob("*.py"), *(home / "texts").glob("*.toml")])
    texts = [path.read_bytes() for path in (*code, Path(__file__))]
    versions = metadata.version("iiif-prezi3"), iiifserver.__version__
    return hashlib.sha256(b"\0".join([*texts, repr(versions).encode()])).hexdigest()


def _digest(*values: object) -> str:
    body = orjson.dumps(values, default=tuple_as_list)
    if MARK.encode() in body:
        place = body.decode().index(MARK)
        around = body.decode()[max(place - 30, 0) : place + 30]
        reason = f"U+FDD0 is no character, and no text may hold it: {around!r}"
        raise InvalidExhibition([Mistake("Records", "", MARK, reason)])
    return hashlib.sha256(body).hexdigest()


def _scans_of(
    records: Sequence[Record], scans: Mapping[str, Scan]
) -> list[tuple[str, int, int, tuple[tuple[int, int], ...]]]:
    """Return what documents show of the scans of *records*, which is their sizes."""
    return [(page.image, *scans[page.image].shown) for record in records for page in record.pages]


def narrowed(exhibition: Exhibition, record: Record) -> Exhibition:
    """Return *exhibition* with nothing but *record* and those that are related to it."""
    shown = {record.identifier, *record.related}
    chapters = (
        replace(chapter, records=tuple(r for r in chapter.records if r.identifier in shown))
        for chapter in exhibition.chapters
    )
    return replace(
        exhibition,
        chapters=tuple(c for c in chapters if c.records or c.identifier == record.chapter),
    )


# -- documents; what builds them takes half a second to import, and is needed only for changes


def _record(
    record: Record, between: Neighbours, exhibition: Exhibition, scans: Mapping[str, Scan]
) -> Built:
    from iiifserver.presentation import description, manifest, seealso

    exhibition, urls = narrowed(exhibition, record), Urls(MARK)
    pictures = _pictures(exhibition.records, scans)
    documents = _both(manifest.record_manifest(record, exhibition, pictures, urls), "manifest")
    as_json = seealso.record_json(record, exhibition, urls)
    as_xml = seealso.record_xml(record, exhibition, urls)
    documents["record.json"] = Unlinked(as_json, seealso.JSON_TYPE)
    documents["record.xml"] = Unlinked(as_xml, seealso.XML_TYPE)
    shown = pages.record_page(record, exhibition, _sizes(pictures, scans), between)
    documents[PAGE] = _as_page(shown)
    return _built(documents, description.record_label(record), [record])


def _chapter(
    chapter: Chapter,
    number: int,
    between: Neighbours,
    exhibition: Exhibition,
    scans: Mapping[str, Scan],
) -> Built:
    from iiifserver.presentation import collection, description, manifest

    urls, exhibition = Urls(MARK), replace(exhibition, chapters=(chapter,))
    pictures = _pictures(chapter.records, scans)
    arguments = (chapter, exhibition, pictures, urls)
    documents = _both(collection.chapter_collection(*arguments), "collection")
    documents |= _both(manifest.chapter_manifest(*arguments), "manifest")
    sizes = _sizes(pictures, scans)
    shown = pages.chapter_page(chapter, exhibition, number, sizes, between)
    documents[PAGE] = _as_page(shown)
    return _built(documents, description.chapter_label(chapter), chapter.records)


def _exhibition(exhibition: Exhibition, scans: Mapping[str, Scan]) -> Built:
    from iiifserver.presentation import collection

    pictures = _pictures(exhibition.records, scans)
    made = collection.exhibition_collection(exhibition, pictures, Urls(MARK))
    documents = _both(made, "collection")
    documents[PAGE] = _as_page(pages.exhibition_page(exhibition, _sizes(pictures, scans)))
    return _built(documents, exhibition.title, ())


def _site(exhibition: Exhibition, scans: Mapping[str, Scan]) -> Built:
    from iiifserver.presentation import collection

    pictures = _pictures(exhibition.records, scans)
    made = collection.top_collection([exhibition], pictures, Urls(MARK))
    return _built(_both(made, "collection"), exhibition.title, ())


def _as_page(shown: Mapping[str, Any]) -> Unlinked:
    """Return what a page shows as a document, which holds no address of ours."""
    return Unlinked(orjson.dumps(shown), "application/json")


def _sizes(pictures: Pictures, scans: Mapping[str, Scan]) -> Sizes:
    return {name: scans[name].shown for name in pictures}


def _both(document: dict[str, object], name: str) -> dict[str, Unlinked]:
    """Return a document of Presentation 3.0 and its twin of 2.1."""
    from iiifserver.presentation.model import document_bytes
    from iiifserver.presentation.version2 import version2

    twin = version2(document, Urls(MARK))
    return {
        f"3/{name}": Unlinked(document_bytes(document), parts.MEDIA_TYPES[3]),
        f"2/{name}": Unlinked(document_bytes(twin), parts.MEDIA_TYPES[2]),
    }


def _built(documents: dict[str, Unlinked], label: LanguageMap, records: Sequence[Record]) -> Built:
    images = tuple(page.image for record in records for page in record.pages)
    return Built(documents, {tag: list(texts) for tag, texts in label.items()}, images)


def _pictures(records: Iterable[Record], scans: Mapping[str, Scan]) -> Pictures:
    """Return the pictures of *records*, each made when it is asked for: Collections show few."""
    return _Pictures({page.image for record in records for page in record.pages}, scans)


@dataclass(frozen=True, slots=True)
class _Pictures(Mapping[str, "Picture"]):
    names: Set[str]
    scans: Mapping[str, Scan]

    def __getitem__(self, name: str) -> Picture:
        from iiifserver.presentation.canvases import Picture

        if name not in self.names:
            raise KeyError(name)  # not among the inputs of what is being built
        return Picture(name, *self.scans[name].shown)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
