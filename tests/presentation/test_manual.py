"""docs/manifests.md tells of every column what becomes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iiifserver.publish.columns import SHEETS

MANUAL = Path(__file__).parents[2] / "docs" / "manifests.md"
WITHOUT_A_TABLE = {"Sources"}
"""What it holds is in the record's JSON, and in no other document."""


@pytest.mark.parametrize("sheet", sorted(SHEETS.keys() - WITHOUT_A_TABLE))
def test_manual_says_what_becomes_of_every_column(sheet):
    parts = re.split(r"^### (.+)$", MANUAL.read_text("utf-8"), flags=re.MULTILINE)
    [part] = [text for title, text in zip(parts[1::2], parts[2::2], strict=True) if title == sheet]
    rows = [row.split("|")[1] for row in part.splitlines() if row.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told == {column.name for column in SHEETS[sheet]}
