"""`info.json` of both versions; what the server can do is data in this module.

Every feature, quality and format named here is asked for once by the tests: info.json advertises
only what works.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .plan import Dimensions, Limits
from .request import FORMATS, QUALITIES, Version

DEFAULT_TILE = Dimensions(512, 512)

CONTEXT = {
    3: "http://iiif.io/api/image/3/context.json",
    2: "http://iiif.io/api/image/2/context.json",
}
PROTOCOL = "http://iiif.io/api/image"
LEVEL = {3: "level2", 2: "http://iiif.io/api/image/2/level2.json"}
PROFILE = {3: "http://iiif.io/api/image/3/level2.json", 2: LEVEL[2]}
"""What the `Link: rel="profile"` header names."""

# what level 2 does not include already: https://iiif.io/api/image/3.0/compliance/
_FEATURES_3 = ("canonicalLinkHeader", "mirroring", "profileLinkHeader", "rotationArbitrary")
_FEATURES_2 = (
    "canonicalLinkHeader",
    "mirroring",
    "profileLinkHeader",
    "regionSquare",
    "rotationArbitrary",
)
_LEVEL_2_FORMATS = ("jpg", "png")
_LEVEL_2_QUALITIES = {3: ("default",), 2: ("default", "bitonal")}


@dataclass(frozen=True, slots=True)
class Description:
    """What info.json says of one image beyond what the server can do."""

    service: str
    """Its `id`, the address of the image's service."""
    image: Dimensions
    tile: Dimensions = DEFAULT_TILE
    rights: str | None = None
    alpha: bool = False


def info(version: Version, description: Description, limits: Limits) -> dict[str, Any]:
    """Return the info.json document of an image.

    `sizes` are those of the tile's levels, rounded up, as far as the limits allow; tiles are never
    larger than the limits.

    Image API 3.0, 5: https://iiif.io/api/image/3.0/#5-image-information
    Image API 2.1, 5: https://iiif.io/api/image/2.1/#image-information
    """
    image = description.image
    tile = _allowed_tile(description.tile, limits)
    factors = scale_factors(image, tile)
    common = {"protocol": PROTOCOL, "width": image.width, "height": image.height}
    tiles = [{"width": tile.width, "height": tile.height, "scaleFactors": factors}]
    sizes = [
        {"width": width, "height": height} for width, height in listed_sizes(image, tile, limits)
    ]
    maxima = {
        "maxWidth": limits.max_width,
        "maxHeight": limits.max_height,
        "maxArea": limits.max_area,
    }
    formats = [name for name in FORMATS if name not in _LEVEL_2_FORMATS]
    qualities = [name for name in QUALITIES if name not in _LEVEL_2_QUALITIES[version]]
    if version == 3:
        features = sorted((*_FEATURES_3, *(("sizeUpscaling",) if limits.upscaling else ())))
        return {
            "@context": CONTEXT[3],
            "id": description.service,
            "type": "ImageService3",
            **common,
            "profile": LEVEL[3],
            **maxima,
            "sizes": sizes,
            "tiles": tiles,
            # viewers ask for the first that they can show: the one in which tiles are stored
            "preferredFormats": ["webp", "png"] if description.alpha else ["jpg", "webp"],
            **({"rights": description.rights} if description.rights else {}),
            "extraFormats": formats,
            "extraQualities": qualities,
            "extraFeatures": features,
        }
    supports = sorted((*_FEATURES_2, *(("sizeAboveFull",) if limits.upscaling else ())))
    return {
        "@context": CONTEXT[2],
        "@id": description.service,
        **common,
        "profile": [
            LEVEL[2],
            {"formats": formats, "qualities": qualities, "supports": supports, **maxima},
        ],
        "sizes": sizes,
        "tiles": tiles,
        **({"license": description.rights} if description.rights else {}),
    }


def listed_sizes(image: Dimensions, tile: Dimensions, limits: Limits) -> list[Dimensions]:
    """Return the sizes that info.json lists, the smallest first: every level within the limits."""
    factors = scale_factors(image, _allowed_tile(tile, limits))
    sizes = (reduced(image, factor) for factor in reversed(factors))
    return [size for size in sizes if limits.allow(*size)]


def scale_factors(image: Dimensions, tile: Dimensions) -> list[int]:
    """Return 1, 2, 4, ... up to the first factor at which the whole image fits one tile."""
    factors = [1]
    while not _fits(reduced(image, factors[-1]), tile):
        factors.append(factors[-1] * 2)
    return factors


def reduced(image: Dimensions, factor: int) -> Dimensions:
    """Return the size of the level *factor*, rounded up as viewers do."""
    return Dimensions(-(-image.width // factor), -(-image.height // factor))


def _fits(size: Dimensions, tile: Dimensions) -> bool:
    return size.width <= tile.width and size.height <= tile.height


def _allowed_tile(tile: Dimensions, limits: Limits) -> Dimensions:
    longest = math.isqrt(limits.max_area)
    width = min(tile.width, limits.max_width, longest)
    return Dimensions(width, min(tile.height, limits.max_height, longest))
