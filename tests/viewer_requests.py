"""The tile requests that viewers make, imitated from an info.json document of either version.

    from viewer_requests import leaflet_tiles, openseadragon_tiles

    for tile in openseadragon_tiles(info, format="png"):
        client.get(f"/iiif/3/scan.tif/{tile.path}")

OpenSeadragon 6 (so Mirador and Universal Viewer too) and leaflet-iiif 3 differ in the levels they
believe in, in `full` against `0,0,W,H`, and in the spelling of sizes. Each has its own spelling,
and both spellings are in use for both versions: older OpenSeadragon asks `w,` of version 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Spelling = Literal["w,", "w,h"]
SPELLINGS: tuple[Spelling, ...] = ("w,", "w,h")
_SHOWN_BY_BROWSERS = ("jpg", "png", "webp", "gif")


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: what is asked, and the place where the viewer draws it.

    `width` and `height` are those of that place. Spelled `w,`, or `full` by OpenSeadragon for an
    image one pixel wide, a tile may come in another height; the viewer stretches it.
    """

    path: str
    """`region/size/rotation/quality.format`"""
    factor: int
    column: int
    row: int
    box: tuple[int, int, int, int]
    """Left, top, width and height in the full image."""
    width: int
    height: int


def openseadragon_tiles(
    info: dict[str, Any],
    *,
    spelling: Spelling | None = None,
    format: str | None = None,  # noqa: A002 - the specification's word
) -> Iterator[Tile]:
    """Yield every tile that OpenSeadragon asks for, from the coarsest level to full size.

    Without *spelling* and *format* they are OpenSeadragon's own choice.
    """
    version, width, height = _version(info), info["width"], info["height"]
    (described,) = info["tiles"]
    tile_width = described["width"]
    tile_height = described.get("height", tile_width)
    last = round(math.log2(max(described["scaleFactors"])))
    sizes = _level_sizes(info, described["scaleFactors"], last)
    ending = f"0/default.{format or _preferred(info)}"
    for level in range(last + 1):
        factor = 2 ** (last - level)
        reduced = (_up(width, factor), _up(height, factor))
        level_width, level_height = sizes[level] if sizes else reduced
        one_tile = level_width < tile_width and level_height < tile_height
        for row in range(_up(level_height, tile_height)):
            for column in range(_up(level_width, tile_width)):
                x, y = column * tile_width * factor, row * tile_height * factor
                box = (
                    x,
                    y,
                    min(tile_width * factor, width - x),
                    min(tile_height * factor, height - y),
                )
                out_width = min(tile_width, level_width - column * tile_width)
                out_height = min(tile_height, level_height - row * tile_height)
                if (version == 2 and out_width == width) or (out_width, out_height) == (
                    width,
                    height,
                ):
                    size = "full" if version == 2 else "max"
                else:
                    own: Spelling = "w," if version == 2 and one_tile else "w,h"
                    size = _size(spelling or own, out_width, out_height)
                region = "full" if box == (0, 0, width, height) else ",".join(map(str, box))
                path = f"{region}/{size}/{ending}"
                yield Tile(path, factor, column, row, box, out_width, out_height)


def leaflet_tiles(
    info: dict[str, Any],
    *,
    spelling: Spelling | None = None,
    format: str = "jpg",  # noqa: A002 - the specification's word
) -> Iterator[Tile]:
    """Yield every tile that leaflet-iiif asks for, from the coarsest level to full size.

    It takes tiles for square, works out the levels from the image's size alone, and never says
    `full` or `max`. Without *spelling* it is leaflet-iiif's own choice.
    """
    width, height = info["width"], info["height"]
    side = info["tiles"][0]["width"]
    own: Spelling = "w,h" if _version(info) == 3 else "w,"
    last = max(math.ceil(math.log2(width / side)), math.ceil(math.log2(height / side)), 0)
    for zoom in range(last + 1):
        factor = 2 ** (last - zoom)
        step = side * factor
        for row in range(_up(_up(height, factor), side)):
            for column in range(_up(_up(width, factor), side)):
                x, y = column * step, row * step
                box = (x, y, min(step, width - x), min(step, height - y))
                out_width, out_height = _up(box[2], factor), _up(box[3], factor)
                size = _size(spelling or own, out_width, out_height)
                path = f"{','.join(map(str, box))}/{size}/0/default.{format}"
                yield Tile(path, factor, column, row, box, out_width, out_height)


def _version(info: dict[str, Any]) -> Literal[3, 2]:
    return 3 if info["@context"] == "http://iiif.io/api/image/3/context.json" else 2


def _size(spelling: Spelling, width: int, height: int) -> str:
    return f"{width}," if spelling == "w," else f"{width},{height}"


def _up(length: int, part: int) -> int:
    return -(-length // part)


def _preferred(info: dict[str, Any]) -> str:
    shown = (name for name in info.get("preferredFormats", []) if name in _SHOWN_BY_BROWSERS)
    return next(shown, "jpg")


def _level_sizes(
    info: dict[str, Any], factors: list[int], last: int
) -> list[tuple[int, int]] | None:
    """Return info.json's `sizes` where they are the levels, smallest first; else None."""
    width, height = info["width"], info["height"]
    sizes = sorted((size["width"], size["height"]) for size in info["sizes"])
    if sizes[-1][0] < width and sizes[-1][1] < height:
        sizes.append((width, height))
    if len(sizes) != last + 1:
        return None
    if len(factors) == len(sizes):
        for (one, other), factor in zip(sizes, reversed(factors), strict=True):
            if (_rounded(width / one), _rounded(height / other)) != (factor, factor):
                return None
    return sizes


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)  # as JavaScript does
