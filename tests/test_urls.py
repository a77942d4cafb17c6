"""Addresses: how they are written, and where an image request ends."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifserver.urls import Urls, encode_identifier, split_image_path

URLS = Urls("https://example.org/prefix")


@pytest.mark.parametrize(
    ("identifier", "encoded"),
    [
        # 3.0, 9: the specification's table
        ("id1", "id1"),
        ("bb157hs6068", "bb157hs6068"),
        ("ark:/12025/654xz321", "ark:%2F12025%2F654xz321"),
        ("urn:foo:a123,456", "urn:foo:a123,456"),
        (
            "urn:sici:1046-8188(199501)13:1%3C69:FTTHBI%3E2.0.TX;2-4",
            "urn:sici:1046-8188(199501)13:1%253C69:FTTHBI%253E2.0.TX;2-4",
        ),
        ("http://example.com/?54#a", "http:%2F%2Fexample.com%2F%3F54%23a"),
        # 3.0, 9: to-encode, and what is not US-ASCII
        ("/?#[]@%", "%2F%3F%23%5B%5D%40%25"),
        ("資料/一.tif", "%E8%B3%87%E6%96%99%2F%E4%B8%80.tif"),
        ("ᠮᠣᠩᠭᠣᠯ", "%E1%A0%AE%E1%A0%A3%E1%A0%A9%E1%A0%AD%E1%A0%A3%E1%A0%AF"),
        ("a b.tif", "a%20b.tif"),
        ('a"b<c>d\\e^f`g{h|i}j', "a%22b%3Cc%3Ed%5Ce%5Ef%60g%7Bh%7Ci%7Dj"),
        ("line\nend", "line%0Aend"),
    ],
)
def test_identifiers_are_encoded_as_the_specification_says(identifier, encoded):
    assert encode_identifier(identifier) == encoded
    assert URLS.image_service(3, identifier) == f"https://example.org/prefix/iiif/3/{encoded}"


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_an_encoded_identifier_is_one_plain_segment_and_can_be_decoded(identifier):
    encoded = encode_identifier(identifier)
    assert encoded.isascii()
    assert not set(encoded) & set('/?#[]@ "<>\\^`{|}\n\r\t\x00')
    assert unquote(encoded) == identifier


def test_addresses_of_the_image_api():
    assert URLS.info(2, "a/b.tif") == "https://example.org/prefix/iiif/2/a%2Fb.tif/info.json"
    assert (
        URLS.image("a/b.tif", "square", "^!360,360", "!22.5", "gray", "png")
        == "https://example.org/prefix/iiif/3/a%2Fb.tif/square/^!360,360/!22.5/gray.png"
    )
    assert (
        URLS.image("a", "pct:1,2,3,4", version=2)
        == "https://example.org/prefix/iiif/2/a/pct:1,2,3,4/max/0/default.jpg"
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (URLS.collection(), "presentation/3/collection"),
        (URLS.collection(2), "presentation/2/collection"),
        (URLS.collection_of("chapter-1"), "presentation/3/chapter-1/collection"),
        (URLS.manifest("r1"), "presentation/3/r1/manifest"),
        (URLS.manifest("r1", 2), "presentation/2/r1/manifest"),
        (URLS.manifest("box 1/a"), "presentation/3/box%201%2Fa/manifest"),
        (URLS.range("r1", "toc/1"), "presentation/3/r1/range/toc%2F1"),
        (URLS.annotation_page("r1", "ja"), "presentation/3/r1/annotation-page/ja"),
        (URLS.canvas("r1", "r1-001"), "presentation/r1/canvas/r1-001"),
        (URLS.record_json("r1"), "presentation/r1/record.json"),
        (URLS.record_xml("r1"), "presentation/r1/record.xml"),
        (URLS.record_pdf("r1"), "presentation/r1/record.pdf"),
        (URLS.home(), ""),
        (URLS.home("ja"), "ja/"),
        (URLS.page("mn", "exhibition", "chapter 1"), "mn/exhibition/chapter%201/"),
        (URLS.static("pages.css"), "static/pages.css"),
    ],
)
def test_every_address_stands_below_base_url(address, expected):
    assert address == f"https://example.org/prefix/{expected}"


def test_the_viewer_opens_a_manifest_at_a_canvas():
    address = URLS.viewer("https://a.org/m?x=1&y=2", "en", "https://a.org/c#1")
    query = "manifest=https://a.org/m%3Fx%3D1%26y%3D2&canvas=https://a.org/c%231"
    assert address == f"https://example.org/prefix/en/viewer?{query}"


@pytest.mark.parametrize(
    ("path", "identifier", "segments"),
    [
        ("a/full/max/0/default.jpg", "a", ("full", "max", "0", "default.jpg")),
        ("a/b/c.tif/full/max/0/default.jpg", "a/b/c.tif", ("full", "max", "0", "default.jpg")),
        ("full/max/0/a.jpg/full/max/0/b.jpg", "full/max/0/a.jpg", ("full", "max", "0", "b.jpg")),
        ("a/1/2/3/4", "a", ("1", "2", "3", "4")),
        ("a//max/0/default.jpg", "a", ("", "max", "0", "default.jpg")),
        ("a/full/max/0/", "a", ("full", "max", "0", "")),
    ],
)
def test_an_image_path_is_read_from_the_right(path, identifier, segments):
    assert split_image_path(path) == (identifier, segments)


@pytest.mark.parametrize(
    "path", ["", "a", "a/info.json", "full/max/0/default.jpg", "/full/max/0/d.jpg"]
)
def test_a_path_without_identifier_or_segments_is_no_image_path(path):
    assert split_image_path(path) is None
