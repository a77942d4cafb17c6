"""Draw the synthetic scans of the demo exhibition.

    python images/draw.py                      every page, about four minutes on one core
    python images/draw.py ch05-05              one record
    python images/draw.py ch05-05 --page 2     one page of it
    python images/draw.py --scale 0.3 --out PREVIEW

`pages.toml` describes the pages, `captions.json` holds the facts of the caption strip. A page's
chance is seeded by its name: the same fonts and library versions give the same pixels.
Needs numpy, pyvips and Pillow, and the Debian packages fonts-noto-core, fonts-noto-cjk,
fonts-gnutypewriter, fonts-aoyagi-kouzan-t, fonts-aoyagi-soseki and fonts-paratype.
"""

import argparse
import json
import sys
import tomllib
import zlib
from pathlib import Path
from typing import Any

import forms
import marks
import pictures
import pyvips
import writing
from caption import caption
from fonts import FontMissing
from paper import paper, scanned

HERE = Path(__file__).resolve().parent
# libvips would tell the density in EXIF alone: JFIF 1.1, 300 dots an inch, no thumbnail
JFIF = bytes.fromhex("ffe0 0010 4a46494600 0101 01 012c 012c 0000")
LETTERS = 0.006  # of width and height: 10 pixels where the longer side is shown with 1000

MARKS = {
    "typed": writing.typed,
    "columns": writing.columns,
    "printed": writing.printed,
    "mongolian": writing.mongolian,
    "seal": marks.seal,
    "round-seal": marks.round_seal,
    "stamp": marks.stamp,
    "pen": marks.pen,
    "ruled": forms.ruled,
    "frame": forms.frame,
    "table": forms.table,
    "bars": forms.bars,
    "rosette": forms.rosette,
    "wafer": forms.wafer,
    "ribbon": forms.ribbon,
    "holes": forms.holes,
    "stain": forms.stain,
    "gutter": forms.gutter,
    "tint": forms.tint,
    "leaf": pictures.leaf,
    "photograph": pictures.photograph,
    "map": pictures.sketch_map,
    "plan": pictures.plan,
}


def read_pages() -> dict[str, list[dict[str, Any]]]:
    """Return the descriptions of every record's pages, in order."""
    return tomllib.loads((HERE / "pages.toml").read_text(encoding="utf-8"))


def read_facts(record: str) -> dict[str, Any]:
    """Return what the caption says of a record."""
    captions = json.loads((HERE / "captions.json").read_text(encoding="utf-8"))
    return {"record": record, **captions[record]}


def draw_page(record: str, page: int, scale: float = 1) -> pyvips.Image:
    """Return page *page* (from 1) of the record, caption included, at *scale* of its full size."""
    pages = read_pages()[record]
    description = pages[page - 1]
    width, height = (round(side * scale) for side in description["pixels"])
    letters = max(2, round(LETTERS * (width + height)))
    strip = caption(width, letters, read_facts(record), page, len(pages))
    seed = zlib.crc32(f"{record}/{page}".encode()) % 100_000
    own_scale = scale * description.get("scale", 1)
    sheet = paper(width, height - len(strip), own_scale, seed, **description.get("paper", {}))
    for number, mark in enumerate(description["marks"], start=1):
        options = {key: value for key, value in mark.items() if key != "mark"}
        MARKS[mark["mark"]](sheet, seed=seed + 100 * number, **options)
    scan = scanned(sheet, seed + 7, **description.get("scanner", {}))
    foot = pyvips.Image.new_from_memory(strip.tobytes(), width, len(strip), 3, "uchar")
    return scan.join(foot.copy(interpretation="srgb"), "vertical")


def encode(picture: pyvips.Image, max_bytes: int) -> bytes:
    """Return a baseline JPEG of the best quality, 40 to 92, that fits into *max_bytes*.

    Raises:
        ValueError: none fits.
    """
    picture = picture.copy_memory()
    low, high, best = 40, 92, b""
    while low <= high:
        quality = (low + high) // 2
        plain = picture.jpegsave_buffer(
            Q=quality, optimize_coding=True, interlace=False, subsample_mode="on", keep="none"
        )
        data = plain[:2] + JFIF + plain[2:]
        if len(data) <= max_bytes:
            low, best = quality + 1, data
        else:
            high = quality - 1
    if not best:
        raise ValueError(f"no JPEG of this page fits into {max_bytes} bytes")
    return best


def main() -> int:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description="Draw the synthetic scans of the demo exhibition.")
    parser.add_argument("records", nargs="*", metavar="RECORD", help="such as ch05-05; default all")
    parser.add_argument("--page", type=int, help="only this page of each record, from 1")
    parser.add_argument("--scale", type=float, default=1.0, help="0.3 draws a quick preview")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the records' folders")
    options = parser.parse_args()
    described = read_pages()
    unknown = [record for record in options.records if record not in described]
    if unknown:
        parser.error(f"unknown record {unknown[0]!r}; known: {', '.join(described)}")
    for record in options.records or described:
        for page, description in enumerate(described[record], start=1):
            if options.page in (None, page):
                _write(record, page, description, options.scale, options.out)
    return 0


def _write(record: str, page: int, description: dict[str, Any], scale: float, out: Path) -> None:
    data = encode(draw_page(record, page, scale), description["max_kb"] * 1000)
    path = out / record / f"{page}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    print(f"{record}/{page}.jpg {len(data) / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FontMissing as error:
        sys.exit(f"draw.py: {error}")
