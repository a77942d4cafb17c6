"""Documents as bytes: linked to a base_url, in the content codings that save, in one object.

Documents are built with `edition.MARK` where base_url will stand, and are kept so too. Linking puts
base_url in the place of every mark, and of nothing else: a text that merely looks like an address
has none. So documents can be moved to another base_url without building them, and without sheets.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

import brotli
import orjson

from iiifserver.edition import IDENTITY, MARK, PAGE, UNLINKED, Unit

_MARK = MARK.encode()
_GZIP_LEVEL = 6
_BROTLI_QUALITY = 5  # of 450 Canvases: 9.4 kB in 5 ms, where 11 takes two seconds for as much
_SMALLEST_CODED = 512
_LEAST_SAVED = 0.1


class Unlinked(NamedTuple):
    """A document with `MARK` where base_url will stand."""

    body: bytes
    media_type: str


class Packed(NamedTuple):
    """An object ready to be written."""

    digest: str
    """The SHA-256 of its body, which is its name."""
    content: str
    """Tells its documents from others, those without address apart, at whatever base_url."""
    body: bytes


def pack(
    documents: Mapping[str, Unlinked],
    label: Mapping[str, Sequence[str]],
    images: Sequence[str],
    base_url: str,
) -> Packed:
    """Return *documents* of one record, chapter or exhibition, linked to *base_url*."""
    about: dict[str, object] = {}
    parts: list[bytes] = []
    offset = 0
    for name, document in documents.items():
        codings = {}
        for coding, body in _codings(document, base_url).items():
            codings[coding] = (offset, len(body), hashlib.sha256(body).hexdigest()[:32])
            parts.append(body)
            offset += len(body)
        about[name] = {"type": document.media_type, "codings": codings}
    head = orjson.dumps({"documents": about, "label": label, "images": images})
    body = b"".join([head, b"\n", *parts])
    return Packed(hashlib.sha256(body).hexdigest(), _content(documents), body)


def unpack(unit: Unit) -> dict[str, Unlinked]:
    """Return the documents of *unit* as they were before they were linked."""
    return {
        name: Unlinked(zlib.decompress(document.codings[UNLINKED].read()), document.media_type)
        for name, document in unit.documents.items()
    }


def relinked(unit: Unit, base_url: str) -> Packed:
    """Return the object of *unit* for another base_url."""
    return pack(unpack(unit), unit.label, unit.images, base_url)


def link(document: Unlinked, base_url: str) -> bytes:
    """Return *document* with *base_url* in the place of every mark."""
    is_xml = document.media_type.endswith("xml")
    written = escape(base_url, {'"': "&quot;"}) if is_xml else orjson.dumps(base_url)[1:-1].decode()
    return document.body.replace(_MARK, written.encode())


def _codings(document: Unlinked, base_url: str) -> dict[str, bytes]:
    body = link(document, base_url)
    prepared = {IDENTITY: body}
    if len(body) >= _SMALLEST_CODED:
        most = len(body) * (1 - _LEAST_SAVED)
        coded = {
            "gzip": _gzip(body),
            "br": brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY),
        }
        prepared |= {name: each for name, each in coded.items() if len(each) <= most}
    return prepared | {UNLINKED: zlib.compress(document.body, _GZIP_LEVEL)}


def _gzip(body: bytes) -> bytes:
    """Return *body* in gzip's format, without a time and a name in it."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def _content(documents: Mapping[str, Unlinked]) -> str:
    digest = hashlib.sha256()
    for name, (body, media_type) in documents.items():
        if name == PAGE:
            continue  # what a page shows of neighbours is no change of the record
        digest.update(orjson.dumps([name, media_type, hashlib.sha256(body).hexdigest()]))
    return digest.hexdigest()
