"""What a file is: against Pillow and libvips, against measurements, and against damage."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from image_sources import KINDS, make, picture
from PIL import Image

from iiifserver.errors import BrokenSource
from iiifserver.image.open import Header, describe, identify

WIDTH, HEIGHT = 257, 191
MEBIBYTE = 2**20


def described(data: bytes, size_bytes: int | None = None, reads: list[int] | None = None) -> Header:
    def read(offset: int, length: int) -> bytes:
        if reads is not None:
            reads.append(length)
        return data[offset : offset + length]

    return describe(read, len(data) if size_bytes is None else size_bytes)


@pytest.fixture(scope="module")
def source() -> Image.Image:
    return picture(WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, source: Image.Image) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {kind: make(kind, folder, source) for kind in KINDS}


LOADED_BY_VIPS = [kind for kind, what in KINDS.items() if what.suffix not in (".jp2", ".j2k")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_says_what_the_file_shows(kind, files):
    reads: list[int] = []
    header = described(files[kind].read_bytes(), reads=reads)
    what = KINDS[kind]
    assert (header.width, header.height) == (WIDTH, HEIGHT)
    assert header.orientation == what.orientation
    assert header.alpha == what.mode.endswith("A")
    assert header.lossless == (what.lossless or kind == "tiff-ycbcr")
    assert header.profile == (kind == "png-profile")
    assert header.levels[0].scale == 1
    assert header.raw_ycbcr == (kind == "tiff-ycbcr")
    assert len(reads) <= 5


def loaded(path: Path, **options: Any) -> Any:
    """Return what libvips makes of a file, JPEG as a stream: by name the renderer blocks it."""
    if path.suffix == ".jpg":
        return pyvips.Image.jpegload_source(pyvips.Source.new_from_file(str(path)), **options)
    return pyvips.Image.new_from_file(str(path), **options)


@pytest.mark.parametrize("kind", LOADED_BY_VIPS)
def test_a_header_agrees_with_the_loader(kind, files):
    header = described(files[kind].read_bytes())
    image = loaded(files[kind], access="sequential")
    assert (image.width, image.height) == (header.levels[0].width, header.levels[0].height)
    assert image.bands == header.bands
    assert bool(image.hasalpha()) == header.alpha
    assert (image.format == "ushort") == (header.bits == 16)
    assert bool(image.get_typeof("icc-profile-data")) == header.profile
    tagged = image.get("orientation") if image.get_typeof("orientation") else 1
    assert tagged == header.orientation


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (257, 191), (16, 8), (1, 300)])
def test_jpeg_levels_are_what_shrink_on_load_gives(size, tmp_path):
    path = make("jpeg-baseline-420", tmp_path, picture(*size))
    levels = described(path.read_bytes()).levels
    for level in levels:
        image = loaded(path, shrink=level.scale)
        assert (image.width, image.height) == (level.width, level.height)
    assert len(levels) == [scale <= min(size) for scale in (1, 2, 4, 8)].count(True)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_as_large_as_it_is_after_the_loader_turned_it(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.avif"
    picture(60, 40).save(path, exif=exif, speed=10)
    header = described(path.read_bytes())
    image = pyvips.Image.new_from_file(str(path))
    assert (header.width, header.height) == (image.width, image.height)
    assert (header.width == 40) == (orientation >= 5)
    assert header.orientation == 1


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("subsampled", ["on", "off"])
def test_the_bits_of_an_avif_are_told(bits, subsampled, tmp_path):
    path = tmp_path / "deep.avif"
    image = pyvips.Image.new_from_array(np.asarray(picture(64, 64)))
    image.heifsave(str(path), bitdepth=bits, subsample_mode=subsampled, compression="av1", effort=0)
    assert described(path.read_bytes()).bits == bits


def test_a_gif_canvas_grows_with_its_first_frame(tmp_path):
    path = tmp_path / "grown.gif"
    make("gif", tmp_path, picture(40, 30)).rename(path)
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 20, 50)
    path.write_bytes(data)
    header, image = described(bytes(data)), pyvips.Image.new_from_file(str(path))
    assert (header.width, header.height) == (image.width, image.height) == (40, 50)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_an_animation_is_its_first_frame(suffix, tmp_path):
    path = tmp_path / f"animation.{suffix}"
    frames = [picture(40, 30, seed) for seed in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    header = described(path.read_bytes())
    assert (header.width, header.height, len(header.levels)) == (40, 30, 1)


@pytest.mark.parametrize(
    ("first", "form"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"II*\0", "tiff"),
        (b"MM\0+", "tiff"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"GIF87a", "gif"),
        (b"RIFF\1\2\3\4WEBPVP8 ", "webp"),
        (b"RIFF\1\2\3\4WAVEfmt ", None),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1", "avif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0avifmiaf", "avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", None),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42isom", None),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"\xff\x4f\xff\x51", "jp2"),
        (b"", None),
        (b"Hello", None),
    ],
)
def test_a_signature_names_its_format(first, form):
    assert identify(first) == form


def test_describing_every_kind_loads_no_decoder(files):
    program = (
        "import sys, pathlib; from iiifserver.image.open import describe\n"
        "for name in sys.argv[1:]:\n"
        "    data = pathlib.Path(name).read_bytes()\n"
        "    describe(lambda offset, length: data[offset:offset + length], len(data))\n"
        "print(sorted({'numpy', 'PIL', 'glymur', 'pyvips'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *map(str, files.values())],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == "[]", run.stderr


def resized(kind: str, data: bytes, width: int, height: int) -> bytes:
    """Return the same file with another size in its header; nobody reads its pixels."""
    changed = bytearray(data)
    if kind.startswith("jpeg"):
        place = next(data.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
        changed[place + 5 : place + 9] = struct.pack(">HH", height, width)
    elif kind.startswith("png"):
        changed[16:24] = struct.pack(">II", width, height)
        changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
    elif kind == "webp-lossy":
        changed[26:30] = struct.pack("<HH", width, height)
    elif kind == "webp-lossless":
        changed[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    elif kind == "gif":
        changed[6:10] = struct.pack("<HH", width, height)
    elif kind == "avif":
        place = data.index(b"ispe") + 8
        changed[place : place + 8] = struct.pack(">II", width, height)
    return bytes(changed)


@pytest.mark.parametrize(
    ("kind", "file_mb", "measured_mib", "streams"),
    [  # libvips 8.18.7, 6000 x 4000 pixels, growth of the process's peak
        ("jpeg-baseline-420", 7.6, 10.2, True),  # less the pages of the mapped file
        ("jpeg-progressive", 6.8, 85.4, False),
        ("png", 72.0, 10.0, True),
        ("png-16bit", 94.7, 19.8, True),
        ("png-interlaced", 72.7, 69.9, False),
        ("webp-lossy", 3.3, 187.5, False),
        ("webp-lossless", 22.8, 206.4, False),
        ("avif", 6.5, 366.0, False),
        ("gif", 10.0, 111.0, False),
    ],
)
def test_the_estimated_cost_is_near_the_measured_one_and_not_below(
    kind, file_mb, measured_mib, streams, files
):
    data = resized(kind, files[kind].read_bytes(), 6000, 4000)
    header = described(data, size_bytes=int(file_mb * 1e6))
    assert (header.width, header.height, header.streams) == (6000, 4000, streams)
    assert 1 <= header.decode_bytes / MEBIBYTE / measured_mib <= 1.5


@pytest.mark.parametrize(
    ("layout", "measured_mib"),
    [
        ({"rows_per_strip": 16, "compression": "raw"}, 6),
        ({"rows_per_strip": 4000, "compression": "raw"}, 6),
    ],
)
def test_a_single_strip_without_compression_is_not_held(layout, measured_mib, tmp_path):
    path = tmp_path / "strips.tif"
    tags = {278: layout["rows_per_strip"]}
    Image.new("RGB", (600, 4000)).save(path, compression=layout["compression"], tiffinfo=tags)
    assert described(path.read_bytes()).decode_bytes < measured_mib * MEBIBYTE


def test_a_giant_tile_counts_whole(tmp_path):
    path = tmp_path / "giant.tif"
    image = pyvips.Image.black(2000, 2000, bands=3)
    image.tiffsave(str(path), tile=True, tile_width=2048, tile_height=2048, compression="deflate")
    assert described(path.read_bytes()).decode_bytes > 2 * 3 * 2048 * 2048


def test_a_bomb_is_told_by_its_header(files):
    header = described(resized("png", files["png-interlaced"].read_bytes(), 100_000, 100_000))
    assert header.decode_bytes > 25 * 2**30


BROKEN = {
    "empty": (b"", "the file is empty"),
    "text": (b"Hello, archive", r"not an image of a format that we read: starts with b'Hello"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "HEIC is not read yet"),
    "JPEG XL": (b"\xff\x0a" + bytes(40), "JPEG XL is not read yet"),
    "PDF": (b"%PDF-1.7" + bytes(40), "PDF is not read yet"),
    "JPEG of nothing": (b"\xff\xd8\xff", "the JPEG ends before its frame header"),
    "JPEG that ends": (b"\xff\xd8\xff\xd9", "the JPEG ends before its frame header"),
    "JPEG, lossless": (b"\xff\xd8\xff\xc3\0\x11" + bytes(40), "lossless coding"),
    "JPEG, arithmetic": (b"\xff\xd8\xff\xc9\0\x11" + bytes(40), "arithmetic coding"),
    "JPEG of 12 bits": (b"\xff\xd8\xff\xc1\0\x11\x0c" + bytes(40), "12 bits"),
    "JPEG of no height": (
        b"\xff\xd8\xff\xc0\0\x11\x08\0\0\0\x09\3" + bytes(40),
        "it is 9 x 0 pixels",
    ),
    "JPEG of 2 components": (
        b"\xff\xd8\xff\xc0\0\x11\x08\0\x09\0\x09\2" + bytes(40),
        "2 components",
    ),
    "JPEG without a scan": (
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\x09\0\x09\1\1\x11\0",
        "the JPEG ends before its picture",
    ),
    "PNG cut": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "the PNG's header lies at 8, outside"),
    "PNG, checksum": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(60), "the PNG's header is damaged"),
    "GIF cut": (b"GIF89a\1\0", "the GIF's screen lies at 6, outside"),
    "GIF without a frame": (b"GIF89a\1\0\1\0\0\0\0;", "no frame before it"),
    "WebP cut": (b"RIFF\1\0\0\0WEBP", "the WebP's picture lies at 16, outside"),
    "WebP, unknown": (b"RIFF\1\0\0\0WEBPABCD\0\0\0\0" + bytes(40), "a damaged chunk b'ABCD'"),
    "WebP without a picture": (
        b"RIFF\1\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(10),
        "the WebP ends before its picture",
    ),
    "AVIF cut": (b"\0\0\0\x1cftypavif\0\0\0\0mif1avif", "claims 28 bytes of 24"),
    "AVIF without items": (
        b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
        "the AVIF has no primary picture",
    ),
    "JP2 without a codestream": (
        b"\0\0\0\x0cjP  \r\n\x87\n",
        "the JP2 has no codestream",
    ),
    "J2K cut": (b"\xff\x4f\xff\x51", "the JPEG 2000's size lies at 4, outside"),
    "J2K of no size": (b"\xff\x4f\xff\x51" + bytes(60), "the JPEG 2000's size is 0 x 0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named(name):
    data, reason = BROKEN[name]
    with pytest.raises(BrokenSource, match=reason):
        described(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_in_its_header_is_a_broken_source(kind, files):
    data = files[kind].read_bytes()
    for length in (5, 11, 16, 24, 33, 60):
        with pytest.raises(BrokenSource):
            described(data[:length])


@pytest.mark.parametrize(
    "kind", ["png", "webp-lossy", "webp-rgba", "jp2-lossless", "j2k", "tiff-strips-lzw"]
)
def test_a_file_cut_in_its_picture_is_a_broken_source(kind, files):
    data = files[kind].read_bytes()
    with pytest.raises(BrokenSource):
        described(data[: len(data) * 2 // 3])


def test_a_file_shorter_than_it_was_when_listed_is_a_broken_source(files):
    data = files["png"].read_bytes()
    with pytest.raises(BrokenSource, match="the file ends before"):
        described(data[:20], size_bytes=len(data))


def test_a_chain_of_segments_without_an_end_is_left():
    reads: list[int] = []
    comment = b"\xff\xfe\xff\xff" + bytes(65533)
    with pytest.raises(BrokenSource, match="512 reads did not reach"):
        described(b"\xff\xd8" + comment * 700, reads=reads)
    assert len(reads) <= 512


def box(name: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), name) + body


def avif(properties: bytes, associations: bytes, *more: bytes) -> bytes:
    parts = box(b"iprp", box(b"ipco", properties), box(b"ipma", associations))
    meta = box(b"pitm", bytes(4), b"\0\1"), box(b"iinf", bytes(6)), parts, *more
    return box(b"ftyp", b"avif\0\0\0\0mif1") + box(b"meta", bytes(4), *meta)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (avif(b"", struct.pack(">II", 0, 2**32 - 1) + b"\0\1\0" * 30_000), "links its items more"),
        (avif(box(b"free") * 3000, struct.pack(">II", 0, 0)), "more than 2000 boxes"),
        (b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xfe\0" * 200, "more than 100 extensions"),
        (b"GIF89a\1\0\1\0\0\0\0\x21\xfe" + b"\1x" * 20_000, "an extension without an end"),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 20_000, "more than 10000 segments"),
    ],
)
def test_a_chain_that_goes_on_is_left(data, reason):
    with pytest.raises(BrokenSource, match=reason):
        described(data)


MUTATED = [
    "jpeg-baseline-420",
    "jpeg-orientation-6",
    "tiff-pyramid-subifd-deflate",
    "png-palette-transparent",
    "webp-orientation-6",
    "avif-rgba",
    "gif",
    "jp2-tiled-lossless",
    "jp2-rgba",
    "j2k",
]
DAMAGE = st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=10)


@pytest.mark.parametrize("kind", MUTATED)
def test_any_damage_is_a_broken_source_or_none(kind, files):
    original = files[kind].read_bytes()

    @settings(derandomize=True, max_examples=60, deadline=None, database=None)
    @given(DAMAGE, st.integers(0, 400))
    def damaged(places: list[tuple[int, int]], cut: int) -> None:
        data = bytearray(original[: len(original) - cut])
        for place, value in places:
            # the directories of a TIFF made by libvips are at its end
            data[-place if kind.startswith("tiff") else place % len(data)] = value
        reads: list[int] = []
        with contextlib.suppress(BrokenSource):
            header = described(bytes(data), reads=reads)
            assert header.width > 0
            assert header.height > 0
            assert 1 <= header.orientation <= 8
            assert header.levels[0].scale == 1
            assert header.decode_bytes > 0
        assert len(reads) <= 512
        assert sum(reads) <= 8 * MEBIBYTE

    damaged()


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff",
            b"II*\0\x08\0\0\0",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"GIF89a",
            b"RIFF\0\0\0\0WEBPVP8X",
            b"\0\0\0\x10ftypavif\0\0\0\0",
            b"\xff\x4f\xff\x51",
            b"\0\0\0\x0cjP  \r\n\x87\n",
        ]
    ),
    st.binary(max_size=300),
)
def test_any_bytes_are_described_or_a_broken_source(signature, rest):
    with contextlib.suppress(BrokenSource):
        assert described(signature + rest).width > 0
