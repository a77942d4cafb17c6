"""Pages that arrive in pieces, as from a busy machine or over a slow connection, move nothing."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("home", "mn"),
        ("chapter", "mn"),
        ("record", "en"),
        ("agents", "ja"),
        ("compare", "en"),
        ("embed", "ja"),
    ],
)
def test_nothing_moves_that_was_shown_when_more_of_a_page_comes(
    slowly, visit, name, language, width
):
    path = KINDS[name].path.format(language=language)
    page = visit(slowly, path, width, before=lambda page: page.add_init_script(TELL_OF_PAINT))
    painted, whole = page.evaluate(_TIMES)
    assert painted < whole, "nothing was seen before all of it was there"
    assert shifts(page, MOST) == []
