"""The pages of what is published: every link answers, and what is withdrawn says so."""

from __future__ import annotations

from collections import deque
from urllib.parse import urldefrag

import orjson
import pytest
from in_this_process import InThisProcess
from small_exhibition import Small
from taken_apart import Page

from iiifserver.edition import current, index_path
from iiifserver.publish.edition import rollback
from iiifserver.web import create_app
from iiifserver.web.assets import Assets

BASE = "https://archive.example.org/iiif"
PREFIX = "/iiif"


def ours(address):
    """The path of *address* below base_url, None where it is somebody else's."""
    path, _ = urldefrag(address)
    for stem in (BASE, PREFIX):
        if path.startswith(f"{stem}/"):
            return path.removeprefix(stem)
    return None


def test_every_link_and_picture_of_every_page_is_there(demo):
    """The English pages are read; what they lead to, translations too, has to answer."""
    has_viewers = "viewers/mirador.js" in Assets()
    waiting, seen, read = deque(["/en/"]), {"/en/"}, set()
    while waiting:
        path = waiting.popleft()
        needs_viewers = any(name in path for name in ("/viewer", "/compare", "/embed"))
        response = demo.get(path)
        allowed = {200} if has_viewers or not needs_viewers else {200, 503}
        assert response.status_code in allowed, path
        if response.mimetype != "text/html" or not path.startswith("/en/") or needs_viewers:
            continue
        read.add(path)
        for address in Page(response).addresses():
            found = ours(address)
            if found and found not in seen and not found.endswith("record.pdf"):
                seen.add(found)
                if "canvas=" not in found or "/compare" in found:
                    waiting.append(found)
    assert len([path for path in read if "/record/" in path]) == 20
    assert {f"/{tag}/japan-mongolia/record/ch05-05" for tag in ("en", "ja", "mn")} <= seen


def test_the_two_records_of_the_ambassador_are_offered_side_by_side(demo):
    for tag in ("en", "ja", "mn"):
        page = Page(demo.get(f"/{tag}/japan-mongolia/ch05/"))
        links = [link["href"] for link in page.all("a")]
        assert f"{PREFIX}/{tag}/compare?canvas=ch05-05/1&canvas=ch05-06/1" in links


def test_a_translation_that_nobody_reviewed_is_not_shown_unless_asked_for(demo):
    page = Page(demo.get("/mn/japan-mongolia/ch05/"))
    assert "Дипломат харилцаа тогтоосон нь" not in page.text
    assert "Establishment of the diplomatic relations in 1972" in page.text


@pytest.fixture
def small(tmp_path):
    made = Small(tmp_path)
    made.publish(base_url=BASE)
    return made


def client(small):
    return create_app(small.config(base_url=BASE), InThisProcess()).test_client()


PLACES = ["/en/letters/record/a2", "/presentation/3/a2/manifest", "/iiif/3/a2-1/info.json"]


def test_what_an_older_edition_had_is_gone_and_what_none_had_is_not_found(small):
    assert [client(small).get(place).status_code for place in PLACES] == [200] * 3
    small.order.remove("a2")
    small.files = {}
    small.write()
    small.publish(base_url=BASE)
    ask = client(small).get
    assert [ask(place).status_code for place in PLACES] == [410] * 3
    assert [ask(place.replace("a2", "zz")).status_code for place in PLACES] == [404] * 3
    assert ask(PLACES[1]).mimetype == "application/problem+json"
    assert ask(PLACES[0]).mimetype == "text/html"
    rollback(small.data)
    assert [client(small).get(place).status_code for place in PLACES] == [200] * 3


def test_an_edition_of_an_older_program_is_served_without_pages_and_published_anew(small):
    path = index_path(small.data, 1)
    index = orjson.loads(path.read_bytes())
    index["site"] = {"title": {"en": ["Letters"]}, "languages": ["en"], "entries": []}
    del index["gone"]
    path.write_bytes(orjson.dumps(index))
    assert "publish it again" in current(small.data).lacks[0]
    ask = client(small).get
    assert ask("/presentation/3/a1/manifest").status_code == 200
    assert ask("/").status_code < 400
    small.publish(base_url=BASE)
    assert client(small).get("/en/letters/").status_code == 200


def test_unreviewed_translations_are_marked_wherever_they_are_switched_on(small):
    sheet = small.sheets / "exhibition.toml"
    sheet.write_text(sheet.read_text("utf-8") + 'unreviewed = ["title_ja"]\n', "utf-8")
    for shown in (False, True):
        small.publish(base_url=BASE, show_unreviewed=shown)
        ask = client(small).get
        page = Page(ask("/ja/letters/"))
        assert page.text.count("未確認の翻訳") == shown
        assert (("ja", "手紙") in page.runs) == shown
        dotted = [a for a in page.all("span") if a.get("class") == "unreviewed"]
        assert bool(dotted) == shown
        assert ("en", "Letters") in page.runs
        assert ask("/ja/letters/record/a1").text.count("手紙") > 0 or not shown
