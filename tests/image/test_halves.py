"""A JPEG that two cores decode, each one half of it, shows what one decoder shows of it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import simplejpeg
from PIL import Image, ImageFile

from iiifserver.image.containers import describe_page
from iiifserver.image.plan import Box
from iiifserver.image.render import entropy, halves, read_level
from iiifserver.image.render.baseline import baseline
from iiifserver.image.render.entropy import Entry, entry
from iiifserver.image.render.halves import read_by_two

SIZE = (1_203, 1_118)
HEAD_BYTES = 64 << 10


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Pillow write what it optimizes: it takes no larger pictures else."""
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 8 << 20)


def page(size: tuple[int, int] = SIZE, seed: int = 1) -> Image.Image:
    """Return noise on paper, with ink, a photograph in colours, and a blank part."""
    width, height = size
    pick = np.random.default_rng(seed)
    levels = np.full((height, width, 3), (236.0, 228, 205)) + pick.normal(0, 4, (height, width, 1))
    ink = pick.random((height, width)) < 0.02
    levels[ink & (np.arange(width) % 300 < 240)] = (35, 28, 40)
    top, left = height // 3, width // 4
    across, down = np.meshgrid(np.linspace(0, 255, width // 3), np.linspace(255, 0, height // 2))
    levels[top : top + len(down), left : left + down.shape[1]] = np.stack(
        (across, down, (across + down) / 2), -1
    )
    levels[-height // 6 :] = (250, 250, 250)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def saved(path: Path, image: Image.Image, **how: Any) -> Path:
    image.save(path, "JPEG", **{"quality": 88, **how})
    return path


def by_one(path: Path) -> Any:
    header = describe_page(path)
    number, level = next(each for each in enumerate(header.levels) if each[1].scale == 8)
    shown = read_level(path, header, number, Box(0, 0, level.width, level.height)).numpy()
    return shown.reshape(level.height, level.width, -1)


def by_two(path: Path) -> Any:
    height, width, _ = by_one(path).shape
    return read_by_two(path, width, height)


def is_near(found: Any, expected: Any) -> bool:
    """Return whether two pictures differ by what means are rounded by, and no more than colours."""
    apart = np.abs(found.astype(int) - expected)
    return found.shape == expected.shape and apart.max() <= 6 and apart.mean() < 1


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("quality", [50, 75, 88, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2, None])
def test_two_halves_show_what_one_decoder_shows(
    tmp_path: Path, subsampling: int | None, quality: int, *, optimize: bool
) -> None:
    image = page().convert("L") if subsampling is None else page()
    how = {} if subsampling is None else {"subsampling": subsampling}
    path = saved(tmp_path / "p.jpg", image, quality=quality, optimize=optimize, **how)
    found = by_two(path)
    assert found is not None
    assert is_near(found, by_one(path))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [(800, 2_400), (2_401, 807), (641, 1_999)])
def test_it_does_not_matter_where_the_halves_meet(
    tmp_path: Path, size: tuple[int, int], seed: int
) -> None:
    path = saved(tmp_path / "p.jpg", page(size, seed), subsampling=(0, 2)[seed % 2])
    found = by_two(path)
    assert found is not None
    assert is_near(found, by_one(path))


@pytest.mark.parametrize("rough", [1, 2, 3, 5])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_paper_has_no_seam(tmp_path: Path, subsampling: int, rough: int) -> None:
    noise = np.random.default_rng(3).normal(0, rough, (SIZE[1], SIZE[0], 1))
    paper = np.asarray((233, 226, 203)) + noise
    image = Image.fromarray(paper.clip(0, 255).astype(np.uint8))
    found = by_two(saved(tmp_path / "p.jpg", image, subsampling=subsampling))
    assert found is not None
    rows = found.mean(axis=1)
    assert np.ptp(rows, axis=0).max() <= 1


@pytest.mark.parametrize(
    "how",
    [
        {"progressive": True},
        {"quality": 100},  # means are coded to the eighth of a level: there is nothing coarser
        {"restart_marker_rows": 1},
    ],
)
def test_what_cannot_be_divided_is_left_to_one_decoder(tmp_path: Path, how: dict[str, Any]) -> None:
    assert by_two(saved(tmp_path / "p.jpg", page(), **how)) is None


def test_colours_that_are_not_luma_and_chroma_are_left_to_one_decoder(tmp_path: Path) -> None:
    assert by_two(saved(tmp_path / "p.jpg", page().convert("CMYK"))) is None
    rgb = saved(tmp_path / "q.jpg", page(), keep_rgb=True)
    assert by_two(rgb) is None


def test_components_of_the_same_codes_are_left_to_one_decoder(tmp_path: Path) -> None:
    """A place within an MCU could be taken for its beginning, and the mark be found there too."""
    head = bytearray(saved(tmp_path / "p.jpg", page(), subsampling=2).read_bytes()[:HEAD_BYTES])
    assert baseline(bytes(head)) is not None
    scan = head.index(b"\xff\xda")
    for component in range(3):
        head[scan + 6 + 2 * component] = 0
    assert baseline(bytes(head)) is None


def test_where_the_first_half_ends_in_the_dark_nothing_is_cut_off(tmp_path: Path) -> None:
    image = Image.new("RGB", SIZE, (250, 250, 250))
    image.paste(page(), (0, 0))
    image.paste((3, 3, 3), (0, 300, SIZE[0], 900))
    shown = 0
    for seed in range(6):
        path = saved(tmp_path / "p.jpg", image.rotate(180 * (seed % 2)), quality=80 + 2 * seed)
        found = by_two(path)
        assert found is None or is_near(found, by_one(path))
        shown += found is not None
    assert shown


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_file_that_ends_early_is_left_to_one_decoder(tmp_path: Path, share: float) -> None:
    path = saved(tmp_path / "p.jpg", page())
    height, width, _ = by_one(path).shape
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert read_by_two(path, width, height) is None


@pytest.mark.parametrize("missing", [1, 2, 60, 200])
def test_a_file_that_lacks_its_last_bytes_is_left_to_one_decoder_which_refuses_it(
    tmp_path: Path, missing: int
) -> None:
    path = saved(tmp_path / "p.jpg", page())
    height, width, _ = by_one(path).shape
    path.write_bytes(path.read_bytes()[:-missing])
    assert read_by_two(path, width, height) is None
    with pytest.raises(pyvips.Error):
        by_one(path)


def test_what_follows_the_end_of_the_image_changes_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", page())
    found = by_two(path)
    path.write_bytes(path.read_bytes() + bytes(9_000))
    assert found is not None
    assert is_near(by_two(path), found)


@pytest.mark.parametrize("place", [0.2, 0.45, 0.55, 0.8])
def test_damage_within_the_data_is_left_to_one_decoder_or_shown_as_by_it(
    tmp_path: Path, place: float
) -> None:
    path = saved(tmp_path / "p.jpg", page())
    body = bytearray(path.read_bytes())
    at = int(len(body) * place)
    body[at : at + 40] = bytes(range(1, 41))
    path.write_bytes(body)
    found = read_by_two(path, SIZE[0] // 8, SIZE[1] // 8)
    if found is not None:
        with path.open("rb") as file:
            expected = simplejpeg.decode_jpeg(
                file.read(), min_height=SIZE[1] // 8, min_width=1, min_factor=8, strict=False
            )
        apart = np.abs(found.astype(int) - expected[: SIZE[1] // 8, : SIZE[0] // 8])
        assert np.percentile(apart, 99) <= 8


def test_decoders_that_begin_anywhere_agree_where_an_mcu_begins(tmp_path: Path) -> None:
    """Which is where a decoder that began at the beginning has come to."""
    data = saved(tmp_path / "p.jpg", page(), subsampling=2).read_bytes()
    jpeg = baseline(data[:HEAD_BYTES])
    assert jpeg is not None
    coded, places = entropy._unstuffed(data[jpeg.start :])
    windows, blocks = entropy._windows(coded), entropy._lookups(jpeg)
    begun = entropy._mcus(windows, blocks, 4, 0, 8 * (len(coded) - 16), {})
    true = {Entry(jpeg.start + int(places[bit >> 3]), bit & 7) for bit in begun}
    found = [entry(jpeg, data[at : at + 20_000], at) for at in range(30_000, 120_000, 4_999)]
    assert sum(each is not None for each in found) > len(found) / 2
    assert {each for each in found if each} <= true


def test_noise_has_no_place_where_decoders_agree(tmp_path: Path) -> None:
    head = saved(tmp_path / "p.jpg", page()).read_bytes()[:HEAD_BYTES]
    jpeg = baseline(head)
    assert jpeg is not None
    noise = np.random.default_rng(7).bytes(20_000).replace(b"\xff", b"\xfe")
    found = entry(jpeg, noise, 0)
    assert found is None or found.byte < 20_000
    assert entry(jpeg, b"", 0) is None
    assert entry(jpeg, b"\xff\xd9", 0) is None


def test_a_machine_of_one_core_has_one_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "p.jpg", page())
    assert by_two(path) is not None
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert by_two(path) is None


def test_what_was_read_is_let_go_and_what_was_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halves, "_LET_GO_S", 0)
    monkeypatch.setattr(halves, "_KEPT_BYTES", 4_096)
    path = saved(tmp_path / "p.jpg", page())
    found = by_two(path)
    assert found is not None
    assert is_near(found, by_one(path))


@pytest.mark.parametrize("length", [*range(0, 700, 7)])
def test_a_head_that_ends_early_is_no_head(tmp_path: Path, length: int) -> None:
    body = io.BytesIO()
    page((64, 64)).save(body, "JPEG")
    head = body.getvalue()[:length]
    assert baseline(head) is None or length >= 600
