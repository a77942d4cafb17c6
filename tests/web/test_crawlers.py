"""What other machines read: sitemap, robots.txt, oEmbed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from flask import Flask
from golden_site import BASE_URL, CHAPTERS, LANGUAGES, RECORDS, GoldenSite

from iiifserver.web import crawlers
from iiifserver.web.pages import blueprint

NAMES = {
    "s": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "x": "http://www.w3.org/1999/xhtml",
}
RECORD = f"{BASE_URL}/en/letters/record/r1"
PAGES = {"letters/", "letters/agents", "letters/about"}
PAGES |= {f"letters/{chapter}/" for chapter in CHAPTERS}
PAGES |= {f"letters/record/{record}" for record in RECORDS}


@pytest.fixture
def ask():
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(blueprint(GoldenSite()))
    return app.test_client().get


def listed(response):
    """The pages of a sitemap, with what each names as its translations."""
    return {
        url.findtext("s:loc", namespaces=NAMES): {
            link.get("hreflang"): link.get("href") for link in url.findall("x:link", NAMES)
        }
        for url in ET.fromstring(response.data).findall("s:url", NAMES)
    }


def test_a_sitemap_names_every_page_in_every_language(ask):
    response = ask("/sitemap.xml")
    assert response.mimetype == "application/xml"
    pages = listed(response)
    assert pages.keys() == {f"{BASE_URL}/{tag}/{place}" for tag in LANGUAGES for place in PAGES}
    for address, translations in pages.items():
        place = address.removeprefix(f"{BASE_URL}/").partition("/")[2]
        assert translations == {
            **{tag: f"{BASE_URL}/{tag}/{place}" for tag in LANGUAGES},
            "x-default": f"{BASE_URL}/en/{place}",
        }


@pytest.mark.parametrize("path", ["/sitemap.xml", "/robots.txt"])
def test_no_browser_takes_a_list_for_something_else(ask, path):
    assert ask(path).headers["X-Content-Type-Options"] == "nosniff"


def test_every_page_of_a_sitemap_is_there(ask):
    for address in listed(ask("/sitemap.xml")):
        assert ask(address.removeprefix(BASE_URL)).status_code == 200


def test_a_large_sitemap_comes_in_parts_that_hold_all_of_it(ask, monkeypatch):
    whole = listed(ask("/sitemap.xml"))
    monkeypatch.setattr(crawlers, "MOST_ADDRESSES", 12)
    parts = [
        each.text for each in ET.fromstring(ask("/sitemap.xml").data).findall(".//s:loc", NAMES)
    ]
    assert len(parts) == 3
    together = {}
    for part in parts:
        pages = listed(ask(part.removeprefix(BASE_URL)))
        assert len(pages) <= 12
        together |= pages
    assert together == whole


@pytest.mark.parametrize("number", ["0", "2", "01", "-1", "x", "9" * 30])
def test_a_part_that_a_sitemap_does_not_have_is_not_found(ask, number):
    assert ask(f"/sitemap-{number}.xml").status_code == 404


def test_crawlers_are_kept_from_tiles_and_led_to_previews(ask):
    lines = ask("/robots.txt").text.splitlines()
    assert lines[0] == "User-agent: *"
    assert f"Sitemap: {BASE_URL}/sitemap.xml" in lines


def allows(lines, path):
    """Whether a crawler may fetch *path*: RFC 9309, 2.2.2, the longest rule that fits counts."""
    fitting = []
    for name, rule in (line.split(": ", 1) for line in lines if "allow: " in line.lower()):
        pattern = re.escape(rule).replace(r"\*", ".*").replace(r"\$", "$")
        if re.match(pattern, path):
            fitting.append((len(rule), name == "Allow"))
    return max(fitting, default=(0, True))[1]


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/en/letters/record/r1", True),
        ("/presentation/3/r1/manifest", True),
        ("/presentation/r1/record.pdf", False),
        ("/en/viewer?manifest=x", False),
        ("/embed/r1", False),
        ("/iiif/3/r1-cover/info.json", True),
        ("/iiif/2/r1-cover/info.json", True),
        *((f"/iiif/3/r1-cover/full/!{box},{box}/0/default.jpg", True) for box in (120, 200, 800)),
        ("/iiif/2/r1-cover/full/400,/0/default.jpg", True),
        ("/iiif/3/r1-cover/full/max/0/default.jpg", False),
        ("/iiif/2/r1-cover/full/full/0/default.jpg", False),
        ("/iiif/2/r1-cover/0,0,512,512/full/0/default.jpg", False),
        ("/iiif/3/r1-cover/0,0,512,512/512,/0/default.jpg", False),
        ("/iiif/3/r1-cover/full/!800,800/90/default.jpg", False),
        ("/iiif/3/r1-cover/full/!800,800/0/gray.jpg", False),
    ],
)
def test_crawlers_see_pages_documents_and_previews_but_no_tiles(ask, path, may):
    assert allows(ask("/robots.txt").text.splitlines(), f"/scans{path}") == may


# -- oEmbed


def test_the_page_of_a_record_can_be_embedded(ask):
    response = ask("/oembed", query_string={"url": f"{RECORD}?canvas=2", "format": "json"})
    answer = response.json
    assert (answer["version"], answer["type"]) == ("1.0", "rich")
    assert answer["title"] == "A bound volume of letters"
    assert f'<iframe src="{BASE_URL}/embed/r1?lang=en" width="800" height="600"' in answer["html"]
    assert answer["thumbnail_url"] == f"{BASE_URL}/iiif/3/r1-cover/full/!400,400/0/default.jpg"
    assert (answer["thumbnail_width"], answer["thumbnail_height"]) == (286, 400)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"maxwidth": "400", "maxheight": "300"}, (400, 300)),
        ({"maxwidth": "5000"}, (800, 600)),
        ({"maxwidth": "10", "maxheight": "10"}, (200, 200)),
    ],
)
def test_what_is_embedded_keeps_within_what_is_asked(ask, asked, size):
    answer = ask("/oembed", query_string={"url": RECORD, **asked}).json
    assert (answer["width"], answer["height"]) == size
    assert f'width="{size[0]}" height="{size[1]}"' in answer["html"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 404),
        ({"url": "https://elsewhere.example/en/letters/record/r1"}, 404),
        ({"url": f"{BASE_URL}/en/letters/"}, 404),
        ({"url": f"{BASE_URL}/fr/letters/record/r1"}, 404),
        ({"url": f"{BASE_URL}/en/letters/record/../record/r1"}, 404),
        ({"url": f"{BASE_URL}/en/letters/record/none"}, 404),
        ({"url": f"{BASE_URL}/en/letters/record/r9"}, 410),
        ({"url": RECORD, "format": "xml"}, 501),
        ({"url": RECORD, "maxwidth": "wide"}, 400),
        ({"url": RECORD, "maxheight": "-1"}, 400),
    ],
)
def test_nothing_else_can_be_embedded(ask, asked, status):
    response = ask("/oembed", query_string=asked)
    assert response.status_code == response.json["status"] == status
    assert response.mimetype == "application/problem+json"


def test_a_title_cannot_leave_the_code_that_embeds_it():
    title = '"><script>alert(1)</script>'
    site = GoldenSite(changes=(("r1", {"title": {"en": [title]}}),))
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(blueprint(site))
    html = app.test_client().get("/oembed", query_string={"url": RECORD}).json["html"]
    assert "<script>" not in html
    assert 'title="&quot;&gt;&lt;script&gt;' in html
