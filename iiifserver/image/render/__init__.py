"""The pyvips pipeline: a plan and a file become encoded pixels, in the specification's order.

Region and size (`reading`, `scaling`), mirroring and rotation (`turning`), quality (`colour`),
format (`encoding`); of a stored tile the last three only (`tile`). This package is the wall where
`pyvips.Error` stops. It is imported by render processes only, never by those that answer HTTP.

Which pixels are read, and how they are averaged, is worked out in geometry.py. Colours are
converted after scaling: that is fewer pixels, and the difference is below one level.
"""

from __future__ import annotations

import os

# read once, when the library is loaded: work is divided among processes, not among threads
os.environ.setdefault("VIPS_CONCURRENCY", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pyvips

from iiifserver.errors import BrokenSource
from iiifserver.image.job import Picture

from .colour import flattened, in_quality, may_keep, to_srgb
from .encoding import WITH_ALPHA, WITH_PROFILE, encoded
from .reading import ReadLevel, from_samples, read_level, shows_srgb
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


def render(job: Picture, read: ReadLevel = read_level) -> bytes:
    """Return the encoded picture; *read* is another where levels are kept between pictures.

    Raises:
        BrokenSource: the file ends early or cannot be decoded.
    """
    try:
        return (job.stored and from_stored(job, job.stored)) or _render(job, read)
    except pyvips.Error as error:
        why = " ".join(str(error).replace(str(job.path), job.name).split())[:300]
        raise BrokenSource(
            f"{job.name} cannot be made into a picture: {why}", parameter="identifier"
        ) from error


def _render(job: Picture, read: ReadLevel) -> bytes:
    plan, encoding = job.plan, job.encoding
    image = turned(scaled(job.path, job.header, plan, read), TURNS[job.header.orientation])
    keep = encoding.keep_profile and plan.format in WITH_PROFILE and may_keep(image, plan.quality)
    image = rotated(image if keep else to_srgb(image), plan.rotation)
    if plan.format not in WITH_ALPHA or plan.quality == "bitonal":
        image = flattened(image, encoding.background)
    return encoded(in_quality(image, plan.quality), plan, encoding, keep_profile=keep)
