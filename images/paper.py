"""Paper, ink and the scanner's bed: the ground on which every mark is drawn.

Lengths called `cell`, `soft`, `edge` and so on are in design units: pixels of a page drawn at
scale 1 (300 dots an inch). A page at scale 0.5 looks the same with half the pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Plane = NDArray[np.float32]
Colour = Sequence[float]


@dataclass
class Sheet:
    """A page being drawn: its pixels (height, width, RGB, 0 to 255) and its scale."""

    pixels: Plane
    scale: float

    def px(self, length: float) -> int:
        """Return a design length in pixels."""
        return round(length * self.scale)

    @property
    def size(self) -> tuple[float, float]:
        """Return width and height in design units."""
        height, width, _ = self.pixels.shape
        return width / self.scale, height / self.scale

    def ink(self, cover: Plane, x: int, y: int, colour: Colour, strength: float = 0.9) -> None:
        """Print *cover* (0 to 1) with its corner at pixel *x*, *y*; what lies outside is lost."""
        height, width, _ = self.pixels.shape
        left, top = max(0, -x), max(0, -y)
        right, bottom = min(cover.shape[1], width - x), min(cover.shape[0], height - y)
        if right <= left or bottom <= top:
            return
        area = self.pixels[y + top : y + bottom, x + left : x + right]
        c = np.clip(cover[top:bottom, left:right], 0, 1)[..., None] * strength
        dark = 0.55 + 0.45 * np.clip(area + 60, 0, 255)[..., :1] / 255
        area[:] = area * (1 - c) + c * np.asarray(colour, np.float32) * dark

    def paste(self, picture: Plane, x: int, y: int) -> None:
        """Replace the pixels at *x*, *y* by *picture*."""
        height, width = picture.shape[:2]
        self.pixels[y : y + height, x : x + width] = picture


def image_of(plane: Plane) -> pyvips.Image:
    """Return the plane as a pyvips image of one float band."""
    plane = np.ascontiguousarray(plane, np.float32)
    return pyvips.Image.new_from_memory(plane.tobytes(), plane.shape[1], plane.shape[0], 1, "float")


def blank(width: float, height: float) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty picture of at least one pixel, and what draws upon it."""
    image = Image.new("L", (max(1, math.ceil(width)), max(1, math.ceil(height))), 0)
    return image, ImageDraw.Draw(image)


def cover_of(image: Image.Image) -> Plane:
    """Return a picture of 0 to 255 as a cover of 0 to 1."""
    return np.asarray(image, np.float32) / 255


def blur(plane: Plane, sigma: float) -> Plane:
    """Return the plane blurred by a Gaussian of *sigma* pixels."""
    return image_of(plane).gaussblur(max(0.3, sigma)).numpy()


def cloud(
    width: int, height: int, octaves: Sequence[tuple[float, float]], seed: int, scale: float = 1
) -> Plane:
    """Return smooth noise about 0; an octave is a cell's size and its amplitude."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for size, amplitude in octaves:
        cell = max(1.0, size * scale)
        grid = rng.standard_normal(
            (math.ceil(height / cell) + 4, math.ceil(width / cell) + 4), np.float32
        )
        wide = image_of(grid).resize(cell, kernel="cubic")
        total += amplitude * wide.crop(int(cell), int(cell), width, height).numpy()
    return total


def worn(
    mask: Plane, seed: int, scale: float, bite: float = 0.5, soft: float = 0.7, grain: float = 3
) -> Plane:
    """Return a clean drawing (0 to 1) as ink: it bleeds and covers unevenly."""
    height, width = mask.shape
    noise = cloud(width, height, ((grain * 12, 0.5), (grain * 3, 0.5), (grain, 0.5)), seed, scale)
    body = blur(mask, soft * scale)
    near = blur(mask, (2 + soft) * scale) > 0.06
    edge = np.clip((body - 0.30 - bite * 0.18 * noise) * 2.6, 0, 1)
    return edge * np.clip(0.86 + 0.10 * noise, 0.35, 1) * near


def paper(
    width: int,
    height: int,
    scale: float,
    seed: int,
    *,
    base: Colour = (232, 219, 188),
    laid: bool = False,
    spots: int = 40,
    fibres: int = 900,
    edge: float = 26,
    folds: Sequence[tuple[str, float]] = (),
    grain: float = 1.0,
) -> Sheet:
    """Return an empty sheet of old paper.

    *spots* counts foxing stains, *edge* is how much the rim has darkened, *folds* are creases:
    `h` or `v` and where, as a share of the height or width; *grain* 0 is smooth modern paper.
    """
    rng = np.random.default_rng(seed)
    octaves = ((700, 5.0), (220, 3.2), (60, 2.0), (14, 1.2), (4, 0.6))
    tone = cloud(width, height, [(c, a * grain) for c, a in octaves], seed, scale)
    tone += rng.standard_normal((height, width), np.float32) * 0.9
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32) / scale
    if laid:
        tone += 1.3 * np.sin(
            yy * 2 * math.pi / 17 + cloud(width, height, ((300, 0.6),), seed + 5, scale)
        )
        tone -= 2.2 * np.exp(-((((xx % 340) - 170) / 4) ** 2))
    tone += _fibres(width, height, fibres, scale, rng)
    for axis, share in folds:
        along = (yy if axis == "h" else xx) - share * (height if axis == "h" else width) / scale
        along = along + cloud(width, height, ((500, 3),), seed + int(share * 99), scale)
        tone += 7 * np.exp(-(((along - 5) / 5) ** 2)) - 11 * np.exp(-(((along + 3) / 4) ** 2))
        tone -= 3.5 * np.exp(-((along / 60) ** 2))
    rim = np.minimum(np.minimum(xx, width / scale - xx), np.minimum(yy, height / scale - yy))
    rim += cloud(width, height, ((160, 26), (40, 9)), seed + 1, scale)
    dark = edge * np.exp(-np.clip(rim, 0, None) / 150)
    foxing = _foxing(xx, yy, spots, scale, rng)
    pixels = np.empty((height, width, 3), np.float32)
    for band, (level, rims, stains) in enumerate(
        zip(base, (0.55, 0.8, 1.15), (0.45, 0.9, 1.35), strict=True)
    ):
        pixels[..., band] = level + tone - dark * rims - foxing * stains
    return Sheet(pixels, scale)


def _fibres(width: int, height: int, count: int, scale: float, rng: np.random.Generator) -> Plane:
    """Return the fibres pressed into the paper, as light and dark curls about 0."""
    image = Image.new("L", (width, height), 128)
    draw = ImageDraw.Draw(image)
    for _ in range(count):
        x, y, angle = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, 2 * math.pi)
        points = [(x, y)]
        for _ in range(int(rng.integers(4, 14))):
            angle += rng.normal(0, 0.35)
            x += 9 * scale * math.cos(angle)
            y += 9 * scale * math.sin(angle)
            points.append((x, y))
        shade = int(128 + rng.choice([-1, 1]) * rng.uniform(8, 40))
        draw.line(points, fill=shade, width=max(1, round(rng.integers(1, 3) * scale)))
    return blur(np.asarray(image, np.float32) - 128, 1.1 * scale) * 0.35


def _foxing(xx: Plane, yy: Plane, count: int, scale: float, rng: np.random.Generator) -> Plane:
    """Return the brown spots of age; *xx* and *yy* are each pixel's place in design units."""
    height, width = xx.shape
    spots = np.zeros((height, width), np.float32)
    for _ in range(count):
        x, y = rng.uniform(0, width / scale), rng.uniform(0, height / scale)
        radius = rng.gamma(2, 7) + 3
        reach = 4 * radius
        rows = slice(max(0, int((y - reach) * scale)), max(0, int((y + reach) * scale)))
        columns = slice(max(0, int((x - reach) * scale)), max(0, int((x + reach) * scale)))
        distance = (xx[rows, columns] - x) ** 2 + (yy[rows, columns] - y) ** 2
        spots[rows, columns] += rng.uniform(4, 22) * np.exp(-distance / (2 * radius * radius))
    return spots


def scanned(
    sheet: Sheet, seed: int, *, bed: Colour = (34, 33, 32), margin: float = 90, angle: float = 0.5
) -> pyvips.Image:
    """Return the sheet as a scanner sees it: on its bed, *angle* degrees askew, with a shadow.

    The picture has as many pixels as the sheet; the sheet is made smaller by *margin*.
    """
    height, width, _ = sheet.pixels.shape
    flat = np.clip(sheet.pixels + 0.5, 0, 255).astype(np.uint8)
    page = pyvips.Image.new_from_memory(flat.tobytes(), width, height, 3, "uchar")
    page = page.copy(interpretation="srgb").addalpha()
    ratio = (width - 2 * sheet.px(margin)) / width
    cos, sin = ratio * math.cos(math.radians(angle)), ratio * math.sin(math.radians(angle))
    page = page.affine([cos, -sin, sin, cos], interpolate=pyvips.Interpolate.new("bicubic"))
    page = page.embed((width - page.width) // 2, (height - page.height) // 2, width, height)
    alpha = page.extract_band(3)
    shadow = alpha.wrap(x=width - sheet.px(14), y=height - sheet.px(18))
    shadow = shadow.gaussblur(max(0.3, 16 * sheet.scale)) / 255 * 0.55
    ground = (1 - shadow) * list(bed)
    cover = alpha / 255
    mixed = page.extract_band(0, n=3) * cover + ground * (1 - cover)
    rng = np.random.default_rng(seed)
    noise = image_of(rng.standard_normal((height, width), np.float32))
    return (mixed + noise + 0.5).cast("uchar").copy(interpretation="srgb")
