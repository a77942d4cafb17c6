"""What the pages show: an exhibition that is published, or a folder of images as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from iiifserver.errors import NotFound
from iiifserver.language import NOTHING
from iiifserver.presentation.shown import ChapterPage, ExhibitionPage, RecordPage
from iiifserver.urls import PresentationPath, Urls

from .reader import Multilingual


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in a list; its thumbnail comes from the Image API."""

    identifier: str
    label: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder in a list."""

    label: Multilingual
    image_count: int
    manifest: str | None = None
    """Address of its Manifest; None where there is nothing to open."""
    path: str | None = None
    """What `Folders.listing` takes to list it."""
    thumbnail: str | None = None
    """Identifier of an image of it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page's worth of choice; the sequences may be long and are sliced, never walked."""

    label: Multilingual
    entries: Sequence[Entry] = ()
    pictures: Sequence[Picture] = ()
    manifest: str | None = None
    """Address of the Manifest that holds the pictures."""
    parents: Sequence[tuple[Multilingual, str]] = ()
    """Labels and paths from the top down to the one above this."""


@dataclass(frozen=True, slots=True)
class About:
    """What all pages of a site say of it."""

    title: Multilingual
    languages: tuple[str, ...]
    """Of the pages, the default first; each has its tables in texts/."""
    summary: Multilingual = NOTHING
    notice: Multilingual = NOTHING
    """What every reader must be told; it may hold the HTML that IIIF allows."""
    exhibition: str = ""
    """The identifier of the exhibition; empty where there is none."""


class Site(Protocol):
    """All of it is asked for within a request: a site may change."""

    def about(self) -> About:
        """Return what all pages say."""
        ...

    def urls(self) -> Urls:
        """Return the addresses as readers must see them."""
        ...

    def listing(self, path: str) -> Listing:
        """Return the folder at *path*, `""` the outermost; raises `NotFound`."""
        ...

    def catalog(self) -> Sequence[str]:
        """Return the Manifests that a viewer may offer to open, not more than a few."""
        ...

    def exhibition(self) -> ExhibitionPage:
        """Return what the first page shows; raises `NotFound` where there is no exhibition."""
        ...

    def chapter(self, identifier: str) -> ChapterPage:
        """Return a chapter; raises `NotFound`, and `Gone` where it was withdrawn."""
        ...

    def record(self, identifier: str) -> RecordPage:
        """Return a record; raises `NotFound`, and `Gone` where it was withdrawn."""
        ...

    def records(self) -> Sequence[str]:
        """Return the identifiers of all records."""
        ...

    def manifest(self, identifier: str) -> Mapping[str, Any] | None:
        """Return the Manifest 3.0 of *identifier*, None where there is none."""
        ...

    def is_published(self, place: PresentationPath) -> bool:
        """Return whether a document stands at *place*."""
        ...

    def find(self, identifier: str) -> object:
        """Return what is known of the image; raises `NotFound`, and `Gone` if it was withdrawn."""
        ...


@dataclass(frozen=True, slots=True)
class FolderSite:
    """A folder of images: nothing but lists."""

    title: str
    languages: tuple[str, ...]
    urls: Callable[[], Urls]
    listing: Callable[[str], Listing]
    manifest: Callable[[str], Mapping[str, Any] | None]
    find: Callable[[str], object]

    def about(self) -> About:
        """Return what all pages say."""
        return About({"none": [self.title]}, self.languages)

    def catalog(self) -> Sequence[str]:
        """Return the Manifests of the outermost folders."""
        entries = self.listing("").entries[:MOST_OFFERED]
        return [entry.manifest for entry in entries if entry.manifest]

    def exhibition(self) -> ExhibitionPage:
        """Raise NotFound."""
        raise NotFound("there is no exhibition, only folders", parameter="exhibition")

    def chapter(self, identifier: str) -> ChapterPage:
        """Raise NotFound."""
        raise NotFound(f"there is no exhibition that could have {identifier[:200]!r}")

    def record(self, identifier: str) -> RecordPage:
        """Raise NotFound."""
        raise NotFound(f"there is no exhibition that could have {identifier[:200]!r}")

    def records(self) -> Sequence[str]:
        """Return nothing: an image is no record."""
        return ()

    def is_published(self, place: PresentationPath) -> bool:
        """Return whether it is a Manifest: a folder has no other documents."""
        return place.kind == "manifest" and self.manifest(place.identifier) is not None


MOST_OFFERED = 50
