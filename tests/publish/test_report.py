"""What check found, in words and as JSON; the manual tells of the same keys."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from seeded import CELLS, draw, examine_here, sow

from iiifserver.cli import main
from iiifserver.publish import report
from iiifserver.publish.check import Review, review

DOCS = Path(__file__).parents[2] / "docs" / "check.md"
RECORDS = """\
record,chapter,title_en,title_ja,title_mn,record_title_en,places_en,places_ja,unreviewed
r1,ch1,Letter,国書,Захидал,,Tokyo,東京,title_mn
r2,ch1,Map,,,,,,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sow(tmp_path, [])
    (tmp_path / "records.csv").write_text(RECORDS, encoding="utf-8")
    (tmp_path / "sources.csv").unlink()
    return tmp_path


def look(folder: Path) -> Review:
    return review(folder, folder / "images", examine_here)


def texts_of(folder: Path, identifier: str) -> dict[str, dict[str, str]]:
    items = report.completeness(look(folder).reviewed)
    return next(dict(item.texts) for item in items if item.identifier == identifier)


def test_each_text_is_there_or_missing_or_unreviewed(folder):
    assert texts_of(folder, "r1") == {
        "title": {"en": "present", "ja": "present", "mn": "unreviewed"},
        "places": {"en": "present", "ja": "present", "mn": "missing"},
    }


def test_text_in_no_language_is_not_missing_unless_it_is_a_title(folder):
    assert texts_of(folder, "r2") == {"title": {"en": "present", "ja": "missing", "mn": "missing"}}


def test_translations_are_counted_by_language(folder):
    found = report.as_json(look(folder))
    assert found["unreviewed"] == {"en": 0, "ja": 0, "mn": 1}
    # agents, chapters, sections: two each, of which one agent has a Japanese name
    assert found["missing"] == {"en": 0, "ja": 6, "mn": 8}


def test_matrix_stands_below_mistakes_even_where_there_are_errors(folder):
    text = RECORDS.replace("r2,ch1", "r2,ch7")
    (folder / "records.csv").write_text(text, encoding="utf-8")
    words = report.in_words(look(folder))
    assert words.splitlines()[0].startswith(
        "error    Records!B3: 'ch7' is not in the sheet Chapters"
    )
    assert re.search(r"^  r1 +en \+\.\+\.\.  ja \+\.\+\.\.  mn \?\.-\.\.$", words, re.MULTILINE)
    assert words.splitlines()[-1] == "1 error, 0 warnings, 0 notes"


def test_what_is_complete_is_only_counted(folder):
    words = report.in_words(look(folder))
    assert "Exhibition (title, summary, required_statement)\n  1 of 1 complete" in words


def test_errors_come_first_and_notes_last(tmp_path):
    sow(tmp_path, CELLS)
    severities = [m.severity for m in report.in_order(look(tmp_path).mistakes)]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert {"error", "warning"} <= set(severities)


def test_pages_that_will_be_named_are_told(folder):
    draw(folder / "images" / "r2" / "2.jpg", 300)
    words, found = report.in_words(look(folder)), report.as_json(look(folder))
    assert "2 pages will be given an identifier, and keep it:\n  r2: 1 to 2" in words
    assert found["pages"]["assigned"][1] == {
        "record": "r2",
        "page": "2",
        "file": "2.jpg",
        "leaf": 1,
    }


def keys(value: object, prefix: str = "") -> set[str]:
    """Return the paths of all keys, as the manual writes them."""
    if isinstance(value, list):
        return set().union(*(keys(each, f"{prefix}[]") for each in value))
    if not isinstance(value, dict):
        return set()
    dot = f"{prefix}." if prefix else ""
    return set().union(
        *({f"{dot}{key}"} | keys(each, f"{dot}{key}") for key, each in value.items())
    )


def test_manual_tells_of_every_key_and_of_no_other(folder):
    told = set(re.findall(r"^\| `([^`]+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    (folder / "records.csv").write_text(RECORDS.replace("Map", "M\x07p"), encoding="utf-8")
    found = json.loads(report.as_text(look(folder)))
    # what stands below these is a language, a severity, or a field
    open_ended = ("counts.", "missing.", "unreviewed.", "completeness[].texts.")
    there = {key for key in keys(found) if not key.startswith(open_ended)}
    assert there == told


def check(folder: Path, *options: str) -> Result:
    data = ("--data", str(folder / "data"))
    return CliRunner().invoke(main, ["check", str(folder), "--no-verify", *data, *options])


def test_command_ends_with_1_only_where_there_are_errors(folder):
    assert check(folder).exit_code == 0
    (folder / "records.csv").write_text(RECORDS.replace("r2,ch1", "r2,ch7"), encoding="utf-8")
    ended = check(folder)
    assert ended.exit_code == 1
    assert "Records!B3" in ended.output


def test_command_speaks_json(folder):
    found = json.loads(check(folder, "--json").stdout)
    assert (found["format"], found["exhibition"]) == (report.FORMAT, "demo")
    assert found["counts"] == {"error": 0, "warning": 0, "note": 0}


def test_command_writes_nothing_beside_the_sheets(folder):
    def state() -> dict[str, int]:
        files = (path for path in folder.rglob("*") if "data" not in path.parts)
        return {str(path): path.stat().st_mtime_ns for path in files}

    before = state()
    assert check(folder).exit_code == 0
    (folder / "data").rename(folder.parent / "elsewhere")
    assert state() == before


def test_command_verifies_scans_in_processes_of_their_own(folder):
    scan = folder / "images" / "r2" / "1.jpg"
    scan.write_bytes(scan.read_bytes()[:-100])
    arguments = ["check", str(folder), "--data", str(folder / "data"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "iiifserver.cli", *arguments], capture_output=True, text=True
    )
    [mistake] = json.loads(done.stdout)["mistakes"]
    assert (done.returncode, mistake["cell"]) == (1, "r2/1.jpg")
