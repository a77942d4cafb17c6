"""https sources: connected to the address that was looked at, with the host's own certificate."""

from __future__ import annotations

import contextlib
import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from store_servers import Files, Server

from iiifserver.errors import BrokenSource
from iiifserver.stores.web import Web


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for images.example, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "images.example")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("images.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + secret)
    return path


@pytest.fixture
def site(certificate: Path) -> Iterator[Server]:
    files = Files()
    files.bodies["/scans/a.jpg"] = b"pixels"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Server(files, context)
    yield server
    server.close()


def web(site: Server, host: str, trusted: Path | None = None) -> contextlib.closing[Web]:
    made = Web(
        f"https://{host}:{site.port}/scans",
        [host, "127.0.0.1"],
        lambda *_: ["127.0.0.1"],
        trusted=trusted,
    )
    return contextlib.closing(made)


def test_the_host_is_who_it_says_though_its_address_was_looked_at_before(
    site: Server, certificate: Path
) -> None:
    with web(site, "images.example", certificate) as store:
        assert store.read("a.jpg", 0, 6).body == b"pixels"
        assert store.read("a.jpg", 2, 2).body == b"xe"
    assert site.asked[0].headers["host"] == f"images.example:{site.port}"


def test_a_certificate_that_nobody_vouches_for_is_refused(site: Server) -> None:
    with web(site, "images.example") as store, pytest.raises(BrokenSource, match="certificate"):
        store.read("a.jpg", 0, 6)
    assert site.asked == []


def test_the_certificate_of_another_host_is_refused(site: Server, certificate: Path) -> None:
    other = web(site, "other.example", certificate)
    with other as store, pytest.raises(BrokenSource, match="certificate"):
        store.read("a.jpg", 0, 6)
    assert site.asked == []


def test_nothing_leads_from_https_to_http(site: Server, certificate: Path) -> None:
    site.faults.append(f"to http://127.0.0.1:{site.port}/scans/a.jpg")
    begun = web(site, "images.example", certificate)
    with begun as store, pytest.raises(BrokenSource, match="https to"):
        store.read("a.jpg", 0, 6)
