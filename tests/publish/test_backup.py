"""A backup is a copy of two directories, also one that is made while somebody publishes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from in_this_process import InThisProcess
from small_exhibition import Small, png
from store_servers import S3

from iiifserver.cli import main
from iiifserver.config import Config
from iiifserver.edition import (
    current,
    numbers,
    object_key,
    pyramid_key,
    read_index,
    sidecar_name,
)
from iiifserver.errors import ConfigurationError
from iiifserver.publish.restore import restore
from iiifserver.stores import opened
from iiifserver.web import create_app

LARGE = (1_100, 1_000)  # so that it gets a pyramid


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path / "live")
    (made.scans / "b1" / "1.png").write_bytes(png(*LARGE))
    made.publish()
    return made


def restored(small: Small, place: Path) -> Config:
    """Return settings for what was copied to *place*, after the original is gone."""
    shutil.copytree(small.data, place / "data")
    shutil.copytree(small.scans, place / "images")
    shutil.rmtree(small.data.parent)
    done = restore(place / "data", place / "images")
    assert (done.published.changed, done.missing) == (True, [])
    return Config(data=place / "data")


def asked(client: FlaskClient) -> dict[str, tuple[int, str, bytes]]:
    """Return status, ETag and bytes of documents and pages, and of a tile of each image."""
    images = [f"{record}-{page}" for record in ("a1", "a2", "b1") for page in "12"]
    paths = [
        f"/presentation/{version}/{name}/manifest"
        for name in ("a1", "a2", "b1")
        for version in "32"
    ]
    paths += ["/presentation/3/collection", "/presentation/a1/record.json", "/en/letters/a/"]
    paths += [f"/iiif/3/{name}/0,0,60,80/60,/0/default.jpg" for name in images]
    paths += [f"/iiif/3/{name}/info.json" for name in images]
    answers = {path: client.get(path) for path in paths}
    return {
        path: (answer.status_code, answer.headers.get("ETag", ""), answer.data)
        for path, answer in answers.items()
    }


def client(config: Config) -> FlaskClient:
    return create_app(config, InThisProcess()).test_client()


def test_what_is_restored_elsewhere_answers_the_same_bytes_and_tags(
    small: Small, tmp_path: Path
) -> None:
    before = asked(client(small.config()))
    after = asked(client(restored(small, tmp_path / "elsewhere")))
    assert {path for path, answer in before.items() if answer[0] != 200} == set()
    assert {path: answer[2] for path, answer in after.items()} == {
        path: answer[2] for path, answer in before.items()
    }
    # of scans that are served as they are the tag tells the file, which is another one now
    pictures = {path for path in before if "default.jpg" in path and "b1-1" not in path}
    assert {path for path in before if before[path][1] != after[path][1]} <= pictures


def test_a_copy_that_is_made_while_somebody_publishes_is_whole(
    small: Small, tmp_path: Path
) -> None:
    stop = threading.Event()

    def publish() -> None:
        for number in range(200):
            if stop.is_set():
                break
            small.titles["a1"] = f"Record of the moment {number}"
            small.write()
            small.publish()

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        while len(numbers(small.data)) < 3:
            pass
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("editions", "objects", "pyramids"):  # the manual's order
            shutil.copytree(small.data / name, copy / name, ignore=shutil.ignore_patterns(".*"))
    finally:
        stop.set()
        publisher.join()
    assert restore(copy).missing == []
    assert current(copy).number in numbers(small.data)
    answers = asked(client(Config(data=copy)))
    assert {path for path, answer in answers.items() if answer[0] != 200} == set()


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("data/objects", "the documents of a1"),
        ("data/pyramids", "the pyramid of b1-1"),
        ("images/a2", "the scan of a2-1: "),
    ],
)
def test_what_is_missing_of_a_copy_is_named_and_nothing_is_changed(
    small: Small, gone: str, said: str
) -> None:
    shutil.rmtree(small.data.parent / gone)
    done = restore(small.data, small.scans)
    assert [each for each in done.missing if each.startswith(said)]
    assert numbers(small.data) == [1]
    run = CliRunner().invoke(main, ["restore", "--data", str(small.data)])
    assert (run.exit_code, run.output.splitlines()[0][:8]) == (1, "missing:")


def test_a_whole_edition_is_called_whole(small: Small) -> None:
    run = CliRunner().invoke(main, ["restore", "--data", str(small.data)])
    assert (run.exit_code, run.output) == (0, "edition 1 is whole\n")


def test_a_store_is_checked_and_needs_no_scans(small: Small, s3: S3) -> None:
    home = f"{s3.bucket('copied')}/archive"
    small.publish(store=home)
    assert restore(home) == ((1, False), [])
    with pytest.raises(ConfigurationError, match="needs no scans"):
        restore(home, small.scans)
    store, index = opened(home), read_index(home, 1)
    lost = [index["units"]["a1"]["object"], index["images"]["b1-1"]["pyramid"]]
    sidecar = sidecar_name(index["images"]["a2-1"]["pyramid"])
    store.delete([object_key(lost[0]), pyramid_key(lost[1]), pyramid_key(sidecar)])
    done = restore(home)
    assert done.published == (1, False)
    assert {"the documents of a1", "the pyramid of b1-1", "the pyramid of a2-1"} <= {*done.missing}
