"""Files under names that change with their content, in the coding a browser takes."""

from __future__ import annotations

import gzip

import pytest
from flask import Flask

from iiifserver.urls import Urls
from iiifserver.web.assets import MAX_FILES, Assets
from iiifserver.web.pages import blueprint
from iiifserver.web.site import FolderSite, Listing

SCRIPT = b"let a = 1;\n" * 50


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "viewers").mkdir()
    (tmp_path / "viewers" / "a.js").write_bytes(SCRIPT)
    (tmp_path / "viewers" / "a.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "viewers" / "a.js.br").write_bytes(b"as if it were brotli")
    (tmp_path / "viewers" / "STAMP").write_text("secret")
    (tmp_path / "viewers" / "c.woff2").write_bytes(b"letters")
    (tmp_path / "b.css").write_text("b {}")
    return tmp_path


@pytest.fixture
def get(folder):
    urls = Urls("http://x")
    site = FolderSite(
        "files", ("en",), lambda: urls, lambda path: Listing({}), lambda name: None, urls.image
    )
    assets = Assets(folder)
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(blueprint(site, assets))
    client = app.test_client()
    return lambda file, **headers: client.get(f"/static/{assets.name(file)}", headers=headers)


def test_a_name_changes_with_the_content(folder):
    before = Assets(folder)
    (folder / "b.css").write_text("b { color: red }")
    after = Assets(folder)
    assert before.name("b.css") != after.name("b.css")
    assert before.name("viewers/a.js") == after.name("viewers/a.js")
    assert after.get(before.name("b.css")) is None


def test_compressed_copies_and_the_stamp_are_no_files_of_their_own(folder):
    assets = Assets(folder)
    assert "viewers/a.js" in assets
    assert not [name for name in ("viewers/a.js.gz", "viewers/STAMP") if name in assets]


def test_a_folder_with_too_many_files_is_refused(tmp_path):
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.css").touch()
    with pytest.raises(ValueError, match="more than"):
        Assets(tmp_path)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("*", "br"),
        ("identity", None),
        ("", None),
        (None, None),
    ],
)
def test_a_file_comes_in_the_smallest_coding_that_is_taken(get, accepted, coding):
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    response = get("viewers/a.js", **headers)
    assert response.headers.get("Content-Encoding") == coding
    assert response.headers["Vary"] == "Accept-Encoding"
    assert response.content_type == "text/javascript; charset=utf-8"
    body = {"br": b"as if it were brotli", "gzip": gzip.compress(SCRIPT), None: SCRIPT}[coding]
    if coding == "gzip":
        assert gzip.decompress(response.data) == SCRIPT
    else:
        assert response.data == body


def test_every_coding_has_its_own_tag_and_is_not_sent_twice(get):
    tags = {
        get("viewers/a.js", **{"Accept-Encoding": coding}).headers["ETag"]
        for coding in ("br", "gzip", "identity")
    }
    assert len(tags) == 3
    again = get("viewers/a.js", **{"Accept-Encoding": "br", "If-None-Match": ", ".join(tags)})
    assert (again.status_code, again.data) == (304, b"")


def test_a_style_comes_compressed_and_a_font_as_it_is(get, folder):
    response = get("b.css", **{"Accept-Encoding": "br, gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.data) == b"b {}"
    assert get("b.css").data == b"b {}"
    response = get("viewers/c.woff2", **{"Accept-Encoding": "br, gzip"})
    assert response.data == b"letters"
    assert "Content-Encoding" not in response.headers
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_style_names_others_by_their_public_names_and_changes_with_them(folder):
    style = folder / "viewers" / "letters.css"
    style.write_text('@font-face { src: url("c.woff2") } i { background: url("data:,x") }')
    before = Assets(folder)
    text = before.get(before.name("viewers/letters.css")).read("identity").decode()
    public = before.name("viewers/c.woff2").removeprefix("viewers/")
    assert text == f'@font-face {{ src: url("{public}") }} i {{ background: url("data:,x") }}'
    (folder / "viewers" / "c.woff2").write_bytes(b"other letters")
    after = Assets(folder)
    assert after.name("viewers/letters.css") != before.name("viewers/letters.css")


def test_a_style_that_names_a_file_that_is_not_there_is_found_out_at_once(folder):
    (folder / "a.css").write_text('i { background: url("gone.svg") }')
    with pytest.raises(KeyError, match=r"gone\.svg"):
        Assets(folder)
