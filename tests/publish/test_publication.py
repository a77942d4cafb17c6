"""Publishing: what is built anew, what stays, what is said, and what stops it."""

import csv
import os
import shutil
from pathlib import Path

import orjson
import pytest
from small_exhibition import Small, look, png

from iiifserver.edition import MARK, current, numbers
from iiifserver.errors import InvalidExhibition
from iiifserver.publish.edition import create, relink, rollback
from iiifserver.publish.publication import linked, preview, publish


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    run(made)
    return made


def run(small: Small, **settings: object) -> str:
    return small.publish(**settings).removesuffix("; 5 warnings: iiifserver check")


def written_by(small: Small, **settings: object) -> list[Path]:
    """Publish, and return what was written."""
    written = []

    def noted(path: Path, body: bytes) -> None:
        written.append(path)
        create(path, body)

    small.publish(noted, **settings)
    return written


def document(small: Small, identifier: str, name: str) -> dict:
    found = current(small.data).document(identifier, name)
    return orjson.loads(found.codings["identity"].read())


def addresses(small: Small) -> set[str]:
    """Return every id in every document of Presentation 3.0."""
    edition, found = current(small.data), set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            found.update({value["id"]} if "id" in value else ())
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    for identifier in edition.units:
        for name in edition.unit(identifier).documents:
            if name.startswith("3/"):
                walk(document(small, identifier, name))
    return found


def test_documents_of_both_versions_are_there(small):
    edition = current(small.data)
    names = {identifier: set(edition.unit(identifier).documents) for identifier in edition.units}
    manifests, collections = {"3/manifest", "2/manifest"}, {"3/collection", "2/collection"}
    records = manifests | {"record.json", "record.xml", "page"}
    assert names == {
        "": collections,
        "letters": collections | {"page"},
        **dict.fromkeys("ab", manifests | collections | {"page"}),
        **dict.fromkeys(("a1", "a2", "b1"), records),
    }
    assert document(small, "a1", "2/manifest")["@type"] == "sc:Manifest"


def test_an_unchanged_input_publishes_nothing(small):
    small.write()
    assert written_by(small) == []
    assert run(small) == "letters: edition 1 unchanged: 2 chapters, 3 records, 6 pages"


def test_what_is_forgotten_is_found_out_again_and_changes_nothing(small):
    (small.data / "memory.json").write_bytes(b"{")
    assert written_by(small) == []
    assert numbers(small.data) == [1]


def test_only_what_changed_is_written(small):
    before = current(small.data).units
    small.summaries["a2"] = "New"
    small.write()
    written = written_by(small)
    after = current(small.data).units
    changed = {name for name in after if after[name] != before[name]}
    # a chapter's Range may show what a record is about, and the exhibition's page counts summaries
    assert {"a2"} <= changed <= {"a2", "a", "letters"}
    objects = {path.name for path in written if path.parent.parent.name == "objects"}
    assert objects == {after[name]["object"] for name in changed}
    assert len(written) == len(changed) + 1


def test_a_related_record_sees_the_change(small):
    """`a1` names `b1`: what it may show of it is among its inputs."""
    before = orjson.loads((small.data / "memory.json").read_bytes())["units"]
    small.summaries["b1"] = "Changed"
    small.write()
    run(small)
    after = orjson.loads((small.data / "memory.json").read_bytes())["units"]
    inputs = {name for name in after if after[name][0] != before[name][0]}
    assert inputs >= {"a1", "a", "b1", "b", "letters"}
    assert "a2" not in inputs


def test_unreviewed_translations_are_published_only_when_asked_for_and_marked(small):
    sheet = small.sheets / "exhibition.toml"
    sheet.write_text(sheet.read_text("utf-8") + 'unreviewed = ["title_ja"]\n', "utf-8")
    run(small)
    assert document(small, "letters", "3/collection")["label"] == {"en": ["Letters"]}
    run(small, show_unreviewed=True)
    label = document(small, "letters", "3/collection")["label"]
    assert label == {"en": ["Letters"], "ja": ["手紙(未確認の翻訳)"]}
    title = current(small.data).site["title"]
    assert title == {"en": ["Letters"], "ja-x-unreviewed": ["手紙"]}


def test_a_scan_of_another_size_changes_its_record(small):
    (small.scans / "b1" / "1.png").write_bytes(png(90, 70))
    said = run(small)
    assert "1 record changed, 1 page changed, 1 chapter changed, 1 exhibition changed" in said
    canvas = document(small, "b1", "3/manifest")["items"][0]
    assert (canvas["width"], canvas["height"]) == (90, 70)


def test_unchanged_scans_are_not_read_again(small):
    def looked_at_in_processes() -> str:
        return publish(small.sheets, small.scans, small.config())

    assert "unchanged" in looked_at_in_processes()
    scan = small.scans / "b1" / "1.png"
    status = scan.stat()
    scan.write_bytes(b"x" * status.st_size)
    os.utime(scan, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "unchanged" in looked_at_in_processes()
    os.utime(scan, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(InvalidExhibition, match=r"b1/1\.png cannot be shown"):
        looked_at_in_processes()


def test_a_scan_that_was_touched_publishes_nothing(small):
    os.utime(small.scans / "b1" / "1.png", (1, 1))
    assert written_by(small) == []


def test_mistakes_stop_it_before_anything_is_written(small):
    small.titles["a1"] = ""
    small.titles["b1"] = ""
    small.write()
    with pytest.raises(InvalidExhibition) as caught:
        written_by(small)
    errors = [mistake for mistake in caught.value.mistakes if mistake.severity == "error"]
    assert len(errors) == 2
    assert numbers(small.data) == [1]


def test_all_scans_that_cannot_be_read_are_named(tmp_path):
    small = Small(tmp_path)
    for name in ("a1", "b1"):
        (small.scans / name / "2.png").write_bytes(b"no picture")
    with pytest.raises(InvalidExhibition) as caught:
        run(small)
    errors = [str(mistake) for mistake in caught.value.mistakes if mistake.severity == "error"]
    assert all(any(name in error for error in errors) for name in ("a1/2.png", "b1/2.png"))
    assert not numbers(small.data)
    assert not small.objects()


def test_a_text_cannot_pass_for_an_address(small):
    small.titles["a1"] = f"{MARK}/presentation/3/a1/manifest"
    small.write()
    with pytest.raises(InvalidExhibition, match=r"U\+FDD0"):
        run(small)


def test_pages_keep_their_identifiers_when_scans_are_inserted_and_renamed(small):
    """The pages of `a1` are listed by nobody: publishing assigns them, once."""
    before = document(small, "a1", "3/manifest")["items"]
    (small.scans / "a1" / "1.png").write_bytes(png(60, 80, gray=1))
    run(small)
    (small.scans / "a1" / "1.png").rename(small.scans / "a1" / "9.png")
    (small.scans / "a1" / "0.png").write_bytes(png(60, 80, gray=2))
    run(small)
    pages = [
        canvas["id"].rpartition("/")[2] for canvas in document(small, "a1", "3/manifest")["items"]
    ]
    assert [canvas["id"].rpartition("/")[2] for canvas in before] == ["1", "2"]
    assert pages == ["3", "2", "1"]


def test_ids_never_change_when_titles_order_and_files_do(small):
    before = addresses(small)
    small.titles = {name: f"Other {name}" for name in small.titles}
    small.order.reverse()
    (small.scans / "a2" / "1.png").rename(small.scans / "a2" / "scan-001.png")
    small.files["1"] = "scan-001.png"
    small.write(title="Another title")
    words = run(small)
    assert words.endswith("no identifier changed")
    assert addresses(small) == before
    assert before


def test_what_happened_is_told_in_words(small):
    small.titles["a1"] = "Changed"
    (small.scans / "b1" / "3.png").write_bytes(png(60, 80))
    small.write()
    told = preview(small.sheets, small.scans, small.config(), look)
    assert told[0].startswith("2 records changed, 1 page added, 2 chapters changed")
    assert told[0].endswith(", no identifier changed")
    assert "page added: b1-3" in told
    assert numbers(small.data) == [1]
    assert told[0] in run(small)


def test_a_preview_writes_no_edition(tmp_path):
    small = Small(tmp_path)
    assert preview(small.sheets, small.scans, small.config(), look)[0].startswith("3 records added")
    assert not numbers(small.data)
    assert not small.objects()
    assert not (small.data / "memory.json").exists()


def test_a_record_that_goes_is_named(small):
    small.order.remove("a2")
    small.files.clear()
    small.write()
    assert "identifiers that end: a2, a2-1, a2-2" in run(small)


def test_another_base_url_moves_documents_and_changes_no_record(small):
    words = run(small, base_url="https://x.org/iiif")
    assert words.endswith(
        "addresses move from http://127.0.0.1:8182 to https://x.org/iiif, no identifier changed"
    )
    manifest = document(small, "a1", "3/manifest")
    assert manifest["id"] == "https://x.org/iiif/presentation/3/a1/manifest"
    other = Path(f"{small.data}-other")
    run(small, data=other, base_url="https://x.org/iiif")
    assert current(other).units == current(small.data).units


def test_publishing_keeps_the_base_url_of_the_last_time(small):
    run(small, base_url="https://x.org")
    assert "unchanged" in run(small)
    assert current(small.data).base_url == "https://x.org"


@pytest.mark.parametrize(
    ("published", "served", "base_url", "moved"),
    [
        ("", "", "http://127.0.0.1:9000", True),  # follows where the server listens
        ("https://x.org", "", "https://x.org", False),  # a proxy leads there
        ("https://x.org", "https://y.org", "https://y.org", True),
        ("", "https://y.org", "https://y.org", True),
    ],
)
def test_a_server_moves_documents_to_its_address(tmp_path, published, served, base_url, moved):
    small = Small(tmp_path)
    run(small, base_url=published)
    config, said = linked(small.config(base_url=served), "http://127.0.0.1:9000")
    assert config.base_url == base_url
    assert document(small, "a1", "3/manifest")["id"].startswith(f"{base_url}/")
    assert (said is not None) == moved
    again, said = linked(small.config(base_url=served), "http://127.0.0.1:9000")
    assert (again, said) == (config, None)


def test_equal_input_gives_an_equal_edition_elsewhere(tmp_path):
    small = Small(tmp_path / "one")
    run(small)
    other = Path(f"{small.data}-other")
    run(small, data=other)
    ours, theirs = small.data / "editions" / "000001.json", other / "editions" / "000001.json"
    assert ours.read_bytes() == theirs.read_bytes()


def test_an_edition_of_another_format_is_replaced(small):
    shutil.copy(small.data / "editions" / "000001.json", small.data / "editions" / "000002.json")
    (small.data / "editions" / "000002.json").write_bytes(b'{"format":1}')
    assert run(small).startswith("letters: edition 3 published")


def test_two_publishers_give_no_page_the_identifier_of_another(small):
    folder = small.scans / "a1"
    (folder / "0-x.png").write_bytes(png(60, 80, 7))
    begun = []

    def late(found, images, config):
        """Look at the scans; the first time, another publisher takes in one more meanwhile."""
        if not begun:
            begun.append(True)
            (folder / "0-a.png").write_bytes(png(60, 80, 9))
            small.publish()
        return look(found, images, config)

    publish(small.sheets, small.scans, small.config(), look=late)
    with (small.sheets / "pages.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["record"] == "a1"]
    assert {row["file"]: row["page"] for row in rows} == {
        "1.png": "1",
        "2.png": "2",
        "0-a.png": "3",
        "0-x.png": "4",
    }
    assert len(rows) == 4


def test_a_number_that_the_author_gave_is_not_given_again(small):
    small.files = {"1": "1.png", "2": "2.png"}
    small.write()
    small.publish()
    (small.scans / "a2" / "2.png").unlink()
    (small.scans / "a2" / "10.png").write_bytes(png(60, 80, 10))
    small._sheet("pages", [["record", "page", "file"], ["a2", "1", "1.png"], ["a2", "", "10.png"]])
    small.publish()
    canvases = document(small, "a2", "3/manifest")["items"]
    assert [canvas["id"].rpartition("/")[2] for canvas in canvases] == ["1", "3"]


def test_a_list_of_pages_that_was_lost_is_made_again_from_what_is_published(small):
    before = (small.sheets / "pages.csv").read_text(encoding="utf-8")
    png_of_another = small.scans / "a1" / "0.png"
    png_of_another.write_bytes(png(60, 80, 3))
    small.write()  # as its author had it: what the program kept is lost
    small.publish()
    after = (small.sheets / "pages.csv").read_text(encoding="utf-8")
    assert set(before.splitlines()) < set(after.splitlines())
    assert "a1,3,0.png" in after


def test_a_rollback_stays_at_the_address_of_readers(small):
    small.titles["a1"] = "Changed"
    small.write()
    small.publish()
    relink(small.data, "https://archive.example/x", follows_server=False)
    rollback(small.data, 1)
    now = current(small.data)
    assert now.base_url == "https://archive.example/x"
    assert document(small, "a1", "3/manifest")["id"].startswith("https://archive.example/x/")
