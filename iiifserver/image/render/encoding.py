"""The eight formats that are written; equal pictures become equal bytes."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image as PillowImage

from iiifserver.image.job import Encoding
from iiifserver.image.plan import Plan
from iiifserver.image.request import OutputFormat

from .tile import encoded as encoded_pixels

WITH_ALPHA: frozenset[OutputFormat] = frozenset({"png", "webp", "avif", "tif", "gif", "jp2"})
WITH_PROFILE: frozenset[OutputFormat] = frozenset({"jpg", "png", "webp", "avif", "tif"})

# so many at most are held at once, to be encoded in two thirds of the time
_MOST_PLAIN_PIXELS = 8_000_000


def encoded(image: Any, plan: Plan, encoding: Encoding, *, keep_profile: bool) -> bytes:
    """Return *image* in the format that *plan* names; bitonal is black and white only."""
    keeping = "icc" if keep_profile else "none"
    bitonal = plan.quality == "bitonal"  # black and white only: also after decoding
    bits = 1 if bitonal else 8
    match plan.format:
        case "jpg" if _is_plain(image, encoding, keep_profile=keep_profile):
            pixels = image.numpy().reshape(image.height, image.width, image.bands)
            data = encoded_pixels(pixels, encoding)
        case "jpg":
            data = image.jpegsave_buffer(
                Q=encoding.jpeg_quality,
                subsample_mode=encoding.jpeg_subsampling,
                interlace=encoding.jpeg_progressive,
                keep=keeping,
            )
        case "png":
            data = image.pngsave_buffer(compression=4, bitdepth=bits, keep=keeping)
        case "webp":
            data = image.webpsave_buffer(
                Q=encoding.webp_quality, lossless=bitonal, effort=2, keep=keeping
            )
        case "avif":
            data = image.heifsave_buffer(
                Q=encoding.avif_quality,
                lossless=bitonal,
                compression="av1",
                effort=1,
                bitdepth=8,
                keep=keeping,
            )
        case "tif":
            data = image.tiffsave_buffer(
                compression="deflate", predictor="none", bitdepth=bits, keep=keeping
            )
        case "gif":
            data = image.gifsave_buffer(effort=4, dither=0 if bitonal else 1, keep=keeping)
        case "jp2":
            # not by "dB": that loses the colour of plain areas
            rate = {} if bitonal else {"quality_mode": "rates", "quality_layers": [8]}
            data = _saved(_as_pillow(image), "JPEG2000", irreversible=not bitonal, **rate)
        case "pdf":
            # no dates: equal requests get equal bytes
            options: dict[str, Any] = {"resolution": 300, "creationDate": None, "modDate": None}
            picture = _as_pillow(image)
            if bitonal:
                data = _saved(picture.convert("1"), "PDF", **options)
            else:
                data = _saved(picture, "PDF", quality=encoding.jpeg_quality, **options)
    return bytes(data)


def _is_plain(image: Any, encoding: Encoding, *, keep_profile: bool) -> bool:
    """Return whether a JPEG is made from its pixels alone, all of them held in memory."""
    small = image.width * image.height <= _MOST_PLAIN_PIXELS
    return small and not keep_profile and not encoding.jpeg_progressive


def _as_pillow(image: Any) -> PillowImage.Image:
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[image.bands]
    size = (image.width, image.height)
    return PillowImage.frombuffer(mode, size, image.write_to_memory(), "raw", mode, 0, 1)


def _saved(picture: PillowImage.Image, name: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, name, **options)
    return target.getvalue()
