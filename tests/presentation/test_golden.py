"""Every document of a small exhibition, as it was when a person last read it.

UPDATE_GOLDEN=1 writes them anew; what git then shows is read before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from iiifserver.publish.check import read
from iiifserver.publish.documents import units_of
from iiifserver.publish.memory import Scan
from iiifserver.publish.objects import link
from iiifserver.records import Exhibition

GOLDEN = Path(__file__).parents[1] / "golden"
BASE_URL = "https://iiif.example.org"
FILES = {"r1": ("1.jpg", "2.jpg", "3.jpg"), "r2": ("map.tif",)}
SCANS = {
    "r1-cover": Scan("", 3000, 4200, ((188, 263), (375, 525), (750, 1050), (3000, 4200))),
    "r1-2": Scan("", 2990, 4200, ((187, 263), (374, 525), (748, 1050), (2990, 4200))),
    "r1-3r": Scan("", 2990, 4200, ((187, 263), (374, 525), (748, 1050), (2990, 4200))),
    "r2-1": Scan("", 7072, 5212, ((221, 163), (442, 326), (884, 652), (7072, 5212))),
}


def exhibition(images: Path) -> Exhibition:
    for record, files in FILES.items():
        (images / record).mkdir()
        for file in files:
            (images / record / file).write_bytes(b"not opened")
    found, mistakes = read(GOLDEN / "sheets", images)
    assert [str(mistake) for mistake in mistakes if mistake.severity == "error"] == []
    assert found
    return found


def documents(images: Path) -> dict[str, str]:
    """Every document by the name of its file, as people read it."""
    made = {}
    for unit in units_of(exhibition(images), SCANS):
        for name, document in unit.build().documents.items():
            version, _, rest = name.rpartition("/")
            file = "-".join(part for part in (unit.identifier, rest) if part)
            file += "" if rest.startswith("record") else ".json"
            text = link(document, BASE_URL).decode()
            if file.endswith("json"):
                text = json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
            made["/".join(part for part in (version, file) if part)] = text
    return made


def test_documents_are_what_was_read_in_review(tmp_path):
    made = documents(tmp_path)
    if os.environ.get("UPDATE_GOLDEN"):
        for path in kept():
            path.unlink()
        for name, text in made.items():
            path = GOLDEN / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
    found = {path.relative_to(GOLDEN).as_posix(): path for path in kept()}
    assert sorted(found) == sorted(made)
    for name, text in made.items():
        assert found[name].read_bytes().decode() == text, f"{name}: see UPDATE_GOLDEN above"


def kept() -> list[Path]:
    return [path for suffix in ("json", "xml") for path in sorted(GOLDEN.rglob(f"*.{suffix}"))]


def test_golden_documents_are_in_four_languages():
    label = json.loads((GOLDEN / "3" / "r1-manifest.json").read_text("utf-8"))["label"]
    assert list(label) == ["en", "ja", "mn", "ru", "mn-Mong"]
