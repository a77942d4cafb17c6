"""A large JPEG is decoded at an eighth once, and all its coarse pictures are made of that."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from image_sources import picture
from in_this_process import InThisProcess
from PIL import Image

from iiifserver.cache import Directory, find
from iiifserver.config import Config
from iiifserver.errors import BrokenSource, Replaced
from iiifserver.image import eighth
from iiifserver.image.containers import describe_page
from iiifserver.image.cost import cost_ms
from iiifserver.image.eighth import Eighth, Eighths, is_kept, is_of_eighth
from iiifserver.image.job import Encoding, Picture
from iiifserver.image.plan import Box, Dimensions, Limits, Plan, make_plan
from iiifserver.image.render import pieces, read_level, reading
from iiifserver.image.render.reading import read_eighth
from iiifserver.image.request import ImageRequest
from iiifserver.image.service import Images
from iiifserver.sources import Folder, identity_of

SIZE = (1_603, 2_204)
COARSE = ("full/100,/0/default.jpg", "full/!90,90/0/default.png", "800,0,800,800/50,/0/gray.jpg")


class Counting(InThisProcess):
    """Runs jobs here, and tells what kinds they were."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def render(self, job: Any) -> Any:
        self.ran.append(type(job).__name__)
        return super().render(job)


class Served:
    """A server's images over a folder with one scan."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.folder = root / "scans"
        self.folder.mkdir(exist_ok=True)
        self.config = Config(folder=str(self.folder), data=root / "data", **settings)
        self.renderer = Counting()
        self.derived = Directory.of(self.config)

    def save(self, image: Image.Image, **how: Any) -> Path:
        path = self.folder / "scan.jpg"
        image.save(path, quality=90, **how)
        self.images = Images(Folder(self.folder), self.config, self.renderer)
        return path

    def answer(self, spelled: str) -> Image.Image:
        planned = self.images.plan("scan.jpg", ImageRequest.parse(3, *spelled.split("/")))
        return Image.open(io.BytesIO(self.images.render(planned)))

    def pixels(self, spelled: str) -> Any:
        return np.asarray(self.answer(spelled)).astype(int)

    def kept(self) -> list[Path]:
        return [each for each in self.derived.folder.rglob("*") if each.stat().st_size > 50_000]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(eighth, "_LEAST_PIXELS", 1_000_000)
    found = Served(tmp_path)
    found.save(picture(*SIZE))
    return found


def plan_of(size: tuple[int, int], spelled: str) -> Plan:
    return make_plan(ImageRequest.parse(3, *spelled.split("/")), Dimensions(*size), Limits())


def test_of_all_coarse_pictures_only_the_first_decodes_the_scan(served: Served) -> None:
    for spelled in COARSE:
        served.answer(spelled)
    assert served.renderer.ran == ["Eighth", "Picture", "Picture", "Picture"]


def test_a_coarse_picture_shows_what_it_shows_of_the_scan_itself(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [np.asarray(served.answer(spelled)).astype(int) for spelled in COARSE]
    monkeypatch.setattr(eighth, "_LEAST_PIXELS", 1 << 40)
    other = Served(tmp_path / "other") if (tmp_path / "other").mkdir() is None else None
    assert other
    other.save(picture(*SIZE))
    for spelled, shown in zip(COARSE, found, strict=True):
        expected = np.asarray(other.answer(spelled))
        assert shown.shape == expected.shape
        assert np.abs(shown - expected).mean() < 1
    assert other.renderer.ran == ["Picture"] * 3


@pytest.mark.parametrize("spelled", ["0,0,512,512/512,/0/default.jpg", "full/900,/0/default.jpg"])
def test_what_needs_more_of_the_scan_is_made_of_it(served: Served, spelled: str) -> None:
    served.answer(spelled)
    assert served.renderer.ran == ["Picture"]


def test_where_nothing_is_kept_the_scan_is_decoded_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eighth, "_LEAST_PIXELS", 1_000_000)
    served = Served(tmp_path, derived_mib=0)
    served.save(picture(*SIZE))
    assert served.answer(COARSE[0]).size == (100, 137)
    assert served.renderer.ran == ["Picture"]


@pytest.mark.parametrize(("mib", "ran"), [(4, ["Eighth", "Picture"]), (1, ["Picture"])])
def test_what_would_fill_the_room_for_made_pictures_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: int, ran: list[str]
) -> None:
    monkeypatch.setattr(eighth, "_LEAST_PIXELS", 1_000_000)
    served = Served(tmp_path, derived_mib=mib)
    served.save(picture(3_203, 2_404))
    served.answer(COARSE[0])
    assert served.renderer.ran == ran


@pytest.mark.parametrize("damage", ["gone", "changed", "short"])
def test_what_is_kept_and_damaged_is_not_shown(served: Served, damage: str) -> None:
    expected = np.asarray(served.answer(COARSE[1]).resize((40, 55)))
    kept, *others = served.kept()
    assert not others
    body = kept.read_bytes()
    kept.write_bytes(body[:-100] if damage == "short" else body[:-9] + b"different")
    if damage == "gone":
        kept.unlink()
    shown = np.asarray(served.answer("full/!88,88/0/default.png").resize((40, 55)))
    assert np.abs(shown.astype(int) - expected).mean() < 2
    # a picture finds it damaged, and the next one has it made again
    served.answer("full/!80,80/0/default.png")
    assert served.renderer.ran.count("Eighth") == 2


def test_what_is_purged_while_a_picture_is_made_of_it_is_read_of_the_scan(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.answer(COARSE[0])
    path, (kept,) = served.folder / "scan.jpg", served.kept()
    header = describe_page(path)
    number, level = next(each for each in enumerate(header.levels) if each[1].scale == 8)
    box = Box(0, 0, level.width, level.height)

    def found_and_purged(where: str) -> Any:
        place = find(where)
        kept.unlink()
        return place

    monkeypatch.setattr(reading, "find", found_and_purged)
    reading._checked.cache_clear()
    shown = reading.reader_of(str(kept))(path, header, number, box).numpy()
    assert (shown == read_level(path, header, number, box).numpy()).all()


def test_it_is_the_first_to_go_when_the_pyramid_is_there(served: Served) -> None:
    served.answer(COARSE[0])
    (kept,) = served.kept()
    before = kept.stat().st_mtime
    (job,) = {each.key: each for each in served.renderer.begun}.values()
    job.run()
    assert kept.stat().st_mtime < 1 < before


def test_a_replaced_scan_is_decoded_again(served: Served) -> None:
    before = np.asarray(served.answer(COARSE[1]))
    served.save(Image.new("RGB", SIZE, (10, 200, 30)))
    shown = np.asarray(served.answer(COARSE[1]))
    assert np.abs(shown.astype(int) - (10, 200, 30)).max() <= 3
    assert np.abs(shown.astype(int) - before).max() > 20


def test_a_scan_that_is_replaced_while_it_is_decoded_is_not_kept(served: Served) -> None:
    path = served.folder / "scan.jpg"
    job = Eighth("scan.jpg", path, describe_page(path), "another", None)
    with pytest.raises(Replaced):
        job.run()
    assert job.key != Eighth("scan.jpg", path, job.header, identity_of(path.stat()), None).key


def test_a_damaged_scan_is_named(served: Served) -> None:
    path = served.folder / "scan.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BrokenSource, match=r"scan\.jpg"):
        served.answer(COARSE[0])


def test_a_profile_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eighth, "_LEAST_PIXELS", 1_000_000)
    p3 = bytes(pyvips.Image.profile_load("p3"))
    served = Served(tmp_path)
    served.save(Image.new("RGB", SIZE, (200, 60, 60)), icc_profile=p3)
    shown = np.asarray(served.answer(COARSE[0]).convert("RGB"))[50, 50].astype(int)
    assert served.renderer.ran == ["Eighth", "Picture"]
    assert shown[0] > 205  # P3's red is redder than that of sRGB


@pytest.mark.parametrize(("orientation", "gray"), [(1, True), (6, False), (3, True), (8, False)])
def test_orientation_and_gray_are_as_of_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int, *, gray: bool
) -> None:
    drawn = picture(*SIZE).convert("L" if gray else "RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    pictures = []
    for least in (1_000_000, 1 << 40):
        monkeypatch.setattr(eighth, "_LEAST_PIXELS", least)
        root = tmp_path / str(least)
        root.mkdir()
        served = Served(root)
        served.save(drawn, exif=exif)
        pictures.append(np.asarray(served.answer(COARSE[1])).astype(int))
        assert served.renderer.ran[0] == ("Eighth" if least == 1_000_000 else "Picture")
    one, other = pictures
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 1


def test_what_is_read_is_a_level_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    picture(803, 1_604).save(path, progressive=True)  # which one decoder has to read
    header = describe_page(path)
    number, level = next(each for each in enumerate(header.levels) if each[1].scale == 8)
    expected = read_level(path, header, number, Box(0, 0, level.width, level.height)).numpy()
    assert read_eighth(path, header) == expected.tobytes()


def test_only_large_jpegs_are_kept(tmp_path: Path) -> None:
    large, small, progressive = (tmp_path / name for name in ("p.jpg", "q.jpg", "r.png"))
    Image.new("L", (4_000, 26_000)).save(large)
    Image.new("L", (3_000, 3_900)).save(small)
    Image.new("L", (4_000, 26_000)).save(progressive)
    assert [is_kept(describe_page(path)) for path in (large, small, progressive)] == [
        True,
        False,
        False,
    ]


def test_only_coarse_pictures_are_made_of_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    Image.new("L", (4_000, 26_000)).save(path)
    header = describe_page(path)
    size = (header.width, header.height)
    assert is_of_eighth(header, plan_of(size, "full/!500,500/0/default.jpg"))
    assert not is_of_eighth(header, plan_of(size, "0,0,512,512/512,/0/default.jpg"))


# -- finer pictures, by the sections that are kept with it


@pytest.fixture
def divided(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 50_000)
    return served


FINE = (
    "600,1800,404,404/max/0/default.png",
    "0,1024,1024,1024/512,/0/default.png",
    "512,1536,512,668/max/90/default.png",
    "100,1200,1500,1000/400,/0/gray.png",
)


@pytest.mark.parametrize("spelled", FINE)
def test_a_finer_picture_is_to_the_bit_what_is_made_of_the_whole_scan(
    divided: Served, spelled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    divided.answer(COARSE[0])
    begun = []
    loaded = reading._loaded

    def watched(*about: Any) -> Any:
        begun.append(about[-1].start if len(about) > 4 else 0)
        return loaded(*about)

    monkeypatch.setattr(reading, "_loaded", watched)
    shown = divided.pixels(spelled)
    assert min(begun) > 50_000
    assert divided.renderer.ran == ["Eighth", "Picture", "Picture"]
    monkeypatch.setattr(eighth, "_LEAST_PIXELS", 1 << 40)
    divided.derived.purge_all()
    assert (divided.pixels(spelled) == shown).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_same_is_true_of_a_scan_that_lies_on_its_side(
    divided: Served, orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    divided.save(picture(*SIZE), exif=exif, subsampling=2)
    divided.answer(COARSE[0])
    tiles = [
        f"{x},{y},500,500/{w},/0/default.png"
        for x in (0, 1000)
        for y in (0, 1000)
        for w in (500, 250)
    ]
    shown = [divided.pixels(spelled) for spelled in tiles]
    monkeypatch.setattr(eighth, "_LEAST_PIXELS", 1 << 40)
    divided.derived.purge_all()
    for spelled, found in zip(tiles, shown, strict=True):
        assert (divided.pixels(spelled) == found).all()


def test_a_profile_is_honoured_in_finer_pictures(divided: Served) -> None:
    divided.save(picture(*SIZE), icc_profile=bytes(pyvips.Image.profile_load("p3")))
    before = divided.pixels(FINE[0])
    divided.derived.purge_all()
    divided.answer(COARSE[0])
    assert (divided.pixels(FINE[0]) == before).all()
    divided.save(picture(*SIZE))
    assert np.abs(divided.pixels(FINE[0]) - before).max() > 3  # P3 is not sRGB


def test_what_is_deep_in_a_scan_has_it_divided_first(
    divided: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eighth, "eighth_ms", lambda header: 4.0)
    divided.answer("0,0,256,256/max/0/default.png")
    assert divided.renderer.ran == ["Picture"]
    divided.answer("0,1900,256,256/max/0/default.png")
    assert divided.renderer.ran == ["Picture", "Eighth", "Picture"]


def test_it_is_not_divided_for_a_picture_of_all_of_it(
    divided: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eighth, "eighth_ms", lambda header: 4.0)
    divided.answer("full/max/0/default.png")
    assert divided.renderer.ran == ["Picture"]


@pytest.mark.parametrize(
    "how", [{"progressive": True}, {"keep_rgb": True}, {"restart_marker_rows": 20}]
)
def test_what_has_no_sections_is_read_from_its_beginning(
    divided: Served, how: dict[str, Any]
) -> None:
    path = divided.folder / "scan.jpg"
    picture(*SIZE).save(path, **how)
    divided.answer(COARSE[0])
    planned = divided.images.plan("scan.jpg", ImageRequest.parse(3, *FINE[0].split("/")))
    eighths = Eighths(divided.derived, divided.renderer)
    assert eighths.find(planned) == ""
    assert eighths.cost_ms(planned) == cost_ms(planned.image.header, planned.plan)


def test_what_lies_deep_costs_less_with_sections(divided: Served) -> None:
    planned = divided.images.plan("scan.jpg", ImageRequest.parse(3, *FINE[0].split("/")))
    eighths = Eighths(divided.derived, divided.renderer)
    before = eighths.cost_ms(planned)
    divided.answer(COARSE[0])
    assert eighths.cost_ms(planned) < before / 2


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_where_sections_are_lost_the_scan_is_read_from_its_beginning(
    divided: Served, damage: str
) -> None:
    divided.answer(COARSE[0])
    planned = divided.images.plan("scan.jpg", ImageRequest.parse(3, *FINE[0].split("/")))
    job = divided.images._picture(
        planned, None, Eighths(divided.derived, divided.renderer).find(planned)
    )
    expected = np.asarray(Image.open(io.BytesIO(job.run())))
    (kept,) = divided.kept()
    assert job.eighth == str(kept)
    if damage == "gone":
        kept.unlink()
    else:
        kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    reading._checked.cache_clear()
    assert (np.asarray(Image.open(io.BytesIO(job.run()))) == expected).all()


def test_a_picture_of_it_travels_with_its_place_and_costs_little(served: Served) -> None:
    path = served.folder / "scan.jpg"
    header, plan = describe_page(path), plan_of(SIZE, COARSE[0])
    job = Picture("scan.jpg", path, header, plan, Encoding(), eighth="/somewhere")
    arrived = pickle.loads(pickle.dumps(job))
    assert arrived.eighth == "/somewhere"
    assert os.fspath(arrived.path) == os.fspath(path)
    scan = Eighth("scan.jpg", path, header, "", None)
    assert arrived.cost_ms < scan.cost_ms / 1.5


def test_where_the_disk_is_full_that_is_tried_again_only_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eighth, "_LEAST_PIXELS", 1_000_000)
    served = Served(tmp_path)
    served.save(picture(*SIZE))
    now = [100.0]
    full = Unkept()
    eighths = Eighths(served.derived, full, lambda: now[0])
    planned = served.images.plan("scan.jpg", ImageRequest.parse(3, *COARSE[0].split("/")))
    assert [eighths.find(planned), eighths.find(planned), len(full.ran)] == ["", "", 1]
    now[0] += 61
    assert eighths.find(planned) == ""
    assert len(full.ran) == 2


class Unkept(Counting):
    """Runs jobs where nothing can be kept."""

    def render(self, job: Any) -> Any:
        self.ran.append(type(job).__name__)
        return job.run()
