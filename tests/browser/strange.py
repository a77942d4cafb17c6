"""An exhibition whose every text is an attack, or longer than anything, or runs down the page."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw
from serving import ROOT

LANGUAGES = ("en", "ja", "mn", "ru")
SIZE = (1000, 1400)
WIDTH_MM = 200
ATTACK = (
    '1 "><img src=x onerror="window.attacked=1"><svg onload=\'window.attacked=1\'>'
    "</title></script></textarea><script>window.attacked=1</script>{{7*7}}${7*7}"
    "' autofocus onfocus='window.attacked=1 javascript:window.attacked=1//<!--"
)
"""Ends attributes, elements and comments, and would then run."""
LONG = "W" * 160
"""A word that no line is long enough for."""
MONGOLIAN = "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ"
JAPANESE = "蒙古国書の写し\n大蒙古国皇帝奉書"


def publish_in(folder: Path) -> Path:
    """Publish the exhibition; return the folder of what is published."""
    sheets, data = folder / "sheets", folder / "data"
    sheets.mkdir()
    texts = [ATTACK, f"{ATTACK} {LONG}", ATTACK, f"{LONG} {ATTACK}"]
    settings = ['exhibition = "strange"', f"languages = {[*LANGUAGES, 'mn-Mong']!r}"]
    for field in ("title", "summary", "required_statement", "supervisor"):
        told = zip(LANGUAGES, texts, strict=True)
        settings += [f"{field}_{language} = '''{text}'''" for language, text in told]
    (sheets / "exhibition.toml").write_text("\n".join(settings), encoding="utf-8")

    def sheet(name: str, fields: tuple[str, ...], *rows: dict[str, str]) -> None:
        told = dict(zip(LANGUAGES, texts, strict=True))
        all_of = {f"{field}_{each}": told[each] for field in fields for each in LANGUAGES}
        with (sheets / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            names = list(dict.fromkeys([*all_of, *(key for row in rows for key in row)]))
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(all_of | row for row in rows)

    sheet("agents", ("name", "role"), {"agent": "a1", "homepage": "https://archive.example/?a=\"'"})
    sheet("chapters", ("title", "summary"), {"chapter": "c1", "period": "1955/1972"})
    sheet("sections", ("title",), *({"section": f"s{n}", "chapter": "c1"} for n in (1, 2)))
    known = {"chapter": "c1", "holder": "a1", "reference": ATTACK}
    sheet(
        "records",
        ("title", "record_title", "summary", "date_note", "date_as_written", "places", "people"),
        {"record": "r1", "section": "s1", "date": "1972-02-24", "related": "r2", **known},
        {"record": "r2", "section": "s2", "date": "195X", "related": "r1", **known},
    )
    written = {"transcription_ja": JAPANESE, "transcription_mn-Mong": MONGOLIAN}
    first = {"record": "r1", "page": "1", "file": "1.png", "width_mm": str(WIDTH_MM)}
    sheet("pages", ("label",), {**first, **written, "writing": "vertical"})
    for record in ("r1", "r2"):
        scan = sheets / "images" / record / "1.png"
        scan.parent.mkdir(parents=True)
        picture = Image.radial_gradient("L").resize(SIZE).convert("RGB")
        ImageDraw.Draw(picture).rectangle((300, 300, 600, 900), fill="#a33a24")
        picture.save(scan)
    command = [sys.executable, "-m", "iiifserver.cli", "publish", sheets, "--data", data]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return data
