"""Every page of the demo, in every language and width: whole, quiet, open to everybody."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import pytest
from exhibited import LANGUAGES, addresses, fetch, pages
from inspection import barriers, shifts, too_wide
from places import KINDS, WIDTHS, Kind
from seen import drawn, load_images

pytestmark = pytest.mark.browser

_HREF = re.compile(r'<a [^>]*href="([^"]+)"')


def inspect(page, others, kind):
    """Return all that is wrong with *page*."""
    if kind.draws:
        assert drawn(page).colours > 20
    missing = load_images(page)
    return [*missing, *barriers(page, others, kind.without), *too_wide(page), *shifts(page)]


@pytest.mark.parametrize(
    ("language", "width"),
    [
        ("en", 390),
        ("en", 1280),
        ("ja", 1280),
        ("mn", 390),
        pytest.param("ja", 390, marks=pytest.mark.long),
        pytest.param("mn", 1280, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("name", KINDS)
def test_a_page_of_each_kind_is_whole_and_open_to_everybody(
    demo, others, visit, shot, name, language, width
):
    kind = KINDS[name]
    path = kind.path.format(language=language, demo=demo)
    refused = (kind.status,) if kind.status >= 400 else ()
    page = visit(demo, path, width, refused=refused)
    assert page.locator("html").get_attribute("lang") == language
    wrong = inspect(page, others, kind)
    shot(page, f"{name}-{language}-{width}")
    assert wrong == []


@pytest.mark.parametrize("name", ["home", "chapter", "record", "agents", "about", "compare"])
def test_in_the_dark_everything_can_be_read(demo, others, visit, shot, name):
    kind = KINDS[name]
    page = visit(demo, kind.path.format(language="ja"), color_scheme="dark")
    red, green, blue = _rgb(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert red + green + blue < 150
    wrong = inspect(page, others, kind)
    shot(page, f"{name}-dark")
    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_the_sitemap_is_whole_and_open_to_everybody(
    demo, others, visit, language, width
):
    wrong = []
    for path in pages(demo, language):
        is_record = "/record/" in path
        page = visit(demo, path, width)
        wrong += [f"{path}: {fault}" for fault in inspect(page, others, Kind("", draws=is_record))]
        page.context.close()
    assert wrong == []


@pytest.mark.long
def test_no_link_of_ours_leads_nowhere(demo):
    wanted, seen = {f"{demo}/{language}/" for language in LANGUAGES}, set()
    while wanted - seen:
        address = min(wanted - seen)
        seen.add(address)
        is_page, found = _followed(address)
        if is_page:
            links = {urljoin(address, unescape(link)).partition("#")[0] for link in found}
            wanted |= {link for link in links if link.startswith(f"{demo}/")}
    assert seen >= addresses(demo)


def _followed(address):
    """Tell whether a page stands at *address*, and what it links to; raises where nothing does."""
    asked = Request(address, headers={"Accept": "text/html"}, method="HEAD")
    with urlopen(asked) as answer:
        is_page = answer.headers["Content-Type"].startswith("text/html")
    return is_page, _HREF.findall(fetch(address).decode()) if is_page else []


def _rgb(css):
    return [int(number) for number in re.findall(r"[0-9]+", css)][:3]
