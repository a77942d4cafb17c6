"""Which sizes of a scan a page asks for: those that lie ready."""

from __future__ import annotations

import pytest

from iiifserver.urls import Urls
from iiifserver.web.pictures import WIDEST_ROW, confined, in_row, sources

URLS = Urls("https://archive.example")


def canvas(width, height, sizes=()):
    return {"image": "a-1", "width": width, "height": height, "sizes": list(sizes)}


@pytest.mark.parametrize(
    ("scan", "box", "size"),
    [
        ((3000, 4200), 800, (571, 800)),
        ((4200, 3000), 400, (400, 286)),
        ((300, 200), 800, (300, 200)),  # never enlarged
        ((1, 20_000), 200, (1, 200)),
    ],
)
def test_a_scan_is_fitted_into_a_square(scan, box, size):
    assert confined(canvas(*scan), box) == size


@pytest.mark.parametrize(
    ("scan", "asked"),
    [
        ((3000, 4200), ["!200,200", "!400,400", "!800,800"]),
        ((300, 250), ["!200,200"]),
        ((100, 90), ["!200,200"]),
    ],
)
def test_a_browser_chooses_from_what_was_made_at_publication_and_nothing_else(scan, asked):
    listed = [(375, 525), (750, 1050), (1500, 2100), (3000, 4200)] if scan[0] == 3000 else []
    found = sources(canvas(*scan, listed), URLS)
    assert [each.address.split("/")[-3] for each in found] == asked
    assert [each.width for each in found] == sorted(each.width for each in found)


@pytest.mark.parametrize(
    ("scans", "halves"),
    [([(100, 100)], 2), ([(70, 100)] * 3, 5), ([(140, 100), (70, 100)], 5), ([(100, 1)], None)],
)
def test_a_row_knows_how_wide_it_is(scans, halves):
    assert in_row([canvas(*scan) for scan in scans]) == (halves or WIDEST_ROW)
