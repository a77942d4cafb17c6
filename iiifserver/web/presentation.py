"""The Presentation API over HTTP: documents are looked up, never built here.

Presentation API 3.0: https://iiif.io/api/presentation/3.0/
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import orjson
from flask import Blueprint, Response, redirect, request, send_file
from werkzeug.wrappers import Response as BaseResponse

from iiifserver.edition import IDENTITY, UNLINKED
from iiifserver.errors import NotFound
from iiifserver.pdf import Pdfs
from iiifserver.presentation.parts import MEDIA_TYPES, base_url_of, cut
from iiifserver.presentation.version2 import version2
from iiifserver.urls import PresentationPath, Urls, presentation_paths

from .answers import kept_by_others
from .negotiation import coding_wanted, version_wanted

_MAX_AGE_S = 60
_NEGOTIATED = frozenset({"manifest", "collection"})


class Coded(Protocol):
    """A document in one content coding; `etag` tells its bytes from all others."""

    @property
    def etag(self) -> str:
        """The tag, without quotes."""
        ...

    def read(self) -> bytes:
        """Return the bytes."""
        ...


class Found(NamedTuple):
    """A document, in `identity` and in whatever codings were prepared."""

    media_type: str
    codings: Mapping[str, Coded]


@dataclass(frozen=True)
class Held:
    """Bytes in memory, in no coding."""

    body: bytes

    @cached_property
    def etag(self) -> str:
        """The tag, without quotes."""
        return hashlib.sha256(self.body).hexdigest()[:32]

    def read(self) -> bytes:
        """Return the bytes."""
        return self.body


class Pages(NamedTuple):
    """The pages of a record: its title, and the identifiers of its images in order."""

    title: Mapping[str, Sequence[str]]
    images: Sequence[str]


class Holdings(Protocol):
    """What has documents."""

    def document(self, place: PresentationPath) -> Found | None:
        """Return the document at *place*, which names no part of one; None if there is none."""
        ...

    def pages(self, identifier: str) -> Pages | None:
        """Return the pages of a record, None where there is no such record."""
        ...


def blueprint(holdings: Holdings, pdfs: Pdfs, urls: Callable[[], Urls]) -> Blueprint:
    """Return the views of the documents that *holdings* has, of their parts and of records."""
    views = Blueprint("presentation", __name__)

    @views.get("/presentation/<path:path>")
    def presentation(path: str) -> BaseResponse:
        """Serve what stands at *path*."""
        for place in presentation_paths(path):
            response = _answer(place, holdings, pdfs, urls)
            if response is not None:
                response.headers["Cache-Control"] = kept_by_others(_MAX_AGE_S)
                return response
        raise NotFound(f"no document is called {path[:200]!r}", parameter="path")

    return views


def _answer(
    place: PresentationPath, holdings: Holdings, pdfs: Pdfs, urls: Callable[[], Urls]
) -> BaseResponse | None:
    if place.name:
        return _part(place, holdings)
    if place.kind == "record.pdf":
        pages = holdings.pages(place.identifier) if place.version is None else None
        return pages and _pdf(place.identifier, pages, pdfs)
    if place.version is None and place.kind in _NEGOTIATED:
        return _led_to_version(place, holdings, urls())
    found = holdings.document(place)
    return found and _whole(found)


def _whole(found: Found) -> BaseResponse:
    """Serve a document in the content coding that the client likes best."""
    prepared = [coding for coding in found.codings if coding != UNLINKED]
    coding = coding_wanted(request.headers.get("Accept-Encoding", ""), prepared)
    coded = found.codings[coding]
    unchanged = request.if_none_match.contains_weak(coded.etag)
    response = Response(b"" if unchanged else coded.read(), content_type=found.media_type)
    response.set_etag(coded.etag)
    response.headers["Vary"] = "Accept-Encoding"
    if coding != IDENTITY:
        response.headers["Content-Encoding"] = coding
    return response.make_conditional(request)


def _led_to_version(place: PresentationPath, holdings: Holdings, urls: Urls) -> BaseResponse | None:
    """Lead from an address without a version to the one that the client wants.

    https://iiif.io/api/presentation/3.0/#63-responses
    """
    wanted = version_wanted(request.headers.get("Accept", ""))
    if not holdings.document(place._replace(version=wanted)):
        return None
    if not place.identifier:
        address = urls.collection(wanted)
    else:
        named = urls.manifest if place.kind == "manifest" else urls.collection_of
        address = named(place.identifier, wanted)
    response = redirect(address, 303)
    response.headers["Vary"] = "Accept"
    return response


def _part(place: PresentationPath, holdings: Holdings) -> BaseResponse | None:
    """Serve a Canvas, Range or AnnotationPage, cut out of its Manifest."""
    if (place.kind == "canvas") != (place.version is None):
        return None  # a Canvas has one id in all versions, others have one in each
    found = holdings.document(PresentationPath(3, place.identifier, "manifest"))
    if found is None:
        return None
    manifest = orjson.loads(found.codings[IDENTITY].read())
    part = cut(manifest, place)
    if part is None:
        return None
    version = place.version or version_wanted(request.headers.get("Accept", ""))
    if version == 2:
        part = version2(part, Urls(base_url_of(manifest, place.identifier)))
    held = Held(orjson.dumps(part))
    response = Response(held.body, content_type=MEDIA_TYPES[version])
    response.set_etag(held.etag)
    if place.version is None:
        response.headers["Vary"] = "Accept"
    return response.make_conditional(request)


def _pdf(identifier: str, pages: Pages, pdfs: Pdfs) -> BaseResponse:
    pdf = pdfs.of(pages.title, pages.images)
    if request.method == "HEAD" or request.if_none_match.contains_weak(pdf.etag):
        response = Response(content_type="application/pdf")
        response.set_etag(pdf.etag)
        response.make_conditional(request)
        if response.status_code == 200:
            response.content_length = pdf.path.stat().st_size
        return response
    name = f"{identifier}.pdf"
    return send_file(pdf.path, "application/pdf", download_name=name, etag=pdf.etag)
