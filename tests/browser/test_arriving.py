"""Pages that arrive in pieces, as from a busy machine or over a slow connection, move nothing."""

from __future__ import annotations

import pytest
from exhibited import EXHIBITION, LANGUAGES, pages
from inspection import shifts
from places import KINDS, WIDTHS
from serving import PAINTED

pytestmark = pytest.mark.browser

MOST = 0.005
"""Of the layout: no more than a heading whose baseline follows that of its neighbour."""

TELL_OF_PAINT = f"""
new PerformanceObserver(() => fetch('{PAINTED}')).observe({{ type: 'paint', buffered: true }});
"""
# the first paint of anything, and the last byte of the page
_TIMES = """() => [
  performance.getEntriesByType('paint')[0].startTime,
  performance.getEntriesByType('navigation')[0].responseEnd,
]"""


SECTIONS_OF_FEW = f"/{{language}}/{EXHIBITION}/ch04/"
"""A chapter whose sections have one record or two, which are laid out otherwise than many."""


def moved_while_it_came(visit, slowly, path, width):
    """Return what moved in a page of which a part was seen before all of it was there."""
    page = visit(slowly, path, width, before=lambda page: page.add_init_script(TELL_OF_PAINT))
    painted, whole = page.evaluate(_TIMES)
    assert painted < whole, "nothing was seen before all of it was there"
    found = shifts(page, MOST)
    page.context.close()
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("path", "language"),
    [
        (KINDS["home"].path, "mn"),
        (KINDS["chapter"].path, "mn"),
        (SECTIONS_OF_FEW, "mn"),
        (KINDS["record"].path, "en"),
        (KINDS["agents"].path, "ja"),
        (KINDS["compare"].path, "en"),
        (KINDS["embed"].path, "ja"),
    ],
)
def test_nothing_moves_that_was_shown_when_more_of_a_page_comes(
    slowly, visit, path, language, width
):
    assert moved_while_it_came(visit, slowly, path.format(language=language), width) == []


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_moves_on_any_page_of_the_sitemap(demo, slowly, visit, language, width):
    ways = [(slowly, path, width) for path in pages(demo, language)]
    assert {way: found for way in ways if (found := moved_while_it_came(visit, *way))} == {}
