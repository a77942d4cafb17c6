"""Pyramids show what their scans show, in tiles, whole or not at all. Pillow judges the pixels."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from image_sources import KINDS, TURNED_HEIC, make, picture, shown, white
from PIL import Image
from pixels import as_srgb, asked, cmyk_profile, difference, seen, served, tiles_of

from iiifserver.config import Config
from iiifserver.errors import BrokenSource
from iiifserver.image import containers
from iiifserver.image.aside import sweep_aside
from iiifserver.image.build import Sidecar, build
from iiifserver.image.containers import describe_page
from iiifserver.image.fixity import damage
from iiifserver.image.form import Form, needs_pyramid, pyramid_name
from iiifserver.image.headers import Header, Level
from iiifserver.image.plan import Box
from iiifserver.image.stored import directories_in, read_stored
from iiifserver.sources import identity_of

SMALL = Form(tile=128)
P3 = bytes(pyvips.Image.profile_load("p3"))


def made(scan: Path, leaf: int = 0, form: Form = SMALL, threads: int = 1) -> Path:
    """Return the pyramid of a scan, which is also the only thing in its folder."""
    target = scan.parent / "pyramids" / "p.tif"
    build(scan, leaf, identity_of(scan.stat()), target, form, threads=threads)
    assert list(target.parent.iterdir()) == [target]
    return target


def full_size(pyramid: Path) -> Image.Image:
    with Image.open(pyramid) as file:
        file.load()
        return file


# -- what a pyramid shows


@pytest.mark.parametrize("kind", KINDS)
def test_a_pyramid_shows_what_its_scan_shows(kind: str, tmp_path: Path) -> None:
    source = picture(397, 293)
    given = full_size(made(make(kind, tmp_path, source)))
    expected = shown(kind, source)
    if expected.mode == "CMYK":
        expected = as_srgb(expected, cmyk_profile())
    elif expected.mode in ("LA", "RGBA"):
        behind = Image.new("RGBA", source.size, "white")
        colours = expected.mode.removesuffix("A")
        expected = Image.alpha_composite(behind, expected.convert("RGBA")).convert(colours)
    assert (given.mode, given.size) == (expected.mode, expected.size)
    # colours of thin strokes are lost to JPEG, their light is not
    assert difference(given.convert("L"), expected.convert("L")).mean() < 5.5
    assert difference(given.reduce(8), expected.reduce(8)).mean() < 2.5


@pytest.mark.parametrize("kind", ["png", "tiff-orientation-6", "jpeg-baseline-420"])
def test_threads_change_nothing(kind: str, tmp_path: Path) -> None:
    scan = make(kind, tmp_path, picture(397, 293))
    alone, together = (
        np.asarray(full_size(made(scan, threads=threads))).astype(int) for threads in (1, 2)
    )
    # another decoder may round otherwise
    assert np.abs(alone - together).mean() < 0.5


def test_a_pyramid_is_tiles_of_jpeg_at_every_half(tmp_path: Path) -> None:
    path = made(make("png", tmp_path, picture(397, 593)))
    sizes = []
    with Image.open(path) as file:
        for page in range(file.n_frames):
            file.seek(page)
            tags = file.tag_v2
            assert (tags[259], tags[322], tags[323]) == (7, 128, 128)  # JPEG; width, height
            assert not {330, 34675} & set(tags)  # no SubIFDs, no profile
            sizes.append(file.size)
    assert sizes == [(397, 593), (199, 297), (100, 149), (50, 75)]  # rounded up
    header = describe_page(path)
    assert [level.scale for level in header.levels] == [1, 2, 4, 8]
    assert not needs_pyramid(header, 0, SMALL)


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (128, 128), (129, 257), (1, 3000), (3000, 5), (40, 20_000)]
)
def test_pictures_of_any_shape_have_a_pyramid(width: int, height: int, tmp_path: Path) -> None:
    path = made(make("png", tmp_path, white(width, height)))
    levels = describe_page(path).levels
    with Image.open(path) as file:
        assert file.n_frames == len(levels)
        for page in range(file.n_frames):
            file.seek(page)
            assert np.asarray(file.convert("L")).min() >= 247
    assert (levels[0].width, levels[0].height) == (width, height)
    assert (
        min(levels[-1].width, levels[-1].height) == 1
        or max(levels[-1].width, levels[-1].height) <= 128
    )


def test_quality_and_tile_are_those_of_the_form(tmp_path: Path) -> None:
    scan = make("png", tmp_path, picture(700, 500))
    sizes = [
        made(scan, form=Form(tile=256, quality=quality)).stat().st_size for quality in (40, 85)
    ]
    assert sizes[0] < 0.6 * sizes[1]
    assert describe_page(scan.parent / "pyramids" / "p.tif").tile_size == (256, 256)


def test_what_is_clear_is_shown_on_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (300, 200), (9, 9, 9, 0)).save(tmp_path / "scan.png")
    given = full_size(made(tmp_path / "scan.png", form=replace(SMALL, background=(250, 240, 200))))
    assert difference(given, Image.new("RGB", (300, 200), (250, 240, 200))).max() <= 2


def test_a_profile_is_converted(tmp_path: Path) -> None:
    source = picture(300, 200)
    source.save(tmp_path / "scan.png", icc_profile=P3)
    given = full_size(made(tmp_path / "scan.png"))
    expected = as_srgb(source, P3)
    assert difference(given.reduce(4), expected.reduce(4)).mean() < 3
    assert difference(source.reduce(4), expected.reduce(4)).mean() > 4  # so it does change it


def test_white_stays_white_in_every_tile_of_every_level(tmp_path: Path) -> None:
    make("png", tmp_path, white(397, 593))
    made(tmp_path / "png.png")
    images = served(tmp_path / "pyramids")
    tiles = [tile for each in tiles_of(images, "p.tif", 128).values() for tile in each]
    assert len(tiles) > 20
    dark = [
        tile.path
        for tile in tiles
        if np.asarray(seen(asked(images, "p.tif", tile.path)).convert("L")).min() < 254
    ]
    assert dark == []


def test_tiles_are_those_of_the_scan_but_for_jpeg(tmp_path: Path) -> None:
    scan = make("tiff-strips-lzw", tmp_path, picture(397, 593))
    made(scan)
    before, after = served(tmp_path), served(tmp_path / "pyramids")
    for tiles in tiles_of(after, "p.tif", 128).values():
        for tile in tiles:
            path = tile.path.replace(".jpg", ".png")
            given, expected = (
                seen(asked(images, name, path)).convert("L")
                for images, name in ((after, "p.tif"), (before, scan.name))
            )
            assert difference(given, expected).mean() < 6, path


# -- several pictures in one file, and what libvips does not read


def test_each_page_of_a_tiff_has_a_pyramid(tmp_path: Path) -> None:
    pages = [picture(300, 200, seed) for seed in range(3)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    for leaf, page in enumerate(pages):
        given = full_size(made(tmp_path / "scan.tif", leaf))
        assert difference(given.reduce(4), page.reduce(4)).mean() < 2.5


def test_a_page_of_a_pdf_has_300_pixels_an_inch(tmp_path: Path) -> None:
    pages = [picture(120, 80, seed) for seed in range(2)]  # 72 dpi
    pages[0].save(tmp_path / "scan.pdf", save_all=True, append_images=pages[1:], quality=95)
    header = describe_page(tmp_path / "scan.pdf", 1)
    assert (header.width, header.height) == (500, 334)
    given = full_size(made(tmp_path / "scan.pdf", 1))
    assert given.size == (500, 334)
    expected = pages[1].resize(given.size, Image.Resampling.BILINEAR)
    assert difference(given.reduce(16), expected.reduce(16)).mean() < 4


def test_a_huge_page_of_a_pdf_gets_fewer_pixels_an_inch() -> None:
    width, height = containers.pdf_page_pixels((14_400, 7_200))  # 200 x 100 inches
    assert width * height == pytest.approx(150_000_000, rel=0.001)
    assert width == pytest.approx(2 * height, abs=2)


def test_strips_of_a_pdf_meet_without_a_seam(tmp_path: Path, monkeypatch: Any) -> None:
    picture(120, 80).save(tmp_path / "scan.pdf")
    (whole,) = containers.pdf_strips(tmp_path / "scan.pdf", 0)
    monkeypatch.setattr(containers, "_STRIP_BYTES", 500 * 3 * 50)
    strips = list(containers.pdf_strips(tmp_path / "scan.pdf", 0))
    assert [len(strip) for strip in strips] == [50] * 6 + [34]
    assert np.array_equal(np.vstack(strips), whole)


def test_a_heic_is_turned_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "scan.heic").write_bytes(TURNED_HEIC)
    header = describe_page(tmp_path / "scan.heic")
    assert (header.format, header.width, header.height) == ("heic", 48, 64)
    given = full_size(made(tmp_path / "scan.heic"))
    expected = Image.new("RGB", (48, 64), (200, 30, 30))
    expected.paste((20, 60, 200), (0, 0, 24, 32))
    expected.paste((240, 240, 240), (24, 32, 48, 64))
    assert difference(given.reduce(8), expected.reduce(8)).max() < 12


# -- when one is made


def header_of(**changes: Any) -> Header:
    """Return the header of a pyramid that can be served as it is, but for *changes*."""
    levels = tuple(Level(4096 >> n, 2048 >> n, 1 << n, n, -1, 256, 256) for n in range(4))
    header = Header(
        format="tiff", width=4096, height=2048, orientation=1, levels=levels, bands=3, bits=8,
        alpha=False, lossless=False, profile=False, decode_bytes=1, streams=True,
    )  # fmt: skip
    return replace(header, **changes)


FLAT = (Level(4096, 2048, 1),)
UNTILED = tuple(replace(level, tile_width=0, tile_height=0) for level in header_of().levels)


@pytest.mark.parametrize(
    ("changes", "leaf", "needed"),
    [
        ({}, 0, False),
        ({"lossless": True}, 0, False),
        ({}, 1, True),
        ({"orientation": 3}, 0, True),
        ({"profile": True}, 0, True),
        ({"bits": 16}, 0, True),
        ({"raw_ycbcr": True}, 0, True),
        ({"levels": header_of().levels[:1]}, 0, True),
        ({"levels": header_of().levels[::2]}, 0, False),
        ({"levels": header_of().levels[::3]}, 0, True),
        ({"levels": UNTILED}, 0, True),
        ({"format": "jp2"}, 0, True),
        ({"format": "jpeg", "levels": FLAT}, 0, True),
        ({"format": "jpeg", "levels": FLAT, "width": 1024, "height": 1024}, 0, False),
        ({"format": "jpeg", "levels": FLAT, "width": 1024, "height": 1025}, 0, True),
        ({"format": "pdf", "levels": FLAT, "width": 10, "height": 10}, 0, True),
        ({"format": "heic", "levels": FLAT, "width": 10, "height": 10}, 0, True),
    ],
)
def test_only_scans_that_are_slow_need_a_pyramid(
    changes: dict[str, Any], leaf: int, needed: bool
) -> None:
    assert needs_pyramid(header_of(**changes), leaf, Form()) == needed


def test_another_scan_leaf_or_form_has_another_pyramid() -> None:
    given = [
        pyramid_name("a1", 0, Form()),
        pyramid_name("a2", 0, Form()),
        pyramid_name("a1", 1, Form()),
        pyramid_name("a1", 0, Form(tile=256)),
        pyramid_name("a1", 0, Form(quality=90)),
        pyramid_name("a1", 0, Form(background=(0, 0, 0))),
    ]
    assert len(set(given)) == len(given)
    assert given[0] == pyramid_name("a1", 0, Form.of(Config()))


# -- whole or not at all


def halved(scan: Path) -> bytes:
    body = scan.read_bytes()
    return body[: len(body) // 2]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["jpeg-baseline-420", "tiff-tiled-jpeg", "png", "jp2-lossless"])
def test_half_a_scan_gives_no_pyramid(kind: str, threads: int, tmp_path: Path) -> None:
    scan = make(kind, tmp_path, picture(397, 593))
    scan.write_bytes(halved(scan))
    with pytest.raises(BrokenSource) as caught:
        made(scan, threads=threads)
    assert list((tmp_path / "pyramids").glob("*")) == []
    assert str(tmp_path) not in str(caught.value)


def test_a_pyramid_that_is_there_stays_when_its_scan_breaks(tmp_path: Path) -> None:
    scan = make("png", tmp_path, picture(397, 593))
    target = made(scan)
    body = target.read_bytes()
    scan.write_bytes(halved(scan))
    with pytest.raises(BrokenSource):
        made(scan)
    assert target.read_bytes() == body


def test_a_scan_that_was_replaced_gives_no_pyramid_under_its_old_name(tmp_path: Path) -> None:
    scan = make("png", tmp_path, picture(397, 593))
    state = identity_of(scan.stat())
    picture(397, 593, 2).save(scan)
    with pytest.raises(BrokenSource, match="replaced"):
        build(scan, 0, state, tmp_path / "pyramids" / "p.tif", SMALL)
    assert list((tmp_path / "pyramids").iterdir()) == []


DYING = """
import os, signal, sys, threading
from pathlib import Path
from iiifserver.image.build import build
from iiifserver.image.form import Form
from iiifserver.sources import identity_of

scan, target, when = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def hear(event, arguments):
    if event == when and any(".aside" in str(each) for each in arguments):
        die()

def watch():
    while not any(path.stat().st_size for path in target.parent.glob(".aside-*/pyramid.tif")):
        pass
    die()

sys.addaudithook(hear)
if when == "half written":
    threading.Thread(target=watch, daemon=True).start()
build(scan, 0, identity_of(scan.stat()), target, Form())
"""


@pytest.mark.parametrize("when", ["os.mkdir", "half written", "open", "os.rename", "shutil.rmtree"])
def test_killed_at_any_moment_nothing_half_is_seen(when: str, tmp_path: Path) -> None:
    scan = make("tiff-orientation-6", tmp_path, picture(1500, 1400))
    target = tmp_path / "pyramids" / "p.tif"
    died = subprocess.run([sys.executable, "-c", DYING, scan, target, when], check=False)
    assert died.returncode == -9
    assert target.exists() == (when == "shutil.rmtree")  # which comes after it has its name
    if target.exists():
        assert full_size(target).size == (1500, 1400)
    sweep_aside(target.parent)
    assert [path.name for path in target.parent.iterdir()] == ["p.tif"] * target.exists()
    assert full_size(made(scan, form=Form())).size == (1500, 1400)


def test_a_sidecar_comes_with_its_pyramid_and_is_of_the_same_pixels(tmp_path: Path) -> None:
    source = picture(397, 593)
    scan, target = make("png", tmp_path, source), tmp_path / "pyramids" / "p.tif"
    sidecar = Sidecar(target.with_suffix(".tiles"), "this")
    build(scan, 0, identity_of(scan.stat()), target, SMALL, sidecar=sidecar)
    assert sorted(target.parent.iterdir()) == [target, sidecar.target]
    assert damage(str(sidecar.target), str(target), partial(open, mode="rb")) is None
    found = read_stored(sidecar.target, target, "this")
    assert found is not None
    levels = [source.reduce(1 << number) for number in range(4)]
    assert [level.size for level in levels] == [(397, 593), (199, 297), (100, 149), (50, 75)]
    for number, level in enumerate(levels):
        for top in range(0, level.height, 128):
            for left in range(0, level.width, 128):
                part = level.crop(
                    (left, top, min(left + 128, level.width), min(top + 128, level.height))
                )
                x, y = left << number, top << number
                box = Box(x, y, min(128 << number, 397 - x), min(128 << number, 593 - y))
                place = found.place(box, *part.size)
                assert place is not None
                assert (place.path == str(target)) == (part.size == (128, 128))
                given = Image.open(io.BytesIO(place.read()))
                assert difference(given.convert("L"), part.convert("L")).mean() < 6
    for size in ((80, 120), (90, 134), (100, 149), (134, 200), (199, 297), (397, 593)):
        place = found.place(Box(0, 0, 397, 593), *size)
        assert place is not None
        given = Image.open(io.BytesIO(place.read()))
        assert difference(given, source.resize(size, Image.Resampling.LANCZOS)).mean() < 6
    assert found.directories is not None
    (span,) = directories_in(found.directories.read())
    assert target.read_bytes().startswith(span[1])


def test_what_another_process_is_at_is_not_swept(tmp_path: Path) -> None:
    working = """if True:
        import sys
        from pathlib import Path
        from iiifserver.image.aside import beside
        with beside(Path(sys.argv[1])) as folder:
            print(folder, flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", working, tmp_path / "p.tif"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        sweep_aside(tmp_path)
        assert folder.is_dir()
        process.kill()
    sweep_aside(tmp_path)
    assert not folder.exists()


# -- memory

WEIGHED = """
import json, sys, threading
from pathlib import Path
from iiifserver.image.build import build
from iiifserver.image.form import Form
from iiifserver.image.render import squares
from iiifserver.sources import identity_of

squares._MOST_WHOLE_BYTES = 0  # as if the scan were large
peak = 0
stop = threading.Event()

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

def watch():
    global peak
    while not stop.wait(0.002):
        peak = max(peak, held())

before = held()
thread = threading.Thread(target=watch)
thread.start()
scan = Path(sys.argv[1])
build(scan, 0, identity_of(scan.stat()), Path(sys.argv[2]), Form(), threads=2)
stop.set()
thread.join()
print(json.dumps((peak - before) / 1024))
"""


def drawn(folder: Path, rows: int, orientation: int, across: int = 1) -> Path:
    """Return a JPEG of noise, 2000 wide or a number of times that."""
    block = pyvips.Image.gaussnoise(2000, 1000, sigma=20, mean=128, seed=1).cast("uchar")
    block = block.bandjoin([block, block]).copy(interpretation="srgb").copy_memory()
    image = block.replicate(across, rows // 1000)
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    path = folder / f"{rows}.jpg"
    image.jpegsave(str(path), Q=60)
    return path


def weighed_mb(scan: Path) -> float:
    """Return what making the pyramid of *scan* takes at most, what is mapped of files included."""
    command = [sys.executable, "-c", WEIGHED, scan, scan.parent / "pyramids" / "p.tif"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak_mb: float = json.loads(done.stdout)
    return peak_mb


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("orientation", [1, 3])
def test_memory_does_not_grow_with_the_height_of_a_scan(orientation: int, tmp_path: Path) -> None:
    peaks = []
    for rows in (2_000, 16_000):
        path = drawn(tmp_path, rows, orientation)
        assert describe_page(path).orientation == orientation
        peaks.append(weighed_mb(path))
    decoded_mb = 2_000 * 16_000 * 3 / 2**20
    assert peaks[1] - peaks[0] < decoded_mb / 8


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_of_a_wide_scan_hardly_more_is_held_than_two_rows_of_tiles(tmp_path: Path) -> None:
    row_mb = 512 * 20_000 * 3 / 2**20
    assert weighed_mb(drawn(tmp_path, 2_000, 1, across=10)) < 3.3 * row_mb


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (128, 128), (129, 9)])
def test_the_smallest_pictures_have_pyramids_too(tmp_path, size):
    scan = tmp_path / "small.png"
    Image.new("RGB", size, (200, 10, 10)).save(scan)
    made = tmp_path / "made.tif"
    build(scan, 0, identity_of(scan.stat()), made, Form())
    with Image.open(made) as shown:
        assert shown.size == size
        assert abs(shown.convert("RGB").getpixel((0, 0))[0] - 200) <= 2
