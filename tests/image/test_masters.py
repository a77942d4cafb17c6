"""Which file answers in folder mode: the scan, then what was made of it, never what was before."""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from image_sources import picture as drawn
from PIL import Image

from iiifserver.config import Config
from iiifserver.errors import BrokenSource, Busy, NotFound, Replaced
from iiifserver.image import making
from iiifserver.image.cost import cost_ms
from iiifserver.image.headers import Header
from iiifserver.image.job import State
from iiifserver.image.kept import PYRAMID, SIDECAR, Kept
from iiifserver.image.making import BuildPyramid, Contents, StoreTiles, headers_of
from iiifserver.image.masters import FOLDER, Masters
from iiifserver.image.plan import Dimensions, Limits, make_plan
from iiifserver.image.request import ImageRequest
from iiifserver.image.service import Images
from iiifserver.image.stored import read_stored
from iiifserver.sources import Folder, Source


class Renderer:
    """Runs jobs where they are; those of the background when it is told to, equal ones once."""

    def __init__(self) -> None:
        self.waiting: dict[str, Any] = {}
        self.refuses = False
        self.busy_with = ""

    def render(self, job: Any) -> bytes:
        self.waiting.pop(job.key, None)
        return job.run()

    def begin(self, job: Any) -> bool:
        if not self.refuses:
            self.waiting.setdefault(job.key, job)
        return not self.refuses

    def state(self) -> State:
        return State(running_background=(self.busy_with,) if self.busy_with else ())

    def work(self) -> None:
        while self.waiting:
            self.waiting.pop(next(iter(self.waiting))).run()


class Served:
    """A folder with one scan, and the masters of a server over it."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root / "scans"
        self.root.mkdir(exist_ok=True)
        self.now = 0.0
        self.config = Config(folder=str(self.root), data=root / "data", **settings)
        self.kept = self.config.data / FOLDER
        self.renderer = Renderer()
        self.masters = self.worker()

    def worker(self) -> Masters:
        """Return what another web worker of the server has."""
        return Masters(self.config, self.renderer, lambda: self.now)

    def save(self, name: str = "scan.png", size: tuple[int, int] = (700, 500), **how: Any) -> None:
        """Write a scan of one colour under *name*, as another file."""
        made = self.root / f".new{Path(name).suffix}"
        Image.new("RGB", size, how.pop("colour", "navy")).save(made, **how)
        made.replace(self.root / name)

    def source(self, name: str = "scan.png") -> Source:
        return self.masters.served(Folder(self.root).find(name))

    def look(self, name: str = "scan.png", masters: Masters | None = None) -> Source:
        """Look at a scan as a viewer does."""
        masters = masters or self.masters
        source = masters.served(Folder(self.root).find(name))
        if not (source.stored and source.stored.exists()):
            masters.want(source, masters.header(source))
        return source


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """With tiles of 128 pixels: 65,536 pixels are small."""
    made = Served(tmp_path, pyramid_tile=128)
    made.save()
    return made


def colour(source: Source) -> tuple[int, ...]:
    with Image.open(source.path) as picture:
        found = picture.convert("RGB").getpixel((9, 9))
    assert isinstance(found, tuple)
    return found


def test_a_scan_answers_itself_until_its_pyramid_is_there(served: Served) -> None:
    first = served.look()
    assert (first.path.name, first.leaf) == ("scan.png", 0)
    served.renderer.work()
    then = served.look()
    assert then.path.parent == served.kept
    assert then.identity == then.path.stem
    assert then.stored == then.path.with_suffix(SIDECAR)
    assert then.stored.exists()
    assert then.identifier == "scan.png"
    assert served.masters.header(then).tile_size == (128, 128)
    assert not served.renderer.waiting  # nothing is lacking any more


def test_info_json_names_the_tiles_of_the_pyramid_before_it_is_there(served: Served) -> None:
    def tile() -> Dimensions:
        source = served.look()
        return served.masters.tile(source, served.masters.header(source))

    before = tile()
    served.renderer.work()
    assert tile() == before == Dimensions(128, 128)


def test_two_workers_that_ask_at_once_have_it_made_once(served: Served) -> None:
    served.look()
    served.look(masters=served.worker())
    (job,) = served.renderer.waiting.values()
    assert isinstance(job, BuildPyramid)
    served.renderer.work()
    made = served.source().path.stat()
    job.run()  # begun by another server over the same folder
    assert served.source().path.stat().st_ino == made.st_ino


def test_a_replaced_scan_never_meets_the_pyramid_of_the_one_before(served: Served) -> None:
    served.look()
    served.renderer.work()
    served.save(colour="red")
    replaced = served.look()
    assert replaced.path.name == "scan.png"
    assert colour(replaced) == (255, 0, 0)
    served.now += 60
    served.look()
    served.renderer.work()
    assert served.source().path.parent == served.kept
    assert colour(served.source())[0] > 240


def test_a_scan_that_is_replaced_while_its_pyramid_is_made_gets_none_of_the_old(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iiifserver.image import build

    verified = build._verified

    def replaced_meanwhile(*arguments: Any) -> Header:
        served.save(colour="red")
        return verified(*arguments)

    served.look()
    monkeypatch.setattr(build, "_verified", replaced_meanwhile)
    with pytest.raises(BrokenSource, match="replaced while"):
        served.renderer.work()
    assert not list(served.kept.glob("*.tif"))
    assert served.source().path.name == "scan.png"


def test_a_killed_build_is_made_again_and_leaves_nothing(served: Served) -> None:
    served.look()
    left = served.kept / ".aside-killed"
    left.mkdir(parents=True)
    (left / "pyramid.tif").write_bytes(b"half")
    served.renderer.work()
    assert served.source().path.parent == served.kept
    assert not left.exists()


def edge(served: Served) -> str:
    """Return the ETag of a tile that stands in the sidecar."""
    images = Images(Folder(served.root), served.config, served.renderer)
    request = ImageRequest.parse(3, "640,0,60,128", "60,", "0", "default.jpg")
    planned = images.plan("scan.png", request)
    assert planned.place
    return planned.etag


def test_a_sidecar_that_is_gone_is_made_again(served: Served) -> None:
    drawn(700, 500).save(served.root / "scan.png")
    served.look()
    served.renderer.work()
    sidecar = served.source().stored
    assert sidecar
    etag = edge(served)
    sidecar.unlink()
    served.now += 60
    served.look()
    (job,) = served.renderer.waiting.values()
    assert isinstance(job, StoreTiles)
    served.renderer.work()
    source = served.source()
    assert read_stored(sidecar, source.path, source.identity) is not None
    assert edge(served) != etag  # its bytes are others than those of the first


@pytest.mark.parametrize("name", ["small.png", "tiled.tif"])
def test_what_is_fast_gets_no_pyramid(served: Served, name: str) -> None:
    served.save("small.png", (256, 256))
    pyvips = pytest.importorskip("pyvips")
    image = pyvips.Image.black(700, 500, bands=3).copy(interpretation="srgb")
    image.tiffsave(
        str(served.root / "tiled.tif"), tile=True, tile_width=128, tile_height=128, pyramid=True,
        compression="jpeg",
    )  # fmt: skip
    served.look(name)
    served.renderer.work()
    assert served.source(name).path == served.root / name
    sidecars = {path.suffix for path in served.kept.glob("*")} if served.kept.exists() else set()
    assert sidecars == ({SIDECAR} if name == "tiled.tif" else set())


def test_a_profile_that_is_to_be_kept_stays_with_its_scan(tmp_path: Path) -> None:
    from image_sources import make, picture

    served = Served(tmp_path, pyramid_tile=128, profile="keep")
    made = make("png-profile", served.root, picture(700, 500))
    served.look(made.name)
    assert not served.renderer.waiting


def test_no_disk_no_pyramid(tmp_path: Path) -> None:
    served = Served(tmp_path, pyramid_tile=128, folder_pyramids_mib=0)
    served.save()
    assert served.look().stored is None
    assert not served.renderer.waiting


def test_wishes_are_told_now_and_then_only(served: Served) -> None:
    served.look()
    served.renderer.waiting.clear()
    served.look()
    assert not served.renderer.waiting
    served.now += 60
    served.look()
    assert served.renderer.waiting


def test_a_broken_scan_is_named_once_it_is_tried(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    whole = io.BytesIO()
    Image.effect_noise((700, 500), 90).save(whole, "PNG")
    (served.root / "scan.png").write_bytes(whole.getvalue()[:90_000])
    served.look()
    with pytest.raises(BrokenSource, match=r"scan\.png"):
        served.renderer.work()
    (said,) = [each.getMessage() for each in caplog.records if each.name == making.__name__]
    assert said.startswith("no pyramid of scan.png: ")
    assert [path.name for path in served.kept.iterdir()] == []


def test_the_operator_sees_how_far_a_pyramid_is(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(making, "_SAY_EVERY_S", 0.0)
    caplog.set_level("INFO", making.__name__)
    served.look()
    served.renderer.work()
    *progress, last = [each.getMessage() for each in caplog.records if each.name == making.__name__]
    shown = "pyramid of scan.png (700 x 500): "
    percents = [int(said.removeprefix(shown).removesuffix(" %")) for said in progress]
    assert len(percents) > 1
    assert percents == sorted(percents)
    assert last.startswith(f"{shown}made in ")


def test_no_pyramid_is_begun_on_a_disk_without_room_for_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = shutil.disk_usage(served.root)._replace(free=1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: left)
    served.look()
    with pytest.raises(BrokenSource, match="1 MiB may be needed on the disk, 1 are free"):
        served.renderer.work()
    assert [path.name for path in served.kept.iterdir()] == []


def plan_of(source: Source, masters: Masters, region: str) -> Any:
    header = masters.header(source)
    request = ImageRequest.parse(3, region, "max", "0", "default.jpg")
    return make_plan(request, Dimensions(header.width, header.height), Limits())


LAST = "0,64000,512,512"  # behind all that stands above it
MIDDLE = "0,40000,512,512"


@pytest.mark.parametrize("busy_with", ["", "high.jpg"])
def test_of_many_slow_pictures_at_a_time_the_first_is_made_and_others_wait_for_the_pyramid(
    served: Served, busy_with: str
) -> None:
    served.save("high.jpg", (2_000, 65_000), quality=50)
    served.renderer.busy_with = busy_with
    source = served.source("high.jpg")
    header, plan = served.masters.header(source), plan_of(source, served.masters, MIDDLE)
    directly, ms = served.masters.directly, cost_ms(header, plan)
    with directly(source, header, ms) as first, directly(source, header, ms) as second:
        assert (first, second) == (True, False)
    assert served.source("high.jpg").path.parent == served.kept
    assert not served.masters._at_work  # nothing is counted any more


def test_a_picture_that_is_half_of_the_pyramid_s_work_waits_for_it(served: Served) -> None:
    served.save("high.jpg", (2_000, 65_000), quality=50)
    source = served.source("high.jpg")
    header, plan = served.masters.header(source), plan_of(source, served.masters, LAST)
    with served.masters.directly(source, header, cost_ms(header, plan)) as direct:
        assert not direct
    assert served.source("high.jpg").path.parent == served.kept


@pytest.mark.parametrize(("busy_with", "waits"), [("", False), ("high.png", True)])
def test_a_picture_rather_waits_for_a_pyramid_that_is_being_made_already(
    served: Served, busy_with: str, *, waits: bool
) -> None:
    served.save("high.png", (2_000, 40_000), compress_level=1)
    served.renderer.busy_with = busy_with
    source = served.source("high.png")
    header = served.masters.header(source)
    plan = plan_of(source, served.masters, "0,39000,512,512")
    with served.masters.directly(source, header, cost_ms(header, plan)) as direct:
        assert direct is not waits


@pytest.mark.parametrize(
    ("name", "region", "refuses", "busy_with"),
    [
        ("scan.png", "0,0,128,128", False, ""),  # is made as fast
        ("high.jpg", "0,0,128,128", False, ""),
        ("high.jpg", LAST, True, ""),  # there is no room, or it failed lately
        ("high.jpg", LAST, False, "other.jp2"),  # which may take minutes
    ],
)
def test_other_pictures_are_made_at_once(
    served: Served, name: str, region: str, *, refuses: bool, busy_with: str
) -> None:
    if name == "high.jpg":
        served.save(name, (2_000, 65_000), quality=50)
    served.renderer.refuses = refuses
    served.renderer.busy_with = busy_with
    source = served.source(name)
    header, plan = served.masters.header(source), plan_of(source, served.masters, region)
    directly, ms = served.masters.directly, cost_ms(header, plan)
    with directly(source, header, ms) as first, directly(source, header, ms) as second:
        assert (first, second) == (True, True)
    assert served.source(name).path.parent == served.root


# -- what is kept


def kept(folder: Path, *stems: str, size: int = 1000) -> Kept:
    now = time.time()
    for age, stem in enumerate(reversed(stems)):
        for ending in (PYRAMID, SIDECAR):
            path = folder / f"{stem}{ending}"
            path.write_bytes(bytes(size // 2))
            os.utime(path, (now - 10_000 * (age + 1), now))
    return Kept(folder, 3000)


STEMS = tuple(digit * 32 for digit in "abcde")


def stems_in(folder: Path) -> list[str]:
    assert {path.stem for path in folder.glob("*.tif")} == {
        path.stem for path in folder.glob("*.tiles")
    }
    return sorted(path.stem for path in folder.glob("*.tif"))


def test_what_is_used_least_makes_room(tmp_path: Path) -> None:
    made = kept(tmp_path, *STEMS)
    assert made.find(STEMS[1])  # was looked at just now
    assert made.make_room(STEMS[4]) == 2
    assert stems_in(tmp_path) == [STEMS[1], STEMS[3], STEMS[4]]


def test_what_was_just_made_stays_unless_it_alone_is_too_large(tmp_path: Path) -> None:
    assert kept(tmp_path, *STEMS[:2], size=2000).make_room(STEMS[0]) == 1
    assert stems_in(tmp_path) == [STEMS[0]]
    assert kept(tmp_path, STEMS[0], size=4000).make_room(STEMS[0]) == 1
    assert stems_in(tmp_path) == []


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.tif"
    other.write_bytes(bytes(9000))
    assert kept(tmp_path, STEMS[0]).make_room(STEMS[0]) == 0
    assert other.exists()


def test_a_pyramid_larger_than_the_disk_that_it_may_take_is_refused(tmp_path: Path) -> None:
    served = Served(tmp_path, pyramid_tile=128, folder_pyramids_mib=1)
    Image.effect_noise((2000, 2000), 200).save(served.root / "scan.png", compress_level=1)
    served.look()
    with pytest.raises(BrokenSource, match="folder_pyramids_mib"):
        served.renderer.work()
    assert stems_in(served.kept) == []


# -- documents


def test_the_headers_of_a_document_travel_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "x.pdf"
    first, second = (Image.new("RGB", size) for size in ((600, 400), (40, 90)))
    first.save(path, save_all=True, append_images=[second], resolution=300)
    headers = headers_of(Contents("x.pdf", path, "state").run())
    assert [(header.width, header.height) for header in headers] == [(600, 400), (40, 90)]
    assert [level.scale for level in headers[0].levels] == [1, 2, 4]
    assert headers[1].levels[0].page == 1


def test_a_page_beyond_the_last_is_not_found(served: Served) -> None:
    Image.new("RGB", (60, 40)).save(served.root / "x.pdf")
    assert served.masters.header(served.source("x.pdf/1")).width > 0
    with pytest.raises(NotFound, match="1 pages"):
        served.masters.header(served.source("x.pdf/2"))


def test_a_damaged_document_is_named(served: Served) -> None:
    (served.root / "x.pdf").write_bytes(b"%PDF-1.7\n" + bytes(99))
    with pytest.raises(BrokenSource, match=r"x\.pdf"):
        served.masters.header(served.source("x.pdf/1"))


def test_each_page_of_a_document_has_a_pyramid_of_its_own(served: Served) -> None:
    pages = [Image.new("RGB", (500, 400), colour) for colour in ("red", "lime")]
    pages[0].save(served.root / "x.pdf", save_all=True, append_images=pages[1:], resolution=300)
    for name in ("x.pdf/1", "x.pdf/2"):
        served.look(name)
    served.renderer.work()
    assert [colour(served.source(name))[0] > 200 for name in ("x.pdf/1", "x.pdf/2")] == [
        True,
        False,
    ]


def spoilt(damage: str, pyramid: Path) -> None:
    """Leave of a pyramid what a disk might."""
    content = pyramid.read_bytes()
    middle = len(content) // 2
    pyramid.write_bytes(
        {
            "cut": content[:middle],
            "empty": b"",
            "head": b"garbage!" + content[8:],
            "tiles": content[:8] + bytes(middle) + content[8 + middle :],
        }[damage]
    )


@pytest.mark.parametrize("damage", ["cut", "empty", "head", "tiles"])
def test_a_damaged_pyramid_is_made_again_and_the_scan_answers_meanwhile(
    served: Served, damage: str
) -> None:
    asked = ImageRequest.parse(3, "3,3,600,400", "300,200", "0", "default.png")
    Images(Folder(served.root), served.config, served.renderer).plan("scan.png", asked)
    served.renderer.work()
    [pyramid] = served.kept.glob(f"*{PYRAMID}")
    whole = pyramid.read_bytes()
    spoilt(damage, pyramid)

    images = Images(Folder(served.root), served.config, served.renderer)
    picture = Image.open(io.BytesIO(images.render(images.plan("scan.png", asked))))
    assert picture.getpixel((150, 100)) == (0, 0, 128)
    images.plan("scan.png", asked)
    served.renderer.work()
    assert pyramid.read_bytes() == whole
    assert images.plan("scan.png", asked).image.source.path == pyramid


def test_a_wish_that_nobody_takes_fails_no_answer(served: Served) -> None:
    class Away(Renderer):
        def begin(self, _job: Any) -> bool:
            raise Busy("the render processes are being restarted")

    images = Images(Folder(served.root), served.config, Away())
    assert images.wanted("scan.png").dimensions == (700, 500)


def test_a_picture_of_a_file_that_is_replaced_meanwhile_is_none(served: Served) -> None:
    images = Images(Folder(served.root), served.config, served.renderer)
    asked = ImageRequest.parse(3, "3,3,600,400", "300,200", "0", "default.png")
    planned = images.plan("scan.png", asked)
    served.save(colour="red")
    with pytest.raises(Replaced):
        images.render(planned)
    images.forget("scan.png")
    again = images.plan("scan.png", asked)
    assert again.etag != planned.etag
    assert Image.open(io.BytesIO(images.render(again))).getpixel((9, 9)) == (255, 0, 0)
