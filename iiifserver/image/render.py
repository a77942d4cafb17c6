"""The pyvips pipeline: a plan and a file become encoded pixels, in the specification's order.

Region, size, mirroring and rotation, quality, format. This module is the wall where
`pyvips.Error` stops. It is imported by render processes only, never by those that answer HTTP.

Which pixels are read, and how they are averaged, is worked out in geometry.py. Colours are
converted after scaling: that is fewer pixels, and the difference is below one level.
"""

from __future__ import annotations

import functools
import io
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # libvips reads it once, when it is loaded

import numpy as np
import pyvips
from PIL import Image as PillowImage

from iiifserver.errors import BrokenSource

from . import open as sources
from .geometry import Crop, Piece, crop_for
from .headers import Header
from .job import Encoding, Picture
from .plan import Box, Plan
from .request import OutputFormat

pyvips.cache_set_max(0)
_LOADERS = {
    "jpeg": ("jpegload", "VipsForeignLoadJpegFile"),
    "tiff": ("tiffload", "VipsForeignLoadTiffFile"),
    "png": ("pngload", "VipsForeignLoadPngFile"),
    "webp": ("webpload", "VipsForeignLoadWebpFile"),
    "avif": ("heifload", "VipsForeignLoadHeifFile"),
    "gif": ("gifload", "VipsForeignLoadNsgifFile"),
}
pyvips.operation_block_set("VipsForeignLoad", True)
for _, _class in _LOADERS.values():
    pyvips.operation_block_set(_class, False)

_WITH_ALPHA: frozenset[OutputFormat] = frozenset({"png", "webp", "avif", "tif", "gif", "jp2"})
_WITH_PROFILE: frozenset[OutputFormat] = frozenset({"jpg", "png", "webp", "avif", "tif"})
# ITU-R BT.601 luma, the one meaning of gray on every path
_LUMA = [0.299, 0.587, 0.114]
# bands that are colours, where they are not three; those after opacity are not shown
_COLOURS = {"b-w": 1, "grey16": 1, "cmyk": 4}
# YCbCr as JPEG and TIFF write it, Cb and Cr less 128
_YCBCR_TO_RGB = [[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]]
TURNS: dict[int, tuple[str, ...]] = {
    1: (),
    2: ("fliphor",),
    3: ("rot180",),
    4: ("flipver",),
    5: ("rot90", "fliphor"),
    6: ("rot90",),
    7: ("rot90", "flipver"),
    8: ("rot270",),
}
_QUARTERS = {0: (), 90: ("rot90",), 180: ("rot180",), 270: ("rot270",)}
_LARGEST_PROFILE_BYTES = 4 << 20  # printers' profiles have 3 MB; larger ones are no profiles


def render(job: Picture) -> bytes:
    """Return the encoded picture.

    Raises:
        BrokenSource: the file ends early or cannot be decoded.
    """
    try:
        return _render(job)
    except pyvips.Error as error:
        why = " ".join(str(error).replace(str(job.path), job.name).split())[:300]
        raise BrokenSource(
            f"{job.name} cannot be decoded: {why}", parameter="identifier"
        ) from error


def _render(job: Picture) -> bytes:
    plan, encoding = job.plan, job.encoding
    image = _upright(_scaled(job.path, job.header, plan), job.header.orientation)
    keep = encoding.keep_profile and _may_keep(image, plan)
    image = image if keep else to_srgb(image)
    image = _quality(_rotated(image, plan), plan, encoding)
    return _encode(image, plan, encoding, keep=keep)


# -- region and size


def _scaled(path: Path, header: Header, plan: Plan) -> Any:
    """Return the plan's box at the plan's size, as stored: not upright; alpha respected."""
    crop = crop_for(header, plan.box, plan.width, plan.height)
    around = {piece.level: _around(crop, piece.level) for piece in crop.pieces}
    images = {number: read_level(path, header, number, box) for number, box in around.items()}
    first, *_ = crop.pieces
    if len(crop.pieces) == 1 and first.box[2:] == (first.width, first.height):
        return images[first.level]
    alpha, kind = images[first.level].hasalpha(), images[first.level].format
    if alpha:
        images = {number: image.premultiply() for number, image in images.items()}
    image = _joined([_row(images, around, row) for row in crop.rows], "vertical")
    if alpha:
        image = image.unpremultiply()
    return image if image.format == kind else image.rint().cast(kind)


def _around(crop: Crop, level: int) -> Box:
    """Return the smallest box that holds all pieces of *level*."""
    boxes = [piece.box for piece in crop.pieces if piece.level == level]
    x, y = min(box.x for box in boxes), min(box.y for box in boxes)
    right = max(box.x + box.width for box in boxes)
    bottom = max(box.y + box.height for box in boxes)
    return Box(x, y, right - x, bottom - y)


def _joined(images: list[Any], direction: str) -> Any:
    return functools.reduce(lambda one, other: one.join(other, direction), images)


def _row(images: dict[int, Any], around: dict[int, Box], row: tuple[Piece, ...]) -> Any:
    """Return the pieces of one row, scaled and side by side.

    Those of one level are joined before rows of pixels are averaged: a stream is then asked for
    each row once, by all of them.
    """
    scaled = []
    for level, group in itertools.groupby(row, lambda piece: piece.level):
        left, top, *_ = around[level]
        parts = []
        for piece in group:
            x, y, width, height = piece.box
            part = images[level].crop(x - left, y - top, width, height)
            if width % piece.width or height % piece.height:
                return _resampled(part, piece.width, piece.height)
            # libvips 8.18 writes past the end of its rows: the copy gives them a place of their own
            parts.append(part.shrinkh(width // piece.width).copy())
        scaled.append(_joined(parts, "horizontal").shrinkv(height // piece.height))
    return _joined(scaled, "horizontal")


def _resampled(image: Any, width: int, height: int) -> Any:
    """Return *image*, its alpha premultiplied, at any other size."""
    across, down = min(width / image.width, 1), min(height / image.height, 1)
    if min(across, down) < 1:
        image = image.resize(across, vscale=down, kernel="lanczos3")
    across, down = width / image.width, height / image.height
    # libvips' own enlargement is of the pixels' corners: half of a pixel beside their middles
    return image.affine(
        (across, 0, 0, down),
        interpolate=pyvips.Interpolate.new("bicubic"),
        odx=(across - 1) / 2,
        ody=(down - 1) / 2,
        oarea=[0, 0, width, height],
        extend="copy",
        premultiplied=True,
    )


def read_level(path: Path, header: Header, number: int, box: Box) -> Any:
    """Return *box* of level *number*, as stored; nothing is decoded yet, except JPEG 2000."""
    level = header.levels[number]
    if header.format == "jp2":
        return _read_jp2(path, header, number, box)
    options: dict[str, Any] = {"access": "random" if level.tile_width else "sequential"}
    if header.format == "jpeg":
        options["shrink"] = level.scale
    if header.format == "tiff":
        options["page"] = level.page
        if level.subifd >= 0:
            options["subifd"] = level.subifd
    operation, _ = _LOADERS[header.format]
    load: Callable[..., Any] = getattr(pyvips.Image, operation)
    image = load(str(path), fail_on="error", **options)
    if image.width < box.x + box.width or image.height < box.y + box.height:
        raise BrokenSource(f"{path.name} is smaller than its header says", parameter="identifier")
    image = image.crop(*box)
    shown = _COLOURS.get(image.interpretation, 3) + header.alpha
    if image.bands > shown:
        image = image.extract_band(0, n=shown)
    if header.raw_ycbcr:
        image = image.linear(1, [0, -128, -128]).recomb(_YCBCR_TO_RGB).rint().cast("uchar")
    return image


def _read_jp2(path: Path, header: Header, number: int, box: Box) -> Any:
    """Return *box* of a JPEG 2000's resolution *number*, its pixels where an average's would be.

    A pixel of a reduced resolution stands for the first pixel of its cell, not for the cell's
    middle; so it is mixed with its neighbours to the right and below.
    """
    level = header.levels[number]
    right = min(box.x + box.width + 1, level.width)
    bottom = min(box.y + box.height + 1, level.height)
    pixels = sources.read_jp2(path, level.page, (box.x, box.y, right, bottom))
    if level.scale > 1:
        kind = pixels.dtype
        share = np.float32((level.scale - 1) / (2 * level.scale))
        beyond = [(0, box.height + 1 - pixels.shape[0]), (0, box.width + 1 - pixels.shape[1])]
        pixels = np.pad(pixels, beyond + [(0, 0)] * (pixels.ndim - 2), "edge").astype(np.float32)
        pixels = pixels[:, :-1] * (1 - share) + pixels[:, 1:] * share
        pixels = pixels[:-1] * (1 - share) + pixels[1:] * share
        pixels = np.rint(pixels).astype(kind)
    profile = sources.jp2_profile(path) if header.profile else None
    return from_samples(pixels[: box.height, : box.width], profile)


def from_samples(pixels: Any, profile: bytes | None = None) -> Any:
    """Return the picture of an array of 8 or 16 bits: rows, columns and, if several, bands."""
    gray = pixels.ndim == 2 or pixels.shape[2] < 3
    wide, narrow = ("grey16", "b-w") if gray else ("rgb16", "srgb")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    image = image.copy(interpretation=wide if pixels.dtype.itemsize == 2 else narrow)
    return _with_profile(image, profile) if profile else image


# -- orientation and rotation


def _upright(image: Any, orientation: int) -> Any:
    return _turned(image, TURNS[orientation])


def _turned(image: Any, turns: tuple[str, ...]) -> Any:
    if any(turn != "fliphor" for turn in turns):
        image = image.copy_memory()  # a stream cannot be read sideways or upwards
    for turn in turns:
        image = getattr(image, turn)()
    return image


def _rotated(image: Any, plan: Plan) -> Any:
    """Return *image* mirrored, then turned clockwise; free corners are transparent.

    Image API 3.0, 4.3: https://iiif.io/api/image/3.0/#43-rotation
    """
    if plan.rotation.mirror:
        image = image.fliphor()
    degrees = plan.rotation.degrees
    if degrees % 90 == 0:
        return _turned(image, _QUARTERS[int(degrees) % 360])
    if not image.hasalpha():
        image = image.bandjoin(255)
    return image.copy_memory().rotate(
        float(degrees),
        interpolate=pyvips.Interpolate.new("bicubic"),
        background=[0] * image.bands,
    )


# -- colour


def _may_keep(image: Any, plan: Plan) -> bool:
    """Return whether the picture can be encoded with the scan's own profile."""
    return (
        plan.quality in ("default", "color")
        and plan.format in _WITH_PROFILE
        and image.format == "uchar"
        and image.interpretation in ("srgb", "b-w")
        and _profile(image) is not None
    )


def to_srgb(image: Any) -> Any:
    """Return *image* as 8-bit sRGB or gray, with its alpha if it has one."""
    colours = image.bands - image.hasalpha()
    if image.interpretation == "cmyk" or _profile(image) is not None:
        # for CMYK without a profile of its own, or with a broken one: libvips' own
        image = image.icc_transform(
            "srgb",
            embedded=True,
            input_profile="cmyk" if image.interpretation == "cmyk" else "srgb",
            intent="relative",
            black_point_compensation=True,
            depth=8,
        )
    elif image.format == "ushort":
        image = image.linear(1 / 257, 0.5, uchar=True)
    elif image.interpretation not in ("srgb", "b-w", "multiband"):
        image = image.colourspace("srgb")
    if colours == 1 and image.bands > 2:
        image = image[0] if image.bands == 3 else image[0].bandjoin(image[3])
    if image.bands > 4:
        image = image.extract_band(0, n=3)
    return image.copy(interpretation="b-w" if image.bands < 3 else "srgb")


def _profile(image: Any) -> bytes | None:
    """Return the embedded ICC profile if it changes anything: not sRGB's, nor a broken one."""
    if "icc-profile-data" not in image.get_fields():
        return None
    profile: bytes = image.get("icc-profile-data")
    gray = image.bands - image.hasalpha() == 1
    if len(profile) > _LARGEST_PROFILE_BYTES or not _converts(profile, gray=gray):
        return None
    return profile


def _with_profile(image: Any, profile: bytes) -> Any:
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


@functools.lru_cache(maxsize=8)
def _converts(profile: bytes, *, gray: bool) -> bool:
    """Return whether *profile* shows gray or RGB samples otherwise than sRGB does.

    A profile is judged by what it does, not by its name. libvips takes sRGB for broken profiles.
    """
    levels = np.arange(0, 256, 1 if gray else 32, dtype=np.uint8)
    probe = levels[None] if gray else np.stack(np.meshgrid(levels, levels, levels), -1)
    probe = probe.reshape(1, -1, 1 if gray else 3)
    image = pyvips.Image.new_from_array(probe).copy(interpretation="b-w" if gray else "srgb")
    shown = (
        _with_profile(image, profile)
        .icc_transform("srgb", embedded=True, input_profile="srgb", depth=8)
        .numpy()
    )
    return bool(np.abs(shown.astype(int) - probe).max() > 1)


# -- quality and format


def _quality(image: Any, plan: Plan, encoding: Encoding) -> Any:
    """Return *image* in the quality asked for; without alpha where the format has none."""
    if image.hasalpha() and (plan.format not in _WITH_ALPHA or plan.quality == "bitonal"):
        image = flattened(image, encoding.background)
    if plan.quality in ("gray", "bitonal") and image.bands > 2:
        alpha = image[3] if image.bands == 4 else None
        image = image.extract_band(0, n=3).recomb([_LUMA]).rint().cast("uchar")
        image = image if alpha is None else image.bandjoin(alpha)
        image = image.copy(interpretation="b-w")
    return image >= 128 if plan.quality == "bitonal" else image


def flattened(image: Any, background: tuple[int, int, int]) -> Any:
    """Return *image*, 8-bit gray or sRGB, on a background where it has alpha."""
    if not image.hasalpha():
        return image
    if image.bands == 2 and len(set(background)) > 1:
        image = image[0].bandjoin([image[0], image[0], image[1]]).copy(interpretation="srgb")
    return image.flatten(background=list(background)[: image.bands - 1])


def _encode(image: Any, plan: Plan, encoding: Encoding, *, keep: bool) -> bytes:
    keeping = "icc" if keep else "none"
    bitonal = plan.quality == "bitonal"  # black and white only: also after decoding
    bits = 1 if bitonal else 8
    match plan.format:
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


def _as_pillow(image: Any) -> PillowImage.Image:
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[image.bands]
    size = (image.width, image.height)
    return PillowImage.frombuffer(mode, size, image.write_to_memory(), "raw", mode, 0, 1)


def _saved(picture: PillowImage.Image, name: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, name, **options)
    return target.getvalue()
