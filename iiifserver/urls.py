"""Every public address, formatted and taken apart here and nowhere else.

The table of addresses is in docs/addresses.md; all stand under one `base_url`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

# Image API 3.0, 9: these and what is not ASCII are percent-encoded: / ? # [ ] @ %
_SAFE_IN_IDENTIFIER = "!$&'()*+,;=:"
_SAFE_IN_SEGMENT = "!,^:;"
INFO = "info.json"


_ADDRESS = re.compile(
    r"/(?:iiif/[23]/.*|presentation/.*|static/.*|health|ready|metrics|viewer|compare|embed/.*|oembed"
    r"|robots\.txt|favicon\.ico"
    r"|sitemap(?:-[0-9]+)?\.xml|[a-z]{2}(?:-[A-Za-z0-9]+)*/.*)?",
    re.DOTALL,
)


Segments = tuple[str, str, str, str]
"""Region, size, rotation and `quality.format`."""


class ImagePath(NamedTuple):
    """A decoded path below `/iiif/{version}/`, as one of its readings."""

    identifier: str
    segments: Segments


class PresentationPath(NamedTuple):
    """A decoded path below `/presentation/`, as one of its readings."""

    version: int | None
    identifier: str
    """Of what has a Manifest or a Collection; empty for the site's top Collection."""
    kind: str
    """`manifest`, `collection`, `canvas`, `range`, `annotation-page`, `record.json`, ..."""
    name: str = ""
    """Of a Canvas, Range or AnnotationPage within a Manifest."""


_VERSION = re.compile(r"([23])/(.+)", re.DOTALL)
_WHOLE = re.compile(r"(.+)/(manifest|collection|record\.(?:json|xml|pdf))", re.DOTALL)
_PART = re.compile(r"/(canvas|range|annotation-page)(?=/)")
_MOST_READINGS = 16


def presentation_paths(path: str) -> Iterator[PresentationPath]:
    """Yield what *path*, below `/presentation/`, may name: identifiers may hold slashes."""
    versioned = _VERSION.fullmatch(path)
    if versioned:
        yield from _readings(int(versioned[1]), versioned[2])
    yield from _readings(None, path)


def _readings(version: int | None, path: str) -> Iterator[PresentationPath]:
    if path == "collection":
        yield PresentationPath(version, "", path)
    if whole := _WHOLE.fullmatch(path):
        yield PresentationPath(version, whole[1], whole[2])
    for part, _ in zip(_PART.finditer(path), range(_MOST_READINGS), strict=False):
        identifier, name = path[: part.start()], path[part.end() + 1 :]
        if identifier and name:
            yield PresentationPath(version, identifier, part[1], name)


def encode_identifier(identifier: str) -> str:
    """Return *identifier* as one path segment of an address, slashes encoded."""
    return quote(identifier, safe=_SAFE_IN_IDENTIFIER)


def is_address(path: str) -> bool:
    """Return whether *path* has the form of an address of ours, without a prefix before it."""
    return _ADDRESS.fullmatch(path) is not None


def split_image_path(path: str) -> ImagePath | None:
    """Return *path* as identifier and its four last segments; None with fewer than five.

    Identifiers may hold slashes, so only the end of the path tells.
    """
    parts = path.rsplit("/", 4)
    if len(parts) < 5 or not parts[0]:
        return None
    return ImagePath(parts[0], (parts[1], parts[2], parts[3], parts[4]))


@dataclass(frozen=True, slots=True)
class Urls:
    """The addresses below one *base_url*, which has no slash at its end."""

    base_url: str

    def home(self, language: str | None = None) -> str:
        """Return the address of the first page, in *language* where one is named."""
        return f"{self.base_url}/{language}/" if language else f"{self.base_url}/"

    def static(self, name: str) -> str:
        """Return the address of a file that pages use."""
        return f"{self.base_url}/static/{name}"

    def viewer(self, manifest: str, language: str | None = None, canvas: str | None = None) -> str:
        """Return the address of Mirador's page, opened on *manifest* at *canvas*.

        Without a language it leads to the reader's. An address of ours is encoded after base_url
        only, which thus can be found in it and replaced.
        """
        query = {"manifest": manifest} | ({"canvas": canvas} if canvas else {})
        place = f"{self.base_url}/{language}" if language else self.base_url
        return f"{place}/viewer?" + "&".join(f"{k}={self._in_query(v)}" for k, v in query.items())

    def _in_query(self, address: str) -> str:
        ours = self.base_url if address.startswith(f"{self.base_url}/") else ""
        return ours + quote(address.removeprefix(ours), safe=":/")

    # -- Image API

    def image_service(self, version: int, identifier: str) -> str:
        """Return the `id` of an image's service: Image API 3.0, 2.

        https://iiif.io/api/image/3.0/#2-uri-syntax
        """
        return f"{self.base_url}/iiif/{version}/{encode_identifier(identifier)}"

    def info(self, version: int, identifier: str) -> str:
        """Return the address of an image's info.json."""
        return f"{self.image_service(version, identifier)}/{INFO}"

    def image(
        self,
        identifier: str,
        region: str = "full",
        size: str = "max",
        rotation: str = "0",
        quality: str = "default",
        format: str = "jpg",  # noqa: A002 - the specification's word
        version: int = 3,
    ) -> str:
        """Return the address of an image's pixels."""
        path = f"{region}/{size}/{rotation}/{quality}.{format}"
        service = self.image_service(version, identifier)
        return f"{service}/{quote(path, safe=_SAFE_IN_SEGMENT + '/')}"

    # -- Presentation API

    def collection(self, version: int = 3) -> str:
        """Return the address of the site's top Collection."""
        return f"{self.base_url}/presentation/{version}/collection"

    def collection_of(self, identifier: str, version: int = 3) -> str:
        """Return the address of an exhibition or a chapter as a Collection."""
        return f"{self._presentation(identifier, version)}/collection"

    def manifest(self, identifier: str, version: int = 3) -> str:
        """Return the address of a record, a chapter or a folder as a Manifest."""
        return f"{self._presentation(identifier, version)}/manifest"

    def range(self, identifier: str, name: str, version: int = 3) -> str:
        """Return the `id` of a Range of the Manifest *identifier*."""
        return f"{self._presentation(identifier, version)}/range/{encode_identifier(name)}"

    def annotation_page(self, identifier: str, name: str, version: int = 3) -> str:
        """Return the `id` of an AnnotationPage of *identifier*."""
        page = encode_identifier(name)
        return f"{self._presentation(identifier, version)}/annotation-page/{page}"

    def canvas(self, identifier: str, page: str) -> str:
        """Return a Canvas's `id`: one in every version and in every Manifest that shows it."""
        return f"{self._presentation(identifier)}/canvas/{encode_identifier(page)}"

    def record_json(self, identifier: str) -> str:
        """Return the address of a record as JSON."""
        return f"{self._presentation(identifier)}/record.json"

    def record_xml(self, identifier: str) -> str:
        """Return the address of a record as Dublin Core."""
        return f"{self._presentation(identifier)}/record.xml"

    def record_pdf(self, identifier: str) -> str:
        """Return the address of a record as a PDF."""
        return f"{self._presentation(identifier)}/record.pdf"

    def in_version_2(self, address: str) -> str:
        """Return where version 2 of the document or image at *address* is; *address* if nowhere."""
        for api in ("presentation", "iiif"):
            third = f"{self.base_url}/{api}/3/"
            if address.startswith(third):
                return f"{self.base_url}/{api}/2/{address.removeprefix(third)}"
        return address

    # -- pages

    def page(self, language: str, exhibition: str, chapter: str = "") -> str:
        """Return the address of an exhibition's first page, or of a chapter's within it."""
        path = "".join(f"{encode_identifier(part)}/" for part in (exhibition, chapter) if part)
        return f"{self.base_url}/{language}/{path}"

    def record_page(self, language: str, exhibition: str, identifier: str) -> str:
        """Return the address of a record's page."""
        return f"{self.page(language, exhibition)}record/{encode_identifier(identifier)}"

    def agents_page(self, language: str, exhibition: str) -> str:
        """Return the address of the page of archives."""
        return f"{self.page(language, exhibition)}agents"

    def about_page(self, language: str, exhibition: str) -> str:
        """Return the address of the page about an exhibition."""
        return f"{self.page(language, exhibition)}about"

    def compare(self, language: str, canvases: Iterable[tuple[str, str]]) -> str:
        """Return the address of pages side by side, each named by its record and itself."""
        query = "&".join(
            f"canvas={encode_identifier(record)}/{encode_identifier(page)}"
            for record, page in canvases
        )
        return f"{self.base_url}/{language}/compare" + (f"?{query}" if query else "")

    def embed(self, identifier: str, language: str) -> str:
        """Return the address of a record as a part of somebody else's page."""
        return f"{self.base_url}/embed/{encode_identifier(identifier)}?lang={language}"

    def oembed(self, page: str) -> str:
        """Return the address that tells how to embed *page*."""
        return f"{self.base_url}/oembed?url={quote(page, safe='')}&format=json"

    def sitemap(self, number: int | None = None) -> str:
        """Return the address of the sitemap, of one of its parts where a *number* is given."""
        return f"{self.base_url}/sitemap{'' if number is None else f'-{number}'}.xml"

    def _presentation(self, identifier: str, version: int | None = None) -> str:
        stem = f"{self.base_url}/presentation"
        stem = stem if version is None else f"{stem}/{version}"
        return f"{stem}/{encode_identifier(identifier)}"
