"""The pyvips pipeline: a plan and a file become encoded pixels, in the specification's order.

Region and size (`reading`, `scaling`), mirroring and rotation (`turning`), quality (`colour`),
format (`encoding`); of a stored tile the last three only (`tile`). This package is the wall where
`pyvips.Error` stops. It is imported by render processes only, never by those that answer HTTP.

Which pixels are read, and how they are averaged, is worked out in geometry.py. Colours are
converted after scaling: that is fewer pixels, and the difference is below one level.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

# read once, when the library is loaded: work is divided among processes, not among threads
os.environ.setdefault("VIPS_CONCURRENCY", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pyvips

from iiifserver.errors import BrokenSource
from iiifserver.image.headers import Header
from iiifserver.image.job import Picture

from .colour import flattened, in_quality, may_keep, to_srgb
from .encoding import WITH_ALPHA, WITH_PROFILE, encoded
from .reading import (
    ReadLevel,
    from_samples,
    read_eighth,
    read_level,
    reader_of,
    shows_srgb,
)
from .scaling import scaled
from .tile import from_stored
from .turning import TURNS, rotated, turned

__all__ = [
    "TURNS",
    "flattened",
    "from_samples",
    "read_level",
    "render",
    "shows_srgb",
    "to_srgb",
]


def render(job: Picture, read: ReadLevel | None = None) -> bytes:
    """Return the encoded picture; *read* is another where levels are kept between pictures.

    Raises:
        BrokenSource: the file ends early or cannot be decoded.
    """
    with _explained(job.name, job.path):
        return (job.stored and from_stored(job, job.stored)) or _render(job, read or _reader(job))


def _reader(job: Picture) -> ReadLevel:
    return reader_of(job.eighth) if job.eighth else read_level


def eighth(name: str, path: Path, header: Header) -> bytes:
    """Return the samples of the JPEG *path*, which errors call *name*, at an eighth.

    Raises:
        BrokenSource: the file ends early or cannot be decoded.
    """
    with _explained(name, path):
        return read_eighth(path, header)


@contextlib.contextmanager
def _explained(name: str, path: Path) -> Iterator[None]:
    try:
        yield
    except pyvips.Error as error:
        why = " ".join(str(error).replace(str(path), name).split())[:300]
        raise BrokenSource(
            f"{name} cannot be made into a picture: {why}", parameter="identifier"
        ) from error


def _render(job: Picture, read: ReadLevel) -> bytes:
    plan, encoding = job.plan, job.encoding
    image = turned(scaled(job.path, job.header, plan, read), TURNS[job.header.orientation])
    keep = encoding.keep_profile and plan.format in WITH_PROFILE and may_keep(image, plan.quality)
    image = rotated(image if keep else to_srgb(image), plan.rotation)
    if plan.format not in WITH_ALPHA or plan.quality == "bitonal":
        image = flattened(image, encoding.background)
    return encoded(in_quality(image, plan.quality), plan, encoding, keep_profile=keep)
