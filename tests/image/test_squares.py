"""A JPEG that is decoded at once shows what libvips shows of it, square by square."""

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
from iiifserver.image.render import read_level
from iiifserver.image.render.squares import computed, cut_up, decoded_whole, read_ahead

P3 = bytes(pyvips.Image.profile_load("p3"))
SRGB = bytes(pyvips.Image.profile_load("srgb"))


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, "JPEG", quality=90, **options)
    return path


def put_together(pieces: Iterator[Any], width: int) -> Any:
    """Return the picture of squares that come row by row."""
    rows, row = [], list[Any]()
    for piece in pieces:
        row.append(piece[..., :3])
        if sum(each.shape[1] for each in row) == width:
            rows.append(np.hstack(row))
            row.clear()
    assert not row
    return np.squeeze(np.vstack(rows))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path = saved(tmp_path / "p.jpg", picture(83, 61), exif=exif, subsampling=0)
    whole = decoded_whole(path, describe_page(path))
    with Image.open(path) as file:
        expected = np.asarray(ImageOps.exif_transpose(file))
    assert whole is not None
    given = put_together(cut_up(whole, 32), expected.shape[1])
    assert np.abs(given.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
def test_both_ways_give_the_same_pixels(mode: str, options: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", picture(183, 61).convert(mode), **options)
    header, told = describe_page(path), list[int]()
    image = read_level(path, header, 0, Box(0, 0, 183, 61))
    by_squares = [*computed(image, 32, told.append)]
    whole = decoded_whole(path, header)
    assert whole is not None
    at_once = [*cut_up(whole, 32)]
    assert [each.shape for each in at_once] == [each.shape for each in by_squares]
    both = (put_together(iter(way), 183).astype(int) for way in (by_squares, at_once))
    assert np.abs(np.subtract(*both)).max() <= 1
    assert sorted(set(told)) == [0, 52]


@pytest.mark.parametrize("rows", [1, 5, 27, 100, 257, 300])
@pytest.mark.parametrize("side", [64, 256, 512])
def test_what_can_be_read_only_once_comes_in_squares(rows: int, side: int, tmp_path: Path) -> None:
    """libvips gives lines of a stream up when it goes on, a strip of the file at a time."""
    source, path = picture(900, 1100), tmp_path / "p.tif"
    source.save(path, compression="tiff_lzw", tiffinfo={278: rows})
    image = read_level(path, describe_page(path), 0, Box(0, 0, 900, 1100))
    assert np.array_equal(put_together(computed(image, side, id), 900), np.asarray(source))


def test_what_is_computed_ahead_comes_in_its_order_and_so_does_an_error() -> None:
    def pieces(count: int, then: type[Exception] | None = None) -> Iterator[Any]:
        for number in range(count):
            yield np.full((1, 1, 1), number)
        if then:
            raise then

    assert [piece.item() for piece in read_ahead(pieces(1000), 64, 9)] == list(range(1000))
    assert list(read_ahead(pieces(0), 64, 9)) == []
    with pytest.raises(KeyError):
        list(read_ahead(pieces(500, KeyError), 64, 9))


@pytest.mark.parametrize(("across", "most_bytes"), [(1_000, 48 << 20), (4, 8 << 20)])
def test_no_more_than_a_row_of_squares_is_computed_ahead_and_nothing_after_the_end(
    across: int, most_bytes: int
) -> None:
    begun = []

    def pieces() -> Iterator[Any]:
        for number in range(100_000):
            begun.append(number)
            yield np.zeros((1, 1, 1))

    ahead = read_ahead(pieces(), 512, across)
    next(ahead)
    ahead.close()
    assert 0 < len(begun) * 512 * 512 * 3 < most_bytes


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
