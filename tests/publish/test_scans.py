"""What lies in the folder of scans, and whether it can be shown."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any, NoReturn

import pytest
from PIL import Image
from seeded import draw, examine_here, sow

from iiifserver.config import Config
from iiifserver.errors import BrokenSource
from iiifserver.image.broker.pool import Pool
from iiifserver.image.examine import Facts
from iiifserver.publish import examined
from iiifserver.publish.check import review
from iiifserver.publish.examined import examine
from iiifserver.publish.folders import list_scans
from iiifserver.publish.pages import keep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sow(tmp_path, [])
    return tmp_path


def images(folder: Path, *names: str) -> Path:
    return folder.joinpath("images", *names)


def cut(path: Path, keep: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])


def noise(path: Path, size: tuple[int, int] = (200, 150), **options: object) -> None:
    Image.effect_noise(size, 90).convert("RGB").save(path, **options)


def truncated(path: Path, **options: object) -> None:
    noise(path, **options)
    cut(path, 0.6)


def pdf(path: Path, pages: int) -> None:
    first, *others = [Image.new("RGB", (40, 30), (9 * n, 0, 0)) for n in range(pages)]
    first.save(path, "PDF", save_all=True, append_images=others)


def tiff(path: Path, pages: int) -> None:
    first, *others = [Image.new("RGB", (40, 30), (9 * n, 9, 0)) for n in range(pages)]
    first.save(path, "TIFF", save_all=True, append_images=others)


def with_leaves(folder: Path, *lines: str) -> None:
    text = ["record,page,file,leaf", "r1,cover,b.jpg,", "r1,1r,a.jpg,", *lines]
    (folder / "pages.csv").write_text("\n".join(text) + "\n", encoding="utf-8")


def two_files(r2: Path) -> None:
    draw(r2 / "A.jpg", 900)
    draw(r2 / "a.jpg", 901)


def wild(r2: Path) -> None:
    draw(r2 / "2.jpg", 900)
    draw(r2 / "3.jpg", 901, (4000, 30))


def both_forms(r2: Path) -> None:
    for number, form in enumerate(("NFC", "NFD")):
        draw(r2 / unicodedata.normalize(form, "がき.jpg"), 900 + number)


def twins(r2: Path) -> None:
    (r2 / "2.jpg").write_bytes((r2 / "1.jpg").read_bytes())


def page_too_many(r2: Path) -> None:
    tiff(r2.parent / "r1" / "m.tif", 3)
    with_leaves(r2.parents[1], "r1,2,m.tif,4")


def which_leaf(r2: Path) -> None:
    pdf(r2.parent / "r1" / "m.pdf", 3)
    with_leaves(r2.parents[1], "r1,2,m.pdf,")


HEIC = b"\0\0\0\x18ftypheic" + bytes(90)
NOTE, WARNING, ERROR = "note", "warning", "error"
SPOILED = [
    # what is done in the folder r2, where it is told, why, how gravely, and what is proposed
    (lambda r2: draw(r2.parent / "R-1" / "1.jpg", 900), "Images!R-1", "no record", WARNING, "r1"),
    (lambda r2: (r2.parent / "zz").mkdir(), "Images!zz", "no record for this", WARNING, None),
    (lambda r2: draw(r2.parent / "x.tif", 9), "Images!x.tif", "no record's folder", WARNING, None),
    (lambda r2: draw(r2.parent / "r1/c.jpg", 9), "Images!r1/c.jpg", "this one is", WARNING, None),
    (lambda r2: (r2 / "a.docx").touch(), "Images!r2/a.docx", "files with .docx", WARNING, None),
    (lambda r2: (r2 / "scan").touch(), "Images!r2/scan", "files with no ending", WARNING, None),
    (lambda r2: draw(r2 / "_b.jpg", 9), "Images!r2/_b.jpg", "an underscore", NOTE, None),
    (lambda r2: draw(r2 / ".b.jpg", 9), "Images!r2/.b.jpg", "begin with a dot", NOTE, None),
    (lambda r2: (r2 / "raw").mkdir(), "Images!r2/raw", "folders inside", WARNING, None),
    (lambda r2: (r2 / "1.jpg").unlink(), "Records!A3", "its folder holds none", WARNING, None),
    (lambda r2: r2.rename(r2.parent / "R_2"), "Records!A3", "no such folder", WARNING, "R_2"),
    (lambda r2: (r2 / "l.jpg").symlink_to("none"), "Images!r2/l.jpg", "No such", ERROR, None),
    (two_files, "Images!r2/a.jpg", "macOS and Windows", WARNING, None),
    (both_forms, "Images!r2/がき.jpg", "composed (NFC) and decomposed", ERROR, None),
    (lambda r2: (r2 / "1.jpg").write_bytes(b""), "Images!r2/1.jpg", "is empty", ERROR, None),
    (lambda r2: (r2 / "1.jpg").write_text("x"), "Images!r2/1.jpg", "not an image", ERROR, None),
    (lambda r2: (r2.parent / "r1/a.jpg").write_text("x"), "Pages!C3", "not an", ERROR, None),
    (lambda r2: truncated(r2 / "1.jpg"), "Images!r2/1.jpg", "cannot be", ERROR, None),
    (lambda r2: truncated(r2 / "1.png"), "Images!r2/1.png", "cannot be", ERROR, None),
    (lambda r2: truncated(r2 / "1.tif"), "Images!r2/1.tif", "cannot be", ERROR, None),
    (lambda r2: truncated(r2 / "1.webp"), "Images!r2/1.webp", "cannot be", ERROR, None),
    (lambda r2: truncated(r2 / "1.jp2"), "Images!r2/1.jp2", "cannot be", ERROR, None),
    (lambda r2: (r2 / "1.pdf").write_bytes(b"%PDF-1.7\n"), "Images!r2/1.pdf", "PDF", ERROR, None),
    (lambda r2: (r2 / "1.heic").write_bytes(HEIC), "Images!r2/1.heic", "HEIC", ERROR, None),
    (wild, "Images!r2/3.jpg", "4000 x 30 pixels", WARNING, None),
    (twins, "Images!r2/2.jpg", "the same file as r2/1.jpg", WARNING, None),
    (page_too_many, "Pages!D4", "there is no page 4", ERROR, "3"),
    (which_leaf, "Pages!B4", "say in the column 'leaf'", ERROR, None),
]


def test_spoiled_scan_is_told_where_it_is(folder: Path) -> None:
    missed = []
    for number, (spoil, place, reason, severity, proposal) in enumerate(SPOILED):
        spoiled = folder / str(number)
        spoiled.mkdir()
        sow(spoiled, [])
        spoil(images(spoiled, "r2"))
        found = review(spoiled, images(spoiled), examine_here).mistakes
        told = [
            (f"{m.sheet}!{m.cell}", m.proposal, m.severity) for m in found if reason in m.reason
        ]
        if told != [(place, proposal, severity)]:
            missed.append((place, reason, [*map(str, found)]))
    assert missed == []


@pytest.mark.parametrize("name", ["Thumbs.db", ".DS_Store", "._1.jpg", "desktop.ini"])
def test_what_systems_leave_behind_is_passed_over(folder, name):
    images(folder, "r2", name).write_bytes(b"x")
    assert review(folder, images(folder), examine_here).mistakes == ()


def test_decomposed_name_is_the_name_that_the_sheet_has(folder):
    composed = unicodedata.normalize("NFC", "がき.jpg")
    on_disk = unicodedata.normalize("NFD", composed)
    images(folder, "r1", "a.jpg").rename(images(folder, "r1", on_disk))
    text = (folder / "pages.csv").read_text(encoding="utf-8")
    (folder / "pages.csv").write_text(text.replace("a.jpg", composed), encoding="utf-8")
    exhibition, mistakes, _ = review(folder, images(folder))
    assert mistakes == ()
    assert images(folder, "r1", next(exhibition.records).pages[1].file).exists()


def test_scans_are_in_natural_order(tmp_path):
    for number, name in enumerate(["p10.jpg", "p2.jpg", "P3.jpg", "p1b.jpg"]):
        draw(tmp_path / "r1" / name, number)
    scans = list_scans(tmp_path).scans["r1"]
    assert [scan.name for scan in scans] == ["p1b.jpg", "p2.jpg", "P3.jpg", "p10.jpg"]


@pytest.mark.parametrize(("make", "name"), [(tiff, "m.tif"), (pdf, "m.pdf")])
def test_document_gives_one_page_for_each_of_its_own(folder, make, name):
    images(folder, "r2", "1.jpg").unlink()
    make(images(folder, "r2", name), 3)
    exhibition, mistakes, _ = review(folder, images(folder), examine_here)
    assert mistakes == ()
    pages = list(exhibition.records)[1].pages
    assert [(page.file, page.leaf, page.image) for page in pages] == [
        (name, 0, "r2-1"),
        (name, 1, "r2-2"),
        (name, 2, "r2-3"),
    ]


def test_document_that_grew_is_told_because_its_pages_go_by_number(folder):
    images(folder, "r2", "1.jpg").unlink()
    scan = images(folder, "r2", "m.tif")
    tiff(scan, 2)
    keep(folder / "pages.csv", review(folder, images(folder), examine_here).layout.kept)
    assert review(folder, images(folder), examine_here).mistakes == ()
    tiff(scan, 3)
    (told,) = review(folder, images(folder), examine_here).mistakes
    assert (told.severity, told.value) == ("warning", "m.tif")
    assert "m.tif had 2 pages and has 3" in told.reason


def test_listed_leaves_are_pages_in_the_order_of_the_list(folder):
    tiff(images(folder, "r1", "m.tif"), 3)
    with_leaves(folder, "r1,x,m.tif,3", "r1,,m.tif,1")
    pages = next(review(folder, images(folder), examine_here).exhibition.records).pages
    assert [(p.identifier, p.leaf) for p in pages] == [("cover", 0), ("1r", 0), ("x", 2), ("1", 0)]


def test_missing_folder_of_scans_is_told(tmp_path):
    assert "no such folder" in list_scans(tmp_path / "images").mistakes[0].reason


# -- processes and memory


@pytest.fixture
def config(tmp_path_factory) -> Config:
    return Config(data=tmp_path_factory.mktemp("data"))


class Here:
    """Runs jobs in this process; what lies in a file called `deadly` ends them."""

    def __init__(self, *_: object) -> None: ...

    def render(self, job: Any) -> bytes:
        if any("deadly" in file.name for file in job.files):
            raise BrokenSource(f"{job.name}: it crashed")
        return job.run()

    def close(self) -> None: ...


class Started(Exception):
    """A process was started."""


def refused(*_: object) -> NoReturn:
    raise Started


def facts(folder: Path, config: Config, workers: Any = Here, **options: bool) -> dict[str, Facts]:
    scans = list_scans(images(folder))
    found = examine(scans, images(folder), config, workers=workers, **options)
    return {scan.shown: scan.facts for files in found.scans.values() for scan in files}


def test_other_processes_find_out_the_same(folder, config):
    truncated(images(folder, "r2", "2.jpg"))
    assert facts(folder, config, Pool) == facts(folder, Config(data=config.data / "other"))


def test_file_that_ends_its_process_spoils_no_other(folder, config):
    draw(images(folder, "r2", "deadly.jpg"), 700)
    found = facts(folder, config)
    assert {name: each.problem for name, each in found.items() if each.problem} == {
        "r2/deadly.jpg": "it crashed"
    }


def test_file_that_ended_its_process_is_tried_again(folder, config):
    draw(images(folder, "r2", "deadly.jpg"), 700)
    facts(folder, config)
    with pytest.raises(Started):
        facts(folder, config, refused)


def test_headers_alone_do_not_tell_that_pixels_are_missing(folder, config):
    truncated(images(folder, "r2", "1.jpg"))
    assert facts(folder, config, decode=False)["r2/1.jpg"].problem == ""
    assert facts(folder, config)["r2/1.jpg"].problem != ""


def test_unchanged_scans_are_not_looked_at_again(folder, config):
    before = facts(folder, config)
    assert facts(folder, config, refused) == before
    draw(images(folder, "r2", "1.jpg"), 777)
    with pytest.raises(Started):
        facts(folder, config, refused)


def test_what_was_verified_needs_no_reading_of_headers(folder, config):
    before = facts(folder, config)
    assert facts(folder, config, refused, decode=False) == before


class Interrupted(Here):
    """Is interrupted by ^C at one scan; tells what it was asked for."""

    at = ""
    asked: list[str] = []

    def render(self, job: Any) -> bytes:
        self.asked.append(job.name)
        if job.name == self.at:
            raise KeyboardInterrupt
        return super().render(job)


def test_interrupted_what_was_found_out_is_remembered(folder, config, monkeypatch):
    monkeypatch.setattr(examined, "_BATCH", 1)
    names = list(facts(folder, Config(data=config.data / "other")))
    monkeypatch.setattr(Interrupted, "at", names[-1])
    with pytest.raises(KeyboardInterrupt):
        facts(folder, config, Interrupted)
    monkeypatch.setattr(Interrupted, "at", "")
    Interrupted.asked.clear()
    assert list(facts(folder, config, Interrupted)) == names
    assert Interrupted.asked == [names[-1]]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format":1,"scans":{"r2/1.jpg":[1]}}'])
def test_damaged_memory_is_found_out_anew(folder, config, damage):
    before = facts(folder, config)
    [memory] = config.data.rglob("*.json")
    memory.write_bytes(damage)
    assert facts(folder, config) == before
    assert memory.stat().st_size > len(damage)


def test_memory_holds_no_more_than_the_scans_that_are_there(folder, config):
    facts(folder, config)
    images(folder, "r2", "1.jpg").unlink()
    facts(folder, config)
    [memory] = config.data.rglob("*.json")
    assert b"r2/1.jpg" not in memory.read_bytes()
