"""What is published: documents, images and pages of the current edition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from iiifserver.edition import IDENTITY, Current, Edition
from iiifserver.errors import Gone, NotFound
from iiifserver.presentation.shown import ChapterPage, ExhibitionPage, RecordPage
from iiifserver.sources import Source
from iiifserver.urls import PresentationPath, Urls

from .presentation import Found, Pages
from .reader import languages
from .site import MOST_OFFERED, About, Listing, Site


class Published:
    """The holdings of a server without a folder: whatever edition is the current one."""

    def __init__(self, current: Current, urls: Callable[[], Urls]) -> None:
        self._current = current
        self.urls = urls

    def find(self, identifier: str) -> Source:
        """Return the scan of the page *identifier*, or raise NotFound, or Gone if there was one."""
        edition = self._current.get()
        try:
            return edition.images.find(identifier)
        except NotFound:
            _refuse_what_is_gone(edition, identifier)
            raise

    def listed(self, identifier: str) -> Source | None:
        """Return the scan if there is one in the current edition."""
        return self._current.get().images.listed(identifier)

    def table(self) -> object:
        """Return the current edition."""
        return self._current.get()

    def document(self, place: PresentationPath) -> Found | None:
        """Return the document at *place*, None where there is none; raise Gone if there was one."""
        edition = self._current.get()
        name = f"{place.version}/{place.kind}" if place.version else place.kind
        document = edition.document(place.identifier, name)
        if document is None:
            _refuse_what_is_gone(edition, place.identifier)
            return None
        return Found(document.media_type, document.codings)

    def pages(self, identifier: str) -> Pages | None:
        """Return the pages of the record *identifier*, None where there is none."""
        edition = self._current.get()
        entry = edition.units.get(identifier)
        unit = edition.unit(identifier) if entry and entry["kind"] == "record" else None
        return Pages(unit.label, unit.images) if unit else None

    def site(self) -> Site:
        """Return what the pages show: of the current edition, whichever that is."""
        return PublishedSite(self._current, self.urls)


@dataclass(frozen=True, slots=True)
class PublishedSite:
    """What the pages show of the current edition."""

    current: Current
    urls: Callable[[], Urls]

    def about(self) -> About:
        """Return what all pages say."""
        site = self.current.get().site
        spoken = tuple(tag for tag in site["languages"] if tag in languages())
        return About(
            title=site["title"],
            languages=spoken or ("en",),
            summary=site["summary"],
            notice=site["notice"],
            exhibition=site["exhibition"],
        )

    def listing(self, path: str) -> Listing:
        """Raise NotFound."""
        raise NotFound("an exhibition has chapters, not folders", parameter="folder")

    def catalog(self) -> list[str]:
        """Return the Manifests of the chapters, up to a bound."""
        chapters = self.exhibition()["chapters"][:MOST_OFFERED]
        return [self.urls().manifest(chapter["identifier"]) for chapter in chapters]

    def exhibition(self) -> ExhibitionPage:
        """Return what the first page shows."""
        return cast(ExhibitionPage, self._page(self.current.get().site["exhibition"], "exhibition"))

    def chapter(self, identifier: str) -> ChapterPage:
        """Return a chapter; raises `NotFound`, and `Gone` where it was withdrawn."""
        return cast(ChapterPage, self._page(identifier, "chapter"))

    def record(self, identifier: str) -> RecordPage:
        """Return a record; raises `NotFound`, and `Gone` where it was withdrawn."""
        return cast(RecordPage, self._page(identifier, "record"))

    def records(self) -> list[str]:
        """Return the identifiers of all records."""
        units = self.current.get().units
        return [name for name, unit in units.items() if unit["kind"] == "record"]

    def manifest(self, identifier: str) -> Mapping[str, Any] | None:
        """Return the Manifest 3.0 of *identifier*, None where there is none."""
        document = self.current.get().document(identifier, "3/manifest")
        body = document.codings[IDENTITY].read() if document else b"null"
        return cast(Mapping[str, Any] | None, orjson.loads(body))

    def is_published(self, place: PresentationPath) -> bool:
        """Return whether a document stands at *place*."""
        name = f"{place.version or 3}/{place.kind}"
        return self.current.get().document(place.identifier, name) is not None

    def find(self, identifier: str) -> Source:
        """Return the scan *identifier*; raises `NotFound`, and `Gone` where it was withdrawn."""
        return Published(self.current, self.urls).find(identifier)

    def _page(self, identifier: str, kind: str) -> object:
        edition = self.current.get()
        body = edition.page(identifier, kind)
        if body is None:
            _refuse_what_is_gone(edition, identifier)
            if edition.lacks and identifier in edition.units:
                why = "this edition was published by an older program, without pages to read"
                raise NotFound(f"{why}: they come when it is published again")
            raise NotFound(f"no {kind} is called {identifier[:200]!r}", parameter=kind)
        return orjson.loads(body)


def _refuse_what_is_gone(edition: Edition, identifier: str) -> None:
    if identifier in edition.gone:
        raise Gone(f"{identifier!r} was published and has been withdrawn", parameter="identifier")
