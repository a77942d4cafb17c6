"""Serving what lies in a store: by ranges, from nodes that hold nothing."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from both_doors import BothDoors, said_by
from flask.testing import FlaskClient
from image_sources import picture
from in_this_process import InThisProcess
from PIL import Image
from small_exhibition import Small
from store_servers import S3, until

from iiifserver.config import Config
from iiifserver.edition import read_index
from iiifserver.publish import pyramids
from iiifserver.publish.jobs import Workers
from iiifserver.stores import opened
from iiifserver.web import create_app

SLOW = (1_300, 1_200)  # more than four tiles of 512, and edges in both directions
_count = itertools.count()
TILE = "0,0,512,512/512,512/0/default.jpg"
INNER = [TILE, "512,512,512,512/512,512/0/default.jpg", "0,0,1024,1024/512,512/0/default.jpg"]
EDGES = ["1024,1024,276,176/276,176/0/default.jpg", "full/90,/0/default.jpg"]
WHOLE = "full/max/0/default.jpg"
RENDERS = [
    "full/,150/0/default.jpg",
    "100,100,700,600/350,300/0/default.jpg",
    "0,0,512,512/512,512/0/gray.jpg",
    "0,0,512,512/512,512/90/default.jpg",
    "1024,1024,276,176/276,176/!180/gray.jpg",
    "full/600,/0/default.png",
    "10,10,90,90/max/22.5/bitonal.png",
    WHOLE,
    "0,0,512,512/512,512/0/default.webp",
]


def threads(count: int) -> Executor:
    return ThreadPoolExecutor(count)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pyramids in a thread: starting processes takes longer than these scans."""
    monkeypatch.setattr(pyramids, "workers_of", lambda *_, **__: nullcontext(Workers(1, threads)))


@pytest.fixture
def bucket(s3: S3) -> str:
    return f"{s3.bucket(f'served{next(_count)}')}/archive"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    picture(*SLOW).save(made.scans / "b1" / "1.png")
    return made


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., FlaskClient]:
    """A function that returns a client of a new node, which has nothing but its settings."""

    def make(**settings: Any) -> FlaskClient:
        data = tmp_path / f"node{next(_count)}"
        config = Config(**{"data": data, **settings})
        app = create_app(config, InThisProcess())
        app.test_client_class = FlaskClient
        client = app.test_client()
        client.data = data
        return client

    return make


def image(client: FlaskClient, asked: str, name: str = "b1-1", **headers: str) -> Any:
    return client.get(f"/iiif/3/{name}/{asked}", headers=headers)


def reads(s3: S3) -> list[Any]:
    """Return what was read; besides, a node asks now and then for a list of new editions."""
    assert all(each.method == "GET" for each in s3.asked)
    return [each for each in s3.asked if "list-type" not in each.query]


def endings(s3: S3) -> list[str]:
    return [each.path.rpartition(".")[2] for each in reads(s3)]


def test_a_tile_is_one_range_read_and_its_header_none(
    small: Small, bucket: str, node: Callable[..., FlaskClient], s3: S3
) -> None:
    small.publish(store=bucket)
    client = node(store=bucket)
    s3.asked.clear()
    assert image(client, "info.json").status_code == 200
    assert endings(s3) == ["tiles"]  # all that is known of it
    for asked in (*INNER, *EDGES):
        s3.asked.clear()
        answer = image(client, asked)
        assert answer.status_code == 200
        assert answer.data[:2] == b"\xff\xd8"
        [read] = reads(s3)
        assert (read.method, read.range[:6]) == ("GET", "bytes=")
        assert len(answer.data) < 120_000
        s3.asked.clear()
        assert image(client, asked).data == answer.data  # from memory, at once
        assert reads(s3) == []


def test_answers_are_those_of_a_server_that_has_the_files(
    small: Small, bucket: str, node: Callable[..., FlaskClient], s3: S3
) -> None:
    small.publish(store=bucket, base_url="http://localhost")
    small.publish(store=str(small.data / "store"), base_url="http://localhost")
    far, near = node(store=bucket), node(store=str(small.data / "store"))
    s3.asked.clear()
    for asked in (*INNER, *EDGES, *RENDERS):
        for name in ("b1-1", "b1-2"):
            there, here = image(far, asked, name), image(near, asked, name)
            assert said_by(there) == said_by(here)
    assert reads(s3)
    for page in (
        "/presentation/3/a1/manifest",
        "/en/letters/record/a1",
        "/presentation/2/b/manifest",
    ):
        assert far.get(page).data == near.get(page).data


def test_a_render_reads_the_tiles_that_it_needs_and_no_others(
    small: Small, bucket: str, node: Callable[..., FlaskClient], s3: S3
) -> None:
    picture(3_000, 2_600).save(small.scans / "b1" / "1.png")
    small.publish(store=bucket)
    [pyramid] = [key for key in opened(bucket).list("pyramids") if key.key.endswith(".tif")]
    client = node(store=bucket)
    image(client, "info.json")
    s3.asked.clear()
    image(client, "10,10,300,300/150,150/0/default.jpg")
    assert endings(s3) == ["tiles", "tif"], "its directories are in the sidecar"
    s3.asked.clear()
    answer = image(client, "600,600,300,300/300,300/0/default.png")
    assert Image.open(io.BytesIO(answer.data)).size == (300, 300)
    assert len(reads(s3)) == 1  # within one tile
    first, last = reads(s3)[0].range.removeprefix("bytes=").split("-")
    assert int(last) - int(first) < pyramid.size_bytes // 20
    s3.asked.clear()
    answer = image(client, "512,0,512,512/512,512/0/gray.jpg")
    assert Image.open(io.BytesIO(answer.data)).mode == "L"
    assert len(reads(s3)) == 1
    assert not list((client.data / "copies").glob("[!.]*")), "nothing was fetched whole"


def test_of_a_small_flat_scan_one_copy_is_fetched(
    small: Small, bucket: str, node: Callable[..., FlaskClient], s3: S3
) -> None:
    small.publish(store=bucket)
    client = node(store=bucket)
    s3.asked.clear()
    for asked in ("5,5,20,20/max/0/default.png", "7,7,20,20/max/0/default.png"):
        assert image(client, asked, "a1-1").status_code == 200
    assert endings(s3).count("png") == 1


def test_nodes_send_the_same_tags_and_notice_a_new_edition(
    small: Small, bucket: str, node: Callable[..., FlaskClient], s3: S3
) -> None:
    small.publish(store=bucket, base_url="http://localhost")
    nodes = [node(store=bucket), node(store=bucket)]

    def tags(asked: str, name: str) -> set[str]:
        return {image(each, asked, name).headers["ETag"] for each in nodes}

    before = [tags(asked, name) for name in ("b1-1", "b1-2") for asked in (WHOLE, "info.json")]
    assert {len(each) for each in before} == {1}
    [tag] = before[0]
    assert image(nodes[1], WHOLE, **{"If-None-Match": tag}).status_code == 304

    picture(*SLOW, seed=2).save(small.scans / "b1" / "1.png")
    small.titles["a1"] = "Another title"
    small.write()
    small.publish(store=bucket)
    for each in nodes:
        until(lambda each=each: b"Another title" in each.get("/presentation/3/a1/manifest").data)
    [after] = tags(WHOLE, "b1-1")
    assert after != tag
    assert before[2:] == [tags(asked, "b1-2") for asked in (WHOLE, "info.json")]
    s3.asked.clear()
    image(nodes[0], WHOLE, "b1-2")  # the same in both editions: it is not looked at anew
    assert "tiles" not in endings(s3)


def test_a_store_that_is_away_is_said_so_and_what_is_at_hand_goes_on(
    small: Small, bucket: str, node: Callable[..., FlaskClient], s3: S3, monkeypatch: Any
) -> None:
    monkeypatch.setattr("iiifserver.stores.buckets._RETRIES", 1)
    monkeypatch.setattr("iiifserver.stores.pieces._AWAY_S", 0.1)
    monkeypatch.setattr("iiifserver.stores._opened", {})
    small.publish(store=bucket)
    client = node(store=bucket)
    assert image(client, TILE).status_code == 200
    assert client.get("/presentation/3/a1/manifest").status_code == 200
    with s3.away():
        refused = image(client, INNER[1])
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.headers["Access-Control-Allow-Origin"] == "*"
        assert refused.mimetype == "application/problem+json"
        assert b"not-to-be-shown" not in refused.data
        assert image(client, RENDERS[0]).status_code == 503
        assert client.get("/presentation/3/b1/manifest").status_code == 503
        assert image(client, TILE).status_code == 200
        assert client.get("/presentation/3/a1/manifest").status_code == 200
    until(lambda: image(client, INNER[1]).status_code == 200)
    assert image(client, RENDERS[0]).status_code == 200


@pytest.mark.parametrize("fault", ["403", "truncated", "other range"])
def test_what_a_store_may_do_wrong_never_becomes_a_picture(
    small: Small, bucket: str, node: Callable[..., FlaskClient], s3: S3, fault: str
) -> None:
    small.publish(store=bucket)
    client = node(store=bucket)
    right = image(node(store=bucket), TILE).data
    image(client, "info.json")
    s3.faults.extend([fault] * 12)
    assert image(client, TILE).status_code in (500, 503)
    s3.faults.clear()
    assert image(client, TILE).data == right


def test_a_pyramid_that_disappears_from_a_store_is_an_error_that_names_it(
    small: Small, bucket: str, node: Callable[..., FlaskClient]
) -> None:
    small.publish(store=bucket)
    client = node(store=bucket)
    image(client, "info.json")
    name = read_index(bucket, 1)["images"]["b1-1"]["pyramid"]
    opened(bucket).delete([f"pyramids/{name}"])
    answer = image(client, TILE)
    assert answer.status_code == 404
    assert image(client, "info.json").status_code == 200


def test_a_sidecar_that_is_damaged_is_done_without(
    small: Small, bucket: str, node: Callable[..., FlaskClient], tmp_path: Path
) -> None:
    small.publish(store=bucket)
    name = read_index(bucket, 1)["images"]["b1-1"]["tiles"]
    (tmp_path / "damaged").write_bytes(b"tiles 2\nnothing")
    opened(bucket).put_file(f"pyramids/{name}", tmp_path / "damaged")
    answer = image(node(store=bucket), TILE)
    assert answer.status_code == 200
    assert Image.open(io.BytesIO(answer.data)).size == (512, 512)


def test_both_doors_answer_alike(small: Small, bucket: str, tmp_path: Path) -> None:
    small.publish(store=bucket, base_url="http://localhost")
    config = Config(store=bucket, data=tmp_path / "both")
    app = create_app(config, InThisProcess())
    app.test_client_class = BothDoors
    client = app.test_client()
    assert isinstance(client, BothDoors)
    client.behind = create_app(config, InThisProcess(), tile_door=False).test_client()
    for asked in ("info.json", *INNER, *EDGES, *RENDERS[:3]):
        assert client.get(f"/iiif/3/b1-1/{asked}").status_code == 200
