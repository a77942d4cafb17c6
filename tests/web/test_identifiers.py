"""Identifiers in addresses, what they must never reach, and under which `id` images are known."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

NAMES = ["plain.png", "box 1/page.png", "a/b/c/d.png", "資料/ば.png", "Й/ё.png", "ᠮᠣᠩᠭᠣᠯ.png"]
NAMES += [
    "what?.png",
    "no#1.png",
    "100%.png",
    "a%2Fb.png",
    "[x]@y.png",
    "a&b=c+d;e,f.png",
    "a:b.png",
]
NAMES += ["it's (1)!$*~.png", "full/max/0/default.jpg.png", 'quote".png', "<b>.png", "two.dots.png"]
NAMES += ["info.json.png", "x/info.json/y.png", "max/y.png"]


def put(path: Path, size: tuple[int, int] = (6, 4), colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images with every kind of name, beside secrets that nobody may reach."""
    root = tmp_path_factory.mktemp("identifiers")
    put(root / "secret.png")
    (root / "secret.txt").write_text("secret")
    shelf = root / "shelf"
    for name in NAMES:
        put(shelf / name)
    put(shelf / ".hidden.png")
    put(shelf / ".hidden" / "page.png")
    put(shelf / "twice.png")
    put(shelf / "twice.jpg")
    (shelf / "notes.txt").write_text("notes")
    (shelf / "out.png").symlink_to(root / "secret.png")
    (shelf / "up").symlink_to(root)
    (shelf / "root").symlink_to("/")
    return shelf


@pytest.fixture(scope="module")
def client(serve: Callable[..., FlaskClient], shelf: Path) -> FlaskClient:
    return serve(shelf)


@pytest.fixture(scope="module")
def behind(serve: Callable[..., FlaskClient], shelf: Path) -> Callable[..., FlaskClient]:
    """A function that returns a client of the shelf with any settings."""

    def make(**settings: object) -> FlaskClient:
        return serve(shelf, **settings)

    return make


# -- spelled in every way


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_found_with_its_slashes_raw_or_encoded(client, version, name):
    encoded = quote(name, safe="")
    key = "id" if version == 3 else "@id"
    for spelled in (encoded, quote(name), encoded.lower() if "%2F" in encoded else encoded):
        response = client.get(f"/iiif/{version}/{spelled}/info.json")
        assert response.status_code == 200, spelled
        service = response.get_json(force=True)[key]
        assert service.startswith(f"http://localhost/iiif/{version}/")
        last = service.removeprefix(f"http://localhost/iiif/{version}/")
        assert last.isascii()
        assert not set(last) & set('/?#[]@ "<>')
        # the address that it names is its own
        again = client.get(f"{service}/info.json")
        assert again.get_json(force=True)[key] == service
        assert client.get(f"{service}/full/max/0/default.png").status_code == 200
        assert client.get(f"/iiif/{version}/{spelled}").status_code == 303


@pytest.mark.parametrize("name", [name for name in NAMES if name != "a%2Fb.png"])
def test_the_id_has_the_ending_that_was_left_out(client, name):
    stem = quote(name.removesuffix(".png"), safe="")
    found = client.get(f"/iiif/3/{stem}/info.json").get_json(force=True)
    assert found["id"] == f"http://localhost/iiif/3/{quote(name, safe=_SAFE)}"


# what RFC 3986 and the specification's section 9 leave as it is
_SAFE = "!$&'()*+,;=:~"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["資料/ば.png", "Й/ё.png"])
def test_composed_and_decomposed_letters_are_the_same(client, name, form):
    spelled = quote(unicodedata.normalize(form, name), safe="")
    found = client.get(f"/iiif/3/{spelled}/info.json").get_json(force=True)
    assert found["id"] == f"http://localhost/iiif/3/{quote(name, safe='')}"


def test_a_saved_picture_is_called_by_its_identifier(client):
    for name in NAMES:
        response = client.get(f"/iiif/3/{quote(name, safe='')}/full/max/0/default.jpg")
        plain, extended = re.fullmatch(
            r"inline; filename=\"([^\"]+)\"(?:; filename\*=UTF-8''([A-Za-z0-9._~!^%-]+))?",
            response.headers["Content-Disposition"],
        ).groups()
        assert plain.isascii()
        assert not set(plain) & set('/\\%;<>:*?|"')
        whole = plain if extended is None else unquote(extended)
        assert whole == f"{name}/full/max/0/default.jpg".replace("/", "_")


@pytest.mark.parametrize(
    "path", ["full/max/0/default.jpg", "info.json", "", "none/max/0/default.jpg"]
)
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\t", "\x0b", "\x85", "\u2028"])
def test_no_letter_of_a_name_breaks_a_header(serve, tmp_path, path, end):
    name = f"a{end}X-Evil: 1{end}{end}<b>.png"
    put(tmp_path / name)
    response = serve(tmp_path).get(f"/iiif/3/{quote(name, safe='')}/{path}")
    assert response.status_code in (200, 303, 400, 404)
    assert "X-Evil" not in response.headers
    for value in response.headers.values():
        assert value.isascii()
        assert value.isprintable()


def test_an_address_is_decoded_once(client):
    assert client.get("/iiif/3/a%252Fb.png/info.json").status_code == 200
    assert client.get("/iiif/3/a%2Fb.png/info.json").status_code == 404
    assert client.get("/iiif/3/box%25201%2Fpage.png/info.json").status_code == 404
    assert client.get("/iiif/3/plain.png/%66ull/m%61x/0/default%2Ejpg").status_code == 200
    assert client.get("/iiif/3/plain.png/%2566ull/max/0/default.jpg").status_code == 400


def test_an_ambiguous_stem_is_not_found_and_names_the_full_names(client):
    for path in ("twice/info.json", "twice/full/max/0/default.jpg", "twice"):
        response = client.get(f"/iiif/3/{path}")
        assert response.status_code == 404
        assert "twice.jpg" in response.json["detail"]
        assert "twice.png" in response.json["detail"]
    assert client.get("/iiif/3/twice.png/info.json").status_code == 200
    assert client.get("/iiif/3/twice.jpg/full/max/0/default.jpg").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("plain.png/full/max/0/default.jpg", 200),
        ("a/b/c/d.png/full/max/0/default.jpg", 200),
        ("full/max/0/default.jpg.png/full/max/0/default.jpg", 200),
        ("a/b/c/d.png/info.json", 200),
        ("x/info.json/y.png/info.json", 200),
        ("info.json.png/info.json", 200),
        # the whole path names an image
        ("full/max/0/default.jpg.png", 303),
        ("full/max/0/default.jpg", 303),
        ("x/info.json/y.png", 303),
        ("a/b/c/d.png", 303),
        # the path less four segments does
        ("plain.png/full/max/0/nothing.jpg", 400),
        ("plain.png/a/b/c/d", 400),
        ("a/b/c/d.png/full/max/x/default.jpg", 400),
        # or nothing
        ("plain.png/full/max/0", 404),
        ("plain.png/full/max/0/default.jpg/more", 404),
        ("none/full/max/0/default.jpg", 404),
        ("none/full/max/0/nothing.jpg", 404),
        ("info.json", 303),  # an image of that name, its ending left out
        ("a/b/c/info.json", 404),
        ("plain.png/INFO.JSON", 404),
        ("PLAIN.png/info.json", 404),
        ("", 404),
        ("/info.json", 404),
        ("/plain.png/info.json", 404),
        ("full/max/0/default.png", 404),
    ],
)
def test_where_an_image_request_ends(client, path, status):
    assert client.get(f"/iiif/3/{path}").status_code == status


# -- what is never reached

_TRAVERSALS = ["..%2fsecret.png", "%2e%2e%2fsecret.png", "%2e%2e/secret.png", "..%5csecret.png"]
_TRAVERSALS += ["%252e%252e%252fsecret.png", "a/../../secret.png", "a%2f..%2f..%2fsecret.png"]
_TRAVERSALS += ["./plain.png", "%2fetc%2fpasswd", "/etc/passwd", "//etc/passwd", "%2Fplain.png"]
_TRAVERSALS += ["plain.png%00", "plain.png%00.jpg", "%00", "plain%00.png", "plain.png%0a", "%20"]
_TRAVERSALS += ["..%c0%afsecret.png", "%ff%fe.png", "%ed%a0%80.png", "a\\b\\c\\d.png", "~%2fx.png"]
_TRAVERSALS += [
    "out.png",
    "out",
    "up/secret.png",
    "up%2Fsecret",
    "root/etc/passwd",
    "up",
    "a",
    "a%2F",
]
_TRAVERSALS += [
    ".hidden.png",
    ".hidden",
    ".hidden/page.png",
    ".hidden%2Fpage",
    "notes.txt",
    "notes",
]
_TRAVERSALS += ["secret.txt", "..%2fsecret.txt", "file:%2F%2F%2Fetc%2Fpasswd", "*.png", "plain.p?g"]
_TRAVERSALS += ["plain.png/.", "plain.png/..", "a//b/c/d.png", "plain.png%2F", "．．／secret.png"]


@pytest.mark.parametrize("identifier", _TRAVERSALS)
@pytest.mark.parametrize("ending", ["/info.json", "/full/max/0/default.jpg"])
def test_nothing_outside_the_table_is_reached(client, shelf, identifier, ending):
    response = client.get(f"/iiif/3/{identifier}{ending}")
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert str(shelf.parent) not in response.text


def test_the_absolute_path_of_an_image_names_nothing(client, shelf):
    for name in ("plain.png", "../secret.png"):
        path = quote(str(shelf / name), safe="")
        assert client.get(f"/iiif/3/{path}/info.json").status_code == 404
        assert client.get(f"/iiif/3{shelf / name}/full/max/0/default.jpg").status_code == 404


def test_an_endless_identifier_is_not_found_and_not_repeated(client):
    response = client.get(f"/iiif/3/{'x' * 50_000}/info.json")
    assert response.status_code == 404
    assert len(response.data) < 1_000
    assert client.get(f"/iiif/3/{'x/' * 20_000}info.json").status_code == 404


_anything = st.text(st.characters(codec="utf-8"), max_size=12).map(
    lambda text: quote(text, safe="")
)
_hostile = st.sampled_from(
    ["full", "max", "0", "default.jpg", "^max", "!0", "..", "%00", "%2F", "%"]
)
_hostile |= st.sampled_from(
    ["pct:1,1,1,1", "1e9,", "0,0,0,0", "%C0", "9" * 200, "999999999,", "\\"]
)
_segment = st.one_of(_anything, _hostile)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.sampled_from(["3", "2"]),
    st.sampled_from(["plain.png", "plain", "none", "%2e%2e"]),
    st.lists(_segment, max_size=6),
)
def test_nothing_that_can_be_typed_is_the_servers_fault(client, version, identifier, segments):
    response = client.get("/".join(["/iiif", version, identifier, *segments]))
    assert response.status_code in (200, 303, 400, 404, 501)
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.sampled_from(["3", "2"]), _segment, _segment, _segment, _segment)
def test_no_four_segments_are_the_servers_fault(client, version, region, size, rotation, last):
    path = "/".join((region, size, rotation, last))
    response = client.get(f"/iiif/{version}/plain.png/{path}")
    assert response.status_code in (200, 303, 400, 404, 501)


# -- the address under which an image is known


def service(client: FlaskClient, path: str = "/iiif/3/plain/info.json", **request: object) -> str:
    response = client.get(path, **request)
    assert response.status_code == 200
    return str(response.get_json(force=True)["id"])


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8182", "http://localhost:8182"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("[::1]:8182", "http://[::1]:8182"),
        ("LOCALHOST", "http://LOCALHOST"),
        ("evil.example", None),
        ("localhost.evil.example", None),
        ("evil.example:8182", None),
        ("localhost@evil.example", None),
        ("localhost/evil", None),
        ("localhost:8182.evil.example", None),
        ('localhost"><script>', None),
        ("localhost\tx", None),
        ("", None),
    ],
)
def test_only_an_allowed_host_counts(behind, host, expected):
    found = service(behind(), headers={"Host": host}, environ_overrides=_LISTENING)
    expected = expected or "http://192.0.2.7:8182"
    assert found.lower() == f"{expected}/iiif/3/plain.png".lower()


@pytest.mark.parametrize(
    ("name", "expected"), [("::1", "[::1]"), ("fe80::1%eth0", "[fe80::1]"), ("a.test", "a.test")]
)
def test_where_it_listens_is_written_as_an_address(behind, name, expected):
    about = {"SERVER_NAME": name, "SERVER_PORT": "8182"}
    found = service(behind(), headers={"Host": "evil.example"}, environ_overrides=about)
    assert found == f"http://{expected}:8182/iiif/3/plain.png"


_LISTENING = {"SERVER_NAME": "192.0.2.7", "SERVER_PORT": "8182"}
_FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "scans.example.org",
    "X-Forwarded-Prefix": "/archive",
}
_PROXIED = {"allowed_hosts": ("scans.example.org", "localhost"), "trusted_proxies": ("192.0.2.1",)}


def test_a_trusted_proxy_is_believed(behind):
    found = service(
        behind(**_PROXIED), headers=_FORWARDED, environ_overrides={"REMOTE_ADDR": "192.0.2.1"}
    )
    assert found == "https://scans.example.org/archive/iiif/3/plain.png"


@pytest.mark.parametrize("peer", ["192.0.2.2", "127.0.0.1", "192.0.2.10", "", "::1"])
def test_anybody_else_is_not(behind, peer):
    found = service(behind(**_PROXIED), headers=_FORWARDED, environ_overrides={"REMOTE_ADDR": peer})
    assert found == "http://localhost/iiif/3/plain.png"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-Host": "evil.example"}, "https://192.0.2.7:8182/archive"),
        ({"X-Forwarded-Host": "scans.example.org/x"}, "https://192.0.2.7:8182/archive"),
        ({"X-Forwarded-Host": "scans.example.org:8443"}, "https://scans.example.org:8443/archive"),
        (
            {"X-Forwarded-Host": "scans.example.org, evil.example"},
            "https://scans.example.org/archive",
        ),
        ({"X-Forwarded-Proto": "javascript"}, "http://scans.example.org/archive"),
        ({"X-Forwarded-Proto": "https, http"}, "https://scans.example.org/archive"),
        ({"X-Forwarded-Prefix": "/archive/"}, "https://scans.example.org/archive"),
        ({"X-Forwarded-Prefix": "/a/b"}, "https://scans.example.org/a/b"),
        ({"X-Forwarded-Prefix": "//evil.example"}, "https://scans.example.org"),
        ({"X-Forwarded-Prefix": "/a?x=<b>"}, "https://scans.example.org"),
        ({"X-Forwarded-Prefix": "/../.."}, "https://scans.example.org"),
        ({"X-Forwarded-Prefix": "archive"}, "https://scans.example.org"),
    ],
)
def test_even_a_trusted_proxy_cannot_write_anything(behind, headers, expected):
    peer = {"REMOTE_ADDR": "192.0.2.1", **_LISTENING}
    found = service(behind(**_PROXIED), headers=_FORWARDED | headers, environ_overrides=peer)
    assert found == f"{expected}/iiif/3/plain.png"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"},
        {"X-Forwarded-Prefix": "/evil", "X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "host=evil.example;proto=http"},
        {"X-Original-URL": "/evil", "X-Rewrite-URL": "/evil"},
    ],
)
@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)])
def test_with_base_url_nothing_that_a_client_sends_counts(behind, headers, trusted):
    client = behind(base_url="https://archive.example/scans", trusted_proxies=trusted)
    assert service(client, headers=headers) == "https://archive.example/scans/iiif/3/plain.png"
    base = client.get("/iiif/3/plain.png", headers=headers).headers["Location"]
    assert base == "https://archive.example/scans/iiif/3/plain.png/info.json"
    link = client.get("/iiif/3/plain/full/max/0/default.jpg", headers=headers).headers["Link"]
    canonical = "https://archive.example/scans/iiif/3/plain.png/full/max/0/default.jpg"
    assert f'<{canonical}>;rel="canonical"' in link


@pytest.mark.parametrize("prefix", ["/scans", "/a/b", "/iiif", "/iiif/3", "/iiif/images", "/3"])
@pytest.mark.parametrize("passed_on", ["stripped", "whole"])
def test_a_proxy_may_strip_its_prefix_or_not(behind, prefix, passed_on):
    client = behind(base_url=f"https://archive.example{prefix}")
    before = "" if passed_on == "stripped" else prefix
    expected = f"https://archive.example{prefix}/iiif/3/a%2Fb%2Fc%2Fd.png"
    assert service(client, f"{before}/iiif/3/a%2Fb%2Fc%2Fd/info.json") == expected
    assert client.get(f"{before}/iiif/3/plain/full/max/0/default.jpg").status_code == 200
    assert client.get(f"{before}/iiif/3/none/full/max/0/default.jpg").status_code == 404


def test_a_path_that_only_begins_like_the_prefix_is_not_stripped(behind):
    client = behind(base_url="https://archive.example/scans")
    assert client.get("/scansiiif/3/plain/info.json").status_code == 404
    assert client.get("/scans/scans/iiif/3/plain/info.json").status_code == 404
