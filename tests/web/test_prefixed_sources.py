"""Images of no edition: from folders, buckets and web servers, by the prefix of their names."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from image_sources import make, picture
from in_this_process import InThisProcess
from PIL import Image
from pixels import average, difference
from store_servers import S3, Files, Server, web_server

from iiifserver import routing
from iiifserver.config import Config
from iiifserver.errors import ConfigurationError
from iiifserver.image import masters
from iiifserver.image.kept import Kept
from iiifserver.image.making import BuildPyramid, StoreTiles
from iiifserver.stores import opened
from iiifserver.web import create_app

SCAN = picture(700, 600)
_count = itertools.count()


def jpeg(image: Image.Image) -> bytes:
    body = io.BytesIO()
    image.save(body, "JPEG", quality=95)
    return body.getvalue()


@pytest.fixture
def site() -> Iterator[tuple[Server, Files]]:
    with web_server() as (server, files):
        files.bodies["/scans/box 1/a.jpg"] = jpeg(SCAN)
        files.bodies["/secret.jpg"] = jpeg(SCAN)
        yield server, files


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., tuple[FlaskClient, InThisProcess]]:
    """A function that returns a client of a server over an empty folder and *sources*."""

    def begin(*sources: str, **settings: Any) -> tuple[FlaskClient, InThisProcess]:
        folder = tmp_path / f"empty{next(_count)}"
        folder.mkdir()
        config = Config(
            folder=str(folder), data=tmp_path / f"data{next(_count)}", sources=sources,
            http_hosts=("127.0.0.1",), pyramid_tile=128, **settings,
        )  # fmt: skip
        renderer = InThisProcess()
        return create_app(config, renderer).test_client(), renderer

    return begin


def shown(answer: Any) -> Image.Image:
    assert answer.status_code == 200, answer.data
    return Image.open(io.BytesIO(answer.data)).convert("RGB")


def test_a_flat_scan_of_a_web_server_is_fetched_once_and_gets_a_pyramid(
    serve: Callable[..., Any], site: tuple[Server, Files]
) -> None:
    server, _ = site
    client, renderer = serve(f"maps={server.url}/scans")
    about = client.get("/iiif/3/maps/box%201/a.jpg/info.json").get_json()
    assert (about["width"], about["height"], about["tiles"][0]["width"]) == (700, 600, 128)
    assert len(server.asked) == 1, "one read tells what it is"
    for asked in ("full/350,300", "0,0,100,100/100,100"):
        answer = client.get(f"/iiif/3/maps/box 1/a.jpg/{asked}/0/default.png")
        assert shown(answer).size[0] in (350, 100)
    assert len(server.asked) == 2, "one more fetches it"
    assert {each.method for each in server.asked} == {"GET"}
    job = next(job for job in renderer.begun if isinstance(job, BuildPyramid))
    job.run()
    server.asked.clear()
    tile = client.get("/iiif/3/maps/box 1/a.jpg/128,128,128,128/128,128/0/default.jpg")
    assert difference(shown(tile), SCAN.crop((128, 128, 256, 256))).mean() < 9
    assert server.asked == [], "its pyramid answers"


def test_a_pyramid_in_a_bucket_is_read_by_the_ranges_of_its_tiles(
    serve: Callable[..., Any], s3: S3, tmp_path: Path
) -> None:
    url = s3.bucket(f"sources{next(_count)}")
    scan = picture(1_500, 1_400)
    path = make("tiff-pyramid-pages-jpeg", tmp_path, scan)
    opened(url).put_file("box/a.tif", path)
    client, renderer = serve(f"old={url}/box")
    s3.asked.clear()
    tile = client.get("/iiif/3/old/a.tif/256,256,128,128/128,128/0/default.jpg")
    assert difference(shown(tile), scan.crop((256, 256, 384, 384))).mean() < 9
    asked = len(s3.asked)
    s3.asked.clear()
    tile = client.get("/iiif/3/old/a.tif/512,512,512,512/256,256/0/default.jpg")
    assert difference(shown(tile), average(scan.crop((512, 512, 1_024, 1_024)), 2)).mean() < 9
    assert len(s3.asked) < asked, "its directories are known by now"
    ranges = [each.range.removeprefix("bytes=").split("-") for each in s3.asked]
    assert sum(int(last) - int(first) for first, last in ranges) < path.stat().st_size // 3
    assert [type(job) for job in renderer.begun] == [StoreTiles], "no pyramid is made of it"


INNER = ["128,128,128,128/128,128", "256,256,256,256/128,128", "512,0,512,512/128,128"]
EDGES = ["1408,1280,92,120/92,120", "1280,1280,220,120/110,60", "full/90,"]


@pytest.fixture
def pyramid(s3: S3, tmp_path: Path) -> tuple[str, Path]:
    """A bucket, and on this disk the pyramid of others that is in it."""
    url = s3.bucket(f"sources{next(_count)}")
    path = make("tiff-pyramid-pages-jpeg", tmp_path, picture(1_500, 1_400))
    opened(url).put_file("box/a.tif", path)
    return url, path


def with_sidecar(
    serve: Callable[..., Any], url: str, **settings: Any
) -> tuple[FlaskClient, InThisProcess]:
    """Return a client of a server that has looked at the pyramid for a while."""
    client, renderer = serve(f"old={url}/box", **settings)
    assert client.get("/iiif/3/old/a.tif/full/90,/0/default.jpg").status_code == 200
    [job] = renderer.begun
    job.run()
    renderer.begun.clear()
    return client, renderer


def test_stored_tiles_of_a_pyramid_of_others_pass_by_one_range_read(
    serve: Callable[..., Any], s3: S3, pyramid: tuple[str, Path]
) -> None:
    url, path = pyramid
    near, renderer = serve(f"old={path.parent}")
    name = path.name
    for asked in (INNER[0], "full/90,"):
        near.get(f"/iiif/3/old/{name}/{asked}/0/default.jpg")
    next(job for job in renderer.begun if isinstance(job, StoreTiles)).run()
    client, _ = with_sidecar(serve, url)
    for asked in (*INNER, *EDGES):
        here = near.get(f"/iiif/3/old/{name}/{asked}/0/default.jpg")
        s3.asked.clear()
        there = client.get(f"/iiif/3/old/a.tif/{asked}/0/default.jpg")
        assert (there.status_code, there.data) == (200, here.data)
        assert len(s3.asked) == (asked in INNER), asked  # edges are in the sidecar
        assert all(each.headers["if_match"] for each in s3.asked)
        s3.asked.clear()
        assert client.get(f"/iiif/3/old/a.tif/{asked}/0/default.jpg").data == here.data
        assert s3.asked == []
    s3.asked.clear()
    turned = client.get("/iiif/3/old/a.tif/384,384,128,128/128,128/90/gray.jpg")
    assert shown(turned).size == (128, 128)
    assert len(s3.asked) == 1, "made of the stored tile"
    other = client.get("/iiif/3/old/a.tif/300,300,500,400/250,200/0/default.png")
    with Image.open(path) as whole:
        expected = average(whole.convert("RGB").crop((300, 300, 800, 700)), 2)
    assert difference(shown(other), expected).mean() < 3


def test_a_tile_that_stood_ready_is_never_that_of_a_pyramid_which_replaced_it(
    serve: Callable[..., Any], pyramid: tuple[str, Path], tmp_path: Path
) -> None:
    url, _ = pyramid
    client, _ = with_sidecar(serve, url)
    before = client.get(f"/iiif/3/old/a.tif/{INNER[0]}/0/default.jpg")
    (tmp_path / "new").mkdir()
    scan = picture(1_500, 1_400, seed=9)
    opened(url).put_file("box/a.tif", make("tiff-pyramid-pages-jpeg", tmp_path / "new", scan))
    after = client.get("/iiif/3/old/a.tif/256,128,128,128/128,128/0/default.jpg")
    assert difference(shown(after), scan.crop((256, 128, 384, 256))).mean() < 9
    again = client.get(f"/iiif/3/old/a.tif/{INNER[0]}/0/default.jpg")
    assert difference(shown(again), scan.crop((128, 128, 256, 256))).mean() < 9
    assert again.headers["ETag"] != before.headers["ETag"]


def test_sidecars_of_pyramids_of_others_make_room_for_one_another(
    serve: Callable[..., Any], pyramid: tuple[str, Path]
) -> None:
    url, path = pyramid
    opened(url).put_file("box/b.tif", path)
    client, renderer = with_sidecar(serve, url)
    client.get("/iiif/3/old/b.tif/full/90,/0/default.jpg")
    [job] = renderer.begun
    [sidecar] = job.target.parent.glob("*.tiles")
    replace(job, kept=Kept(job.kept.folder, sidecar.stat().st_size + 9)).run()
    assert [each.name for each in sidecar.parent.glob("*.tiles")] == [job.target.name]
    answer = client.get("/iiif/3/old/a.tif/1408,1280,92,120/92,120/0/default.jpg")
    assert answer.status_code == 200, "what has made room is made directly"


def test_a_pyramid_too_large_to_fetch_for_its_tiles_is_read_by_ranges_only(
    serve: Callable[..., Any], pyramid: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, path = pyramid
    monkeypatch.setattr(masters, "_LARGEST_FETCHED", path.stat().st_size - 1)
    client, renderer = serve(f"old={url}/box")
    assert client.get(f"/iiif/3/old/a.tif/{INNER[0]}/0/default.jpg").status_code == 200
    assert not renderer.begun


def test_a_pyramid_that_is_replaced_never_gives_tiles_of_two_versions(
    serve: Callable[..., Any], s3: S3, tmp_path: Path
) -> None:
    url = s3.bucket(f"sources{next(_count)}")
    old, new = picture(900, 800), picture(900, 800, seed=9)
    for name, scan in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        make("tiff-pyramid-pages-jpeg", tmp_path / name, scan)
    paths = [next((tmp_path / name).glob("*")) for name in ("old", "new")]
    opened(url).put_file("a.tif", paths[0])
    client, _ = serve(f"old={url}")
    asked = "/iiif/3/old/a.tif/{0},{1},256,256/256,256/0/default.png"
    before = client.get(asked.format(0, 0))
    assert difference(shown(before), old.crop((0, 0, 256, 256))).mean() < 9
    opened(url).put_file("a.tif", paths[1])  # its directories and its identity are known as before
    for x, y in ((256, 256), (0, 256), (512, 0)):
        after = client.get(asked.format(x, y))
        assert difference(shown(after), new.crop((x, y, x + 256, y + 256))).mean() < 9
        assert after.headers["ETag"][:12] != before.headers["ETag"][:12]


def test_several_sources_are_served_beside_the_folder(
    serve: Callable[..., Any], site: tuple[Server, Files], s3: S3, tmp_path: Path
) -> None:
    (tmp_path / "local").mkdir()
    SCAN.save(tmp_path / "local" / "b.png")
    url = s3.bucket(f"sources{next(_count)}")
    opened(url).put_file("c.png", tmp_path / "local" / "b.png")
    client, _ = serve(f"web={site[0].url}/scans", f"disk={tmp_path / 'local'}", f"bucket={url}")
    for name in ("web/box 1/a.jpg", "disk/b.png", "disk/b", "bucket/c.png"):
        about = client.get(f"/iiif/3/{name}/info.json").get_json()
        assert about["width"] == 700
    assert about["id"].endswith("/bucket%2Fc.png")


@pytest.mark.parametrize(
    "name",
    [
        "maps/../secret.jpg",
        "maps/box 1/../../secret.jpg",
        "maps/.hidden.jpg",
        "maps//secret.jpg",
        "maps/box 1\\a.jpg",
        "maps/box 1/a.jpg\n",
        "maps/box 1/a",
        "maps/box 1/a.html",
        "maps/absent.jpg",
        "maps",
        "http://127.0.0.1/secret.jpg",
    ],
)
def test_names_lead_nowhere_else(
    serve: Callable[..., Any], site: tuple[Server, Files], name: str
) -> None:
    client, _ = serve(f"maps={site[0].url}/scans")
    answer = client.get(f"/iiif/3/{quote(name, safe='')}/full/max/0/default.jpg")
    assert answer.status_code == 404
    assert {each.path for each in site[0].asked} <= {"/scans/absent.jpg"}


def test_a_replaced_scan_is_shown_as_it_is_now_and_never_mixed(
    serve: Callable[..., Any], site: tuple[Server, Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, files = site
    monkeypatch.setattr(routing, "_LOOK_AGAIN_S", 0.0)
    client, _ = serve(f"maps={server.url}/scans", derived_mib=0)
    other = picture(700, 600, seed=9)
    asked = "/iiif/3/maps/box 1/a.jpg/full/max/0/default.png"
    before = client.get(asked)
    files.bodies["/scans/box 1/a.jpg"] = jpeg(other)
    after = client.get(asked)
    assert difference(shown(before), SCAN).mean() < 9
    assert difference(shown(after), other).mean() < 9
    assert before.headers["ETag"] != after.headers["ETag"]


def test_a_scan_replaced_after_it_was_looked_at_is_never_shown_as_the_old_one(
    serve: Callable[..., Any], site: tuple[Server, Files]
) -> None:
    server, files = site
    client, _ = serve(f"maps={server.url}/scans")
    assert client.get("/iiif/3/maps/box 1/a.jpg/info.json").status_code == 200
    other = picture(700, 600, seed=9)
    files.bodies["/scans/box 1/a.jpg"] = jpeg(other)  # planned as the old one, fetched as the new
    answer = client.get("/iiif/3/maps/box 1/a.jpg/full/max/0/default.png")
    assert difference(shown(answer), other).mean() < 9


@pytest.mark.parametrize(
    ("fault", "status"), [("403", 500), ("404", 404), ("500", 503), ("other range", 500)]
)
def test_what_a_web_server_does_wrong_is_an_answer_of_ours(
    serve: Callable[..., Any], site: tuple[Server, Files], fault: str, status: int
) -> None:
    client, _ = serve(f"maps={site[0].url}/scans")
    site[0].faults.extend([fault] * 12)
    answer = client.get("/iiif/3/maps/box 1/a.jpg/full/max/0/default.jpg")
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    site[0].faults.clear()


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        (["https://images.example/x"], "prefix=place"),
        (["a/b=/x"], "without a slash"),
        (["a=/x", "a=/y"], "twice"),
        (["a=https://images.example/x"], "http_hosts"),
        (["a=https://user:secret@images.example/x"], "environment"),
        (["a=ftp://images.example/x"], "one of"),
    ],
)
def test_sources_that_cannot_be_used_stop_the_start(sources: list[str], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as raised:
        Config(sources=tuple(sources))
    assert "secret" not in str(raised.value)
