"""Standing figures for the invented photographs: rounded, clothed, without faces."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from paper import Plane, blank, blur, cover_of

Tone = float | Sequence[float] | Plane
Outline = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Dress:
    """What the figures of one picture wear, as gray values or as colours."""

    coats: Sequence[Tone]
    skin: Tone
    trousers: Tone
    hat: Tone
    front: Tone
    tie: bool


SUITS = Dress((44, 66, 92, 58, 120), skin=172, trousers=46, hat=46, front=214, tie=True)
OVERALLS = Dress(
    ((224, 104, 30), (236, 126, 40), (208, 88, 26)),
    skin=(178, 142, 118),
    trousers=(58, 62, 80),
    hat=(232, 232, 226),
    front=(214, 214, 190),
    tie=False,
)


def people(
    plane: Plane, places: Sequence[tuple[float, float, float]], seed: int, dress: Dress = SUITS
) -> None:
    """Draw standing figures: where the feet are (x, y) and how tall, in pixels, far ones first."""
    rng = np.random.default_rng(seed)
    for x, y, tall in sorted(places, key=lambda place: place[1]):
        lean = rng.uniform(-0.012, 0.012)
        coat = dress.coats[int(rng.integers(len(dress.coats)))]
        for outline, tone, strength in _figure(dress, coat, rng):
            points = [(x + tall * (a + lean * b), y - tall * b) for a, b in outline]
            _part(plane, points, tall, np.asarray(tone, np.float32), strength)


def _figure(
    dress: Dress, coat: Tone, rng: np.random.Generator
) -> Iterator[tuple[Outline, Tone, float]]:
    """Yield a figure's parts, rear ones first: outline (feet at 0, height 1), tone, opacity."""
    stance, swing = rng.uniform(0.035, 0.06), rng.uniform(-0.02, 0.03)
    hem = 0.42 if rng.random() < 0.5 else 0.34
    black = np.asarray(dress.trousers, np.float32) * 0.4
    yield _oval(0.07, 0, 0.24, 0.026), black, 0.5
    for side in (-1, 1):
        foot, hip = side * stance, side * 0.05
        leg = [(foot - 0.036, 0.02), (foot + 0.036, 0.02), (hip + 0.05, 0.5), (hip - 0.05, 0.5)]
        yield _oval(foot + side * 0.018, 0.012, 0.042, 0.018), black, 1
        yield leg, dress.trousers, 1
    half = [(0.125, hem), (0.112, 0.62), (0.135, 0.79), (0.10, 0.825), (0.04, 0.845)]
    yield _mirrored(half), coat, 1
    if dress.tie:
        yield [(-0.032, 0.848), (0.032, 0.848), (0.0, 0.74)], dress.front, 1
        yield _mirrored([(0, 0.745), (0.011, 0.76), (0.008, 0.82)]), dress.trousers, 1
    else:
        yield _mirrored([(0.113, 0.64), (0.118, 0.675)]), dress.front, 1
    for side in (-1, 1):
        hand = 0.155 + swing
        arm = [(0.095, 0.822), (0.142, 0.785), (0.165, 0.62), (hand + 0.027, 0.44)]
        arm += [(hand - 0.027, 0.44), (0.112, 0.62)]
        yield _oval(side * hand, 0.425, 0.022, 0.032), dress.skin, 1
        yield [(side * a, b) for a, b in arm], coat, 1
    yield _mirrored([(0.03, 0.835), (0.028, 0.9)]), np.asarray(dress.skin, np.float32) * 0.88, 1
    yield _oval(0, 0.925, 0.052, 0.068), dress.skin, 1
    yield _oval(0, 0.965, 0.056, 0.040), dress.hat, 1


def _mirrored(half: Outline) -> Outline:
    """Return the outline that *half*, right of the middle, has with its mirror image."""
    return [*half, *((-a, b) for a, b in reversed(half))]


def _oval(x: float, y: float, wide: float, high: float) -> list[tuple[float, float]]:
    """Return the outline of an ellipse about *x*, *y* with half its width and height."""
    turns = np.linspace(0, 2 * math.pi, 40)
    return [(x + wide * math.cos(turn), y + high * math.sin(turn)) for turn in turns]


def _part(
    plane: Plane,
    outline: Sequence[tuple[float, float]],
    tall: float,
    tone: Plane,
    strength: float,
) -> None:
    """Fill an outline with a tone that is lighter at its upper left, darker at its lower right."""
    reach = math.ceil(tall * 0.05)
    left = max(0, math.floor(min(a for a, _ in outline)) - reach)
    top = max(0, math.floor(min(b for _, b in outline)) - reach)
    right = min(plane.shape[1], math.ceil(max(a for a, _ in outline)) + reach)
    bottom = min(plane.shape[0], math.ceil(max(b for _, b in outline)) + reach)
    if right - left < 2 or bottom - top < 2:
        return
    image, draw = blank(right - left, bottom - top)
    draw.polygon([(a - left, b - top) for a, b in outline], fill=255)
    cover = blur(cover_of(image), tall * 0.003) * strength
    body = blur(cover, tall * 0.022)
    shift = max(1, round(tall * 0.016))
    light = (np.roll(body, (-shift, -shift), (0, 1)) - body) * 70 * strength
    area = plane[top:bottom, left:right]
    if plane.ndim == 3:
        cover, light = cover[..., None], light[..., None]
    area[:] = area * (1 - cover) + cover * (tone + light)
