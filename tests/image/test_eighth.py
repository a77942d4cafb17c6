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
from iiifserver.image.eighth import Eighth, Eighths, is_of_eighth
from iiifserver.image.job import Encoding, Picture
from iiifserver.image.plan import Box, Dimensions, Limits, Plan, make_plan
from iiifserver.image.render import read_level, reading
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


def test_only_large_jpegs_are_kept_and_only_for_coarse_pictures(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    Image.new("L", (4_000, 26_000)).save(path)
    header = describe_page(path)
    size = (header.width, header.height)
    assert is_of_eighth(header, plan_of(size, "full/!500,500/0/default.jpg"))
    assert not is_of_eighth(header, plan_of(size, "0,0,512,512/512,/0/default.jpg"))
    small = tmp_path / "q.jpg"
    Image.new("L", (4_000, 4_000)).save(small)
    header = describe_page(small)
    assert not is_of_eighth(header, plan_of((4_000, 4_000), "full/!500,500/0/default.jpg"))


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
