"""From a plan to an encoded picture: sizes, rotation, formats, what is refused. Pillow judges."""

from __future__ import annotations

import io
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from image_sources import KINDS, make, picture
from PIL import Image, JpegImagePlugin
from pixels import asked, decoded, difference, seen, served

import iiifserver.image.render  # noqa: F401 - blocks loaders
from iiifserver.errors import BrokenSource, Replaced
from iiifserver.image.plan import Dimensions, rotated
from iiifserver.image.request import FORMATS, ImageRequest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one picture, 200 x 150, as scan.png and as scan.jpg."""
    made = tmp_path_factory.mktemp("render")
    picture(200, 150).save(made / "scan.png")
    picture(200, 150).save(made / "scan.jpg", quality=95)
    return made


# -- regions and sizes


@pytest.mark.parametrize(
    "region", ["0,0,200,150", "10,20,64,64", "199,149,1,1", "190,0,500,500", "0,149,200,1"]
)
def test_a_region_is_pillow_s_crop(region: str, folder: Path) -> None:
    given = seen(asked(served(folder), "scan.png", f"{region}/max/0/default.png"))
    x, y, width, height = map(int, region.split(","))
    box = (x, y, min(x + width, 200), min(y + height, 150))
    assert difference(given, picture(200, 150).crop(box)).max() == 0


@pytest.mark.parametrize(
    "size",
    ["199,", "150,", "101,76", "50,", "37,112", "9,5", "1,1", "1,150", "200,1", "pct:70",
     "^201,", "^400,300", "^333,77", "^77,333", "^1000,", "^!700,700", "^pct:250"],
)  # fmt: skip
@pytest.mark.parametrize("region", ["full", "3,5,151,97"])
def test_a_size_is_exact_and_keeps_the_mean_colour(region: str, size: str, folder: Path) -> None:
    images = served(folder)
    path = f"{region}/{size if '^' in size else '^' + size}/0/default.png"
    plan = images.plan("scan.png", ImageRequest.parse(3, *path.split("/"))).plan
    given = seen(asked(images, "scan.png", path))
    assert given.size == (plan.width, plan.height)
    x, y, width, height = plan.box
    source = np.asarray(picture(200, 150).crop((x, y, x + width, y + height)))
    means = np.asarray(given).mean((0, 1)) - source.mean((0, 1))
    assert abs(means).max() < (2 if min(given.size) > 4 else 12)


@pytest.mark.parametrize("size", [(120, 90), (150, 113), (67, 50)])
def test_a_smaller_size_is_near_pillow_s(size: tuple[int, int], folder: Path) -> None:
    given = seen(asked(served(folder), "scan.png", f"full/{size[0]},{size[1]}/0/default.png"))
    expected = picture(200, 150).resize(size, Image.Resampling.LANCZOS)
    assert difference(given, expected).mean() < 2


@pytest.mark.parametrize(
    ("region", "size"),
    [
        ((0, 0, 1000, 800), (301, 241)),  # from a level of half the size
        ((0, 0, 1000, 800), (150, 120)),  # of a quarter
        ((3, 5, 700, 601), (220, 190)),  # begins between the level's pixels
        ((301, 198, 699, 602), (117, 101)),  # to the corner
        ((7, 0, 100, 800), (33, 264)),
    ],
)
@pytest.mark.parametrize("kind", ["tiff-pyramid-pages-jpeg", "tiff-pyramid-subifd-deflate"])
def test_a_reduced_region_lies_where_pillow_has_it(
    kind: str, region: tuple[int, int, int, int], size: tuple[int, int], tmp_path: Path
) -> None:
    """With boxes rounded to a level's pixels two of these differ by 1.8 and more."""
    source = picture(1000, 800)
    path = make(kind, tmp_path, source)
    asked_for = f"{','.join(map(str, region))}/{size[0]},{size[1]}/0/default.png"
    given = seen(asked(served(tmp_path), path.name, asked_for))
    x, y, width, height = region
    box = (x, y, x + width, y + height)
    expected = source.resize(size, Image.Resampling.LANCZOS, box)
    assert difference(given, expected).mean() < 1.5


@pytest.mark.parametrize("size", [(60, 20), (30, 45), (300, 200), (31, 21), (60, 10), (20, 50)])
def test_what_is_enlarged_stays_in_its_place(size: tuple[int, int], tmp_path: Path) -> None:
    half = Image.new("RGB", (30, 20), "white")
    half.paste("black", (0, 0, 15, 10))
    half.save(tmp_path / "scan.png")
    path = f"full/^{size[0]},{size[1]}/0/default.png"
    given = seen(asked(served(tmp_path), "scan.png", path))
    differs = difference(given, half.resize(size, Image.Resampling.BICUBIC))
    assert differs.mean() < 1.5
    assert np.median(differs) == 0


@pytest.mark.parametrize("path", ["full/^500,/0/default.jpg", "full/^300,100/0/default.png"])
@pytest.mark.parametrize("name", ["scan.png", "scan.jpg", "scan.tif", "scan.webp"])
def test_a_stream_is_enlarged(name: str, path: str, tmp_path: Path) -> None:
    picture(200, 900).save(tmp_path / name)
    expected = decoded(tmp_path / name)
    given = seen(asked(served(tmp_path), name, path))
    assert difference(given, expected.resize(given.size, Image.Resampling.BICUBIC)).mean() < 6


# -- rotation


TURNS = {
    "90": Image.Transpose.ROTATE_270,
    "180": Image.Transpose.ROTATE_180,
    "270": Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("mirror", ["", "!"])
@pytest.mark.parametrize("degrees", ["0", "90", "180", "270", "360", "90.0"])
@pytest.mark.parametrize("name", ["scan.png", "scan.jpg"])
def test_quarter_turns_and_mirroring_are_exact(
    name: str, degrees: str, mirror: str, folder: Path
) -> None:
    given = seen(asked(served(folder), name, f"full/max/{mirror}{degrees}/default.png"))
    expected = decoded(folder / name)
    if mirror:
        expected = expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turn = TURNS.get(str(int(float(degrees)) % 360))
    expected = expected.transpose(turn) if turn is not None else expected
    assert difference(given, expected).max() == 0


@pytest.mark.parametrize("degrees", ["0.5", "22.5", "45", "89.99", "135", "200", "359"])
def test_the_canvas_of_a_rotation_is_as_planned(degrees: str, folder: Path) -> None:
    given = seen(asked(served(folder), "scan.png", f"full/max/{degrees}/default.png"))
    planned = rotated(Dimensions(200, 150), Fraction(degrees))
    assert abs(given.width - planned.width) <= 1
    assert abs(given.height - planned.height) <= 1


@pytest.mark.parametrize("ending", ["png", "webp", "avif", "tif", "jp2"])
def test_free_corners_are_transparent(ending: str, tmp_path: Path) -> None:
    Image.new("RGB", (100, 80), "red").save(tmp_path / "scan.png")
    given = seen(asked(served(tmp_path), "scan.png", f"full/max/30/default.{ending}"))
    assert given.mode == "RGBA"
    corners = [(0, 0), (given.width - 1, 0), (0, given.height - 1)]
    assert max(given.getpixel(corner)[3] for corner in corners) <= 2
    middle = given.getpixel((given.width // 2, given.height // 2))
    assert difference(solid(middle[:3]), solid((255, 0, 0))).max() <= 4
    assert middle[3] >= 253


@pytest.mark.parametrize("background", ["#ffffff", "#00ff00"])
def test_free_corners_show_the_background_without_opacity(background: str, tmp_path: Path) -> None:
    Image.new("RGB", (100, 80), "red").save(tmp_path / "scan.png")
    images = served(tmp_path, background=background)
    given = seen(asked(images, "scan.png", "full/max/30/default.jpg")).convert("RGB")
    expected = Image.new("RGB", (1, 1), background).getpixel((0, 0))
    for corner in [(0, 0), (given.width - 1, 0), (0, given.height - 1)]:
        assert difference(solid(given.getpixel(corner)), solid(expected)).max() <= 4


def test_the_rim_of_a_turned_picture_has_its_colour(tmp_path: Path) -> None:
    Image.new("RGB", (100, 80), (253, 40, 7)).save(tmp_path / "scan.png")
    given = np.asarray(seen(asked(served(tmp_path), "scan.png", "full/max/30/default.png")))
    visible = given[given[..., 3] > 8][:, :3].astype(int)
    assert abs(visible - (253, 40, 7)).max() <= 2


def test_rotation_is_clockwise_after_mirroring(tmp_path: Path) -> None:
    """A spot at the top goes right; mirrored first, one at the top left goes to the top."""
    plain = Image.new("RGB", (101, 101), "white")
    top = plain.copy()
    top.paste("black", (45, 0, 56, 11))
    top.save(tmp_path / "top.png")
    right = plain.copy()
    right.paste("black", (90, 0, 101, 11))
    right.save(tmp_path / "corner.png")
    images = served(tmp_path)
    turned = dark_middle(asked(images, "top.png", "full/max/45/default.jpg"))
    assert turned[0] > 0.7
    assert turned[1] < 0.3
    mirrored = dark_middle(asked(images, "corner.png", "full/max/!45/default.jpg"))
    assert abs(mirrored[0] - 0.5) < 0.05
    assert mirrored[1] < 0.1


def dark_middle(data: bytes) -> tuple[float, float]:
    """Return where the dark pixels lie, as shares of the width and height."""
    pixels = np.asarray(seen(data).convert("L")) < 128
    rows, columns = np.nonzero(pixels)
    return columns.mean() / pixels.shape[1], rows.mean() / pixels.shape[0]


def solid(colour: Any) -> Image.Image:
    return Image.new("RGB", (1, 1), tuple(colour))


# -- formats


PILLOW = {
    "jpg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "avif": "AVIF",
    "tif": "TIFF",
    "gif": "GIF",
    "jp2": "JPEG2000",
}


@pytest.mark.parametrize("ending", PILLOW)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_every_format_is_what_it_says(mode: str, ending: str, tmp_path: Path) -> None:
    source = picture(90, 70).convert(mode)
    source.save(tmp_path / "scan.png")
    given = seen(asked(served(tmp_path), "scan.png", f"full/max/0/default.{ending}"))
    assert given.format == PILLOW[ending]
    assert given.size == (90, 70)
    bound = {"jpg": 12, "webp": 14, "avif": 14, "gif": 12, "jp2": 9}.get(ending, 0)
    assert difference(given.convert("RGB"), source.convert("RGB")).mean() <= bound


@pytest.mark.parametrize("quality", ["default", "gray", "bitonal"])
def test_pdf_is_one_page_of_the_picture(quality: str, folder: Path) -> None:
    data = asked(served(folder), "scan.png", f"full/max/0/{quality}.pdf")
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert b"/Count 1" in data
    assert b"/Width 200" in data
    assert b"/Height 150" in data


@pytest.mark.parametrize("rotation", ["0", "33"])
@pytest.mark.parametrize("quality", ["default", "bitonal"])
@pytest.mark.parametrize("ending", FORMATS)
def test_equal_requests_get_equal_bytes(
    ending: str, quality: str, rotation: str, folder: Path
) -> None:
    path = f"full/99,/{rotation}/{quality}.{ending}"
    assert asked(served(folder), "scan.png", path) == asked(served(folder), "scan.png", path)


def test_quality_settings_change_the_file(folder: Path) -> None:
    for ending, setting in [("jpg", "jpeg"), ("webp", "webp"), ("avif", "avif")]:
        sizes = [
            len(asked(served(folder, **{f"{setting}_quality": quality}), "scan.png",
                      f"full/max/0/default.{ending}"))
            for quality in (30, 60, 90)
        ]  # fmt: skip
        assert sizes == sorted(set(sizes)), ending


@pytest.mark.parametrize("quality", [50, 85])
def test_jpeg_quality_is_libjpeg_s(quality: int, folder: Path) -> None:
    given = seen(asked(served(folder, jpeg_quality=quality), "scan.png", "full/max/0/default.jpg"))
    same = io.BytesIO()
    picture(200, 150).save(same, "JPEG", quality=quality)
    assert isinstance(given, JpegImagePlugin.JpegImageFile)
    assert given.quantization[0] == seen(same.getvalue()).quantization[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("setting", "quality", "sampling"),
    [("on", 95, 2), ("off", 50, 0), ("auto", 85, 2), ("auto", 95, 0)],
)
def test_jpeg_chroma_is_subsampled_as_set(
    setting: str, quality: int, sampling: int, folder: Path
) -> None:
    images = served(folder, jpeg_subsampling=setting, jpeg_quality=quality)
    given = seen(asked(images, "scan.png", "full/max/0/default.jpg"))
    assert JpegImagePlugin.get_sampling(given) == sampling


@pytest.mark.parametrize("progressive", [True, False])
def test_jpeg_is_progressive_as_set(progressive: bool, folder: Path) -> None:
    images = served(folder, jpeg_progressive=progressive)
    given = seen(asked(images, "scan.png", "full/max/0/default.jpg"))
    assert bool(given.info.get("progressive")) is progressive


@pytest.mark.parametrize("colour", [(219, 27, 57), (9, 228, 29), (237, 255, 15)])
def test_jp2_keeps_the_colour_of_plain_areas(colour: tuple[int, ...], tmp_path: Path) -> None:
    solid(colour).resize((64, 64)).save(tmp_path / "scan.png")
    given = seen(asked(served(tmp_path), "scan.png", "full/max/0/default.jp2"))
    assert difference(given, solid(colour).resize((64, 64))).max() <= 2


# -- what is not opened, and what is broken


def test_only_the_loaders_that_we_name_are_open(tmp_path: Path) -> None:
    written = {"x.csv": "csvsave", "x.v": "vipssave", "x.mat": "matrixsave", "x.raw": "rawsave"}
    for name, save in written.items():
        getattr(pyvips.Image.black(8, 8), save)(str(tmp_path / name))
    (tmp_path / "x.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9"/>')
    (tmp_path / "x.ppm").write_bytes(b"P5 1 1 255\n0")
    for path in tmp_path.iterdir():
        with pytest.raises(pyvips.Error, match=r"unable to load|not a known file format"):
            pyvips.Image.new_from_file(str(path))
    for load, name in [("csvload", "x.csv"), ("vipsload", "x.v"), ("matrixload", "x.mat")]:
        with pytest.raises(pyvips.Error, match="blocked"):
            getattr(pyvips.Image, load)(str(tmp_path / name))


@pytest.mark.parametrize("suffix", [".tif", ".jpg", ".png", ".jp2"])
@pytest.mark.parametrize(
    "data",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"1,2,3\n4,5,6\n",
        b"P6 1 1 255\n000",
        b"",
        b"\x00" * 100,
        b"%PDF-1.4\n",
    ],
    ids=["SVG", "CSV", "PPM", "empty", "zeros", "PDF"],
)
def test_another_format_renamed_is_refused(data: bytes, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"scan{suffix}").write_bytes(data)
    with pytest.raises(BrokenSource):
        asked(served(tmp_path), f"scan{suffix}", "full/max/0/default.jpg")


TORN = [kind for kind in KINDS if "orientation" not in kind]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", TORN)
def test_a_file_that_ends_early_is_broken(kind: str, share: float, tmp_path: Path) -> None:
    path = make(kind, tmp_path, picture(150, 190))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BrokenSource):
        asked(served(tmp_path), path.name, "full/max/0/default.jpg")


@pytest.mark.parametrize("path", ["full/max/0/default.jpg", "full/40,/0/default.png"])
@pytest.mark.parametrize("kind", KINDS)
def test_damage_in_the_middle_raises_nothing_else(kind: str, path: str, tmp_path: Path) -> None:
    """A decoder may overlook it, or the file is broken: never another error."""
    file = make(kind, tmp_path, picture(150, 190))
    whole = bytearray(file.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 400] = b"\xa5" * 400
    file.write_bytes(bytes(whole))
    with suppress(BrokenSource):
        given = seen(asked(served(tmp_path), file.name, path))
        assert given.size in ((150, 190), (40, 51))


@pytest.mark.parametrize("kind", ["avif", "png", "tiff-strips-none", "webp-lossy"])
def test_an_error_names_the_image_not_the_machine_s_path(kind: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path, picture(150, 190))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BrokenSource) as caught:
        asked(served(tmp_path), path.name, "full/max/0/default.jpg")
    assert path.name in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_replaced_by_a_smaller_one_is_told_from_the_old_one(tmp_path: Path) -> None:
    picture(150, 190).save(tmp_path / "scan.png")
    images = served(tmp_path)
    planned = images.plan("scan.png", ImageRequest.parse(3, "full", "max", "0", "default.png"))
    picture(50, 90).save(tmp_path / "scan.png")
    with pytest.raises(Replaced):
        images.render(planned)
