"""What a publication changes, in words."""

import pytest

from iiifserver.publish.diff import details, in_words


def index(base_url="https://x.org", pages=(), **units):
    return {
        "base_url": base_url,
        "units": {
            name: {"kind": kind, "content": content, "object": content + base_url}
            for name, (kind, content) in units.items()
        },
        "images": {name: {"file": f"{name}.jpg", "rights": None} for name in pages},
    }


BEFORE = index(pages=("a-1",), a=("record", "1"), b=("record", "1"), c=("chapter", "1"))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (BEFORE, "nothing would change"),
        (
            index(pages=("a-1", "a-2"), a=("record", "2"), b=("record", "1"), c=("chapter", "1")),
            "1 record changed, 1 page added, no identifier changed",
        ),
        (
            index(pages=("a-1",), a=("record", "2"), b=("record", "2"), c=("chapter", "2")),
            "2 records changed, 1 chapter changed, no identifier changed",
        ),
        (
            index(a=("record", "1"), c=("chapter", "1"), d=("record", "1")),
            "1 record added, 1 record gone, 1 page gone, identifiers that end: b, a-1",
        ),
        (
            index(
                "https://y.org", ("a-1",), a=("record", "1"), b=("record", "1"), c=("chapter", "1")
            ),
            "addresses move from https://x.org to https://y.org, no identifier changed",
        ),
    ],
)
def test_changes_are_counted_and_lost_identifiers_named(after, words):
    assert in_words(BEFORE, after) == words


def test_the_first_edition_is_all_new():
    assert in_words(None, BEFORE) == "2 records added, 1 page added, 1 chapter added"


def test_a_page_whose_file_is_another_has_changed():
    after = {**BEFORE, "images": {"a-1": {"file": "other.jpg", "rights": None}}}
    assert in_words(BEFORE, after) == "1 page changed, no identifier changed"


def test_details_name_what_changed_and_stay_short():
    many = index(**{f"r{number}": ("record", "1") for number in range(50)})
    [line] = details(index(), many)
    assert line.startswith("record added: r0, r1, ")
    assert line.endswith("r19 and 30 more")
