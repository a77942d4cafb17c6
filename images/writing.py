"""Writing on a sheet: typewriter, brush, print and the Mongolian script.

Each function draws one mark. `x`, `y`, sizes and lengths are in design units (see `paper`),
`seed` fixes its chance.
"""

from collections.abc import Sequence

import numpy as np
import pyvips
from fonts import face_for, font_path, has_glyph, line_length, set_line
from paper import Colour, Plane, Sheet, blank, blur, cloud, cover_of, worn
from PIL import Image

BLACK = (40, 38, 40)

# Letters this typewriter lacks, struck the way typists did: o over a hyphen, and a Latin v.
OVERSTRUCK = {"ө": "о-", "Ө": "О-", "ү": "v", "Ү": "V"}
UNEVEN_TYPES = {"а": 3, "э": -4, "р": 2, "a": 3, "e": -3, "n": 2}  # types that sit off the line

# Signs that stand in a corner of their cell, or lie down, when Japanese is written downwards.
_CORNERED = "、。"
_TURNED = "ー（）「」…～—"

WORDS = [
    "ᠮᠣᠩᠭᠣᠯ",
    "ᠪᠢᠴᠢᠭ",
    "ᠳᠠᠩᠰᠠ",
    "ᠡᠷᠲᠡᠨ",
    "ᠦ",
    "ᠰᠤᠳᠤᠷ",
    "ᠨᠣᠮ",
    "ᠬᠠᠭᠤᠳᠠᠰᠤ",
    "ᠭᠠᠵᠠᠷ",
    "ᠤᠰᠤ",
    "ᠮᠣᠷᠢ",
    "ᠲᠡᠮᠡᠭᠡ",
    "ᠬᠣᠨᠢ",
    "ᠨᠤᠲᠤᠭ",
    "ᠵᠢᠯ",
    "ᠰᠠᠷ\u180eᠠ",
    "ᠡᠳᠦᠷ",
    "ᠬᠦᠮᠦᠨ",
    "ᠨᠡᠷ\u180eᠡ",
    "ᠲᠡᠭᠦᠨ",
    "ᠦ",
    "ᠬᠠᠮᠲᠤ",
    "ᠢᠷᠡᠭᠰᠡᠨ",
]


def _lay(cover: Plane, glyph: Plane, x: int, y: int) -> None:
    """Add a glyph to a cover where it lies inside."""
    height, width = glyph.shape
    area = cover[max(0, y) : y + height, max(0, x) : x + width]
    part = glyph[max(0, -y) :, max(0, -x) :][: area.shape[0], : area.shape[1]]
    np.maximum(area, part, out=area)


def typed(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    text: str,
    size: float = 62,
    pitch: float = 42,
    leading: float = 112,
    colour: Colour = (42, 40, 58),
    font: str = "typewriter",
    strength: float = 0.9,
    bite: float = 0.9,
) -> None:
    """Type lines of equally wide letters; Japanese signs are twice as wide."""
    rng = np.random.default_rng(seed)
    lines = text.strip("\n").split("\n")
    box = sheet.px(size * 1.9)
    widest = max(sum(1 + (ch > "\u2e80") for ch in line) for line in lines)
    cover = np.zeros(
        (sheet.px(leading * len(lines) + 2 * size), sheet.px(pitch * (widest + 3))), np.float32
    )
    pixels = max(4, sheet.px(size))
    for row, line in enumerate(lines):
        column = 0
        base = row * leading + size + rng.normal(0, 2)
        for ch in line:
            wide = 2 if ch > "\u2e80" else 1
            if not ch.isspace():
                glyph, draw = blank(box, box)
                struck = ch if has_glyph(font, ch) else OVERSTRUCK.get(ch, ch)
                for part in struck:
                    draw.text(
                        (box * 0.22, box * 0.72),
                        part,
                        font=face_for(font, pixels, part),
                        fill=255,
                        anchor="ls",
                    )
                glyph = glyph.rotate(rng.normal(0, 0.5), resample=Image.Resampling.BICUBIC)
                left = column * pitch + size * 0.3 + rng.normal(0, 0.9)
                top = base + UNEVEN_TYPES.get(ch, 0) + rng.normal(0, 1.3)
                _lay(
                    cover,
                    cover_of(glyph) * np.clip(rng.normal(0.9, 0.11), 0.45, 1),
                    sheet.px(left) - round(box * 0.22),
                    sheet.px(top) - round(box * 0.72),
                )
            column += wide
    wear = worn(cover, seed + 1, sheet.scale, bite=bite, soft=1.0, grain=2)
    sheet.ink(wear, sheet.px(x - size * 0.3), sheet.px(y - size), colour, strength)


def columns(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    text: str,
    size: float = 118,
    pitch: float = 150,
    font: str = "brush",
    hand: float = 1.0,
    first: float = 1.0,
    colour: Colour = (26, 24, 26),
    strength: float = 0.95,
) -> None:
    """Write Japanese downwards, from the right; *x* is the middle of the first column.

    *hand* 1 is a brush held by a person (letters sway, ink runs dry), 0 is type; *first* is how
    much larger the first column is.
    """
    rng = np.random.default_rng(seed)
    lines = text.strip("\n").split("\n")
    longest = max(len(line) for line in lines) + 2
    width, height = pitch * len(lines) + 2 * size * first, size * first * 1.26 * longest
    cover = np.zeros((sheet.px(height), sheet.px(width)), np.float32)
    for number, line in enumerate(lines):
        middle = width - size * first - number * pitch
        nominal = size * (first if number == 0 else 1)
        down, drift, load = nominal, rng.normal(0, 0.012) * hand, 1.0
        for ch in line:
            own = nominal * rng.uniform(1 - 0.07 * hand, 1 + 0.08 * hand)
            if not ch.isspace():
                pixels = max(4, sheet.px(own))
                glyph = _sign(ch, font, pixels, hand, rng)
                left = sheet.px(middle + drift * down + rng.normal(0, 4) * hand) - pixels
                _lay(cover, cover_of(glyph) * load, left, sheet.px(down) - pixels)
                load = load * (1 - 0.035 * hand) if load > 0.62 else rng.uniform(0.95, 1)
            down += own * (1.06 + hand * rng.uniform(0.04, 0.16)) * (0.55 if ch == " " else 1)
    dry = cloud(cover.shape[1], cover.shape[0], ((5, 0.35), (2, 0.35)), seed + 2, sheet.scale)
    wear = worn(cover, seed + 1, sheet.scale, bite=0.8, soft=0.8 + 0.7 * hand, grain=4)
    wear *= np.clip(1.02 - 0.4 * hand * np.clip(dry, 0, 1), 0.3, 1)
    sheet.ink(wear, sheet.px(x - width + size * first), sheet.px(y - nominal), colour, strength)


def _sign(ch: str, font: str, pixels: int, hand: float, rng: np.random.Generator) -> Image.Image:
    """Return one sign of a downward column in a cell twice its size."""
    cell = pixels * 2
    glyph, draw = blank(cell, cell)
    place = (pixels * 1.62, pixels * 0.42) if ch in _CORNERED else (pixels, pixels)
    draw.text(
        place,
        ch,
        font=face_for(font, pixels, ch),
        fill=255,
        anchor="mm",
        stroke_width=int(rng.integers(0, 3) * hand * pixels / 118),
    )
    if ch in _TURNED:
        glyph = glyph.rotate(-90)
    if not hand:
        return glyph
    shear, lean = rng.normal(0.03, 0.03), rng.normal(-0.03, 0.025)
    matrix = (1, shear, -pixels * shear, lean, 1, -pixels * lean)
    glyph = glyph.transform(glyph.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    return glyph.rotate(rng.normal(0, 1.5), resample=Image.Resampling.BICUBIC)


def printed(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    text: str,
    size: float = 60,
    leading: float = 1.5,
    font: str = "serif",
    anchor: str = "l",
    colour: Colour = BLACK,
    strength: float = 0.9,
    bite: float = 0.35,
    angle: float = 0,
) -> None:
    """Print lines; *anchor* `l`, `m` or `r` says what of a line stands at *x*; *y* is the top."""
    pixels = max(4, sheet.px(size))
    lines = text.strip("\n").split("\n")
    width = max(line_length(line, font, pixels) for line in lines) + pixels * 2
    step = sheet.px(size * leading)
    image, draw = blank(width, step * len(lines) + pixels)
    for row, line in enumerate(lines):
        length = line_length(line, font, pixels)
        left = {"l": pixels, "m": (width - length) / 2, "r": width - pixels - length}[anchor]
        set_line(draw, left, row * step + pixels, line, font, pixels)
    image = image.rotate(angle, resample=Image.Resampling.BICUBIC)
    wear = worn(cover_of(image), seed, sheet.scale, bite=bite, soft=0.7, grain=2)
    shift = {"l": pixels, "m": width / 2, "r": width - pixels}[anchor]
    sheet.ink(wear, round(sheet.px(x) - shift), sheet.px(y), colour, strength)


def mongolian(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    length: float,
    count: int = 8,
    pitch: float = 172,
    size: float = 132,
    short: Sequence[int] = (),
    colour: Colour = (34, 27, 24),
    swell: float = 2.6,
    strength: float = 0.93,
) -> None:
    """Write downward columns of the Mongolian script, from the left; the words tell nothing.

    *short* numbers the columns that end half way.
    """
    rng = np.random.default_rng(seed)
    dpi = max(10, sheet.px(size * 1.2))
    width, height = sheet.px(count * pitch + size * 2), sheet.px(length + size * 2)
    cover = np.zeros((height, width), np.float32)
    for number in range(count):
        room = sheet.px(length * (0.45 if number in short else 1))
        line = _mongolian_line(room, dpi, rng)
        rows, across = line.shape
        sway = cloud(4, rows, ((240, 5), (60, 2)), seed + 60 + number, sheet.scale)[:, 0]
        middle = sheet.px(size + number * pitch + pitch / 2) - across // 2
        for row in range(min(rows, height)):
            left = max(0, middle + round(float(sway[row]) * sheet.scale))
            area = cover[row, left : left + across]
            np.maximum(area, line[row, : area.size], out=area)
    thick = np.clip(blur(cover, swell * sheet.scale) * 2.4, 0, 1) if swell else cover
    wear = worn(thick, seed + 1, sheet.scale, bite=0.9, soft=1.2, grain=4)
    sheet.ink(wear, sheet.px(x - size), sheet.px(y), colour, strength)


def _mongolian_line(room: int, dpi: int, rng: np.random.Generator) -> Plane:
    """Return words set along a line at most *room* pixels long, turned to run downwards."""
    words: list[str] = []
    line = None
    for _ in range(60):
        words.append(WORDS[int(rng.integers(len(WORDS)))])
        longer = pyvips.Image.text(
            " ".join(words),
            font="Noto Sans Mongolian 60",
            fontfile=str(font_path("mongolian")),
            dpi=dpi,
        )
        if longer.width > room and line is not None:
            break
        line = longer
    plane = line.rot90().numpy().astype(np.float32) / 255
    return plane[..., 0] if plane.ndim == 3 else plane
