"""What the Image API says over HTTP besides pixels: headers, negotiation, caching, errors."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from image_sources import picture
from PIL import Image
from werkzeug.test import TestResponse

from iiifserver.config import Config
from iiifserver.web import create_app

IMAGE = "/iiif/3/scan.png/full/max/0/default.jpg"
INFO = "/iiif/3/scan.png/info.json"
LD_3 = 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'
LD_2 = 'application/ld+json;profile="http://iiif.io/api/image/2/context.json"'
PLAIN = "application/json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("http")
    picture(60, 40).save(folder / "scan.png")
    (folder / "text.tif").write_text("This is not an image, whatever it is called.\n")
    return folder


@pytest.fixture(scope="module")
def client(serve: Callable[..., FlaskClient], folder: Path) -> FlaskClient:
    return serve(folder)


@pytest.fixture(scope="module")
def still(serve: Callable[..., FlaskClient], folder: Path) -> FlaskClient:
    """A server that enlarges nothing."""
    return serve(folder, upscaling=False)


class NoPixels:
    """A renderer that must not be asked."""

    def render(self, job: Any) -> bytes:
        raise AssertionError(f"{job.name} was rendered")


def links(response: TestResponse) -> list[str]:
    return re.split(r", (?=<)", ", ".join(response.headers.getlist("Link")))


# -- 7.1 CORS

_EVERY_ANSWER = [
    ("GET", IMAGE, {}, 200),
    ("HEAD", IMAGE, {}, 200),
    ("GET", INFO, {}, 200),
    ("GET", "/iiif/2/scan.png/info.json", {}, 200),
    ("HEAD", INFO, {}, 200),
    ("GET", "/iiif/3/scan.png", {}, 303),
    ("GET", IMAGE, {"If-None-Match": "*"}, 304),
    ("GET", INFO, {"If-None-Match": "*"}, 304),
    ("GET", "/iiif/3/scan.png/nothing/max/0/default.jpg", {}, 400),
    ("HEAD", "/iiif/3/scan.png/nothing/max/0/default.jpg", {}, 400),
    ("GET", "/iiif/2/scan.png/full/^max/0/default.jpg", {}, 400),
    ("GET", "/iiif/3/none/full/max/0/default.jpg", {}, 404),
    ("GET", "/iiif/3/none/info.json", {}, 404),
    ("GET", "/iiif/3/none", {}, 404),
    ("GET", "/iiif/4/scan.png/info.json", {}, 404),
    ("GET", "/iiif/3//", {}, 404),
    ("GET", "/iiif", {}, 404),
    ("POST", IMAGE, {}, 405),
    ("PUT", INFO, {}, 405),
    ("DELETE", "/iiif/3/scan.png", {}, 405),
    ("GET", "/iiif/3/text.tif/full/max/0/default.jpg", {}, 500),
    ("GET", "/iiif/3/text.tif/info.json", {}, 500),
    ("GET", "/iiif/3/scan.png/full/^max/0/default.jpg", {}, 501),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), _EVERY_ANSWER)
@pytest.mark.parametrize("origin", [None, "https://viewer.example", "null"])
def test_every_answer_is_open_to_every_origin(still, method, path, headers, status, origin):
    headers = headers | ({"Origin": origin} if origin else {})
    response = still.open(path, method=method, headers=headers)
    assert response.status_code == status
    assert response.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "origin" not in response.headers.get("Vary", "").lower()
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [IMAGE, INFO, "/iiif/3/scan.png", "/iiif/2/none/info.json"])
def test_7_1_the_preflight_request_is_answered(client, path):
    asked = {"Origin": "https://viewer.example", "Access-Control-Request-Method": "GET"}
    response = client.options(path, headers=asked | {"Access-Control-Request-Headers": "X-Any"})
    assert response.status_code in (200, 204)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    methods = response.headers["Access-Control-Allow-Methods"].split(", ")
    assert {"GET", "HEAD", "OPTIONS"} <= set(methods)
    assert not {"POST", "PUT", "DELETE"} & set(methods)
    assert response.headers["Access-Control-Allow-Headers"] == "*"
    assert int(response.headers["Access-Control-Max-Age"]) > 0
    assert response.data == b""


def test_scripts_of_other_origins_may_read_the_headers_they_need(client):
    exposed = client.get(IMAGE).headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Link", "ETag", "Content-Disposition"} <= set(exposed)


# -- 2 the base URI


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("ending", ["", "/"])
def test_2_the_base_uri_leads_to_the_image_information(client, version, method, ending):
    response = client.open(f"/iiif/{version}/scan.png{ending}", method=method)
    assert response.status_code == 303
    assert response.headers["Location"] == f"http://localhost/iiif/{version}/scan.png/info.json"
    followed = client.get(response.headers["Location"])
    assert followed.get_json(force=True)["width"] == 60


# -- 5.1 media types


@pytest.mark.parametrize(
    ("version", "accept", "media_type"),
    [
        (3, None, LD_3),
        (3, "*/*", LD_3),
        (3, "application/*", LD_3),
        (3, "application/ld+json", LD_3),
        (3, LD_3, LD_3),
        (3, "application/json", PLAIN),
        (3, "application/json;charset=utf-8", PLAIN),
        (3, "application/json, application/ld+json;q=0.5", PLAIN),
        (3, "application/ld+json, application/json;q=0.9", LD_3),
        (3, "application/ld+json;q=0, application/json", PLAIN),
        (3, "text/html", LD_3),
        (3, "text/html,application/xhtml+xml,*/*;q=0.8", LD_3),
        (3, "nonsense", LD_3),
        (3, ";;;q=a,,", LD_3),
        (2, None, PLAIN),
        (2, "*/*", PLAIN),
        (2, "application/json", PLAIN),
        (2, "application/ld+json", LD_2),
        (2, LD_2, LD_2),
        (2, "application/ld+json;profile=http://iiif.io/api/image/2/context.json", LD_2),
        (2, "application/ld+json, application/json;q=0.5", LD_2),
        (2, "application/json, application/ld+json;q=0.5", PLAIN),
        (2, "text/html", PLAIN),
    ],
)
def test_5_1_the_media_type_is_negotiated(client, version, accept, media_type):
    headers = {} if accept is None else {"Accept": accept}
    response = client.get(f"/iiif/{version}/scan.png/info.json", headers=headers)
    assert response.status_code == 200
    assert response.content_type == media_type
    assert response.headers["Vary"] == "Accept"
    assert response.get_json(force=True)["width"] == 60


@pytest.mark.parametrize("version", [3, 2])
def test_plain_json_names_its_context(client, version):
    context = f"http://iiif.io/api/image/{version}/context.json"
    link = f'<{context}>;rel="http://www.w3.org/ns/json-ld#context";type="application/ld+json"'
    path = f"/iiif/{version}/scan.png/info.json"
    assert link in links(client.get(path, headers={"Accept": PLAIN}))
    assert link not in links(client.get(path, headers={"Accept": "application/ld+json"}))


@pytest.mark.parametrize("version", [3, 2])
def test_6_the_compliance_level_stands_in_a_link_header_of_both_responses(client, version):
    profile = f'<http://iiif.io/api/image/{version}/level2.json>;rel="profile"'
    for path in ("full/max/0/default.jpg", "info.json"):
        assert profile in links(client.get(f"/iiif/{version}/scan.png/{path}"))


# -- caching


@pytest.mark.parametrize("path", [IMAGE, INFO, "/iiif/2/scan.png/info.json"])
def test_a_strong_etag_and_nothing_changed(client, path):
    first = client.get(path)
    etag = first.headers["ETag"]
    assert re.fullmatch(r'"[!#-~]+"', etag)
    assert client.get(path).headers["ETag"] == etag
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        response = client.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.data) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary", "Link"):
            assert response.headers.get(name) == first.headers.get(name)
        assert "Content-Type" not in response.headers
    for other in ('"other"', '""', etag.swapcase(), "nonsense", ""):
        response = client.get(path, headers={"If-None-Match": other})
        assert (response.status_code, response.data) == (200, first.data)


def test_what_is_unchanged_is_known_without_a_pixel(serve, folder):
    etag = serve(folder).get(IMAGE).headers["ETag"]
    app = create_app(Config(folder=str(folder), data=folder / ".data"), NoPixels())
    response = app.test_client().get(IMAGE, headers={"If-None-Match": etag})
    assert response.status_code == 304


def test_head_says_what_get_says(client):
    for path in (IMAGE, INFO):
        got, head = dict(client.get(path).headers), client.head(path)
        assert head.data == b""
        length = got.pop("Content-Length")
        assert head.headers.get("Content-Length") == length  # what was made is kept
        assert {name: head.headers.get(name) for name in got} == got
        assert set(head.headers.keys()) <= {*got, "Content-Length", "X-Request-ID"}


def test_no_pixel_is_made_for_head(serve, folder):
    app = create_app(Config(folder=str(folder), data=folder / ".data"), NoPixels())
    assert app.test_client().head(IMAGE).status_code == 200


def test_every_media_type_of_info_json_has_its_own_etag(client):
    plain = client.get(INFO, headers={"Accept": PLAIN})
    linked = client.get(INFO, headers={"Accept": "application/ld+json"})
    assert plain.headers["ETag"] != linked.headers["ETag"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("full/max/0/default.jpg", "full/max/0/default.png"),
        ("full/max/0/default.jpg", "full/max/0/gray.jpg"),
        ("full/max/0/default.jpg", "full/max/!0/default.jpg"),
        ("full/max/0/default.jpg", "full/max/180/default.jpg"),
        ("full/max/0/default.jpg", "full/59,/0/default.jpg"),
        ("full/30,20/0/default.jpg", "0,0,59,40/30,20/0/default.jpg"),
    ],
)
def test_other_pixels_have_another_etag(client, one, other):
    etags = {client.get(f"/iiif/3/scan.png/{path}").headers["ETag"] for path in (one, other)}
    assert len(etags) == 2


@pytest.mark.parametrize(
    "paths",
    [
        ["full/max/0/default.jpg", "full/60,/0/color.jpg", "0,0,60,40/,40/360/native.jpg"],
        ["full/30,/0/default.jpg", "full/30,20/0/default.jpg", "full/!30,30/0/default.jpg"],
        ["0,0,30,20/max/90/gray.png", "pct:0,0,50,50/30,20/90.0/gray.png"],
    ],
)
def test_all_spellings_of_a_request_have_one_etag_and_the_same_bytes(client, paths):
    answers = [client.get(f"/iiif/3/scan.png/{path}") for path in paths]
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    assert len({answer.data for answer in answers}) == 1


def test_another_setting_of_the_encoder_has_another_etag(serve, folder):
    assert (
        serve(folder, jpeg_quality=40).get(IMAGE).headers["ETag"]
        != (serve(folder).get(IMAGE).headers["ETag"])
    )


def test_a_replaced_file_is_seen(serve, tmp_path):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "scan.png")
    client = serve(tmp_path)
    before = client.get(IMAGE)
    Image.new("RGB", (50, 40), "blue").save(tmp_path / "scan.part", "PNG")
    os.replace(tmp_path / "scan.part", tmp_path / "scan.png")  # noqa: PTH105
    after = client.get(IMAGE, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert client.get(INFO).get_json(force=True)["width"] == 50


def test_answers_may_be_kept_for_as_long_as_is_set_and_errors_not_at_all(serve, folder):
    client = serve(folder, max_age_s=77, upscaling=False)
    for method, path, headers, status in _EVERY_ANSWER:
        response = client.open(path, method=method, headers=headers)
        kept = response.headers.get("Cache-Control")
        if status >= 400:
            assert kept == "no-store", path
        elif status != 303:
            assert kept == "public, max-age=77, stale-while-revalidate=60", path


def test_nothing_is_shown_stale_where_nothing_may_be_kept(serve, folder):
    response = serve(folder, max_age_s=0).get("/iiif/3/scan.png/info.json")
    assert response.headers["Cache-Control"] == "public, max-age=0, stale-while-revalidate=0"


# -- errors


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [(method, path, status) for method, path, _, status in _EVERY_ANSWER if status >= 400],
)
def test_errors_are_problem_documents(still, method, path, status):
    response = still.open(path, method=method)
    assert response.content_type == "application/problem+json"
    if method == "HEAD":
        assert response.data == b""
        return
    document = response.json
    assert document["status"] == response.status_code == status
    assert document["title"]
    assert document["detail"]
    assert document["type"] == "about:blank"
    assert document["request"] == response.headers["X-Request-ID"]
    known = {"type", "title", "status", "detail", "parameter", "specification", "request"}
    assert set(document) <= known


@pytest.mark.parametrize(
    ("path", "parameter", "section"),
    [
        ("3/scan.png/x/max/0/default.jpg", "region", "3.0/#41-region"),
        ("3/scan.png/full/x/0/default.jpg", "size", "3.0/#42-size"),
        ("3/scan.png/full/max/x/default.jpg", "rotation", "3.0/#43-rotation"),
        ("3/scan.png/full/max/0/x.jpg", "quality", "3.0/#44-quality"),
        ("3/scan.png/full/max/0/default.x", "format", "3.0/#45-format"),
        ("3/scan.png/full/^max/0/default.jpg", "size", "3.0/#42-size"),
        ("3/scan.png/60,0,1,1/max/0/default.jpg", "region", "3.0/#41-region"),
        ("2/scan.png/x/max/0/default.jpg", "region", "2.1/#region"),
        ("2/scan.png/full/x/0/default.jpg", "size", "2.1/#size"),
        ("2/scan.png/full/max/x/default.jpg", "rotation", "2.1/#rotation"),
        ("2/scan.png/full/max/0/x.jpg", "quality", "2.1/#quality"),
        ("2/scan.png/full/max/0/default.x", "format", "2.1/#format"),
        ("2/scan.png/full/120,/0/default.jpg", "size", "2.1/#size"),
    ],
)
def test_a_problem_names_the_segment_and_the_section(still, path, parameter, section):
    document = still.get(f"/iiif/{path}").json
    assert document["parameter"] == parameter
    assert document["specification"] == f"https://iiif.io/api/image/{section}"


@pytest.mark.parametrize(
    ("path", "status"), [("/en/none", 404), (IMAGE, 200), (INFO, 200), ("/oembed", 404), ("/", 303)]
)
def test_bytes_in_a_query_that_are_no_text_do_no_harm(client, path, status):
    overrides = {"QUERY_STRING": "url=\xff\xfe&manifest=\xe6\xb5\xb7"}
    assert client.get(path, environ_overrides=overrides).status_code == status


@pytest.mark.parametrize("path", ["/viewer", "/compare"])
def test_the_end_of_a_line_in_a_query_ends_no_header(client, path):
    overrides = {"QUERY_STRING": "m\r\nX: 1=\0 2"}
    answer = client.get(path, environ_overrides=overrides)
    assert answer.status_code == 303
    assert "X" not in answer.headers
    assert not set("\r\n\0 ") & set(answer.headers["Location"])


def test_an_unknown_image_is_named(client):
    document = client.get("/iiif/3/none/full/max/0/default.jpg").json
    assert (document["status"], document["parameter"]) == (404, "identifier")
    assert "'none'" in document["detail"]


def test_a_method_that_is_not_allowed_says_which_are(client):
    allowed = client.post(IMAGE).headers["Allow"]
    assert {"GET", "HEAD", "OPTIONS"} == set(re.split(r",\s*", allowed))


@pytest.mark.parametrize("number", ["0", "1", "4", "03", "+3", "3.0", "３", "-3", "v3", "33"])
def test_other_versions_are_not_found(client, number):
    assert client.get(f"/iiif/{number}/scan.png/info.json").status_code == 404


# -- Content-Disposition


@pytest.mark.parametrize(
    ("query", "kind"), [("", "inline"), ("?download", "attachment"), ("?download=1", "attachment")]
)
def test_a_saved_picture_has_a_name_that_distinguishes_it(client, query, kind):
    asked = "/iiif/3/scan/0,0,30,20/15,/!90.0/gray.png"
    disposition = client.get(f"{asked}{query}").headers["Content-Disposition"]
    assert disposition.startswith(f'{kind}; filename="')
    plain = re.search(r'filename="([^"]*)"', disposition)[1]
    assert re.fullmatch(r"[A-Za-z0-9._,!^-]+", plain)
    for part in ("scan.png", "0,0,30,20", "15,10", "!90", "gray.png"):
        assert part in plain
