"""The pixels of a JPEG 2000: against Pillow, in every resolution and in parts of any size."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_sources import KINDS, make, picture
from PIL import Image, ImageCms

from iiifserver.errors import BrokenSource
from iiifserver.image.headers.jp2 import Jp2
from iiifserver.image.jp2 import (
    _bundled,
    _library,
    _openjpeg,
    _step,
    _systems,
    jp2_profile,
    openjpeg_version,
    read_jp2,
)
from iiifserver.image.open import Header, describe

WIDTH, HEIGHT = 257, 191
JP2_KINDS = [kind for kind, what in KINDS.items() if what.suffix in (".jp2", ".j2k")]


def described(data: bytes) -> Header:
    return describe(lambda offset, length: data[offset : offset + length], len(data))


@pytest.fixture(scope="module")
def source() -> Image.Image:
    return picture(WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, source: Image.Image) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {kind: make(kind, folder, source) for kind in JP2_KINDS}


def by_pillow(path: Path, level: int) -> np.ndarray:
    image = Image.open(path)
    image.reduce = level
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


@pytest.mark.parametrize("kind", JP2_KINDS)
def test_every_resolution_of_a_jp2_is_what_pillow_reads(kind, tmp_path):
    path = make(kind, tmp_path, picture(264, 200))  # Pillow fails where a size is not whole
    for level in described(path.read_bytes()).levels[:4]:
        pixels = read_jp2(path, level.page, (0, 0, level.width, level.height))
        np.testing.assert_array_equal(pixels, by_pillow(path, level.page))


@pytest.mark.parametrize("kind", JP2_KINDS)
@pytest.mark.parametrize(
    ("level", "box"), [(0, (33, 51, 200, 150)), (0, (256, 190, 257, 191)), (1, (3, 17, 129, 95))]
)
def test_a_region_of_a_jp2_is_cut_from_the_whole(kind, level, box, files):
    left, top, right, bottom = box
    whole = by_pillow(files[kind], level)
    np.testing.assert_array_equal(read_jp2(files[kind], level, box), whole[top:bottom, left:right])


@pytest.mark.parametrize("area_bytes", [400_000, 200_000, 20_000])
def test_a_large_area_of_a_jp2_is_read_in_parts_that_fit(area_bytes, files, monkeypatch):
    path = files["jp2-tiled-lossless"]
    monkeypatch.setattr("iiifserver.image.jp2.AREA_BYTES", area_bytes)
    pixels = read_jp2(path, 0, (0, 0, WIDTH, HEIGHT))
    np.testing.assert_array_equal(pixels, by_pillow(path, 0))


@pytest.mark.parametrize("kind", JP2_KINDS)
def test_several_threads_give_the_same_pixels_of_a_jp2(kind, files):
    box = (3, 17, WIDTH, HEIGHT)
    one, several = (read_jp2(files[kind], 0, box, threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, several)


@pytest.mark.parametrize(
    ("most", "columns", "rows"),
    [
        (1 << 30, 6000, 4096),  # whole rows of tiles
        (128 << 20, 3072, 1024),  # three tiles of a row
        (40 << 20, 1024, 1024),
        (30 << 20, 6000, 128),  # no tile: rows of code-blocks
    ],
)
def test_a_tile_of_a_jp2_is_decoded_in_one_part_where_that_fits(most, columns, rows, monkeypatch):
    monkeypatch.setattr("iiifserver.image.jp2.AREA_BYTES", most)
    tiled = Jp2(
        True, (0, 0, 6000, 8000), (1024, 1024), (1, 1), 3, 8, 5, False, "rgb", False, None, 0
    )
    assert _step(tiled, 0, 6000) == (columns, rows)


def test_a_jp2_may_begin_off_the_origin_of_its_grid(tmp_path, source):
    path = tmp_path / "offset.jp2"
    options = {"offset": (37, 11), "tile_offset": (5, 3), "tile_size": (64, 64)}
    source.save(path, irreversible=False, **options)
    header = described(path.read_bytes())
    assert (header.width, header.height, header.tile_size) == (WIDTH, HEIGHT, (64, 64))
    np.testing.assert_array_equal(read_jp2(path, 0, (9, 8, 99, 88)), by_pillow(path, 0)[8:88, 9:99])


def test_a_ycc_jp2_is_made_rgb(tmp_path, source):
    path = tmp_path / "ycc.jp2"
    source.convert("YCbCr").save(path, irreversible=False)
    pixels = read_jp2(path, 0, (0, 0, WIDTH, HEIGHT)).astype(int)
    assert abs(pixels - np.asarray(source)).max() <= 3


def test_a_jp2_of_16_bits_keeps_them(tmp_path, source):
    wide = np.asarray(source.convert("L")).astype(np.uint16) * 257
    path = tmp_path / "wide.jp2"
    Image.fromarray(wide).save(path, irreversible=False)
    assert described(path.read_bytes()).bits == 16
    np.testing.assert_array_equal(read_jp2(path, 0, (0, 0, WIDTH, HEIGHT))[..., 0], wide)


def written_by_openjpeg(path: Path, planes: list[np.ndarray], spacing: list[int], **kind: int):
    """Write *planes*, subsampled as *spacing* says, as Pillow cannot."""
    opj = _openjpeg()
    components = (opj.ImageComptParmType * len(planes))()
    for component, plane, step in zip(components, planes, spacing, strict=True):
        component.dx = component.dy = step
        component.h, component.w = plane.shape
        component.prec = component.bpp = kind["bits"]
        component.sgnd = kind["signed"]
    image = opj.image_create(components, kind["colour"])
    image.contents.y1, image.contents.x1 = planes[0].shape
    for number, plane in enumerate(planes):
        np.ctypeslib.as_array(image.contents.comps[number].data, plane.shape)[:] = plane
    codec = opj.create_compress(opj.CODEC_JP2)
    opj.set_info_handler(codec, None)
    parameters = opj.set_default_encoder_parameters()
    parameters.tcp_numlayers = parameters.cp_disto_alloc = 1
    opj.setup_encoder(codec, parameters, image)
    stream = opj.stream_create_default_file_stream(str(path), False)
    opj.start_compress(codec, image, stream)
    opj.encode(codec, stream)
    opj.end_compress(codec, stream)
    opj.stream_destroy(stream)
    opj.destroy_codec(codec)
    opj.image_destroy(image)


def test_a_region_of_a_subsampled_jp2_has_the_colours_of_the_whole(tmp_path, source):
    luma, *chroma = source.convert("YCbCr").split()
    half = -(-WIDTH // 2), -(-HEIGHT // 2)
    planes = [np.asarray(luma), *(np.asarray(c.resize(half, Image.Resampling.BOX)) for c in chroma)]
    path = tmp_path / "subsampled.jp2"
    written_by_openjpeg(path, planes, [1, 2, 2], bits=8, signed=0, colour=3)
    whole = read_jp2(path, 0, (0, 0, WIDTH, HEIGHT))
    assert abs(whole.astype(int) - np.asarray(source)).mean() < 4
    for level, (left, top, right, bottom) in ((0, (33, 51, 200, 150)), (1, (3, 17, 129, 95))):
        whole = read_jp2(path, level, (0, 0, -(-WIDTH >> level), -(-HEIGHT >> level)))
        region = read_jp2(path, level, (left, top, right, bottom))
        np.testing.assert_array_equal(region, whole[top:bottom, left:right])


def test_signed_samples_of_12_bits_fill_16(tmp_path, source):
    gray = np.asarray(source.convert("L")).astype(np.int32)
    path = tmp_path / "signed.jp2"
    written_by_openjpeg(path, [gray * 16 + gray // 16 - 2048], [1], bits=12, signed=1, colour=2)
    pixels = read_jp2(path, 0, (0, 0, WIDTH, HEIGHT))
    assert (pixels.dtype, described(path.read_bytes()).bits) == (np.uint16, 12)
    np.testing.assert_array_equal(pixels[..., 0] >> 8, gray)


def test_the_profile_of_a_jp2_is_found(files, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = files["jp2-lossless"].read_bytes()
    start = data.index(b"colr") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    colours = struct.pack(">I4s3B", 11 + len(profile), b"colr", 2, 0, 0) + profile
    header = data.index(b"jp2h") - 4
    grown = int.from_bytes(data[header : header + 4], "big") + len(colours) - length
    path = tmp_path / "profiled.jp2"
    path.write_bytes(
        data[:header]
        + grown.to_bytes(4, "big")
        + data[header + 4 : start]
        + colours
        + data[start + length :]
    )
    assert described(path.read_bytes()).profile
    assert jp2_profile(path) == profile
    assert jp2_profile(files["jp2-lossless"]) is None
    assert read_jp2(path, 0, (0, 0, 5, 5)).shape == (5, 5, 3)


def test_a_fourth_component_without_a_meaning_is_not_shown(files, tmp_path):
    path = tmp_path / "unnamed.jp2"
    path.write_bytes(files["jp2-rgba"].read_bytes().replace(b"cdef", b"free"))
    assert (described(path.read_bytes()).bands, described(path.read_bytes()).alpha) == (3, False)
    np.testing.assert_array_equal(read_jp2(path, 0, (0, 0, 9, 9)), by_pillow(path, 0)[:9, :9, :3])


def test_a_cmyk_jp2_has_four_colours_and_no_alpha(files, tmp_path):
    data = files["jp2-rgba"].read_bytes().replace(b"cdef", b"free")
    place = data.index(b"colr") + 7
    path = tmp_path / "cmyk.jp2"
    path.write_bytes(data[:place] + struct.pack(">I", 12) + data[place + 4 :])
    assert (described(path.read_bytes()).bands, described(path.read_bytes()).alpha) == (4, False)
    assert read_jp2(path, 0, (0, 0, 9, 9)).shape == (9, 9, 4)


def test_a_damaged_jp2_is_a_broken_source(files, tmp_path):
    data = files["j2k"].read_bytes()
    path = tmp_path / "damaged.j2k"
    path.write_bytes(data[:2000] + bytes(500) + data[2500 : len(data) // 2])
    with pytest.raises(BrokenSource, match="first tile-part"):
        described(path.read_bytes())
    with pytest.raises(BrokenSource):
        read_jp2(path, 0, (0, 0, WIDTH, HEIGHT))


def test_of_glymur_only_its_binding_is_loaded(files):
    code = (
        "import sys; from pathlib import Path; from iiifserver.image.jp2 import read_jp2\n"
        "read_jp2(Path(sys.argv[1]), 0, (0, 0, 9, 9))\n"
        "print(sorted(name for name in sys.modules if name.startswith(('glymur', 'lxml'))))\n"
        "import glymur; print(glymur.version.openjpeg_version)"
    )
    run = [sys.executable, "-c", code, str(files["jp2-tiled-lossless"])]
    told = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0] == "['glymur.config', 'glymur.lib', 'glymur.lib.openjp2']"
    assert told[1] == _openjpeg().version()


def test_openjpeg_is_the_one_that_was_chosen_and_no_glymurrc_is_read(files, tmp_path):
    (tmp_path / "glymurrc").write_text("[library]\nopenjp2: /nowhere/libopenjp2.so\n")
    program = (
        "import sys, pathlib; from iiifserver.image.jp2 import _openjpeg, read_jp2;"
        "print(read_jp2(pathlib.Path(sys.argv[1]), 0, (0, 0, 4, 3)).shape, _openjpeg().version())"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(files["jp2-lossless"])],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == f"(3, 4, 3) {openjpeg_version().split(',')[0]}", run.stderr


@pytest.mark.parametrize(
    "place", ["pillow.libs/libopenjp2-94e588ba.so.2.5.4", "PIL/.dylibs/libopenjp2.2.5.4.dylib"]
)
def test_the_openjpeg_in_pillows_wheel_is_found_on_linux_and_macos(place, tmp_path, monkeypatch):
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert _bundled(tmp_path / "PIL") == str(tmp_path / place)


@pytest.mark.skipif(sys.platform == "darwin", reason="all names there are UTF-8")
def test_a_file_whose_name_is_no_utf_8_is_read(files, tmp_path):
    path = tmp_path / os.fsdecode(b"\xe9t\xe9.jp2")
    path.write_bytes(files["jp2-lossless"].read_bytes())
    assert read_jp2(path, 0, (0, 0, 4, 3)).shape == (3, 4, 3)


@pytest.fixture
def systems():
    library = _systems()
    if library is None:
        pytest.skip("this system has no OpenJPEG (Debian: libopenjp2-7)")
    return library


@pytest.mark.parametrize(
    ("pillow", "whose"), [("12.3.0", "of the system"), ("13.0.0", "of Pillow 13.0.0")]
)
def test_the_openjpeg_of_a_pillow_that_did_not_optimize_it_gives_way(
    pillow, whose, systems, monkeypatch
):
    monkeypatch.setattr("PIL.__version__", pillow)
    library, told = _library.__wrapped__()
    assert told == whose
    assert (library._handle == systems._handle) == (whose == "of the system")


def test_a_system_whose_pixels_are_not_known_to_be_the_same_leaves_it_to_pillow(
    systems, monkeypatch
):
    monkeypatch.setattr("iiifserver.image.jp2._SAME_PIXELS", (9, 0))
    monkeypatch.setattr("PIL.__version__", "12.3.0")
    library, whose = _library.__wrapped__()
    assert library._handle != systems._handle
    assert "of Pillow 12.3.0" in whose


def test_without_a_bundled_openjpeg_the_systems_is_taken(tmp_path, systems, monkeypatch):
    monkeypatch.setattr("PIL.__file__", str(tmp_path / "PIL" / "__init__.py"))
    monkeypatch.setattr("PIL.__version__", "13.0.0")
    library, whose = _library.__wrapped__()
    assert (library._handle, whose) == (systems._handle, "of the system")


def test_without_any_openjpeg_a_jpeg_2000_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.__file__", str(tmp_path / "PIL" / "__init__.py"))
    monkeypatch.setattr("iiifserver.image.jp2._SYSTEMS", ("libnowhere.so.7",))
    with pytest.raises(BrokenSource, match="no OpenJPEG library is installed"):
        _library.__wrapped__()


def test_both_openjpegs_give_the_same_pixels(files, systems):
    program = (
        "import sys, hashlib, pathlib, PIL; PIL.__version__ = sys.argv[1]\n"
        "from iiifserver.image.jp2 import openjpeg_version, read_jp2\n"
        "for path in sys.argv[2:]:\n"
        "    for level in (0, 1):\n"
        "        pixels = read_jp2(pathlib.Path(path), level, (3, 5, 123, 94))\n"
        "        print(path, level, hashlib.sha256(pixels.tobytes()).hexdigest())\n"
        "print(openjpeg_version(), file=sys.stderr)"
    )
    paths = [str(path) for path in files.values()]
    told = [
        subprocess.run(
            [sys.executable, "-c", program, pillow, *paths],
            capture_output=True,
            text=True,
            check=True,
        )
        for pillow in ("12.0.0", "13.0.0")
    ]
    assert told[0].stderr != told[1].stderr
    assert told[0].stdout == told[1].stdout
    assert told[0].stdout.count("\n") == 2 * len(paths)
