"""Whether a server can run well here: each thing that it needs, what was found, and what to do."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from . import __file__ as here
from . import __version__
from .config import Config, named_sources
from .edition import current, index_key, object_key
from .errors import IiifServerError, NotFound
from .image import containers, lossless
from .image.broker import Bounds
from .image.broker.pool import Pool
from .image.job import bytes_of
from .image.jp2 import openjpeg_version
from .image.request import ImageRequest
from .image.service import Images
from .machine import Machine
from .sources import File, Folder, Listed, Sources
from .stores import opened, shown

State = Literal["ok", "warn", "fail"]
_FILES = 8_704  # what server.py asks for
_LEAST_FILES = 1_024
_LITTLE, _NEARLY_NONE = 0.1, 0.01
_WORKER_MIB = 256  # of a web worker that has answered for a while
_LONGEST_SOCKET = 100  # of a path; the system's bound is 104 or 108
_SLOW_MS = 2_000.0
_STRANGE = "iiifserver-doctor-asks.tif"
_ADVICE = {
    "libraries": "install the package anew, with what its lock file names",
    "holdings": "publish with iiifserver publish FOLDER, or name the right data, store or folder",
    "data": "mount the disk, or name another place as data",
    "temporary folder": "make room there, or set TMPDIR to another place",
}
_DECODED = "gray, turned and mirrored tiles are decoded, which takes a third longer"
_JPEG = (b"\xff\xd8\xff", b"\xff\xd9")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `do` is what to do, where it is not as it should be."""

    name: str
    state: State
    said: str
    do: str = ""


def examine(config: Config, machine: Machine) -> Iterator[Check]:
    """Yield what was found, one thing after the other; nothing that is asked raises."""
    looks: dict[str, Callable[[Config], Iterator[Check]]] = {
        "program": _program,
        "libraries": _libraries,
        "settings": _settings,
        "memory": partial(_memory, machine),
        "open files": _files,
        "clock": _clock,
        "temporary folder": _temporary,
        "data": _data,
        "holdings": _holdings,
        "sources": _prefixes,
        "tile": _tile,
    }
    for name, look in looks.items():
        try:
            yield from look(config)
        except (IiifServerError, OSError, ImportError) as error:
            yield Check(name, "fail", str(error), _ADVICE.get(name, "mend what is named"))


def _program(_: Config) -> Iterator[Check]:
    said = f"iiifserver {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield Check("program", "ok", said)


def _libraries(config: Config) -> Iterator[Check]:
    from .image.render import about

    for name, version in (*about.libraries(), *containers.libraries()):
        yield Check(f"library {name}", "ok", version)
    yield Check("library OpenJPEG", "ok", openjpeg_version())
    yield Check("library libturbojpeg", "ok", _turning(config))
    missing = about.missing_operations()
    if missing:
        do = "install pyvips[binary], which brings a libvips that has them"
        yield Check("libvips", "fail", f"built without {', '.join(missing)}", do)


def _turning(config: Config) -> str:
    """Return whether the one library that a server can do without is used."""
    if not config.lossless_turns:
        return f"not used: lossless_turns is off; {_DECODED}"
    name = lossless.found()
    if name:
        return (
            f"gray, turned and mirrored tiles are made without decoding, by what is called {name}"
        )
    return f"none, and none is needed: {_DECODED} (Debian: libturbojpeg0)"


def _settings(config: Config) -> Iterator[Check]:
    yield Check("settings", "ok", "all can be used; iiifserver config tells where each was said")
    if not config.base_url and config.folder and not config.trusted_proxies:
        yield Check(
            "base_url", "warn", "empty: addresses are made of the Host that a client names",
            "set it to the address that readers see, before others keep links",
        )  # fmt: skip


def _memory(machine: Machine, config: Config) -> Iterator[Check]:
    workers, memory_bytes, renders = machine.workers, machine.memory_bytes, machine.renders(config)
    renders += 1 + (renders == 1)
    most = (workers * _WORKER_MIB + renders * config.render_memory_mib) << 20
    said = f"{workers} workers and {renders} render processes take {most >> 20:,} MiB at most"
    said += f", of {memory_bytes >> 20:,} MiB"
    if most > memory_bytes:
        do = "lower render_processes or render_memory_mib, or max_decoder_mib with them"
        yield Check("memory", "warn", said, do)
    else:
        yield Check("memory", "ok", said)


def _files(_: Config) -> Iterator[Check]:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most == resource.RLIM_INFINITY or most >= _FILES:
        yield Check("open files", "ok", "as many as are needed")
        return
    state: State = "warn" if most >= _LEAST_FILES else "fail"
    do = f"raise the limit to {_FILES} (LimitNOFILE= in the unit, ulimits in a container)"
    yield Check("open files", state, f"{most:,} at most: so many connections and scans", do)


def _clock(_: Config) -> Iterator[Check]:
    installed, now = Path(here).stat().st_mtime, time.time()
    if now < installed:
        do = "set it (systemd-timesyncd): caches and certificates go by it"
        yield Check("clock", "warn", "it is before the time when this program was installed", do)
    else:
        yield Check("clock", "ok", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))


def _temporary(_: Config) -> Iterator[Check]:
    with tempfile.TemporaryDirectory(prefix="iiifserver-") as folder:
        if len(folder) + len("/broker") > _LONGEST_SOCKET:
            do = "set TMPDIR to a shorter one"
            yield Check("temporary folder", "fail", f"{folder}: too long for a socket", do)
        else:
            yield Check("temporary folder", "ok", str(Path(folder).parent))


def _data(config: Config) -> Iterator[Check]:
    data = config.data
    place = next(each for each in (data, *data.parents) if each.exists())
    if os.access(place, os.W_OK | os.X_OK):
        yield Check("data", "ok", f"{data} can be written")
    else:
        do = f"give {data} to the user that runs the server; only to serve, it may stay as it is"
        yield Check("data", "warn", f"{place} may not be written: nothing can be kept", do)
    usage, system = shutil.disk_usage(place), os.statvfs(place)
    yield _room("disk", usage.free, usage.total, f"{usage.free >> 20:,} MiB free", config)
    if system.f_files:
        said = f"{system.f_favail:,} files more"
        yield _room("inodes", system.f_favail, system.f_files, said, config)


def _room(name: str, free: int, total: int, said: str, config: Config) -> Check:
    share = free / max(total, 1)
    state: State = "ok" if share > _LITTLE else "warn" if share > _NEARLY_NONE else "fail"
    do = f"iiifserver prune, a smaller derived_mib ({config.derived_mib:,}), or a larger disk"
    return Check(name, state, said, "" if state == "ok" else do)


def _holdings(config: Config) -> Iterator[Check]:
    if config.folder:
        names = Folder(Path(config.folder)).names()
        count = len(names.images) + len(names.documents)
        said = f"{config.folder}: {count:,} images and documents"
        do = "" if count else "put scans there"
        yield Check("folder", "ok" if count else "warn", said, do)
        return
    edition = current(config.home)
    store = edition.near.store()
    said = f"edition {edition.number} at {edition.base_url}, in {shown(config.home)}"
    yield Check("edition", "ok", f"{said}: {len(edition.images.files):,} images")
    for lack in edition.lacks:
        yield Check("edition", "warn", "an older program wrote it", lack)
    store.read(index_key(edition.number), 0, 1)
    for unit in islice(edition.units.values(), 1):
        store.read(object_key(unit["object"]), 0, 1)
    for identifier in islice(edition.images.files, 1):
        edition.images.find(identifier)
    yield Check("store", "ok", "index, documents and scans can be read")


def _prefixes(config: Config) -> Iterator[Check]:
    """Look at each place of the setting `sources`: that nothing has a strange name is an answer."""
    for prefix, home in named_sources(config.sources, config.http_hosts).items():
        name, do = f"source {prefix}", "see docs/settings.md on sources and http_hosts"
        try:
            if isinstance(home, Path):
                os.listdir(home)  # noqa: PTH208 - only whether it can be
            else:
                opened(home, config.http_hosts).read(_STRANGE, 0, 1)
        except NotFound:
            pass
        except (IiifServerError, OSError) as error:
            yield Check(name, "fail", f"{shown(home)}: {error}", do)
            continue
        yield Check(name, "ok", f"{shown(home)} answers")


def _tile(config: Config) -> Iterator[Check]:
    """Make a tile from end to end: of what is served if there is anything, and of a picture."""
    with ExitStack() as stack:
        pool = stack.enter_context(closing(Pool(Bounds.of(replace(config, derived_mib=0)))))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="iiifserver-")))
        (folder / "test.png").write_bytes(_png(64, 64))
        yield _made("test", Listed({"test": File(folder / "test.png")}), config, pool)
        served = None
        with suppress(IiifServerError):  # that was told of before
            served = next(_first(config), None)
        if served:
            yield _made(*served, config, pool)


def _first(config: Config) -> Iterator[tuple[str, Sources]]:
    """Yield an image of what is served, if there is one."""
    if config.folder:
        folder = Folder(Path(config.folder))
        yield from ((name, folder) for name in folder.names().images[:1])
    else:
        images = current(config.home).images
        yield from ((name, images) for name in islice(images.files, 1))


def _made(name: str, sources: Sources, config: Config, pool: Pool) -> Check:
    images = Images(sources, replace(config, derived_mib=0), pool)
    asked = ImageRequest.parse(3, "full", "!64,64", "0", "default.jpg")
    taken_ms = []
    for _ in range(2):  # the first has to start a process
        started = time.perf_counter()
        try:
            body = bytes_of(images.answer(images.plan(name, asked)).body)
        except IiifServerError as error:
            do = "iiifserver inspect tells more of it; the log of the server, of its processes"
            return Check(f"tile of {name}", "fail", str(error), do)
        taken_ms.append((time.perf_counter() - started) * 1000)
    if not (body.startswith(_JPEG[0]) and body.rstrip(b"\0").endswith(_JPEG[1])):
        return Check(f"tile of {name}", "fail", "what was made is no JPEG", "install it anew")
    said = f"{len(body):,} bytes in {taken_ms[1]:.1f} ms"
    slow = taken_ms[1] > _SLOW_MS
    do = "the machine or the disk is overloaded; iiifserver inspect tells more" if slow else ""
    return Check(f"tile of {name}", "warn" if slow else "ok", said, do)


def _png(width: int, height: int) -> bytes:
    """Return a gray picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress((b"\0" + b"\x80" * width) * height)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
