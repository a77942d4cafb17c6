"""Pages that show scans: what they open, at which place, what they refuse, what they may load."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from flask import Flask

from iiifserver.errors import NotFound
from iiifserver.presentation.contentstate import MAX_CHARACTERS, Region, Target, encode
from iiifserver.urls import Urls
from iiifserver.web.assets import Assets
from iiifserver.web.comparing import MOST_CHOICES, MOST_PANES
from iiifserver.web.opening import MAX_ADDRESS_CHARACTERS
from iiifserver.web.pages import blueprint
from iiifserver.web.site import About

BASE = "https://archive.example/scans"
URLS = Urls(BASE)
WIDTH, HEIGHT = 2000, 3000


def canvas(record, page, mm=None):
    return {
        "page": page,
        "image": f"{record}-{page}",
        "label": {"en": [f"leaf {page}"], "ja": [f"{page}枚"]},
        "width": WIDTH,
        "height": HEIGHT,
        "sizes": [(250, 375), (500, 750)],
        "width_mm": mm,
    }


def record(identifier, pages, **changes):
    title = {"en": [f"Title <{identifier}>"], "ja": [f"題 {identifier}"]}
    holder = {"identifier": "naj", "name": {"en": ["National Archives"]}, "homepage": None}
    blank = ("record_title", "date_note", "date_as_written", "places", "people")
    return {
        **{name: {} for name in blank},
        "identifier": identifier,
        "exhibition": {"identifier": "letters", "title": {"en": ["Letters"]}},
        "chapter": {"identifier": "one", "title": {"en": ["One"]}},
        "section": None,
        "title": title,
        "holder": {**holder, "logo": None, "above": None},
        "reference": "Fund-59, File-1",
        "date": {"edtf": "1972-02-24", "shown": {"en": ["24 February 1972"]}},
        "summary": {},
        "rights": None,
        "viewing_direction": None,
        "behavior": None,
        "homepage": {},
        "related": [],
        "previous": None,
        "next": None,
        "sources": [],
        "canvases": [canvas(identifier, page, mm=210) for page in pages],
        **changes,
    }


RECORDS = {
    "r1": record("r1", ["1", "2", "b 3"]),
    "r2": record("r2", ["1"], viewing_direction="right-to-left"),
    "bare": record("bare", []),
}


def manifest(identifier, shown, structures=()):
    return {
        "id": URLS.manifest(identifier),
        "type": "Manifest",
        "items": [
            {"id": URLS.canvas(owner, page), "type": "Canvas", "width": WIDTH, "height": HEIGHT}
            for owner, page in shown
        ],
        "structures": list(structures),
    }


def contents(identifier, name, start, items=()):
    return {
        "id": URLS.range(identifier, name),
        "type": "Range",
        "start": {"id": URLS.canvas(*start), "type": "Canvas"},
        "items": [{"id": URLS.canvas(*start), "type": "Canvas"}, *items],
    }


HOSTILE = "</script><script>alert(1)</script><!--"
IMAGES = ("a b/1%.tif", "kite-1", "r1-1")
MANIFESTS = {
    "r1": manifest("r1", [("r1", "1"), ("r1", "2"), ("r1", "b 3")]),
    "r2": manifest("r2", [("r2", "1")]),
    "one": manifest(
        "one",
        [("r1", "1"), ("r2", "1")],
        [contents("one", "contents", ("r1", "1"), [contents("one", "r2", ("r2", "1"))])],
    ),
    HOSTILE: manifest(HOSTILE, []),
}


class FakeSite:
    """An exhibition of one chapter, which may have any number of records."""

    def __init__(self, base_url=BASE, count=2):
        self.base_url = base_url
        self.count = count

    def about(self):
        return About({"en": ["Letters"]}, ("en", "ja", "mn"), exhibition="letters")

    def urls(self):
        return Urls(self.base_url)

    def catalog(self):
        return [URLS.manifest("one")]

    def exhibition(self):
        return {"chapters": [{"identifier": "one", "title": {"en": ["One"]}, "canvas_count": 4}]}

    def chapter(self, identifier):
        cards = [
            {"identifier": f"r{n}", "title": {"en": ["T"]}, "reference": None, "canvas": each}
            for n in range(1, self.count + 1)
            for each in [canvas(f"r{n}", "1")]
        ]
        return {"parts": [{"records": [*cards, {"identifier": "bare", "canvas": None}]}]}

    def record(self, identifier):
        if identifier not in RECORDS:
            raise NotFound(f"no record is called {identifier!r}")
        return RECORDS[identifier]

    def manifest(self, identifier):
        return MANIFESTS.get(identifier)

    def is_published(self, place):
        known = {"manifest": MANIFESTS, "collection": ("", "one")}
        return place.identifier in known[place.kind]

    def find(self, identifier):
        if identifier not in IMAGES:
            raise NotFound(f"no image is called {identifier!r}")


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    """Viewers and styles of no content: what they do is tested in a browser."""
    folder = tmp_path_factory.mktemp("static")
    (folder / "viewers").mkdir()
    names = ("pages.css", "viewing.css", "icon.svg", "viewers/mirador.js", "viewers/zoom.js")
    for name in names:
        (folder / name).write_text(f"/* {name} */")
    return Assets(folder)


@pytest.fixture
def browse(assets):
    """A function that returns a client of an exhibition's pages."""

    def make(site=None, files=assets):
        app = Flask(__name__, static_folder=None)
        app.register_blueprint(blueprint(site or FakeSite(), files))
        return app.test_client()

    return make


@pytest.fixture
def get(browse):
    """A function that returns the answer at an address, with the parameters given."""

    def ask(path, status=200, **parameters):
        query = {name.replace("_", "-"): value for name, value in parameters.items()}
        response = browse().get(path, query_string=query)
        assert response.status_code == status, response.text
        return response

    return ask


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, response):
        super().__init__()
        self.found = []
        self.feed(response.text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def settings(response, name):
    [text] = re.findall(
        rf'<script type="application/json" id="{name}-settings">(.*?)</script>',
        response.text,
        re.DOTALL,
    )
    return json.loads(text)


def windows(response):
    return [
        (each["manifest"], each["canvas"], each["region"])
        for each in settings(response, "viewer")["windows"]
    ]


# -- content states in Mirador

IN_OWN = URLS.manifest("r1"), URLS.canvas("r1", "2"), None
REGION = [100, 200, 300, 400]
ON_SECOND = Target(URLS.canvas("r1", "2"), "Canvas", URLS.manifest("r1"), Region(*REGION))


@pytest.mark.parametrize(
    "state",
    [
        f"{URLS.canvas('r1', '2')}#xywh=100,200,300,400",
        json.dumps({"id": f"{URLS.canvas('r1', '2')}#xywh=100,200,300,400", "type": "Canvas"}),
        encode(ON_SECOND),
    ],
    ids=["plain", "json", "encoded"],
)
def test_mirador_opens_canvas_and_region_of_a_content_state_in_every_spelling(get, state):
    response = get("/en/viewer", iiif_content=state)
    assert windows(response) == [(URLS.manifest("r1"), URLS.canvas("r1", "2"), REGION)]


@pytest.mark.parametrize(
    ("target", "opened"),
    [
        (Target(URLS.manifest("one")), (URLS.manifest("one"), None, None)),
        (Target(URLS.manifest("one", 2)), (URLS.manifest("one", 2), None, None)),
        (Target(URLS.collection()), (URLS.collection(), None, None)),
        (Target(URLS.canvas("r1", "2")), IN_OWN),
        (Target(URLS.canvas("r1", "b 3")), (URLS.manifest("r1"), URLS.canvas("r1", "b 3"), None)),
        # in the chapter, because it says so
        (
            Target(URLS.canvas("r2", "1"), "Canvas", URLS.manifest("one")),
            (URLS.manifest("one"), URLS.canvas("r2", "1"), None),
        ),
        # a range begins with its canvas, however deep it lies
        (
            Target(URLS.range("one", "r2"), "Range"),
            (URLS.manifest("one"), URLS.canvas("r2", "1"), None),
        ),
        # in hundredths, and cut at the edge
        (
            Target(URLS.canvas("r1", "2"), region=Region(50, 50, 60, 25, "percent")),
            (URLS.manifest("r1"), URLS.canvas("r1", "2"), [1000, 1500, 1000, 750]),
        ),
    ],
)
def test_mirador_opens_what_a_content_state_points_to(get, target, opened):
    assert windows(get("/ja/viewer", iiif_content=encode(target))) == [opened]


def test_several_targets_are_opened_side_by_side(get):
    body = {"type": "Annotation", "target": [URLS.manifest("r1"), URLS.manifest("r2")]}
    shown = windows(get("/en/viewer", iiif_content=json.dumps(body)))
    assert [each[0] for each in shown] == [URLS.manifest("r1"), URLS.manifest("r2")]


def test_a_manifest_dragged_here_is_opened_at_its_canvas(get):
    response = get("/mn/viewer", manifest=URLS.manifest("one"), canvas=URLS.canvas("r2", "1"))
    assert windows(response) == [(URLS.manifest("one"), URLS.canvas("r2", "1"), None)]
    assert settings(response, "viewer")["language"] == "mn"
    assert settings(response, "viewer")["catalog"] == [URLS.manifest("one")]


@pytest.mark.parametrize("address", [URLS.collection(), URLS.collection_of("one")])
def test_a_collection_is_opened(get, address):
    for parameter in ("manifest", "iiif_content"):
        assert windows(get("/en/viewer", **{parameter: address})) == [(address, None, None)]


@pytest.mark.parametrize(
    ("manifest", "canvas"),
    [
        (URLS.manifest("nothing"), ""),
        (URLS.collection_of("nothing"), ""),
        (f"{BASE}/health", ""),
        (f"{BASE}/iiif/3/r1-1/full/max/0/default.jpg", ""),
        (URLS.canvas("r1", "1"), ""),
        (URLS.manifest("r1"), URLS.canvas("r1", "77")),
        (URLS.manifest("r1"), URLS.canvas("r2", "1")),
        (URLS.manifest("r1"), "javascript:alert(1)"),
        (URLS.collection_of("one"), URLS.canvas("r1", "1")),
    ],
)
def test_what_is_not_there_is_not_opened(get, manifest, canvas):
    response = get("/en/viewer", 404, manifest=manifest, canvas=canvas)
    assert Elements(response).all("script") == []


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("nonsense!", 400),
        ("{}", 400),
        ("x" * (MAX_CHARACTERS + 1), 400),
        (f"{URLS.canvas('r1', '2')}#xywh=5000,0,10,10", 400),  # beside the page
        (URLS.canvas("r1", "77"), 404),
        (URLS.canvas("nothing", "1"), 404),
        (URLS.range("one", "nothing"), 404),
        (URLS.info(3, "r1-1"), 404),  # no part of the Presentation API
        (f"{BASE}/en/", 404),
        (URLS.manifest("nothing"), 404),
        (URLS.collection_of("nothing"), 404),
        (encode(Target(URLS.canvas("r1", "2"), "Canvas", URLS.manifest("one"))), 404),
    ],
)
def test_a_content_state_that_leads_nowhere_is_refused_with_a_page(get, state, status):
    response = get("/en/viewer", status, iiif_content=state)
    assert Elements(response).all("html")[0]["lang"] == "en"
    assert Elements(response).all("script") == []


ELSEWHERE = [
    "https://elsewhere.example/manifest",
    "https://archive.example/manifest",
    "https://archive.example/scanspace/manifest",
    "https://archive.example/scans",
    "https://archive.example/scans.elsewhere.example/manifest",
    "http://archive.example/scans/presentation/3/one/manifest",
    f"{BASE}/../private/manifest",
    f"{BASE}/%2e%2E/private/manifest",
    f"{BASE}/..%2fprivate/manifest",
]
MALFORMED = [
    "//elsewhere.example/scans/",
    "/scans/presentation/3/one/manifest",
    "javascript:alert(1)//https://archive.example/scans/",
    f" {BASE}/m",
    f"{BASE}/..\\private",
    f"{BASE}/.\t./private",
    f"{BASE}/a\u202eb",
    "<script>alert(1)</script>",
]


@pytest.mark.parametrize(
    ("parameter", "address"),
    [(name, each) for name in ("manifest", "image") for each in [*ELSEWHERE, *MALFORMED]]
    + [("iiif_content", each) for each in ELSEWHERE],
)
def test_what_is_not_ours_is_named_but_not_opened(get, parameter, address):
    response = get("/en/viewer", 403, **{parameter: address})
    page = Elements(response)
    assert page.all("script") == []
    assert address not in [
        attributes.get(name) for _, attributes in page.found for name in ("href", "src")
    ]
    assert "This address is not ours" in response.text


def test_what_an_encoded_state_points_to_elsewhere_is_refused_as_if_it_were_plain(get):
    response = get("/en/viewer", 403, iiif_content=encode(Target("https://elsewhere.example/m")))
    assert "https://elsewhere.example/m" in response.text
    inside = Target(URLS.canvas("r1", "2"), "Canvas", "https://elsewhere.example/m")
    get("/en/viewer", 403, iiif_content=encode(inside))


def test_labels_of_a_content_state_are_not_shown(get):
    body = {"id": URLS.manifest("r1"), "type": "Manifest", "label": "<img src=x onerror=a()>"}
    assert "<img" not in get("/en/viewer", iiif_content=json.dumps(body)).text
    assert "onerror" not in json.dumps(
        settings(get("/en/viewer", iiif_content=json.dumps(body)), "viewer")
    )


@pytest.mark.parametrize("parameter", ["manifest", "image", "canvas"])
def test_an_address_that_is_too_long_is_refused_by_name(get, parameter):
    asked = {"manifest": URLS.manifest("one"), parameter: f"{BASE}/" + "x" * MAX_ADDRESS_CHARACTERS}
    assert parameter in get("/en/viewer", 400, **asked).text


def test_settings_cannot_end_their_element(get):
    address = f"{BASE}/presentation/3/{HOSTILE}/manifest"
    response = get("/en/viewer", manifest=address)
    assert windows(response)[0][0] == address
    assert len(Elements(response).all("script")) == 2


# -- one image


def test_an_image_is_shown_by_the_address_of_its_information(get):
    response = get("/en/viewer", image=f"{BASE}/iiif/3/a%20b%2F1%25.tif/info.json", xywh="1,2,3,4")
    zoom = settings(response, "zoom")
    assert zoom["pages"][0]["service"] == f"{BASE}/iiif/3/a%20b%2F1%25.tif"
    assert zoom["region"] == [1, 2, 3, 4]
    assert any("viewers/zoom." in each.get("src", "") for each in Elements(response).all("script"))
    assert 'data-field="state"' not in response.text, "it is in no Manifest"


@pytest.mark.parametrize("address", [URLS.manifest("one"), URLS.info(3, "nothing")])
def test_an_address_that_is_no_images_is_not_found(get, address):
    response = get("/en/viewer", 404, image=address)
    assert Elements(response).all("script") == []


# -- the zoom of a record


def zoom_of(get, path="/en/letters/record/r1", **parameters):
    return settings(get(path, **parameters), "zoom")


def test_a_record_is_shown_whole_from_its_first_page(get):
    zoom = zoom_of(get)
    assert (zoom["shown"], zoom["region"], zoom["rotation"]) == (0, None, 0)
    assert [each["page"] for each in zoom["pages"]] == ["1", "2", "b 3"]
    assert zoom["pages"][0] == {
        "page": "1",
        "service": f"{BASE}/iiif/3/r1-1",
        "canvas": URLS.canvas("r1", "1"),
        "label": "leaf 1",
        "width": WIDTH,
        "height": HEIGHT,
        "mm": 210,
    }
    assert zoom["manifest"] == URLS.manifest("r1")
    assert zoom["link"] == f"{BASE}/en/letters/record/r1"
    assert zoom["link"] in zoom["citation"]
    assert zoom["embed"].replace("&", "&amp;") in zoom["embed_code"]


@pytest.mark.parametrize(
    "asked",
    [
        {"canvas": "2", "xywh": "100,200,300,400"},
        {"iiif_content": encode(ON_SECOND)},
        {"iiif_content": f"{URLS.canvas('r1', '2')}#xywh=100,200,300,400"},
    ],
)
def test_a_view_is_restored_from_the_address(get, asked):
    zoom = zoom_of(get, **asked)
    assert (zoom["shown"], zoom["region"]) == (1, REGION)


def test_a_view_may_be_turned(get):
    assert zoom_of(get, rotation="270")["rotation"] == 270


def test_pages_of_a_volume_run_in_its_direction(get):
    assert zoom_of(get, "/en/letters/record/r2")["is_rtl"]
    assert not zoom_of(get)["is_rtl"]


def test_a_label_in_a_strip_keeps_its_own_direction(get):
    strip = get("/en/letters/record/r1").text.partition('class="strip"')[2]
    assert strip.count('<span dir="auto">leaf ') == 3


def test_the_strip_links_to_every_page_and_marks_the_one_shown(get):
    page = Elements(get("/en/letters/record/r1", canvas="b 3"))
    strip = [link for link in page.all("a") if "data-page" in link]
    assert [link["href"] for link in strip] == ["?canvas=1", "?canvas=2", "?canvas=b%203"]
    assert [link.get("aria-current") for link in strip] == [None, None, "true"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"canvas": "77"}, 404),
        ({"canvas": "<b>"}, 404),
        ({"xywh": "1,2,3"}, 400),
        ({"xywh": "a,b,c,d"}, 400),
        ({"xywh": "2000,0,5,5"}, 400),
        ({"xywh": "0,0,0,0"}, 400),
        ({"xywh": "9" * 400}, 400),
        ({"rotation": "45"}, 400),
        ({"rotation": "-90"}, 400),
        ({"iiif_content": "nonsense!"}, 400),
        ({"iiif_content": URLS.canvas("r2", "1")}, 404),
        ({"iiif_content": "https://elsewhere.example/manifest"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/en/letters/record/r1", "/embed/r1"])
def test_a_view_that_is_none_is_refused(get, path, asked, status):
    get(path, status, **asked)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/en/letters/record/r1", {}),
        ("/embed/r1", {}),
        ("/en/compare", {"canvas": "r1/2"}),
        ("/en/viewer", {"image": URLS.info(3, "r1-1")}),
    ],
)
def test_a_region_that_is_none_is_refused_by_its_own_name(get, path, asked):
    assert ">xywh: not a region" in get(path, 400, xywh="zzz", **asked).text


def test_a_record_that_can_be_zoomed_loads_no_picture_that_is_hidden(browse, tmp_path):
    """Scripts hide what readers without them see; browsers fetch no lazy picture that is hidden."""
    for name in ("pages.css", "viewing.css", "icon.svg"):
        (tmp_path / name).write_text("")
    for client, eager in [(browse(), 0), (browse(files=Assets(tmp_path)), 1)]:
        page = client.get("/en/letters/record/r1")
        assert page.text.count('fetchpriority="high"') == eager


def test_a_record_without_scans_has_no_zoom(get):
    assert 'id="zoom"' not in get("/en/letters/record/bare").text


def test_every_control_has_a_name(get):
    page = Elements(get("/ja/letters/record/r1"))
    named = [each.get("aria-label") or each.get("title") for each in page.all("button")]
    assert len(named) > 10
    texts = re.findall(r"<button[^>]*>(.*?)</button>", get("/ja/letters/record/r1").text)
    assert all(
        name or re.sub(r"<[^>]*>", "", text).strip()
        for name, text in zip(named, texts, strict=True)
    )
    ids = [each["id"] for each in page.all("input")]
    assert sorted(
        each["for"] for each in page.all("label") if "for" in each if each["for"] in ids
    ) == sorted(ids)


# -- embedding


def test_only_embedded_records_may_be_framed(get):
    policies = {
        path: get(path).headers["Content-Security-Policy"]
        for path in ("/embed/r1", "/en/letters/record/r1", "/en/viewer", "/en/compare")
    }
    framed = {path: "frame-ancestors *" in policy for path, policy in policies.items()}
    assert framed == {path: path.startswith("/embed/") for path in policies}
    assert all("frame-ancestors" in policy for policy in policies.values())


def test_an_embedded_record_leads_back_and_leaves_its_frame(get):
    page = Elements(get("/embed/r1", lang="ja", canvas="2"))
    back = [link for link in page.all("a") if link.get("target") == "_top"]
    assert [link["href"] for link in back] == [f"{BASE}/ja/letters/record/r1"]
    inside = [link for link in page.all("a") if "/compare" in link.get("href", "")]
    assert [link["target"] for link in inside] == ["_blank"]
    assert settings(get("/embed/r1"), "zoom")["keeps_address"] is False


def test_an_embedded_record_shows_the_page_asked_for_without_scripts_too(get):
    [plate] = [
        each
        for each in Elements(get("/embed/r1", canvas="2")).all("img")
        if "alt" in each and each.get("class") == "plate"
    ]
    assert plate["src"] == URLS.image("r1-2", size="!800,800")


@pytest.mark.parametrize(("identifier", "status"), [("bare", 404), ("nothing", 404)])
def test_what_cannot_be_embedded_is_not_found(get, identifier, status):
    get(f"/embed/{identifier}", status)


# -- comparing


def panes(response):
    return [each["data-canvas"] for each in Elements(response).all("li") if "data-canvas" in each]


def test_pages_are_shown_side_by_side_in_the_order_asked(get):
    response = get("/en/compare", canvas=["r2/1", "r1/2", "r1"])
    assert panes(response) == ["r2/1", "r1/2", "r1/1"]
    shown = [each["src"] for each in Elements(response).all("img")]
    assert shown == [URLS.image(f"{name}", size="!800,800") for name in ("r2-1", "r1-2", "r1-1")]
    assert response.text.count("National Archives") == 3
    assert response.text.count("Fund-59, File-1") >= 3
    assert "Title &lt;r1&gt;" in response.text


def test_a_comparison_names_who_holds_each_page_first(get):
    about = get("/en/compare", canvas="r1/2").text.partition('class="about"')[2]
    places = [about.index(each) for each in ("National Archives", "24 February", "Title &lt;r1")]
    assert places == sorted(places)


def test_a_comparison_keeps_its_views(get):
    response = get("/en/compare", canvas=["r1/1", "r2/1"], xywh=["", "1,2,3,4"], rotation="90")
    compare = settings(response, "compare")
    assert [each["region"] for each in compare["panes"]] == [None, [1, 2, 3, 4]]
    assert compare["rotation"] == 90
    assert [each["service"] for each in compare["panes"]] == [
        URLS.image_service(3, "r1-1"),
        URLS.image_service(3, "r2-1"),
    ]


SEVERAL = {
    "type": "Annotation",
    "target": [
        URLS.manifest("r2"),
        {"id": f"{URLS.canvas('r1', '2')}#xywh=100,200,300,400", "type": "Canvas"},
        {"id": URLS.range("one", "r2"), "type": "Range"},
    ],
}


def test_a_content_state_of_several_targets_is_a_comparison(get):
    response = get("/en/compare", iiif_content=json.dumps(SEVERAL), canvas="r1/1", xywh="1,2,3,4")
    assert panes(response) == ["r2/1", "r1/2", "r2/1"]
    shown = settings(response, "compare")["panes"]
    assert [each["region"] for each in shown] == [None, REGION, None]
    assert [each["canvas"] for each in shown] == ["r2/1", "r1/2", "r2/1"]


@pytest.mark.parametrize("path", ["/en/letters/record/{}", "/embed/{}"])
def test_a_record_opens_the_first_of_several_targets_that_it_holds(get, path):
    def seen(identifier):
        found = settings(get(path.format(identifier), iiif_content=json.dumps(SEVERAL)), "zoom")
        return found["shown"], found["region"]

    assert seen("r1") == (1, REGION)
    assert seen("r2") == (0, None)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("nonsense!", 400),
        ([], 400),
        ([URLS.manifest("r1")] * 5, 400),
        (URLS.manifest("one"), 404),  # a chapter is no page
        (URLS.collection(), 404),
        ([URLS.manifest("r1"), URLS.canvas("r1", "77")], 404),
        ([URLS.manifest("r1"), "https://elsewhere.example/m"], 403),
    ],
)
def test_a_state_that_cannot_be_compared_is_refused(get, target, status):
    state = json.dumps({"type": "Annotation", "target": target})
    assert Elements(get("/en/compare", status, iiif_content=state)).all("script") == []


@pytest.mark.parametrize(("asked", "checked"), [({}, True), ({"together": "0"}, False)])
def test_pages_move_together_unless_they_are_not_to(get, asked, checked):
    response = get("/en/compare", canvas=["r1/1", "r2/1"], **asked)
    [switch] = [each for each in Elements(response).all("input") if each.get("type") == "checkbox"]
    assert ("checked" in switch) is checked


def test_each_page_leads_to_its_neighbours_and_away(get):
    text = get("/en/compare", canvas=["r1/2", "r2/1"]).text
    links = set(re.findall(r'href="(/scans/en/compare\?[^"]*)"', text))
    others = {"r1/1", "r1/b%203"}  # the pages around r1/2, and r2 has only one
    expected = {f"/scans/en/compare?canvas={other}&amp;canvas=r2/1" for other in others}
    expected |= {"/scans/en/compare?canvas=r2/1", "/scans/en/compare?canvas=r1/2"}
    switches = {link for link in links if "canvas=r1/2&amp;canvas=r2/1" in link}
    assert links - switches == expected


def test_a_form_adds_what_has_scans_to_those_that_are_there(get):
    response = get("/en/compare", canvas=["r1/2"])
    page = Elements(response)
    assert [each["value"] for each in page.all("option")] == ["r1/1", "r2/1"]
    hidden = [each["value"] for each in page.all("input") if each.get("type") == "hidden"]
    assert hidden == ["r1/2"]
    assert page.all("form")[0]["method"] == "get"


def test_what_a_form_offers_is_bounded(browse):
    response = browse(FakeSite(count=MOST_CHOICES + 50)).get("/en/compare")
    assert len(Elements(response).all("option")) == MOST_CHOICES


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"canvas": ["nothing/1"]}, 404),
        ({"canvas": ["r1/77"]}, 404),
        ({"canvas": ["bare"]}, 404),
        ({"canvas": [""]}, 404),
        ({"canvas": ["r1"] * (MOST_PANES + 1)}, 400),
        ({"canvas": ["r1"], "xywh": "1,2"}, 400),
        ({"canvas": ["r1"], "rotation": "1"}, 400),
    ],
)
def test_what_cannot_be_compared_is_refused(get, asked, status):
    get("/en/compare", status, **asked)


@pytest.mark.parametrize("path", ["/compare?canvas=r1&canvas=r2", "/viewer?manifest=a%26b"])
def test_without_a_language_one_is_led_to_the_readers_with_ones_question(browse, path):
    response = browse().get(path, headers={"Accept-Language": "ja"})
    assert response.status_code == 303
    assert response.location == f"/scans/ja{path}"


# -- what they keep to

ADDRESSES = [
    "/en/viewer",
    f"/ja/viewer?manifest={URLS.manifest('one')}",
    f"/mn/viewer?image={URLS.info(3, 'kite-1')}",
    "/en/compare",
    "/ja/compare?canvas=r1&canvas=r2",
    "/embed/r1?lang=mn",
    "/en/letters/record/r1",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_holds_no_inline_script_or_style(browse, address):
    for tag, attributes in Elements(browse().get(address)).found:
        assert tag != "style"
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if tag == "script":
            assert attributes.get("src") or attributes["type"].endswith("json")


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_mirador_may_make_an_empty_style(browse, address):
    response = browse().get(address)
    policy = dict(
        rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["script-src"] == "'self'"
    assert ("'sha256-" in policy["style-src"]) is ("viewer-settings" in response.text)
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("address", ADDRESSES)
def test_scripts_are_named_by_their_content_and_loaded_only_where_used(browse, address):
    scripts = [
        each["src"] for each in Elements(browse().get(address)).all("script") if "src" in each
    ]
    assert len(scripts) <= 1
    assert all(
        re.fullmatch(r"/scans/static/viewers/\w+\.[0-9a-f]{12}\.js", each) for each in scripts
    )


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_installation_without_viewers_shows_pictures_or_says_so(browse, tmp_path, address):
    for name in ("pages.css", "viewing.css", "icon.svg"):
        (tmp_path / name).write_text("")
    response = browse(files=Assets(tmp_path)).get(address)
    if "/viewer" in address:
        assert response.status_code == 503
        assert Elements(response).all("script") == []
    else:
        assert response.status_code == 200
        assert 'id="zoom"' not in response.text
        shown = [each["src"] for each in Elements(response).all("img")]
        assert bool(shown) is ("r1" in address)


def test_the_texts_of_a_script_are_in_the_readers_language(browse):
    texts = settings(browse().get("/ja/letters/record/r1"), "zoom")["texts"]
    assert texts["copied"] == "コピーしました"
    assert "{page}" in texts["page"]


def test_a_state_made_by_the_script_is_what_python_makes():
    """viewer/contentstate.js writes the same keys in the same order without spaces."""
    text = base64.urlsafe_b64decode(encode(ON_SECOND) + "==").decode()
    expected = json.dumps(
        {
            "id": f"{ON_SECOND.address}#xywh=100,200,300,400",
            "type": "Canvas",
            "partOf": [{"id": ON_SECOND.part_of, "type": "Manifest"}],
        },
        separators=(",", ":"),
    )
    assert text == quote(expected, safe="!~*'()")
