"""Which sizes of a scan a page offers its browser: those that lie ready, never others."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from iiifserver.presentation.shown import Canvas
from iiifserver.urls import Urls

WIDEST_ROW = 24
"""In halves of its height: what does not fit into a page any more."""
BOXES = (200, 400, 800)
"""Sides of the squares into which every scan is fitted when it is published."""


class Sized(NamedTuple):
    """An address of pixels, and how many there are."""

    address: str
    width: int
    height: int

    @property
    def side(self) -> int:
        """The longer of both."""
        return max(self.width, self.height)


def confined(canvas: Canvas, box: int) -> tuple[int, int]:
    """Return width and height of the scan fitted into a square, never enlarged."""
    width, height = canvas["width"], canvas["height"]
    scale = min(box / max(width, height), 1)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def in_row(canvases: Sequence[Canvas]) -> int:
    """Return how wide a row of equally high *canvases* is, in halves of its height, rounded up."""
    ratios = sum(canvas["width"] / canvas["height"] for canvas in canvases)
    return min(max(ceil(ratios * 2), 2), WIDEST_ROW)


def sources(canvas: Canvas, urls: Urls) -> list[Sized]:
    """Return what a browser may choose from, the smallest first; nothing has to be rendered."""
    longest = max(canvas["width"], canvas["height"])
    boxes = [box for box in BOXES if box <= longest] or [BOXES[0]]
    return [
        Sized(urls.image(canvas["image"], size=f"!{box},{box}"), *confined(canvas, box))
        for box in boxes
    ]
