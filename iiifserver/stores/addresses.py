"""Which addresses of the network a web source may be at: public ones, and those that are named.

A name is resolved once for each connection, every address that it has is looked at, and the
connection goes to the very address that was looked at: a name that means another address a moment
later (DNS rebinding) gains nothing. What an address carries within it (an IPv4 address in IPv6,
6to4, Teredo, NAT64) counts as well.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from iiifserver.errors import Away, BrokenSource
from iiifserver.homes import Address, address_of, is_named

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# not all versions of Python know that these are not for everybody
_SPECIAL = tuple(
    ipaddress.ip_network(each)
    for each in (
        "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24",
        "100::/64", "3fff::/20", "5f00::/16", "fec0::/10",
    )
)  # fmt: skip
_LOW_BITS = (1 << 32) - 1


def checked_addresses(
    host: str, port: int, hosts: Sequence[str], resolve: Resolve | None = None
) -> list[str]:
    """Return the addresses of *host*, all of which may be connected to.

    Raises:
        Away: it has none at this moment.
        BrokenSource: one of them is neither public nor named.
    """
    try:
        found = (resolve or _resolved)(host, port)
    except (OSError, UnicodeError) as error:
        raise Away(f"{host}: its address cannot be found") from error
    for text in found:
        address = address_of(text)
        if address is None or not (is_named(address, hosts) or is_public(address)):
            why = f"{host} is at {text}, which is no public address and is not named in http_hosts"
            raise BrokenSource(why)
    if not found:
        raise Away(f"{host}: it has no address")
    return list(found)


def is_public(address: Address) -> bool:
    """Return whether it is an address of the public network, and so is what it carries within."""
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if any(address in network for network in _SPECIAL):
        return False
    return all(is_public(inner) for inner in _inner(address))


def _inner(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Any] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _NAT64):
        found.append(ipaddress.IPv4Address(int(address) & _LOW_BITS))
    if int(address) >> 32 == 0:  # compatible with IPv4, as it was once thought
        found.append(ipaddress.IPv4Address(int(address) & _LOW_BITS))
    return [each for each in found if each is not None]


def _resolved(host: str, port: int) -> list[str]:
    """Return the addresses that the system knows of *host*, each once."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))
