"""PDF and HEIC in a folder, over HTTP: their pages as images, in lists and in Manifests."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from image_sources import TURNED_HEIC
from PIL import Image, ImageDraw

PAGES = [(600, 400), (400, 700), (500, 500)]


@pytest.fixture
def client(serve, tmp_path: Path):
    """Serve a PDF of three pages in a folder, a damaged one, and a HEIC."""
    pages = [Image.new("RGB", size, (200, 60 * n, 0)) for n, size in enumerate(PAGES)]
    for page in pages:
        ImageDraw.Draw(page).rectangle((0, 0, 99, 99), (0, 0, 200))
    (tmp_path / "box").mkdir()
    pages[0].save(
        tmp_path / "box" / "x.pdf",
        save_all=True,
        append_images=pages[1:],
        resolution=300,
        quality=95,
    )
    (tmp_path / "box" / "bad.pdf").write_bytes(b"%PDF-1.7\n" + bytes(99))
    (tmp_path / "turned.heic").write_bytes(TURNED_HEIC)
    return serve(tmp_path)


def picture(answer) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.data)).convert("RGB")


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 16


@pytest.mark.parametrize(("number", "size"), [*enumerate(PAGES, 1)])
def test_each_page_has_its_size_and_its_picture(client, number, size):
    info = client.get(f"/iiif/3/box/x.pdf/{number}/info.json").get_json()
    assert (info["width"], info["height"]) == size
    assert info["id"].endswith(("/iiif/3/box%2Fx.pdf%2F" + str(number), f"/x.pdf/{number}"))
    full = picture(client.get(f"/iiif/3/box%2Fx.pdf%2F{number}/full/max/0/default.png"))
    assert full.size == size
    assert near(full.getpixel((50, 50)), (0, 0, 200))
    assert near(full.getpixel((300, 300)), (200, 60 * (number - 1), 0))


@pytest.mark.parametrize(
    ("region", "size", "pixels"),
    [
        ("0,0,100,100", "50,50", {(25, 25): (0, 0, 200)}),
        ("90,90,20,20", "max", {(5, 5): (0, 0, 200), (15, 15): (200, 0, 0), (15, 5): (200, 0, 0)}),
        ("full", "150,100", {(10, 10): (0, 0, 200), (30, 30): (200, 0, 0)}),
        ("512,0,88,400", "44,200", {(20, 100): (200, 0, 0)}),
    ],
)
def test_a_part_of_a_page_is_drawn_where_it_is(client, region, size, pixels):
    given = picture(client.get(f"/iiif/3/box/x.pdf/1/{region}/{size}/0/default.png"))
    assert all(near(given.getpixel(place), colour) for place, colour in pixels.items())


@pytest.mark.parametrize("page", ["0", "4", "01", "99999", "-1", "1.0", "x"])
def test_no_other_page_is_found(client, page):
    for rest in ("info.json", "full/max/0/default.jpg"):
        assert client.get(f"/iiif/3/box/x.pdf/{page}/{rest}").status_code == 404


def test_a_document_itself_is_no_image(client):
    answer = client.get("/iiif/3/box/x.pdf/info.json")
    assert answer.status_code == 404
    assert "box/x.pdf/1" in answer.get_json()["detail"]


def test_a_damaged_pdf_says_so(client):
    answer = client.get("/iiif/3/box/bad.pdf/1/info.json")
    assert answer.status_code == 500
    assert "box/bad.pdf/1: the PDF cannot be read" in answer.get_json()["detail"]


def test_the_manifest_of_a_document_has_its_pages(client):
    manifest = client.get("/presentation/3/box/x.pdf/manifest").get_json()
    sizes = [(canvas["width"], canvas["height"]) for canvas in manifest["items"]]
    assert sizes == PAGES
    assert client.get("/presentation/2/box/x.pdf/manifest").status_code == 200
    assert client.get("/presentation/3/box/y.pdf/manifest").status_code == 404


def test_a_folder_of_documents_lists_them_and_they_their_pages(client):
    assert "?folder=box" in client.get("/en/").text
    assert "?folder=box/x.pdf" in client.get("/en/?folder=box").text.replace("%2F", "/")
    pages = client.get("/en/?folder=box/x.pdf").text.replace("%2F", "/")
    shown = [number for number in range(6) if f"/iiif/3/box/x.pdf/{number}/" in pages]
    assert shown == [1, 2, 3]


def test_the_page_of_a_damaged_pdf_says_so(client):
    answer = client.get("/en/?folder=box/bad.pdf")
    assert answer.status_code == 500
    assert "the PDF cannot be read" in answer.text


def test_a_heic_is_an_image_upright(client):
    info = client.get("/iiif/3/turned.heic/info.json").get_json()
    assert (info["width"], info["height"]) == (48, 64)
    given = picture(client.get("/iiif/3/turned.heic/24,0,24,32/max/0/default.png"))
    assert given.size == (24, 32)
    assert near(given.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)), (200, 30, 30))
