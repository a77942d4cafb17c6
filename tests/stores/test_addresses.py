"""Which addresses web sources may be at: no way leads into the archive's own network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from store_servers import Files, Server, web_server

from iiifserver.errors import Away, BrokenSource
from iiifserver.homes import is_allowed_host
from iiifserver.stores.addresses import checked_addresses
from iiifserver.stores.web import Web

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",  # between providers (CGNAT)
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",  # where clouds keep credentials
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2001:0:7f00:1::",  # Teredo
    "2002:7f00:1::",  # 6to4
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_host_at_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(BrokenSource, match=r"images\.example"):
        checked_addresses("images.example", 443, ["images.example"], lambda *_: [address])


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_connected_to(address: str) -> None:
    found = checked_addresses("images.example", 443, ["images.example"], lambda *_: [address])
    assert found == [address]


def test_one_address_that_is_not_public_is_enough_to_refuse() -> None:
    both = ["93.184.215.14", "10.0.0.1"]
    with pytest.raises(BrokenSource, match=r"10\.0\.0\.1"):
        checked_addresses("images.example", 443, ["images.example"], lambda *_: both)


@pytest.mark.parametrize(
    ("named", "address", "allowed"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.0/24", "10.0.0.9", True),
        ("10.0.0.0/24", "::ffff:10.0.0.9", True),
        ("10.0.0.0/24", "10.0.1.9", False),
        ("127.0.0.1", "127.0.0.2", False),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_addresses_that_the_operator_names_are_allowed(
    named: str, address: str, allowed: bool
) -> None:
    def check() -> list[str]:
        return checked_addresses("scans.lan", 80, ["scans.lan", named], lambda *_: [address])

    if allowed:
        assert check() == [address]
    else:
        with pytest.raises(BrokenSource):
            check()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("images.example", True),
        ("IMAGES.example.", True),
        ("images.example.evil.test", False),
        ("evil-images.example", False),
        ("10.0.0.7", True),
        ("10.0.1.7", False),
        ("2130706433", False),  # 127.0.0.1, as a number
        ("0x7f.1", False),
        ("", False),
    ],
)
def test_only_hosts_that_are_named_are_asked(host: str, allowed: bool) -> None:
    assert is_allowed_host(host, ["images.example", "10.0.0.0/24"]) is allowed


def test_a_name_without_an_address_is_away() -> None:
    def fail(*_: object) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(Away, match=r"images\.example"):
        checked_addresses("images.example", 80, ["images.example"], fail)


# -- the same, through a server


@pytest.fixture
def site() -> Iterator[tuple[Server, Files]]:
    with web_server() as (server, files):
        files.bodies |= {"/scans/a.jpg": b"pixels", "/other/b.jpg": b"others", "/secret": b"keys"}
        yield server, files


@pytest.fixture
def web_of() -> Iterator[Callable[..., Web]]:
    """A function that makes stores, which are closed in the end."""
    made: list[Web] = []

    def make(*arguments: object) -> Web:
        made.append(Web(*arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_host_that_is_not_named_is_not_connected_to(
    site: tuple[Server, Files], web_of: Callable[..., Web]
) -> None:
    with pytest.raises(BrokenSource, match="not among http_hosts"):
        web_of(f"{site[0].url}/scans", ["images.example"]).read("a.jpg", 0, 1)
    assert site[0].asked == []


def test_a_named_host_at_an_unnamed_private_address_is_not_connected_to(
    site: tuple[Server, Files],
    web_of: Callable[..., Web],
) -> None:
    url = f"http://localhost:{site[0].port}/scans"
    with pytest.raises(BrokenSource, match="no public address"):
        web_of(url, ["localhost"]).read("a.jpg", 0, 1)
    assert site[0].asked == []


def test_a_name_that_means_another_address_by_now_gains_nothing(
    site: tuple[Server, Files],
    web_of: Callable[..., Web],
) -> None:
    """DNS rebinding: looked at as one address, the name is not asked again to connect."""
    looked_up = iter([["127.0.0.1"], ["10.0.0.1"]])
    web = web_of(
        f"http://rebound.example:{site[0].port}/scans",
        ["rebound.example", "127.0.0.1"],
        lambda *_: next(looked_up),
    )
    assert web.read("a.jpg", 0, 6).body == b"pixels"  # by the address that was looked at
    assert site[0].asked[0].headers["host"] == f"rebound.example:{site[0].port}"
    with pytest.raises(BrokenSource, match=r"10\.0\.0\.1"):
        web.read("a.jpg", 0, 6)


def test_a_redirect_to_an_allowed_host_is_followed(
    site: tuple[Server, Files], web_of: Callable[..., Web]
) -> None:
    site[0].faults.append("to /other/b.jpg")
    assert web_of(f"{site[0].url}/scans", ["127.0.0.1"]).read("a.jpg", 0, 6).body == b"others"


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:{port}/secret",
        "http://[::1]:{port}/secret",
        "http://127.0.0.2:{port}/secret",
        "http://user:word@127.0.0.1:{port}/secret",
        "file:///etc/passwd",
        "ftp://127.0.0.1/secret",
        "gopher://127.0.0.1/",
        "//evil.test/secret",
        "http://127.0.0.1:99999/secret",
        "http://[/secret",
    ],
)
def test_a_redirect_elsewhere_is_not_followed(
    site: tuple[Server, Files], web_of: Callable[..., Web], location: str
) -> None:
    site[0].faults.append("to " + location.format(port=site[0].port))
    with pytest.raises(BrokenSource):
        web_of(f"{site[0].url}/scans", ["127.0.0.1"]).read("a.jpg", 0, 6)
    assert [each.path for each in site[0].asked] == ["/scans/a.jpg"]


def test_redirects_without_end_come_to_an_end(
    site: tuple[Server, Files], web_of: Callable[..., Web]
) -> None:
    site[0].faults.extend(["to /scans/a.jpg"] * 20)
    with pytest.raises(BrokenSource, match="leads on"):
        web_of(f"{site[0].url}/scans", ["127.0.0.1"]).read("a.jpg", 0, 6)
    assert len(site[0].asked) == 4


def test_nothing_secret_is_sent(site: tuple[Server, Files], web_of: Callable[..., Web]) -> None:
    site[0].faults.append("to /other/b.jpg")
    web_of(f"{site[0].url}/scans", ["127.0.0.1"]).read("a.jpg", 0, 6)
    for asked in site[0].asked:
        assert not {"authorization", "cookie", "referer", "proxy_authorization"} & {*asked.headers}
