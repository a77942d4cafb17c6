"""Marks of an office on a sheet: seals, rubber stamps, a pen.

Each function draws one mark. `x`, `y`, sizes and lengths are in design units (see `paper`),
`seed` fixes its chance. Their text says that they are samples; the pen writes nobody's name.
"""

import math

import numpy as np
from fonts import face, face_for
from paper import Colour, Sheet, blank, cover_of, worn
from PIL import Image


def seal(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    text: str,
    size: float = 250,
    colour: Colour = (186, 42, 34),
    strength: float = 0.84,
    font: str = "seal",
    angle: float = 0,
) -> None:
    """Press a square seal with four or nine signs, light on red."""
    side = max(12, sheet.px(size))
    image, draw = blank(side, side)
    draw.rounded_rectangle(
        (side * 0.016, side * 0.016, side * 0.984, side * 0.984), side // 18, 255
    )
    across = math.isqrt(len(text))
    cell = side * 5 / 6 / across
    for i, ch in enumerate(text):
        place = (
            side / 12 + cell * (across - 1 - i // across + 0.5),
            side / 12 + cell * (i % across + 0.5),
        )
        draw.text(
            place,
            ch,
            font=face_for(font, max(4, int(cell * 0.98)), ch),
            fill=0,
            anchor="mm",
            stroke_width=side // 130,
        )
    rim = side // 22
    draw.rounded_rectangle(
        (rim, rim, side - rim, side - rim), side // 30, outline=0, width=max(1, side // 70)
    )
    image = image.rotate(angle, resample=Image.Resampling.BICUBIC, expand=True)
    wear = worn(cover_of(image), seed, sheet.scale, bite=1.5, soft=1.6, grain=6)
    sheet.ink(wear, sheet.px(x), sheet.px(y), colour, strength)


def round_seal(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    text: str,
    centre: str = "",
    size: float = 760,
    colour: Colour = (74, 62, 142),
    strength: float = 0.68,
    angle: float = -17,
    points: int = 5,
) -> None:
    """Press a round office seal: text along the rim, a star of *points* in the middle."""
    side = max(24, sheet.px(size))
    image, draw = blank(side, side)
    for radius, width in ((0.485, side // 60), (0.455, side // 200), (0.31, side // 150)):
        low, high = side * (0.5 - radius), side * (0.5 + radius)
        draw.ellipse((low, low, high, high), outline=255, width=max(1, width))
    pixels, cell = max(4, int(side * 0.083)), side // 6
    for i, ch in enumerate(text):
        turn = -math.pi / 2 + (i - (len(text) - 1) / 2) * (2 * math.pi * 0.93 / len(text))
        glyph, pen_ = blank(cell, cell)
        pen_.text(
            (cell / 2, cell / 2),
            ch,
            font=face_for("serif", pixels, ch),
            fill=255,
            anchor="mm",
            stroke_width=round(sheet.scale),
        )
        glyph = glyph.rotate(-math.degrees(turn) - 90, resample=Image.Resampling.BICUBIC)
        place = (
            int(side * (0.5 + 0.383 * math.cos(turn))) - cell // 2,
            int(side * (0.5 + 0.383 * math.sin(turn))) - cell // 2,
        )
        image.paste(255, place, glyph)
    star = []
    for k in range(2 * points):
        reach, turn = side * (0.22 if k % 2 == 0 else 0.10), k * math.pi / points
        star.append((side / 2 + reach * math.sin(turn), side / 2 - reach * math.cos(turn)))
    draw.polygon(star, outline=255, width=max(1, side // 90))
    if centre:
        draw.text(
            (side / 2, side / 2),
            centre,
            font=face("serif", max(4, int(side * 0.07))),
            fill=255,
            anchor="mm",
        )
    image = image.rotate(angle, resample=Image.Resampling.BICUBIC)
    wear = worn(cover_of(image), seed, sheet.scale, bite=2.2, soft=1.3, grain=7)
    sheet.ink(wear, sheet.px(x), sheet.px(y), colour, strength)


def stamp(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float,
    text: str,
    size: float = 84,
    angle: float = 3,
    colour: Colour = (150, 40, 60),
    strength: float = 0.72,
    font: str = "serif",
) -> None:
    """Press a rubber stamp: lines in a box."""
    lines = text.strip("\n").split("\n")
    pixels, across = max(4, sheet.px(size)), sheet.px(width)
    high = int(pixels * (1.32 * len(lines) + 0.5))
    image, draw = blank(across, high)
    line_width = max(1, sheet.px(7))
    draw.rectangle((2, 2, across - 3, high - 3), outline=255, width=line_width)
    for row, line in enumerate(lines):
        draw.text(
            (across / 2, pixels * (0.9 + 1.32 * row)),
            line,
            fill=255,
            anchor="mm",
            font=face_for(font, pixels, line[0]),
        )
    image = image.rotate(angle, resample=Image.Resampling.BICUBIC, expand=True)
    wear = worn(cover_of(image), seed, sheet.scale, bite=1.9, soft=1.2, grain=6)
    sheet.ink(wear, sheet.px(x), sheet.px(y), colour, strength)


def pen(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float = 900,
    height: float = 340,
    colour: Colour = (30, 36, 92),
    strength: float = 0.9,
    thick: float = 6.5,
) -> None:
    """Draw a scribble where a signature would stand: a swinging curve, nobody's name."""
    rng = np.random.default_rng(seed)
    swing, roll = rng.uniform(13, 21), rng.uniform(23, 35)
    across, high = sheet.px(width), sheet.px(height)
    image, draw = blank(across, high)
    last = None
    for t in np.linspace(0, 1, 900):
        press = 0.45 + 0.55 * abs(math.sin(t * swing))
        here = (
            across * (0.06 + 0.82 * t + 0.06 * math.sin(t * roll)),
            high * (0.56 - 0.26 * math.sin(t * swing) * (1 - 0.6 * t) - 0.12 * t),
        )
        radius = thick * press * sheet.scale
        if last:
            draw.line([last, here], fill=255, width=max(1, int(2 * radius)))
        draw.ellipse((here[0] - radius, here[1] - radius, here[0] + radius, here[1] + radius), 255)
        last = here
    wear = worn(cover_of(image), seed, sheet.scale, bite=0.7, soft=0.9)
    sheet.ink(wear, sheet.px(x), sheet.px(y), colour, strength)
