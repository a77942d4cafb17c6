"""Where things are kept, as values: a folder, or the URL of a store (see stores/)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from .errors import ConfigurationError

Home: TypeAlias = Path | str
"""Where things are: a folder, or the URL of a store."""

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

BUCKETS = ("s3", "gs", "az")
"""The schemes of object stores: S3 and what speaks its protocol, Google, Azure."""


def home_of(text: str) -> Home:
    """Return the place that a setting names: `file:` and plain paths are folders.

    Raises:
        ConfigurationError: as `check_home` does.
    """
    check_home(text)
    parts = urlsplit(text)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return text.rstrip("/") if "://" in text else Path(text).absolute()


def check_home(text: str) -> None:
    """Raise ConfigurationError unless *text* is a path, or a URL that we know how to open."""
    shown_text = shown(text)
    if "://" not in text:
        return
    parts = urlsplit(text)
    if parts.scheme not in ("file", "http", "https", *BUCKETS):
        raise ConfigurationError(f"{shown_text}: one of file, s3, gs, az, http, https")
    if parts.username or parts.password:
        raise ConfigurationError(f"{shown_text}: credentials belong in the environment")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{shown_text}: without ? and #")
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        raise ConfigurationError(f"{shown_text}: write it as file:///folder")
    if parts.scheme != "file" and not parts.hostname:
        raise ConfigurationError(f"{shown_text}: names no {_host_word(parts.scheme)}")


def shown(home: Home) -> str:
    """Return what messages call a place: nothing that may be a secret."""
    text = str(home)
    if "://" not in text:
        return text
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _host_word(scheme: str) -> str:
    return "bucket" if scheme in BUCKETS else "host"


def is_allowed_host(host: str, hosts: Sequence[str]) -> bool:
    """Return whether *hosts* name *host*: itself, or an address or network that it is or is in."""
    name = host.rstrip(".").lower()
    if name in (each.lower() for each in hosts):
        return True
    address = address_of(name)
    return address is not None and is_named(address, hosts)


def is_named(address: Address, hosts: Sequence[str]) -> bool:
    """Return whether *hosts* name an address, or a network that it is in."""
    mapped = getattr(address, "ipv4_mapped", None)
    return any(
        each in network for network in _networks(tuple(hosts)) for each in (address, mapped) if each
    )


@lru_cache(64)
def _networks(hosts: tuple[str, ...]) -> tuple[Network, ...]:
    found = []
    for host in hosts:
        try:
            found.append(ipaddress.ip_network(host.strip("[]"), strict=False))
        except ValueError:
            continue  # it is a name
    return tuple(found)


def address_of(text: str) -> Address | None:
    """Return the address that *text* is, None where it is none."""
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
