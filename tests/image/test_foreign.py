"""Pyramids of ImageMagick and Bio-Formats are used as they are, in their own colours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from foreign_pyramids import as_bio_formats, as_imagemagick
from image_sources import picture
from PIL import Image

from iiifserver.errors import BrokenSource
from iiifserver.image.containers import describe_page
from iiifserver.image.form import Form, needs_pyramid
from iiifserver.image.job import Encoding, Picture
from iiifserver.image.plan import Box, Plan
from iiifserver.image.render import mosaic, render
from iiifserver.image.request import Rotation
from iiifserver.image.stored import Stored, read_stored
from iiifserver.image.storing import store

SIZE, TILE, LEVELS = (397, 523), 128, 4
FORM = Form(tile=TILE)
ALIKE = 20  # false colours differ by 80


def bio_formats(path: Path) -> Path:
    return as_bio_formats(path, picture(*SIZE), TILE, LEVELS)


def imagemagick(path: Path) -> Path:
    return as_imagemagick(path, picture(*SIZE), TILE, LEVELS)


def stored(path: Path) -> Stored:
    sidecar = path.with_suffix(".tiles")
    store(path, describe_page(path), "one", sidecar, FORM)
    found = read_stored(sidecar, path, "one")
    assert found is not None
    return found


def plan_of(box: Box, scale: int) -> Plan:
    size = (-(-box.width // scale), -(-box.height // scale))
    return Plan(box, *size, Rotation(), "default", "jpg", canonical="")


def tiles() -> list[tuple[Plan, Image.Image]]:
    """Return what viewers ask for, and what they should see."""
    found = []
    for scale in (1, 2, 4):
        side = TILE * scale
        for top in range(0, SIZE[1], side):
            for left in range(0, SIZE[0], side):
                box = Box(left, top, min(side, SIZE[0] - left), min(side, SIZE[1] - top))
                plan = plan_of(box, scale)
                part = picture(*SIZE).crop((left, top, left + box.width, top + box.height))
                size = (plan.width, plan.height)
                found.append((plan, part.resize(size, Image.Resampling.BOX)))
    return found


def difference(jpeg: bytes, expected: Image.Image) -> float:
    with Image.open(io.BytesIO(jpeg)) as image:
        found = np.asarray(image.convert("RGB")).astype(int)
    return float(np.abs(found - np.asarray(expected)).mean())


@pytest.mark.parametrize("write", [bio_formats, imagemagick])
def test_pyramids_of_other_programs_are_used_with_all_their_levels(write, tmp_path: Path) -> None:
    header = describe_page(write(tmp_path / "p.tif"))
    assert [level.scale for level in header.levels] == [1, 2, 4, 8]
    assert not needs_pyramid(header, 0, FORM)


def test_whole_tiles_of_bio_formats_are_sent_from_its_file(tmp_path: Path) -> None:
    path = bio_formats(tmp_path / "p.tif")
    found, sent = stored(path), 0
    for plan, expected in tiles():
        place = found.find(plan)
        assert place is not None
        assert difference(place.read(), expected) < ALIKE
        sent += place.path == str(path)
    assert sent >= 12 + 2  # at full size and at the half


@pytest.mark.parametrize("write", [bio_formats, imagemagick])
def test_tiles_of_other_programs_show_the_scan(write, tmp_path: Path) -> None:
    path = write(tmp_path / "p.tif")
    header = describe_page(path)
    for plan, expected in tiles():
        assert difference(render(Picture("p", path, header, plan, Encoding())), expected) < ALIKE


def test_a_picture_of_any_size_is_made_of_what_libtiff_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mosaic, "_MOST_PIXELS", 1000)
    path = bio_formats(tmp_path / "p.tif")
    plan = plan_of(Box(0, 0, *SIZE), 1)
    made = render(Picture("p", path, describe_page(path), plan, Encoding()))
    assert difference(made, picture(*SIZE)) < ALIKE


def test_tiles_of_one_colour_each_are_refused_by_name(tmp_path: Path) -> None:
    path = as_bio_formats(tmp_path / "p.tif", picture(*SIZE), TILE, LEVELS, planes=True)
    with pytest.raises(BrokenSource, match="has tiles of one colour each"):
        describe_page(path)
