"""A page keeps its identifier, whatever happens to its scan and to the scans around it."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeded import draw, examine_here, sow

from iiifserver.publish.check import pages_file, review
from iiifserver.publish.pages import Kept, Leaf, assign, keep


def ids(names: str, kept: tuple[Kept, ...] = (), taken: tuple[str, ...] = ()) -> str:
    """Assign pages to `name=content` leaves and return them so: `1 2 3`."""
    return " ".join(assign("r", leaves(names), kept, taken).pages)


def leaves(names: str) -> list[Leaf]:
    pairs = (name.split("=") for name in names.split())
    return [Leaf(name, 0, content) for name, content in pairs]


BEFORE = assign("r", leaves("a=A b=B c=C"), ()).kept


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("a=A b=B c=C", "1 2 3"),
        ("a=A ab=N b=B c=C", "1 4 2 3"),  # inserted
        ("a=A c=C", "1 3"),  # deleted
        ("c=C b=B a=A", "3 2 1"),  # in another order
        ("x=A y=B z=C", "1 2 3"),  # all renamed
        ("a=B b=A c=C", "2 1 3"),  # two names exchanged
        ("a=A b=N c=C", "1 2 3"),  # replaced
        ("a=N b=B z=A", "4 2 1"),  # renamed, and another one in its place
        ("a=A b=A c=C", "1 2 3"),  # a copy over another scan
        ("b=A a=A c=C", "2 1 3"),
        ("0=A a=A b=B c=C", "4 1 2 3"),  # a copy under another name
    ],
)
def test_page_is_known_again_by_its_content_then_by_its_name(now, expected):
    assert ids(now, BEFORE) == expected


def test_number_of_a_page_that_is_gone_is_never_given_again():
    without = assign("r", leaves("a=A b=B"), BEFORE)
    assert [row.page for row in without.gone] == ["3"]
    again = assign("r", leaves("a=A b=B c=N"), without.kept)
    assert again.pages == ("1", "2", "4")
    assert again.gone == ()


def test_page_that_comes_back_is_itself_again():
    without = assign("r", leaves("a=A b=B"), BEFORE)
    assert ids("a=A b=B z=C", without.kept) == "1 2 3"


def test_identifiers_of_authors_are_left_to_them():
    assert ids("x=X", taken=("1", "7", "cover")) == "8"
    assert ids("x=X a=A", BEFORE, taken=("1",)) == "4 5"


def test_leaves_of_one_file_are_pages_of_their_own():
    before = assign("r", [Leaf("d.pdf", n, "D") for n in range(3)], ())
    renamed = assign("r", [Leaf("e.pdf", n, "D") for n in range(3)], before.kept)
    longer = assign("r", [Leaf("d.pdf", n, "E") for n in range(4)], before.kept)
    assert before.pages == renamed.pages == ("1", "2", "3")
    assert longer.pages == ("1", "2", "3", "4")


@dataclass
class Folder:
    """A folder of scans with a history: which page each scan should be."""

    scans: dict[str, str] = field(default_factory=dict)  # content by name
    pages: dict[str, str] = field(default_factory=dict)  # page by name
    made: int = 0

    def content(self) -> str:
        self.made += 1
        return f"content {self.made}"

    def name(self) -> str:
        self.made += 1
        return f"{self.made * 7919 % 100:02}-{self.made}.jpg"


STEPS = st.lists(
    st.tuples(st.sampled_from(["insert", "rename", "replace", "delete"]), st.integers(0, 99)),
    max_size=12,
)


@given(first=st.integers(0, 5), runs=st.lists(STEPS, max_size=5))
def test_no_page_changes_its_identifier_and_none_is_given_twice(first, runs):
    folder, kept, ever = Folder(), (), set()
    for steps in [[("insert", 0)] * first, *runs]:
        touched = set()
        for step, index in steps:
            _change(folder, step, index, touched)
        assigned = assign("r", [Leaf(n, 0, c) for n, c in sorted(folder.scans.items())], kept)
        pages = dict(zip(sorted(folder.scans), assigned.pages, strict=True))
        assert len(set(pages.values())) == len(pages)
        for name, page in pages.items():
            if name in folder.pages:
                assert folder.pages[name] == page
            else:
                assert page not in ever
        folder.pages, kept = pages, assigned.kept
        ever |= set(pages.values())


def _change(folder: Folder, step: str, index: int, touched: set[str]) -> None:
    """Change one scan; in one run a scan is renamed or replaced, not both: that is another one."""
    names = sorted(folder.scans.keys() - touched)
    if step == "insert" or not names:
        name = folder.name()
        folder.scans[name] = folder.content()
        touched.add(name)
        return
    name = names[index % len(names)]
    if step == "replace":
        folder.scans[name] = folder.content()
        touched.add(name)
    elif step == "rename":
        new = folder.name()
        folder.scans[new] = folder.scans.pop(name)
        if name in folder.pages:
            folder.pages[new] = folder.pages.pop(name)
        touched.add(new)
    else:
        del folder.scans[name]
        folder.pages.pop(name, None)


# -- the sheet in which they are kept


def row(page: str, file: str, checksum: str = "c", **values: object) -> Kept:
    return Kept("r1", page, file, 0, checksum, **values)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_of_authors_stay_as_they_are(tmp_path):
    path = tmp_path / "pages.csv"
    path.write_text('record,page,file,label_en,_mine\nr1,x,a.jpg,"A, b",?\n', encoding="utf-8")
    assert keep(path, [row("1", "b.jpg")])
    assert keep(path, [row("1", "c.jpg", gone=True), row("2", "d.jpg")])
    first, second, third = table(path)
    assert [first[name] for name in ("page", "file", "label_en", "_mine")] == [
        "x",
        "a.jpg",
        "A, b",
        "?",
    ]
    assert (second["page"], second["file"], second["gone"]) == ("1", "c.jpg", "yes")
    assert (third["page"], third["gone"]) == ("2", "")


def test_labels_in_kept_rows_stay(tmp_path):
    path = tmp_path / "pages.csv"
    keep(path, [row("1", "b.jpg")])
    path.write_text(
        path.read_text().replace("record,", "label_en,record,").replace("r1,", "Cover,r1,")
    )
    keep(path, [row("1", "c.jpg")])
    assert [(each["label_en"], each["file"]) for each in table(path)] == [("Cover", "c.jpg")]


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbfrecord;page;file\r\nr1;x;a.jpg\r\n"])
def test_sheet_is_written_as_it_was(tmp_path, body):
    path = tmp_path / "pages.csv"
    path.write_bytes(body)
    keep(path, [row("1", "b.jpg")])
    after = path.read_bytes()
    assert after.startswith(body[:3])
    assert (b";" in after, b"\r\n" in after) == (b";" in body, b"\r\n" in body)


def test_nothing_to_keep_writes_nothing(tmp_path):
    path = tmp_path / "pages.csv"
    assert not keep(path, [])
    assert not path.exists()
    keep(path, [row("1", "b.jpg")])
    before = path.stat().st_mtime_ns
    assert not keep(path, [row("1", "b.jpg")])
    assert path.stat().st_mtime_ns == before


def test_scan_that_was_not_examined_is_not_kept(tmp_path):
    with pytest.raises(ValueError, match="checksum"):
        keep(tmp_path / "pages.csv", [row("1", "b.jpg", "")])


# -- all together


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sow(tmp_path, [])
    for number, name in enumerate(["2.jpg", "3.jpg"]):
        draw(tmp_path / "images" / "r2" / name, 500 + number)
    return tmp_path


def publish(folder: Path) -> list[tuple[str, str, str]]:
    """Keep the pages as a publication does; return those of r2: identifier, file and label."""
    found = review(folder, folder / "images", examine_here)
    keep(pages_file(folder), found.layout.kept)
    record = list(found.exhibition.records)[1]
    return [(page.identifier, page.file, page.label["none"][0]) for page in record.pages]


def test_inserted_scan_gets_a_new_identifier_and_the_label_of_its_place(folder):
    publish(folder)
    draw(folder / "images" / "r2" / "1b.jpg", 600)
    assert publish(folder) == [
        ("1", "1.jpg", "1"),
        ("4", "1b.jpg", "2"),
        ("2", "2.jpg", "3"),
        ("3", "3.jpg", "4"),
    ]


def test_renamed_scans_keep_their_identifiers_through_the_sheet(folder):
    publish(folder)
    scans = folder / "images" / "r2"
    (scans / "1.jpg").rename(scans / "9.jpg")
    (scans / "2.jpg").rename(scans / "1.jpg")
    assert [page[:2] for page in publish(folder)] == [
        ("2", "1.jpg"),
        ("3", "3.jpg"),
        ("1", "9.jpg"),
    ]


def test_review_writes_nothing(folder):
    before = (folder / "pages.csv").read_bytes()
    found = review(folder, folder / "images", examine_here)
    assert [row.page for row in found.layout.new] == ["1", "2", "3"]
    assert (folder / "pages.csv").read_bytes() == before


def test_exhibition_that_names_all_its_pages_keeps_nothing(folder):
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        with (folder / "pages.csv").open("a", encoding="utf-8") as file:
            file.write(f"r2,p{name[0]},{name}\n")
    before = (folder / "pages.csv").read_bytes()
    publish(folder)
    assert (folder / "pages.csv").read_bytes() == before


def test_pages_of_a_workbook_are_kept_beside_it(folder):
    from iiifserver.publish.conversion import convert

    book = folder / "book"
    book.mkdir()
    convert(folder, book / "sheets.xlsx")
    for place in (book, book / "sheets.xlsx"):
        found = review(place, folder / "images", examine_here)
        assert found.exhibition is not None
        assert pages_file(place) == book / "pages.csv"
        keep(pages_file(place), found.layout.kept)
    (folder / "images" / "r2" / "1.jpg").rename(folder / "images" / "r2" / "9.jpg")
    found = review(book, folder / "images", examine_here)
    record = list(found.exhibition.records)[1]
    assert [page.identifier for page in record.pages] == ["2", "3", "1"]
    assert [page.identifier for page in next(found.exhibition.records).pages] == ["cover", "1r"]


def test_a_list_in_an_old_encoding_becomes_utf_8_that_a_spreadsheet_recognises(tmp_path):
    path = tmp_path / "pages.csv"
    path.write_bytes("record,page,file,label\r\nr,1,a.jpg,表紙の写真\r\n".encode("cp932"))
    assert keep(path, [Kept("r", "2", "b.jpg", 0, "c0ffee")])
    body = path.read_bytes()
    assert body.startswith(b"\xef\xbb\xbf")
    assert "表紙の写真" in body.decode("utf-8-sig")
