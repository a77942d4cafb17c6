"""A JPEG that is decoded in sections shows what it shows decoded from its beginning."""

from __future__ import annotations

import functools
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
from iiifserver.image.render import dividing, entropy, pieces, read_level, reading, stream
from iiifserver.image.render.baseline import baseline
from iiifserver.image.render.dividing import Eighth, read_in_sections
from iiifserver.image.render.entropy import Entry, Finder
from iiifserver.image.render.sections import Section, begun, packed, unpacked

SIZE = (1_203, 1_118)
HEAD_BYTES = 64 << 10


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small files divided, and Pillow write what it optimizes, however large that is."""
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 20_000)
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 8 << 20)


@functools.lru_cache(4)
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


def in_sections(path: Path) -> Eighth | None:
    height, width, _ = by_one(path).shape
    return read_in_sections(path, width, height)


def is_near(found: Eighth | None, expected: Any) -> bool:
    """Return whether two pictures differ by what means are rounded by, and no more than colours."""
    assert found is not None
    apart = np.abs(found.samples.astype(int) - expected)
    return found.samples.shape == expected.shape and apart.max() <= 6 and apart.mean() < 1


def begun_later(path: Path, number: int, box: Box, found: Eighth | None) -> Any:
    """Return pixels of a level, decoded from a section on that begins above them."""
    header = describe_page(path)
    level = header.levels[number]
    assert found is not None
    later = begun(path, found.sections, box.y * level.scale)
    assert later is not None
    assert later.start > 20_000
    return reading._loaded(path, header, level, box, later).numpy()


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("quality", [50, 75, 88, 95, 97, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2, None])
def test_sections_show_what_one_decoder_shows(
    tmp_path: Path, subsampling: int | None, quality: int, *, optimize: bool
) -> None:
    image = page().convert("L") if subsampling is None else page()
    how = {} if subsampling is None else {"subsampling": subsampling}
    path = saved(tmp_path / "p.jpg", image, quality=quality, optimize=optimize, **how)
    assert is_near(in_sections(path), by_one(path))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [(800, 2_400), (2_401, 807), (641, 1_999)])
def test_it_does_not_matter_where_sections_meet(
    tmp_path: Path, size: tuple[int, int], seed: int
) -> None:
    path = saved(tmp_path / "p.jpg", page(size, seed), subsampling=(0, 2)[seed % 2])
    assert is_near(in_sections(path), by_one(path))


@pytest.mark.parametrize("rough", [1, 2, 3, 5])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_paper_has_no_seam(tmp_path: Path, subsampling: int, rough: int) -> None:
    noise = np.random.default_rng(3).normal(0, rough, (SIZE[1], SIZE[0], 1))
    paper = np.asarray((233, 226, 203)) + noise
    image = Image.fromarray(paper.clip(0, 255).astype(np.uint8))
    found = in_sections(saved(tmp_path / "p.jpg", image, subsampling=subsampling))
    assert found is not None
    rows = found.samples.mean(axis=1)
    assert np.ptp(rows, axis=0).max() <= 1


def test_what_cannot_be_divided_is_left_to_one_decoder(tmp_path: Path) -> None:
    assert in_sections(saved(tmp_path / "p.jpg", page(), progressive=True)) is None


def test_colours_that_are_not_luma_and_chroma_are_left_to_one_decoder(tmp_path: Path) -> None:
    assert in_sections(saved(tmp_path / "p.jpg", page().convert("CMYK"))) is None
    rgb = saved(tmp_path / "q.jpg", page(), keep_rgb=True)
    assert in_sections(rgb) is None


def test_components_of_the_same_codes_are_left_to_one_decoder(tmp_path: Path) -> None:
    """A place within an MCU could be taken for its beginning, and the mark be found there too."""
    head = bytearray(saved(tmp_path / "p.jpg", page(), subsampling=2).read_bytes()[:HEAD_BYTES])
    assert baseline(bytes(head)) is not None
    scan = head.index(b"\xff\xda")
    for component in range(3):
        head[scan + 6 + 2 * component] = 0
    assert baseline(bytes(head)) is None


@pytest.mark.parametrize("quality", range(80, 96, 3))
def test_a_section_whose_samples_would_be_cut_off_is_decoded_from_its_own_means(
    tmp_path: Path, quality: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    shown = dividing._Decoder.shown

    def watched(self: Any, entry: Any, end: Any, means: Any = None) -> Any:
        decoded.append(means)
        return shown(self, entry, end, means)

    monkeypatch.setattr(dividing._Decoder, "shown", watched)
    levels = np.where(np.arange(SIZE[1]) // 180 % 2, 240, 12)[:, None, None]
    noise = np.random.default_rng(quality).normal(0, 5, (SIZE[1], SIZE[0], 1))
    image = Image.fromarray((levels + noise + (4, 2, 0)).clip(0, 255).astype(np.uint8))
    path = saved(tmp_path / "p.jpg", image, quality=quality)
    assert is_near(in_sections(path), by_one(path))
    assert any(means is not None for means in decoded)


def test_a_section_is_not_decoded_from_means_that_its_codes_do_not_lead_to(tmp_path: Path) -> None:
    """It would be said to have MCUs before it that were not written."""
    path = saved(tmp_path / "p.jpg", page())
    with path.open("rb") as file:
        jpeg = baseline(file.read(HEAD_BYTES))
        assert jpeg is not None
        decoder = dividing._Decoder(file.fileno(), jpeg)
        _, (entry, end), *_ = decoder.ends()
        with pytest.raises(ValueError, match="lead to no such means"):
            decoder.shown(entry, end, (1_000_000, 0, 0))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_file_that_ends_early_is_left_to_one_decoder(tmp_path: Path, share: float) -> None:
    path = saved(tmp_path / "p.jpg", page())
    height, width, _ = by_one(path).shape
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert read_in_sections(path, width, height) is None


@pytest.mark.parametrize("missing", [1, 2, 60, 200])
def test_a_file_that_lacks_its_last_bytes_is_left_to_one_decoder_which_refuses_it(
    tmp_path: Path, missing: int
) -> None:
    path = saved(tmp_path / "p.jpg", page())
    height, width, _ = by_one(path).shape
    path.write_bytes(path.read_bytes()[:-missing])
    assert read_in_sections(path, width, height) is None
    with pytest.raises(pyvips.Error):
        by_one(path)


def test_quantizers_of_16_bits_are_left_to_one_decoder(tmp_path: Path) -> None:
    head = saved(tmp_path / "p.jpg", page()).read_bytes()[:HEAD_BYTES]
    assert baseline(head) is not None
    start = head.index(b"\xff\xdb")
    for table in (b"\x10" + bytes(range(1, 65)) * 2, bytes(65) + b"\x11" + bytes(128)):
        segment = b"\xff\xdb" + (len(table) + 2).to_bytes(2, "big") + table
        assert baseline(head[:start] + segment + head[start:]) is None


def test_a_jfif_segment_that_is_too_short_names_no_colours(tmp_path: Path) -> None:
    head = saved(tmp_path / "p.jpg", page()).read_bytes()[:HEAD_BYTES]
    rgb = b"\xff\xee\x00\x0eAdobe" + bytes(7)
    end = 4 + int.from_bytes(head[4:6], "big")
    assert baseline(head[:end] + rgb + head[end:]) is not None
    short = b"\xff\xe0\x00\x07JFIF\0"
    assert baseline(head[:2] + short + rgb + head[end:]) is None


def test_where_no_pipe_can_be_had_nothing_is_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "p.jpg", page())

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(24, "Too many open files")

    def refuse_thread(*_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")

    before = sum(1 for _ in Path("/dev/fd").iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(stream.os, "pipe", refuse)
        with pytest.raises(pyvips.Error, match="pipe"):
            stream.streamed(path)
    with monkeypatch.context() as patched:
        patched.setattr(stream.threading.Thread, "start", refuse_thread)
        with pytest.raises(pyvips.Error, match="thread"):
            stream.streamed(path)
    assert sum(1 for _ in Path("/dev/fd").iterdir()) == before


def test_a_file_that_is_mostly_something_else_is_not_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "p.jpg", page())
    monkeypatch.setattr(dividing, "MOST_BYTES", 10_000)
    assert in_sections(path) is None


def test_what_follows_the_end_of_the_image_changes_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", page())
    found = in_sections(path)
    path.write_bytes(path.read_bytes() + bytes(9_000))
    assert found is not None
    assert is_near(in_sections(path), found.samples)


@pytest.mark.parametrize("place", [0.2, 0.45, 0.55, 0.6, 0.71, 0.74, 0.8])
def test_damage_within_the_data_is_left_to_one_decoder_or_shown_as_by_it(
    tmp_path: Path, place: float
) -> None:
    path = saved(tmp_path / "p.jpg", page())
    body = bytearray(path.read_bytes())
    at = int(len(body) * place)
    body[at : at + 40] = bytes(range(1, 41))
    path.write_bytes(body)
    found = read_in_sections(path, SIZE[0] // 8, SIZE[1] // 8)
    if found is not None:
        with path.open("rb") as file:
            expected = simplejpeg.decode_jpeg(
                file.read(), min_height=SIZE[1] // 8, min_width=1, min_factor=8, strict=False
            )
        apart = np.abs(found.samples.astype(int) - expected[: SIZE[1] // 8, : SIZE[0] // 8])
        assert np.percentile(apart, 99) <= 8


def test_decoders_that_begin_anywhere_agree_where_an_mcu_begins(tmp_path: Path) -> None:
    """Which is where a decoder that began at the beginning has come to."""
    data = saved(tmp_path / "p.jpg", page(), subsampling=2).read_bytes()
    jpeg = baseline(data[:HEAD_BYTES])
    assert jpeg is not None
    coded, places = entropy._unstuffed(data[jpeg.start :])
    windows, blocks, finder = entropy._windows(coded), entropy._lookups(jpeg), Finder(jpeg)
    begun = entropy._mcus(windows, blocks, 4, 0, 8 * (len(coded) - 16), {})
    true = {Entry(jpeg.start + int(places[bit >> 3]), bit & 7) for bit in begun}
    found = [finder.find(data[at : at + 4_096], at) for at in range(30_000, 120_000, 4_999)]
    assert sum(each is not None for each in found) > len(found) / 2
    assert {each for each in found if each} <= true


def test_in_noise_no_place_is_found_outside_of_it(tmp_path: Path) -> None:
    head = saved(tmp_path / "p.jpg", page()).read_bytes()[:HEAD_BYTES]
    jpeg = baseline(head)
    assert jpeg is not None
    noise = np.random.default_rng(7).bytes(20_000).replace(b"\xff", b"\xfe")
    finder = Finder(jpeg)
    found = finder.find(noise, 0)
    assert found is None or found.byte < 20_000
    assert finder.find(b"", 0) is None
    assert finder.find(b"\xff\xd9", 0) is None


@pytest.mark.parametrize("cores", [None, 1, 3])
def test_cores_change_nothing(
    tmp_path: Path, cores: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "p.jpg", page(), quality=92)
    expected = in_sections(path)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    found = in_sections(path)
    assert expected is not None
    assert found is not None
    assert (found.samples == expected.samples).all()
    assert found.sections == expected.sections


def test_a_blank_part_has_many_rows_in_few_bytes(tmp_path: Path) -> None:
    """More rows than sections have on average, so that there is no room for them at first."""
    image = Image.new("RGB", (1_203, 4_000), (240, 238, 230))
    image.paste(page(), (0, 0))
    image.paste(page(), (0, 2_882))
    path = saved(tmp_path / "p.jpg", image)
    assert is_near(in_sections(path), by_one(path))


# -- what is decoded from a section on


@pytest.mark.parametrize(("quality", "optimize"), [(91, False), (91, True), (100, False)])
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("subsampling", [0, 1, 2, None])
def test_what_lies_behind_a_section_is_to_the_bit_what_it_is_from_the_beginning(
    tmp_path: Path, subsampling: int | None, scale: int, quality: int, *, optimize: bool
) -> None:
    image = page().convert("L") if subsampling is None else page()
    how = {} if subsampling is None else {"subsampling": subsampling}
    path = saved(tmp_path / "p.jpg", image, quality=quality, optimize=optimize, **how)
    header, found = describe_page(path), in_sections(path)
    number = next(each for each, level in enumerate(header.levels) if level.scale == scale)
    level = header.levels[number]
    for top in (400, 611, 736, 1_000):
        for height in (16, level.height - top // scale):
            box = Box(5, top // scale, level.width - 5, height)
            expected = read_level(path, header, number, box).numpy()
            assert (begun_later(path, number, box, found) == expected).all()


def test_so_it_is_where_no_pipe_is_filled_by_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "p.jpg", page())
    header, found, box = describe_page(path), in_sections(path), Box(3, 700, 900, 418)
    expected = read_level(path, header, 0, box).numpy()
    monkeypatch.setattr(stream.sys, "platform", "darwin")
    assert (begun_later(path, 0, box, found) == expected).all()


def test_each_section_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", page((2_011, 1_902)), subsampling=2)
    header, found = describe_page(path), in_sections(path)
    assert found is not None
    assert len(found.sections) > 8
    for section in found.sections[1:]:
        top = (section.mcu // (-(-2_011 // 16)) + 2) * 16
        box = Box(0, top, 2_011, min(20, 1_902 - top))
        later = begun(path, [section], top)
        assert later is not None
        shown = reading._loaded(path, header, header.levels[0], box, later).numpy()
        assert (shown == read_level(path, header, 0, box).numpy()).all()


def test_what_lies_above_the_first_section_is_decoded_from_the_beginning(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", page())
    found = in_sections(path)
    assert found is not None
    assert begun(path, found.sections, 0) is None
    assert begun(path, found.sections, 16) is None
    assert begun(path, (), 1_000) is None


def test_a_file_that_is_another_by_now_is_decoded_from_its_beginning(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", page())
    found = in_sections(path)
    assert found is not None
    saved(path, page(), progressive=True)
    assert begun(path, found.sections, 1_000) is None


# -- restarts

RESTARTS = [
    {"restart_marker_rows": 1},
    {"restart_marker_rows": 3},
    {"restart_marker_blocks": 1},
    {"restart_marker_blocks": 7},
    {"restart_marker_blocks": 38},
    {"restart_marker_blocks": 64},
]


def restarted(path: Path, how: dict[str, Any], subsampling: int | None = 2) -> Path:
    """Write a JPEG of gray or colours that is larger than others here: restarts are far between."""
    image = page((1_203, 2_618))
    if subsampling is None:
        return saved(path, image.convert("L"), **how)
    return saved(path, image, subsampling=subsampling, **how)


@pytest.mark.parametrize("how", RESTARTS, ids=str)
@pytest.mark.parametrize("subsampling", [0, 1, 2, None])
def test_sections_between_restarts_show_what_one_decoder_shows(
    tmp_path: Path, subsampling: int | None, how: dict[str, Any]
) -> None:
    path = restarted(tmp_path / "p.jpg", how, subsampling)
    found, expected = in_sections(path), by_one(path)
    assert found is not None
    assert len(found.sections) > 3
    assert np.abs(found.samples.astype(int) - expected).max() <= 1  # colours are rounded once


@pytest.mark.parametrize("how", RESTARTS, ids=str)
@pytest.mark.parametrize("subsampling", [0, 1, 2, None])
def test_what_lies_behind_a_restart_is_to_the_bit_what_it_is_from_the_beginning(
    tmp_path: Path, subsampling: int | None, how: dict[str, Any]
) -> None:
    path = restarted(tmp_path / "p.jpg", how, subsampling)
    header, found = describe_page(path), in_sections(path)
    for number, level in enumerate(header.levels):
        if level.scale < 8:
            for top in (1_711, 2_236, 2_600):
                box = Box(
                    5,
                    top // level.scale,
                    level.width - 5,
                    min(16, level.height - top // level.scale),
                )
                expected = read_level(path, header, number, box).numpy()
                assert (begun_later(path, number, box, found) == expected).all()


def test_what_follows_the_last_restart_and_the_image_changes_nothing(tmp_path: Path) -> None:
    """As in files of several images, each of which may have restarts."""
    path = restarted(tmp_path / "p.jpg", RESTARTS[0])
    found = in_sections(path)
    path.write_bytes(path.read_bytes() * 2)
    again = in_sections(path)
    assert found is not None
    assert again is not None
    assert (again.samples == found.samples).all()
    assert {section.mcu for section in again.sections} <= {
        2_432 + 8 * 76 * n for n in range(99)
    } | {8 * 76 * n for n in range(99)}


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body.replace(b"\xff\xd3", b"\xff\xd4"),
        lambda body: body.replace(b"\xff\xd3", b"", 1),
        lambda body: body.replace(b"\xff\xd3", b"\xff\xdc", 1),
        lambda body: body[:-2],
        lambda body: body[: len(body) // 2],
        lambda body: body[: len(body) // 2] + b"\xff\xd9",
    ],
    ids=["another", "missing", "a marker", "no end", "half of it", "ended early"],
)
def test_restarts_that_are_not_as_they_must_be_are_left_to_one_decoder(
    tmp_path: Path, damage: Any
) -> None:
    path = restarted(tmp_path / "p.jpg", RESTARTS[0])
    assert in_sections(path)
    path.write_bytes(damage(path.read_bytes()))
    assert read_in_sections(path, 151, 328) is None


def test_damage_between_restarts_is_shown_as_by_one_decoder(tmp_path: Path) -> None:
    path = restarted(tmp_path / "p.jpg", RESTARTS[0])
    body = bytearray(path.read_bytes())
    at = len(body) // 2
    body[at : at + 40] = bytes(range(1, 41))
    path.write_bytes(body)
    found = read_in_sections(path, 151, 328)
    size = {"min_height": 328, "min_width": 151, "min_factor": 8}
    expected = simplejpeg.decode_jpeg(bytes(body), "rgb", strict=False, **size)
    assert found is None or np.abs(found.samples.astype(int) - expected).max() <= 1


def test_too_few_restarts_are_left_to_one_decoder(tmp_path: Path) -> None:
    assert in_sections(restarted(tmp_path / "p.jpg", {"restart_marker_blocks": 9_000})) is None


def test_sections_are_begun_only_where_restarts_are_counted_anew(tmp_path: Path) -> None:
    path = restarted(tmp_path / "p.jpg", RESTARTS[0])
    found = in_sections(path)
    assert found is not None
    section = found.sections[-1]
    for other in (section._replace(mcu=section.mcu - 76), section._replace(entry=Entry(9_000, 3))):
        assert begun(path, [other], 2_600) is None


def test_sections_are_kept_as_they_are() -> None:
    colours = [
        Section(Entry(1 << 40, 7), 123_456, (-1_024, 3, 2_047)),
        Section(Entry(9, 0), 1, (5, 6, 7)),
    ]
    assert unpacked(packed(colours)) == tuple(colours)
    (gray,) = unpacked(packed([Section(Entry(5, 1), 2, (-3,))]))
    assert gray == Section(Entry(5, 1), 2, (-3, 0, 0))
    with pytest.raises(ValueError, match="not whole"):
        unpacked(packed(colours)[:-1])


@pytest.mark.parametrize("length", [*range(0, 700, 7)])
def test_a_head_that_ends_early_is_no_head(tmp_path: Path, length: int) -> None:
    body = io.BytesIO()
    page((64, 64)).save(body, "JPEG")
    head = body.getvalue()[:length]
    assert baseline(head) is None or length >= 600


def test_a_head_without_a_frame_is_no_head() -> None:
    body = io.BytesIO()
    page((64, 64)).save(body, "JPEG")
    head = body.getvalue()
    frame, tables = head.index(b"\xff\xc0"), head.index(b"\xff\xc4")
    assert baseline(head)
    assert baseline(head[:frame] + head[tables:]) is None
