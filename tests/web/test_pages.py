"""The pages of an exhibition: what they say, in which language, and what they lead to."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from flask import Flask
from golden_site import BASE_URL, LANGUAGES, GoldenSite
from taken_apart import Page

from iiifserver.web.pages import blueprint

HOME = "letters/"
CHAPTER = "letters/c1/"
RECORD = "letters/record/r1"
PLACES = [HOME, CHAPTER, "letters/c2/", RECORD, "letters/record/r3", "letters/agents",
          "letters/about"]  # fmt: skip
EVERY = [f"/{language}/{place}" for language in LANGUAGES for place in PLACES]


def client(*changes, base_url=BASE_URL):
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = False
    app.register_blueprint(blueprint(GoldenSite(base_url, changes)))
    return app.test_client()


@pytest.fixture(scope="module")
def browser():
    return client()


def graph(page):
    (held,) = (json.loads(text) for text in page.scripts if "schema.org" in text)
    return {thing["@type"]: thing for thing in held["@graph"]}


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
def test_the_first_address_leads_to_the_readers_language(browser, accepted, language):
    headers = {"Accept-Language": accepted} if accepted else {}
    response = browser.get("/", headers=headers)
    assert (response.status_code, response.location) == (303, f"/scans/{language}/")
    assert response.headers["Vary"] == "Accept-Language"


@pytest.mark.parametrize("address", EVERY)
def test_every_page_answers_in_the_language_of_its_address(browser, address):
    response = browser.get(address)
    assert response.status_code == 200
    language = address.split("/")[1]
    assert Page(response).all("html")[0]["lang"] == language
    assert response.headers["Content-Language"] == language


@pytest.mark.parametrize("place", PLACES)
def test_translations_name_each_other_and_themselves(browser, place):
    named = set()
    for language in LANGUAGES:
        links = Page(browser.get(f"/{language}/{place}")).all("link")
        alternates = {e["hreflang"]: e["href"] for e in links if "hreflang" in e}
        assert alternates.keys() == {*LANGUAGES, "x-default"}
        assert alternates["x-default"] == alternates["en"]
        (canonical,) = (each["href"] for each in links if each["rel"] == "canonical")
        assert canonical == alternates[language] == f"{BASE_URL}/{language}/{place}"
        named.add(tuple(sorted(alternates.items())))
    assert len(named) == 1


def test_the_two_addresses_of_the_first_page_have_one_canonical(browser):
    pages = [Page(browser.get(address)) for address in ("/ja/", f"/ja/{HOME}")]
    found = {each["href"] for page in pages for each in page.all("link")
             if each["rel"] == "canonical"}  # fmt: skip
    assert found == {f"{BASE_URL}/ja/{HOME}"}


@pytest.mark.parametrize("address", [f"/en/{RECORD}", f"/en/{CHAPTER}?page=1", "/en/"])
def test_the_language_switch_keeps_the_place(browser, address):
    switches = [a["href"] for a in Page(browser.get(address)).all("a") if "hreflang" in a]
    ours = [link for link in switches if link.startswith("/scans/")]
    assert ours == [f"/scans/{language}{address[3:]}" for language in LANGUAGES]


@pytest.mark.parametrize(
    ("language", "title", "mark"),
    [
        ("en", "返事", "Not yet translated; shown in Japanese"),
        ("ja", "返事", None),
        ("mn", "返事", "Хараахан орчуулаагүй; япон хэлээр харуулав"),
    ],
)
def test_a_text_of_another_language_says_so_and_is_marked_as_such(browser, language, title, mark):
    page = Page(browser.get(f"/{language}/letters/record/r3"))
    assert ("ja", title) in page.runs
    assert page.text.count(mark) >= 1 if mark else "未翻訳" not in page.text.split("引用")[0]


@pytest.mark.parametrize("address", EVERY)
def test_every_run_of_a_title_carries_its_language(browser, address):
    """The titles of the golden exhibition are in six languages and in no other words."""
    scripts = {"ja": r"[\u3041-\u30ff]", "mn-Mong": r"[\u1820-\u1878]", "en": "Letters across"}
    for language, text in Page(browser.get(address)).runs:
        for expected, letters in scripts.items():
            if re.search(letters, text) and not text.startswith("<iframe"):
                assert language.partition("-Latn")[0] == expected, (language, text)


@pytest.mark.parametrize("language", ["ja", "mn", "ru"])
def test_an_interface_nobody_has_reviewed_says_so_on_every_page(browser, language):
    said = {"ja": "機械翻訳", "mn": "машин орчуулга", "ru": "машинно"}[language]
    for place in PLACES:
        assert Page(browser.get(f"/{language}/{place}")).text.count(said) == 1


def test_a_translation_nobody_has_reviewed_is_marked_where_it_stands():
    title = {"en": ["A letter"], "mn-x-unreviewed": ["Захидал"]}
    pages = client(("r1", {"title": title}))
    for language, marked in [("en", 1), ("mn", 2)]:
        page = Page(pages.get(f"/{language}/{RECORD}"))
        word = {"en": "Translation not reviewed", "mn": "Хянагдаагүй орчуулга"}[language]
        assert "unreviewed" not in page.text
        assert ("mn", "Захидал") in page.runs
        assert page.text.count(word) >= marked - 1


def test_what_is_taken_out_of_a_page_has_no_translation_that_nobody_reviewed():
    """No mark goes along with a citation, a preview or the code of an embedded record."""
    title = {"en": ["A letter"], "mn-x-unreviewed": ["Захидал"]}
    pages = client(("r1", {"title": title, "record_title": {}}))
    page = Page(pages.get(f"/mn/{RECORD}"))
    shown = [text for _, text in page.runs if "Захидал" in text]
    assert shown == ["Захидал"], "the heading alone, which is marked"
    assert "Захидал" not in str(graph(page))
    assert not [each for _, each in page.elements if "Захидал" in str(each)]
    assert "“A letter”" in re.sub(r"\s+", " ", page.text).replace("«", "“").replace("»", "”")
    asked = {"url": f"{BASE_URL}/mn/{RECORD}"}
    assert pages.get("/oembed", query_string=asked).json["title"] == "A letter"


def test_a_text_in_a_sentence_of_the_page_keeps_its_language():
    above = {"identifier": "top", "title": {"ja": ["親 <機関>"]}}
    holder = GoldenSite().record("r1")["holder"] | {"above": above}
    page = Page(client(("r1", {"holder": holder})).get(f"/en/{RECORD}"))
    assert ("ja", "親 <機関>") in page.runs
    assert ("en", "Belongs to") in page.runs


def test_where_a_value_was_found_is_told_in_the_language_of_the_sheets():
    found = [{"column": "title_en", "source": "given on the page of the archive"}]
    page = Page(client(("r1", {"sources": found})).get(f"/ja/{RECORD}"))
    assert ("en", "given on the page of the archive") in page.runs
    assert ("en", "title_en") in page.runs


def test_a_picture_says_in_which_language_it_is_described():
    pages = client(("r1", {"title": {"ja": ["手紙"]}}))
    for language, named in [("en", "ja"), ("ja", None)]:
        described = [e for e in Page(pages.get(f"/{language}/{RECORD}")).all("img") if e["alt"]]
        assert next(each.get("lang") for each in described if "手紙" in each["alt"]) == named


@pytest.mark.parametrize("address", EVERY)
def test_no_name_of_a_text_is_left_untranslated(browser, address):
    text = Page(browser.get(address)).text
    assert not re.search(r"\b[a-z]+_[a-z_]+\b", text.replace("title_en", "")[:20_000]) or (
        "record" in address  # the columns of sources are named as in the sheets
    )
    assert "{" not in text


def test_a_language_that_the_site_has_not_is_not_found(browser):
    assert browser.get("/fr/").status_code == 404
    assert browser.get("/fr/letters/").status_code == 404


@pytest.mark.parametrize("path", ["/ru/", "/ru/letters/", f"/ru/{RECORD}", "/ru/letters/c1"])
def test_a_language_that_the_exhibition_does_not_declare_is_not_found(path):
    site = GoldenSite(languages=("en", "ja"))
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(blueprint(site))
    response = app.test_client().get(path, headers={"Accept-Language": "ja"})
    assert response.status_code == 404
    page = Page(response)
    assert page.all("html")[0]["lang"] == "ja"
    switches = [a["href"] for a in page.all("a") if "hreflang" in a]
    assert switches == [f"/scans/{tag}{path[3:]}" for tag in ("en", "ja")]


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/embed/none", "/scans/embed/none?canvas=1&lang=mn"),
        ("//elsewhere.example/x", "/scans/elsewhere.example/x?canvas=1&lang=mn"),
    ],
)
def test_where_no_path_names_a_language_the_switch_asks_for_one(browser, path, leads):
    asked = {"path": "/?lang=ja&canvas=1", "environ_overrides": {"PATH_INFO": path}}
    response = browser.get(**asked, headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert leads in [a["href"] for a in Page(response).all("a") if "hreflang" in a]
    there = browser.get(leads.removeprefix("/scans"), headers={"Accept": "text/html"})
    assert Page(there).all("html")[0]["lang"] == "mn"


@pytest.mark.parametrize(
    ("path", "varies"),
    [
        ("/embed/r1", True),
        ("/embed/r1?lang=ja", False),
        ("/embed/r1?lang=xx", True),
        (f"/ja/{RECORD}", False),
    ],
)
def test_a_page_in_a_guessed_language_says_what_it_was_guessed_from(browser, path, varies):
    response = browser.get(path, headers={"Accept-Language": "ja"})
    assert response.status_code == 200
    assert response.headers["Content-Language"] == "ja"
    assert ("Accept-Language" in response.headers["Vary"]) == varies


# -- what is shown


def test_the_first_page_leads_to_every_chapter_and_names_its_records(browser):
    page = Page(browser.get("/en/"))
    links = [link["href"] for link in page.all("a")]
    assert {f"/scans/en/letters/{chapter}/" for chapter in ("c1", "c2")} <= set(links)
    assert "Letters across the Steppe" in page.text
    assert ("ja", "草原を越えた手紙") in page.runs
    assert ("mn-Mong", "ᠲᠠᠯᠠ ᠶᠢᠨ ᠵᠠᠬᠢᠳᠠᠯ") in page.runs


def test_html_in_a_summary_is_shown_and_everywhere_else_it_is_text():
    hostile = '<img src=x onerror=alert(1)><script>alert(1)</script><a href="javascript:1">b</a>'
    pages = client(
        ("letters", {"summary": {"en": ["<p>Three <i>letters</i></p>"]}}),
        ("r1", {"title": {"en": [hostile]}, "summary": {"en": [f"<p>{hostile}</p>"]},
                "reference": hostile, "people": {"en": [hostile]}}),
    )  # fmt: skip
    assert "<p>Three <i>letters</i></p>" in pages.get("/en/").text
    response = pages.get(f"/en/{RECORD}")
    page = Page(response)
    assert not [a for _, a in page.elements if "onerror" in a or "javascript" in a.get("href", "")]
    assert all("alert(1)" not in text or '"@graph"' in text or '"record"' in text
               for text in page.scripts)  # fmt: skip
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in response.text


def test_a_chapter_shows_its_records_with_title_holder_reference_and_date(browser):
    page = Page(browser.get(f"/en/{CHAPTER}"))
    text = page.text
    for word in ("A bound volume of letters", "Archive of the Steppe", "草1文00012", "1905"):
        assert word in text
    assert f"/scans/en/{RECORD}" in [link["href"] for link in page.all("a")]
    assert "Sent" in text


def test_a_record_shows_all_that_is_known_of_it(browser):
    text = Page(browser.get(f"/en/{RECORD}")).text
    known = ["草原往復書簡綴", "Archive of the Steppe", "草1文00012", "the first letter", "Urga",
             "И. Иванов", "Bound at the right.", "rightsstatements.org", "Sent"]  # fmt: skip
    for word in known:
        assert word in text
    assert "The binding is later." not in text  # a note is for those who work with the facts


def test_a_record_leads_to_its_neighbours_and_to_what_is_beside_it(browser):
    page = Page(browser.get(f"/ja/{RECORD}"))
    near = {link["rel"]: link["href"] for link in page.all("a") if "rel" in link}
    assert near["prev"] == "/scans/ja/letters/record/r2"
    assert near["next"] == "/scans/ja/letters/record/r3"
    related = Page(browser.get("/ja/letters/record/r3")).all("a")
    assert f"/scans/ja/{RECORD}" in [link["href"] for link in related]


def test_records_of_one_event_in_two_archives_are_offered_for_comparison():
    def card(name, holder):
        shown = GoldenSite().record("r1")
        return {
            "identifier": name, "chapter": "c1", "title": shown["title"], "record_title": {},
            "holder": {"identifier": holder, "title": {"en": [holder]}}, "reference": None,
            "date": None, "canvas": shown["canvases"][0], "canvas_count": 1,
        }  # fmt: skip

    pages = client(("c1", {"comparisons": [[card("r1", "One"), card("r2", "Other")]]}))
    links = [link["href"] for link in Page(pages.get(f"/en/{CHAPTER}")).all("a")]
    assert "/scans/en/compare?canvas=r1/cover&canvas=r2/cover" in links


def test_a_long_chapter_comes_in_pages():
    site = GoldenSite()
    (part, *_) = site.chapter("c1")["parts"]
    records = [{**part["records"][0], "identifier": f"n{n}"} for n in range(125)]
    pages = client(("c1", {"parts": [{**part, "records": records}]}))
    first, last = (pages.get(f"/en/{CHAPTER}?page={number}") for number in (1, 3))
    assert "n59" in first.text
    assert "n60" not in first.text
    assert "n120" in last.text
    assert 'rel="prev" href="/scans/en/letters/c1/?page=2"' in last.text
    assert pages.get(f"/en/{CHAPTER}?page=4").status_code == 404


def test_a_record_without_scans_says_so(browser):
    page = Page(browser.get("/en/letters/record/r3"))
    assert "The scans of this record are to follow." in page.text
    assert not page.all("figure")


def test_without_a_script_every_page_of_a_record_is_there(browser):
    page = Page(browser.get(f"/en/{RECORD}"))
    shown = {each["src"] for each in page.all("img")}
    for image in ("r1-cover", "r1-2", "r1-3r"):
        assert f"{BASE_URL}/iiif/3/{image}/full/!800,800/0/default.jpg" in shown
    full = {link["href"] for link in page.all("a")}
    assert f"{BASE_URL}/iiif/3/r1-cover/full/max/0/default.jpg" in full


@pytest.mark.parametrize("address", [f"/en/{place}" for place in PLACES])
def test_pictures_keep_their_place_and_ask_for_sizes_that_lie_ready(browser, address):
    ready = (
        r"full/(!120,120|!200,200|!400,400|!800,800|750,1050|375,525|188,263|3000,4200|\d+,\d+)/"
    )
    for image in Page(browser.get(address)).all("img"):
        assert re.search(ready, image["src"]), image
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0
        assert "alt" in image


@pytest.mark.parametrize(
    ("language", "citation"),
    [
        (
            "en",
            (
                "“草原往復書簡綴”, 12 October 1905, Archive of the Steppe, 草1文00012,"
                f" in: Letters across the Steppe, {BASE_URL}/en/{RECORD}"
            ),
        ),
        (
            "ja",
            (
                "「草原往復書簡綴」、明治38年(1905)10月12日、草原公文書館、草1文00012、"
                f"『草原を越えた手紙』、{BASE_URL}/ja/{RECORD}。"
            ),
        ),
    ],
)
def test_a_record_says_how_to_cite_it_in_every_language(browser, language, citation):
    for shown_in in LANGUAGES:
        text = re.sub(r"\s+", " ", Page(browser.get(f"/{shown_in}/{RECORD}")).text)
        assert citation in text


def test_archives_are_there_with_what_they_hold(browser):
    page = Page(browser.get("/en/letters/agents"))
    assert "Archive of the Steppe" in page.text
    assert f"/scans/en/{RECORD}" in [link["href"] for link in page.all("a")]


def test_what_is_missing_in_a_language_is_counted(browser):
    page = Page(browser.get("/en/letters/about"))
    shown = GoldenSite().exhibition()
    (row,) = (row for row in shown["coverage"] if row["language"] == "mn")
    assert f"{row['titles']} of {shown['counted']['titles']}" in page.text
    assert row["titles"] < shown["counted"]["titles"]


# -- for other machines


@pytest.mark.parametrize("address", EVERY)
def test_every_page_tells_link_previews_where_and_what_it_is(browser, address):
    page = Page(browser.get(address))
    properties = {m["property"]: m["content"] for m in page.all("meta") if "property" in m}
    assert properties["og:url"] == f"{BASE_URL}{address}"
    assert properties["og:title"]
    assert properties["og:type"] == ("article" if "/record/" in address else "website")
    assert "og:locale" not in properties, "a language alone is none"


def test_a_record_is_an_archive_component_of_its_archive(browser):
    things = graph(Page(browser.get(f"/en/{RECORD}")))
    record = things["ArchiveComponent"]
    assert record["@id"] == f"{BASE_URL}/en/{RECORD}"
    assert record["holdingArchive"]["@type"] == "ArchiveOrganization"
    assert record["holdingArchive"]["name"] == "Archive of the Steppe"
    assert record["temporalCoverage"] == "1905-10-12"
    trail = [step["item"] for step in things["BreadcrumbList"]["itemListElement"]]
    assert trail == [f"{BASE_URL}/en/{place}" for place in (HOME, CHAPTER, RECORD)]


def test_what_describes_a_page_cannot_end_its_element():
    pages = client(("r1", {"title": {"en": ["</script><script>alert(1)</script><!--"]}}))
    page = Page(pages.get(f"/en/{RECORD}"))
    assert graph(page)["ArchiveComponent"]["name"] == "</script><script>alert(1)</script><!--"


# -- what every page keeps to


@pytest.mark.parametrize("address", EVERY)
def test_a_page_holds_no_inline_script_or_style(browser, address):
    for tag, attributes in Page(browser.get(address)).elements:
        assert tag != "style"
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if tag == "script":
            assert attributes.get("src") or attributes["type"].endswith("json")


@pytest.mark.parametrize("address", EVERY)
def test_a_page_loads_nothing_of_others(browser, address):
    for tag, attributes in Page(browser.get(address)).elements:
        if tag in ("img", "script", "link"):
            loaded = attributes.get("src") or attributes.get("href", "")
            assert loaded.startswith(("/scans/", f"{BASE_URL}/")) or tag == "script"


@pytest.mark.parametrize("address", [*EVERY[:7], "/en/nothing", "/robots.txt"])
def test_a_page_carries_the_headers_that_protect_its_reader(browser, address):
    headers = browser.get(address).headers
    assert "Set-Cookie" not in headers
    if address != "/robots.txt":
        rules = headers["Content-Security-Policy"]
        policy = dict(rule.split(" ", 1) for rule in rules.split("; "))
        assert policy["default-src"] == policy["base-uri"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert policy["connect-src"] == "'self' https://archive.example"
        assert "unsafe" not in rules
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("address", EVERY)
def test_headings_begin_at_one_and_skip_no_level(browser, address):
    tags = [tag for tag, _ in Page(browser.get(address)).elements]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("address", EVERY)
def test_names_of_elements_are_given_once_and_meet_their_links(browser, address):
    page = Page(browser.get(address))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in page.elements:
        wanted = attributes.get("aria-labelledby", attributes.get("for", "")).split()
        if attributes.get("href", "").startswith("#"):
            wanted.append(attributes["href"][1:])
        assert set(wanted) <= set(names)


def test_an_unchanged_page_is_not_sent_again(browser):
    etag = browser.get(f"/en/{RECORD}").headers["ETag"]
    assert browser.get(f"/en/{RECORD}", headers={"If-None-Match": etag}).status_code == 304
    assert browser.get(f"/ja/{RECORD}").headers["ETag"] != etag


def test_documents_may_come_from_base_url_when_the_page_was_reached_by_another_name():
    response = client(base_url="http://127.0.0.1:8182").get("/en/", headers={"Host": "localhost"})
    assert "connect-src 'self' http://127.0.0.1:8182" in response.headers["Content-Security-Policy"]
    styles = [each for each in Page(response).all("link") if each["rel"] == "stylesheet"]
    assert all(not urlsplit(link["href"]).netloc for link in styles)


# -- what is not there


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/ja/letters/record/none", 404),
        ("/ja/letters/none/", 404),
        ("/ja/letters/none", 404),
        ("/ja/none/", 404),
        ("/ja/none/record/r1", 404),
        ("/ja/letters/record/r9", 410),
        ("/ja/letters/r9/", 410),
        ("/ja/letters/c1/?page=0", 404),
        ("/ja/letters/c1/?page=x", 404),
        ("/ja/letters/record/r1?rotation=17", 400),
    ],
)
def test_what_is_not_there_is_said_in_the_readers_language(browser, address, status):
    response = browser.get(address)
    assert response.status_code == status
    page = Page(response)
    assert page.all("html")[0]["lang"] == "ja"
    said = {400: "解釈できません", 404: "何もありません", 410: "公開を終了"}[status]
    assert said in page.text
    assert str(status) in page.text
    assert (("en", "rotation: one of 0, 90, 180, 270") in page.runs) == (status == 400)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "accept", "media_type"),
    [
        ("/nothing/at/all", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("/nothing/at/all", "*/*", "application/problem+json"),
        ("/nothing/at/all", "application/json", "application/problem+json"),
        ("/iiif/7/x", "text/html", "application/problem+json"),
        ("/oembed", "text/html", "application/problem+json"),
        ("/sitemap-0.xml", "text/html", "application/problem+json"),
        ("/en/nothing", "application/json", "text/html"),  # the address of a page
    ],
)
def test_an_unknown_address_is_answered_as_who_asks_can_read_it(browser, path, accept, media_type):
    response = browser.get(path, headers={"Accept": accept, "Accept-Language": "mn"})
    assert (response.status_code, response.mimetype) == (404, media_type)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("/en/letters", "/scans/en/letters/"),
        ("/en/letters/c1", "/scans/en/letters/c1/"),
        ("/en/letters/c1?page=2&x=%2F", "/scans/en/letters/c1/?page=2&x=%2F"),
    ],
)
def test_an_address_without_its_last_slash_leads_to_the_page(browser, address, place):
    response = browser.get(address)
    assert (response.status_code, response.location) == (308, place)
