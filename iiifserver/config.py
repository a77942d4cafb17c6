"""Frozen settings: defaults, then a TOML file, then the environment, then the command line.

A setting `max_area` is `max_area = ...` in the TOML file and `IIIFSERVER_MAX_AREA` in the
environment. Unknown names and values that cannot be used stop the start, by name.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_type_hints
from urllib.parse import urlsplit

from .errors import ConfigurationError
from .homes import Home, home_of, is_allowed_host, shown
from .values import as_text, check_base_url, check_bounds, from_text, of_kind

PREFIX = "IIIFSERVER_"
PROCESSES = "processes"
"""The value of `executor` that means this machine."""


def setting(default: Any, about: str, *, least: int | None = None, most: int | None = None) -> Any:
    """Return a dataclass field that carries its own documentation and bounds."""
    return field(default=default, metadata={"about": about, "least": least, "most": most})


@dataclass(frozen=True, slots=True)
class Config:
    """Everything an operator can set."""

    base_url: str = setting(
        "", "The address under which readers reach the server; empty: where it listens"
    )
    allowed_hosts: tuple[str, ...] = setting(
        ("localhost", "127.0.0.1", "::1"),
        "Host names that a folder's addresses may take from a request when base_url is empty",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), "Addresses of proxies whose X-Forwarded headers are believed when base_url is empty"
    )
    folder: str = setting("", "Folder of images to serve as it is; empty: what is published")
    data: Path = setting(  # noqa: RUF009 - a field, and its default is frozen
        Path("var"), "Folder for what the server makes: documents, pyramids, caches"
    )
    store: str = setting(
        "",
        "Where editions and pictures are published and read: a folder, or s3://, gs:// or az://, a "
        "bucket and a path; empty: `data`",
    )
    show_unreviewed: bool = setting(
        False, "Whether translations that nobody has reviewed are published, each marked as such"
    )

    max_width: int = setting(16_383, "Widest picture made, in pixels", least=1, most=65_500)
    max_height: int = setting(16_383, "Highest picture made, in pixels", least=1, most=65_500)
    max_area: int = setting(100_000_000, "Largest picture made, in pixels", least=1)
    upscaling: bool = setting(True, "Whether pictures may be enlarged beyond their scan")
    max_decoder_mib: int = setting(
        512, "Memory that decoding a scan may take, in MiB, estimated from its header", least=16
    )
    max_source_pixels: int = setting(2_000_000_000, "Largest scan opened, in pixels", least=1)

    jpeg_quality: int = setting(85, "Quality of JPEG pictures", least=1, most=100)
    jpeg_subsampling: Literal["auto", "on", "off"] = setting(
        "auto", "Chroma subsampling of JPEG; auto: only below quality 90"
    )
    jpeg_progressive: bool = setting(False, "Whether JPEG pictures are progressive")
    lossless_turns: bool = setting(
        True,
        "Whether gray, turned and mirrored tiles are made of stored JPEG tiles without decoding, "
        "where libturbojpeg is installed",
    )
    webp_quality: int = setting(80, "Quality of WebP pictures", least=1, most=100)
    avif_quality: int = setting(60, "Quality of AVIF pictures", least=1, most=100)
    background: str = setting(
        "#ffffff", "Colour behind transparent and turned pictures in formats without alpha"
    )
    profile: Literal["srgb", "keep"] = setting(
        "srgb", "ICC profiles: converted to sRGB, or kept and embedded"
    )

    pyramid_tile: int = setting(
        512, "Side of the tiles of pyramids, in pixels, a power of two", least=128, most=2_048
    )
    pyramid_quality: int = setting(85, "Quality of the JPEG tiles of pyramids", least=1, most=100)
    folder_pyramids_mib: int = setting(
        10_240, "Disk for the pyramids made of a folder's slow scans, in MiB; 0: none", least=0
    )

    executor: str = setting(
        PROCESSES,
        "What makes pyramids: `processes` of this machine, or a Dask cluster, dask://host:port",
    )

    max_age_s: int = setting(
        86_400, "How long pictures and info.json may be kept by others", least=0
    )
    access_log: bool = setting(
        True, "Whether each request is logged, as a line of JSON on standard error"
    )
    metrics_from: tuple[str, ...] = setting(
        (
            "127.0.0.0/8",
            "::1",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "fc00::/7",
        ),
        "Networks that may read /metrics; a request that came through a proxy counts as its client",
    )
    worker_silence_s: int = setting(
        20, "A web worker that gives no sign of life for so many seconds is replaced; 0: never",
        least=0,
    )  # fmt: skip
    render_processes: int = setting(
        0,
        "Processes that decode and encode; 0: as many as there are cores, two at least, as far as "
        "memory goes",
        least=0,
        most=64,
    )
    render_queue: int = setting(64, "Pictures that may wait for a render process", least=1)
    render_timeout_s: int = setting(60, "Longest time for one picture, in seconds", least=1)
    render_memory_mib: int = setting(
        2_048, "Memory that one render process may take, in MiB (Linux)", least=512
    )

    derived_mib: int = setting(
        2_048,
        "Disk that made pictures may take, in MiB, in `derived` below data; 0 keeps none",
        least=0,
    )
    sources: tuple[str, ...] = setting(
        (),
        "Images that are of no edition, each as prefix=place, a folder or a URL (s3, gs, az, http, "
        "https): with `maps=s3://bucket/scans` that of `maps/a.tif` is s3://bucket/scans/a.tif",
    )
    http_hosts: tuple[str, ...] = setting(
        (),
        "Web servers that `sources` may read: names of hosts. Addresses that are not public only "
        "where they, or their network (10.1.2.0/24), are named as well",
    )
    store_memory_mib: int = setting(
        64, "Memory of a web worker for what it read of stores lately, in MiB", least=8, most=65_536
    )
    copies_mib: int = setting(
        10_240, "Disk for scans that are fetched from stores as a whole, in MiB", least=64
    )
    derived_entries: int = setting(
        100_000, "Made pictures that are kept on disk; 0 keeps none", least=0, most=1_000_000
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            check_bounds(each.name, getattr(self, each.name), each.metadata)
        if self.pyramid_tile.bit_count() != 1:
            raise ConfigurationError(f"pyramid_tile = {self.pyramid_tile}: not a power of two")
        # processes that are started later may be started elsewhere
        object.__setattr__(self, "data", self.data.absolute())
        check_base_url(self.base_url)
        _check_executor(self.executor)
        networks(self.metrics_from)
        background_rgb(self.background)
        self._check_store()
        named_sources(self.sources, self.http_hosts)

    @property
    def home(self) -> Home:
        """Where editions are: a folder, or the URL of a store."""
        return home_of(self.store) if self.store else self.data

    def _check_store(self) -> None:
        if self.store:
            try:
                home = self.home
            except ConfigurationError as error:
                raise ConfigurationError(f"store = {error}") from None
            if str(home).startswith(("http://", "https://")):
                raise ConfigurationError(f"store = {shown(home)}: web servers are only read")
            # processes that are started later may be started elsewhere
            object.__setattr__(self, "store", str(home))


def load(
    path: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    defaults: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> Config:
    """Return the effective settings: *defaults*, the file, *environment*, then *overrides*.

    Overrides that are None do not count.

    Raises:
        ConfigurationError: an unknown name, or a value of the wrong kind or out of range.
    """
    kinds = get_type_hints(Config)
    said = _said(path, environment, defaults or {}, overrides)
    values = {each.name: each.value for each in said}
    return Config(**{name: of_kind(name, value, kinds[name]) for name, value in values.items()})


class Setting(NamedTuple):
    """The value of a setting, and where it was said."""

    name: str
    value: Any
    place: str


def explained(
    path: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    defaults: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> list[Setting]:
    """Return every setting as `load` would, with the place that has the last word on it.

    Raises:
        ConfigurationError: as `load` does.
    """
    config = load(path, environment, defaults, **overrides)
    said = {each.name: each.place for each in _said(path, environment, defaults or {}, overrides)}
    names = [each.name for each in fields(Config)]
    return [Setting(name, getattr(config, name), said.get(name, "default")) for name in names]


def _said(
    path: Path | None,
    environment: Mapping[str, str],
    defaults: Mapping[str, Any],
    overrides: Mapping[str, Any],
) -> Iterator[Setting]:
    """Yield what is said of settings, the last word last."""
    kinds = get_type_hints(Config)
    for name, value in defaults.items():
        yield Setting(name, value, "default of this command")
    if path is not None:
        for name, value in _read(path).items():
            _known(name, f"{path}")
            yield Setting(name, value, f"{path}{_line_of(path, name)}")
    for variable, text in environment.items():
        if variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX).lower()
            _known(name, "the environment", variable)
            yield Setting(name, from_text(name, text, kinds[name]), f"environment: {variable}")
    for name, value in overrides.items():
        if value is not None:
            yield Setting(name, value, f"command line: --{name.replace('_', '-')}")


def _line_of(path: Path, name: str) -> str:
    """Return `:` and the line of *path* where *name* is set; nothing where it cannot be seen."""
    key = re.compile(rf"\s*(?P<quote>[\"']?){re.escape(name)}(?P=quote)\s*=")
    lines = path.read_text("utf-8").splitlines()
    found = (number for number, line in enumerate(lines, 1) if key.match(line))
    return next((f":{number}" for number in found), "")


def environment(config: Config) -> dict[str, str]:
    """Return *config* as environment variables, for processes started by this one."""
    return {
        f"{PREFIX}{each.name.upper()}": as_text(getattr(config, each.name))
        for each in fields(config)
    }


def named_sources(sources: Sequence[str], hosts: Sequence[str]) -> dict[str, Home]:
    """Return the places of the setting `sources` by their prefixes.

    Raises:
        ConfigurationError: one of them is none, or a web server that is not among *hosts*.
    """
    found: dict[str, Home] = {}
    for text in sources:
        prefix, given, place = text.partition("=")
        what = f"sources: {prefix[:100]!r}"
        if not given or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", prefix):
            raise ConfigurationError(
                f"{what}: write it as prefix=place, the prefix without a slash"
            )
        if prefix in found:
            raise ConfigurationError(f"{what}: {prefix} is there twice")
        try:
            home = found[prefix] = home_of(place)
        except ConfigurationError as error:
            raise ConfigurationError(f"sources: {error}") from None
        host = urlsplit(str(home)).hostname or ""
        if str(home).startswith(("http://", "https://")) and not is_allowed_host(host, hosts):
            raise ConfigurationError(f"{what}: {host} is not among http_hosts")
    return found


def background_rgb(text: str) -> tuple[int, int, int]:
    """Return red, green and blue, each 0 to 255, of `#rrggbb`.

    Raises:
        ConfigurationError: *text* is not of that form.
    """
    digits = re.fullmatch("#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text)
    if not digits:
        raise ConfigurationError(f"background = {text!r}: write it as #rrggbb")
    red, green, blue = (int(each, 16) for each in digits.groups())
    return red, green, blue


def networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks that *texts* name; an address alone is a network of one.

    Raises:
        ConfigurationError: one of them is no network.
    """
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise ConfigurationError(f"metrics_from: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error


def _known(name: str, where: str, spelled: str | None = None) -> None:
    names = [each.name for each in fields(Config)]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(f"{where}: unknown setting {spelled or name!r}{hint}")


def _check_executor(text: str) -> None:
    parts = urlsplit(text)
    try:
        well = parts.scheme in ("dask", "dask+tls") and bool(parts.hostname and parts.port)
    except ValueError:  # the port is no number
        well = False
    if text != PROCESSES and not (well and parts.path + parts.query == ""):
        raise ConfigurationError(f"executor = {text!r}: {PROCESSES!r}, or dask://host:port")
