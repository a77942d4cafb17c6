"""Several pictures in one file: TIFF, PDF; and HEIC."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from iiifserver.errors import BrokenSource
from iiifserver.image import containers
from iiifserver.image.open import container, count_leaves, describe


def saved(kind: str, sizes: list[tuple[int, int]], **options: object) -> bytes:
    first, *others = [Image.new("RGB", size, (200, 10 * n, 0)) for n, size in enumerate(sizes)]
    target = io.BytesIO()
    first.save(target, kind, save_all=True, append_images=others, **options)
    return target.getvalue()


def reader(body: bytes):
    return lambda offset, length: body[offset : offset + length]


SIZES = [(100, 80), (50, 40), (30, 90)]  # the second is half of the first: no pyramid all the same


def test_each_page_of_a_tiff_is_a_picture_of_its_own():
    body = saved("TIFF", SIZES)
    assert count_leaves(reader(body), len(body)) == 3
    headers = [describe(reader(body), len(body), leaf) for leaf in range(3)]
    assert [(header.width, header.height) for header in headers] == SIZES
    assert [header.levels[0].page for header in headers] == [0, 1, 2]


def test_long_document_has_all_its_pages():
    body = saved("TIFF", [(8, 8 + n) for n in range(90)])
    assert count_leaves(reader(body), len(body)) == 90
    assert describe(reader(body), len(body), 89).height == 97


def test_page_beyond_the_last_is_refused():
    body = saved("TIFF", SIZES)
    with pytest.raises(BrokenSource, match="3 pages; there is no page 4"):
        describe(reader(body), len(body), 3)


def test_pyramid_is_one_picture(tmp_path):
    pyvips = pytest.importorskip("pyvips")
    path = tmp_path / "p.tif"
    image = pyvips.Image.black(700, 500, bands=3).copy(interpretation="srgb")
    image.tiffsave(str(path), tile=True, pyramid=True, compression="jpeg")
    body = path.read_bytes()
    assert count_leaves(reader(body), len(body)) == 1


def test_pages_of_a_pdf_have_their_sizes_and_their_colours(tmp_path):
    path = tmp_path / "p.pdf"
    path.write_bytes(saved("PDF", SIZES))
    assert container(path.read_bytes()[:64]) == "pdf"
    assert containers.pdf_page_sizes(path) == SIZES
    pixels = containers.draw_pdf_page(path, 2, (60, 180), (10, 20, 50, 160))
    assert pixels.shape == (160, 50, 3)
    assert abs(pixels[90, 30].astype(int) - (200, 20, 0)).max() < 8


@pytest.mark.parametrize("spoil", [lambda b: b[:300], lambda b: b"%PDF-1.7\n" + bytes(99)])
def test_damaged_pdf_is_a_broken_source(tmp_path, spoil):
    path = tmp_path / "p.pdf"
    path.write_bytes(spoil(saved("PDF", SIZES)))
    with pytest.raises(BrokenSource, match="PDF"):
        containers.pdf_page_sizes(path)


def test_page_that_a_pdf_does_not_have_is_refused(tmp_path):
    path = tmp_path / "p.pdf"
    path.write_bytes(saved("PDF", SIZES))
    with pytest.raises(BrokenSource):
        containers.draw_pdf_page(path, 3, (10, 10), (0, 0, 10, 10))


def test_heic_that_cannot_be_decoded_is_a_broken_source(tmp_path: Path):
    path = tmp_path / "p.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    assert container(path.read_bytes()[:64]) == "heic"
    with pytest.raises(BrokenSource, match="HEIC"):
        containers.read_heic(path)
