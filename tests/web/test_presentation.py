"""The Presentation API over HTTP: every id answers, in the version and coding that is wanted."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
import orjson
import pytest
from flask.testing import FlaskClient
from PIL import Image

from iiifserver.web.negotiation import coding_wanted, version_wanted

BASE = "https://archive.example.org/iiif"
P2 = "http://iiif.io/api/presentation/2/context.json"
P3 = "http://iiif.io/api/presentation/3/context.json"
LD = "application/ld+json;profile="
MANIFEST = "/presentation/3/ch01-01/manifest"


def path_of(address: str) -> str:
    assert address.startswith(f"{BASE}/")
    return address.removeprefix(BASE)


def read(client: FlaskClient, path: str, **headers: str) -> Any:
    response = client.get(path, headers={name.replace("_", "-"): v for name, v in headers.items()})
    assert response.status_code == 200, path
    return orjson.loads(response.data)


def walk(value: object) -> Iterator[tuple[str, str]]:
    """Yield every string below *value* with the key that it stands under."""
    if isinstance(value, dict):
        for name, part in value.items():
            if isinstance(part, str):
                yield name, part
            else:
                yield from ((key or name, text) for key, text in walk(part))
    elif isinstance(value, list):
        for part in value:
            yield from [("", part)] if isinstance(part, str) else walk(part)


def ids(document: object) -> set[str]:
    """Return every address of ours that *document* names as an id, or by an id of 2.1."""
    names = {"id", "@id", "on", "canvases", "ranges", "startCanvas", "target", "source"}
    found = {text for name, text in walk(document) if name in names}
    return {address for address in found if address.startswith(f"{BASE}/")}


def documents(client: FlaskClient, version: int) -> dict[str, Any]:
    """Return all documents that lead from one to the other, by their addresses."""
    found: dict[str, Any] = {}
    waiting = [f"{BASE}/presentation/{version}/collection"]
    while waiting:
        address = waiting.pop()
        if address in found:
            continue
        found[address] = read(client, path_of(address))
        waiting += [
            each
            for each in ids(found[address])
            if each.startswith(f"{BASE}/presentation/{version}/")
            and each.endswith(("/manifest", "/collection"))
        ]
    return found


@pytest.mark.parametrize("version", [3, 2])
def test_every_id_in_every_document_dereferences(demo, version):
    found = documents(demo, version)
    assert len(found) > 30
    addresses = {each for document in found.values() for each in ids(document)}
    assert len(addresses) > 400
    kinds = ("/canvas/", "/annotation-page/", "/range/", "/record.json", "/record.pdf", "/iiif/3/")
    if version == 3:
        assert all(any(kind in each for each in addresses) for kind in kinds)
    refused = {}
    for address in sorted(addresses):
        parts = urlsplit(path_of(address))
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        response = demo.get(path, buffered=True)
        if response.status_code == 303:
            response = demo.get(path_of(response.headers["Location"]))
        if response.status_code != 200:
            refused[address] = response.status
        elif parts.fragment in ("painting", "sequence"):
            named = {text for _, text in walk(orjson.loads(response.data))}
            if address not in named:
                refused[address] = "the fragment is not in it"
    assert refused == {}


@pytest.mark.parametrize("version", [3, 2])
def test_every_document_is_at_its_own_id(demo, version):
    key = "id" if version == 3 else "@id"
    found = documents(demo, version)
    assert {document[key] for document in found.values()} == found.keys()
    assert {document["@context"] for document in found.values()} == {P3 if version == 3 else P2}


@pytest.mark.parametrize(
    ("path", "kind", "holder"),
    [
        ("/presentation/ch01-01/canvas/1", "Canvas", "ch01-01"),
        ("/presentation/ch03/canvas/to-follow", "Canvas", "ch03"),
        ("/presentation/3/ch01-01/annotation-page/1", "AnnotationPage", "ch01-01"),
        ("/presentation/3/ch01/range/contents", "Range", "ch01"),
        ("/presentation/3/ch01/range/ch01-01", "Range", "ch01"),
    ],
)
def test_parts_are_documents_that_say_where_they_belong(demo, path, kind, holder):
    part = read(demo, path)
    assert (part["@context"], part["type"]) == (P3, kind)
    assert path_of(part["id"]) == path
    assert part["partOf"][0]["id"] == f"{BASE}/presentation/3/{holder}/manifest"
    whole = read(demo, f"/presentation/3/{holder}/manifest")
    assert {k: v for k, v in part.items() if k not in ("@context", "partOf")} in list(nodes(whole))


def nodes(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from nodes(part)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/presentation/2/ch01-01/annotation-page/1", "sc:AnnotationList"),
        ("/presentation/2/ch01/range/contents", "sc:Range"),
    ],
)
def test_parts_have_twins_of_version_2(demo, path, kind):
    part = read(demo, path)
    assert (part["@context"], part["@type"], path_of(part["@id"])) == (P2, kind, path)
    assert "/presentation/2/" in part["within"]["@id"]


def test_a_canvas_has_one_id_in_the_version_that_is_wanted(demo):
    path = "/presentation/ch01-01/canvas/1"
    third, second = read(demo, path), read(demo, path, Accept=f'{LD}"{P2}"')
    assert third["id"] == second["@id"] == f"{BASE}{path}"
    assert (third["@context"], second["@context"]) == (P3, P2)
    assert "Accept" in demo.get(path).headers["Vary"]


@pytest.mark.parametrize(
    "path",
    [
        "/presentation/3/nothing/manifest",
        "/presentation/nothing/manifest",
        "/presentation/nothing/canvas/1",
        "/presentation/ch01-01/canvas/99",
        "/presentation/3/ch01-01/canvas/1",  # it has one id, without a version
        "/presentation/ch01/range/contents",
        "/presentation/3/ch01/range/nothing",
        "/presentation/4/ch01/manifest",
        "/presentation/ch01/record.pdf",  # a chapter is no record
        "/presentation/ch01/record.json",
        "/presentation/3/ch01-01/record.json",
        "/presentation/3/../../editions/000001.json",
        "/presentation/" + "canvas/" * 400,
    ],
)
def test_what_is_not_there_is_404_for_every_origin(demo, path):
    response = demo.get(path)
    assert response.status_code == 404
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.content_type == "application/problem+json"


# -- negotiation


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("", 3),
        ("*/*", 3),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 3),
        ("application/json", 3),
        (f'{LD}"{P3}"', 3),
        (f'{LD}"{P2}"', 2),
        (f'application/json;profile="{P2}"', 2),
        (f'{LD}"{P2}", */*;q=0.1', 2),
        (f'{LD}"{P2}";q=0.4, {LD}"{P3}";q=0.5', 3),
        (f'{LD}"{P2}";q=0.5, {LD}"{P3}";q=0.4', 2),
        (f'{LD}"{P2}", {LD}"{P3}"', 3),
        (f'{LD}"{P2} {P3}"', 3),
        (f'{LD}"{P2}";q=0', 3),
        (";;;,,q=", 3),
    ],
)
def test_accept_names_a_version_by_its_context(demo, accept, version):
    assert version_wanted(accept) == version
    for name in ("ch01/manifest", "ch01/collection", "collection"):
        response = demo.get(f"/presentation/{name}", headers={"Accept": accept})
        assert response.status_code == 303
        assert response.headers["Location"] == f"{BASE}/presentation/{version}/{name}"
        assert response.headers["Vary"] == "Accept"
        assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", "identity"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0, gzip;q=0.2", "gzip"),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "gzip"),
        ("identity", "identity"),
        ("gzip;q=0.5, identity;q=0.9", "identity"),
        ("deflate", "identity"),
        ("identity;q=0, *;q=0", "identity"),  # nothing is acceptable: what everybody can read
        ("GZIP", "gzip"),
        ("gzip;q=nonsense", "identity"),
    ],
)
def test_content_codings_are_chosen_by_their_quality(demo, accepted, coding):
    assert coding_wanted(accepted, ["identity", "gzip", "br"]) == coding
    response = demo.get(MANIFEST, headers={"Accept-Encoding": accepted})
    assert response.headers.get("Content-Encoding", "identity") == coding
    assert response.headers["Vary"] == "Accept-Encoding"
    decode: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "br": brotli.decompress,
        "identity": bytes,
    }
    assert orjson.loads(decode[coding](response.data))["id"] == f"{BASE}{MANIFEST}"
    assert int(response.headers["Content-Length"]) == len(response.data)


def test_a_coding_that_saves_nothing_is_not_chosen():
    assert coding_wanted("br, gzip", ["identity"]) == "identity"
    assert coding_wanted("br, gzip", ["identity", "gzip"]) == "gzip"


# -- validators, HEAD, other origins


@pytest.mark.parametrize("coding", ["identity", "gzip", "br"])
@pytest.mark.parametrize(
    "path",
    [
        MANIFEST,
        "/presentation/2/ch01/collection",
        "/presentation/ch01-01/record.xml",
        "/presentation/ch01-01/canvas/1",
        "/presentation/ch01-01/record.pdf",
    ],
)
def test_what_a_client_has_is_not_sent_again(demo, path, coding):
    headers = {"Accept-Encoding": coding}
    first = demo.get(path, headers=headers, buffered=True)
    tag = first.headers["ETag"]
    assert tag.startswith('"')
    again = demo.get(path, headers={**headers, "If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag
    assert again.headers["Access-Control-Allow-Origin"] == "*"
    assert again.headers.get("Vary") == first.headers.get("Vary")
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    weak = demo.get(path, headers={**headers, "If-None-Match": f"W/{tag}"})
    assert weak.status_code == 304


@pytest.mark.parametrize("path", [MANIFEST, "/presentation/ch01-01/canvas/1"])
def test_head_is_get_without_a_body(demo, path):
    got, asked = demo.get(path), demo.head(path)
    assert asked.data == b""
    del got.headers["X-Request-ID"], asked.headers["X-Request-ID"]
    assert dict(asked.headers) == dict(got.headers)


def test_each_coding_has_a_strong_tag_of_its_own(demo):
    tags = {
        demo.get(MANIFEST, headers={"Accept-Encoding": coding}).headers["ETag"]
        for coding in ("identity", "gzip", "br")
    }
    assert len(tags) == 3
    assert not any(tag.startswith("W/") for tag in tags)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (MANIFEST, f'{LD}"{P3}"'),
        ("/presentation/2/ch01-01/manifest", f'{LD}"{P2}"'),
        ("/presentation/2/ch01/range/contents", f'{LD}"{P2}"'),
        ("/presentation/ch01-01/record.json", "application/json"),
        ("/presentation/ch01-01/record.pdf", "application/pdf"),
    ],
)
def test_documents_say_what_they_are(demo, path, content_type):
    response = demo.get(path, buffered=True)
    assert response.content_type == content_type
    assert response.headers["Access-Control-Allow-Origin"] == "*"


# -- a folder of images as it is


@pytest.fixture
def folder(serve: Callable[..., FlaskClient], tmp_path: Path) -> FlaskClient:
    for name in ("one.png", "canvas/canvas/two #2.png"):
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (30, 20)).save(path)
    return serve(tmp_path / "scans", base_url=BASE)


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("name", [".folder", "canvas%2Fcanvas"])
def test_every_id_of_a_folder_dereferences_too(folder, name, version):
    manifest = read(folder, f"/presentation/{version}/{name}/manifest")
    assert manifest["@context"] == (P3 if version == 3 else P2)
    addresses = ids(manifest)
    assert len(addresses) >= 6
    for address in addresses:
        path = path_of(address).partition("#")[0]
        response = folder.get(path)
        if response.status_code == 303:
            response = folder.get(path_of(response.headers["Location"]))
        assert response.status_code == 200, address
