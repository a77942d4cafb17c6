"""A folder of images as it is: one list and one Manifest a folder, from the names alone.

Manifests are built in a render process, because what builds and checks them is too large for
processes that answer HTTP, and are kept, bounded, for as long as the files are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, cast

import orjson

from iiifserver.cache import Memory
from iiifserver.edition import IDENTITY
from iiifserver.errors import NotFound, RequestError
from iiifserver.image.job import Renderer, bytes_of
from iiifserver.image.plan import Dimensions
from iiifserver.image.service import Images
from iiifserver.presentation.parts import MEDIA_TYPES
from iiifserver.sources import Folder, Names
from iiifserver.urls import PresentationPath, Urls

from .presentation import Found, Held, Pages
from .reader import languages
from .site import Entry, FolderSite, Listing, Picture, Site

ROOT = ".folder"
"""Identifier of the outermost folder: hidden names are absent, so no folder inside has it."""
MOST_CANVASES = 2_000
"""Canvases in one Manifest; a larger folder shows its first ones."""
_MOST_BYTES = 32 << 20
_LOADING_MS, _CANVAS_MS = 40.0, 1.0


@dataclass(frozen=True, slots=True)
class FolderManifest:
    """The job of building one folder's Manifest; `images` with their sizes, full and listed."""

    name: str
    base_url: str
    identifier: str
    images: tuple[tuple[str, Dimensions, tuple[Dimensions, ...]], ...]
    version: int
    keep: str | None = None

    @property
    def key(self) -> str:
        """All that the Manifest says."""
        about = repr((self.base_url, self.identifier, self.name, self.images, self.version))
        return f"manifest {hashlib.sha256(about.encode()).hexdigest()}"

    @property
    def source(self) -> str:
        """The Manifest itself: no file is opened for it."""
        return self.key

    @property
    def cost_ms(self) -> float:
        """Milliseconds that iiif-prezi3 takes, much of it to be loaded."""
        return _LOADING_MS + _CANVAS_MS * len(self.images)

    def run(self) -> bytes:
        """Return the Manifest's bytes."""
        from iiifserver.presentation.canvases import Picture as Scan
        from iiifserver.presentation.manifest import folder_manifest
        from iiifserver.presentation.model import document_bytes
        from iiifserver.presentation.version2 import version2

        urls = Urls(self.base_url)
        scans = [Scan(name, *size, sizes) for name, size, sizes in self.images]
        manifest = folder_manifest(self.identifier, self.name, scans, urls)
        return document_bytes(manifest if self.version == 3 else version2(manifest, urls))


@dataclass(slots=True)
class _Shelved:
    """What lies directly in one folder."""

    folders: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    document: bool = False
    """Whether it is no folder but a PDF: how many pages it has is known when they are asked for."""

    @property
    def shows(self) -> bool:
        """Whether there are images to show."""
        return bool(self.images) or self.document


class Shelf:
    """The pages and Manifests of a folder."""

    def __init__(
        self, folder: Folder, images: Images, renderer: Renderer, urls: Callable[[], Urls]
    ) -> None:
        self._folder = folder
        self._images = images
        self._renderer = renderer
        self._urls = urls
        self._shelved: tuple[Names, dict[str, _Shelved]] = (Names(), {})
        self._manifests: Memory[FolderManifest, bytes] = Memory(_MOST_BYTES, len)

    def site(self) -> Site:
        """Return what the pages show."""
        title = self._folder.root.name or "/"
        find = self._images.describe
        return FolderSite(title, languages(), self._urls, self._listing, self._manifest, find)

    def document(self, place: PresentationPath) -> Found | None:
        """Return the Manifest at *place*, None where no folder has it."""
        identifier = place.identifier
        shelved = self._shelves().get("" if identifier == ROOT else identifier)
        if place.kind != "manifest" or not place.version or not identifier:
            return None
        if not (shelved and shelved.shows):
            return None
        described: list[tuple[str, Dimensions, tuple[Dimensions, ...]]] = []
        for name in self._images_of(identifier, shelved)[:MOST_CANVASES]:
            try:
                image = self._images.describe(name)
            except RequestError:
                continue  # what cannot be served is not shown
            described.append((name, image.dimensions, self._images.sizes(image)))
        if not described:
            return None
        label = self._folder.root.name if identifier == ROOT else PurePosixPath(identifier).name
        return self._build(
            FolderManifest(
                label or "/",
                self._urls().base_url,
                identifier,
                tuple(described),
                place.version,
            )
        )

    def pages(self, _identifier: str) -> Pages | None:
        """Return None: a folder is no record."""
        return None

    def _manifest(self, identifier: str) -> Mapping[str, Any] | None:
        found = self.document(PresentationPath(3, identifier, "manifest"))
        body = found.codings[IDENTITY].read() if found else b"null"
        return cast(Mapping[str, Any] | None, orjson.loads(body))

    def _build(self, job: FolderManifest) -> Found:
        body = self._manifests.get(job)
        if body is None:
            body = bytes_of(self._renderer.render(job))
            self._manifests.put(job, body)
        return Found(MEDIA_TYPES[job.version], {IDENTITY: Held(body)})

    def _shelves(self) -> dict[str, _Shelved]:
        names, tree = self._shelved
        now = self._folder.names()
        if now is not names:
            tree = _tree(now)
            self._shelved = (now, tree)
        return tree

    def _images_of(self, path: str, shelved: _Shelved) -> Sequence[str]:
        if not shelved.document:
            return shelved.images
        return [f"{path}/{page}" for page in range(1, self._images.page_count(path) + 1)]

    def _listing(self, path: str) -> Listing:
        shelves = self._shelves()
        if path and path not in shelves:
            raise NotFound(f"no folder is called {path[:200]!r}", parameter="folder")
        shelved = shelves.get(path, _Shelved())
        parts = PurePosixPath(path).parts
        parents = [({"none": [self._folder.root.name or "/"]}, "")] if path else []
        parents += [
            ({"none": [part]}, "/".join(parts[: index + 1]))
            for index, part in enumerate(parts[:-1])
        ]
        return Listing(
            label={"none": [parts[-1] if parts else self._folder.root.name or "/"]},
            entries=[self._entry(each, shelves[each]) for each in shelved.folders],
            pictures=_Pictures(self._images_of(path, shelved)),
            manifest=self._urls().manifest(path or ROOT) if shelved.shows else None,
            parents=parents,
        )

    def _entry(self, path: str, shelved: _Shelved) -> Entry:
        return Entry(
            label={"none": [PurePosixPath(path).name]},
            image_count=len(shelved.images),
            manifest=self._urls().manifest(path) if shelved.shows else None,
            path=path,
            thumbnail=f"{path}/1" if shelved.document else next(iter(shelved.images), None),
        )


class _Pictures(Sequence[Picture]):
    """Names as pictures, made when they are looked at."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, place: int | slice) -> Picture | list[Picture]:  # type: ignore[override]
        if isinstance(place, slice):
            return [Picture(name, PurePosixPath(name).name) for name in self._names[place]]
        name = self._names[place]
        return Picture(name, PurePosixPath(name).name)


def _tree(names: Names) -> dict[str, _Shelved]:
    tree = {document: _Shelved(document=True) for document in names.documents}
    for name in names.images:
        folder, _, _ = name.rpartition("/")
        tree.setdefault(folder, _Shelved()).images.append(name)
    for folder in list(tree):
        _hang(tree, folder)
    return tree


def _hang(tree: dict[str, _Shelved], folder: str) -> None:
    """Make *folder* known to its parent, and so on up to the top."""
    while folder:
        parent, _, _ = folder.rpartition("/")
        siblings = tree.setdefault(parent, _Shelved()).folders
        if folder in siblings:
            return
        siblings.append(folder)
        folder = parent
