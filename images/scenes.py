"""Invented scenes for the photographs: steppe, works hall, fair, stadium, rescue team.

A scene returns gray (or RGB) values of 0 to 255 for its width and height in pixels. Every place
and figure is made up; none is drawn after a photograph.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from figures import OVERALLS, SUITS, people
from paper import Plane, cloud
from PIL import Image, ImageDraw

VISITORS = replace(SUITS, coats=(226, 216, 52, 64, 88))  # some in the white coats of the works

Scene = Callable[[int, int, float, int], Plane]


def _draw_on(plane: Plane) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8))
    return image, ImageDraw.Draw(image)


def _sky(width: int, height: int, scale: float, seed: int, horizon: float) -> Plane:
    """Return sky, three ridges and a plain that begins at *horizon* (a share of the height)."""
    yy = np.mgrid[0:height, 0:width].astype(np.float32)[0] / height
    plane = 205 - 55 * (1 - yy) ** 1.2
    plane += cloud(width, height, ((520, 16), (170, 8)), seed, scale) * np.clip(1 - yy * 2, 0, 1)
    for k, (rise, swell, tone) in enumerate(
        ((0.24, 0.08, 150), (0.15, 0.07, 118), (0.07, 0.045, 92))
    ):
        outline = cloud(width, 4, ((400, 0.7), (120, 0.3), (30, 0.1)), seed + 20 + k, scale)[0]
        ridge = horizon - rise + swell * outline
        land = 1 / (1 + np.exp(-np.clip((yy - ridge[None]) * 600, -60, 60)))
        rock = cloud(width, height, ((90, 8), (20, 6)), seed + 30 + k, scale)
        plane = plane * (1 - land) + land * (tone + rock + (yy - ridge[None]) * 90)
    plain = 1 / (1 + np.exp(-np.clip((yy - horizon) * 260, -60, 60)))
    grass = cloud(width, height, ((60, 9), (12, 10), (4, 8)), seed + 40, scale)
    return (plane * (1 - plain) + plain * (112 + (yy - horizon) * 140 + grass)).astype(np.float32)


def _tent(draw: ImageDraw.ImageDraw, x: float, y: float, size: float, wall: object = 196) -> None:
    """Draw a round felt tent with its door, *size* being half its width."""
    shade = 58 if isinstance(wall, int) else (66, 66, 60)
    roof = 214 if isinstance(wall, int) else (236, 234, 226)
    rope = 150 if isinstance(wall, int) else (150, 140, 120)
    door = 70 if isinstance(wall, int) else (170, 84, 40)
    draw.ellipse((x - size * 1.2, y - size * 0.07, x + size * 1.5, y + size * 0.2), fill=shade)
    draw.rectangle((x - size, y - size * 0.6, x + size, y + size * 0.04), fill=wall)
    draw.polygon(
        [
            (x - size * 1.04, y - size * 0.6),
            (x - size * 0.16, y - size * 1.14),
            (x + size * 0.16, y - size * 1.14),
            (x + size * 1.04, y - size * 0.6),
        ],
        fill=roof,
    )
    for k in range(-4, 5):
        draw.line(
            (x + k * size / 4.5, y - size * 0.6, x + k * size * 0.036, y - size * 1.13),
            fill=rope,
            width=max(1, int(size / 80)),
        )
    draw.rectangle((x - size, y - size * 0.4, x + size, y - size * 0.36), fill=rope)
    draw.rectangle((x - size * 0.17, y - size * 0.49, x + size * 0.17, y + size * 0.03), fill=door)


def steppe(width: int, height: int, scale: float, seed: int) -> Plane:
    """Tents and herds on a plain before mountains."""
    rng = np.random.default_rng(seed)
    image, draw = _draw_on(_sky(width, height, scale, seed, 0.6))
    for _ in range(26):
        x, y = rng.uniform(0.06, 0.94) * width, rng.uniform(0.62, 0.68) * height
        s = (y / height - 0.58) * width / 190
        draw.ellipse((x - 2.0 * s, y - s, x + 2.0 * s, y + 0.8 * s), fill=int(rng.uniform(50, 215)))
        draw.rectangle((x - 1.3 * s, y, x - s, y + 1.8 * s), fill=60)
        draw.rectangle((x + s, y, x + 1.3 * s, y + 1.8 * s), fill=60)
        draw.ellipse((x + 1.5 * s, y - 1.8 * s, x + 2.9 * s, y - 0.4 * s), fill=70)
    for x, y, size in ((0.28, 0.76, 0.11), (0.51, 0.70, 0.07), (0.79, 0.80, 0.125)):
        _tent(draw, x * width, y * height, size * width)
    return np.asarray(image, np.float32)


def hall(width: int, height: int, scale: float, seed: int) -> Plane:
    """A works hall with kettles, pipes and a group of visitors in coats."""
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    plane = 150 - 40 * yy / height + 40 * np.exp(-(((xx / width - 0.5) / 0.4) ** 2))
    plane += cloud(width, height, ((300, 8), (40, 3)), seed, scale)
    image, draw = _draw_on(plane)
    draw.polygon(
        [(0, height), (0, height * 0.72), (width, height * 0.72), (width, height)], fill=118
    )
    for k in range(-14, 15):
        draw.line(
            (width * (0.5 + k * 0.035), height * 0.72, width * (0.5 + k * 0.12), height),
            fill=100,
            width=max(1, width // 800),
        )
    for k in range(6):
        left = width * (0.05 + k * 0.16)
        draw.rectangle((left, height * 0.06, left + width * 0.1, height * 0.34), fill=226)
        for bar in range(1, 4):
            draw.line(
                (left + width * bar / 40, height * 0.06, left + width * bar / 40, height * 0.34),
                fill=120,
                width=max(2, width // 500),
            )
        draw.line((left, height * 0.2, left + width * 0.1, height * 0.2), 120, max(2, width // 500))
    for k in range(4):
        x, tall = width * (0.14 + k * 0.24), height * 0.34
        for step in range(40):
            t = step / 39 - 0.5
            tone = int(168 + 70 * math.cos(t * 3 + 0.7))
            draw.rectangle(
                (
                    x + t * width * 0.15,
                    height * 0.76 - tall,
                    x + (t + 0.03) * width * 0.15,
                    height * 0.76,
                ),
                fill=tone,
            )
        draw.ellipse(
            (
                x - width * 0.075,
                height * 0.76 - tall * 1.16,
                x + width * 0.08,
                height * 0.76 - tall * 0.84,
            ),
            fill=206,
            outline=90,
            width=max(2, width // 600),
        )
        draw.line((x, height * 0.76 - tall, x, height * 0.37), fill=84, width=max(3, width // 130))
        draw.line((x, height * 0.375, x + width * 0.24, height * 0.375), 84, max(3, width // 130))
    group = [
        (0.30, 0.86, 0.40),
        (0.38, 0.89, 0.44),
        (0.46, 0.87, 0.41),
        (0.55, 0.91, 0.45),
        (0.64, 0.88, 0.42),
        (0.72, 0.87, 0.39),
        (0.22, 0.92, 0.46),
    ]
    plane = np.array(image, np.float32)
    places = [(x * width, y * height, tall * height) for x, y, tall in group]
    people(plane, places, seed, VISITORS)
    return plane


def fair(width: int, height: int, scale: float, seed: int) -> Plane:
    """Stalls with goods under pennants, and people walking between them."""
    rng = np.random.default_rng(seed)
    image, draw = _draw_on(_sky(width, height, scale, seed, 0.55))
    for k in range(5):
        left, right = width * (0.03 + k * 0.195), width * (0.03 + k * 0.195 + 0.17)
        draw.rectangle((left, height * 0.42, right, height * 0.74), fill=int(rng.uniform(70, 130)))
        for i in range(9):
            draw.rectangle(
                (
                    left + (right - left) * i / 9,
                    height * 0.36,
                    left + (right - left) * (i + 1) / 9,
                    height * 0.44,
                ),
                fill=225 if i % 2 else 84,
            )
        for i in range(7):
            x = left + (right - left) * (0.08 + i * 0.125)
            draw.rectangle(
                (x, height * (0.6 - rng.uniform(0.02, 0.09)), x + width * 0.012, height * 0.62),
                fill=int(rng.uniform(120, 240)),
            )
        draw.rectangle((left, height * 0.62, right, height * 0.74), fill=176)
    for i in range(40):
        x = width * i / 40
        y = height * (0.24 + 0.06 * math.sin(i / 40 * math.pi * 3) ** 2)
        draw.polygon(
            [(x, y), (x + width / 60, y), (x + width / 120, y + height * 0.05)],
            fill=int(rng.uniform(40, 200)),
        )
    crowd = [(rng.uniform(0.05, 0.95), rng.uniform(0.78, 0.96)) for _ in range(17)]
    places = [(x * width, y * height, height * (0.28 + (y - 0.78) * 0.7)) for x, y in crowd]
    plane = np.array(image, np.float32)
    people(plane, places, seed)
    return plane


def stadium(width: int, height: int, scale: float, seed: int) -> Plane:
    """A running track and a full stand, seen from above its rim."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    plane = 200 - 30 * yy / height + cloud(width, height, ((400, 12), (90, 5)), seed, scale)
    image, draw = _draw_on(plane)
    for ring in range(18):
        shrink = ring * 0.013
        draw.ellipse(
            (
                width * (-0.12 + shrink),
                height * (0.22 + shrink * 1.5),
                width * (1.12 - shrink),
                height * (1.16 - shrink * 2),
            ),
            fill=int(70 + ring * 4 + 22 * (ring % 2)),
        )
    for _ in range(6000):
        turn, reach = rng.uniform(math.pi, 2 * math.pi), rng.uniform(0.40, 0.60)
        x, y = (
            width * (0.5 + reach * math.cos(turn)),
            height * (0.68 + 0.44 * reach / 0.6 * math.sin(turn)),
        )
        dot = width / 900
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=int(rng.uniform(40, 230)))
    for lane in range(9):
        far = lane * 0.018
        draw.ellipse(
            (
                width * (0.14 + far),
                height * (0.48 + far),
                width * (0.86 - far),
                height * (0.98 - far),
            ),
            fill=128 if lane < 8 else 150,
            outline=214,
            width=max(1, width // 900),
        )
    for k in range(13):
        x = width * (0.09 + k * 0.068)
        draw.line((x, height * 0.10, x, height * 0.30), fill=60, width=max(2, width // 600))
        draw.rectangle(
            (x, height * 0.10, x + width * 0.036, height * 0.145), fill=int(rng.uniform(60, 230))
        )
    return np.asarray(image, np.float32) - 20 * np.hypot(xx / width - 0.5, yy / height - 0.5)


def rescue(width: int, height: int, scale: float, seed: int) -> Plane:
    """A team in orange beside a white tent, crates and blankets, in colour."""
    gray = _sky(width, height, scale, seed, 0.56)
    down = (np.arange(height, dtype=np.float32) / height)[:, None, None]
    sky, ground = np.array([0.86, 0.98, 1.18]), np.array([1.16, 1.06, 0.86])
    warm = 1 / (1 + np.exp(-(down - 0.5) * 24))
    image, draw = _draw_on(gray[..., None] * (sky * (1 - warm) + ground * warm))
    _tent(draw, width * 0.17, height * 0.76, width * 0.13, (214, 214, 206))
    for k in range(7):
        left, top = width * (0.76 + 0.052 * (k % 4)), height * (0.70 - 0.075 * (k // 4))
        draw.rectangle(
            (left, top, left + width * 0.05, top + height * 0.072),
            fill=(186 - 7 * k, 152 - 6 * k, 104 - 5 * k),
            outline=(90, 74, 50),
            width=max(2, width // 700),
        )
    rows = [(0.36 + 0.056 * k, 0.80 + 0.012 * (k % 2), 0.29) for k in range(7)]
    rows += [(0.40 + 0.075 * k, 0.93, 0.35) for k in range(5)]
    plane = np.array(image, np.float32)
    places = [(x * width, y * height, tall * height) for x, y, tall in rows]
    people(plane, places, seed, OVERALLS)
    return plane


SCENES: dict[str, Scene] = {
    "steppe": steppe,
    "hall": hall,
    "fair": fair,
    "stadium": stadium,
    "rescue": rescue,
}
