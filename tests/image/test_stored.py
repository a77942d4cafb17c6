"""Tiles and thumbnails that stand ready: in the image's own file, or in its sidecar."""

from __future__ import annotations

import io
import pickle
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from image_sources import make, picture
from PIL import Image
from viewer_requests import SPELLINGS, leaflet_tiles, openseadragon_tiles

from iiifserver.image import storing
from iiifserver.image.build import build
from iiifserver.image.containers import describe_page
from iiifserver.image.form import Form
from iiifserver.image.headers import Header, Level
from iiifserver.image.info import Description, info
from iiifserver.image.job import Encoding, Picture
from iiifserver.image.lossless import here
from iiifserver.image.plan import Box, Dimensions, Limits, Plan, make_plan
from iiifserver.image.render import render
from iiifserver.image.render.tile import decoded
from iiifserver.image.request import ImageRequest, OutputFormat, Quality, Rotation
from iiifserver.image.stored import Entry, Index, Kind, Stored, packed, read_stored
from iiifserver.image.storing import store
from iiifserver.sources import Place, identity_of

TILE = 128
FORM = Form(tile=TILE)
FLOORED = (397, 523)  # halves are odd: libvips rounds them down


def written(path: Path, size: tuple[int, int] = FLOORED, gray: bool = False, **how: Any) -> Path:
    """Write a pyramid as others do."""
    image = picture(*size).convert("L") if gray else picture(*size)
    pixels = pyvips.Image.new_from_array(np.asarray(image))
    options = {"tile": True, "tile_width": TILE, "tile_height": TILE, "pyramid": True} | how
    pixels.copy(interpretation="b-w" if gray else "srgb").tiffsave(str(path), **options)
    return path


def ours(path: Path, size: tuple[int, int] = FLOORED) -> Path:
    scan = path.with_suffix(".png")
    picture(*size).save(scan)
    build(scan, 0, identity_of(scan.stat()), path, FORM)
    return path


def stored(path: Path, identity: str = "one") -> Stored:
    sidecar = path.with_suffix(".tiles")
    store(path, describe_page(path), identity, sidecar, FORM)
    found = read_stored(sidecar, path, identity)
    assert found is not None
    return found


def plan_of(box: Box, width: int, height: int, **other: Any) -> Plan:
    values = {"rotation": Rotation(), "quality": "default", "format": "jpg"} | other
    return Plan(box, width, height, canonical="", **values)


def whole_tiles(path: Path) -> list[tuple[int, Box, Plan]]:
    """Return the level's number, its box, and the plan of each tile that lies in it whole."""
    header = describe_page(path)
    found = []
    for number, level in enumerate(header.levels):
        for y in range(0, level.height - TILE + 1, TILE):
            for x in range(0, level.width - TILE + 1, TILE):
                scale = level.scale
                wide = min(TILE * scale, header.width - x * scale)
                high = min(TILE * scale, header.height - y * scale)
                box = Box(x * scale, y * scale, wide, high)
                found.append((number, Box(x, y, TILE, TILE), plan_of(box, TILE, TILE)))
    return found


def by_libvips(path: Path, number: int, box: Box) -> Any:
    level = describe_page(path).levels[number]
    options = {"page": level.page} | ({"subifd": level.subifd} if level.subifd >= 0 else {})
    return np.atleast_3d(pyvips.Image.tiffload(str(path), **options).crop(*box).numpy())


def by_pillow(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return np.atleast_3d(np.asarray(image))


JPEG = {"compression": "jpeg"}
PYRAMIDS: dict[str, dict[str, Any]] = {
    "luma and chroma": JPEG | {"Q": 80},
    "red, green and blue": JPEG | {"Q": 95},
    "gray": JPEG | {"gray": True},
    "subifd": JPEG | {"subifd": True},
    "bigtiff": JPEG | {"bigtiff": True},
    "webp": {"compression": "webp", "Q": 80},
    "lossless webp": {"compression": "webp", "lossless": True},
    "exact halves": JPEG | {"size": (512, 384)},
    "sRGB profile": JPEG | {"profile": "srgb", "keep": "icc"},
}


@pytest.mark.parametrize("how", PYRAMIDS.values(), ids=PYRAMIDS)
def test_tiles_that_pass_show_what_the_file_does(how: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path / "p.tif", **how)
    found = stored(path)
    form: OutputFormat = "webp" if how["compression"] == "webp" else "jpg"
    tiles = whole_tiles(path)
    assert len(tiles) > 12
    for number, box, plan in tiles:
        place = found.place(plan.box, plan.width, plan.height, form)
        assert place is not None, (number, box)
        assert place.path == str(path)
        assert (by_pillow(place.read()) == by_libvips(path, number, box)).all(), (number, box)


NOT_AS_THEY_ARE: dict[str, dict[str, Any]] = {
    "deflate": {"compression": "deflate"},
    "lzw": {"compression": "lzw"},
    "another profile": JPEG | {"profile": "p3", "keep": "icc"},
    "inverted gray": JPEG | {"gray": True, "miniswhite": True},
}


@pytest.mark.parametrize("how", NOT_AS_THEY_ARE.values(), ids=NOT_AS_THEY_ARE)
def test_tiles_of_other_codes_and_colours_do_not_pass(how: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path / "p.tif", **how)
    found = stored(path)
    places = [found.find(plan) for _, _, plan in whole_tiles(path)]
    assert places
    assert not any(place and place.path == str(path) for place in places)


@pytest.mark.parametrize("make_pyramid", [ours, written], ids=["ours", "of others"])
@pytest.mark.parametrize("size", [FLOORED, (513, 129), (120, 90), (2, 700), (256, 256)])
def test_every_tile_that_viewers_ask_stands_ready(
    make_pyramid: Any, size: tuple[int, int], tmp_path: Path
) -> None:
    how = {} if make_pyramid is ours else JPEG
    path = make_pyramid(tmp_path / "p.tif", size, **how)
    found, header = stored(path), describe_page(path)
    image, tile = Dimensions(header.width, header.height), Dimensions(*(header.tile_size or ()))
    for version in (2, 3):
        described = info(version, Description("https://example.org/i", image, tile), Limits())
        asked = [*openseadragon_tiles(described, spelling=SPELLINGS[1], format="jpg")]
        if tile == (TILE, TILE):
            asked += leaflet_tiles(described, spelling=SPELLINGS[1], format="jpg")
        for each in asked:
            request = ImageRequest.parse(version, *each.path.split("/"))
            place = found.find(make_plan(request, image, Limits()))
            assert place is not None, each.path
            assert by_pillow(place.read()).shape[:2] == (each.height, each.width)


@pytest.mark.parametrize(
    "how", [JPEG, JPEG | {"Q": 95}, {"compression": "deflate"}], ids=["jpeg", "rgb", "deflate"]
)
def test_what_is_made_is_what_would_be_rendered(how: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path / "p.tif", **how)
    found, header = stored(path), describe_page(path)
    encoding = Encoding(jpeg_quality=FORM.quality)
    compared = 0
    for number in range(4):
        for y in range(0, 523, TILE << number):
            for x in range(0, 397, TILE << number):
                box = Box(x, y, min(TILE << number, 397 - x), min(TILE << number, 523 - y))
                plan = plan_of(box, -(-box.width >> number), -(-box.height >> number))
                place = found.find(plan)
                if place and place.path != str(path):
                    assert place.read() == render(Picture("p", path, header, plan, encoding))
                    compared += 1
    assert compared > 12


def test_no_more_tiles_are_made_for_a_sidecar_than_it_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_MADE", 3)
    found = stored(written(tmp_path / "p.tif", **JPEG))
    places = [
        found.tile(number, "jpg") for number in range(5 * 4)
    ]  # at full size: 8 are cut at the edges
    made = [place for place in places if place and place.path.endswith(".tiles")]
    assert len(made) == 3
    assert None in places  # it is made when it is asked for


@pytest.mark.parametrize("kind", ["jpeg-baseline-420", "png", "tiff-strips-lzw", "webp-lossy"])
def test_small_scans_have_all_their_tiles_in_the_sidecar(kind: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path, picture(700, 530))
    found = stored(path)
    for box in (Box(0, 0, 512, 512), Box(512, 0, 188, 512), Box(512, 512, 188, 18)):
        place = found.find(plan_of(box, box.width, box.height))
        assert place is not None
        expected = np.asarray(picture(700, 530).crop((box.x, box.y, 700, 530)))
        given = by_pillow(place.read()).astype(int)
        assert np.abs(given - expected[: box.height, : box.width]).mean() < 7


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ("90,", (90, 119)),
        ("!120,120", (91, 120)),
        ("!200,200", (152, 200)),
        ("199,262", (199, 262)),
    ],
)
def test_thumbnails_stand_ready_in_every_spelling(
    asked: str, size: tuple[int, int], tmp_path: Path
) -> None:
    found = stored(ours(tmp_path / "p.tif"))
    for version in (2, 3):
        request = ImageRequest.parse(version, "full", asked, "0", "default.jpg")
        place = found.find(make_plan(request, Dimensions(*FLOORED), Limits()))
        assert place is not None
        given = Image.open(io.BytesIO(place.read()))
        assert given.size == size
        expected = picture(*FLOORED).resize(size, Image.Resampling.BOX)
        assert np.abs(np.asarray(given).astype(int) - np.asarray(expected)).mean() < 6.5


@pytest.mark.parametrize(
    ("box", "width", "height", "other"),
    [
        (Box(0, 0, 128, 128), 127, 128, {}),
        (Box(0, 0, 128, 128), 64, 64, {}),
        (Box(0, 0, 127, 128), 127, 128, {}),
        (Box(1, 0, 128, 128), 128, 128, {}),
        (Box(128, 0, 256, 256), 128, 128, {}),
        (Box(384, 0, 12, 128), 12, 128, {}),
        (Box(0, 0, 397, 523), 90, 120, {}),
        (Box(0, 0, 128, 128), 128, 128, {"format": "png"}),
        (Box(0, 0, 128, 128), 128, 128, {"format": "webp"}),
        (Box(0, 0, 128, 128), 128, 128, {"quality": "gray"}),
        (Box(0, 0, 128, 128), 128, 128, {"quality": "bitonal"}),
        (Box(0, 0, 128, 128), 128, 128, {"rotation": Rotation(90)}),
        (Box(0, 0, 128, 128), 128, 128, {"rotation": Rotation(Fraction(1, 2))}),
        (Box(0, 0, 128, 128), 128, 128, {"rotation": Rotation(0, True)}),
    ],
)
def test_what_is_no_stored_tile_is_not_found(
    box: Box, width: int, height: int, other: dict[str, Any], tmp_path: Path
) -> None:
    found = stored(ours(tmp_path / "p.tif"))
    assert found.find(plan_of(Box(0, 0, 128, 128), 128, 128)) is not None
    assert found.find(plan_of(box, width, height, **other)) is None


@pytest.mark.parametrize("gray", [True, False])
def test_gray_is_the_default_where_the_image_has_no_colours(gray: bool, tmp_path: Path) -> None:
    found = stored(written(tmp_path / "p.tif", gray=gray, **JPEG))
    plan = plan_of(Box(0, 0, 128, 128), 128, 128, quality="gray")
    assert (found.find(plan) is not None) == gray


# -- gray, mirrored and quarter-turned tiles


@pytest.mark.parametrize("quality", ["default", "gray"])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("box", [Box(128, 0, 128, 128), Box(384, 512, 13, 11)])
def test_a_turned_tile_is_the_same_from_its_stored_tile(
    box: Box, degrees: int, mirror: bool, quality: Quality, tmp_path: Path
) -> None:
    path = ours(tmp_path / "p.tif")
    place = stored(path).place(box, box.width, box.height)
    assert place is not None
    plan = plan_of(box, box.width, box.height, rotation=Rotation(degrees, mirror), quality=quality)
    header = describe_page(path)
    given = by_pillow(render(Picture("p", path, header, plan, Encoding(), stored=place)))
    expected = by_pillow(render(Picture("p", path, header, plan, Encoding())))
    assert given.shape == expected.shape
    if quality == "gray" and place.path == str(path):
        # of the stored luma, see below; encoded again
        assert np.abs(given.astype(int) - expected).mean() < 1
    elif place.path == str(path):
        assert (given == expected).all()
    else:  # an edge tile was encoded once before
        assert np.abs(given.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("place", [None, Place("p", 1, 2, b"x")])
def test_a_picture_arrives_as_it_was_sent(place: Place | None, tmp_path: Path) -> None:
    path = ours(tmp_path / "p.tif")
    plan = plan_of(Box(0, 0, 9, 8), 5, 4, rotation=Rotation(Fraction(1, 2), True))
    encoding = Encoding(70, "off", True, 60, 50, (1, 2, 3), True)
    about = ("1", "kept", place, "lossless", "copy")
    sent = Picture("p", path, describe_page(path), plan, encoding, *about)
    once = pickle.loads(pickle.dumps(sent))
    for arrived in (once, pickle.loads(pickle.dumps(once))):
        assert arrived.header == sent.header
        assert arrived._replace(given=sent.header) == sent
        assert (arrived.key, arrived.cost_ms) == (sent.key, sent.cost_ms)


def test_gray_of_a_tile_is_the_luma_of_what_is_seen(tmp_path: Path) -> None:
    path = ours(tmp_path / "p.tif")
    found = stored(path)
    for number, box, plan in whole_tiles(path):
        place = found.find(plan)
        assert place is not None
        luma = decoded(place.read(), luma=True)[..., 0].astype(int)
        with Image.open(io.BytesIO(place.read())) as image:
            colours, seen = np.asarray(image), np.asarray(image.convert("L"))
        # colours beyond what can be shown are cut off, and have another luma then
        cut = ((colours == 0) | (colours == 255)).any(axis=-1)
        assert np.abs(luma - seen)[~cut].max() <= 1, (number, box)


def test_a_tile_that_is_gone_or_damaged_is_made_from_the_file(tmp_path: Path) -> None:
    path = ours(tmp_path / "p.tif")
    plan = plan_of(Box(0, 0, 128, 128), 128, 128, quality="gray")
    expected = render(Picture("p", path, describe_page(path), plan, Encoding()))
    for place in (Place(str(tmp_path / "gone"), 0, 9), Place(str(path), 0, 500)):
        job = Picture("p", path, describe_page(path), plan, Encoding(), stored=place)
        assert render(job) == expected
        assert render(job._replace(lossless=here())) == expected


# -- the sidecar as a file


def header_of(width: int, height: int) -> Header:
    levels = tuple(Level(width >> n, height >> n, 1 << n, n, -1, 512, 512) for n in range(7))
    return Header("tiff", width, height, 1, levels, 3, 8, False, False, False, 1 << 20, True)


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = ours(tmp_path_factory.mktemp("sidecar") / "p.tif")
    stored(path)
    return path.with_suffix(".tiles")


def read(sidecar: Path, data: bytes) -> Stored | None:
    changed = sidecar.with_name("changed.tiles")
    changed.write_bytes(data)
    return read_stored(changed, sidecar.with_suffix(".tif"), "one")


def test_a_sidecar_is_of_one_file(sidecar: Path) -> None:
    picture_path = sidecar.with_suffix(".tif")
    assert read_stored(sidecar, picture_path, "another") is None
    assert read_stored(sidecar.with_name("none"), picture_path, "one") is None
    assert read_stored(sidecar, sidecar, "one") is None  # of another size
    assert read_stored(sidecar, picture_path.with_name("none"), "one") is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_sidecar_is_none(sidecar: Path, data: st.DataObject) -> None:
    whole = sidecar.read_bytes()
    assert read(sidecar, whole) is not None
    index = 16 + int.from_bytes(whole[8:12], "little")
    if data.draw(st.booleans()):
        assert read(sidecar, whole[: data.draw(st.integers(0, len(whole) - 1))]) is None
    else:
        place, bit = data.draw(st.integers(0, index - 1)), data.draw(st.integers(0, 7))
        flipped = bytes([whole[place] ^ 1 << bit])
        assert read(sidecar, whole[:place] + flipped + whole[place + 1 :]) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_no_sidecar(sidecar: Path, body: bytes, line: bool) -> None:
    body += b"\n" if line else b""
    checksum = zlib.crc32(body).to_bytes(4, "little")
    assert read(sidecar, b"tiles 2\n" + len(body).to_bytes(4, "little") + checksum + body) is None


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b'"kinds":[', b'"kindz":['),
        (b'"levels":4', b'"levels":9'),
        (b'"levels":4', b'"levels":1e999'),
        (b'"levels":4', b'"levels":99999999999'),
        (b'"kinds":[[false', b'"kinds":[],"more":[[false'),  # of which tiles name the first
    ],
)
def test_a_sidecar_that_contradicts_itself_is_none(
    sidecar: Path, part: bytes, instead: bytes
) -> None:
    whole = sidecar.read_bytes()
    end = 16 + int.from_bytes(whole[8:12], "little")
    assert part in whole[:end]
    body = whole[16:end].replace(part, instead)
    head = len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little")
    assert read(sidecar, whole[:8] + head + body + whole[end:]) is None


def test_touching_a_file_moves_nothing_in_its_sidecar(sidecar: Path) -> None:
    path = sidecar.with_suffix(".tif")
    plan = plan_of(Box(384, 512, 13, 11), 13, 11)
    one = stored(path).find(plan)
    assert one is not None
    assert one == stored(path, "a much longer identity-of-the-file").find(plan)
    stored(path)


def test_a_large_image_is_read_in_one_go_and_stays_small(tmp_path: Path) -> None:
    header, tile = header_of(30_000, 20_000), Dimensions(512, 512)
    count = sum(-(-30_000 // (512 << n)) * -(-20_000 // (512 << n)) for n in range(7))
    index = Index(
        "one", 4, header, tile, 7, [Kind(False, "jpg"), Kind(True, "jpg", b"prefix")],
        [Entry(1, number * 1000, 1000) for number in range(count)], {}, 0,
    )  # fmt: skip
    (tmp_path / "p").write_bytes(b"1234")
    (tmp_path / "p.tiles").write_bytes(packed(index))
    found = read_stored(tmp_path / "p.tiles", tmp_path / "p", "one")
    assert found is not None
    assert found.memory_bytes < 50_000
    place = found.find(plan_of(Box(29_696, 19_968, 304, 32), 304, 32))
    assert place == Place(str(tmp_path / "p"), (59 * 40 - 1) * 1000, 1000, b"prefix")
