"""Pictures on a sheet: mounted photographs, sketch maps, plans, pasted leaves."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from fonts import face_for
from paper import Colour, Sheet, blank, blur, cloud, cover_of, paper, worn
from scenes import SCENES


def leaf(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float,
    height: float,
    base: Colour,
    edge: float = 14,
    laid: bool = False,
) -> None:
    """Paste a smaller sheet of paper, with its shadow: a slip, a label, a mount."""
    wide, high = sheet.px(width), sheet.px(height)
    left, top = sheet.px(x), sheet.px(y)
    shape = np.zeros(sheet.pixels.shape[:2], np.float32)
    shape[
        top + sheet.px(14) : top + high + sheet.px(14),
        left + sheet.px(12) : left + wide + sheet.px(12),
    ] = 1
    sheet.pixels -= blur(shape, 14 * sheet.scale)[..., None] * 60
    pasted = paper(
        wide, high, sheet.scale, seed, base=base, edge=edge, laid=laid, spots=10, fibres=100
    )
    sheet.paste(pasted.pixels, left, top)


def photograph(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float,
    height: float,
    scene: str,
    screen: float = 0,
    mount: float = 80,
    tone: Colour = (38, 31, 30),
) -> None:
    """Mount a photograph; *screen* is the pitch of a printer's halftone, 0 for a plain print."""
    leaf(
        sheet,
        seed=seed + 1,
        x=x - mount,
        y=y - mount,
        width=width + 2 * mount,
        height=height + 2 * mount,
        base=(238, 232, 214),
    )
    wide, high = sheet.px(width), sheet.px(height)
    plane = SCENES[scene](wide, high, sheet.scale, seed)
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[0:high, 0:wide].astype(np.float32)
    dim = 80 * np.hypot((xx - wide / 2) / wide, (yy - high / 2) / high) ** 2.2
    grain = cloud(wide, high, ((6, 2.5), (2.5, 2.0)), seed + 3, sheet.scale)
    grain += rng.standard_normal((high, wide), np.float32)
    left, top = sheet.px(x), sheet.px(y)
    if plane.ndim == 3:
        soft = np.dstack([blur(plane[..., i], 2.0 * sheet.scale) for i in range(3)])
        sheet.paste(soft - dim[..., None] + grain[..., None], left, top)
        return
    gray = np.clip(blur(plane, 2.2 * sheet.scale) - dim + grain, 6, 248) / 255
    cover = 1 - gray
    if screen:
        u, v = (xx + yy) * math.sqrt(2) * math.pi, (yy - xx) * math.sqrt(2) * math.pi
        pitch = screen * sheet.scale
        dots = 0.5 + 0.25 * (np.cos(u / pitch) + np.cos(v / pitch))
        cover = blur(np.clip((dots - gray) * 4 + 0.5, 0, 1), 0.8 * sheet.scale)
    sheet.ink(cover, left, top, tone, 0.96)


def sketch_map(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float,
    height: float,
    names: Sequence[str],
    route: Colour = (176, 44, 40),
    font: str = "brush",
    size: float = 84,
) -> None:
    """Draw a map of nowhere: contour lines, rivers, a dotted route past the named places."""
    rng = np.random.default_rng(seed)
    wide, high = sheet.px(width), sheet.px(height)
    left, top = sheet.px(x), sheet.px(y)
    hills = cloud(wide, high, ((620, 1.0), (230, 0.35), (80, 0.06)), seed, sheet.scale) * 4
    hills = blur(hills, 12 * sheet.scale)  # the grid of the noise would show in the lines
    slope = np.hypot(*np.gradient(hills)) + 1e-4
    lines = np.clip(
        1.4 - np.abs(hills - np.round(hills)) / slope / max(1.0, 1.6 * sheet.scale), 0, 1
    )
    sheet.ink(lines, left, top, (150, 110, 70), 0.5)
    shade = np.clip(np.roll(hills, 3, 1) - hills, 0, 0.2) * 2.5
    sheet.ink(shade.astype(np.float32), left, top, (120, 100, 80), 0.35)
    water, draw = blank(wide, high)

    for k in range(3):
        a, b = wide * rng.uniform(0.1, 0.9), 0.0
        way = [(a, b)]
        while b < high and len(way) < 400:
            a, b = a + rng.normal(0, 26) * sheet.scale, b + rng.uniform(10, 40) * sheet.scale
            way.append((a, b))
        draw.line(way, 255, max(1, sheet.px(9 - 2 * k)), joint="curve")
    sheet.ink(worn(cover_of(water), seed, sheet.scale), left, top, (58, 92, 140), 0.7)
    image, draw = blank(wide, high)

    labels, pencil = blank(wide, high)

    stops = [
        (wide * (0.08 + 0.84 * i / (len(names) - 1)), high * rng.uniform(0.25, 0.78))
        for i in range(len(names))
    ]
    for start, end in itertools.pairwise(stops):
        for t in np.arange(0, 1, 34 * sheet.scale / math.dist(start, end)):
            a = start[0] + (end[0] - start[0]) * t
            b = start[1] + (end[1] - start[1]) * t + math.sin(t * 9) * 26 * sheet.scale
            dot = 8 * sheet.scale
            draw.ellipse((a - dot, b - dot, a + dot, b + dot), fill=255)
    pixels = max(4, sheet.px(size))
    for (a, b), name in zip(stops, names, strict=True):
        ring = 24 * sheet.scale
        draw.ellipse(
            (a - ring, b - ring, a + ring, b + ring), outline=255, width=max(1, sheet.px(8))
        )
        for i, ch in enumerate(name):
            pencil.text(
                (a, b + pixels * (0.95 + 1.02 * i)),
                ch,
                font=face_for(font, pixels, ch),
                fill=255,
                anchor="mm",
            )
    sheet.ink(worn(cover_of(image), seed + 1, sheet.scale), left, top, route, 0.9)
    sheet.ink(worn(cover_of(labels), seed + 2, sheet.scale), left, top, (28, 26, 28))


def plan(
    sheet: Sheet,
    *,
    seed: int,
    x: float,
    y: float,
    width: float,
    height: float,
    colour: Colour = (236, 244, 255),
) -> None:
    """Draw the plan of an invented hall: walls, bays, machines, lines of measure."""
    rng = np.random.default_rng(seed)
    wide, high = sheet.px(width), sheet.px(height)
    image, draw = blank(wide, high)

    thick, thin = max(1, sheet.px(12)), max(1, sheet.px(4))
    bays = 7
    for i in range(bays + 1):
        a = wide * (0.06 + 0.88 * i / bays)
        draw.line((a, high * 0.06, a, high * 0.86), 150, thin)
        draw.rectangle((a - thick, high * 0.16 - thick, a + thick, high * 0.16 + thick), fill=255)
        draw.rectangle((a - thick, high * 0.74 - thick, a + thick, high * 0.74 + thick), fill=255)
        draw.line((a - thick, high * 0.90 + thick, a + thick, high * 0.90 - thick), 255, thin)
    draw.line((wide * 0.06, high * 0.90, wide * 0.94, high * 0.90), 255, thin)
    draw.rectangle((wide * 0.06, high * 0.16, wide * 0.94, high * 0.74), outline=255, width=thick)
    draw.line((wide * 0.06, high * 0.5, wide * 0.69, high * 0.5), fill=255, width=thick)
    draw.line((wide * 0.69, high * 0.16, wide * 0.69, high * 0.74), fill=255, width=thick)
    for i in range(12):
        a, b = wide * (0.10 + 0.095 * (i % 6)), high * (0.23 + 0.32 * (i // 6))
        c, d = a + wide * rng.uniform(0.04, 0.07), b + high * rng.uniform(0.06, 0.14)
        draw.rectangle((a, b, c, d), outline=255, width=thin)
        if i % 2:
            draw.ellipse((a, b, c, d), outline=255, width=thin)
        else:
            draw.line((a, b, c, d), 255, thin)
            draw.line((a, d, c, b), 255, thin)
    for a in (0.30, 0.52, 0.82):
        draw.arc(
            (wide * a, high * 0.74 - wide * 0.03, wide * (a + 0.06), high * 0.74 + wide * 0.03),
            180,
            360,
            255,
            thin,
        )
    sheet.ink(
        worn(cover_of(image), seed, sheet.scale, bite=0.8),
        sheet.px(x),
        sheet.px(y),
        colour,
        0.9,
    )
