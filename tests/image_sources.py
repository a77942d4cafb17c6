"""Source files of every kind that the server reads, made from one picture.

    from image_sources import KINDS, make, picture, shown

    path = make("tiff-pyramid-pages-jpeg", folder, picture(3977, 5923))
    expected = shown("tiff-pyramid-pages-jpeg", picture(3977, 5923))

`shown` is what a perfect reader makes of the file: upright, at most 8 bits a sample. If the
kind is `lossless`, the file holds exactly these samples; otherwise they are near.
Tiles are 128 pixels wide, so that small pictures have edges too.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image, ImageCms, ImageDraw

TILE = 128
ORIENTATION_TAG = 0x0112
# 64 x 48, quarters blue, red / red, white, turned by its `irot`; drawn for this test, HEVC
TURNED_HEIC = base64.b64decode("""
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAYdtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA
AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABqwABAAAAAAAAAKAAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo
dmMxAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA
GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAA
AwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAAB
AAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaB
AgMFhIYAAACobWRhdAAAAJwoAa8O4OgzAEl6/UU1//dJ+Q+DEObhHONg9vW/fEVP/4NwpdIvAMqZlubf8wj8sRrn9G55
DlsRf2NWh3BKDn0juxbkD8Igq3k4ZbG+JKQlkY5w/wrnh3rlcclBvLJ6ZepJXzVjBKuetCRNU3ouGmABYXRPI8MPq+EZ
4u8xkCVuPUNTHGBLK785TWi6MQTCg9wOC/7z7eEXMtxAXxg=
""")

Write = Callable[[Image.Image, Path], None]

# how a reader turns the stored picture upright; EXIF 2.32, tag 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_INVERSE = UPRIGHT | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source file; `mode` is Pillow's name for what `shown` returns."""

    suffix: str
    lossless: bool
    mode: str
    write: Write
    colours: int = 0  # more than 0: `shown` is quantised to so many
    orientation: int = 1


def make(kind: str, folder: Path, source: Image.Image) -> Path:
    """Return the path of a new file `{kind}{suffix}` in *folder* that shows *source*."""
    what = KINDS[kind]
    path = folder / f"{kind}{what.suffix}"
    stored = shown(kind, source)
    if what.orientation in _INVERSE:
        stored = stored.transpose(_INVERSE[what.orientation])
    what.write(stored, path)
    return path


def shown(kind: str, source: Image.Image) -> Image.Image:
    """Return what a perfect reader sees of *source* in a file of this kind.

    CMYK stays CMYK: which RGB it is shown as, is a question of profiles.
    """
    what = KINDS[kind]
    if what.mode.endswith("A"):
        source = _with_alpha(source)
    if what.colours:
        source = _quantised(source, what.colours)
    return source.convert(what.mode)


def picture(width: int, height: int, seed: int = 1) -> Image.Image:
    """Return an RGB picture with gradients, strokes as of writing, and fine noise."""
    random = np.random.default_rng([seed, width, height])
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    pixels = np.empty((height, width, 3), np.uint8)
    noise = random.integers(-12, 13, (height, width), dtype=np.int16)
    for band, ramp in enumerate((across + 0 * down, down + 0 * across, 1 - across * down)):
        pixels[..., band] = (40 + 175 * ramp).astype(np.int16) + noise
    drawn = Image.fromarray(pixels)
    pen = ImageDraw.Draw(drawn)
    for _ in range(min(4000, 6 + width * height // 900)):
        x, y = int(random.integers(width)), int(random.integers(height))
        dx, dy = (int(d) for d in random.integers(-18, 19, 2))
        ink = tuple(int(value) for value in random.integers(0, 256, 3))
        pen.line((x, y, x + dx, y + dy), fill=ink, width=int(random.integers(1, 4)))
    return drawn


def white(width: int, height: int) -> Image.Image:
    """Return an all-white RGB picture: any dark pixel in a tile of it is a fault."""
    return Image.new("RGB", (width, height), "white")


def _with_alpha(source: Image.Image) -> Image.Image:
    """Return *source* with diagonal stripes of every opacity, 0 and 255 among them."""
    x = np.arange(source.width, dtype=np.int32)[None, :]
    y = np.arange(source.height, dtype=np.int32)[:, None]
    stripes = np.clip(((x + y) % 400) - 72, 0, 255).astype(np.uint8)
    result = source.convert("RGBA")
    result.putalpha(Image.fromarray(stripes))
    return result


def _quantised(source: Image.Image, colours: int) -> Image.Image:
    """Return *source* with so many colours; where it is less than half opaque, with none."""
    if colours == 2:
        return source.convert("L").point(lambda value: 255 * (value >= 128), "L")
    flat = source.convert("RGB").quantize(colours, Image.Quantize.FASTOCTREE).convert("RGB")
    if source.mode != "RGBA":
        return flat
    opacity = source.getchannel("A").point(lambda value: 255 * (value >= 128), "L")
    clear = Image.new("RGB", source.size)
    flat = Image.composite(flat, clear, opacity)
    flat.putalpha(opacity)
    return flat


def _indexed(stored: Image.Image) -> tuple[Image.Image, int | None]:
    """Return *stored* with a palette of its own colours, and the index that is transparent."""
    pixels = np.asarray(stored.convert("RGBA"))
    packed = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    entries, indexes = np.unique(packed, return_inverse=True)
    table = entries.view(np.uint8).reshape(-1, 4)
    result = Image.fromarray(indexes.reshape(packed.shape).astype(np.uint8), "P")
    result.putpalette(table[:, :3].tobytes())
    clear = np.flatnonzero(table[:, 3] == 0)
    return result, int(clear[0]) if clear.size else None


def _vips(stored: Image.Image, *, sixteen_bit: bool = False) -> pyvips.Image:
    pixels = np.asarray(stored)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    if not sixteen_bit:
        return image.copy(interpretation="b-w" if image.bands <= 2 else "srgb")
    wide = (image.cast("ushort") * 257).cast("ushort")
    return wide.copy(interpretation="grey16" if image.bands <= 2 else "rgb16")


def _by_pillow(**options: Any) -> Write:
    def write(stored: Image.Image, path: Path) -> None:
        stored.save(path, **options)

    return write


def _by_vips(saver: str, *, sixteen_bit: bool = False, **options: Any) -> Write:
    def write(stored: Image.Image, path: Path) -> None:
        getattr(_vips(stored, sixteen_bit=sixteen_bit), saver)(str(path), **options)

    return write


def _with_palette(**options: Any) -> Write:
    def write(stored: Image.Image, path: Path) -> None:
        image, clear = _indexed(stored)
        image.save(path, **options, **({} if clear is None else {"transparency": clear}))

    return write


def _with_orientation(orientation: int, **options: Any) -> Write:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return _by_pillow(exif=exif.tobytes(), **options)


def _tiff_with_orientation(orientation: int) -> Write:
    return _by_pillow(compression="tiff_adobe_deflate", tiffinfo={ORIENTATION_TAG: orientation})


def _ycbcr(stored: Image.Image, path: Path) -> None:
    # compressed, because Pillow cannot read its own uncompressed YCbCr
    stored.convert("YCbCr").save(path, compression="tiff_lzw")


def _bilevel(stored: Image.Image, path: Path) -> None:
    stored.convert("1").save(path, compression="group4")


def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _codestream(stored: Image.Image, path: Path) -> None:
    held = io.BytesIO()
    stored.save(held, "JPEG2000", no_jp2=True, irreversible=False)
    path.write_bytes(held.getvalue())


_DEFLATE = {"compression": "deflate", "predictor": "horizontal"}
_TILED = {"tile": True, "tile_width": TILE, "tile_height": TILE}
_JPEG = {"compression": "jpeg", "Q": 90}

KINDS: dict[str, Kind] = {
    "jpeg-baseline-444": Kind(".jpg", False, "RGB", _by_pillow(quality=90, subsampling=0)),
    "jpeg-baseline-420": Kind(".jpg", False, "RGB", _by_pillow(quality=90, subsampling=2)),
    "jpeg-progressive": Kind(".jpg", False, "RGB", _by_pillow(quality=90, progressive=True)),
    "jpeg-restarts": Kind(".jpg", False, "RGB", _by_pillow(quality=90, restart_marker_blocks=2)),
    "jpeg-gray": Kind(".jpg", False, "L", _by_pillow(quality=90)),
    "jpeg-cmyk": Kind(".jpg", False, "CMYK", _by_pillow(quality=90)),
    **{
        f"jpeg-orientation-{o}": Kind(
            ".jpg", False, "RGB", _with_orientation(o, quality=90), orientation=o
        )
        for o in range(1, 9)
    },
    "tiff-strips-none": Kind(".tif", True, "RGB", _by_pillow()),
    "tiff-strips-lzw": Kind(".tif", True, "RGB", _by_pillow(compression="tiff_lzw")),
    "tiff-strips-deflate": Kind(".tif", True, "RGB", _by_pillow(compression="tiff_adobe_deflate")),
    "tiff-tiled-deflate": Kind(".tif", True, "RGB", _by_vips("tiffsave", **_TILED, **_DEFLATE)),
    "tiff-tiled-jpeg": Kind(".tif", False, "RGB", _by_vips("tiffsave", **_TILED, **_JPEG)),
    "tiff-pyramid-pages-deflate": Kind(
        ".tif", True, "RGB", _by_vips("tiffsave", pyramid=True, **_TILED, **_DEFLATE)
    ),
    "tiff-pyramid-pages-jpeg": Kind(
        ".tif", False, "RGB", _by_vips("tiffsave", pyramid=True, **_TILED, **_JPEG)
    ),
    "tiff-pyramid-subifd-deflate": Kind(
        ".tif", True, "RGB", _by_vips("tiffsave", pyramid=True, subifd=True, **_TILED, **_DEFLATE)
    ),
    "bigtiff": Kind(
        ".tif",
        True,
        "RGB",
        _by_vips("tiffsave", bigtiff=True, pyramid=True, **_TILED, **_DEFLATE),
    ),
    "tiff-1bit-ccitt": Kind(".tif", True, "L", _bilevel, colours=2),
    "tiff-16bit-rgb": Kind(
        ".tif", True, "RGB", _by_vips("tiffsave", sixteen_bit=True, **_TILED, **_DEFLATE)
    ),
    "tiff-16bit-gray": Kind(
        ".tif", True, "L", _by_vips("tiffsave", sixteen_bit=True, compression="lzw")
    ),
    "tiff-palette": Kind(".tif", True, "RGB", _with_palette(compression="tiff_lzw"), colours=256),
    "tiff-cmyk": Kind(".tif", True, "CMYK", _by_pillow(compression="tiff_lzw")),
    "tiff-ycbcr": Kind(".tif", False, "RGB", _ycbcr),
    "tiff-rgba": Kind(".tif", True, "RGBA", _by_pillow(compression="tiff_adobe_deflate")),
    "tiff-webp": Kind(
        ".tif", False, "RGB", _by_vips("tiffsave", compression="webp", Q=90, **_TILED)
    ),
    "tiff-orientation-5": Kind(".tif", True, "RGB", _tiff_with_orientation(5), orientation=5),
    "tiff-orientation-6": Kind(".tif", True, "RGB", _tiff_with_orientation(6), orientation=6),
    "png": Kind(".png", True, "RGB", _by_pillow(compress_level=1)),
    "png-16bit": Kind(".png", True, "RGB", _by_vips("pngsave", sixteen_bit=True, compression=1)),
    "png-gray-alpha": Kind(".png", True, "LA", _by_pillow(compress_level=1)),
    "png-rgba": Kind(".png", True, "RGBA", _by_pillow(compress_level=1)),
    "png-palette-transparent": Kind(
        ".png", True, "RGBA", _with_palette(compress_level=1), colours=64
    ),
    "png-interlaced": Kind(".png", True, "RGB", _by_vips("pngsave", interlace=True, compression=1)),
    "png-profile": Kind(
        ".png", True, "RGB", _by_pillow(compress_level=1, icc_profile=_srgb_profile())
    ),
    "png-orientation-6": Kind(
        ".png", True, "RGB", _with_orientation(6, compress_level=1), orientation=6
    ),
    "webp-lossy": Kind(".webp", False, "RGB", _by_pillow(quality=80, method=0)),
    "webp-lossless": Kind(".webp", True, "RGB", _by_pillow(lossless=True, quality=0, method=0)),
    "webp-rgba": Kind(
        ".webp", True, "RGBA", _by_pillow(lossless=True, exact=True, quality=0, method=0)
    ),
    "webp-orientation-6": Kind(
        ".webp",
        True,
        "RGB",
        _with_orientation(6, lossless=True, quality=0, method=0),
        orientation=6,
    ),
    "avif": Kind(".avif", False, "RGB", _by_pillow(quality=90, speed=10)),
    "avif-rgba": Kind(".avif", False, "RGBA", _by_pillow(quality=90, speed=10)),
    "gif": Kind(".gif", True, "RGB", _with_palette(), colours=256),
    "jp2-lossless": Kind(".jp2", True, "RGB", _by_pillow(irreversible=False)),
    "jp2-tiled-lossless": Kind(
        ".jp2", True, "RGB", _by_pillow(irreversible=False, tile_size=(256, 256))
    ),
    "jp2-lossy": Kind(
        ".jp2",
        False,
        "RGB",
        _by_pillow(irreversible=True, quality_mode="rates", quality_layers=[8]),
    ),
    "jp2-gray": Kind(".jp2", True, "L", _by_pillow(irreversible=False)),
    "jp2-rgba": Kind(".jp2", True, "RGBA", _by_pillow(irreversible=False)),
    "j2k": Kind(".j2k", True, "RGB", _codestream),
}
