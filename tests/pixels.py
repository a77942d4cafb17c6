"""Pillow as the judge of pixels: what a file shows, what a request gave, how far they differ.

images = served(folder)
given = seen(asked(images, "scan.tif", "0,0,1024,1024/512,512/0/default.png"))
assert difference(given, average(decoded(path), 2).crop((0, 0, 512, 512))).mean() < 2
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from in_this_process import InThisProcess
from PIL import Image, ImageCms, ImageOps
from viewer_requests import Tile, openseadragon_tiles

from iiifserver.config import Config
from iiifserver.image.info import Description, info
from iiifserver.image.plan import Dimensions
from iiifserver.image.request import ImageRequest, Version
from iiifserver.image.service import Images
from iiifserver.sources import Folder


def served(folder: Path, **settings: Any) -> Images:
    """Return the images of a server over *folder*, which renders in this process."""
    config = Config(folder=str(folder), data=folder / ".data", **settings)
    return Images(Folder(folder), config, InThisProcess())


def asked(images: Images, identifier: str, path: str, version: Version = 3) -> bytes:
    """Return what the request `region/size/rotation/quality.format` gives."""
    request = ImageRequest.parse(version, *path.split("/"))
    return images.render(images.plan(identifier, request))


def seen(data: bytes) -> Image.Image:
    """Return the picture in *data*, decoded by Pillow as it is."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def decoded(path: Path) -> Image.Image:
    """Return what Pillow sees in a file, upright, 8 bits a sample: L, LA, RGB, RGBA or CMYK."""
    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file)
        clear = picture.has_transparency_data
    if picture.mode.startswith("I"):
        wide = np.asarray(picture).astype(np.int64)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in ("P", "PA"):
        return picture.convert("RGBA" if clear else "RGB")
    return picture.convert("RGB") if picture.mode == "YCbCr" else picture


def average(picture: Image.Image, factor: int) -> Image.Image:
    """Return Pillow's box reduction; its last column and row average what is left."""
    return picture.reduce(factor) if factor > 1 else picture


def as_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Return what LittleCMS makes of samples with this ICC profile: relative, black to black."""
    made = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert made is not None
    return made


def cmyk_profile() -> bytes:
    """Return the profile that libvips takes for CMYK without one."""
    return bytes(pyvips.Image.profile_load("cmyk"))


def difference(one: Image.Image, other: Image.Image) -> np.ndarray[Any, Any]:
    """Return how many levels the pixels differ: height, width and bands.

    Colours count as far as they are opaque: nobody sees the others.
    """
    assert one.size == other.size
    return np.abs(_weighted(one) - _weighted(other))


def _weighted(picture: Image.Image) -> np.ndarray[Any, Any]:
    pixels = np.atleast_3d(np.asarray(picture)).astype(np.float32)
    if picture.mode in ("LA", "RGBA"):
        pixels[..., :-1] *= pixels[..., -1:] / 255
    return pixels


def tiles_of(images: Images, name: str, side: int) -> dict[int, list[Tile]]:
    """Return the tiles that OpenSeadragon asks for, by scale factor, as PNG."""
    image = images.describe(name)
    description = Description("https://example.org/i", image.dimensions, Dimensions(side, side))
    tiles: dict[int, list[Tile]] = {}
    for tile in openseadragon_tiles(info(3, description, images.limits), format="png"):
        tiles.setdefault(tile.factor, []).append(tile)
    return tiles


def stitched(images: Images, name: str, tiles: list[Tile], side: int) -> Image.Image:
    """Return the level that the tiles make together."""
    width = max(tile.column * side + tile.width for tile in tiles)
    height = max(tile.row * side + tile.height for tile in tiles)
    level: Image.Image | None = None
    for tile in tiles:
        given = seen(asked(images, name, tile.path))
        assert given.size == (tile.width, tile.height), tile.path
        level = level or Image.new(given.mode, (width, height))
        level.paste(given, (tile.column * side, tile.row * side))
    assert level is not None
    return level
