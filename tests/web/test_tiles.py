"""The door for tiles: what it answers, that Flask would have answered the same, what it notices."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pyvips
from both_doors import said_by
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from image_sources import picture
from in_this_process import InThisProcess
from PIL import Image
from viewer_requests import leaflet_tiles, openseadragon_tiles
from werkzeug.test import EnvironBuilder, TestResponse

from iiifserver.config import Config
from iiifserver.image.containers import describe_page
from iiifserver.image.form import Form
from iiifserver.image.service import Images
from iiifserver.image.stored import read_stored
from iiifserver.image.storing import store
from iiifserver.web import answers, create_app, tiles
from iiifserver.web.answers import Answer
from iiifserver.web.tiles import Door


class NoMore(InThisProcess):
    """A renderer that must not be asked any more."""

    def render(self, job: Any) -> Any:
        raise AssertionError(f"{job.name} was rendered")


class Server(NamedTuple):
    door: Door
    through: FlaskClient
    behind: FlaskClient

    def at_once(self, path: str, **headers: str) -> int | None:
        """Return the status that the door itself answers with, None where it passes on."""
        environ = EnvironBuilder(path, headers=headers).get_environ()
        answer = self.door.at_once(environ)
        if answer is None:  # the disk would have been waited for, perhaps
            self.behind.get(path)
            answer = self.door.at_once(environ)
        return answer.status if answer else None


def served(folder: Path, renderer: InThisProcess, **options: Any) -> Server:
    config = Config(**{"folder": str(folder), "data": folder / ".data", **options})
    app = create_app(config, renderer)
    door: Any = app.wsgi_app
    behind = create_app(config, renderer, tile_door=False)
    return Server(door, app.test_client(), behind.test_client())


def stored(folder: Path, *names: str, **options: Any) -> Server:
    """Return a server over *folder* of which everything that it wants to store is stored."""
    renderer = InThisProcess()
    server = served(folder, renderer, **options)
    for name in names:
        assert server.through.get(f"/iiif/3/{name}/info.json").status_code == 200
    for job in renderer.begun:
        job.run()
    server = served(folder, renderer, **options)
    for name in names:
        server.through.get(f"/iiif/3/{name}/info.json")
    return server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiles")
    picture(1300, 900).save(folder / "scan.png")
    picture(1100, 700).save(folder / "photograph.jpg", quality=90)
    picture(1000, 800).convert("L").save(folder / "gray.png")
    picture(60, 40).save(folder / "small.png")
    (folder / "a" / "b").mkdir(parents=True)
    picture(900, 800).save(folder / "a" / "b" / "資料.png")
    return folder


NAMES = ("scan.png", "photograph.jpg", "gray.png", "small.png", "a/b/資料.png")
SMALL = {"pyramid_tile": 128}


@pytest.fixture(scope="module")
def server(folder: Path) -> Server:
    return stored(folder, *NAMES, **SMALL)


def info_of(server: Server, name: str, version: int = 3) -> dict[str, Any]:
    found = server.behind.get(f"/iiif/{version}/{name}/info.json").get_json(force=True)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("viewer", [openseadragon_tiles, leaflet_tiles])
@pytest.mark.parametrize("name", ["scan.png", "photograph.jpg", "a/b/資料.png"])
def test_every_tile_of_a_viewer_is_answered_by_the_door_as_flask_would(
    server: Server, folder: Path, name: str, viewer: Callable[..., Any], version: int
) -> None:
    tiles = list(viewer(info_of(server, name, version), format="jpg"))
    unrendered = served(folder, NoMore(), **SMALL)
    unrendered.through.get(f"/iiif/3/{name}/info.json")
    answered = 0
    for tile in tiles:
        path = f"/iiif/{version}/{name}/{tile.path}"
        if unrendered.at_once(path) is None:
            # `w,` of a sliver of a tile keeps the proportions, and is no tile then
            shown = Image.open(io.BytesIO(server.behind.get(path).data))
            assert shown.size != (tile.width, tile.height), path
            continue
        assert said_by(unrendered.through.get(path)) == said_by(unrendered.behind.get(path))
        answered += 1
    assert answered > 50


def test_thumbnails_of_manifests_and_viewers_stand_ready(server: Server) -> None:
    sizes = [f"{size['width']},{size['height']}" for size in info_of(server, "scan.png")["sizes"]]
    for size in [*sizes[:-1], "90,", "!120,120", "!200,200", "!400,400", "!800,800"]:
        for version in (3, 2):
            assert server.at_once(f"/iiif/{version}/scan.png/full/{size}/0/default.jpg") == 200


_ASKED: list[tuple[str, str, dict[str, str]]] = [
    (method, path, headers)
    for method in ("GET", "HEAD", "OPTIONS", "POST")
    for path in (
        "/iiif/3/scan.png/info.json",
        "/iiif/2/scan/info.json",
        "/iiif/3/scan/0,0,128,128/128,/0/default.jpg",
        "/iiif/2/scan/0,0,128,128/128,/0/native.jpg?download",
        "/iiif/3/scan/0,0,128,128/max/0/gray.jpg",
        "/iiif/3/gray/0,0,128,128/max/0/gray.jpg",
        "/iiif/3/scan/0,0,128,128/max/!90/default.jpg",
        "/iiif/3/scan/full/300,/0/default.png",
        "/iiif/3/small/full/max/0/default.jpg",
        "/iiif/3/a%2Fb%2F%E8%B3%87%E6%96%99/0,0,128,128/max/0/default.jpg",
        "/iiif/3/a/b/%E8%B3%87%E6%96%99/info.json",
        "/iiif/3/scan/9999,0,128,128/max/0/default.jpg",
        "/iiif/3/scan/0,0,128,128/^200,/0/default.jpg",
        "/iiif/3/scan/0,0,128,128/max/0/default.bmp",
        "/iiif/3/none/info.json",
        "/iiif/3/%FF%FE/info.json",
        "/iiif/3/scan.png",
        "/iiif/3/",
        "/iiif/3//info.json",
        "/iiif/3/0,0,128,128/max/0/default.jpg",
        "/iiif/5/scan/info.json",
        "/health",
    )
    for headers in (
        {},
        {"If-None-Match": "*"},
        {"If-None-Match": 'W/"x", "y"'},
        {"Accept": "application/json"},
        {"Origin": "https://viewer.example", "Range": "bytes=0-99"},
        {"Host": "evil.example", "X-Forwarded-Prefix": "/x"},
    )
]


@pytest.mark.parametrize(("method", "path", "headers"), _ASKED)
def test_both_doors_answer_alike(
    server: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    def ask(client: FlaskClient) -> TestResponse:
        return client.open(path, method=method, headers=headers)

    ask(server.behind)  # what has to be made is made, and kept
    assert said_by(ask(server.through)) == said_by(ask(server.behind))


_NUMBER = st.integers(0, 1400).map(str)
_REGION = st.one_of(
    st.sampled_from(["full", "square", "0,0,128,128", "1280,896,128,128", "pct:0,0,10,10", "x"]),
    st.tuples(_NUMBER, _NUMBER, _NUMBER, _NUMBER).map(",".join),
)
_SIZE = st.one_of(
    st.sampled_from(["max", "full", "128,", ",128", "!90,90", "^140,", "pct:50", "0,", "20,4"]),
    st.integers(1, 130).map("{},".format),
)


@settings(max_examples=150, deadline=None)
@given(
    version=st.sampled_from([2, 3]),
    name=st.sampled_from(["scan", "small.png", "gray", "a/b/資料", "none", "../scan", ""]),
    region=_REGION,
    size=_SIZE,
    rotation=st.sampled_from(["0", "0", "360", "90", "!0", "22.5", "-1"]),
    quality=st.sampled_from(["default", "color", "gray", "native", "bitonal", "other"]),
    known=st.sampled_from(["", "*"]),
)
def test_any_request_has_one_answer(
    server: Server,
    version: int,
    name: str,
    region: str,
    size: str,
    rotation: str,
    quality: str,
    known: str,
) -> None:
    path = f"/iiif/{version}/{name}/{region}/{size}/{rotation}/{quality}.jpg"
    headers = {"If-None-Match": known} if known else {}
    first = server.behind.get(path, headers=headers)
    for client in (server.through, server.behind):
        assert said_by(client.get(path, headers=headers)) == said_by(first)


def test_what_was_made_once_is_answered_by_the_door(server: Server) -> None:
    path = "/iiif/3/scan.png/0,0,128,128/128,/90/gray.jpg"
    server.behind.get(path)
    assert server.at_once(path) == 200
    assert server.at_once(path.replace("3/scan.png", "2/scan").replace("90", "90.0")) == 200


def test_what_was_made_is_not_answered_by_the_door_when_it_was_deleted(tmp_path: Path) -> None:
    picture(900, 700).save(tmp_path / "scan.png")
    server = stored(tmp_path, "scan.png", **SMALL, derived_mib=64)
    path = "/iiif/3/scan.png/0,0,128,128/128,/180/gray.jpg"
    server.behind.get(path)
    for _ in range(3):
        assert server.at_once(path) == 200
    kept = [
        each for each in tmp_path.rglob("*") if each.is_file() and b"iiifkept" in each.read_bytes()
    ]
    assert kept
    for each in kept:
        each.unlink()
    assert not isinstance(server.door.at_once(EnvironBuilder(path).get_environ()), Answer)


def test_an_image_whose_sidecar_is_in_memory_is_not_waited_for(folder: Path) -> None:
    tile = "/iiif/3/scan.png/0,0,128,128/128,/0/default.jpg"
    assert served(folder, NoMore(), **SMALL).at_once(tile) == 200
    assert served(folder, NoMore(), **SMALL).at_once("/iiif/3/scan.png/info.json") == 200


def test_what_has_to_be_waited_for_or_is_not_there_is_passed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = served(folder, NoMore(), **SMALL)
    tile = "/iiif/3/scan.png/0,0,128,128/128,/0/default.jpg"
    with monkeypatch.context() as patched:
        patched.setattr("iiifserver.opened.Ready.at_hand", lambda _: False)
        for asked in (tile, "/iiif/3/scan.png/info.json"):
            assert fresh.door.at_once(EnvironBuilder(asked).get_environ()) is None
    assert fresh.through.get(tile).status_code == 200
    assert fresh.at_once(tile) == 200
    assert fresh.at_once("/iiif/3/scan.png/5,5,90,90/max/0/default.jpg") is None
    assert fresh.at_once("/iiif/3/none/0,0,128,128/128,/0/default.jpg") is None


def test_what_is_asked_for_the_third_time_is_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, asked = stored(folder, "scan.png", **SMALL), []
    known: Any = Images.tile_known

    def counted(*arguments: Any) -> Any:
        asked.append(arguments)
        return known(*arguments)

    monkeypatch.setattr(Images, "tile_known", counted)
    tile = "/iiif/3/scan.png/0,0,128,128/128,128/0/default.jpg"
    bodies = [server.through.get(tile).data for _ in range(5)]
    assert len(asked) == 2  # what is asked once is not kept
    assert len(set(bodies)) == 1


def test_what_the_door_remembers_is_bounded_and_what_it_forgot_is_answered_alike(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for table in ("_MOST_PREPARED", "_MOST_REMEMBERED"):
        monkeypatch.setattr(tiles, table, 3)
    monkeypatch.setattr(answers, "_MOST_RECENT", 3)
    server = stored(folder, "scan.png", **SMALL)
    paths = [
        f"/iiif/3/scan.png/{x},{y},128,128/128,128/0/default.jpg"
        for x in (0, 128, 256)
        for y in (0, 128, 256)
    ]
    first = {path: server.behind.get(path).data for path in paths}
    for path in paths:
        for _ in range(4):
            assert server.at_once(path) == 200
            assert server.through.get(path).data == first[path]
            assert len(server.door._prepared) <= 3
            assert len(server.door._remembered) <= 3
            assert len(server.door._answers._bodies.recent) <= 3


@pytest.mark.parametrize(
    "asked",
    [
        "0,0,128,128,128/128",
        "0,0,128/128,128,128",
        "00,0,128,128/128,128",
        "0,0,128,128/128,0128",
        "0,0,128,128/^128,128",
        "0,0,128,128/!128,128",
        "0,0,128,128/128,128,",
        "0,0,129,128/128,128",
        "128,128,128,128/128,128",
    ],
)
def test_what_resembles_a_tile_is_what_it_is(server: Server, asked: str) -> None:
    path = f"/iiif/3/scan.png/{asked}/0/default.jpg"
    assert said_by(server.through.get(path)) == said_by(server.behind.get(path))


def test_a_large_picture_is_not_read_at_the_door(tmp_path: Path) -> None:
    Image.effect_noise((900, 700), 90).save(tmp_path / "noise.png")
    server = stored(tmp_path, "noise.png", derived_mib=64)
    path = "/iiif/3/noise.png/full/^1800,/0/default.png"
    made = server.behind.get(path)
    assert len(made.data) > 1 << 20
    assert server.at_once(path) is None
    assert server.at_once(path, **{"If-None-Match": made.headers["ETag"]}) == 304
    again = server.through.get(path)
    assert (again.data, again.headers["ETag"]) == (made.data, made.headers["ETag"])


def test_a_replaced_scan_is_noticed_at_once(tmp_path: Path) -> None:
    Image.new("RGB", (1300, 900), "red").save(tmp_path / "scan.png")
    server = stored(tmp_path, "scan.png", **SMALL)
    tile = "/iiif/3/scan.png/0,0,128,128/128,/0/default.jpg"
    before = server.through.get(tile)
    assert server.at_once(tile) == 200
    Image.new("RGB", (1300, 900), "blue").save(tmp_path / "scan.part", "PNG")
    os.replace(tmp_path / "scan.part", tmp_path / "scan.png")  # noqa: PTH105
    assert server.at_once(tile) is None
    after = server.through.get(tile, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.data != before.data


def test_a_pyramid_that_is_deleted_is_done_without(tmp_path: Path) -> None:
    picture(1300, 900).save(tmp_path / "scan.png")
    server = stored(tmp_path, "scan.png", **SMALL)
    tile = "/iiif/3/scan.png/0,0,128,128/128,/0/default.jpg"
    assert server.at_once(tile) == 200
    for path in (tmp_path / ".data").glob("*/*.ti*"):
        path.unlink()
    # what is open still answers; a worker that has it not yet open sees that it is gone
    server = served(tmp_path, InThisProcess(), **SMALL)
    assert server.through.get(tile).status_code == 200


@pytest.mark.parametrize("again", ["sidecar", "pyramid"])
def test_places_are_not_read_from_what_was_made_again(tmp_path: Path, again: str) -> None:
    picture(1300, 900).save(tmp_path / "scan.png")
    server = stored(tmp_path, "scan.png", **SMALL)  # it knows the image, and has opened no file
    (sidecar,) = (tmp_path / ".data").glob("*/*.tiles")
    pyramid, tile = sidecar.with_suffix(".tif"), "1280,0,20,128/20,128"
    known = read_stored(sidecar, pyramid, pyramid.stem)
    assert known
    if again == "pyramid":  # as another program might have made it, with tiles at other places
        tile = "128,0,128,128/128,128"
        image = pyvips.Image.new_from_file(str(tmp_path / "scan.png"))
        image.tiffsave(
            str(tmp_path / "made"), tile=True, pyramid=True, compression="jpeg", Q=30,
            tile_width=128, tile_height=128,
        )  # fmt: skip
        (tmp_path / "made").replace(pyramid)
    header = describe_page(pyramid)
    store(pyramid, header, pyramid.stem, sidecar, Form(tile=128, quality=30))
    path = f"/iiif/3/scan.png/{tile}/0/default.jpg"
    found = server.through.get(path)
    assert said_by(found) == said_by(served(tmp_path, NoMore(), **SMALL).through.get(path))
    assert Image.open(io.BytesIO(found.data)).size == (128 if again == "pyramid" else 20, 128)


def test_the_prefix_of_base_url_may_be_there_or_not(folder: Path) -> None:
    server = stored(folder, "scan.png", base_url="https://archive.example/iiif", **SMALL)
    for path in ("/iiif/3/scan.png", "/iiif/iiif/3/scan.png"):
        for rest in ("info.json", "0,0,128,128/128,/0/default.jpg"):
            assert server.at_once(f"{path}/{rest}") == 200
            answers = [client.get(f"{path}/{rest}") for client in (server.through, server.behind)]
            assert said_by(answers[0]) == said_by(answers[1])


def test_planning_a_tile_opens_no_file(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = [tile.path for tile in openseadragon_tiles(info_of(server, "scan.png"), format="jpg")]
    server.through.get(f"/iiif/3/scan.png/{tiles[0]}")
    opened: list[str] = []
    really = os.open
    until = time.monotonic()

    def counted(path: str, *flags: Any) -> int:
        opened.append(path)
        return really(path, *flags)

    monkeypatch.setattr(os, "open", counted)
    for tile in tiles:
        assert server.at_once(f"/iiif/3/scan.png/{tile}") == 200
    # the pyramid and its sidecar, once in ten seconds
    assert len(opened) <= 2 * (1 + (time.monotonic() - until) // 10 + 1)


@pytest.mark.parametrize("harm", ["no pyramid", "damaged sidecar"])
def test_the_door_reads_no_scan_and_has_none_read(tmp_path: Path, harm: str) -> None:
    picture(700, 900).save(tmp_path / "book.pdf")
    name = "book.pdf/1"
    stored(tmp_path, name, **SMALL)
    (pyramid,) = (tmp_path / ".data").glob("*/*.tif")
    if harm == "no pyramid":
        pyramid.unlink()
    else:
        pyramid.with_suffix(".tiles").write_bytes(b"tiles 2\n")
        os.truncate(pyramid, 5)  # it would be given up, and both files deleted
    fresh = served(tmp_path, NoMore(), **SMALL)
    for rest in ("info.json", "0,0,128,128/128,128/0/default.jpg"):
        path = f"/iiif/3/{name}/{rest}"
        assert fresh.door.at_once(EnvironBuilder(path).get_environ()) is None
    assert len(list((tmp_path / ".data").glob("*/*.ti*"))) == (1 if harm == "no pyramid" else 2)


def test_a_tile_whose_file_was_cut_short_is_none_that_was_answered_just_now(tmp_path: Path) -> None:
    picture(1300, 900).save(tmp_path / "scan.png")
    server = stored(tmp_path, "scan.png", **SMALL)
    tile = "/iiif/3/scan.png/0,0,128,128/128,128/0/default.jpg"
    before = server.through.get(tile)
    assert server.at_once(tile) == 200
    for path in (tmp_path / ".data").glob("*/*.tif"):
        os.truncate(path, 100)
    after = server.through.get(tile)
    assert (after.status_code, after.headers["Content-Type"]) in {
        (200, before.headers["Content-Type"]),
        (503, "application/problem+json"),
    }
