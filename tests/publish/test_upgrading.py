"""Editions of older programs are read, made ours, and published anew without a changed address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from in_this_process import InThisProcess
from small_exhibition import Small

from iiifserver.cli import main
from iiifserver.edition import (
    FORMAT,
    PAGE,
    Current,
    current,
    index_path,
    numbers,
    object_path,
    read_unit,
)
from iiifserver.errors import ConfigurationError
from iiifserver.publish.edition import Store, prune, relink, rollback
from iiifserver.publish.objects import pack, unpack
from iiifserver.publish.upgrade import upgrade
from iiifserver.web import create_app

MANIFEST = "/presentation/3/a1/manifest"
TILE = "/iiif/3/a1-1/0,0,60,80/30,/0/default.jpg"


def written_before_pages(small: Small) -> None:
    """Make the current edition what the program of commit d12e4df wrote from the same sheets."""
    number = numbers(small.data)[-1]
    path = index_path(small.data, number)
    index: dict[str, Any] = orjson.loads(path.read_bytes())
    for unit in index["units"].values():
        before = read_unit(object_path(small.data, unit["object"]))
        documents = {name: each for name, each in unpack(before).items() if name != PAGE}
        packed = pack(documents, before.label, before.images, index["base_url"])
        Store(small.data).put(packed)
        unit["object"] = packed.digest
    for image in index["images"].values():
        del image["tiles"]
    site = {key: index["site"][key] for key in ("title", "summary", "notice", "languages")}
    entries = {"entries": [{"label": {"en": ["First"]}, "image_count": 4}]}
    old = {key: index[key] for key in ("format", "base_url", "follows_server", "units")}
    old |= {"images_root": index["images_root"], "images": index["images"], "site": site | entries}
    path.write_bytes(orjson.dumps(old))


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    made.publish()
    return made


@pytest.fixture
def old(small: Small) -> Small:
    written_before_pages(small)
    return small


def client(small: Small) -> FlaskClient:
    return create_app(small.config(), InThisProcess()).test_client()


def test_an_edition_of_before_pages_is_served_without_them(small: Small) -> None:
    ours = client(small)
    before = [ours.get(MANIFEST), ours.get(TILE)]
    written_before_pages(small)
    asked = client(small)
    for answer, path in zip(before, (MANIFEST, TILE), strict=True):
        now = asked.get(path)
        assert (now.status_code, now.data) == (200, answer.data)
        same = now.headers["ETag"] == answer.headers["ETag"]
        assert same is (path == MANIFEST)  # a picture's tells whether it comes from a sidecar
    assert asked.get("/iiif/3/a1-1/info.json").status_code == 200
    assert asked.get("/iiif/3/none/info.json").status_code == 404
    assert asked.get("/ready").status_code == 200


@pytest.mark.parametrize(
    "path", ["/en/", "/en/letters/", "/en/letters/a/", "/en/letters/record/a1", "/en/letters/about"]
)
def test_a_page_that_an_older_program_did_not_write_says_so(old: Small, path: str) -> None:
    answer = client(old).get(path, headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert "published by an older program, without pages" in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/sitemap.xml", "/robots.txt", "/viewer", "/compare", "/embed/a1", "/oembed"]
)
def test_nothing_breaks_where_pages_are_missing(old: Small, path: str) -> None:
    assert client(old).get(path).status_code < 500


def test_the_log_says_what_an_old_edition_lacks_and_what_to_do(
    old: Small, caplog: pytest.LogCaptureFixture
) -> None:
    Current(old.data)
    (said,) = caplog.messages
    assert said.startswith("edition 1 was written by an older program: it has no pages to read")
    assert "publish it again" in said


def test_an_edition_of_the_very_first_program_is_served(old: Small) -> None:
    path = index_path(old.data, 1)
    index = orjson.loads(path.read_bytes())
    del index["site"]["notice"]
    path.write_bytes(orjson.dumps(index))
    asked = client(old)
    assert asked.get(MANIFEST).status_code == asked.get(TILE).status_code == 200
    assert asked.get("/en/letters/a/").status_code == 404


def test_upgrading_makes_an_old_edition_ours_and_changes_no_document(old: Small) -> None:
    before = current(old.data)
    done = upgrade(old.data)
    assert (done.published.number, done.published.changed) == (2, True)
    assert "no pages" in done.left[0]
    after = current(old.data)
    assert after.units == before.units
    written: dict[str, Any] = orjson.loads(index_path(old.data, 2).read_bytes())
    assert written["highest"] == {"a1": 2, "a2": 2, "b1": 2}
    assert (written["gone"], written["site"]["exhibition"]) == ([], "letters")
    assert upgrade(old.data).published == (2, False)
    assert index_path(old.data, 1).exists()  # to go back with the program that wrote it


def test_an_edition_of_ours_needs_no_upgrade(small: Small) -> None:
    done = upgrade(small.data)
    assert (done.published, done.left) == ((1, False), [])


def test_what_is_done_with_editions_can_be_done_with_old_ones(old: Small) -> None:
    assert relink(old.data, "https://new.example.org", follows_server=False)
    assert current(old.data).base_url == "https://new.example.org"
    assert rollback(old.data, 1) == (2, False)  # which stays at the new address
    assert prune(old.data, 1).editions <= 2


def test_publishing_again_brings_pages_and_keeps_every_address(old: Small) -> None:
    images = sorted(current(old.data).images.files)
    assert "edition 2 published" in old.publish()
    edition = current(old.data)
    assert (edition.lacks, sorted(edition.images.files)) == ((), images)
    assert client(old).get("/en/letters/record/a1").status_code == 200
    assert edition.gone == frozenset()


def test_the_command_says_what_it_did(old: Small) -> None:
    said = CliRunner().invoke(main, ["upgrade", "--data", str(old.data)]).output
    assert said.startswith("edition 2 published\nedition 2: it has no pages to read")
    old.publish()
    said = CliRunner().invoke(main, ["upgrade", "--data", str(old.data)]).output
    assert said == "edition 3 is as this program writes it\n"


@pytest.mark.parametrize(
    ("found", "advice"),
    [(FORMAT + 1, "a newer program wrote it"), (1, "publish it anew"), ("x", "publish it anew")],
)
def test_a_format_that_is_not_known_is_refused_with_advice(
    small: Small, found: object, advice: str
) -> None:
    index = orjson.loads(index_path(small.data, 1).read_bytes())
    index_path(small.data, 2).write_bytes(orjson.dumps(index | {"format": found}))
    with pytest.raises(ConfigurationError, match=advice):
        upgrade(small.data)
