"""Content states: every spelling of the specification, what is refused, and nothing in between."""

from __future__ import annotations

import base64
import contextlib
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifserver.errors import BadRequest
from iiifserver.presentation.contentstate import (
    MAX_ADDRESS_CHARACTERS,
    MAX_CHARACTERS,
    MAX_TARGETS,
    Region,
    Target,
    decode,
    encode,
    region,
)

MANIFEST = "https://archive.example/presentation/3/one/manifest"
CANVAS = "https://archive.example/presentation/one/canvas/1"
REGION = Region(100, 200, 300, 400)


def spelled(body):
    """Return *body* as the specification's own code encodes it."""
    text = quote(json.dumps(body), safe="!~*'()")
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


IN_MANIFEST = {"partOf": [{"id": MANIFEST, "type": "Manifest"}]}
ON_CANVAS = Target(CANVAS, "Canvas", MANIFEST, REGION)
FORMS = [
    # 2.2: only what would be the target
    ({"id": MANIFEST, "type": "Manifest"}, Target(MANIFEST, "Manifest")),
    # the same within an Annotation
    (
        {
            "@context": "http://iiif.io/api/presentation/3/context.json",
            "id": "https://elsewhere.example/state/1",
            "type": "Annotation",
            "motivation": ["contentState"],
            "target": {"id": f"{CANVAS}#xywh=100,200,300,400", "type": "Canvas", **IN_MANIFEST},
        },
        ON_CANVAS,
    ),
    # a target that is only named
    ({"type": "Annotation", "motivation": "contentState", "target": CANVAS}, Target(CANVAS)),
    # a region chosen by a selector
    (
        {
            "type": "SpecificResource",
            "source": {"id": CANVAS, "type": "Canvas", **IN_MANIFEST},
            "selector": {"type": "FragmentSelector", "value": "xywh=100,200,300,400"},
        },
        ON_CANVAS,
    ),
    (
        {
            "type": "Annotation",
            "target": {
                "type": "SpecificResource",
                "source": {"id": CANVAS, "type": "Canvas", "partOf": MANIFEST},
                "selector": [
                    {"type": "PointSelector", "t": 14.5},
                    {"value": "xywh=100,200,300,400"},
                ],
            },
        },
        ON_CANVAS,
    ),
    ({"type": "SpecificResource", "source": CANVAS}, Target(CANVAS)),
    # what it says beside is left aside
    (
        {"id": MANIFEST, "type": "Manifest", "label": {"en": ["<b>x</b>"]}, "partOf": []},
        Target(MANIFEST, "Manifest"),
    ),
]


@pytest.mark.parametrize(("body", "target"), FORMS)
def test_every_form_is_read_as_json_and_encoded(body, target):
    assert decode(json.dumps(body)) == (target,)
    assert decode(spelled(body)) == (target,)


def test_a_plain_address_is_a_content_state():
    assert decode(MANIFEST) == (Target(MANIFEST),)
    assert decode(f"{CANVAS}#xywh=1,2,3,4") == (Target(CANVAS, region=Region(1, 2, 3, 4)),)


def test_the_specifications_own_example_is_read():
    """Content State API 1.0, 6: the encoded form of an Annotation that targets a region."""
    body = {
        "id": "https://example.org/object1/canvas7#xywh=1000,2000,1000,2000",
        "type": "Canvas",
        "partOf": [{"id": "https://example.org/object1/manifest", "type": "Manifest"}],
    }
    encoded = (
        "JTdCJTIyaWQlMjIlM0ElMjJodHRwcyUzQSUyRiUyRmV4YW1wbGUub3JnJTJGb2JqZWN0MSUyRmNhbnZhczclMjN4eXdo"
        "JTNEMTAwMCUyQzIwMDAlMkMxMDAwJTJDMjAwMCUyMiUyQyUyMnR5cGUlMjIlM0ElMjJDYW52YXMlMjIlMkMlMjJwYXJ0"
        "T2YlMjIlM0ElNUIlN0IlMjJpZCUyMiUzQSUyMmh0dHBzJTNBJTJGJTJGZXhhbXBsZS5vcmclMkZvYmplY3QxJTJGbWFu"
        "aWZlc3QlMjIlMkMlMjJ0eXBlJTIyJTNBJTIyTWFuaWZlc3QlMjIlN0QlNUQlN0Q"
    )
    assert (
        base64.urlsafe_b64encode(
            quote(json.dumps(body, separators=(",", ":")), safe="!~*'()").encode()
        )
        .decode()
        .rstrip("=")
        == encoded
    )
    assert decode(encoded) == (
        Target(
            "https://example.org/object1/canvas7",
            "Canvas",
            "https://example.org/object1/manifest",
            Region(1000, 2000, 1000, 2000),
        ),
    )


def test_several_targets_are_all_read():
    names = [f"{CANVAS}{number}" for number in range(MAX_TARGETS)]
    assert decode(json.dumps({"type": "Annotation", "target": names})) == tuple(map(Target, names))


@pytest.mark.parametrize("ending", ["", "=", "=="])
def test_padding_is_taken_and_never_made(ending):
    encoded = encode(ON_CANVAS)
    assert "=" not in encoded
    assert decode(encoded + ending) == (ON_CANVAS,)


ADDRESSES = st.builds(
    "https://{}/{}".format,
    st.sampled_from(["archive.example", "127.0.0.1:8182", "アーカイブ.example"]),
    st.text(st.characters(categories=["L", "N", "P"], exclude_characters="#"), max_size=60),
).filter(str.isprintable)
NUMBERS = st.integers(0, 10**9 - 1)
EXTENTS = st.integers(1, 10**9 - 1)
REGIONS = st.builds(
    Region, NUMBERS, NUMBERS, EXTENTS, EXTENTS, st.sampled_from(["pixel", "percent"])
)
TARGETS = st.builds(
    Target,
    ADDRESSES,
    st.sampled_from(["", "Canvas", "Manifest", "Range", "Collection"]),
    st.none() | ADDRESSES,
    st.none() | REGIONS,
)


@given(TARGETS)
def test_what_was_encoded_is_decoded_again(target):
    encoded = encode(target)
    assert decode(encoded) == (target,)
    assert quote(encoded, safe="") == encoded, "it can stand in an address as it is"


@given(st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")) | st.text(max_size=300))
def test_any_text_is_a_content_state_or_a_bad_request(text):
    with contextlib.suppress(BadRequest):
        assert all(isinstance(target, Target) for target in decode(text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(CANVAS),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["id", "type", "target", "source", "selector", "partOf", "value"])
            | st.text(max_size=3),
            inner | st.sampled_from(["Annotation", "SpecificResource", "Canvas"]),
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["id", "type", "target", "source"]), JSON))
def test_any_json_is_a_content_state_or_a_bad_request(body):
    for text in (json.dumps(body), spelled(body)):
        with contextlib.suppress(BadRequest):
            assert all(isinstance(target, Target) for target in decode(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "javascript:alert(1)",
        "//archive.example/manifest",
        "ftp://archive.example/manifest",
        "https://archive.example/a b",
        "https://archive.example/a\u202eb",
        "{}",
        "{",
        "[]",
        '{"id": 5}',
        '{"id": null, "type": "Manifest"}',
        '{"id": "javascript:alert(1)", "type": "Manifest"}',
        '{"type": "Annotation"}',
        '{"type": "Annotation", "target": []}',
        json.dumps({"type": "Annotation", "target": [CANVAS] * (MAX_TARGETS + 1)}),
        json.dumps({"id": CANVAS, "type": {"deep": 1}}),
        json.dumps({"id": CANVAS, "type": "x" * 50}),
        json.dumps({"id": CANVAS, "partOf": {"id": "javascript:alert(1)"}}),
        json.dumps({"type": "SpecificResource", "source": {"type": "SpecificResource"}}),
        f"{CANVAS}#xywh=1,2,3",
        f"{CANVAS}#xywh=1,2,0,4",
        f"{CANVAS}#xywh=-1,2,3,4",
        f"{CANVAS}#xywh=1e3,2,3,4",
        f"{CANVAS}#xywh=inch:1,2,3,4",
        f"{CANVAS}#xywh=١,2,3,4",
        "a",  # no number of bytes is encoded so
        base64.urlsafe_b64encode(b"%FF%FE").decode(),
        base64.urlsafe_b64encode('{"id": "é"}'.encode("latin-1")).decode(),
        base64.urlsafe_b64encode(encode(ON_CANVAS).encode()).decode(),  # encoded twice
        '{"target":' * 700 + "1" + "}" * 700,
    ],
)
def test_what_is_no_content_state_is_refused(text):
    with pytest.raises(BadRequest):
        decode(text)


def test_length_is_bounded():
    longest = "https://archive.example/".ljust(MAX_ADDRESS_CHARACTERS, "x")
    assert decode(longest) == (Target(longest),)
    for text in (longest + "x", "{" + " " * MAX_CHARACTERS):
        with pytest.raises(BadRequest, match="longer than"):
            decode(text)


@pytest.mark.parametrize(
    ("fragment", "found"),
    [
        ("", None),
        ("t=10", None),
        ("xywh=1,2,3,4", Region(1, 2, 3, 4)),
        ("xywh=pixel:1,2,3,4", Region(1, 2, 3, 4)),
        ("xywh=percent:25,25,50,50", Region(25, 25, 50, 50, "percent")),
        ("t=1,2&xywh=1,2.5,3,4", Region(1, 2.5, 3, 4)),
    ],
)
def test_a_region_is_read_from_a_media_fragment(fragment, found):
    assert region(fragment) == found


@pytest.mark.parametrize(
    ("of", "box"),
    [
        (Region(10, 20, 30, 40), (10, 20, 30, 40)),
        (Region(190, 80, 30, 40), (190, 80, 10, 20)),  # cropped at the edge
        (Region(200, 0, 10, 10), None),
        (Region(0, 0, 0.2, 10), None),
        (Region(25, 25, 50, 50, "percent"), (50, 25, 100, 50)),
        (Region(10.4, 0, 1, 10), (10, 0, 1, 10)),
    ],
)
def test_a_region_is_cut_to_its_canvas(of, box):
    assert of.within(200, 100) == box
