"""Content State 1.0: what names a page and a region opens there, in our pages and in Mirador."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from exhibited import EXHIBITION
from playwright.sync_api import expect
from seen import drawn, is_tile_of, view_of

pytestmark = pytest.mark.browser

REGION = (600, 800, 900, 600)
XYWH = ",".join(map(str, REGION))


def encode(text):
    """Return *text* as Content State 1.0, 6, says: percent-encoded, then base64url, not padded."""
    uri_component = quote(text, safe="!'()*-._~")
    return base64.urlsafe_b64encode(uri_component.encode()).decode().rstrip("=")


def annotation(demo, record, page="2", **more):
    """Return a content state that names a region of a page of a record."""
    canvas = f"{demo}/presentation/{record}/canvas/{page}"
    manifest = f"{demo}/presentation/3/{record}/manifest"
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": f"{demo}/states/1",
        "type": "Annotation",
        "motivation": ["contentState"],
        "target": {
            "id": f"{canvas}#xywh={XYWH}",
            "type": "Canvas",
            "partOf": [{"id": manifest, "type": "Manifest"}],
        },
        **more,
    }


SPELLINGS = {
    "address": lambda demo: f"{demo}/presentation/ch05-05/canvas/2#xywh={XYWH}",
    "json": lambda demo: json.dumps(annotation(demo, "ch05-05")),
    "encoded": lambda demo: encode(json.dumps(annotation(demo, "ch05-05"))),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_opens_page_and_region_on_the_record_page(demo, visit, name):
    state = quote(SPELLINGS[name](demo), safe="")
    page = visit(demo, f"/en/{EXHIBITION}/record/ch05-05?iiif-content={state}")
    x, y, width, height = view_of(page)
    assert x <= REGION[0] + 4
    assert y <= REGION[1] + 4
    assert x + width >= sum(REGION[::2]) - 4
    assert y + height >= sum(REGION[1::2]) - 4
    assert min(width / REGION[2], height / REGION[3]) == pytest.approx(1, rel=0.05)
    current = page.locator("#zoom [data-part=strip] [aria-current=true]")
    expect(current).to_have_attribute("data-page", "2")


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_opens_page_and_region_in_mirador(demo, visit, shot, name):
    state = quote(SPELLINGS[name](demo), safe="")
    tiles = []
    page = visit(
        demo,
        f"/en/viewer?iiif-content={state}",
        before=lambda page: page.on("response", lambda answer: tiles.append(answer)),
    )
    if not any(_is_near(answer) for answer in tiles):
        page.wait_for_event("response", _is_near)
    assert drawn(page).colours > 20
    shot(page, f"mirador-content-state-{name}")
    assert not any(is_tile_of("ch05-05-1", answer) for answer in tiles)


def _is_near(answer):
    """Tell whether this is a tile in the region, of at least half resolution."""
    if not is_tile_of("ch05-05-2", answer):
        return False
    tile = answer.url.partition("/ch05-05-2/")[2].partition("/")[0]
    x, y, width, height = (int(part) for part in tile.split(","))
    across = x < REGION[0] + REGION[2] and x + width > REGION[0]
    down = y < REGION[1] + REGION[3] and y + height > REGION[1]
    return across and down and width <= 1024


def test_a_manifest_alone_opens_too(demo, chapter, visit):
    page = visit(demo, f"/ja/viewer?iiif-content={quote(chapter.address, safe='')}")
    expect(page.get_by_role("heading", name=chapter.label("ja")).first).to_be_visible()
    assert drawn(page).colours > 20


@pytest.mark.parametrize("spelling", [str, json.dumps, lambda text: encode(json.dumps(text))])
def test_what_lies_elsewhere_is_named_and_not_fetched(demo, visit, spelling):
    target = "https://elsewhere.example/manifest"
    state = target if spelling is str else spelling({"id": target, "type": "Manifest"})
    page = visit(demo, f"/en/viewer?iiif-content={quote(state, safe='')}", refused=(403, 400))
    expect(page.locator("main")).to_contain_text("elsewhere.example")
    expect(page.locator(".openseadragon-canvas")).to_have_count(0)


def test_a_label_of_a_content_state_never_becomes_html(demo, visit):
    label = {"en": ["<img src=x onerror=alert(1)><b id='injected'>bold</b>"]}
    state = json.dumps(annotation(demo, "ch05-05", label=label))
    page = visit(demo, f"/en/viewer?iiif-content={quote(state, safe='')}")
    assert drawn(page).colours > 20
    expect(page.locator("#injected")).to_have_count(0)


@pytest.mark.parametrize("state", ["%7B", "!!!", "e30", "x" * 20_000])
def test_nonsense_is_refused_in_words(demo, visit, state):
    page = visit(demo, f"/mn/viewer?iiif-content={state}", refused=(400, 403, 404, 414))
    expect(page.locator("html")).to_have_attribute("lang", "mn")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
