"""Colour one can trust: profiles, CMYK, depth, opacity, gray. Pillow and LittleCMS judge."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from image_sources import picture
from PIL import Image, ImageCms
from pixels import as_srgb, asked, cmyk_profile, decoded, difference, seen, served

from iiifserver.image.job import Encoding
from iiifserver.image.render.colour import in_quality
from iiifserver.image.render.tile import encoded
from iiifserver.image.request import FORMATS

P3 = bytes(pyvips.Image.profile_load("p3"))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = ("png", "tif")
EXACT: dict[str, dict[str, Any]] = {
    ".png": {},
    ".tif": {"compression": "tiff_lzw"},
    ".webp": {"lossless": True},
    ".jpg": {"quality": 95, "subsampling": 0},
}


def linear_gray_profile() -> bytes:
    """Return an ICC profile of gray with linear light: ICC.1:2001-04, 6.3.3."""
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0\0\0\0\1\1\0" + b"\0\0"
    tags = {b"wtpt": white, b"kTRC": curve}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value
    size = struct.pack(">I", start + len(body))
    white_d50 = struct.pack(">iii", 63190, 65536, 54061)
    head = size + b"\0\0\0\0\2\x40\0\0mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28) + white_d50
    return head.ljust(128, b"\0") + table + body


def whole(folder: Path, name: str, last: str = "default.png", **settings: Any) -> Image.Image:
    return seen(asked(served(folder, **settings), name, f"full/max/0/{last}"))


# -- profiles


@pytest.mark.parametrize("suffix", EXACT)
def test_a_profile_is_converted_to_srgb(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan{suffix}"
    picture(160, 120).save(path, icc_profile=P3, **EXACT[suffix])
    given = whole(tmp_path, path.name)
    differs = difference(given, as_srgb(decoded(path), P3))
    assert differs.mean() < 0.2
    assert differs.max() <= 2
    assert difference(given, decoded(path)).mean() > 2  # the profile does change the picture
    assert "icc_profile" not in given.info


def test_a_profile_in_a_jpeg_2000_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "scan.jp2"
    picture(160, 120).save(path, irreversible=False)
    data = path.read_bytes()
    header, colour = data.index(b"jp2h"), data.index(b"colr")  # ISO/IEC 15444-1, I.5.3
    (length,) = struct.unpack(">I", data[colour - 4 : colour])
    made = b"colr\2\0\0" + P3
    made = struct.pack(">I", len(made) + 4) + made
    (outer,) = struct.unpack(">I", data[header - 4 : header])
    path.write_bytes(
        data[: header - 4]
        + struct.pack(">I", outer + len(made) - length)
        + data[header : colour - 4]
        + made
        + data[colour - 4 + length :]
    )
    given = whole(tmp_path, "scan.jp2")
    assert difference(given, as_srgb(picture(160, 120), P3)).max() <= 2


def test_a_profile_is_converted_in_reduced_tiles_too(tmp_path: Path) -> None:
    picture(160, 120).save(tmp_path / "scan.png", icc_profile=P3)
    given = seen(asked(served(tmp_path), "scan.png", "0,0,128,64/64,32/0/default.png"))
    full = as_srgb(decoded(tmp_path / "scan.png"), P3)
    assert difference(given, full.crop((0, 0, 128, 64)).reduce(2)).mean() < 1


def test_a_profile_of_16_bit_samples_is_converted(tmp_path: Path) -> None:
    wide = pyvips.Image.new_from_array(np.asarray(picture(64, 48))).cast("ushort") * 257
    wide = wide.cast("ushort").copy(interpretation="rgb16")
    wide.set_type(pyvips.GValue.blob_type, "icc-profile-data", P3)
    wide.tiffsave(str(tmp_path / "scan.tif"), compression="lzw")
    differs = difference(whole(tmp_path, "scan.tif"), as_srgb(picture(64, 48), P3))
    assert differs.mean() < 0.3
    assert differs.max() <= 12  # LittleCMS itself differs so much at the edge of the gamut


def test_a_profile_leaves_opacity_alone(tmp_path: Path) -> None:
    source = picture(64, 48).convert("RGBA")
    source.putalpha(Image.linear_gradient("L").resize((64, 48)))
    source.save(tmp_path / "scan.png", icc_profile=P3)
    given = whole(tmp_path, "scan.png")
    assert given.getchannel("A").tobytes() == source.getchannel("A").tobytes()
    assert difference(given.convert("RGB"), as_srgb(source.convert("RGB"), P3)).max() <= 2


def test_a_gray_profile_is_converted_and_stays_gray(tmp_path: Path) -> None:
    profile = linear_gray_profile()
    ramp = Image.linear_gradient("L")
    ramp.save(tmp_path / "scan.png", icc_profile=profile)
    given = whole(tmp_path, "scan.png")
    assert given.mode == "L"
    assert difference(given, as_srgb(ramp, profile).getchannel("G")).max() <= 2
    assert given.getpixel((0, 128)) > 180  # half of the light is much more than half of 255


def test_the_srgb_profile_changes_no_sample(tmp_path: Path) -> None:
    picture(160, 120).save(tmp_path / "scan.png", icc_profile=SRGB)
    assert difference(whole(tmp_path, "scan.png"), picture(160, 120)).max() == 0


@pytest.mark.parametrize(
    "profile",
    [b"\0", b"no profile" * 300, P3[:200], SRGB[: len(SRGB) // 2], cmyk_profile(), SRGB[:-1]],
    ids=["empty", "noise", "begun", "half", "of CMYK", "short"],
)
@pytest.mark.parametrize("setting", ["srgb", "keep"])
def test_a_broken_profile_is_dropped(profile: bytes, setting: str, tmp_path: Path) -> None:
    picture(160, 120).save(tmp_path / "scan.png", icc_profile=profile)
    given = whole(tmp_path, "scan.png", profile=setting)
    assert difference(given, picture(160, 120)).max() == 0
    assert "icc_profile" not in given.info


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif"])
def test_a_kept_profile_is_embedded_and_the_samples_are_the_scan_s(
    ending: str, tmp_path: Path
) -> None:
    source = picture(160, 120)
    source.save(tmp_path / "scan.png", icc_profile=P3)
    given = whole(tmp_path, "scan.png", f"default.{ending}", profile="keep")
    assert given.info["icc_profile"] == P3
    assert difference(given, source).mean() < (0.1 if ending in LOSSLESS else 12)


@pytest.mark.parametrize("last", ["gray.png", "default.gif", "default.jp2"])
def test_no_profile_is_kept_where_it_would_be_lost(last: str, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (200, 60, 60)).save(tmp_path / "scan.png", icc_profile=P3)
    given = whole(tmp_path, "scan.png", last, profile="keep")
    shown = as_srgb(decoded(tmp_path / "scan.png"), P3)
    expected = shown.convert("L") if last == "gray.png" else shown
    assert difference(given.convert(expected.mode), expected).max() <= 3
    assert "icc_profile" not in given.info


# -- CMYK


@pytest.mark.parametrize("profile", [None, cmyk_profile(), b"broken"], ids=["none", "own", "bad"])
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])  # Pillow writes Adobe's inverted JPEG
def test_cmyk_is_shown_as_its_profile_says(
    suffix: str, profile: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / f"scan{suffix}"
    picture(160, 120).convert("CMYK").save(path, icc_profile=profile)
    differs = difference(whole(tmp_path, path.name), as_srgb(decoded(path), cmyk_profile()))
    assert differs.mean() < 1
    assert differs.max() <= 6


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize(
    ("ink", "darkest", "lightest"), [((0,) * 4, 250, 255), ((255,) * 4, 0, 24)]
)
def test_paper_is_white_and_all_inks_are_black(
    suffix: str, ink: tuple[int, ...], darkest: int, lightest: int, tmp_path: Path
) -> None:
    Image.new("CMYK", (32, 32), ink).save(tmp_path / f"scan{suffix}")
    for low, high in whole(tmp_path, f"scan{suffix}").getextrema():
        assert darkest <= low <= high <= lightest


# -- depth


def test_every_16_bit_value_is_rounded_to_8(tmp_path: Path) -> None:
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(values).save(tmp_path / "gray.tif")
    three = pyvips.Image.new_from_array(np.dstack([values, values[::-1], values.T]))
    three.copy(interpretation="rgb16").pngsave(str(tmp_path / "colour.png"))
    rounded = ((values.astype(int) + 128) // 257).astype(np.uint8)
    assert (np.asarray(whole(tmp_path, "gray.tif")) == rounded).all()
    colours = np.asarray(whole(tmp_path, "colour.png"))
    assert (colours == np.dstack([rounded, rounded[::-1], rounded.T])).all()


@pytest.mark.parametrize("white_is_zero", [False, True])
def test_white_is_white_in_1_bit(white_is_zero: bool, tmp_path: Path) -> None:
    half = np.zeros((16, 32), np.uint8)
    half[:, 16:] = 255
    pyvips.Image.new_from_array(half).copy(interpretation="b-w").tiffsave(
        str(tmp_path / "scan.tif"), bitdepth=1, compression="ccittfax4", miniswhite=white_is_zero
    )
    given = whole(tmp_path, "scan.tif")
    assert [given.getpixel((x, 8)) for x in (0, 15, 16, 31)] == [0, 0, 255, 255]


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_fill_the_range(bits: int, tmp_path: Path) -> None:
    steps = 2**bits
    ramp = np.repeat(np.arange(steps, dtype=np.uint8) * (255 // (steps - 1)), 8)[None].repeat(8, 0)
    pyvips.Image.new_from_array(ramp).copy(interpretation="b-w").pngsave(
        str(tmp_path / "scan.png"), bitdepth=bits
    )
    assert (np.asarray(whole(tmp_path, "scan.png").convert("L")) == ramp).all()


# -- opacity


def half_red(folder: Path, mode: str = "RGBA") -> None:
    """Save red that alternates with transparent black, column by column."""
    bands = 4 if mode == "RGBA" else 2
    pixels = np.zeros((64, 64, bands), np.uint8)
    pixels[:, ::2, 0] = 255
    pixels[:, ::2, -1] = 255
    Image.fromarray(pixels, mode).save(folder / "scan.png")


@pytest.mark.parametrize("size", ["32,32", "16,16", "23,19", "^150,150"])
def test_what_is_transparent_darkens_nothing(size: str, tmp_path: Path) -> None:
    half_red(tmp_path)
    given = np.asarray(seen(asked(served(tmp_path), "scan.png", f"full/{size}/0/default.png")))
    visible = given[given[..., 3] > 16]
    assert visible[:, 0].min() >= 250
    assert visible[:, 1:3].max() <= 4
    assert abs(given[..., 3].mean() - 128) < 3


@pytest.mark.parametrize("ending", ["png", "webp", "avif", "tif", "jp2"])
def test_opacity_is_kept_where_the_format_has_it(ending: str, tmp_path: Path) -> None:
    half_red(tmp_path)
    given = seen(asked(served(tmp_path), "scan.png", f"full/32,32/0/default.{ending}"))
    assert given.mode == "RGBA"
    assert abs(np.asarray(given.getchannel("A")).astype(int) - 128).max() <= 3


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("background", ["#ffffff", "#204060"])
def test_the_background_shows_where_the_format_has_no_opacity(
    background: str, mode: str, tmp_path: Path
) -> None:
    Image.new(mode, (32, 32), (0,) * len(mode)).save(tmp_path / "scan.png")
    given = whole(tmp_path, "scan.png", "default.jpg", background=background).convert("RGB")
    expected = Image.new("RGB", (32, 32), background)
    assert difference(given, expected).max() <= 2


def test_a_further_band_that_is_no_opacity_is_not_shown(tmp_path: Path) -> None:
    source = picture(64, 48)
    source.convert("RGBX").save(tmp_path / "scan.tif")
    for size in ("max", "32,24"):
        given = seen(asked(served(tmp_path), "scan.tif", f"full/{size}/0/default.png"))
        assert given.mode == "RGB"
    assert difference(whole(tmp_path, "scan.tif"), source).max() == 0


# -- gray, bitonal, color


@pytest.mark.parametrize("ending", [name for name in FORMATS if name != "pdf"])
def test_gray_is_rec_601_luma_in_every_format(ending: str, tmp_path: Path) -> None:
    colours = {"red": 76, "lime": 150, "blue": 29, "white": 255, "black": 0}
    for colour in colours:
        Image.new("RGB", (32, 32), colour).save(tmp_path / f"{colour}.png")
    images = served(tmp_path)
    for colour, luma in colours.items():
        given = seen(asked(images, f"{colour}.png", f"full/max/0/gray.{ending}"))
        red, green, blue = given.convert("RGB").getpixel((16, 16))
        assert red == green == blue
        assert abs(red - luma) <= (1 if ending in LOSSLESS else 2)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_gray_is_pillow_s_gray(mode: str, tmp_path: Path) -> None:
    source = picture(160, 120).convert(mode)
    source.save(tmp_path / "scan.png")
    given = whole(tmp_path, "scan.png", "gray.png")
    expected = source.convert("LA" if mode.endswith("A") else "L")
    assert given.mode == expected.mode
    assert difference(given, expected).max() == 0


def test_every_colour_has_pillow_s_gray() -> None:
    expected = np.asarray(Image.fromarray(every_colour()).convert("L"))
    image = pyvips.Image.new_from_array(every_colour()).copy(interpretation="srgb")
    assert (in_quality(image, "gray").numpy() == expected).all()


def test_every_colour_has_pillow_s_gray_where_it_is_encoded_as_such() -> None:
    colours = np.pad(every_colour(), ((0, 0), (0, 0), (0, 1)))
    luma = np.asarray(Image.fromarray(every_colour()).convert("L"))[..., None]
    how = Encoding(jpeg_quality=100)
    assert encoded(colours, how, gray=True) == encoded(luma, how)


def every_colour() -> np.ndarray:
    colours = np.arange(1 << 24, dtype=">u4").reshape(4_096, 4_096)
    return np.ascontiguousarray(colours.view(np.uint8).reshape(4_096, 4_096, 4)[..., 1:])


@pytest.mark.parametrize("ending", ["png", "webp", "avif", "tif", "gif", "jp2"])
def test_bitonal_is_black_and_white_only(ending: str, tmp_path: Path) -> None:
    source = picture(97, 61)
    source.save(tmp_path / "scan.png")
    given = whole(tmp_path, "scan.png", f"bitonal.{ending}").convert("L")
    assert {value for _, value in given.getcolors()} == {0, 255}
    # luma at the threshold itself may be rounded otherwise
    luma = np.asarray(source.convert("L")).astype(int)
    assert ((np.asarray(given) == 255) == (luma >= 128))[abs(luma - 128) > 1].all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_bitonal_has_1_bit(ending: str, tmp_path: Path) -> None:
    picture(97, 61).save(tmp_path / "scan.png")
    assert whole(tmp_path, "scan.png", f"bitonal.{ending}").mode == "1"


def test_bitonal_pdf_has_1_bit(tmp_path: Path) -> None:
    picture(97, 61).save(tmp_path / "scan.png")
    data = asked(served(tmp_path), "scan.png", "full/max/0/bitonal.pdf")
    assert b"/BitsPerComponent 1" in data


def test_color_of_a_gray_scan_is_its_default(tmp_path: Path) -> None:
    picture(97, 61).convert("L").save(tmp_path / "scan.png")
    color = whole(tmp_path, "scan.png", "color.png")
    assert difference(color, whole(tmp_path, "scan.png", "default.png")).max() == 0
