"""Writing an edition: documents under their checksums first, one index with the next number last.

Whatever is interrupted before the index is there, the edition before it goes on. An unchanged
input gives an equal index, and then nothing is published.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from iiifserver.edition import FORMAT, index_path, numbers, object_path


class Published(NamedTuple):
    """The outcome of a publication."""

    number: int
    changed: bool
    """False where the current edition was this one already."""


def write_edition(
    data: Path,
    base_url: str,
    documents: Mapping[str, tuple[bytes, str]],
    images_root: Path,
    images: Mapping[str, tuple[str, str | None]],
    site: Mapping[str, Any],
) -> Published:
    """Make these documents and images the current edition below *data*.

    *documents* are bytes and media type by path below *base_url*; *images* are file (below
    *images_root*) and rights by identifier.
    """
    entries = {}
    for address, (body, media_type) in documents.items():
        digest = hashlib.sha256(body).hexdigest()
        _write_once(object_path(data, digest), body)
        entries[address] = {"object": digest, "type": media_type}
    index = orjson.dumps(
        {
            "format": FORMAT,
            "base_url": base_url,
            "documents": entries,
            "images_root": str(images_root),
            "images": {
                identifier: {"file": file, "rights": rights}
                for identifier, (file, rights) in images.items()
            },
            "site": site,
        },
        option=orjson.OPT_INDENT_2,
    )
    return _switch(data, index)


def _switch(data: Path, index: bytes) -> Published:
    """Write *index* under the next number; whoever takes a number first has it."""
    while True:
        last = (numbers(data) or [0])[-1]
        if last and index_path(data, last).read_bytes() == index:
            return Published(last, changed=False)
        try:
            _write_once(index_path(data, last + 1), index, exclusive=True)
        except FileExistsError:
            continue
        return Published(last + 1, changed=True)


def _write_once(path: Path, body: bytes, *, exclusive: bool = False) -> None:
    """Write *body* aside and link it to *path*, which must not exist if *exclusive*."""
    if path.exists() and not exclusive:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".aside-")
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            path.hardlink_to(aside)
        else:
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
