"""Documents as bytes: what linking touches, what codings hold."""

import gzip
import hashlib
from pathlib import Path

import brotli
import orjson
import pytest

from iiifserver.edition import IDENTITY, MARK, UNLINKED, read_unit
from iiifserver.publish.objects import Unlinked, link, pack, relinked

JSON = "application/json"
LONG = Unlinked(orjson.dumps({"id": f"{MARK}/x", "items": ["word"] * 500}), JSON)


def stored(tmp_path: Path, base_url: str, **documents: Unlinked) -> Path:
    packed = pack(documents, {"en": ["Title"]}, ["a-1", "a-2"], base_url)
    (tmp_path / packed.digest).write_bytes(packed.body)
    return tmp_path / packed.digest


def test_only_marks_become_the_base_url():
    written = {"id": f"{MARK}/a", "label": "see https://old.org/a", "seen": "\\ufdd0 \\\\"}
    linked = orjson.loads(link(Unlinked(orjson.dumps(written), JSON), "https://old.org"))
    assert linked == {**written, "id": "https://old.org/a"}


@pytest.mark.parametrize("base_url", ["https://x.org/a&b", 'https://x.org/"q"', "https://x.org/é"])
def test_base_url_is_escaped_as_the_format_wants(base_url):
    as_json = link(Unlinked(orjson.dumps({"id": f"{MARK}/a"}), JSON), base_url)
    assert orjson.loads(as_json) == {"id": f"{base_url}/a"}
    import xml.etree.ElementTree as ET

    xml = Unlinked(f'<a href="{MARK}/a">{MARK}</a>'.encode(), "text/xml")
    element = ET.fromstring(link(xml, base_url))
    assert (element.get("href"), element.text) == (f"{base_url}/a", base_url)


def test_every_coding_holds_the_same_document(tmp_path):
    unit = read_unit(stored(tmp_path, "https://x.org", **{"3/manifest": LONG}))
    document = unit.documents["3/manifest"]
    bodies = {coding: each.read() for coding, each in document.codings.items()}
    assert bodies.keys() == {IDENTITY, "gzip", "br", UNLINKED}
    plain = orjson.loads(bodies[IDENTITY])
    assert plain["id"] == "https://x.org/x"
    assert orjson.loads(gzip.decompress(bodies["gzip"])) == plain
    assert orjson.loads(brotli.decompress(bodies["br"])) == plain
    assert document.media_type == JSON
    assert (unit.label, unit.images) == ({"en": ["Title"]}, ("a-1", "a-2"))


def test_every_coding_has_an_etag_of_its_own_bytes(tmp_path):
    unit = read_unit(stored(tmp_path, "https://x.org", a=LONG))
    codings = unit.documents["a"].codings
    tags = {coding: each.etag for coding, each in codings.items()}
    assert len(set(tags.values())) == 4
    for coding, each in codings.items():
        assert hashlib.sha256(each.read()).hexdigest().startswith(tags[coding])


def test_small_and_incompressible_documents_stay_plain(tmp_path):
    noise = Unlinked(hashlib.shake_256(b"seed").hexdigest(4000).encode(), "text/plain")
    dense = Unlinked(hashlib.shake_256(b"seed").digest(4000), "text/plain")
    small = Unlinked(b'{"id":"x"}' * 10, JSON)
    unit = read_unit(stored(tmp_path, "https://x.org", noise=noise, dense=dense, small=small))
    codings = {name: set(document.codings) for name, document in unit.documents.items()}
    assert codings["noise"] == {IDENTITY, "gzip", "br", UNLINKED}  # two letters a byte: they save
    assert codings["dense"] == codings["small"] == {IDENTITY, UNLINKED}


def test_gzip_holds_no_time(tmp_path):
    unit = read_unit(stored(tmp_path, "https://x.org", a=LONG))
    assert unit.documents["a"].codings["gzip"].read()[4:8] == b"\0\0\0\0"


def test_moving_gives_what_building_for_there_gives(tmp_path):
    here = stored(tmp_path, "https://x.org", a=LONG, b=Unlinked(b"<a/>", "text/xml"))
    there = relinked(read_unit(here), "https://longer.example.org/prefix")
    assert (tmp_path / there.digest) != here
    built = pack(
        {"a": LONG, "b": Unlinked(b"<a/>", "text/xml")},
        {"en": ["Title"]},
        ["a-1", "a-2"],
        "https://longer.example.org/prefix",
    )
    assert there == built


def test_content_is_the_same_wherever_it_is_linked_to():
    one, other = (pack({"a": LONG}, {}, [], f"https://{host}") for host in ("x.org", "y.org"))
    assert one.content == other.content
    assert one.digest != other.digest
    assert one.content != pack({"b": LONG}, {}, [], "https://x.org").content
