"""Scans that lie in a bucket: published from there, by whoever, as if they lay in a folder."""

from __future__ import annotations

import itertools
import os
import pickle
import re
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from dask_here import dask_here, wait_until
from flask.testing import FlaskClient
from image_sources import KINDS, TURNED_HEIC, make, picture
from in_this_process import InThisProcess
from PIL import Image
from small_exhibition import Small, look, png
from store_servers import S3, web_server
from test_server import children, command

from iiifserver.cli import main
from iiifserver.config import Config
from iiifserver.edition import current, numbers, read_index
from iiifserver.errors import BrokenSource, InvalidExhibition, Replaced, RequestError
from iiifserver.image.containers import describe_page
from iiifserver.image.examine import Examination
from iiifserver.image.original import Original
from iiifserver.publish import pyramids
from iiifserver.publish.examined import examine
from iiifserver.publish.folders import ScanFile, list_scans
from iiifserver.publish.jobs import Workers, processes
from iiifserver.publish.leaves import run_together
from iiifserver.publish.publication import make_pyramids_of, publish
from iiifserver.publish.pyramids import Wanted, make_pyramids
from iiifserver.stores import opened
from iiifserver.web import create_app

_count = itertools.count()
SLOW = (1_300, 1_200)  # more than four tiles of 512, and edges in both directions
PLACES = ["bucket", "folder"]


def threads(count: int) -> Executor:
    return ThreadPoolExecutor(count)


ONE = Workers(1, threads)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pyramids in a thread: starting processes takes longer than these scans."""
    monkeypatch.setattr(pyramids, "workers_of", lambda *_, **__: nullcontext(Workers(1, threads)))


@pytest.fixture
def bucket(s3: S3) -> str:
    return f"{s3.bucket(f'scans{next(_count)}')}/fonds"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    picture(*SLOW).save(made.scans / "b1" / "1.png")
    picture(*SLOW, seed=2).save(made.scans / "a1" / "2.jpg", exif=turned())
    (made.scans / "a1" / "2.png").unlink()
    return made


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def put(place: str, key: str, body: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"put{next(_count)}"
    path.write_bytes(body)
    opened(place).put_file(key, path)


def original(place: str, key: str) -> Original:
    [found] = [each for each in opened(place).list(key.rpartition("/")[0]) if each.key == key]
    return Original(place, found.key, found.identity, found.size_bytes)


def read_of(s3: S3, name: str) -> int:
    """Return how many bytes of objects called so were asked for; each by a range."""
    asked = [each for each in s3.asked if each.path.endswith(f"/{name}")]
    assert all(each.method == "GET" and each.range for each in asked)
    spans = [each.range.removeprefix("bytes=").split("-") for each in asked]
    return sum(int(last) - int(first) + 1 for first, last in spans)


def left(data: Path) -> list[Path]:
    """Return the files that lie where scans are fetched to and pyramids are made."""
    return [path for path in (data / "pyramids").rglob("*") if path.is_file()]


# -- what lies there


def test_a_bucket_is_listed_as_a_folder_is(tmp_path: Path, bucket: str) -> None:
    names = ["r1/10.jpg", "r1/2.jpg", "r1/_x.tif", "r1/.y.png", "r1/._2.jpg", "r1/a.docx", "x.tif"]
    names += ["r1/Thumbs.db", "R1/1.jpg", "r2/raw/1.jpg", "r2/raw/2.jpg", "r2/1.jpg", "_old/1.jpg"]
    names += [".hidden/1.jpg", "r3/notes"]
    names += [unicodedata.normalize(form, "r3/がき.jpg") for form in ("NFC", "NFD")]
    folder = tmp_path / "images"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
        opened(bucket).put_file(name, folder / name)
    here, there = list_scans(folder), list_scans(bucket)
    assert sorted(map(str, here.mistakes)) == sorted(map(str, there.mistakes))
    assert len(here.mistakes) == 8

    def shown(scan: ScanFile) -> tuple[str, int, str]:
        return scan.name, scan.size_bytes, scan.original.key

    assert {name: [*map(shown, scans)] for name, scans in here.scans.items()} == {
        name: [*map(shown, scans)] for name, scans in there.scans.items()
    }


def test_a_place_without_scans_is_told(bucket: str) -> None:
    [mistake] = list_scans(bucket).mistakes
    assert (mistake.severity, mistake.reason) == ("error", "nothing lies there")


def test_a_bucket_that_does_not_exist_is_named(small: Small, s3: S3) -> None:
    small.place = "s3://nobody-made-this-one"
    with pytest.raises(BrokenSource, match="s3://nobody-made-this-one"):
        small.publish()


@pytest.mark.parametrize("asked", ["publish", "check", "diff", "pyramids"])
def test_a_web_server_is_refused_because_it_does_not_tell_what_it_has(
    small: Small, asked: str
) -> None:
    with web_server() as (server, _):
        where = ["--images", f"{server.url}/scans", "--data", str(small.data)]
        said = CliRunner().invoke(main, [asked, str(small.sheets), *where])
        assert server.asked == []
    assert said.exit_code == 2
    assert "a web server does not tell what it has" in said.output


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("s3://key:secret@bucket/scans", "credentials belong in the environment"),
        ("ftp://host/scans", "one of file, s3"),
        ("nowhere", "there is no folder"),
    ],
)
def test_what_is_no_place_is_refused_without_showing_secrets(
    small: Small, place: str, why: str
) -> None:
    said = CliRunner().invoke(main, ["publish", str(small.sheets), "--images", place])
    assert said.exit_code == 2
    assert why in said.output
    assert "secret" not in said.output


def test_a_file_url_is_a_folder(small: Small, tmp_path: Path) -> None:
    for path in small.scans.rglob("*.*"):
        path.write_bytes(png(60, 80))
    where = ["--images", small.scans.as_uri(), "--data", str(tmp_path / "data")]
    said = CliRunner().invoke(main, ["check", str(small.sheets), "--no-verify", *where])
    assert (said.exit_code, "no error" in said.output or "0 errors" in said.output) == (0, True)


# -- what is found out of them


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_header_is_read_by_ranges_as_it_is_of_a_file(
    kind: str, tmp_path: Path, bucket: str
) -> None:
    path = make(kind, tmp_path, picture(310, 270))
    opened(bucket).put_file(f"r/{path.name}", path)
    scan = original(bucket, f"r/{path.name}")
    assert scan.describe() == describe_page(path)
    near = Examination("it", Original.of(path), decode=False).facts()
    far = Examination("it", scan, decode=False).facts()
    assert (far.sizes, far.problem) == (near.sizes, near.problem)


def test_the_pages_of_documents_are_told_without_reading_them_whole(
    tmp_path: Path, bucket: str, s3: S3
) -> None:
    pages = [picture(900 + number, 700, seed=number) for number in range(12)]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "m.pdf", save_all=True, append_images=pages[1:], quality=95)
    # of a phone: what is before the pixels is small
    at = TURNED_HEIC.index(b"mdat") - 4
    many = len(TURNED_HEIC) - at + 3_000_000
    body = TURNED_HEIC[:at] + many.to_bytes(4, "big") + TURNED_HEIC[at + 4 :] + bytes(3_000_000)
    (tmp_path / "p.heic").write_bytes(body)
    for name in ("m.tif", "m.pdf", "p.heic"):
        path = tmp_path / name
        opened(bucket).put_file(f"r/{name}", path)
        scan = original(bucket, f"r/{name}")
        near = Examination(name, Original.of(path), decode=False).facts()
        s3.asked.clear()
        far = Examination(name, scan, decode=False).facts()
        assert (far.sizes, far.problem) == (near.sizes, "")
        assert 0 < read_of(s3, name) < path.stat().st_size / 2, name
        last = len(far.sizes) - 1
        assert scan.describe(last) == describe_page(path, last)
        with pytest.raises(BrokenSource, match=f"there is no page {last + 2}"):
            scan.describe(last + 1)


def test_of_a_large_scan_only_the_first_bytes_are_read(tmp_path: Path, bucket: str, s3: S3) -> None:
    Image.effect_noise((3_000, 2_500), 80).save(tmp_path / "1.jpg", quality=95)
    assert (tmp_path / "1.jpg").stat().st_size > 2 << 20
    opened(bucket).put_file("r1/1.jpg", tmp_path / "1.jpg")
    s3.asked.clear()
    found = examine(list_scans(bucket), bucket, Config(data=tmp_path), decode=False)
    assert found.scans["r1"][0].facts.sizes == ((3_000, 2_500),)
    assert read_of(s3, "1.jpg") == 64 << 10


def test_a_store_that_is_away_is_not_taken_for_a_broken_pdf(
    tmp_path: Path, bucket: str, s3: S3
) -> None:
    picture(300, 200).save(tmp_path / "m.pdf")
    opened(bucket).put_file("r/m.pdf", tmp_path / "m.pdf")
    scan = original(bucket, "r/m.pdf")
    s3.faults[:] = ["403"]
    facts = Examination("r/m.pdf", scan, decode=False).facts()
    assert "refuses" in facts.problem
    with s3.away():
        facts = Examination("r/m.pdf", scan, decode=False).facts()
    assert "cannot be reached" in facts.problem
    assert facts.checksum == ""  # so nothing of it is remembered


def test_a_copy_of_a_scan_has_its_checksum_where_the_bucket_tells_a_digest(bucket: str) -> None:
    digest, time = f'"{"0a" * 16}"', '"0x8DC0FFEE"'
    one, two = (Original(bucket, key, digest, 9) for key in ("r/1.tif", "r/2.tif"))
    assert one.checksum() == two.checksum() != one._replace(size_bytes=8).checksum()
    one, two = (each._replace(identity=time) for each in (one, two))
    assert one.checksum() != two.checksum()


def test_pixels_are_verified_in_a_copy_that_is_gone_afterwards(tmp_path: Path, bucket: str) -> None:
    picture(400, 300).save(tmp_path / "1.png")
    whole = (tmp_path / "1.png").read_bytes()
    put(bucket, "r1/1.png", whole, tmp_path)
    put(bucket, "r1/2.png", whole[: len(whole) // 2], tmp_path)
    config = Config(data=tmp_path / "data")
    scans = examine(list_scans(bucket), bucket, config).scans["r1"]
    assert scans[0].facts.problem == ""
    assert "cannot be" in scans[1].facts.problem
    assert left(config.data) == []


def test_a_scan_larger_than_copies_may_be_is_told_and_not_fetched(
    tmp_path: Path, bucket: str, s3: S3
) -> None:
    put(bucket, "r1/1.jpg", bytes(65 << 20), tmp_path)
    s3.asked.clear()
    config = Config(data=tmp_path / "data", copies_mib=64)
    [scan] = examine(list_scans(bucket), bucket, config).scans["r1"]
    assert "copies_mib = 64" in scan.facts.problem
    assert read_of(s3, "1.jpg") == 0


# -- published


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., FlaskClient]:
    """A function that returns a client of a new node."""

    def make_node(**settings: Any) -> FlaskClient:
        data = tmp_path / f"node{next(_count)}"
        app = create_app(Config(**{"data": data, **settings}), InThisProcess())
        app.test_client_class = FlaskClient
        return app.test_client()

    return make_node


ASKED = [
    "info.json",
    "0,0,512,512/512,512/0/default.jpg",
    "1024,1024,276,176/276,176/0/default.jpg",
    "full/90,/0/default.jpg",
    "full/max/0/default.png",
    "100,100,300,200/150,/90/gray.jpg",
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("target", PLACES)
def test_what_is_served_is_what_a_publication_from_a_folder_serves(
    target: str, small: Small, bucket: str, tmp_path: Path, node: Callable[..., FlaskClient]
) -> None:
    settings: dict[str, Any] = {"base_url": "http://localhost"}
    theirs = settings | {"data": tmp_path / "theirs"}
    small.publish(**theirs)
    near = node(**theirs)
    answers = {}
    for name, asked in itertools.product(("b1-1", "a1-2", "a2-1"), ASKED):
        answers[f"/iiif/3/{name}/{asked}"] = near.get(f"/iiif/3/{name}/{asked}")
    for page in ("/presentation/3/a1/manifest", "/presentation/2/b/manifest", "/en/letters/"):
        answers[page] = near.get(page)
    small.put(f"{bucket}/scans")
    ours = settings | ({"store": f"{bucket}/published"} if target == "bucket" else {})
    assert "edition 1 published" in small.publish(**ours)
    client = node(**({"data": small.data} | ours))
    for address, expected in answers.items():
        answer = client.get(address)
        assert answer.status_code == expected.status_code, address
        if answer.status_code != 400:  # where there is no such tile; it has the request's number
            assert answer.data == expected.data, address
    assert [path for path in left(small.data) if ".aside" in str(path)] == []
    if target == "bucket":
        assert left(small.data) == []


@pytest.mark.usefixtures("here")
def test_what_is_published_needs_the_bucket_of_scans_no_more(
    small: Small, bucket: str, node: Callable[..., FlaskClient]
) -> None:
    small.put(bucket)
    small.publish()
    opened(bucket).delete([key.key for key in opened(bucket).list("")])
    client = node(data=small.data)
    for name in ("a1-1", "a1-2", "b1-1"):
        assert client.get(f"/iiif/3/{name}/full/max/0/default.jpg").status_code == 200


@pytest.mark.usefixtures("here")
def test_unchanged_scans_are_listed_and_not_read(small: Small, bucket: str, s3: S3) -> None:
    small.put(bucket)

    def again() -> str:
        return publish(small.sheets, bucket, small.config())

    again()
    s3.asked.clear()
    assert "edition 1 unchanged" in again()
    assert [each for each in s3.asked if "list-type" not in each.query] == []
    put(bucket, "b1/1.png", png(61, 80), small.data)
    assert "edition 2 published" in again()
    assert {each.path.rpartition("/")[2] for each in s3.asked if each.range} == {"1.png"}


@pytest.mark.usefixtures("here")
def test_pages_keep_their_identifiers_when_scans_are_renamed_in_a_bucket(
    small: Small, bucket: str, tmp_path: Path
) -> None:
    small.put(bucket)
    small.publish()
    before = {name: each["file"] for name, each in read_index(small.data, 1)["images"].items()}
    assert before["b1-1"] == "b1/1.png"
    fetched = tmp_path / "fetched.png"
    original(bucket, "b1/1.png").copy_to(fetched)
    opened(bucket).put_file("b1/9.png", fetched)
    opened(bucket).delete(["b1/1.png"])
    small.publish()
    after = {name: each["file"] for name, each in read_index(small.data, 2)["images"].items()}
    assert after["b1-1"] == "b1/9.png"


@pytest.mark.usefixtures("here")
def test_pyramids_of_a_bucket_are_made_ahead_of_time(small: Small, bucket: str) -> None:
    small.put(bucket)
    assert "made, 0 were there" in make_pyramids_of(small.sheets, bucket, small.config(), look)
    assert numbers(small.data) == []
    assert "0 pyramids made" in make_pyramids_of(small.sheets, bucket, small.config(), look)


# -- what may go wrong


def changing(place: str, change: Callable[[], None]) -> Callable[..., Any]:
    """Return a look after which *change* happens in the bucket."""

    def look_and_change(*arguments: Any) -> Any:
        found = look(*arguments)
        change()
        return found

    return look_and_change


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("target", PLACES)
@pytest.mark.parametrize("happens", ["changes", "disappears"])
def test_a_scan_that_is_another_one_by_then_is_told_and_stops_no_other(
    happens: str, target: str, small: Small, bucket: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    small.put(f"{bucket}/scans")
    config = small.config(store=f"{bucket}/published" if target == "bucket" else "")
    made = pyramids.make_pyramids

    def make_later(*arguments: Any, **more: Any) -> int:
        """Make them after headers were read, and the bucket was changed."""
        if happens == "changes":
            put(f"{bucket}/scans", "b1/1.png", png(*SLOW), tmp_path)
        else:
            opened(f"{bucket}/scans").delete(["b1/1.png"])
        return made(*arguments, **more)

    monkeypatch.setattr("iiifserver.publish.edition.make_pyramids", make_later)
    with pytest.raises(InvalidExhibition) as caught:
        publish(small.sheets, f"{bucket}/scans", config, look=look)
    [mistake] = caught.value.mistakes
    assert mistake.value == "b1/1.png"
    assert ("was replaced" if happens == "changes" else "has no b1/1.png") in mistake.reason
    assert numbers(config.home) == []
    there = [key.key for key in opened(config.home).list("pyramids")]
    assert len({key.partition(".")[0] for key in there}) == 2  # a1/2.jpg, and what is small
    assert [path for path in left(small.data) if ".aside" in str(path)] == []


def test_a_scan_that_changes_while_it_is_fetched_is_never_made_of_two(
    tmp_path: Path, bucket: str, s3: S3
) -> None:
    first = os.urandom(20 << 20)
    put(bucket, "r1/1.tif", first, tmp_path)
    scan = original(bucket, "r1/1.tif")
    s3.asked.clear()
    read = s3._app  # what answers

    def replaced_after_two(environ: dict[str, Any], start_response: Any) -> Any:
        gets = [each for each in s3.asked if each.method == "GET"]
        if len(gets) == 3:
            s3._app = read
            put(bucket, "r1/1.tif", os.urandom(len(first)), tmp_path)
        return read(environ, start_response)

    s3._app = replaced_after_two
    with pytest.raises(Replaced), scan.at_hand(tmp_path / "data"):
        raise AssertionError("it was handed over")
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    with original(bucket, "r1/1.tif").at_hand(tmp_path / "data") as own:
        assert own.path.read_bytes() != first


@pytest.mark.parametrize("fault", ["cut", "500", "503"])
def test_what_fails_once_on_the_way_is_fetched_whole_all_the_same(
    fault: str, tmp_path: Path, bucket: str, s3: S3
) -> None:
    body = os.urandom(17 << 20)
    put(bucket, "r1/1.tif", body, tmp_path)
    scan = original(bucket, "r1/1.tif")
    s3.faults[:] = ["", fault]
    with scan.at_hand(tmp_path / "data") as own:
        assert own.path.read_bytes() == body
        assert own.path.suffix == ".tif"


@pytest.mark.parametrize("fault", ["truncated", "other range"])
def test_other_bytes_than_were_asked_for_are_no_scan(
    fault: str, tmp_path: Path, bucket: str, s3: S3
) -> None:
    put(bucket, "r1/1.tif", os.urandom(17 << 20), tmp_path)
    scan = original(bucket, "r1/1.tif")
    s3.faults[:] = ["", fault]
    with pytest.raises(RequestError, match=bucket), scan.at_hand(tmp_path / "data"):
        raise AssertionError("it was handed over")
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("target", PLACES)
def test_a_poisonous_scan_is_told_and_stops_no_other(
    target: str, small: Small, bucket: str
) -> None:
    scan = small.scans / "b1" / "1.png"
    scan.write_bytes(scan.read_bytes()[:-300_000])
    small.put(f"{bucket}/scans")
    config = small.config(store=f"{bucket}/published" if target == "bucket" else "")
    with pytest.raises(InvalidExhibition) as caught:
        publish(small.sheets, small.place, config, look=look)
    assert [mistake.value for mistake in caught.value.mistakes] == ["b1/1.png"]
    assert len(list(opened(config.home).list("pyramids"))) == 4
    assert [path for path in left(small.data) if ".aside" in str(path)] == []


def test_no_credentials_travel_with_a_job(bucket: str, tmp_path: Path) -> None:
    put(bucket, "r1/1.png", png(60, 80), tmp_path)
    scan = Wanted("r1/1.png", original(bucket, "r1/1.png"))
    config = Config(data=tmp_path / "data", store=f"{bucket}/published")
    sent: list[bytes] = []

    def prepare(job: Any) -> Any:
        sent.append(pickle.dumps(job))
        return job

    make_pyramids({"a.tif": scan}, config, workers=Workers(1, threads, prepare))
    assert len(sent) == 1
    assert bucket.encode() in sent[0]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert os.environ[name].encode() not in sent[0]


# -- documents


def test_a_document_is_fetched_once_for_many_of_its_pages(
    tmp_path: Path, bucket: str, s3: S3
) -> None:
    pages = [picture(900 + number, 700, seed=number) for number in range(12)]
    pages[0].save(tmp_path / "m.pdf", save_all=True, append_images=pages[1:], resolution=300)
    put(bucket, "r/m.pdf", (tmp_path / "m.pdf").read_bytes(), tmp_path)
    size_bytes = (tmp_path / "m.pdf").stat().st_size
    config = Config(data=tmp_path / "data", store=f"{bucket}/published", pyramid_tile=128)
    scan = original(bucket, "r/m.pdf")
    wanted = {f"{leaf}.tif": Wanted("r/m.pdf", scan, leaf) for leaf in range(12)}
    s3.asked.clear()
    assert make_pyramids(wanted | {"lost.tif": Wanted("x", scan, 0)}, config, workers=ONE) == 13
    assert read_of(s3, "m.pdf") < size_bytes + (9 << 20)  # pieces are asked for whole
    near = Config(data=tmp_path / "near", pyramid_tile=128)
    here = Original.of(tmp_path / "m.pdf")
    make_pyramids({f"{n}.tif": Wanted("m", here, n) for n in range(12)}, near, workers=ONE)
    for leaf in range(12):
        made = opened(f"{bucket}/published").read(f"pyramids/{leaf}.tif", 0, 99 << 20).body
        assert made == (near.data / "pyramids" / f"{leaf}.tif").read_bytes()


def test_a_page_that_is_not_there_is_told_and_stops_no_other(tmp_path: Path, bucket: str) -> None:
    pages = [picture(900, 700, seed=number) for number in range(3)]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:])
    put(bucket, "r/m.tif", (tmp_path / "m.tif").read_bytes(), tmp_path)
    config = Config(data=tmp_path / "data", pyramid_tile=128)
    scan = original(bucket, "r/m.tif")
    with pytest.raises(InvalidExhibition, match=r"r/m\.tif \(page 4\)"):
        make_pyramids(
            {f"{leaf}.tif": Wanted("r/m.tif", scan, leaf) for leaf in range(4)}, config, workers=ONE
        )
    names = {path.name for path in left(config.data)}
    assert names == {f"{leaf}{ending}" for leaf in range(3) for ending in (".tif", ".tiles")}


class Page(NamedTuple):
    """A picture of a document; one is poison."""

    original: Original
    target: Path
    deadly: bool = False

    def of(self, original: Original) -> Page:
        return self._replace(original=original)

    def __call__(self) -> Path:
        if self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        assert self.original.path.read_bytes() == b"document"
        return self.target


class Own(Page):
    """One that is made alone: it has to fetch its document itself."""

    def __call__(self) -> Path:
        with self.original.at_hand(self.target.parent) as own:
            return Page(own, self.target, self.deadly)()


def test_a_page_that_kills_its_process_takes_no_other_with_it(tmp_path: Path, bucket: str) -> None:
    put(bucket, "r/m.pdf", b"document", tmp_path)
    scan, config = original(bucket, "r/m.pdf"), Config(data=tmp_path)
    pages = {f"{n}": Own(scan, tmp_path / "data" / f"{n}", n == 2) for n in range(3)}
    outcomes = dict(run_together(pages, processes(config)))
    assert "died" in str(outcomes.pop("2"))
    assert outcomes == {f"{n}": tmp_path / "data" / f"{n}" for n in (0, 1)}


# -- in processes, and interrupted

PUBLISHER = """
import sys
from pathlib import Path
from iiifserver.config import Config
from iiifserver.publish.publication import publish

if __name__ == "__main__":
    sheets, scans, store, data, executor = sys.argv[1:]
    config = Config(data=Path(data), store=store, executor=executor, pyramid_tile=128)
    print(publish(Path(sheets), scans, config))
"""
SCANS = 12


@pytest.fixture
def many(tmp_path: Path) -> Small:
    """An exhibition of records with enough to do."""
    made = Small(tmp_path)
    Image.effect_noise((2_200, 1_800), 60).save(tmp_path / "noise.jpg", quality=70)
    for number in range(SCANS):
        image = Image.open(tmp_path / "noise.jpg")
        image.putpixel((number, 0), 255 - number)
        image.save(made.scans / "b1" / f"{number + 3}.jpg", quality=70)
    return made


class Publication:
    """A publication in a process of its own, from a bucket into a bucket."""

    def __init__(self, small: Small, place: str, executor: str = "processes") -> None:
        script = small.data.with_name("publisher.py")
        script.write_text(PUBLISHER)
        self.store = f"{place}/published"
        where = [str(small.sheets), f"{place}/scans", self.store, str(small.data), executor]
        self.process = subprocess.Popen(
            [sys.executable, str(script), *where],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def made(self) -> list[str]:
        """Return the names of the pyramids that are there, and their sidecars with them."""
        keys = {key.key for key in opened(self.store).list("pyramids")}
        return [key for key in keys if re.sub(r"\.tif$", ".tiles", key) in keys - {key}]

    def until_some(self) -> None:
        """Return when some are made, but not all."""
        wait_until(lambda: self.made() or self.process.poll() is not None)
        assert self.process.poll() is None

    def said(self) -> str:
        """Return what it says at its end."""
        said, errors = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, errors
        return said


def whole(store: str) -> None:
    """Fail unless all is in the store that its edition names."""
    index = read_index(store, current(store).number)
    there = {key.key.rpartition("/")[2] for key in opened(store).list("pyramids")}
    assert len(index["images"]) == 6 + SCANS
    for image in index["images"].values():
        assert {image["pyramid"], image["tiles"]} <= there


@pytest.mark.long
def test_a_stopped_publication_is_finished_by_the_next(many: Small, bucket: str) -> None:
    many.put(f"{bucket}/scans")
    first = Publication(many, bucket)
    first.until_some()
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.communicate()
    assert numbers(first.store) == []
    done = set(first.made())
    assert 0 < len(done) < SCANS
    written = {key.key: key.written_s for key in opened(first.store).list("pyramids")}
    second = Publication(many, bucket)
    assert "edition 1 published" in second.said()
    whole(second.store)
    again = {key.key: key.written_s for key in opened(second.store).list("pyramids")}
    assert all(again[key] == written[key] for key in done)
    assert left(many.data) == []  # nor anything of those who were killed


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks for its processes in /proc")
def test_a_process_that_is_killed_loses_nothing(many: Small, bucket: str) -> None:
    many.put(f"{bucket}/scans")
    publication = Publication(many, bucket)
    publication.until_some()
    family = children(publication.process.pid)
    # forked of a process that Python starts for that, they have its command; it comes first
    _, *workers = [pid for pid in family if "forkserver" in command(pid)]
    os.kill(workers[0], signal.SIGKILL)
    assert "edition 1 published" in publication.said()
    whole(publication.store)


def test_processes_make_of_a_bucket_what_they_make_of_a_folder(
    small: Small, bucket: str, tmp_path: Path
) -> None:
    path = small.scans / "b1" / "1.png"
    put(bucket, "b1/1.png", path.read_bytes(), tmp_path)
    near, far = Config(data=tmp_path / "near"), Config(data=tmp_path / "far")
    make_pyramids({"a.tif": Wanted("a", Original.of(path))}, near, workers=processes(near))
    make_pyramids({"a.tif": Wanted("a", original(bucket, "b1/1.png"))}, far, workers=processes(far))
    for name in ("a.tif", "a.tiles"):
        made = (near.data / "pyramids" / name).read_bytes()
        assert (far.data / "pyramids" / name).read_bytes() == made
    assert len(left(far.data)) == 2


def test_a_cluster_needs_no_folder_where_all_is_in_buckets(
    small: Small, bucket: str, tmp_path: Path, s3: S3
) -> None:
    small.put(f"{bucket}/scans")
    (tmp_path / "dask").mkdir()
    with dask_here(tmp_path / "dask") as cluster:
        config = small.config(store=f"{bucket}/published", executor=cluster.executor)
        assert "edition 1 published" in publish(small.sheets, small.place, config)
    pool = small.config(store=f"{bucket}/pool", data=tmp_path / "pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyramids, "workers_of", lambda *_, **__: nullcontext(ONE))
        publish(small.sheets, small.place, pool, look=look)
    theirs, ours = opened(f"{bucket}/pool"), opened(f"{bucket}/published")
    keys = [key.key for key in ours.list("pyramids")]
    assert keys == [key.key for key in theirs.list("pyramids")]
    assert len(keys) == 6
    for key in keys:
        assert ours.read(key, 0, 9 << 20).body == theirs.read(key, 0, 9 << 20).body
    assert not (small.data / "pyramids").exists()  # workers have folders of their own
    assert not list((tmp_path / "dask").rglob("iiifserver/*"))


@pytest.mark.long
def test_a_worker_of_a_cluster_that_is_killed_loses_nothing(
    many: Small, bucket: str, tmp_path: Path
) -> None:
    many.put(f"{bucket}/scans")
    (tmp_path / "dask").mkdir()
    with dask_here(tmp_path / "dask") as cluster:
        publication = Publication(many, bucket, cluster.executor)
        publication.until_some()
        cluster.started[-1].kill()
        assert "edition 1 published" in publication.said()
    whole(publication.store)
