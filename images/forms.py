"""Printed forms and traces of use: rules, frames, tables, charts, ribbons, holes, stains, folds.

The counterpart of `marks` for what a printer, a binder or time left on a page.
"""

import math
from collections.abc import Sequence

import numpy as np
from fonts import face_for, line_length, set_line
from paper import Colour, Plane, Sheet, blank, blur, cloud, cover_of, worn
from PIL import Image

RED = (150, 62, 52)


def _print(
    sheet: Sheet,
    image: Image.Image,
    seed: int,
    x: float,
    y: float,
    colour: Colour,
    strength: float,
) -> None:
    cover = cover_of(image)
    wear = worn(cover, seed, sheet.scale, bite=0.7, soft=0.9)
    sheet.ink(wear, sheet.px(x), sheet.px(y), colour, strength)


def ruled(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float,
    height: float,
    down: int = 0,
    across: int = 0,
    thick: float = 9,
    thin: float = 4,
    colour: Colour = RED,
    strength: float = 0.6,
) -> None:
    """Print a box with *down* vertical and *across* horizontal spaces."""
    image, draw = blank(sheet.px(width) + 2, sheet.px(height) + 2)
    wide, high = sheet.px(width), sheet.px(height)
    line = max(1, sheet.px(thin))
    for i in range(1, down):
        draw.line((wide * i / down, 0, wide * i / down, high), fill=255, width=line)
    for i in range(1, across):
        draw.line((0, high * i / across, wide, high * i / across), fill=255, width=line)
    draw.rectangle((0, 0, wide, high), outline=255, width=max(1, sheet.px(thick)))
    _print(sheet, image, seed, x, y, colour, strength)


def frame(
    sheet: Sheet,
    *,
    seed: int,
    inset: float = 250,
    gap: float = 36,
    thick: float = 16,
    colour: Colour = RED,
    strength: float = 0.7,
    corners: bool = False,
) -> None:
    """Print a double frame *inset* from the sheet's edges, with knots in its corners if wanted."""
    width, height = sheet.size
    image, draw = blank(sheet.px(width), sheet.px(height))
    for step, line in ((0, thick), (gap, thick / 3)):
        far = sheet.px(inset + step)
        draw.rectangle(
            (far, far, image.width - far, image.height - far),
            outline=255,
            width=max(1, sheet.px(line)),
        )
    if corners:
        knot = sheet.px(gap * 5)
        for left in (sheet.px(inset), image.width - sheet.px(inset) - knot):
            for top in (sheet.px(inset), image.height - sheet.px(inset) - knot):
                for step in range(3):
                    room = knot * step / 7
                    draw.rectangle(
                        (left + room, top + room, left + knot - room, top + knot - room),
                        outline=255,
                        width=max(1, sheet.px(thick * 0.6)),
                    )
    _print(sheet, image, seed, 0, 0, colour, strength)


def table(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    widths: Sequence[float],
    rows: str,
    size: float = 56,
    leading: float = 1.9,
    font: str = "mincho",
    colour: Colour = (40, 38, 42),
    strength: float = 0.88,
) -> None:
    """Print a ruled table; *rows* are lines, their cells parted by `|`; numbers stand right."""
    cells = [[c.strip() for c in line.split("|")] for line in rows.strip("\n").split("\n")]
    pixels, step = max(4, sheet.px(size)), sheet.px(size * leading)
    edges = [0, *np.cumsum([sheet.px(w) for w in widths]).tolist()]
    image, draw = blank(edges[-1] + 6, step * len(cells) + 6)
    for number in range(len(cells) + 1):
        heavy = number in (0, 1, len(cells))
        draw.line(
            (0, number * step + 2, edges[-1], number * step + 2),
            fill=255,
            width=max(1, sheet.px(7 if heavy else 3)),
        )
    for edge in edges:
        draw.line((edge + 2, 0, edge + 2, step * len(cells)), fill=255, width=max(1, sheet.px(4)))
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            number = cell.replace(",", "").replace(".", "").isdigit() or cell in "—–"
            length = line_length(cell, font, pixels)
            left = edges[column] + pixels * 0.4
            if number:
                left = edges[column + 1] - pixels * 0.4 - length
            elif row == 0:
                left = (edges[column] + edges[column + 1] - length) / 2
            set_line(draw, left, row * step + step * 0.5 + pixels * 0.36, cell, font, pixels)
    _print(sheet, image, seed, x, y, colour, strength)


def bars(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float,
    height: float,
    values: Sequence[float],
    labels: Sequence[str],
    size: float = 60,
    font: str = "gothic",
    colour: Colour = (46, 92, 150),
    strength: float = 0.85,
) -> None:
    """Print a bar chart of *values*, each a share of the height, with a label under each bar."""
    pixels, wide, high = max(4, sheet.px(size)), sheet.px(width), sheet.px(height)
    image, draw = blank(wide, high + 2 * pixels)
    step = wide / len(values)
    for i, (value, label) in enumerate(zip(values, labels, strict=True)):
        draw.rectangle((step * (i + 0.2), high * (1 - value), step * (i + 0.8), high), fill=255)
        left = step * (i + 0.5) - line_length(label, font, pixels) / 2
        set_line(draw, left, high + 1.3 * pixels, label, font, pixels)
    draw.line((0, high - 2, wide, high - 2), 255, max(1, sheet.px(8)))
    _print(sheet, image, seed, x, y, colour, strength)


def rosette(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    size: float,
    petals: int = 12,
    colour: Colour = (150, 120, 60),
    strength: float = 0.6,
) -> None:
    """Print an ornament of interlaced lines, as on bank notes; *x*, *y* is its middle."""
    image, draw = blank(sheet.px(size), sheet.px(size))
    half = image.width / 2
    turns = np.linspace(0, 2 * math.pi, 2400)
    for ring in range(14):
        waves = 0.30 + 0.045 * ring * 0.5 + 0.16 * np.sin(petals * turns + ring * 0.42)
        points = zip(
            half + half * waves * np.cos(turns), half + half * waves * np.sin(turns), strict=True
        )
        draw.line([(float(a), float(b)) for a, b in points], 255, max(1, sheet.px(3)))
    _print(sheet, image, seed, x - size / 2, y - size / 2, colour, strength)


def wafer(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    size: float = 560,
    colour: Colour = (168, 34, 32),
    text: str = "見本",
) -> None:
    """Press a wax wafer with a scalloped rim and raised signs; *x*, *y* is its middle."""
    side = sheet.px(size)
    yy, xx = (np.mgrid[0:side, 0:side].astype(np.float32) - side / 2) / (side / 2)
    reach, turn = np.hypot(xx, yy), np.arctan2(yy, xx)
    rim = 0.90 + 0.025 * np.sin(turn * 7 + seed % 7) + 0.012 * np.sin(turn * 19)
    body = np.clip((rim - reach) * side / 8, 0, 1)
    image, draw = blank(side, side)
    draw.text(
        (side / 2, side / 2),
        text,
        font=face_for("seal", max(4, side // 4), text[0]),
        fill=255,
        anchor="mm",
    )
    height = 0.7 * cover_of(image)
    height += np.exp(-(((reach - 0.62) / 0.03) ** 2)) + 1.2 * np.exp(
        -(((reach - 0.84) / 0.07) ** 2)
    )
    height = blur(height, side / 120)
    light = (height - np.roll(height, (2 + side // 100, 2 + side // 100), (0, 1))) * 110
    left, top = sheet.px(x) - side // 2, sheet.px(y) - side // 2
    area = sheet.pixels[top : top + side, left : left + side]
    shadow = blur(np.roll(body, (side // 40, side // 40), (0, 1)), side / 60)
    area -= (shadow * 60 * (1 - body))[..., None]
    shade = cloud(side, side, ((90, 5), (20, 3)), seed, sheet.scale) + light
    area[:] = area * (1 - body[..., None]) + body[..., None] * (
        np.asarray(colour, np.float32) + shade[..., None]
    )


def ribbon(
    sheet: Sheet,
    *,
    seed: int,
    points: Sequence[Sequence[float]],
    width: float = 70,
    colours: Sequence[Colour] = ((178, 40, 44), (178, 40, 44)),
) -> None:
    """Lay a ribbon along *points*, in one to three coloured stripes, with a shadow."""
    height, across, _ = sheet.pixels.shape
    track = [(sheet.px(a), sheet.px(b)) for a, b in points]
    shadow, draw = blank(across, height)
    draw.line([(a + sheet.px(10), b + sheet.px(12)) for a, b in track], 255, sheet.px(width))
    sheet.pixels -= (blur(cover_of(shadow), 9 * sheet.scale) * 46)[..., None]
    weave = cloud(across, height, ((300, 8), (3, 5)), seed, sheet.scale)
    for number, colour in enumerate(colours):
        image, draw = blank(across, height)
        draw.line(
            track, 255, sheet.px(width * (len(colours) - number) / len(colours)), joint="curve"
        )
        cover = blur(cover_of(image), 0.8 * sheet.scale)[..., None]
        sheet.pixels[:] = sheet.pixels * (1 - cover) + cover * (
            np.asarray(colour, np.float32) + weave[..., None]
        )


def holes(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    at: Sequence[float],
    size: float = 72,
    bed: Colour = (40, 39, 38),
) -> None:
    """Punch filing holes, through which the scanner's bed is seen."""
    side = sheet.px(size * 2)
    yy, xx = np.mgrid[0:side, 0:side].astype(np.float32) - side / 2
    rough = cloud(side, side, ((9, 1.4),), seed, sheet.scale) * sheet.scale
    for y in at:
        hole = np.clip(sheet.px(size / 2) - np.hypot(xx, yy) + rough, 0, 1)[..., None]
        left, top = sheet.px(x) - side // 2, sheet.px(y) - side // 2
        area = sheet.pixels[top : top + side, left : left + side]
        area[:] = area * (1 - hole) + hole * np.asarray(bed, np.float32)


def stain(
    sheet: Sheet, *, seed: int, x: float, y: float, size: float = 620, strength: float = 18
) -> None:
    """Leave the tide line of water that has dried."""
    height, width, _ = sheet.pixels.shape
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32) / sheet.scale
    reach = np.hypot(xx - x, (yy - y) * 1.2)
    reach += cloud(width, height, ((200, 60), (60, 20)), seed, sheet.scale)
    tide = strength / (1 + np.exp(np.clip((reach - size) / 60, -60, 60)))
    tide += 0.8 * strength * np.exp(-(((reach - size - 30) / 22) ** 2))
    sheet.pixels -= tide[..., None] * np.array([0.5, 0.8, 1.1], np.float32)


def gutter(sheet: Sheet, *, seed: int, x: float, depth: float = 70) -> None:
    """Shade the fold of an open volume, and the swell of the pages beside it."""
    height, width, _ = sheet.pixels.shape
    away = np.arange(width, dtype=np.float32)[None] / sheet.scale - x
    away = away + cloud(width, height, ((900, 3),), seed, sheet.scale)
    shade = depth * np.exp(-np.abs(away) / 70) + 0.3 * depth * np.exp(-((away / 420) ** 2))
    shade -= 6 * np.exp(-(((np.abs(away) - 520) / 200) ** 2))
    sheet.pixels -= (shade[..., None] * np.array([0.9, 1.0, 1.12], np.float32)).astype(np.float32)


def tint(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float,
    height: float,
    colour: Colour,
    strength: float = 1.0,
) -> None:
    """Cover a rectangle: a title slip, a coloured band, a pasted label."""
    plain: Plane = np.ones((sheet.px(height), sheet.px(width)), np.float32)
    plain *= 1 + cloud(plain.shape[1], plain.shape[0], ((40, 0.02),), seed, sheet.scale)
    sheet.ink(plain, sheet.px(x), sheet.px(y), colour, strength)
