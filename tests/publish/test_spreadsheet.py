"""Workbooks read as text: what they show, what is said of it, and what is refused."""

import io
import random
import zipfile

import pytest
from workbook_sources import make_workbook, sheet_xml, text_row

from iiifserver.errors import InvalidExhibition
from iiifserver.publish import sheetxml, spreadsheet
from iiifserver.publish.spreadsheet import read_workbook

HEADER = text_row(1, "record")


def read_cell(tmp_path, cell, **more):
    """Return the cell A2 with *cell* in it, and what was said."""
    rows = f'{HEADER}<row r="2">{cell}</row>'
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(rows)}, **more)
    [sheet], mistakes = read_workbook(path, ["Records"])
    value = sheet.rows[0][0].value if sheet.rows else None
    return value, [(m.cell, m.severity, m.reason) for m in mistakes]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("<v>1972</v>", "1972"),
        ("<v>1972.0</v>", "1972"),
        ("<v>0.1</v>", "0.1"),
        ("<v>0.30000000000000004</v>", "0.3"),
        ("<v>1E3</v>", "1000"),
        ("<v>-5</v>", "-5"),
    ],
)
def test_number_is_read_as_it_is_shown(tmp_path, cell, shown):
    assert read_cell(tmp_path, f'<c r="A2">{cell}</c>') == (shown, [])


@pytest.mark.parametrize(
    ("style", "value", "shown", "remark"),
    [
        (1, 26353, "1972-02-24", "is a date"),
        (2, 26353, "1972-02", "is a date"),  # Excel makes it of a typed 1972-02
        (3, 26353, "1972", "is a date"),
        (6, 26353, "1972-02-24", "is a date"),  # 昭和47年2月24日
        (1, 26353.5, "1972-02-24T12:00:00", "is a date"),
        (7, 0.5, "12:00:00", "is a time"),
        (1, 99999999999, "99999999999", "is none"),
        (4, 12, "0012", ""),
        (8, 2.5, "2.50", ""),
        (5, 1500, "1500", 'shown as #,##0 "{m}"'),
    ],
)
def test_number_with_a_format_is_read_as_it_is_shown(tmp_path, style, value, shown, remark):
    text, said = read_cell(tmp_path, f'<c r="A2" s="{style}"><v>{value}</v></c>')
    assert text == shown
    assert [(place, severity) for place, severity, _ in said] == [("A2", "note")] * bool(remark)
    assert not remark or remark in said[0][2]


def test_years_of_old_macs_count_from_1904(tmp_path):
    cell = '<c r="A2" s="1"><v>24891</v></c>'
    text, _ = read_cell(tmp_path, cell, settings='<workbookPr date1904="1"/>')
    assert text == "1972-02-24"


def inline(text):
    return f'<c r="A2" t="inlineStr"><is>{text}</is></c>'


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="A2" t="b"><v>1</v></c>', "TRUE"),
        ('<c r="A2" t="d"><v>1972-02-24T00:00:00</v></c>', "1972-02-24"),
        (inline("<t>  one\n two\u00a0</t>"), "one\n two"),
        (inline("<r><t>one </t></r><r><t>two</t></r>"), "one two"),
        (inline('<t>国書</t><rPh sb="0" eb="2"><t>コクショ</t></rPh>'), "国書"),
        (inline("<t>a_x000D_b _x005F_x000D_ x005F_</t>"), "a\nb _x000D_ x005F_"),
        ('<c t="inlineStr"><is><t>nowhere</t></is></c>', "nowhere"),
        ('<c r="A2" t="e"><v>#REF!</v></c>', "#REF!"),
        ('<c r="A2" t="s"><v>1</v></c>', "国書"),
    ],
)
def test_cell_is_the_text_that_it_shows(tmp_path, cell, text):
    strings = "<si><t>other</t></si><si><r><t>国</t></r><r><t>書</t></r><rPh><t>コク</t></rPh></si>"
    assert read_cell(tmp_path, cell, strings=strings)[0] == text


def test_formula_is_read_as_its_value_and_that_is_said(tmp_path):
    text, said = read_cell(tmp_path, '<c r="A2" t="str"><f>"r"&amp;1</f><v>r1</v></c>')
    assert (text, said) == (
        "r1",
        [("A2", "note", "the cell holds a formula; its value 'r1' is read")],
    )


def test_formula_that_gives_nothing_is_empty(tmp_path):
    assert read_cell(tmp_path, '<c r="A2" t="str"><f>""</f><v></v></c>') == (None, [])


def test_formula_without_a_value_is_a_mistake_at_its_cell(tmp_path):
    _, [(place, severity, reason)] = read_cell(tmp_path, '<c r="A2"><f>B2</f></c>')
    assert (place, severity) == ("A2", "error")
    assert "has no value yet" in reason


def test_what_is_in_many_cells_of_a_column_is_said_once(tmp_path):
    rows = "".join(f'<row r="{n}"><c r="A{n}" s="1"><v>{n}</v></c></row>' for n in range(2, 102))
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(HEADER + rows)})
    [mistake] = read_workbook(path, ["Records"]).mistakes
    assert mistake.cell == "A2"
    assert "in 99 more" in mistake.reason


def test_rows_keep_their_numbers(tmp_path):
    rows = text_row(3, "record", "date") + text_row(7, "r1") + '<row r="1048576"/>'
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(rows)})
    [sheet] = read_workbook(path, ["Records"]).sheets
    assert [cell.reference for cell in sheet.header] == ["A3", "B3"]
    assert [tuple(cell) for cell in sheet.rows[0]] == [("A7", "r1"), ("B7", "")]


def test_merged_and_hidden_cells_are_told(tmp_path):
    hidden = '<row r="3" hidden="1"><c r="A3" t="inlineStr"><is><t>r2</t></is></c></row>'
    xml = sheet_xml(
        HEADER + text_row(2, "r1") + hidden,
        before='<cols><col min="2" max="2" hidden="1"/></cols>',
        after='<mergeCells><mergeCell ref="A2:A3"/></mergeCells>',
    )
    path = make_workbook(tmp_path / "a.xlsx", {"Records": xml}, hidden=("Records",))
    [sheet], mistakes = read_workbook(path, ["Records"])
    assert [row[0].value for row in sheet.rows] == ["r1", "r2"]
    told = [(m.cell, m.severity, m.reason) for m in mistakes]
    assert told[0][2] == "the tab is hidden; it is read all the same"
    assert told[1][:2] == ("A2", "warning")
    assert "only A2 has the text" in told[1][2]
    assert [reason for *_, reason in told[2:]] == [
        "hidden rows are read all the same: 3",
        "hidden columns are read all the same: B",
    ]


@pytest.mark.parametrize(
    ("tab", "proposal"), [("Recods", "records"), ("My notes", None), ("records ", None)]
)
def test_tab_that_is_not_read_is_a_mistake(tmp_path, tab, proposal):
    sheets = {"Records": sheet_xml(HEADER), tab: sheet_xml(HEADER)}
    path = make_workbook(tmp_path / "a.xlsx", sheets)
    [mistake] = read_workbook(path, ["Records", "Pages"]).mistakes
    assert tab in str(mistake)
    if tab == "Recods":
        path = make_workbook(tmp_path / "b.xlsx", {tab: sheet_xml(HEADER)})
        [mistake] = read_workbook(path, ["Records"]).mistakes
    assert mistake.proposal == proposal


@pytest.mark.parametrize("tab", ["_notes", "Help", "help"])
def test_tab_of_its_author_is_not_read(tmp_path, tab):
    sheets = {"Records": sheet_xml(HEADER), tab: sheet_xml(text_row(1, "x"))}
    tables = read_workbook(make_workbook(tmp_path / "a.xlsx", sheets), ["Records"])
    assert ([sheet.name for sheet in tables.sheets], tables.mistakes) == (["Records"], ())


# -- workbooks that mean harm, or came to harm


def refusal(path):
    with pytest.raises(InvalidExhibition) as caught:
        read_workbook(path, ["Records"])
    assert str(path.parent) not in str(caught.value)
    return str(caught.value)


ENTITY = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    "xml",
    [
        (ENTITY + sheet_xml(HEADER)).encode(),
        ('<?xml version="1.0" encoding="utf-16"?>' + ENTITY + sheet_xml(HEADER)).encode("utf-16"),
        ('<?xml version="1.0" encoding="cp037"?>' + sheet_xml(HEADER)).encode(),
    ],
)
def test_workbook_that_defines_entities_is_refused(tmp_path, xml):
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml("")}, more={"xl/x.xml": xml})
    assert "defines entities, or is not UTF-8" in refusal(path)


def test_workbook_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(HEADER)})
    monkeypatch.setattr(spreadsheet, "MAX_UNPACKED_BYTES", 1000)
    assert "unpacked it is larger" in refusal(path)


def test_part_that_is_packed_too_well_is_refused(tmp_path):
    bomb = {"xl/media/bomb.bin": bytes(8_000_000)}
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(HEADER)}, more=bomb)
    assert "packed too well" in refusal(path)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ('<row r="1048577"><c t="str"><v>x</v></c></row>', "a row 1048577"),
        ('<row r="1"><c r="ZZZZ1" t="str"><v>x</v></c></row>', "a cell 'ZZZZ1'"),
        ('<row r="1"><c r="ALM1" t="str"><v>x</v></c></row>', "more than 1000 columns"),
        ("<row><c t='str'><v>x</v></c></row>" * 101, "more than 100 rows"),
        ("<row><c r='ALL1' t='str'><v>x</v></c></row>" * 99, "more than 50000 cells"),
    ],
)
def test_sheet_is_bounded(tmp_path, rows, reason, monkeypatch):
    monkeypatch.setattr(sheetxml, "MAX_ROWS", 100)
    monkeypatch.setattr(sheetxml, "MAX_CELLS", 50_000)
    assert reason in refusal(make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(rows)}))


def test_cell_that_refers_to_no_string_is_told(tmp_path):
    rows = '<row r="1"><c r="A1" t="s"><v>7</v></c></row>'
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(rows)})
    assert "cannot be read as a workbook" in refusal(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as a workbook"),
        (b"PK\x03\x04 and nothing more", "cannot be read as a workbook"),
        (b"record,title_en\n", "cannot be read as a workbook"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "protected by a password"),
    ],
)
def test_file_that_is_no_workbook_is_told(tmp_path, content, reason):
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    assert reason in refusal(path)


def test_part_that_claims_to_be_longer_than_the_file_is_refused_unread(tmp_path):
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(HEADER + text_row(2, "r1"))})
    whole = path.read_bytes()
    entry = whole.index(b"PK\x01\x02")  # of the directory: 20 bytes on, the packed length
    path.write_bytes(whole[: entry + 20] + b"\xff\xff\xff\x7f" + whole[entry + 24 :])
    assert "ends before one of its parts" in refusal(path)


def assert_read_or_refused(path):
    try:
        assert read_workbook(path, ["Records"]) is not None
    except InvalidExhibition as error:
        told = error.mistakes
    else:
        return
    assert told


def test_damaged_workbook_is_refused_and_never_crashes(tmp_path):
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(HEADER + text_row(2, "r1"))})
    whole, rng = path.read_bytes(), random.Random(3)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.randint(1, 2 * len(damaged))])
        assert_read_or_refused(path)


def test_parts_with_damaged_xml_are_refused_and_never_crash(tmp_path):
    path = make_workbook(tmp_path / "a.xlsx", {"Records": sheet_xml(HEADER + text_row(2, "r1"))})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    rng = random.Random(5)
    for _ in range(150):
        name = rng.choice(list(parts))
        part = bytearray(parts[name])
        start = rng.randrange(len(part))
        part[start : start + rng.randint(0, 9)] = rng.choice([b"", b"9", b"<", b'"', b"/>", b"-1"])
        damaged = io.BytesIO()
        with zipfile.ZipFile(damaged, "w") as archive:
            for each in parts:
                archive.writestr(each, bytes(part) if each == name else parts[each])
        path.write_bytes(damaged.getvalue())
        assert_read_or_refused(path)
