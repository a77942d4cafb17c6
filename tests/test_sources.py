"""Identifiers and the files that they name; nothing outside the folder is ever found."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifserver.errors import BrokenSource, ConfigurationError, NotFound
from iiifserver.sources import File, Folder, Listed, natural


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of images beside a secret one."""
    put(tmp_path, "secret.tif", "folder/a/b.tif", "folder/one.jpg", "folder/notes.txt")
    return tmp_path / "folder"


def refusal(folder: Folder, identifier: str) -> NotFound:
    with pytest.raises(NotFound) as caught:
        folder.find(identifier)
    return caught.value


@pytest.mark.parametrize(
    ("asked", "found"),
    [("a/b.tif", "a/b.tif"), ("a/b", "a/b.tif"), ("one.jpg", "one.jpg"), ("one", "one.jpg")],
)
def test_an_identifier_is_the_relative_path_with_or_without_its_ending(shelf, asked, found):
    source = Folder(shelf).find(asked)
    assert source.identifier == found
    assert source.read(0, 100) == f"folder/{found}".encode()


_OUTSIDE = ["", ".", "..", "/", "../secret.tif", "a/../one.jpg", "a/../../secret.tif", "./one.jpg"]
_OUTSIDE += ["/one.jpg", "//one.jpg", "a//b.tif", "one.jpg/", "a/b.tif/", "a", "a/", "a\\b.tif"]
_OUTSIDE += ["..\\secret.tif", "one.jpg\x00", "\x00", "one.jpg\x00.png", "one.jpg\n", " one.jpg"]
_OUTSIDE += [
    "%2e%2e/secret.tif",
    "%2e%2e%2fsecret.tif",
    "ONE.JPG",
    "one.",
    "one.png",
    "one.jpg.jpg",
]
_OUTSIDE += ["notes.txt", "notes", "~", "*", "one.*", "file:///one.jpg", "a/b.tif#", "\ud800"]


@pytest.mark.parametrize("identifier", _OUTSIDE)
def test_nothing_else_is_found(shelf, identifier):
    error = refusal(Folder(shelf), identifier)
    assert (error.status, error.parameter) == (404, "identifier")


def test_the_absolute_path_of_an_image_names_nothing(shelf):
    refusal(Folder(shelf), str(shelf / "one.jpg"))
    refusal(Folder(shelf), str(shelf.parent / "secret.tif"))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "", "a", "b.tif", "one", "secret.tif", "\x00"])))
def test_no_walk_leads_anywhere_but_to_a_listed_file(tmp_path_factory, parts):
    folder = Folder(_walled(tmp_path_factory))
    identifier = "/".join(parts)
    try:
        found = folder.find(identifier).identifier
    except NotFound:
        return
    assert (identifier, found) in {("a/b.tif", "a/b.tif"), ("one", "one.jpg")}


def _walled(factory: pytest.TempPathFactory) -> Path:
    root = factory.getbasetemp() / "walled"
    if not root.exists():
        put(root, "secret.tif", "folder/a/b.tif", "folder/one.jpg")
    return root / "folder"


@pytest.mark.parametrize("hidden", [".hidden.tif", ".cache/one.tif", "a/.b/c.tif", ".data/x.tif"])
def test_hidden_files_and_folders_are_absent(tmp_path, hidden):
    folder = Folder(put(tmp_path, hidden, "shown.tif"))
    assert list(folder.names().images) == ["shown.tif"]
    refusal(folder, hidden)
    refusal(folder, hidden.removesuffix(".tif"))


def test_links_that_lead_out_are_absent_and_those_inside_work(shelf):
    (shelf / "out.tif").symlink_to(shelf.parent / "secret.tif")
    (shelf / "up").symlink_to(shelf.parent)
    (shelf / "root").symlink_to("/")
    (shelf / "nothing.tif").symlink_to(shelf / "gone.tif")
    (shelf / "circle.tif").symlink_to(shelf / "circle.tif")
    (shelf / "round").symlink_to(shelf)
    (shelf / "again.jpg").symlink_to(shelf / "one.jpg")
    folder = Folder(shelf)
    assert sorted(folder.names().images) == ["a/b.tif", "again.jpg", "one.jpg"]
    assert folder.find("again.jpg").read(0, 6) == b"folder"
    for identifier in ("out.tif", "up/secret.tif", "root/etc/x.tif", "nothing.tif", "circle.tif"):
        refusal(folder, identifier)


def test_a_link_that_is_turned_outwards_later_is_not_followed(shelf):
    (shelf / "later.tif").symlink_to(shelf / "a" / "b.tif")
    clock = Clock()
    folder = Folder(shelf, clock)
    (shelf / "later.tif").unlink()
    (shelf / "later.tif").symlink_to(shelf.parent / "secret.tif")
    clock.now += 10_000
    folder.names()
    refusal(folder, "later.tif")


def test_an_ambiguous_stem_names_the_full_names(tmp_path):
    folder = Folder(put(tmp_path, "page.tif", "page.jpg", "page.v2.png", "page"))
    error = refusal(folder, "page")
    assert "page.jpg" in str(error)
    assert "page.tif" in str(error)
    assert "page.v2.png" not in str(error)
    assert folder.find("page.jpg").identifier == "page.jpg"
    assert folder.find("page.v2").identifier == "page.v2.png"


def test_a_full_name_wins_over_a_stem(tmp_path):
    folder = Folder(put(tmp_path, "a.tif", "a.tif.png"))
    assert folder.find("a.tif").identifier == "a.tif"
    assert folder.find("a").identifier == "a.tif"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["バザロワ/が.tif", "Müller é.jpg", "Й.png"])
def test_composed_and_decomposed_letters_are_the_same(tmp_path, form, asked, name):
    folder = Folder(put(tmp_path, unicodedata.normalize(form, name)))
    source = folder.find(unicodedata.normalize(asked, name))
    assert source.identifier == unicodedata.normalize("NFC", name)
    assert source.size_bytes == len(source.read(0, 1000))


@pytest.mark.parametrize("name", ["a b.tif", "a?b#c%d.tif", "a%2Fb.tif", "[x]@y.tif", "a+b&c.tif"])
def test_any_letter_may_stand_in_a_name(tmp_path, name):
    assert Folder(put(tmp_path, name)).find(name).identifier == name


def test_what_is_longer_than_any_name_is_not_composed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("\u01d5.png", "\u01d5" * 9 + ".pdf"):
        (tmp_path / name).touch()
    folder = Folder(tmp_path)
    composed: list[int] = []
    really = unicodedata.normalize

    def counted(form: Literal["NFC"], text: str) -> str:
        composed.append(len(text))
        return really(form, text)

    monkeypatch.setattr(unicodedata, "normalize", counted)
    for long in ("a" + "\u0300\u0323" * 8_000, "U\u0308\u0304" * 40):
        assert folder.listed(long) is None
        refusal(folder, long)
    assert not composed
    for page in ("1", "9999"):  # decomposed it has as many characters as a name may have
        assert folder.find("U\u0308\u0304" * 9 + f".pdf/{page}").leaf == int(page) - 1
    (tmp_path / ("long" * 50 + ".png")).touch()
    assert Folder(tmp_path).find("long" * 50)


def test_a_name_that_is_not_utf8_is_absent(tmp_path):
    put(tmp_path, "good.tif")
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.tif"))).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    assert list(Folder(tmp_path).names().images) == ["good.tif"]


@pytest.mark.parametrize(
    "ending", ["TIF", "tiff", "JPG", "jpeg", "png", "webp", "avif", "gif", "jp2", "j2k", "ptif"]
)
def test_endings_of_images_are_known_in_any_case(tmp_path, ending):
    assert list(Folder(put(tmp_path, f"x.{ending}")).names().images) == [f"x.{ending}"]


@pytest.mark.parametrize("name", ["x.txt", "x.svg", "x.pdf", "x.xlsx", "tif", "x.tif.part", "x.py"])
def test_other_files_are_absent(tmp_path, name):
    assert list(Folder(put(tmp_path, name)).names().images) == []


def test_a_folder_called_like_an_image_is_no_image(tmp_path):
    put(tmp_path, "box.tif/page.tif")
    folder = Folder(tmp_path)
    assert list(folder.names().images) == ["box.tif/page.tif"]
    refusal(folder, "box.tif")


def test_a_pipe_called_like_an_image_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    assert list(Folder(tmp_path).names().images) == []


def test_names_are_in_natural_order(tmp_path):
    names = ["page 9.tif", "page 10.tif", "Page 11.tif", "page 2/1.tif", "page 10/1.tif"]
    assert list(Folder(put(tmp_path, *names)).names().images) == [
        "page 2/1.tif",
        "page 9.tif",
        "page 10.tif",
        "page 10/1.tif",
        "Page 11.tif",
    ]


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_names_can_be_put_in_order(names):
    assert sorted(sorted(names, key=natural)) == sorted(names)


def test_a_new_file_is_found_but_the_folder_is_not_read_for_every_miss(tmp_path):
    clock = Clock()
    folder = Folder(put(tmp_path, "old.tif"), clock)
    put(tmp_path, "new.tif")
    refusal(folder, "new.tif")
    clock.now += 3
    assert folder.find("new.tif").identifier == "new.tif"


def test_a_file_that_is_replaced_gets_another_identity(tmp_path):
    folder = Folder(put(tmp_path, "a.tif"))
    before = folder.find("a.tif").identity
    assert folder.find("a.tif").identity == before
    (tmp_path / "a.tif").write_bytes(b"other pixels")
    assert folder.find("a.tif").identity != before


def test_a_file_that_is_gone_is_not_found(tmp_path):
    folder = Folder(put(tmp_path, "a.tif"), Clock())
    (tmp_path / "a.tif").unlink()
    refusal(folder, "a.tif")


def test_a_source_is_read_by_range(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"0123456789")
    source = Folder(tmp_path).find("a.tif")
    assert source.size_bytes == 10
    assert source.read(3, 4) == b"3456"
    assert source.read(8, 100) == b"89"
    assert source.read(100, 1) == b""
    (tmp_path / "a.tif").unlink()
    with pytest.raises(BrokenSource):
        source.read(0, 1)


def test_a_folder_that_is_none_stops_the_start(tmp_path):
    with pytest.raises(ConfigurationError, match="not a folder"):
        Folder(tmp_path / "gone")
    put(tmp_path, "a.tif")
    with pytest.raises(ConfigurationError, match="not a folder"):
        Folder(tmp_path / "a.tif")


def test_listed_sources_are_found_by_name_only(tmp_path):
    rights = "http://rightsstatements.org/vocab/InC/1.0/"
    put(tmp_path, "x/y.tif")
    listed = Listed({"record-1": File(tmp_path / "x/y.tif", rights)})
    source = listed.find("record-1")
    assert (source.identifier, source.rights) == ("record-1", rights)
    for identifier in ("record-2", "x/y.tif", "record-1.tif", "", str(tmp_path / "x/y.tif")):
        with pytest.raises(NotFound):
            listed.find(identifier)


def test_a_stem_leads_to_the_file_that_came_instead(tmp_path: Path) -> None:
    clock = Clock()
    folder = Folder(put(tmp_path, "x.png"), clock)
    assert folder.find("x").identifier == "x.png"
    (tmp_path / "x.png").unlink()
    put(tmp_path, "x.jpg")
    clock.now += 3
    assert folder.find("x").identifier == "x.jpg"


def test_a_folder_that_is_gone_is_empty(shelf: Path) -> None:
    clock = Clock()
    folder = Folder(shelf, clock)
    shelf.rename(shelf.with_name("elsewhere"))
    clock.now += 3
    with pytest.raises(NotFound):
        folder.find("one.jpg")
    assert folder.names() == ((), ())


def test_a_link_to_what_is_hidden_leads_nowhere(shelf: Path) -> None:
    put(shelf, ".drafts/secret.png")
    (shelf / "open").symlink_to(shelf / ".drafts")
    assert [name for name in Folder(shelf).names().images if "secret" in name] == []


def test_a_name_that_no_address_can_hold_is_absent(shelf: Path) -> None:
    put(shelf, "two\nlines.png")
    assert [name for name in Folder(shelf).names().images if "lines" in name] == []


def test_a_source_knows_when_its_file_was_replaced(shelf: Path) -> None:
    source = Folder(shelf).find("one.jpg")
    assert source.unchanged()
    put(shelf, "new.part")
    (shelf / "new.part").replace(shelf / "one.jpg")
    assert not source.unchanged()
    (shelf / "one.jpg").unlink()
    assert not source.unchanged()


def test_a_file_called_by_its_content_keeps_its_identity_wherever_it_lies(tmp_path: Path) -> None:
    put(tmp_path, "here/5f3a.tif", "there/5f3a.tif")
    here, there = (
        Listed({"page": File(tmp_path / folder / "5f3a.tif", identity="5f3a.tif")}).find("page")
        for folder in ("here", "there")
    )
    assert here.identity == there.identity == "5f3a.tif"
    assert here.lasting


def test_a_table_is_the_same_until_names_may_mean_other_files(shelf: Path) -> None:
    clock = Clock()
    folder = Folder(shelf, clock)
    table = folder.table()
    folder.find("one.jpg")
    assert folder.table() is table
    clock.now += 3
    with pytest.raises(NotFound):
        folder.find("two.jpg")  # looked for in vain
    assert folder.table() is table
    put(shelf, "two.jpg")
    clock.now += 3
    folder.find("two.jpg")
    assert folder.table() is not table


def test_a_pdf_is_as_a_folder_of_its_pages(tmp_path: Path) -> None:
    folder = Folder(put(tmp_path, "a/x.pdf", "a/Y.PDF", "a/x.jpg", "z.heic"))
    assert folder.names() == (("a/x.jpg", "z.heic"), ("a/x.pdf", "a/Y.PDF"))
    found = folder.find("a/x.pdf/12")
    assert (found.identifier, found.leaf, found.path.name) == ("a/x.pdf/12", 11, "x.pdf")
    assert folder.find("a/x").identifier == "a/x.jpg"  # the stem of an image, not of a document


_NO_PAGES = ["x.pdf", "x", "x/1", "x.pdf/", "x.pdf/0", "x.pdf/01", "x.pdf/+1", "x.pdf/1.0"]
_NO_PAGES += ["x.pdf/-1", "x.pdf/\u0661", "x.pdf/1/1", "x.pdf/99999", "x.jpg/1", "x.pdf/1.jpg"]
_NO_PAGES += ["x.pdf/ 1", "y.pdf/1", "/1", "1", "X.pdf/1"]


@pytest.mark.parametrize("identifier", _NO_PAGES)
def test_nothing_else_names_a_page(tmp_path: Path, identifier: str) -> None:
    refusal(Folder(put(tmp_path, "x.pdf", "z/x.jpg")), identifier)
