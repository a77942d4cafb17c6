"""info.json of both versions, property by property; the numbers are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifserver.image.info import Description, info
from iiifserver.image.plan import Dimensions, Limits
from iiifserver.image.request import Version

BOTH: tuple[Version, ...] = (3, 2)
ID = "https://example.org/iiif/x/scan.tif"
# what the profile documents of level 2 hold: compliance, 3 and 4
LEVEL_2_FORMATS = {"jpg", "png"}
LEVEL_2_QUALITIES = {3: {"default"}, 2: {"default", "bitonal"}}
FEATURES = {
    3: {
        "baseUriRedirect",
        "canonicalLinkHeader",
        "cors",
        "jsonldMediaType",
        "mirroring",
        "profileLinkHeader",
        "regionByPct",
        "regionByPx",
        "regionSquare",
        "rotationArbitrary",
        "rotationBy90s",
        "sizeByConfinedWh",
        "sizeByH",
        "sizeByPct",
        "sizeByW",
        "sizeByWh",
        "sizeUpscaling",
    },
}
FEATURES[2] = FEATURES[3] - {"sizeUpscaling"} | {"sizeAboveFull", "sizeByDistortedWh"}
LEVEL_2_FEATURES = {
    3: FEATURES[3]
    - {"canonicalLinkHeader", "mirroring", "profileLinkHeader"}
    - {"rotationArbitrary", "sizeUpscaling"},
    2: FEATURES[2]
    - {"canonicalLinkHeader", "mirroring", "profileLinkHeader"}
    - {"regionSquare", "rotationArbitrary", "sizeAboveFull"},
}


def document(
    version: Version,
    image: tuple[int, int] = (6000, 4000),
    tile: tuple[int, int] = (512, 512),
    rights: str | None = None,
    **limits: Any,
) -> dict[str, Any]:
    description = Description(ID, Dimensions(*image), Dimensions(*tile), rights)
    return info(version, description, Limits(**limits))


def more(found: dict[str, Any], version: Version) -> dict[str, Any]:
    """Return what the document adds to level 2, by the names of version 2."""
    if version == 2:
        level, profile = found["profile"]
        assert level == "http://iiif.io/api/image/2/level2.json"
        return profile
    names = {
        "formats": "extraFormats",
        "qualities": "extraQualities",
        "supports": "extraFeatures",
    }
    limits = ("maxWidth", "maxHeight", "maxArea")
    return {name: found[names.get(name, name)] for name in (*names, *limits)}


def test_3_0_5_2_technical_properties():
    found = document(3)
    assert list(found)[0] == "@context"  # noqa: RUF015 - the order is what is asserted
    required = {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": ID,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": 6000,
        "height": 4000,
    }
    assert {name: found[name] for name in required} == required
    allowed = {"maxWidth", "maxHeight", "maxArea", "sizes", "tiles", "preferredFormats", "rights"}
    allowed |= {"extraFormats", "extraQualities", "extraFeatures", "partOf", "seeAlso", "service"}
    assert set(found) - set(required) <= allowed


def test_2_1_5_2_technical_properties():
    found = document(2)
    required = {
        "@context": "http://iiif.io/api/image/2/context.json",
        "@id": ID,
        "protocol": "http://iiif.io/api/image",
        "width": 6000,
        "height": 4000,
    }
    assert {name: found[name] for name in required} == required
    assert found["profile"][0] == "http://iiif.io/api/image/2/level2.json"
    assert set(found) - set(required) <= {"profile", "sizes", "tiles", "license"}
    allowed = {"formats", "qualities", "supports", "maxWidth", "maxHeight", "maxArea"}
    assert set(found["profile"][1]) <= allowed


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("image", "tile", "factors", "sizes"),
    [
        (
            (6000, 4000),
            (512, 512),
            [1, 2, 4, 8, 16],
            [(375, 250), (750, 500), (1500, 1000), (3000, 2000), (6000, 4000)],
        ),
        (
            (3977, 5923),
            (512, 512),
            [1, 2, 4, 8, 16],
            [(249, 371), (498, 741), (995, 1481), (1989, 2962), (3977, 5923)],
        ),
        ((2049, 2049), (1024, 1024), [1, 2, 4], [(513, 513), (1025, 1025), (2049, 2049)]),
        ((2048, 2048), (1024, 1024), [1, 2], [(1024, 1024), (2048, 2048)]),
        ((600, 300), (256, 512), [1, 2, 4], [(150, 75), (300, 150), (600, 300)]),
        ((512, 512), (512, 512), [1], [(512, 512)]),
        ((513, 1), (512, 512), [1, 2], [(257, 1), (513, 1)]),
        ((257, 511), (512, 512), [1], [(257, 511)]),
        ((1, 1), (512, 512), [1], [(1, 1)]),
    ],
)
def test_sizes_and_tiles_are_the_levels_rounded_up(version, image, tile, factors, sizes):
    found = document(version, image, tile)
    assert found["tiles"] == [{"width": tile[0], "height": tile[1], "scaleFactors": factors}]
    assert [(size["width"], size["height"]) for size in found["sizes"]] == sizes
    assert all(set(size) == {"width", "height"} for size in found["sizes"])


@pytest.mark.parametrize("version", BOTH)
def test_limits_are_published(version):
    limits = {"max_width": 3000, "max_height": 2000, "max_area": 4_000_000}
    found = more(document(version, **limits), version)
    assert (found["maxWidth"], found["maxHeight"], found["maxArea"]) == (3000, 2000, 4_000_000)
    found = more(document(version), version)
    assert (found["maxWidth"], found["maxHeight"], found["maxArea"]) == (16_383, 16_383, 10**8)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("limits", "largest", "tile"),
    [
        ({"max_width": 2999}, (1500, 1000), (512, 512)),
        ({"max_height": 2000}, (3000, 2000), (512, 512)),
        ({"max_area": 5_999_999}, (1500, 1000), (512, 512)),
        ({"max_width": 200}, (188, 125), (200, 512)),
        ({"max_area": 10_000}, (94, 63), (100, 100)),
    ],
)
def test_sizes_and_tiles_are_within_the_limits(version, limits, largest, tile):
    found = document(version, **limits)
    assert (found["sizes"][-1]["width"], found["sizes"][-1]["height"]) == largest
    assert (found["tiles"][0]["width"], found["tiles"][0]["height"]) == tile


@pytest.mark.parametrize("version", BOTH)
def test_what_is_added_to_level_2_is_complete_and_nothing_is_said_twice(version):
    found = more(document(version), version)
    assert set(found["formats"]) == {"webp", "avif", "tif", "gif", "jp2", "pdf"}
    assert set(found["qualities"]) == {"color", "gray", "bitonal"} - LEVEL_2_QUALITIES[version]
    assert set(found["supports"]) == FEATURES[version] - LEVEL_2_FEATURES[version]
    for words in (found["formats"], found["qualities"], found["supports"]):
        assert len(words) == len(set(words))


@pytest.mark.parametrize(("version", "feature"), [(3, "sizeUpscaling"), (2, "sizeAboveFull")])
def test_upscaling_is_not_advertised_where_it_is_off(version, feature):
    on, off = document(version), document(version, upscaling=False)
    assert feature in more(on, version)["supports"]
    assert feature not in more(off, version)["supports"]


def test_3_0_5_5_preferred_formats_are_among_those_supported():
    found = document(3)
    assert set(found["preferredFormats"]) <= LEVEL_2_FORMATS | set(found["extraFormats"])


@pytest.mark.parametrize(("version", "name"), [(3, "rights"), (2, "license")])
def test_rights_are_there_where_they_are_known(version, name):
    rights = "http://rightsstatements.org/vocab/InC-EDU/1.0/"
    assert document(version, rights=rights)[name] == rights
    assert name not in document(version)


_side = st.one_of(st.integers(1, 10_000), st.sampled_from([1, 511, 512, 513, 60_000]))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.sampled_from(BOTH),
    st.tuples(_side, _side),
    st.tuples(st.integers(64, 2048), st.integers(64, 2048)),
    st.integers(64, 20_000),
    st.integers(64, 20_000),
    st.integers(10_000, 10**8),
)
def test_every_document_keeps_its_own_limits(version, image, tile, width, height, area):
    found = document(version, image, tile, max_width=width, max_height=height, max_area=area)
    (described,) = found["tiles"]
    shown = [*found["sizes"], described]
    assert found["sizes"]
    for size in shown:
        assert 1 <= size["width"] <= width
        assert 1 <= size["height"] <= height
        assert size["width"] * size["height"] <= area
    factors = described["scaleFactors"]
    assert factors == [2**level for level in range(len(factors))]
    coarsest = found["sizes"][0]
    assert coarsest["width"] <= described["width"]
    assert coarsest["height"] <= described["height"]
    widths = [size["width"] for size in found["sizes"]]
    assert widths == sorted(widths)
