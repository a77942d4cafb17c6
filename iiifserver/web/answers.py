"""What the Image API answers, status, headers and bytes alike: made here for both doors.

`tiles.py` asks before Flask and `image.py` within it; what one of them answers, the other would
have answered in the same way.

Image API 3.0: https://iiif.io/api/image/3.0/
Image API 2.1: https://iiif.io/api/image/2.1/
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
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
from iiifserver.image.planned import Image, Known
from iiifserver.image.request import ImageRequest, OutputFormat, Version
from iiifserver.image.service import Images
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
_MOST_RECENT = 4_096
_MOST_INFO_BYTES = 8 << 20
_REFRESH_S = 60
_TYPES = {name: f"Content-Type: {media_type}\r\n" for name, media_type in MEDIA_TYPES.items()}
_STORED, _KEPT = at_once_cell("stored"), at_once_cell("kept")
_UNCHANGED = at_once_cell("unchanged")
_PROFILES = {version: f'<{profile}>;rel="profile"' for version, profile in PROFILE.items()}


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


def kept_by_others(max_age_s: int) -> str:
    """Return the `Cache-Control` of what everybody may keep for *max_age_s*.

    For a minute more a cache may answer with what it has while it asks for the new. There is no
    `stale-if-error`: nginx would take our 404 for an error, and show what is no longer there.
    https://www.rfc-editor.org/rfc/rfc5861
    """
    refresh_s = min(max_age_s, _REFRESH_S)
    return f"public, max-age={max_age_s}, stale-while-revalidate={refresh_s}"


_OPEN = written(OPEN).decode()


class Answer(NamedTuple):
    """An answer to GET, or to HEAD, whose *body* is empty."""

    status: int
    lines: bytes
    """Its headers as HTTP/1.1 writes them, a line each."""
    body: Iterable[bytes] = ()
    """Empty where *ready* is what is sent."""
    ready: Ready | None = None
    size_bytes: int = 0
    """How long the body is, where it stands ready."""

    @property
    def headers(self) -> list[Header]:
        """Its headers as WSGI has them."""
        lines = self.lines.decode("latin-1").split("\r\n")[:-1]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


@dataclass(eq=False, slots=True)
class Prepared:
    """What is known of a request before it is asked again."""

    version: Version
    planned: Known
    urls: Urls
    again: bool = False
    """Whether it was asked before, lately: then what answers it is kept."""
    whole: tuple[int, bytes] = (-1, b"")
    """How long the picture is, and all lines of it."""


class Making(NamedTuple):
    """A picture that can be made: what to have run, and for what."""

    job: Picture
    prepared: Prepared


class _Info(NamedTuple):
    """One info.json, the headers of a 304, and all of them."""

    body: bytes
    etag: str
    lines: bytes
    whole: bytes


class Answers:
    """Answers about *images*; others may keep them for *max_age_s*."""

    def __init__(self, images: Images, max_age_s: int, counters: Counters) -> None:
        self._images = images
        self._counters = counters
        self._cells = counters.cells
        self._bodies = Bodies()
        self._cache_control = f"Cache-Control: {kept_by_others(max_age_s)}\r\n"
        self._info: Memory[tuple[str | int | None, ...], _Info] = Memory(
            _MOST_INFO_BYTES, lambda kept: len(kept.body) + 2_000
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
        return Prepared(version, planned, urls)

    def tile(self, identifier: str, numbers: Sequence[str], urls: Urls) -> Prepared | None:
        """Return the same of a tile that stands ready, asked for as viewers of version 3 do.

        None where it is something else.
        """
        tile = self._images.tile_known(identifier, numbers)
        return None if tile is None else Prepared(3, tile, urls)

    def holds(self, prepared: Prepared, urls: Urls) -> bool:
        """Return whether preparing would give the same again: the same file, the same addresses."""
        image = prepared.planned.image
        return prepared.urls is urls and self._images.known(image.source.identifier) is image

    def at_once(self, environ: Environ, prepared: Prepared) -> Answer | Making | None:
        """Return the answer to GET if nothing has to be made or waited for.

        Else what makes it of a stored tile, if that is what it takes; else None.
        """
        planned, query = prepared.planned, environ.get("QUERY_STRING", "")
        known = environ.get("HTTP_IF_NONE_MATCH")
        if known and _unchanged(known, planned.etag):
            self._cells[_UNCHANGED] += 1
            return self._not_again(prepared)
        place = planned.place
        cell = _KEPT if place is None else _STORED
        recent: dict[object, Answer] = self._images.recent if place is None else self._bodies.recent
        answer = None if query else recent.get(prepared)
        # what was made may be purged at any time
        if answer is not None and (place is not None or _is_named(answer)):
            self._cells[cell] += 1
            return answer
        body = self._at_hand(planned)
        if isinstance(body, Picture):
            return Making(body, prepared)
        if body is None:
            return None
        self._cells[cell] += 1
        answer = self._found(prepared, query, body)
        if prepared.again and not query and answer.ready:
            if len(recent) >= _MOST_RECENT:
                recent.clear()
            recent[prepared] = answer
        return answer

    def _at_hand(self, planned: Known) -> Ready | bytes | Picture | None:
        """Return a picture's bytes, or what makes it of a stored tile; None where it takes time."""
        place = planned.place
        if place is None:
            try:
                return self._images.kept(planned, LARGE_BYTES)
            except FileNotFoundError:
                return self._images.making(planned)
        if place.length > LARGE_BYTES:
            return None
        try:
            return self._bodies.at_once(place, planned)
        except OSError:
            # what was made of an image may be deleted at any time
            self._images.forget(planned.image.source.identifier)
            return None

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
            return self._found(making.prepared, environ.get("QUERY_STRING", ""), ready)
        return self._found(making.prepared, environ.get("QUERY_STRING", ""), made)

    def picture(
        self, environ: Environ, version: Version, identifier: str, asked: ImageRequest, urls: Urls
    ) -> Answer:
        """Return the answer to an image request.

        Raises:
            RequestError: as `Images.plan` and `Images.answer` do.
        """
        planned, query = self._images.plan(identifier, asked), environ.get("QUERY_STRING", "")
        if _unchanged(environ.get("HTTP_IF_NONE_MATCH"), planned.etag):
            self._counters.event("unchanged")
            return self._not_again(Prepared(version, planned, urls))
        if environ["REQUEST_METHOD"] == "HEAD":
            # nothing is made for it: how long the picture would be is told when it is there
            place = self._images.ready(planned)
            length = None if place is None else _length(place)
            return Answer(200, self._whole(Prepared(version, planned, urls), query, length))
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
        whole = self._whole(Prepared(version, planned, urls), query, _length(found))
        return Answer(200, whole, body)

    def information_at_once(
        self, environ: Environ, version: Version, identifier: str, urls: Urls
    ) -> Answer | None:
        """Return an info.json to GET if nothing has to be looked at for it, else None."""
        image = self._images.at_hand(identifier)
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
        media_type = json_wanted(environ.get("HTTP_ACCEPT", ""), version)
        source = image.source
        # rights are those of an edition, whatever the file
        key = (version, urls.base_url, source.identifier, media_type, image.tag, source.rights)
        said = self._info.get(key)
        if said is None:
            service = urls.image_service(version, source.identifier)
            said = self._describe(version, image, service, media_type)
            self._info.put(key, said)
        if _unchanged(environ.get("HTTP_IF_NONE_MATCH"), said.etag):
            return Answer(304, said.lines)
        if environ["REQUEST_METHOD"] == "HEAD":
            return Answer(200, said.whole)
        return Answer(200, said.whole, (said.body,), size_bytes=len(said.body))

    def _describe(self, version: Version, image: Image, service: str, media_type: str) -> _Info:
        rights, alpha = image.source.rights, image.header.alpha
        description = Description(service, image.dimensions, image.tile, rights, alpha)
        body = orjson.dumps(info(version, description, self._images.limits))
        etag = hashlib.blake2b(body + media_type.encode(), digest_size=16).hexdigest()
        link = _PROFILES[version]
        if media_type == JSON:
            relation = "http://www.w3.org/ns/json-ld#context"
            link += f', <{CONTEXT[version]}>;rel="{relation}";type="{JSON_LD}"'
        lines = f'ETag: "{etag}"\r\n{self._cache_control}Vary: Accept\r\nLink: {link}\r\n{_OPEN}'
        whole = f"{lines}Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
        return _Info(body, etag, lines.encode(), whole.encode("latin-1"))

    def _not_again(self, prepared: Prepared) -> Answer:
        return Answer(304, self._lines(prepared).encode("latin-1"))

    def _found(self, prepared: Prepared, query: str, body: Ready | bytes) -> Answer:
        """Return the answer with *body*."""
        pieces: tuple[bytes, ...] = () if isinstance(body, Ready) else (body,)
        ready = body if isinstance(body, Ready) else None
        length, whole = ready.size_bytes if ready else len(pieces[0]), prepared.whole
        if query or whole[0] != length:
            whole = (length, self._whole(prepared, query, length))
            if not query:  # which may ask for another name
                prepared.whole = whole
        return Answer(200, whole[1], pieces, ready, length)

    def _whole(self, prepared: Prepared, query: str, length: int | None) -> bytes:
        """Return all headers of a picture of *length* bytes, as they are written."""
        planned = prepared.planned
        told = "" if length is None else f"Content-Length: {length}\r\n"
        lines, named = self._lines(prepared), _disposition(planned, query)
        return f"{lines}{_TYPES[planned.format]}{named}{told}".encode("latin-1")

    def _lines(self, prepared: Prepared) -> str:
        """Return the headers that a picture has also where it is unchanged, as they are written."""
        planned, base_url = prepared.planned, prepared.urls.base_url
        before, after = _link(base_url, prepared.version, planned.image.source.identifier)
        etag = f'ETag: "{planned.etag}"\r\n'
        return f"{etag}{self._cache_control}{before}{planned.canonical}{after}"


@lru_cache(_MOST_NAMES)
def _link(base_url: str, version: Version, identifier: str) -> tuple[str, str]:
    """Return what comes before and after the canonical request of pictures of an image."""
    address = f"{base_url}/iiif/{version}/{encode_identifier(identifier)}/"
    # one header: clients that look no further than the first Link find both
    return f"Link: <{address}", f'>;rel="canonical", {_PROFILES[version]}\r\n{_OPEN}'


def _is_named(answer: Answer) -> bool:
    return answer.ready is not None and answer.ready.file.is_named


def _length(body: Place | bytes) -> int:
    return len(body) if isinstance(body, bytes) else len(body.prefix) + body.length


def _unchanged(known: str | None, etag: str) -> bool:
    """Return whether who asks has it already, as `If-None-Match` says."""
    return bool(known) and parse_etags(known).contains_weak(etag)


def _disposition(planned: Known, query: str) -> str:
    """Return under which name a picture is saved: of the image, and what was asked of it."""
    kind = "attachment" if query and _downloads(query) else "inline"
    asked = planned.canonical.replace("/", "_")
    identifier = planned.image.source.identifier[len(asked) - _LONGEST_NAME + 1 :]
    plain, encoded = _names(identifier)
    line = f'Content-Disposition: {kind}; filename="{plain}_{asked}"'
    if encoded is not None:
        line += f"; filename*=UTF-8''{encoded}_{quote(asked, safe='!^')}"
    return line + "\r\n"


def _downloads(query: str) -> bool:
    return any(part.partition("=")[0] == "download" for part in query.split("&"))


@lru_cache(_MOST_NAMES)
def _names(identifier: str) -> tuple[str, str | None]:
    """Return how a file's name begins in plain letters; and encoded, where those lose something.

    https://www.rfc-editor.org/rfc/rfc6266#section-4.3
    """
    name = identifier.replace("/", "_")
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.,!^") else "_" for c in name)
    return plain, None if plain == name else quote(name, safe="")
