"""The pages: what they say, what they link to, what they refuse, and what they may load."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask

from iiifserver.errors import NotFound
from iiifserver.urls import Urls
from iiifserver.web.assets import Assets
from iiifserver.web.pages import (
    ITEMS_A_PAGE,
    MAX_ADDRESS_CHARACTERS,
    About,
    Entry,
    Listing,
    Picture,
    Site,
    blueprint,
)

BASE = "https://archive.example/scans"
URLS = Urls(BASE)
NOTICE = {"en": ["All are synthetic."], "ja": ["すべて合成画像です。"], "mn": ["Бүгд зохиомол."]}
TITLE = {"en": ["Two countries"], "ja": ["二つの国"]}
CHAPTERS = [
    Entry({"ja": ["十三世紀"], "mn-Cyrl": ["Арван гуравдугаар зуун"]}, 3, URLS.manifest("one")),
    Entry({"en": ["To follow"]}, 0, URLS.manifest("two")),
    Entry({"en": ["Working"]}, 0, note={"en": ["The real title was not found"]}),
    Entry({"en": ["Kites & <kings>"]}, 1, URLS.manifest("three"), thumbnail="kite-1"),
]


class Page(HTMLParser):
    """A page taken apart: its elements with attributes, and its text."""

    def __init__(self, response):
        super().__init__()
        self.elements = []
        self.text = ""
        self._open = []
        self.scripts = []
        self.feed(response.text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data):
        if "script" in self._open:
            self.scripts.append(data)
        else:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def addresses(self):
        for _, attributes in self.elements:
            yield from (attributes[name] for name in ("href", "src") if name in attributes)
            yield from re.findall(r"(\S+) \dx", attributes.get("srcset", ""))

    def settings(self):
        (script,) = self.scripts
        return json.loads(script)


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
    for name in ("pages.css", "icon.svg", "viewers/mirador.js", "viewers/zoom.js"):
        (folder / name).write_text(f"/* {name} */")
    return Assets(folder)


@pytest.fixture
def browse(assets):
    """A function that returns a client of a site of listings, by default the exhibition."""

    def make(listings=None, files=assets, base_url=BASE, notice=NOTICE):
        shown = listings or {"": Listing(TITLE, CHAPTERS)}

        def listing(path):
            if path not in shown:
                raise NotFound(f"nothing is called {path!r}")
            return shown[path]

        about = About(TITLE, ("en", "ja", "mn"), notice=notice, has_chapters=bool(notice))
        site = Site(lambda: about, lambda: Urls(base_url), listing)
        app = Flask(__name__, static_folder=None)
        app.register_blueprint(blueprint(site, files))
        return app.test_client()

    return make


# -- languages


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("mn", "mn"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("fr, mn;q=0.5, ja;q=0.4", "mn"),
        ("fr", "en"),
        ("en;q=0, ja", "ja"),
        ("nonsense;;;q=x", "en"),
    ],
)
def test_the_first_address_leads_to_the_readers_language(browse, accepted, language):
    headers = {"Accept-Language": accepted} if accepted else {}
    response = browse().get("/", headers=headers)
    assert response.status_code == 303
    assert response.location == f"/scans/{language}/"
    assert response.headers["Vary"] == "Accept-Language"


def test_the_viewer_without_a_language_keeps_its_question(browse):
    response = browse().get("/viewer?manifest=a%26b", headers={"Accept-Language": "ja"})
    assert (response.status_code, response.location) == (303, "/scans/ja/viewer?manifest=a%26b")


@pytest.mark.parametrize("language", ["en", "ja", "mn"])
def test_a_page_says_its_language_and_that_its_pictures_are_synthetic(browse, language):
    response = browse().get(f"/{language}/")
    page = Page(response)
    assert page.all("html") == [{"lang": language}]
    assert response.headers["Content-Language"] == language
    word = NOTICE[language][0]
    assert word in page.text
    assert page.text.count("機械翻訳") == (1 if language == "ja" else 0)


@pytest.mark.parametrize(
    ("language", "shown_in"),
    [
        ("en", "Not yet translated; shown in Japanese"),
        ("ja", None),
        ("mn", None),  # mn-Cyrl is what a reader of mn reads
    ],
)
def test_a_title_missing_in_a_language_is_shown_as_such(browse, language, shown_in):
    client = browse({"": Listing(TITLE, CHAPTERS[:1])})
    page = Page(client.get(f"/{language}/"))
    titles = {"en": "十三世紀", "ja": "十三世紀", "mn": "Арван гуравдугаар зуун"}
    assert titles[language] in page.text
    assert {"lang": "ja"} in page.all("span") if shown_in else True
    own = {"en": "Not yet", "ja": "未翻訳", "mn": "Хараахан"}[language]
    title_of_site_is_missing = language == "mn"
    assert page.text.count(own) == bool(shown_in) + title_of_site_is_missing
    assert not shown_in or shown_in in page.text


def test_the_language_switch_keeps_the_place(browse):
    manifest = quote(URLS.manifest("one"), safe="")
    page = Page(browse().get(f"/en/viewer?manifest={manifest}&canvas=x"))
    switches = [link["href"] for link in page.all("a") if "hreflang" in link]
    assert switches == [
        f"/scans/{language}/viewer?manifest={manifest}&canvas=x" for language in ("en", "ja", "mn")
    ]


def test_a_language_that_the_site_has_not_is_not_found(browse):
    assert browse().get("/ru/").status_code == 404  # the program has words, the site no pages
    assert browse().get("/ru/viewer").status_code == 404


# -- lists


def test_a_chapter_opens_in_the_viewer_unless_it_has_no_images(browse):
    page = Page(browse().get("/en/"))
    opened = [link["href"] for link in page.all("a") if "viewer?" in link["href"]]
    assert opened == [
        f"/scans/en/viewer?manifest={BASE}/presentation/3/{name}/manifest"
        for name in ("one", "three")
    ]
    assert page.text.count("Records to follow") == 1
    assert "The real title was not found" in page.text


def test_titles_are_text_and_never_markup(browse):
    response = browse().get("/en/")
    assert "Kites &amp; &lt;kings&gt;" in response.text
    assert "<kings>" not in response.text


def test_thumbnails_come_from_the_image_api_and_hold_their_place(browse):
    (image,) = (each for each in Page(browse().get("/en/")).all("img"))
    assert image["src"] == f"{BASE}/iiif/3/kite-1/full/!200,200/0/default.jpg"
    assert (image["width"], image["height"], image["loading"]) == ("200", "200", "lazy")


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
    client = browse({"": Listing(TITLE, entries, images)}, notice={})
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
    assert Page(response).all("html") == [{"lang": "en"}]


def test_pages_of_a_folder_lead_to_its_neighbours(browse):
    listing = Listing({"none": ["a&b"]}, (), Watched(150, pictures), None, [(TITLE, "")])
    page = Page(browse({"a&b": listing}, notice={}).get("/ja/?folder=a%26b&page=2"))
    near = {link["rel"]: link["href"] for link in page.all("a") if "rel" in link}
    assert near == {
        "prev": "/scans/ja/?folder=a%26b",
        "next": "/scans/ja/?folder=a%26b&page=3",
    }


def test_a_picture_leads_to_its_zoom_and_its_info_json(browse):
    listing = Listing(TITLE, (), [Picture("a b/1.tif", "1.tif")], URLS.manifest("f"))
    page = Page(browse({"": listing}, notice={}).get("/en/"))
    info = f"{BASE}/iiif/3/a%20b%2F1.tif/info.json"
    links = [link["href"] for link in page.all("a")]
    assert info in links
    assert f"/scans/en/viewer?image={quote(info, safe=':/')}" in links


def test_the_link_of_a_picture_opens_exactly_its_info_json(browse):
    client = browse({"": Listing(TITLE, (), [Picture("a b/1%.tif", "1")])}, notice={})
    (link,) = (a["href"] for a in Page(client.get("/en/")).all("a") if "image=" in a["href"])
    opened = Page(client.get(link.removeprefix("/scans"))).settings()["image"]
    assert opened == f"{BASE}/iiif/3/a%20b%2F1%25.tif/info.json"


def test_a_folder_that_is_not_there_is_said_in_the_readers_language(browse):
    response = browse().get("/ja/?folder=../etc")
    assert response.status_code == 404
    assert "このアドレスには何もありません" in response.text
    assert response.headers["Cache-Control"] == "no-store"


# -- the viewer


@pytest.mark.parametrize("parameter", ["manifest", "iiif-content"])
def test_a_manifest_of_ours_is_opened_at_its_canvas(browse, parameter):
    asked = {parameter: URLS.manifest("one"), "canvas": URLS.canvas("one", "2")}
    page = Page(browse().get("/mn/viewer", query_string=asked))
    settings = page.settings()
    assert settings["language"] == "mn"
    assert settings["manifest"] == URLS.manifest("one")
    assert settings["canvas"] == URLS.canvas("one", "2")
    (script,) = (each["src"] for each in page.all("script") if "src" in each)
    assert re.fullmatch(r"/scans/static/viewers/mirador\.[0-9a-f]{12}\.js", script)


def test_an_image_is_opened_in_the_small_viewer(browse):
    page = Page(browse().get("/en/viewer", query_string={"image": URLS.info(3, "kite-1")}))
    assert page.settings()["image"] == URLS.info(3, "kite-1")
    assert any("viewers/zoom." in each.get("src", "") for each in page.all("script"))


def test_the_viewer_offers_the_first_chapters_and_no_endless_list(browse):
    entries = Watched(100_000, folders)
    client = browse({"": Listing(TITLE, entries)}, notice={})
    catalog = Page(client.get("/en/viewer")).settings()["catalog"]
    assert catalog == [URLS.manifest(f"f{number}") for number in range(50)]
    assert len(entries.seen) == 50


ELSEWHERE = [
    "https://elsewhere.example/manifest",
    "https://archive.example/manifest",
    "https://archive.example/scanspace/manifest",
    "https://archive.example/scans",
    "https://archive.example/scans.elsewhere.example/manifest",
    "http://archive.example/scans/presentation/3/one/manifest",
    "//elsewhere.example/scans/",
    "/scans/presentation/3/one/manifest",
    "javascript:alert(1)//https://archive.example/scans/",
    " https://archive.example/scans/m",
    f"{BASE}/../private/manifest",
    f"{BASE}/%2e%2E/private/manifest",
    f"{BASE}/..%2fprivate/manifest",
    f"{BASE}/..\\private",
    f"{BASE}/.\t./private",
    f"{BASE}/a\u202eb",
    "<script>alert(1)</script>",
]


@pytest.mark.parametrize("parameter", ["manifest", "iiif-content", "image"])
@pytest.mark.parametrize("address", ELSEWHERE)
def test_what_is_not_ours_is_named_but_not_opened(browse, parameter, address):
    response = browse().get("/en/viewer", query_string={parameter: address})
    page = Page(response)
    assert response.status_code == 403
    assert page.scripts == []
    assert page.all("script") == []
    assert address in page.text
    assert address not in list(page.addresses())


@pytest.mark.parametrize("parameter", ["manifest", "iiif-content", "image", "canvas"])
def test_an_address_that_is_too_long_is_refused_by_name(browse, parameter):
    longest = f"{BASE}/".ljust(MAX_ADDRESS_CHARACTERS, "x")
    client = browse()
    assert client.get("/en/viewer", query_string={parameter: longest}).status_code == 200
    response = client.get("/en/viewer", query_string={parameter: f"{longest}x"})
    assert response.status_code == 400
    assert parameter in Page(response).text


def test_settings_cannot_end_their_element(browse):
    address = f"{BASE}/</script><script>alert(1)</script><!--"
    page = Page(browse().get("/en/viewer", query_string={"manifest": address}))
    assert page.settings()["manifest"] == address
    assert len(page.all("script")) == 2


def test_an_installation_without_viewers_says_so(browse, tmp_path):
    for name in ("pages.css", "icon.svg"):
        (tmp_path / name).write_text("")
    client = browse(files=Assets(tmp_path))
    assert client.get("/en/").status_code == 200
    response = client.get("/en/viewer", query_string={"manifest": URLS.manifest("one")})
    assert response.status_code == 503
    assert "built without viewers" in Page(response).text


# -- what every page keeps to

ADDRESSES = [
    "/en/",
    "/ja/",
    "/mn/",
    "/en/?folder=none",
    "/en/viewer",
    f"/ja/viewer?manifest={URLS.manifest('one')}",
    f"/mn/viewer?image={URLS.info(3, 'kite-1')}",
    "/en/viewer?manifest=https://elsewhere.example/",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_holds_no_inline_script_or_style(browse, address):
    page = Page(browse().get(address))
    for tag, attributes in page.elements:
        assert tag != "style"
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if tag == "script":
            assert attributes.get("src") or attributes["type"] == "application/json"


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_loads_and_links_nothing_of_others(browse, address):
    for found in Page(browse().get(address)).addresses():
        assert found.startswith(("/scans/", f"{BASE}/", "#")), found


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_carries_the_headers_that_protect_its_reader(browse, address):
    headers = browse().get(address).headers
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self' https://archive.example"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Set-Cookie" not in headers


def test_documents_may_come_from_base_url_when_the_page_was_reached_by_another_name(browse):
    client = browse(base_url="http://127.0.0.1:8182")
    response = client.get("/en/", headers={"Host": "localhost:8182"})
    assert "connect-src 'self' http://127.0.0.1:8182" in response.headers["Content-Security-Policy"]
    assert all(not urlsplit(link["href"]).netloc for link in Page(response).all("link"))


# -- files


def test_every_file_that_a_page_names_is_there_and_kept_for_ever(browse):
    client = browse()
    page = Page(client.get(f"/en/viewer?manifest={URLS.manifest('one')}"))
    files = [found for found in page.addresses() if "/static/" in found]
    assert len(files) == 3
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
