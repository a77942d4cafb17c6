"""What the Image API answers, status, headers and bytes alike: made here for both doors.

`tiles.py` asks before Flask and `image.py` within it; what one of them answers, the other would
have answered in the same way.

Image API 3.0: https://iiif.io/api/image/3.0/
Image API 2.1: https://iiif.io/api/image/2.1/
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from werkzeug.http import parse_etags

from iiifserver.cache import Memory
from iiifserver.errors import Busy, Replaced
from iiifserver.image.info import CONTEXT, PROFILE, Description, info
from iiifserver.image.job import Picture
from iiifserver.image.request import ImageRequest, OutputFormat, Version
from iiifserver.image.service import Image, Images, Planned
from iiifserver.metrics import Counters, at_once_cell
from iiifserver.opened import OpenFile, Ready
from iiifserver.sources import Place
from iiifserver.urls import Urls, encode_identifier

from .bodies import LARGE_BYTES, Bodies
from .negotiation import JSON, JSON_LD, json_wanted

MEDIA_TYPES: dict[OutputFormat, str] = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "tif": "image/tiff",
    "gif": "image/gif",
    "jp2": "image/jp2",
    "pdf": "application/pdf",
}
OPEN = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Link, ETag, Content-Disposition, Retry-After"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
"""Let every origin read what is no page: https://iiif.io/api/image/3.0/#7-server-responses"""

Header = tuple[str, str]
Environ = Mapping[str, Any]

_LONGEST_NAME = 150  # of a saved picture, in characters
_MOST_NAMES = 4_096
_MOST_INFO_BYTES = 8 << 20
_REFRESH_S = 60
_TYPES = {name: ("Content-Type", media_type) for name, media_type in MEDIA_TYPES.items()}
_STORED, _KEPT = at_once_cell("stored"), at_once_cell("kept")
_UNCHANGED = at_once_cell("unchanged")
_PROFILES = {version: f'<{profile}>;rel="profile"' for version, profile in PROFILE.items()}


def kept_by_others(max_age_s: int) -> str:
    """Return the `Cache-Control` of what everybody may keep for *max_age_s*.

    For a minute more a cache may answer with what it has while it asks for the new. There is no
    `stale-if-error`: nginx would take our 404 for an error, and show what is no longer there.
    https://www.rfc-editor.org/rfc/rfc5861
    """
    refresh_s = min(max_age_s, _REFRESH_S)
    return f"public, max-age={max_age_s}, stale-while-revalidate={refresh_s}"


class Answer(NamedTuple):
    """An answer to GET, or to HEAD, whose *body* is empty."""

    status: int
    headers: list[Header]
    body: Iterable[bytes]
    """Empty where *ready* is what is sent."""
    written: bytes = b""
    """The headers as `written` has them, where that is known already."""
    ready: Ready | None = None


@dataclass(eq=False, slots=True)
class Prepared:
    """What is known of a request before it is asked again; *headers* are those of a 304."""

    planned: Planned
    urls: Urls
    headers: tuple[Header, ...]
    whole: tuple[int, list[Header], bytes] | None = None
    """Length of the picture, all its headers, and these once more as they are written."""


class Making(NamedTuple):
    """A picture that can be made: what to have run, and for what."""

    job: Picture
    prepared: Prepared


def written(headers: Iterable[Header]) -> bytes:
    """Return *headers* as HTTP/1.1 writes them, a line each.

    Raises:
        ValueError: one of them holds the end of a line.
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise ValueError("a header holds the end of a line")
    return text.encode("latin-1")


class _Info(NamedTuple):
    """One info.json, and its headers without those that a 304 lacks."""

    body: bytes
    etag: str
    headers: tuple[Header, ...]
    media_type: str


class Answers:
    """Answers about *images*; others may keep them for *max_age_s*."""

    def __init__(self, images: Images, max_age_s: int, counters: Counters) -> None:
        self._images = images
        self._counters = counters
        self._cells = counters.cells
        self._bodies = Bodies()
        self._cache_control = ("Cache-Control", kept_by_others(max_age_s))
        self._info: Memory[tuple[str, str, str, str | None], _Info] = Memory(
            _MOST_INFO_BYTES, lambda kept: len(kept.body) + 1_000
        )

    def prepared(
        self, version: Version, identifier: str, asked: ImageRequest, urls: Urls
    ) -> Prepared | None:
        """Return all that does not depend on who asks, None where the image has to be looked at.

        Raises:
            RequestError: as `plan.make_plan` does.
        """
        planned = self._images.plan_known(identifier, asked)
        if planned is None:
            return None
        return Prepared(planned, urls, tuple(self._headers(version, planned, urls)))

    def holds(self, prepared: Prepared, urls: Urls) -> bool:
        """Return whether preparing would give the same again: the same file, the same addresses."""
        image = prepared.planned.image
        return prepared.urls is urls and self._images.known(image.source.identifier) is image

    def at_once(self, environ: Environ, prepared: Prepared) -> Answer | Making | None:
        """Return the answer to GET if nothing has to be made or waited for.

        Else what makes it of a stored tile, if that is what it takes; else None.
        """
        planned = prepared.planned
        if _unchanged(environ, planned.etag):
            self._cells[_UNCHANGED] += 1
            return Answer(304, [*prepared.headers], [])
        place = planned.place
        if place is not None and place.length > LARGE_BYTES:
            return None
        try:
            if place is None:
                body: Ready | bytes | None = self._images.kept(planned, LARGE_BYTES)
            else:
                body = self._bodies.at_once(place, planned)
        except OSError:
            # what was made of an image may be deleted at any time
            self._images.forget(planned.image.source.identifier)
            return None
        if body is None:
            job = self._images.making(planned) if place is None else None
            return Making(job, prepared) if job else None
        self._cells[_KEPT if place is None else _STORED] += 1
        return self._found(environ, prepared, body)

    def let_go(self) -> None:
        """Close files that nobody asks for any more; called now and then, in the one thread."""
        self._bodies.let_go()
        self._images.let_go()

    def made(self, environ: Environ, making: Making, made: Place | bytes) -> Answer:
        """Return the answer to GET when the job of *making* has made a picture.

        Raises:
            OSError: it was deleted since.
        """
        if isinstance(made, Place):
            file = OpenFile(os.open(made.path, os.O_RDONLY))
            ready = Ready(file, made.offset, made.length, made.prefix)
            return self._found(environ, making.prepared, ready)
        return self._found(environ, making.prepared, made)

    def _found(self, environ: Environ, prepared: Prepared, body: Ready | bytes) -> Answer:
        planned = prepared.planned
        pieces, ready = ([], body) if isinstance(body, Ready) else ([body], None)
        length = ready.size_bytes if ready else len(body)
        if environ.get("QUERY_STRING"):  # it may ask for another name
            headers = _whole(prepared.headers, planned, environ, length)
            return Answer(200, headers, pieces, ready=ready)
        whole = prepared.whole
        if whole is None or whole[0] != length:
            headers = _whole(prepared.headers, planned, environ, length)
            whole = prepared.whole = (length, headers, written(headers))
        return Answer(200, whole[1], pieces, whole[2], ready)

    def picture(
        self, environ: Environ, version: Version, identifier: str, asked: ImageRequest, urls: Urls
    ) -> Answer:
        """Return the answer to an image request.

        Raises:
            RequestError: as `Images.plan` and `Images.answer` do.
        """
        planned = self._images.plan(identifier, asked)
        if _unchanged(environ, planned.etag):
            self._counters.event("unchanged")
            return Answer(304, self._headers(version, planned, urls), [])
        if environ["REQUEST_METHOD"] == "HEAD":
            # nothing is made for it: how long the picture would be is told when it is there
            place = self._images.ready(planned)
            length = None if place is None else _length(place)
            headers = self._headers(version, planned, urls)
            return Answer(200, _whole(headers, planned, environ, length), [])
        for again in (True, False):
            try:
                planned, found = self._images.answer(planned)
                body = self._bodies.of(found, planned)
            except (OSError, Replaced) as error:
                self._images.forget(identifier)
                if not again:
                    raise Busy(f"{identifier} is being replaced", retry_after_s=1) from error
                planned = self._images.plan(identifier, asked)
            else:
                break
        headers = self._headers(version, planned, urls)
        return Answer(200, _whole(headers, planned, environ, _length(found)), body)

    def information_at_once(
        self, environ: Environ, version: Version, identifier: str, urls: Urls
    ) -> Answer | None:
        """Return an info.json to GET if nothing has to be looked at for it, else None."""
        image = self._images.known(identifier)
        return self._information(environ, version, image, urls) if image else None

    def information(
        self, environ: Environ, version: Version, identifier: str, urls: Urls
    ) -> Answer:
        """Return an info.json in the media type that `Accept` asks for.

        Raises:
            RequestError: as `Images.describe` does.
        """
        return self._information(environ, version, self._images.wanted(identifier), urls)

    def _information(self, environ: Environ, version: Version, image: Image, urls: Urls) -> Answer:
        service = urls.image_service(version, image.source.identifier)
        media_type = json_wanted(environ.get("HTTP_ACCEPT", ""), version)
        # rights are those of an edition, whatever the file
        key = (service, media_type, image.tag, image.source.rights)
        said = self._info.get(key)
        if said is None:
            said = self._describe(version, image, service, media_type)
            self._info.put(key, said)
        if _unchanged(environ, said.etag):
            return Answer(304, [*said.headers], [])
        length = ("Content-Length", str(len(said.body)))
        headers = [*said.headers, ("Content-Type", said.media_type), length]
        return Answer(200, headers, [] if environ["REQUEST_METHOD"] == "HEAD" else [said.body])

    def _describe(self, version: Version, image: Image, service: str, media_type: str) -> _Info:
        rights, alpha = image.source.rights, image.header.alpha
        description = Description(service, image.dimensions, image.tile, rights, alpha)
        body = orjson.dumps(info(version, description, self._images.limits))
        etag = hashlib.blake2b(body + media_type.encode(), digest_size=16).hexdigest()
        link = _PROFILES[version]
        if media_type == JSON:
            relation = "http://www.w3.org/ns/json-ld#context"
            link += f', <{CONTEXT[version]}>;rel="{relation}";type="{JSON_LD}"'
        vary = ("Vary", "Accept")
        headers = (("ETag", f'"{etag}"'), self._cache_control, vary, ("Link", link), *OPEN)
        return _Info(body, etag, headers, media_type)

    def _headers(self, version: Version, planned: Planned, urls: Urls) -> list[Header]:
        """Return the headers that a picture has also where it is unchanged."""
        identifier, canonical = planned.image.source.identifier, planned.plan.canonical
        address = f"{urls.base_url}/iiif/{version}/{_encoded(identifier)}/{canonical}"
        # one header: clients that look no further than the first Link find both
        link = f'<{address}>;rel="canonical", {_PROFILES[version]}'
        return [("ETag", f'"{planned.etag}"'), self._cache_control, ("Link", link), *OPEN]


def _whole(
    headers: Iterable[Header], planned: Planned, environ: Environ, length: int | None
) -> list[Header]:
    """Return all headers of a picture of *length* bytes, *headers* being those of a 304."""
    whole = [*headers, _TYPES[planned.plan.format], _disposition(planned, environ)]
    if length is not None:
        whole.append(("Content-Length", str(length)))
    return whole


def _length(body: Place | bytes) -> int:
    return len(body) if isinstance(body, bytes) else len(body.prefix) + body.length


def _unchanged(environ: Environ, etag: str) -> bool:
    known = environ.get("HTTP_IF_NONE_MATCH")
    return bool(known) and parse_etags(known).contains_weak(etag)


def _disposition(planned: Planned, environ: Environ) -> Header:
    """Return under which name a picture is saved: of the image, and what was asked of it."""
    query = environ.get("QUERY_STRING")
    kind = "attachment" if query and _downloads(query) else "inline"
    asked = planned.plan.canonical.replace("/", "_")
    identifier = planned.image.source.identifier[len(asked) - _LONGEST_NAME + 1 :]
    plain, encoded = _names(identifier)
    value = f'{kind}; filename="{plain}_{asked}"'
    if encoded is not None:
        value += f"; filename*=UTF-8''{encoded}_{quote(asked, safe='!^')}"
    return ("Content-Disposition", value)


def _downloads(query: str) -> bool:
    return any(part.partition("=")[0] == "download" for part in query.split("&"))


_encoded = lru_cache(_MOST_NAMES)(encode_identifier)


@lru_cache(_MOST_NAMES)
def _names(identifier: str) -> tuple[str, str | None]:
    """Return how a file's name begins in plain letters; and encoded, where those lose something.

    https://www.rfc-editor.org/rfc/rfc6266#section-4.3
    """
    name = identifier.replace("/", "_")
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.,!^") else "_" for c in name)
    return plain, None if plain == name else quote(name, safe="")
