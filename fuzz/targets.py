"""What strangers' bytes come into: each target takes bytes and raises only where there is a fault.

Our own exceptions (`errors.py`) are the right answer to damage and are no fault. Beyond that each
target says what must hold of what was accepted.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import seeds

from iiifserver.errors import InvalidExhibition, InvalidValue, RequestError

_LONGEST_TEXT = 2_000
_GIVEN = ("HTTP_HOST", "HTTP_X_REQUEST_ID")
_MOST_READ_BYTES = 16 << 20  # of a header: what `Window` allows, and the signature
_MAX_SIDE = 2**31 - 1
# as `plan.Limits` has them: what is imported before fuzzing begins cannot be instrumented
_LIMITS = {"max_width": 4_096, "max_height": 4_096, "max_area": 8_000_000}


@dataclass(frozen=True, slots=True)
class Target:
    """A function of bytes, and the bytes that fuzzing begins with.

    `modules` are those of ours whose branches a coverage-guided fuzzer should see.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    modules: tuple[str, ...]
    most_bytes: int = _LONGEST_TEXT
    main: bool = True
    """Whether issue 6 names it: at least 100,000 executions are recorded."""


# -- requests


def request(data: bytes) -> None:
    """A picture's four segments: what is accepted has one spelling, and obeys the limits."""
    from iiifserver.image.plan import Dimensions, Limits, make_plan
    from iiifserver.image.request import ImageRequest

    limits = Limits(**_LIMITS)
    text = data.decode("utf-8", "replace")
    version, _, rest = text.partition("/")
    # what is missing is usual, so that each input is read to some depth
    given = rest.split("/", 3)
    segments = [*given, *("full", "max", "0", "default.jpg")[len(given) :]]
    number: Any = 2 if version == "2" else 3
    with contextlib.suppress(RequestError):
        asked = ImageRequest.parse(number, *segments)
        for image in (Dimensions(3977, 5923), Dimensions(1, 1), Dimensions(_MAX_SIDE, 1)):
            with contextlib.suppress(RequestError):
                plan = make_plan(asked, image, limits)
                _check_plan(plan, image, limits)
                again = ImageRequest.parse(number, *plan.canonical.split("/"))
                same = make_plan(again, image, limits)
                assert same.canonical == plan.canonical, (text, plan.canonical, same.canonical)
                assert same.pixels == plan.pixels, (text, plan.pixels, same.pixels)


def _check_plan(plan: Any, image: Any, limits: Any) -> None:
    x, y, width, height = plan.box
    assert x >= 0 <= y, plan
    assert width > 0 < height, plan
    assert x + width <= image.width, plan
    assert y + height <= image.height, plan
    assert limits.allow(plan.width, plan.height), plan


def paths(data: bytes) -> None:
    """Paths and what they may name; `urls.py` makes addresses of what it took apart."""
    from iiifserver import urls

    path = data.decode("utf-8", "replace")
    ours = urls.Urls("http://localhost")
    urls.is_address(path)
    for reading in urls.presentation_paths(path):
        assert len(reading.identifier) + len(reading.name) < len(path) + 1
        address = ours.manifest(reading.identifier)
        assert "\n" not in address
        assert " " not in address
    parts = urls.split_image_path(path)
    if parts:
        assert "/".join((parts.identifier, *parts.segments)) == path
        ours.image_service(3, parts.identifier)


def content_state(data: bytes) -> None:
    """A content state in any spelling: what is read of it can be written and read again."""
    from iiifserver.presentation import contentstate

    with contextlib.suppress(RequestError):
        for target in contentstate.decode(data.decode("utf-8", "replace")):
            written = contentstate.encode(target)
            if len(written) <= contentstate.MAX_CHARACTERS:
                (again,) = contentstate.decode(written)
                assert (again.address, again.part_of) == (target.address, target.part_of), target


def door(data: bytes) -> None:
    """A request through the whole application, by both doors: no status 500 and no traceback."""
    line, _, rest = data.partition(b"\n")
    path, _, query = line.partition(b"?")
    headers = dict(_header(one) for one in rest.split(b"\n")[:8] if b":" in one)
    method = headers.pop("HTTP_METHOD", "GET")
    environ = {
        "REQUEST_METHOD": method if method in ("GET", "HEAD", "OPTIONS", "POST") else "GET",
        "PATH_INFO": "/" + path.decode("latin-1").lstrip("/"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": _NOTHING,
        "wsgi.errors": _NOTHING,
        "HTTP_HOST": "localhost",
        "HTTP_X_REQUEST_ID": "fuzz",  # which problem documents repeat
    } | {name: value for name, value in headers.items() if name not in _GIVEN}
    answers = []
    for application in _applications():
        said: list[Any] = []
        body = application(
            dict(environ), lambda status, fields, _=None, said=said: said.extend((status, fields))
        )
        content = b"".join(body)
        getattr(body, "close", lambda: None)()
        status, fields = said
        assert int(status[:3]) not in (500, 502), (line, status, content[:300])
        assert not any("\n" in value or "\r" in value for _, value in fields), fields
        answers.append((status[:3], content))
    if environ["PATH_INFO"].startswith("/iiif/") and environ["REQUEST_METHOD"] == "GET":
        assert answers[0] == answers[1], (line, answers)


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.partition(b":")
    text = re.sub(r"[^A-Z0-9]", "_", name.decode("latin-1").upper())
    return f"HTTP_{text}", value.decode("latin-1").strip()


class _Nothing:
    """An empty body, and a log that nobody reads."""

    def read(self, *_: int) -> bytes:
        return b""

    readline = read

    def write(self, _: str) -> None:
        return

    def flush(self) -> None:
        return


_NOTHING = _Nothing()


@functools.cache
def _applications() -> tuple[Any, Any]:
    """Return a server over one small image, with the door for tiles and without."""
    from image_sources import picture
    from in_this_process import InThisProcess

    from iiifserver.config import Config
    from iiifserver.web import create_app

    folder = _folder() / "scans"
    folder.mkdir()
    picture(60, 40).save(folder / "sea.png")
    # small, so that many requests are made
    bounds = {"max_area": 40_000, "max_width": 400, "max_height": 400}
    config = Config(folder=str(folder), data=_folder() / "data", allowed_hosts=("*",), **bounds)
    with_door = create_app(config, InThisProcess())
    without = create_app(config, InThisProcess(), tile_door=False)
    return with_door.wsgi_app, without.wsgi_app


def tiles(data: bytes) -> None:
    """Requests for tiles, as they come on a connection: one answer, by whichever door, and again.

    The first byte says which image is asked, and of which version.
    """
    number, line = (data[0] if data else 0), data[1:]
    name = _TILED[number % len(_TILED)]
    version = 2 if number & 0x40 else 3
    target = b"/iiif/%d/%s/" % (version, name)
    path, ended, headers = line.partition(b"\n")
    sent = b"GET %s%s HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: fuzz\r\n" % (target, path)
    sent += b"".join(one + b"\r\n" for one in headers.split(b"\n")[:8] if ended and b":" in one)
    for asked in _read_requests([sent + b"\r\n"]):
        if not asked.refused:
            _ask_all(asked.environ)


_TILED = (
    b"scan.png", b"scan", b"a%2F%E6%B5%B7.png", b"a/%E6%B5%B7", b"gray.png", b"wide.png",
    b"dot.png", b"small.png", b"none",
)  # fmt: skip


def _ask_all(environ: dict[str, Any]) -> None:
    """Ask Flask, then the door that knows nothing of it, then that again, as often as it learns."""
    with_door, without = _tile_servers()
    said = [_answer(each, environ) for each in (without, with_door, with_door, with_door)]
    first = said[0]
    assert first[0] < 500, (environ["PATH_INFO"], first)
    for other in said[1:]:
        assert other == first, (environ, first, other)


def _answer(application: Any, environ: dict[str, Any]) -> tuple[Any, ...]:
    """Return status, headers and body; of a problem only what does not tell of its request."""
    from iiifserver.web.answers import written

    said: list[Any] = []
    about = {"wsgi.input": _NOTHING, "wsgi.errors": _NOTHING, "SCRIPT_NAME": ""}
    about |= {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
    body = application(
        {**about, "wsgi.url_scheme": "http", **environ},
        lambda status, fields, _=None: said.extend((status, fields)),
    )
    content = b"".join(body)
    getattr(body, "close", lambda: None)()
    status, fields = said
    written(fields)  # or it would not be sent
    kept = sorted(one for one in fields if one[0] != "X-Request-ID")
    length = [int(value) for name, value in kept if name == "Content-Length"]
    assert environ["REQUEST_METHOD"] == "HEAD" or length in ([], [len(content)]), (kept, content)
    return int(status[:3]), kept, content


@functools.cache
def _tile_servers() -> tuple[Any, Any]:
    """Return two servers of pictures whose tiles stand ready, but of the small: by both doors."""
    from image_sources import picture
    from in_this_process import InThisProcess

    from iiifserver.config import Config
    from iiifserver.web import create_app

    folder = _folder() / "tiled"
    (folder / "a").mkdir(parents=True)
    picture(700, 500).save(folder / "scan.png")
    picture(520, 390).save(folder / "a" / "海.png")
    picture(600, 450).convert("L").save(folder / "gray.png")
    picture(2_000, 129).save(folder / "wide.png")
    picture(60, 40).save(folder / "small.png")
    picture(1, 1).save(folder / "dot.png")
    bounds = {"max_area": 90_000, "max_width": 400, "max_height": 400}
    config = Config(
        folder=str(folder), data=_folder() / "tiled-data", pyramid_tile=128,
        base_url="https://archive.example/iiif", **bounds,
    )  # fmt: skip
    renderer = InThisProcess()
    without = create_app(config, renderer, tile_door=False).wsgi_app
    for name in _TILED[:-1]:
        for asked in _read_requests([b"GET /iiif/3/%s/info.json HTTP/1.0\r\n\r\n" % name]):
            _answer(without, asked.environ)
    for job in renderer.begun:
        job.run()
    renderer = InThisProcess()
    doors = [create_app(config, renderer, tile_door=ours).wsgi_app for ours in (True, False)]
    return doors[0], doors[1]


def wire(data: bytes) -> None:
    """What comes on a connection: however it is cut, the same requests are read, within bounds.

    The first byte says how long the pieces are.
    """
    from iiifserver.web.wire import requests

    if not data:
        return
    sent, length = data[1:], 1 + data[0] % 61
    whole = _read_requests([sent])
    cut = _read_requests([sent[at : at + length] for at in range(0, len(sent), length)])
    assert [_told(asked) for asked in cut] == [_told(asked) for asked in whole], sent
    for number, asked in enumerate(whole, 1):
        environ = asked.environ
        head = sum(len(key) + len(value) for key, value in environ.items() if key.isupper())
        assert head <= 2 * requests._HEAD_BYTES, sent
        assert environ["PATH_INFO"].startswith("/") or asked.refused, sent
        assert all(isinstance(environ[key], str) for key in environ if key.isupper()), sent
        assert number == len(whole) or not asked.refused, sent


def _read_requests(pieces: Sequence[bytes]) -> list[Any]:
    from iiifserver.web.wire.requests import Requests

    taken: list[Any] = []

    def take(asked: Any) -> None:
        taken.append(asked)
        reader.deaf |= asked.last  # what follows is answered by nobody

    reader = Requests({}, take, lambda: None)
    with _no_words():
        for piece in pieces:
            reader.feed(piece)
    return taken


def _told(asked: Any) -> tuple[Any, ...]:
    """Return what an answer depends on; of what is refused not how much of it was read before."""
    if asked.refused:
        return (type(asked.refused).__name__,)
    environ = dict(asked.environ)
    body = environ.pop("wsgi.input", None)
    return environ, body.getvalue() if body else b"", asked.last


class _Faults(logging.Handler):
    """Makes a fault of what our program tells as an unexpected error."""

    def emit(self, record: logging.LogRecord) -> None:
        raise AssertionError(record.getMessage()) from (record.exc_info or (None, None))[1]


@contextlib.contextmanager
def _no_words() -> Any:
    log, faults = logging.getLogger("iiifserver.web.wire.requests"), _Faults()
    log.addHandler(faults)
    try:
        yield
    finally:
        log.removeHandler(faults)


# -- headers of images


def header(data: bytes) -> None:
    """A file's header: bounded reading, and sizes, levels and costs that others can reckon with."""
    from iiifserver.image.open import count_leaves, describe

    read = _Reads(data)
    with contextlib.suppress(RequestError):
        _check_header(describe(read, len(data)))
    with contextlib.suppress(RequestError):
        for leaf in range(1, min(count_leaves(read, len(data)), 3)):
            _check_header(describe(read, len(data), leaf))
    # three times a window of its own
    assert read.total_bytes <= 4 * _MOST_READ_BYTES, read.total_bytes


class _Reads:
    """A file in memory that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.total_bytes = 0

    def __call__(self, offset: int, length: int) -> bytes:
        self.total_bytes += length
        return self._data[offset : offset + length]


def _check_header(found: Any) -> None:
    from iiifserver.config import Config
    from iiifserver.image.cost import check_cost, cost_ms
    from iiifserver.image.info import Description, info
    from iiifserver.image.plan import Dimensions, Limits, make_plan
    from iiifserver.image.request import ImageRequest

    limits = Limits(**_LIMITS)
    assert 0 < found.width <= _MAX_SIDE, found
    assert 0 < found.height <= _MAX_SIDE, found
    assert 1 <= found.orientation <= 8, found
    assert found.levels, found
    assert found.levels[0].scale == 1, found
    assert all(level.width > 0 < level.height for level in found.levels), found
    assert found.decode_bytes > 0, found
    check_cost("it", found, Config())
    image = Dimensions(found.width, found.height)
    info(3, Description("http://localhost/iiif/3/it", image), limits)
    for size in ("max", "90,", "!200,200"):
        asked = ImageRequest.parse(3, "full", size, "0", "default.jpg")
        with contextlib.suppress(RequestError):
            assert cost_ms(found, make_plan(asked, image, limits)) >= 0, found
    asked = ImageRequest.parse(3, "0,0,512,512", "!512,512", "0", "default.jpg")
    assert cost_ms(found, make_plan(asked, image, limits)) >= 0, found


def places(data: bytes) -> None:
    """Tiles that may be sent as they are: all of them within the file, with what comes before."""
    from iiifserver.image.open import describe
    from iiifserver.image.places import Places
    from iiifserver.image.plan import Box

    with contextlib.suppress(RequestError), _file(data) as file:
        found = describe(lambda offset, length: data[offset : offset + length], len(data))
        tiles = Places(file, found)
        for number, level in enumerate(found.levels):
            for left, top in ((0, 0), (level.width - 1, 0), (0, level.height - 1)):
                place = tiles.find(number, Box(left, top, 1, 1))
                if place and place.sent:
                    end = place.sent.offset + place.sent.length
                    assert 0 <= place.sent.offset < end <= len(data), place


def jpeg_stream(data: bytes) -> None:
    """A tile's JPEG and the tables that come before it."""
    from iiifserver.image.jpeg import Coding, common_tables, prefix_for

    tables = common_tables(data[: len(data) // 2])
    for samples, ycbcr in ((1, False), (3, False), (3, True)):
        coding = Coding(*seeds.SIZE, samples, ycbcr, tables)
        made = prefix_for(data, coding)
        assert made is None or 0 <= made.skip <= made.head_bytes <= len(data), made


def jpeg_middle(data: bytes) -> None:
    """A JPEG in sections: where one can begin, what goes around it, and what is kept of them."""
    from iiifserver.image.render.baseline import baseline
    from iiifserver.image.render.entropy import Finder, lowest_start, mark, prelude, tail
    from iiifserver.image.render.restarts import parts
    from iiifserver.image.render.sections import packed, unpacked

    with contextlib.suppress(ValueError):
        assert packed(unpacked(data)) == data
    jpeg = baseline(data)
    if jpeg is None:
        return
    assert 0 < jpeg.start <= len(data)
    assert jpeg.head(3).startswith(b"\xff\xd8")
    assert len(jpeg.without_rows(data, 0)) == jpeg.start
    ending = mark(jpeg)
    found = Finder(jpeg).find(data[jpeg.start :], jpeg.start)
    assert found is None or (jpeg.start <= found.byte < len(data) and 0 <= found.bit < 8), found
    means = (lowest_start(jpeg.components[0]), *[-3] * (len(jpeg.components) - 1))
    for bit in range(8):
        assert tail(jpeg, 0xA5, bit, ending).endswith(b"\xff\xd9")
        before = prelude(jpeg, 0xA5, bit, means, jpeg.columns + 5)
        assert before is None or before
    assert jpeg.step * jpeg.columns % (8 * jpeg.interval or 1) == 0
    if jpeg.interval and jpeg.step * jpeg.columns < 100_000:
        before = prelude(jpeg, 0, 0, means, jpeg.step * jpeg.columns)
        assert before is not None
        assert before.endswith(b"\xff\xd7")
    path = _folder() / "middle.jpg"
    path.write_bytes(data)
    with path.open("rb") as file:
        divided = parts(file.fileno(), jpeg, 3) if jpeg.interval else []
    assert not divided or sum(each.mcus for each in divided) == jpeg.mcus


def sidecar(data: bytes) -> None:
    """A sidecar whose checksum is right, whatever it says: what it finds is within its files."""
    from iiifserver.image.plan import Box
    from iiifserver.image.stored import read_stored

    pyramid, _, identity = seeds.sidecar()
    folder = _folder()
    picture, path = folder / "pyramid.tif", folder / "pyramid.tiles"
    if not picture.exists():
        picture.write_bytes(pyramid)
    head = min(struct.unpack_from("<I", data, 8)[0], len(data)) if len(data) > 16 else 0
    body = data[16 : 16 + head]
    path.write_bytes(data[:8] + struct.pack("<II", len(body), zlib.crc32(body)) + data[16:])
    found = read_stored(path, picture, identity)
    if found is None:
        return
    assert found.memory_bytes > 0
    for left in (0, 128, 256):
        place = found.place(Box(left, 0, 128, 128), 128, 128)
        if place:
            assert place.length > 0
    found.place(Box(0, 0, *found.image), 90, 67)


# -- what curators write


def csv(data: bytes) -> None:
    """A CSV file of any encoding."""
    from iiifserver.publish.tables import read_csv

    with contextlib.suppress(InvalidExhibition), _path(data, "records.csv") as path:
        read_csv(path, "Records")


def toml(data: bytes) -> None:
    """The settings of an exhibition."""
    from iiifserver.publish.tables import read_toml

    with contextlib.suppress(InvalidExhibition), _path(data, "exhibition.toml") as path:
        read_toml(path, "Exhibition")


def workbook(data: bytes) -> None:
    """An Excel workbook."""
    from iiifserver.publish.spreadsheet import read_workbook

    with contextlib.suppress(InvalidExhibition), _path(data, "exhibition.xlsx") as path:
        read_workbook(path, ("Exhibition", "Chapters", "Records"))


def sheet(data: bytes) -> None:
    """The XML parts of a workbook, as they are after unpacking."""
    from iiifserver.publish import sheetxml, spreadsheet

    for part in (sheetxml.raw_sheet, sheetxml.shared_strings, sheetxml.number_formats):
        with contextlib.suppress(*spreadsheet._BROKEN, InvalidValue):
            part(data)


def markup(data: bytes) -> None:
    """HTML in a cell: what is kept has no script, and is kept as it is the second time."""
    from iiifserver.publish.markup import is_html, marked_up

    with contextlib.suppress(InvalidValue):
        made = marked_up(data.decode("utf-8", "replace"))
        assert not is_html(made) or "<script" not in made.lower(), made


def date(data: bytes) -> None:
    """A date as people write it: it is shown in every language, or a proposal is made."""
    from iiifserver import dates

    with contextlib.suppress(InvalidValue):
        found = dates.parse_date(data.decode("utf-8", "replace"))
        for language in ("en", "ja", "mn", "ru"):
            assert dates.display(found, language)
        dates.nav_date(found)


# -- files in memory


@functools.cache
def _place() -> tempfile.TemporaryDirectory[str]:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    return tempfile.TemporaryDirectory(prefix="iiifserver-fuzz-", dir=memory)


def _folder() -> Path:
    return Path(_place().name)


@contextlib.contextmanager
def _path(data: bytes, name: str) -> Any:
    path = _folder() / name
    path.write_bytes(data)
    yield path


@contextlib.contextmanager
def _file(data: bytes) -> Any:
    with _path(data, "file") as path, path.open("rb", buffering=0) as file:
        assert os.fstat(file.fileno()).st_size == len(data)
        yield file


def _encoded(texts: Sequence[str]) -> Callable[[], Sequence[bytes]]:
    return lambda: [text.encode() for text in texts]


def _drawn(form: str) -> Callable[[], Sequence[bytes]]:
    return lambda: seeds.images(form)


_HEADERS = ("iiifserver.image",)
TARGETS: dict[str, Target] = {
    "request": Target(request, _encoded(seeds.REQUESTS), ("iiifserver.image",), 300),
    "paths": Target(paths, _encoded(seeds.ADDRESSES), ("iiifserver.urls",), 500),
    "content-state": Target(
        content_state, _encoded(seeds.CONTENT_STATES), ("iiifserver.presentation",), 9_000
    ),
    "wire": Target(
        wire, lambda: [bytes([n]) + one for n, one in enumerate(seeds.WIRE)],
        ("iiifserver.web.wire",), 1_500,
    ),
    "tiles": Target(
        tiles, lambda: [bytes([n * 7 % 45 + 64 * (n % 4 > 2)]) + one for n, one in enumerate(
            seeds.TILES * 9)], ("iiifserver.web", "iiifserver.image.names"), 300,
    ),
    "door": Target(door, _encoded(seeds.ADDRESSES), ("iiifserver.web", "iiifserver.urls"), 800),
    **{
        form: Target(header, _drawn(form), _HEADERS, 96 << 10) for form in seeds.IMAGE_FORMATS
    },
    "places": Target(places, _drawn("tiff"), _HEADERS, 96 << 10),
    "jpeg-stream": Target(jpeg_stream, _drawn("jpeg"), _HEADERS, 4 << 10),
    "jpeg-middle": Target(
        jpeg_middle, _drawn("jpeg"), ("iiifserver.image.render",), 4 << 10, main=False
    ),
    "sidecar": Target(sidecar, lambda: [seeds.sidecar()[1]], _HEADERS, 64 << 10),
    "csv": Target(csv, _encoded(seeds.CSV), ("iiifserver.publish",), main=False),
    "toml": Target(
        toml, _encoded(["title_en = 'a'\n[title]\nja = \"海\"\nn = 1\n"]),
        ("iiifserver.publish",), main=False,
    ),
    "workbook": Target(
        workbook, seeds.workbooks, ("iiifserver.publish",), 64 << 10, main=False
    ),
    "sheet": Target(sheet, _encoded(seeds.SHEET_XML), ("iiifserver.publish",), main=False),
    "markup": Target(markup, _encoded(seeds.MARKUP), ("iiifserver.publish",), main=False),
    "date": Target(date, _encoded(seeds.DATES), ("iiifserver.dates",), 100, main=False),
}  # fmt: skip
