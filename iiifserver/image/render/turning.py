"""Orientation, mirroring and rotation."""

from __future__ import annotations

from typing import Any

import pyvips

from iiifserver.image.request import Rotation

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


def turned(image: Any, turns: tuple[str, ...]) -> Any:
    """Return *image* after one turn, named as libvips does, after the other."""
    if any(turn != "fliphor" for turn in turns):
        image = image.copy_memory()  # a stream cannot be read sideways or upwards
    for turn in turns:
        image = getattr(image, turn)()
    return image


def rotated(image: Any, rotation: Rotation) -> Any:
    """Return *image* mirrored, then turned clockwise; free corners are transparent.

    Image API 3.0, 4.3: https://iiif.io/api/image/3.0/#43-rotation
    """
    if rotation.mirror:
        image = image.fliphor()
    degrees = rotation.degrees
    if degrees % 90 == 0:
        return turned(image, _QUARTERS[int(degrees) % 360])
    if not image.hasalpha():
        image = image.bandjoin(255)
    return image.copy_memory().rotate(
        float(degrees),
        interpolate=pyvips.Interpolate.new("bicubic"),
        background=[0] * image.bands,
    )
