"""Which sizes of a scan a page offers its browser: those that lie ready, never others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from iiifserver.presentation.shown import Canvas
from iiifserver.urls import Urls

BOXES = (200, 400, 800)
"""Sides of the squares into which every scan is fitted when it is published."""
WIDEST = 2_500


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


class InRow(NamedTuple):
    """A scan in a row of equal heights: how wide it is, in tenths of its height and of the row."""

    canvas: Canvas
    tenths: int
    percent: int


def in_row(canvases: Sequence[Canvas]) -> list[InRow]:
    """Return how a row of *canvases* is shared so that all of them are equally high."""
    ratios = [canvas["width"] / canvas["height"] for canvas in canvases]
    return [
        InRow(canvas, min(max(round(ratio * 10), 3), 30), round(100 * ratio / sum(ratios)))
        for canvas, ratio in zip(canvases, ratios, strict=True)
    ]


def sources(canvas: Canvas, urls: Urls, largest: int = BOXES[-1]) -> list[Sized]:
    """Return what a browser may choose from, the smallest first.

    Up to 800 pixels these are the squares; beyond, for large screens, the sizes of info.json whose
    longer side is at most *largest*.
    """
    longest = max(canvas["width"], canvas["height"])
    boxes = [box for box in BOXES if box <= min(largest, longest)] or [BOXES[0]]
    found = [
        Sized(urls.image(canvas["image"], size=f"!{box},{box}"), *confined(canvas, box))
        for box in boxes
    ]
    found += [
        Sized(urls.image(canvas["image"], size=f"{width},{height}"), width, height)
        for width, height in sorted(canvas["sizes"])
        if boxes[-1] < max(width, height) <= largest
    ]
    return found
