"""A JPEG that is decoded at once shows what libvips shows of it, row by row."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from image_sources import picture
from PIL import Image, ImageOps

from iiifserver.image.containers import describe_page
from iiifserver.image.plan import Box
from iiifserver.image.render import read_level, rows
from iiifserver.image.render.rows import computed, decoded_whole

P3 = bytes(pyvips.Image.profile_load("p3"))
SRGB = bytes(pyvips.Image.profile_load("srgb"))


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, "JPEG", quality=90, **options)
    return path


def samples(numbers: Any) -> Any:
    return numbers.copy().view(np.uint8).reshape(*numbers.shape, -1)[..., :3]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path = saved(tmp_path / "p.jpg", picture(83, 61), exif=exif, subsampling=0)
    whole = decoded_whole(path, describe_page(path))
    with Image.open(path) as file:
        expected = np.asarray(ImageOps.exif_transpose(file))
    assert np.abs(samples(whole).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
def test_both_ways_give_the_same_pixels(
    mode: str, options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_PIECE_BYTES", 16 * 183 * (1 if mode == "L" else 4))
    path = saved(tmp_path / "p.jpg", picture(183, 61).convert(mode), **options)
    header, told = describe_page(path), list[int]()
    image = read_level(path, header, 0, Box(0, 0, 183, 61))
    by_rows = np.vstack([*computed(image, told.append)])
    whole = decoded_whole(path, header)
    assert whole is not None
    assert whole.dtype == by_rows.dtype
    assert np.abs(samples(whole).astype(int) - samples(by_rows)).max() <= 1
    assert told == [0, 26, 52, 78]


def test_what_is_computed_ahead_comes_in_its_order_and_so_does_an_error() -> None:
    def pieces(count: int, then: type[Exception] | None = None) -> Iterator[Any]:
        for number in range(count):
            yield np.full((1, 1), number)
        if then:
            raise then

    assert [piece.item() for piece in rows.read_ahead(pieces(1000))] == list(range(1000))
    assert list(rows.read_ahead(pieces(0))) == []
    with pytest.raises(KeyError):
        list(rows.read_ahead(pieces(500, KeyError)))


def test_only_so_much_is_computed_ahead_and_nothing_after_the_end() -> None:
    begun = []

    def pieces() -> Iterator[Any]:
        for number in range(100_000):
            begun.append(number)
            yield np.zeros((1, 1))

    ahead = rows.read_ahead(pieces())
    next(ahead)
    ahead.close()
    assert 0 < len(begun) < 1000


def test_a_profile_that_changes_nothing_is_no_hindrance(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", picture(83, 61), icc_profile=SRGB)
    assert decoded_whole(path, describe_page(path)) is not None


def jpeg(image: Image.Image, **options: Any) -> bytes:
    body = io.BytesIO()
    image.save(body, "JPEG", **options)
    return body.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        jpeg(picture(83, 61), icc_profile=P3),
        jpeg(picture(83, 61).convert("CMYK")),
        jpeg(picture(83, 61))[:1000],
    ],
    ids=["profile", "cmyk", "half"],
)
def test_what_needs_more_is_left_to_libvips(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    path.write_bytes(body)
    assert decoded_whole(path, describe_page(path)) is None


def test_what_is_large_is_not_held_whole(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", picture(83, 61))
    header = describe_page(path)
    level = replace(header.levels[0], width=8000, height=8000)
    assert decoded_whole(path, header) is not None
    assert decoded_whole(path, replace(header, levels=(level,))) is None
