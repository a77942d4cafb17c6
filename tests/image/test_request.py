"""The grammar, sentence by sentence; what a request means for an image is in test_plan.py."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iiifserver.errors import BadRequest
from iiifserver.image.request import ImageRequest, Region, Rotation, Size, Version

BOTH: tuple[Version, ...] = (3, 2)
OURS = {"region": "full", "size": "max", "rotation": "0", "quality_format": "default.jpg"}


def row(name: str, *values: object) -> object:
    return pytest.param(*values, id=name)


def parse(version: Version = 3, **segments: str) -> ImageRequest:
    return ImageRequest.parse(version, **(OURS | segments))


def refusal(version: Version = 3, **segments: str) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse(version, **segments)
    return caught.value


# -- what is read


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("text", "region"),
    [
        row("4.1 full", "full", Region("full")),
        row("4.1 square", "square", Region("square")),
        row("4.1 x,y,w,h", "125,15,120,140", Region("pixels", (125, 15, 120, 140))),
        row("4.1 x,y 0,0 is a position", "0,0,1,1", Region("pixels", (0, 0, 1, 1))),
        row(
            "4.1 pct:x,y,w,h",
            "pct:41.6,7.5,40,70",
            Region("percent", (Fraction("41.6"), Fraction("7.5"), Fraction(40), Fraction(70))),
        ),
        row(
            "4.1 more than the image",
            "pct:41.6,7.5,66.6,100",
            Region("percent", (Fraction("41.6"), Fraction("7.5"), Fraction("66.6"), Fraction(100))),
        ),
        row(
            "3.0-4.7 a leading 0 is only recommended",
            "pct:.5,0.50,1,1",
            Region("percent", (Fraction(1, 2), Fraction(1, 2), Fraction(1), Fraction(1))),
        ),
    ],
)
def test_region_is_read(version, text, region):
    assert parse(version, region=text).region == region


_UP = {"upscale": True}


@pytest.mark.parametrize(
    ("version", "text", "size"),
    [
        row("3.0-4.2 max", 3, "max", Size("max")),
        row("3.0-4.2 ^max", 3, "^max", Size("max", **_UP)),
        row("3.0-4.2 w,", 3, "150,", Size("pixels", 150)),
        row("3.0-4.2 ^w,", 3, "^360,", Size("pixels", 360, **_UP)),
        row("3.0-4.2 ,h", 3, ",150", Size("pixels", None, 150)),
        row("3.0-4.2 ^,h", 3, "^,240", Size("pixels", None, 240, **_UP)),
        row("3.0-4.2 pct:n", 3, "pct:50", Size("percent", percent=Fraction(50))),
        row("3.0-4.2 ^pct:n", 3, "^pct:120", Size("percent", percent=Fraction(120), **_UP)),
        row("3.0-4.2 pct: decimals", 3, "pct:33.3", Size("percent", percent=Fraction("33.3"))),
        row("3.0-4.2 w,h", 3, "225,100", Size("pixels", 225, 100)),
        row("3.0-4.2 ^w,h", 3, "^360,360", Size("pixels", 360, 360, **_UP)),
        row("3.0-4.2 !w,h", 3, "!225,100", Size("confined", 225, 100)),
        row("3.0-4.2 ^!w,h", 3, "^!360,360", Size("confined", 360, 360, **_UP)),
        row("2.1-4.2 full", 2, "full", Size("full")),
        row("2.1-4.2 max", 2, "max", Size("max")),
        row("2.1-4.2 w,", 2, "150,", Size("pixels", 150, **_UP)),
        row("2.1-4.2 ,h", 2, ",150", Size("pixels", None, 150, **_UP)),
        row("2.1-4.2 pct:n", 2, "pct:50", Size("percent", percent=Fraction(50), **_UP)),
        row("2.1-4.2 pct: above 100", 2, "pct:120", Size("percent", percent=Fraction(120), **_UP)),
        row("2.1-4.2 w,h", 2, "225,100", Size("pixels", 225, 100, **_UP)),
        row("2.1-4.2 !w,h", 2, "!225,100", Size("confined", 225, 100, **_UP)),
    ],
)
def test_size_is_read(version, text, size):
    assert parse(version, size=text).size == size


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("text", "rotation", "canonical"),
    [
        row("4.3 n", "180", Rotation(Fraction(180)), "180"),
        row("4.3 any floating point number", "22.5", Rotation(Fraction(45, 2)), "22.5"),
        row("4.3 !n", "!180", Rotation(Fraction(180), True), "!180"),
        row("4.3 !0", "!0", Rotation(Fraction(0), True), "!0"),
        row("4.3 up to 360, which is 0", "360", Rotation(Fraction(0)), "0"),
        row("4.3 !360 is !0", "!360.0", Rotation(Fraction(0), True), "!0"),
        row("4.8 an integer if possible", "90.000", Rotation(Fraction(90)), "90"),
        row("4.8 without trailing zeros", "22.50", Rotation(Fraction(45, 2)), "22.5"),
        row("4.8 with a leading 0 below 1", ".9", Rotation(Fraction(9, 10)), "0.9"),
        row("4.8 without leading zeros", "0090", Rotation(Fraction(90)), "90"),
        row("4.8 exactly", "0.1", Rotation(Fraction(1, 10)), "0.1"),
        row(
            "4.8 the smallest",
            "!.000000000001",
            Rotation(Fraction(1, 10**12), True),
            "!0." + "0" * 11 + "1",
        ),
    ],
)
def test_rotation_is_read_and_has_one_spelling(version, text, rotation, canonical):
    read = parse(version, rotation=text).rotation
    assert (read, read.canonical()) == (rotation, canonical)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("quality", ["color", "gray", "bitonal", "default"])
@pytest.mark.parametrize("ending", ["jpg", "tif", "png", "gif", "jp2", "pdf", "webp", "avif"])
def test_every_quality_is_read_with_every_format(version, quality, ending):
    read = parse(version, quality_format=f"{quality}.{ending}")
    assert (read.quality, read.format) == (quality, ending)


@pytest.mark.parametrize("version", BOTH)
def test_native_of_version_1_is_the_default(version):
    assert parse(version, quality_format="native.png") == parse(
        version, quality_format="default.png"
    )


# -- what is refused

# 3.0, 4 and 4.7: non-negative integers; decimal digits and "." only
_NO_NUMBERS = ["1e1", "+90", "-1", "-0", "NaN", "inf", "0x10", "1_0", "", " ", " 1", "1 ", "1\n"]
_NO_NUMBERS += ["１０", "٣", "१०", "²", "1..2", ".", "5.", "1.2.3", "1,5", "ten", "1\x00", "1%30"]
_NO_NUMBERS += ["1234567890", "0." + "1" * 13]  # more digits than any image has


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("number", _NO_NUMBERS)
def test_only_plain_digits_are_numbers(version, number):
    for pattern in ("{},0,1,1", "0,{},1,1", "0,0,{},1", "0,0,1,{}"):
        refusal(version, region=pattern.format(number))
        refusal(version, region="pct:" + pattern.format(number))
    for pattern in ("pct:{}", "{0},", ",{0}", "!{0},10", "!10,{0}", "{0},10", "10,{0}"):
        if number or pattern in ("pct:{}", "!{0},10", "!10,{0}"):
            refusal(version, size=pattern.format(number))
    for pattern in ("{}", "!{}"):
        refusal(version, rotation=pattern.format(number))


_NO_REGIONS = ["", "FULL", "Full", "full ", "Square", "max", "0,0,1", "0,0,1,1,", "0,0,1,1,1"]
_NO_REGIONS += ["0, 0, 1, 1", "0;0;1;1", "0.5,0,1,1", "pct:", "pct:1,1,1", "PCT:0,0,1,1"]
_NO_REGIONS += ["pct:0,0,1,1%", "pct 0,0,1,1", "!0,0,1,1", "^full", "smart", "full\n", "full\x00"]
_NO_REGIONS += ["../full", "0,0,1,1\\"]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("text", _NO_REGIONS)
def test_what_is_no_region_is_refused_by_name(version, text):
    assert refusal(version, region=text).parameter == "region"


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "text", ["0,0,0,1", "0,0,1,0", "0,0,0,0", "0,0,00,1", "pct:0,0,0,100", "pct:0,0,100,0.0"]
)
def test_a_region_of_no_extent_is_refused(version, text):
    assert refusal(version, region=text).parameter == "region"


_NO_SIZES = ["", ",", "!,", "!", "!10,", "!,10", "!max", "Max", "MAX", "max ", "10", "10x10"]
_NO_SIZES += ["pct:", "10,10,10", "10;10", "1.5,", ",1.5", "pct:10,10", "pct:10%", "PCT:10"]
_NO_SIZES += ["!pct:50", "10, 10", "0,", ",0", "0,0", "0,10", "10,0", "!0,10", "!10,0", "pct:0"]
_NO_SIZES += ["pct:0.0", "max\n", "-"]


@pytest.mark.parametrize(
    ("version", "text"),
    [(version, text) for version in BOTH for text in _NO_SIZES]
    + [(3, f"^{text}") for text in _NO_SIZES]
    + [
        row("3.0-4.2 has no full", 3, "full"),
        row("3.0-4.2 has no ^full", 3, "^full"),
        row("3.0-4.2 ^ comes first", 3, "!^10,10"),
        row("3.0-4.2 ^ comes first, by height", 3, ",^240"),
        row("3.0-4.2 one ^", 3, "^^10,"),
        row("2.1-4.2 has no ^max", 2, "^max"),
        row("2.1-4.2 has no ^w,", 2, "^10,"),
        row("2.1-4.2 has no ^!w,h", 2, "^!10,10"),
        row("2.1-4.2 has no ^pct", 2, "^pct:10"),
    ],
)
def test_what_is_no_size_is_refused_by_name(version, text):
    assert refusal(version, size=text).parameter == "size"


_NO_ROTATIONS = ["", "!", "!!0", "0!", "361", "360.1", "360.000000000001", "!361", "-90", "+90"]
_NO_ROTATIONS += ["90deg", "90°", "90,", "full", "1e2", "NaN", "! 90", "！90"]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("text", _NO_ROTATIONS)
def test_a_rotation_out_of_range_or_malformed_is_refused_by_name(version, text):
    assert refusal(version, rotation=text).parameter == "rotation"


_NO_QUALITIES = ["grey.jpg", "colour.jpg", "Default.jpg", ".jpg", "default", "", "jpg"]
_NO_QUALITIES += ["default .jpg", "default.jpg.jpg", "default..jpg", "default\x00.jpg"]
_NO_QUALITIES += ["native2.jpg"]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("text", _NO_QUALITIES)
def test_an_unsupported_quality_is_refused_by_name(version, text):
    assert refusal(version, quality_format=text).parameter == "quality"


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "ending", ["", "JPG", "jpeg", "tiff", "bmp", "svg", "jxl", "jpg ", "jpg\n", "*"]
)
def test_an_unsupported_format_is_refused_by_name(version, ending):
    assert refusal(version, quality_format=f"default.{ending}").parameter == "format"


@pytest.mark.parametrize(
    ("version", "parameter", "segments", "section"),
    [
        (3, "region", {"region": "?"}, "https://iiif.io/api/image/3.0/#41-region"),
        (3, "size", {"size": "?"}, "https://iiif.io/api/image/3.0/#42-size"),
        (3, "rotation", {"rotation": "?"}, "https://iiif.io/api/image/3.0/#43-rotation"),
        (3, "quality", {"quality_format": "?.jpg"}, "https://iiif.io/api/image/3.0/#44-quality"),
        (3, "format", {"quality_format": "gray.?"}, "https://iiif.io/api/image/3.0/#45-format"),
        (2, "region", {"region": "?"}, "https://iiif.io/api/image/2.1/#region"),
        (2, "size", {"size": "?"}, "https://iiif.io/api/image/2.1/#size"),
        (2, "rotation", {"rotation": "?"}, "https://iiif.io/api/image/2.1/#rotation"),
        (2, "quality", {"quality_format": "?.jpg"}, "https://iiif.io/api/image/2.1/#quality"),
        (2, "format", {"quality_format": "gray.?"}, "https://iiif.io/api/image/2.1/#format"),
    ],
)
def test_a_refusal_names_the_segment_and_the_section(version, parameter, segments, section):
    error = refusal(version, **segments)
    assert (error.parameter, error.spec, error.status) == (parameter, section, 400)


@pytest.mark.parametrize("parameter", ["region", "size", "rotation", "quality_format"])
def test_an_endless_segment_is_refused_and_not_repeated(parameter):
    error = refusal(**{parameter: "9" * 100_000})
    assert error.parameter == parameter.removesuffix("_format")
    assert len(str(error)) < 300


def test_the_first_fault_is_the_one_that_is_named():
    assert refusal(region="?", size="?", rotation="?", quality_format="?").parameter == "region"


# -- properties

_NEAR = st.sampled_from("0123456789.,!^:pct full max square default gray .jpg,eE+-%/\\\x00٣１")
_TEXT = st.one_of(st.text(max_size=150), st.text(_NEAR, max_size=30))


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.sampled_from(BOTH), _TEXT, _TEXT, _TEXT, _TEXT)
@example(3, "full", "^max", "!0", "default.jpg")
def test_any_text_is_a_request_or_refused(version, region, size, rotation, quality_format):
    try:
        read = ImageRequest.parse(version, region, size, rotation, quality_format)
    except BadRequest as error:
        refused = error
    else:
        assert read.version == version
        assert 0 <= read.rotation.degrees < 360
        return
    assert refused.parameter in ("region", "size", "rotation", "quality", "format")
    assert refused.spec


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.sampled_from(BOTH), _TEXT, st.sampled_from(["region", "size", "rotation", "quality_format"])
)
def test_any_text_in_one_segment_is_read_or_refused_for_itself(version, text, segment):
    with suppress(BadRequest):
        assert parse(version, **{segment: text}).version == version
        return
    assert refusal(version, **{segment: text}).parameter in segment.split("_")


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.decimals(0, 360, places=6), st.booleans())
def test_a_rotation_is_read_again_as_itself(degrees, mirror):
    text = f"{'!' if mirror else ''}{degrees:f}"
    rotation = Rotation.parse(text)
    assert Rotation.parse(rotation.canonical()) == rotation
    assert rotation.degrees == Fraction(str(degrees)) % 360
