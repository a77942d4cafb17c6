"""What is published: documents, images and pages of the current edition."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from iiifserver.edition import Current
from iiifserver.errors import NotFound
from iiifserver.sources import Source
from iiifserver.urls import PresentationPath, Urls

from .pages import About, Entry, Listing, Site
from .presentation import Found, Pages
from .reader import languages


class Published:
    """The holdings of a server without a folder: whatever edition is the current one."""

    def __init__(self, current: Current, urls: Callable[[], Urls]) -> None:
        self._current = current
        self._urls = urls

    def find(self, identifier: str) -> Source:
        """Return the scan of the page *identifier*, or raise NotFound."""
        return self._current.get().images.find(identifier)

    def table(self) -> object:
        """Return the current edition."""
        return self._current.get()

    def document(self, place: PresentationPath) -> Found | None:
        """Return the document at *place*, None where there is none."""
        name = f"{place.version}/{place.kind}" if place.version else place.kind
        document = self._current.get().document(place.identifier, name)
        return Found(document.media_type, document.codings) if document else None

    def pages(self, identifier: str) -> Pages | None:
        """Return the pages of the record *identifier*, None where there is none."""
        edition = self._current.get()
        entry = edition.units.get(identifier)
        unit = edition.unit(identifier) if entry and entry["kind"] == "record" else None
        return Pages(unit.label, unit.images) if unit else None

    def site(self) -> Site:
        """Return what the pages show: of the current edition, whichever that is."""
        return Site(self._about, self._urls, self._listing)

    def _about(self) -> About:
        site = self._current.get().site
        spoken = tuple(tag for tag in site["languages"] if tag in languages())
        return About(
            title=site["title"],
            languages=spoken or ("en",),
            summary=site["summary"],
            notice={
                tag: [_text(value) for value in values] for tag, values in site["notice"].items()
            },
            has_chapters=True,
        )

    def _listing(self, path: str) -> Listing:
        if path:
            raise NotFound("an exhibition has chapters, not folders", parameter="folder")
        site = self._current.get().site
        return Listing(
            label=site["title"],
            entries=[
                Entry(
                    label=entry["label"],
                    image_count=entry["image_count"],
                    manifest=f"{self._urls().base_url}{entry['manifest']}",
                    thumbnail=entry["thumbnail"],
                    note=entry["note"],
                )
                for entry in site["entries"]
            ],
        )


def _text(value: str) -> str:
    """Return what *value*, which may hold the HTML that IIIF allows, says."""
    return Markup(value).striptags()  # noqa: S704 - what comes out is text, and is escaped again
