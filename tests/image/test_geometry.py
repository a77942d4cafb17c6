from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from iiifserver.image.geometry import Crop, Piece, crop_for, stored_box
from iiifserver.image.headers.header import Header, Level, turned
from iiifserver.image.plan import Box


def header(
    width: int = 1000,
    height: int = 600,
    *,
    scales: int = 1,
    tile: int = 0,
    up: bool = False,
    orientation: int = 1,
    form: str = "tiff",
) -> Header:
    """Return the header of an image *width* x *height* as stored, halved *scales* - 1 times."""

    def reduced(side: int, scale: int) -> int:
        return -(-side // scale) if up else max(side // scale, 1)

    levels = [
        Level(reduced(width, scale), reduced(height, scale), scale, index, -1, tile, tile)
        for index, scale in enumerate(2**step for step in range(scales))
    ]
    shown = turned(width, height, orientation)
    return Header(
        form, *shown, orientation, tuple(levels), 3, 8,  # type: ignore[arg-type]
        alpha=False, lossless=True, profile=False, decode_bytes=0, streams=True,
    )  # fmt: skip


def pyramid(width: int = 1000, height: int = 600, *, up: bool = False, scales: int = 5) -> Header:
    return header(width, height, scales=scales, tile=256, up=up)


def one(crop: Crop) -> Piece:
    ((piece,),) = crop.rows
    return piece


def test_full_size_is_read_as_it_is() -> None:
    piece = one(crop_for(pyramid(), Box(10, 20, 300, 200), 300, 200))
    assert piece == (0, (10, 20, 300, 200), 300, 200)


@pytest.mark.parametrize(("factor", "level"), [(2, 1), (4, 2), (8, 3), (16, 4), (32, 4)])
def test_a_tile_is_read_from_its_own_level(factor: int, level: int) -> None:
    """The coarsest level is used that there is; from there on cells are averaged."""
    image = pyramid(6400, 6400)
    piece = one(crop_for(image, Box(0, 64 * factor, 64 * factor, 64 * factor), 64, 64))
    side = 64 * factor >> level
    assert piece == (level, (0, 64 * factor >> level, side, side), 64, 64)


def test_the_last_column_comes_from_a_level_that_has_it() -> None:
    """3977 halved and rounded down is 1988, of which the last column averages 3974 and 3975."""
    (whole, last), (below, corner) = crop_for(
        pyramid(3977, 5923), Box(2048, 4096, 1929, 1827), 965, 914
    ).rows
    assert whole == (1, (1024, 2048, 964, 913), 964, 913)
    assert last == (0, (3976, 4096, 1, 1826), 1, 913)
    assert below == (0, (2048, 5922, 1928, 1), 964, 1)
    assert corner == (0, (3976, 5922, 1, 1), 1, 1)


def test_the_last_column_of_a_level_rounded_up_is_its_own() -> None:
    rows = crop_for(pyramid(3977, 5923, up=True), Box(2048, 4096, 1929, 1827), 965, 914).rows
    assert {piece.level for row in rows for piece in row} == {1}
    assert rows[1][1] == (1, (1988, 2961, 1, 1), 1, 1)


def test_a_stream_is_read_once() -> None:
    """A JPEG's scaled sizes are rounded down: where they lack pixels, all come from full size."""
    photo = header(1003, 600, scales=4, form="jpeg")
    assert {piece.level for piece in crop_for(photo, Box(0, 0, 1003, 600), 126, 75).pieces} == {0}
    assert one(crop_for(photo, Box(0, 0, 800, 600), 100, 75)).level == 3


def test_a_box_beside_a_level_s_pixels_is_read_at_full_size() -> None:
    assert one(crop_for(pyramid(), Box(1, 0, 256, 256), 128, 128)).level == 0


@pytest.mark.parametrize(
    ("size", "level"),
    [((990, 594), 0), ((667, 400), 0), ((666, 399), 1), ((160, 96), 3), ((80, 48), 4)],
)
def test_a_size_without_grid_is_resampled_from_three_pixels_of_two(
    size: tuple[int, int], level: int
) -> None:
    assert one(crop_for(pyramid(1999, 1199), Box(0, 0, 1999, 1199), *size)).level == level


@given(st.data())
def test_a_reduction_comes_to_lie_on_the_pixels_asked_for(data: st.DataObject) -> None:
    """libvips lets the middles meet: of what goes in, and of all that comes out."""
    scan = pyramid(6000, 6000, up=True)
    out = data.draw(st.integers(40, 1000))
    length = data.draw(st.integers(out + 1, 12 * out).filter(lambda side: side < 5900))
    start = data.draw(st.integers(40, 5960 - length))
    crop = crop_for(scan, Box(start, start, length, length), out, out)
    assume(crop.reductions)
    factor, skip = crop.reductions[0]
    piece = one(crop)
    scale = scan.levels[piece.level].scale
    assert factor * scale * out == pytest.approx(length)
    came_out = math.floor(piece.box.width / factor + 0.5)
    assert 0 <= skip <= came_out - out
    middle = piece.box.x + piece.box.width / 2
    begins = middle + (skip - came_out / 2) * factor
    assert abs(begins - start / scale) / factor < 0.2
    assert abs(begins + out * factor - (start + length) / scale) / factor < 0.2


@pytest.mark.parametrize(
    ("lossless", "factor", "level"),
    [(True, 2, 0), (True, 4, 1), (True, 8, 2), (True, 32, 2), (False, 2, 0), (False, 32, 4)],
)
def test_a_wavelet_s_bands_are_averaged_again(lossless: bool, factor: int, level: int) -> None:
    scan = replace(header(1600, 1600, scales=6, up=True, form="jp2"), lossless=lossless)
    piece = one(crop_for(scan, Box(0, 0, 16 * factor, 16 * factor), 16, 16))
    assert piece.level == level
    assert piece.box.width == 16 * factor >> level


@pytest.mark.parametrize("factor", [2, 4, 8, 32])
@pytest.mark.parametrize("lossless", [True, False])
def test_a_large_wavelet_s_bands_are_taken_as_they_are(*, lossless: bool, factor: int) -> None:
    scan = replace(header(6400, 6400, scales=6, up=True, form="jp2"), lossless=lossless)
    tile = one(crop_for(scan, Box(0, 0, 64 * factor, 64 * factor), 64, 64))
    assert scan.levels[tile.level].scale == factor
    thumbnail = one(crop_for(scan, Box(0, 0, 6400, 6400), 300, 300))
    assert scan.levels[thumbnail.level].scale == 16


@pytest.mark.parametrize(
    ("width", "scale", "last"),
    [
        (6400, 8, 800),  # there is no last cell apart
        (6408, 8, 1),  # one pixel of the level is
        (6415, 8, 1),  # less than two are: what the level lacks is left out
        (6407, 4, 1),  # none of that level: the next finer one
        (6401, 1, 1),
    ],
)
def test_the_last_cells_of_a_large_jpeg_are_what_its_level_has(
    width: int, scale: int, last: int
) -> None:
    scan = header(width, 6400, scales=4, form="jpeg")
    crop = crop_for(scan, Box(0, 0, width, 6400), -(-width // 64), 100)
    assert {scan.levels[piece.level].scale for piece in crop.pieces} == {scale}
    *_, piece = crop.rows[0]
    assert piece.box.width == last


@pytest.mark.parametrize(
    ("orientation", "box"),
    [
        (1, (10, 20, 30, 5)),
        (2, (60, 20, 30, 5)),
        (3, (60, 25, 30, 5)),
        (4, (10, 25, 30, 5)),
        (5, (20, 10, 5, 30)),
        (6, (20, 60, 5, 30)),
        (7, (25, 60, 5, 30)),
        (8, (25, 10, 5, 30)),
    ],
)
def test_orientation_is_undone(orientation: int, box: tuple[int, ...]) -> None:
    """The image is shown as 100 x 50."""
    stored = (50, 100) if orientation > 4 else (100, 50)
    assert stored_box(Box(10, 20, 30, 5), header(*stored, orientation=orientation)) == box


def test_the_grid_begins_where_the_image_is_shown_to_begin() -> None:
    """Turned upside down, the cells that are left are the first ones stored."""
    (first, *_), *_ = crop_for(header(5, 3, orientation=3), Box(0, 0, 5, 3), 3, 2).rows
    assert first == (0, (0, 0, 1, 1), 1, 1)


@given(st.data())
def test_pieces_make_the_output_and_stay_in_their_levels(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 3000))
    image = header(
        width,
        height,
        scales=data.draw(st.integers(1, max(min(width, height).bit_length(), 1))),
        tile=data.draw(st.sampled_from([0, 256])),
        up=data.draw(st.booleans()),
        orientation=data.draw(st.integers(1, 8)),
        form=data.draw(st.sampled_from(["tiff", "jpeg", "jp2"])),
    )
    x, y = data.draw(st.integers(0, image.width - 1)), data.draw(st.integers(0, image.height - 1))
    box = Box(
        x,
        y,
        data.draw(st.integers(1, image.width - x)),
        data.draw(st.integers(1, image.height - y)),
    )
    factor = data.draw(st.sampled_from([1, 2, 3, 4, 8, 64]))
    out = -(-box.width // factor), -(-box.height // factor)
    crop = crop_for(image, box, *out)
    assert {sum(piece.width for piece in row) for row in crop.rows} == {
        out[1] if image.orientation > 4 else out[0]
    }
    assert sum(row[0].height for row in crop.rows) == (out[0] if image.orientation > 4 else out[1])
    for piece in crop.pieces:
        level = image.levels[piece.level]
        left, top, across, down = piece.box
        assert min(left, top) >= 0
        assert min(across, down, piece.width, piece.height) >= 1
        assert left + across <= level.width
        assert top + down <= level.height
        if len(crop.pieces) > 1:
            assert across % piece.width == down % piece.height == 0
    if not image.tile_size:
        assert len({piece.level for piece in crop.pieces}) == 1
