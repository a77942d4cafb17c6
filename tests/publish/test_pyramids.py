"""A publication makes the pyramids that are missing, and serves slow scans from them."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from image_sources import picture
from in_this_process import InThisProcess
from PIL import Image
from pixels import asked, difference, seen
from small_exhibition import Small, look

from iiifserver.config import Config
from iiifserver.edition import Edition, current, index_path, numbers, pyramid_path
from iiifserver.errors import InvalidExhibition
from iiifserver.image.containers import describe_page
from iiifserver.image.original import Original
from iiifserver.image.service import Images
from iiifserver.image.stored import read_stored
from iiifserver.publish import pyramids
from iiifserver.publish.edition import prune
from iiifserver.publish.jobs import Workers, processes
from iiifserver.publish.publication import preview
from iiifserver.publish.pyramids import Wanted, make_pyramids

SETTINGS: dict[str, Any] = {"pyramid_tile": 128}
SLOW = (300, 260)  # more than four tiles


def threads(count: int) -> Executor:
    return ThreadPoolExecutor(count)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pyramids in a thread: starting processes takes longer than these scans."""
    monkeypatch.setattr(pyramids, "workers_of", lambda *_, **__: nullcontext(Workers(1, threads)))


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    picture(*SLOW).save(made.scans / "b1" / "1.png")
    return made


def made(small: Small, ending: str = ".tif") -> dict[str, tuple[int, int]]:
    """Return what tells whether a pyramid, or sidecar, was written again."""
    folder = pyramid_path(small.data, "")
    found = {path.name: path.stat() for path in folder.glob(f"*{ending}")}
    return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}


def served(edition: Edition) -> Images:
    return Images(edition.images, Config(**SETTINGS), InThisProcess())


def test_slow_scans_are_served_from_pyramids_and_small_ones_as_they_are(small: Small) -> None:
    small.publish(**SETTINGS)
    images = current(small.data).images
    (name,) = made(small)
    assert images.find("b1-1").path == small.data / "pyramids" / name
    assert images.find("b1-2").path == small.scans / "b1" / "2.png"
    given = seen(asked(served(current(small.data)), "b1-1", "full/max/0/default.png"))
    assert difference(given.reduce(4), picture(*SLOW).reduce(4)).mean() < 2.5


def test_documents_name_the_sizes_that_are_served(small: Small) -> None:
    small.publish(**SETTINGS)
    edition = current(small.data)
    image = served(edition).describe("b1-1")
    sizes = [f'"width":{w},"height":{h}' for w, h in served(edition).sizes(image)]
    document = edition.document("b1", "3/manifest")
    assert document is not None
    body = document.codings["identity"].read().decode()
    assert len(sizes) == 3
    assert all(size in body for size in sizes)


def test_every_page_of_a_document_is_an_image(small: Small) -> None:
    pages = [picture(90, 60, seed) for seed in range(2)]
    folder = small.scans / "b1"
    for path in folder.iterdir():
        path.unlink()
    pages[0].save(folder / "1.tif", save_all=True, append_images=pages[1:])
    pages[0].save(folder / "2.pdf", save_all=True, append_images=pages[1:])
    small.publish(**SETTINGS)
    images = served(current(small.data))
    sizes = [tuple(images.describe(f"b1-{page}").dimensions) for page in range(1, 5)]
    assert sizes == [(90, 60), (90, 60), (375, 250), (375, 250)]
    for page, source in ((1, pages[0]), (2, pages[1])):
        given = seen(asked(images, f"b1-{page}", "full/max/0/default.png"))
        assert difference(given.reduce(4), source.reduce(4)).mean() < 3


def test_what_is_there_is_not_made_again(small: Small) -> None:
    small.publish(**SETTINGS)
    before = made(small)
    for path in small.scans.rglob("*.png"):
        path.touch()
    shutil.move(small.scans / "b1" / "1.png", small.scans / "b1" / "0.png")
    small.publish(**SETTINGS)
    assert made(small) == before


def test_every_scan_has_a_sidecar_that_names_its_file(small: Small) -> None:
    shutil.copy(small.scans / "b1" / "2.png", small.scans / "a1" / "1.png")
    small.publish(**SETTINGS)
    images = current(small.data).images
    for identifier in images.files:
        source = images.find(identifier)
        assert source.stored is not None
        assert read_stored(source.stored, source.path, source.identity) is not None
    assert len(made(small, ".tiles")) == len({images.find(each).stored for each in images.files})


def test_a_sidecar_of_a_scan_that_was_touched_is_made_again(small: Small) -> None:
    small.publish(**SETTINGS)
    before = made(small, ".tiles")
    (small.scans / "b1" / "2.png").touch()
    source = current(small.data).images.find("b1-2")
    assert source.stored is not None
    assert read_stored(source.stored, source.path, source.identity) is None
    small.publish(**SETTINGS)
    assert read_stored(source.stored, source.path, source.identity) is not None
    after = made(small, ".tiles")
    assert [name for name in before if after[name] != before[name]] == [source.stored.name]


def test_a_sidecar_that_was_lost_is_made_again(small: Small) -> None:
    small.publish(**SETTINGS)
    before = made(small)
    for name in made(small, ".tiles"):
        pyramid_path(small.data, name).unlink()
    small.publish(**SETTINGS)
    assert made(small) == before
    assert {name.replace(".tif", ".tiles") for name in before} <= made(small, ".tiles").keys()


@pytest.mark.parametrize("left", [0, 5_000, -2_000])
def test_a_damaged_pyramid_without_a_sidecar_is_made_again(left: int, small: Small) -> None:
    small.publish(**SETTINGS)
    (name,) = made(small)
    path = pyramid_path(small.data, name)
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    pyramid_path(small.data, name.replace(".tif", ".tiles")).unlink()
    small.publish(**SETTINGS)
    assert path.read_bytes() == whole
    source = current(small.data).images.find("b1-1")
    assert source.stored is not None
    assert read_stored(source.stored, path, source.identity) is not None


def test_an_edition_that_names_no_sidecars_is_served(small: Small) -> None:
    small.publish(**SETTINGS)
    index = index_path(small.data, 1)
    held = json.loads(index.read_text())
    for image in held["images"].values():
        del image["tiles"]
    index.write_text(json.dumps(held))
    images = current(small.data).images
    assert images.find("b1-2").stored is None
    assert images.find("b1-1").stored is not None  # beside its pyramid
    small.publish(**SETTINGS)
    assert current(small.data).images.find("b1-2").stored is not None


def test_a_replaced_scan_is_served_from_a_new_pyramid(small: Small) -> None:
    small.publish(**SETTINGS)
    before = made(small)
    picture(*SLOW, seed=2).save(small.scans / "b1" / "1.png")
    small.publish(**SETTINGS)
    assert before.items() < made(small).items()
    given = seen(asked(served(current(small.data)), "b1-1", "full/max/0/default.png"))
    assert difference(given.reduce(4), picture(*SLOW, seed=2).reduce(4)).mean() < 2.5


def test_prune_deletes_the_pyramids_that_no_edition_names(small: Small) -> None:
    small.publish(**SETTINGS)
    old = made(small)
    picture(*SLOW, seed=2).save(small.scans / "b1" / "1.png")
    small.publish(**SETTINGS)
    aside = pyramid_path(small.data, ".aside-left") / "pyramid.tif"
    aside.parent.mkdir()
    aside.touch()
    assert prune(small.data, keep=2).pyramids == 0  # both are still named
    assert not aside.exists()
    for number in numbers(small.data):
        os.utime(small.data / "editions" / f"{number:06d}.json", (1, 1))
    assert prune(small.data, keep=1).pyramids == 1
    assert made(small, ".tiles").keys() >= {name.replace(".tif", ".tiles") for name in made(small)}
    assert not made(small).keys() & old.keys()
    assert len(made(small)) == 1


def test_what_others_keep_in_the_folder_is_not_pruned(small: Small) -> None:
    small.publish(**SETTINGS)
    folder = pyramid_path(small.data, "")
    before = {path.name for path in folder.iterdir()}
    for name in ("b.tif", "b.tiles", "d.tiles", "README", f"{'0' * 32}.jpg"):
        (folder / name).touch()
    assert prune(small.data).pyramids == 3
    assert {path.name for path in folder.iterdir()} == before | {"README"}


def test_a_preview_makes_none(small: Small) -> None:
    preview(small.sheets, small.scans, small.config(**SETTINGS), look)
    assert made(small) == {}


def test_every_scan_that_fails_is_named_and_nothing_is_published(small: Small) -> None:
    for name in ("a1/1", "b1/2"):
        (small.scans / f"{name}.png").unlink()
        scan = small.scans / f"{name}.jpg"
        picture(*SLOW, seed=ord(name[0])).save(scan)
        scan.write_bytes(scan.read_bytes()[: scan.stat().st_size // 2])
    with pytest.raises(InvalidExhibition) as caught:
        small.publish(**SETTINGS)
    assert [mistake.value for mistake in caught.value.mistakes] == ["a1/1.jpg", "b1/2.jpg"]
    assert str(small.data) not in str(caught.value)
    assert numbers(small.data) == []
    assert len(made(small)) == 1  # the work that could be done is kept


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"max_source_pixels": 77_999}, "b1/1.png: it has 78,000 pixels; 77,999 are allowed"),
        ({"max_decoder_mib": 16}, "b1/1.png: it would need"),
    ],
)
def test_a_scan_that_costs_too_much_is_refused_before_it_is_decoded(
    limit: dict[str, int], reason: str, small: Small
) -> None:
    if "max_decoder_mib" in limit:
        Image.new("RGB", (20_000, 300)).save(small.scans / "b1" / "1.png")
    with pytest.raises(InvalidExhibition, match=reason):
        small.publish(**SETTINGS, **limit)
    assert made(small) == {}


# -- in processes, and interrupted

PUBLISHER = """
import signal
import sys
from pathlib import Path
from iiifserver.config import Config
from iiifserver.publish.pyramids import Wanted, make_pyramids
from iiifserver.image.original import Original

if __name__ == "__main__":
    # who runs the tests in the background of a shell has it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scans, data = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = {
        f"{path.stem}.tif": Wanted(path.name, Original.of(path))
        for path in scans.iterdir()
    }
    make_pyramids(wanted, Config(data=data))
"""
SCANS = 12


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.effect_noise((2200, 1800), 60).save(folder / "0.jpg", quality=70)
    for number in range(1, SCANS):
        shutil.copy(folder / "0.jpg", folder / f"{number}.jpg")
    return folder


def publisher(scans: Path, tmp_path: Path) -> subprocess.Popen[str]:
    script = tmp_path / "publisher.py"
    script.write_text(PUBLISHER)
    command = [sys.executable, str(script), str(scans), str(tmp_path)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_what_is_done_stays_and_the_next_run_does_the_rest(
    blow: signal.Signals, scans: Path, tmp_path: Path
) -> None:
    folder = pyramid_path(tmp_path, "")
    with publisher(scans, tmp_path) as process:
        while not list(folder.glob("*.tif")):
            assert process.poll() is None
        if blow == signal.SIGKILL:
            process.kill()
        else:
            os.killpg(process.pid, blow)  # as a terminal does
        process.communicate()
    assert process.returncode != 0
    done = {path: path.stat() for path in folder.glob("*.tif")}
    assert 0 < len(done) < SCANS
    assert all(describe_page(path).width == 2200 for path in done)  # no half one has a name
    if blow == signal.SIGINT:
        assert not list(folder.glob(".*"))  # nor is one left aside
    with publisher(scans, tmp_path) as process:
        _, said = process.communicate()
    assert (process.returncode, said) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{number}{ending}" for number in range(SCANS) for ending in (".tif", ".tiles")
    )
    assert all(path.stat().st_ino == status.st_ino for path, status in done.items())


def test_a_worker_that_is_killed_loses_nothing(scans: Path, tmp_path: Path) -> None:
    folder, killed = pyramid_path(tmp_path, ""), []

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not list(folder.glob("*.tif")) and time.monotonic() < deadline:
            time.sleep(0.001)
        worker = multiprocessing.active_children()[0]
        worker.kill()
        killed.append(worker)

    killer = threading.Thread(target=kill)
    killer.start()
    config = Config(data=tmp_path)
    wanted = {f"{path.stem}.tif": Wanted(path.name, Original.of(path)) for path in scans.iterdir()}
    make_pyramids(wanted, config, workers=processes(config))
    killer.join()
    assert len(killed) == 1
    made = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert made == {f"{number}{ending}" for number in range(SCANS) for ending in (".tif", ".tiles")}


def test_nothing_to_make_starts_no_process(tmp_path: Path) -> None:
    def make(count: int) -> Executor:
        raise AssertionError(count)

    folder = pyramid_path(tmp_path, "")
    folder.mkdir()
    (folder / "a.tif").touch()
    (folder / "a.tiles").touch()
    make_pyramids(
        {"a.tif": Wanted("a", Original(tmp_path, "a", "", 0))},
        Config(data=tmp_path),
        workers=Workers(1, make),
    )
