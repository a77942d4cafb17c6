"""Records as PDFs, read by another program."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pypdfium2
import pytest
from in_this_process import InThisProcess
from PIL import Image

from iiifserver import pdf
from iiifserver.config import Config
from iiifserver.errors import Busy, NotFound
from iiifserver.image.service import Images
from iiifserver.pdf import Pdfs
from iiifserver.sources import Folder

COLOURS = {"red.png": (200, 30, 30), "green.jpg": (30, 180, 60), "gray.png": 120}
TITLE = {"ja": ["国書", "写し"], "en": ["Letter"]}


class Counting(InThisProcess):
    """Counts what it renders."""

    def __init__(self) -> None:
        self.count = 0

    def render(self, job):
        self.count += 1
        return super().render(job)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name, colour in COLOURS.items():
        mode = "L" if isinstance(colour, int) else "RGB"
        Image.new(mode, (400, 300), colour).save(folder / name)
    Image.new("RGB", (5000, 2500), (10, 20, 250)).save(folder / "large.png")
    return folder


def pdfs(scans: Path, where: str = "pdf", renderer=None, **settings) -> Pdfs:
    images = Images(Folder(scans), Config(**settings), renderer or InThisProcess())
    return Pdfs(images, scans.parent / where)


def test_pages_are_the_pictures_in_their_order(scans):
    made = pdfs(scans).of(TITLE, list(COLOURS))
    with pypdfium2.PdfDocument(made.path) as document:
        assert len(document) == 3
        for page, colour in zip(document, COLOURS.values(), strict=True):
            assert page.get_size() == (192, 144)  # 400 x 300 pixels at 150 an inch
            shown = page.render(scale=1).to_pil().convert("RGB").getpixel((96, 72))
            wanted = (colour,) * 3 if isinstance(colour, int) else colour
            assert max(abs(a - b) for a, b in zip(shown, wanted, strict=True)) < 8


def test_large_scans_are_made_smaller_and_small_ones_not_larger(scans):
    made = pdfs(scans).of(TITLE, ["large.png", "red.png"])
    with pypdfium2.PdfDocument(made.path) as document:
        assert [page.get_size() for page in document] == [(768, 384), (192, 144)]


def test_limits_of_the_server_are_kept(scans):
    made = pdfs(scans, max_width=500, max_area=40_000).of(TITLE, ["large.png"])
    with pypdfium2.PdfDocument(made.path) as document:
        width, _ = document[0].get_size()
    assert width == 200 * 72 / 150


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        (TITLE, "国書; 写し"),
        ({"mn-Mong": ["ᠮᠣᠩᠭᠣᠯ 𐌰"]}, "ᠮᠣᠩᠭᠣᠯ 𐌰"),
        ({"none": ["a (b) \\ <c>"]}, "a (b) \\ <c>"),
        ({}, ""),
    ],
)
def test_the_title_is_in_the_metadata(scans, title, shown):
    made = pdfs(scans).of(title, ["red.png"])
    with pypdfium2.PdfDocument(made.path) as document:
        assert document.get_metadata_dict()["Title"] == shown


def test_equal_records_give_equal_bytes(scans):
    one, other = (pdfs(scans, where).of(TITLE, list(COLOURS)) for where in ("one", "other"))
    assert one.path != other.path
    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.etag == other.etag


def test_a_pdf_is_made_once_and_anew_when_a_scan_is_another(scans):
    counting = Counting()
    kept = pdfs(scans, renderer=counting)
    first = kept.of(TITLE, ["red.png"])
    assert kept.of(TITLE, ["red.png"]) == first
    assert counting.count == 1
    Image.new("RGB", (400, 300), (1, 2, 3)).save(scans / "red.png")
    os.utime(scans / "red.png", (1, 1))
    assert kept.of(TITLE, ["red.png"]).etag != first.etag
    assert counting.count == 2


def test_records_without_pages_or_with_too_many_have_none(scans, monkeypatch):
    with pytest.raises(NotFound, match="this record has 0"):
        pdfs(scans).of(TITLE, [])
    with pytest.raises(NotFound, match=r"1 to 1,000 pages; this record has 1,001"):
        pdfs(scans).of(TITLE, ["red.png"] * 1001)


def test_a_pdf_that_grows_too_large_is_given_up_and_leaves_nothing(scans, monkeypatch):
    monkeypatch.setattr(pdf, "MOST_BYTES", 3000)
    with pytest.raises(NotFound, match="larger than"):
        pdfs(scans).of(TITLE, ["red.png"] * 5)
    assert list((scans.parent / "pdf").iterdir()) == []


def test_few_are_made_at_a_time(scans):
    outcomes = []

    class Asking(InThisProcess):
        def render(self, job):
            if len(outcomes) < 2:
                outcomes.append("asked")
                try:
                    kept.of({"en": [f"Title {len(outcomes)}"]}, ["red.png"])
                except Busy:
                    outcomes.append("busy")
            return super().render(job)

    kept = pdfs(scans, renderer=Asking())
    kept.of(TITLE, ["red.png"])
    assert outcomes == ["asked", "asked", "busy"]


def test_what_is_kept_is_bounded_and_the_latest_stays(scans, monkeypatch):
    monkeypatch.setattr(pdf, "_MOST_KEPT", 3)
    kept, made = pdfs(scans), []
    for number in range(6):
        made.append(kept.of({"en": [f"Title {number}"]}, ["red.png"]).path)
        os.utime(made[-1], (time.time() - 100 + number,) * 2)
    assert sorted(made[-3:]) == sorted((scans.parent / "pdf").iterdir())


def test_what_a_killed_process_left_is_removed_in_time(scans):
    folder = scans.parent / "pdf"
    folder.mkdir()
    (folder / ".aside-old").write_bytes(b"x")
    (folder / ".aside-new").write_bytes(b"x")
    os.utime(folder / ".aside-old", (1, 1))
    pdfs(scans).of(TITLE, ["red.png"])
    assert {path.name for path in folder.iterdir() if path.suffix != ".pdf"} == {".aside-new"}
