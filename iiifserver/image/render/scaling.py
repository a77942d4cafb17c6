"""The region at its size: pieces of levels averaged, joined, or resampled."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import pyvips

from iiifserver.image.geometry import Crop, Piece, Reduction, crop_for
from iiifserver.image.headers import Header
from iiifserver.image.plan import Box, Plan

from .reading import ReadLevel, read_level


def scaled(path: Path, header: Header, plan: Plan, read: ReadLevel = read_level) -> Any:
    """Return the plan's box at the plan's size, as stored: not upright; alpha respected."""
    crop = crop_for(header, plan.box, plan.width, plan.height)
    around = {piece.level: _around(crop, piece.level) for piece in crop.pieces}
    reduced = crop.reductions is not None
    images = {
        number: read(path, header, number, box, reduced=reduced) for number, box in around.items()
    }
    first, *_ = crop.pieces
    whole = len(crop.pieces) == 1 and not reduced
    if whole and first.box[2:] == (first.width, first.height):
        return images[first.level]
    alpha, kind = images[first.level].hasalpha(), images[first.level].format
    if alpha:
        images = {number: image.premultiply() for number, image in images.items()}
    if crop.reductions:
        image = _reduced(images[first.level], first, *crop.reductions)
    else:
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


def _reduced(image: Any, piece: Piece, across: Reduction, down: Reduction) -> Any:
    """Return *image*, its alpha premultiplied, smaller, its pixels just where they should be."""
    image = image.reducev(down.factor, kernel="lanczos3")
    image = image.reduceh(across.factor, kernel="lanczos3")
    return image.crop(across.skip, down.skip, piece.width, piece.height)


def _resampled(image: Any, width: int, height: int) -> Any:
    """Return *image*, its alpha premultiplied, at any other size."""
    across, down = min(width / image.width, 1), min(height / image.height, 1)
    if min(across, down) < 1:
        image = image.resize(across, vscale=down, kernel="lanczos3")
    if (image.width, image.height) == (width, height):
        return image
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
