"""The front with TLS: HTTP/2 is offered, and what comes without TLS is led there."""

from __future__ import annotations

import datetime
import http.client
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fronts import free_port, front, running
from small_exhibition import png


def make_certificate(folder: Path) -> None:
    """Write a certificate for `localhost` that its own key has signed."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.NameAttribute
    subject = x509.Name([name(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True)
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )


def test_browsers_are_offered_http_2_and_led_to_tls(nginx: None, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    make_certificate(certificates)
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.png").write_bytes(png(60, 80))
    base_url = "https://localhost/archive"
    settings = {"base_url": base_url, "data": str(tmp_path / "data")}
    with (
        running(1, tmp_path, tmp_path / "scans", **settings) as nodes,
        front(
            tmp_path / "front",
            free_port(),
            [each.port for each in nodes],
            conf="tls.conf",
            replaced={"tls.conf": {" certificates/": f" {certificates}/"}},
        ) as shown,
    ):
        trusting = ssl.create_default_context(cafile=str(certificates / "fullchain.pem"))
        secure = http.client.HTTPSConnection("localhost", shown.tls_port, context=trusting)
        secure.request("GET", "/archive/iiif/3/a.png/info.json")
        response = secure.getresponse()
        assert (response.status, response.version) == (200, 11)
        assert f'"id":"{base_url}/iiif/3/a.png"'.encode() in response.read()
        secure.close()

        trusting.set_alpn_protocols(["h2", "http/1.1"])
        fresh = http.client.HTTPSConnection("localhost", shown.tls_port, context=trusting)
        fresh.connect()
        assert isinstance(fresh.sock, ssl.SSLSocket)
        assert fresh.sock.selected_alpn_protocol() == "h2"
        fresh.close()

        led = shown.get("/archive/iiif/3/a%2Fb/info.json?x=1")
        assert led.status == 308
        assert led.headers["Location"] == "https://127.0.0.1/archive/iiif/3/a%2Fb/info.json?x=1"
