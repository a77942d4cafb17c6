"""The list of a folder of images, and the files that pages use."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import pytest
from flask import Flask
from taken_apart import Page

from iiifserver.errors import NotFound
from iiifserver.urls import Urls
from iiifserver.web.assets import Assets
from iiifserver.web.listing import ITEMS_A_PAGE
from iiifserver.web.pages import blueprint
from iiifserver.web.site import Entry, FolderSite, Listing, Picture

BASE = "https://archive.example/scans"
URLS = Urls(BASE)
TITLE = {"none": ["Scans"]}


class Watched(Sequence):
    """A long list that knows which of its items were looked at."""

    def __init__(self, count, make):
        self.count, self.make, self.seen = count, make, set()

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(self.count))]
        self.seen.add(place)
        return self.make(place)


def folders(number):
    return Entry({"none": [f"folder-{number}"]}, 5, URLS.manifest(f"f{number}"), f"f{number}")


def pictures(number):
    return Picture(f"a b/{number}.tif", f"{number}.tif")


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    """Viewers and styles of no content: what they do is tested in a browser."""
    folder = tmp_path_factory.mktemp("static")
    (folder / "viewers").mkdir()
    for name in ("pages.css", "viewing.css", "icon.svg", "viewers/mirador.js", "viewers/zoom.js"):
        (folder / name).write_text(f"/* {name} */")
    return Assets(folder)


@pytest.fixture
def browse(assets):
    """A function that returns a client of a folder's lists, by their paths."""

    def make(listings=None, files=assets):
        shown = listings or {
            "": Listing(TITLE, [folders(1)], [Picture("kite-1.tif", "kite-1.tif")])
        }

        def listing(path):
            if path not in shown:
                raise NotFound(f"nothing is called {path!r}")
            return shown[path]

        languages = ("en", "ja", "mn")
        site = FolderSite(
            "Scans", languages, lambda: URLS, listing, lambda identifier: None, find=URLS.image
        )
        app = Flask(__name__, static_folder=None)
        app.register_blueprint(blueprint(site, files))
        return app.test_client()

    return make


def test_thumbnails_come_from_the_image_api_and_hold_their_place(browse):
    (image,) = Page(browse().get("/en/")).all("img")
    assert image["src"] == f"{BASE}/iiif/3/kite-1.tif/full/!200,200/0/default.jpg"
    assert (image["width"], image["height"], image["loading"]) == ("200", "200", "lazy")


def test_a_folder_has_no_pages_of_an_exhibition(browse):
    for address in ("/en/scans/", "/en/scans/about", "/en/scans/record/kite-1.tif"):
        assert browse().get(address).status_code == 404


@pytest.mark.parametrize(
    ("page", "folder_numbers", "picture_numbers"),
    [
        (1, range(60), range(0)),
        (2, range(60, 70), range(50)),
        (3, range(70, 70), range(50, 110)),
        (4, range(70, 70), range(110, 125)),
    ],
)
def test_a_long_list_comes_in_pages_and_only_one_is_looked_at(
    browse, page, folder_numbers, picture_numbers
):
    entries, images = Watched(70, folders), Watched(125, pictures)
    client = browse({"": Listing(TITLE, entries, images)})
    response = client.get(f"/en/?page={page}")
    assert response.status_code == 200
    assert entries.seen == set(folder_numbers)
    assert images.seen == set(picture_numbers)
    assert f"Page {page} of 4" in response.text
    assert len(folder_numbers) + len(picture_numbers) <= ITEMS_A_PAGE


@pytest.mark.parametrize("page", ["0", "2", "-1", "+1", "1.0", "1e0", "１", "", "x" * 50, "9" * 30])
def test_a_page_that_a_list_does_not_have_is_not_found(browse, page):
    response = browse().get("/en/", query_string={"page": page})
    assert response.status_code == 404
    assert Page(response).all("html")[0]["lang"] == "en"


def test_pages_of_a_folder_lead_to_its_neighbours(browse):
    listing = Listing({"none": ["a&b"]}, (), Watched(150, pictures), None, [(TITLE, "")])
    page = Page(browse({"a&b": listing}).get("/ja/?folder=a%26b&page=2"))
    near = {link["rel"]: link["href"] for link in page.all("a") if "rel" in link}
    assert near == {
        "prev": "/scans/ja/?folder=a%26b",
        "next": "/scans/ja/?folder=a%26b&page=3",
    }


def test_a_picture_leads_to_its_zoom_and_its_info_json(browse):
    listing = Listing(TITLE, (), [Picture("a b/1.tif", "1.tif")], URLS.manifest("f"))
    page = Page(browse({"": listing}).get("/en/"))
    info = f"{BASE}/iiif/3/a%20b%2F1.tif/info.json"
    links = [link["href"] for link in page.all("a")]
    assert info in links
    assert f"/scans/en/viewer?image={quote(info, safe=':/')}" in links


def test_a_folder_that_is_not_there_is_said_in_the_readers_language(browse):
    response = browse().get("/ja/?folder=../etc")
    assert response.status_code == 404
    assert "このアドレスには何もありません" in response.text
    assert response.headers["Cache-Control"] == "no-store"


# -- files


def test_every_file_that_a_page_names_is_there_and_kept_for_ever(browse):
    client = browse()
    page = Page(client.get("/en/"))
    files = [found for found in page.addresses() if "/static/" in found]
    assert len(files) == 2
    for file in files:
        response = client.get(file.removeprefix("/scans"))
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    "name",
    [
        "pages.css",
        "viewers/mirador.js",
        "../pages.py",
        "%2e%2e/pages.py",
        "..%2fpages.py",
        "viewers/../pages.css",
        "//etc/passwd",
        "viewers",
        "x" * 500,
    ],
)
def test_only_the_named_files_can_be_asked_for(browse, name):
    assert browse().get(f"/static/{name}", follow_redirects=True).status_code == 404
