"""The caption under every drawn page: in three languages, that it is synthetic and what for."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from fonts import line_length, set_line
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PAPER = (250, 249, 245)
INK = (24, 24, 26)


class Wording(NamedTuple):
    """The fixed phrases of one language and the fonts that have its letters."""

    font: str
    synthetic: str
    record: str
    title: str
    holder: str
    reference: str
    page: str


# These sentences are ours; what the placeholders receive are facts, left out where unknown.
WORDINGS = {
    "en": Wording(
        "caption",
        "Synthetic picture, drawn by the iiifserver project for its demonstration; "
        "not a scan of the record.",
        "It stands in for record {record}",
        ": {title}",
        " Held by: {holder}.",
        " Reference: {reference}.",
        " Page {page} of {pages}.",
    ),
    "ja": Wording(
        "gothic",
        "この画像はデモ用に iiifserver プロジェクトが描画した合成画像であり、"
        "資料のスキャン画像ではありません。",
        "対応する資料：{record}",
        "「{title}」",
        " 所蔵：{holder}。",
        " 請求番号：{reference}。",
        " {page}/{pages}頁。",
    ),
    "mn": Wording(
        "caption",
        "Зохиомол зураг: iiifserver төслөөс үзүүлбэрт зориулан зурсан бөгөөд "
        "архивын баримтын скан хуулбар биш.",
        "Төлөөлж буй баримт: {record}",
        ", «{title}»",
        " Хадгалагч: {holder}.",
        " Архивын дугаар: {reference}.",
        " Хуудас {page}/{pages}.",
    ),
}
STOPS = {"en": ".", "ja": "。", "mn": "."}

# a word or one Japanese sign, with what may not begin a line and the spaces after it
_PIECE = re.compile(
    r"(?:[\u2e80-\u303f\u3041-\u9fff\uff00-\uffef]|[^\s\u2e80-\u9fff\uff00-\uffef]+)"
    r"[、。」）：頁]*\s*|\s+"
)


def sentences(language: str, facts: Mapping[str, Any], page: int, pages: int) -> tuple[str, str]:
    """Return the sentence that says synthetic, and what is known of the record in *language*."""
    wording = WORDINGS[language]
    title = facts["title"].get(language)
    holder = facts["holder"].get(language)
    about = wording.record.format(record=facts["record"])
    if title:
        about += wording.title.format(title=title)
    if not about.endswith("."):
        about += STOPS[language]
    if holder:
        about += wording.holder.format(holder=holder)
    if facts.get("reference"):
        about += wording.reference.format(reference=facts["reference"])
    return wording.synthetic, about + wording.page.format(page=page, pages=pages)


def wrap(text: str, font: str, size: int, room: int) -> list[str]:
    """Return *text* in lines at most *room* pixels wide."""
    lines, line = [], ""
    for piece in _PIECE.findall(text):
        if line and line_length((line + piece).rstrip(), font, size) > room:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def caption(
    width: int, size: int, facts: Mapping[str, Any], page: int, pages: int
) -> NDArray[np.uint8]:
    """Return the caption strip, *width* pixels wide, its letters *size*, as high as they need."""
    margin = round(size * 1.2)
    rows: list[tuple[str, str, int]] = []
    for language, wording in WORDINGS.items():
        font = wording.font
        synthetic, about = sentences(language, facts, page, pages)
        gap = size // 3 if rows else 0
        for text, own in ((synthetic, f"{font}-bold"), (about, font)):
            for line in wrap(text, own, size, width - 2 * margin):
                rows.append((line, own, gap))
                gap = 0
    height = margin * 2 + sum(round(size * 1.3) + gap for _, _, gap in rows)
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, max(1, size // 8)), fill=(196, 60, 40))
    top = margin
    for line, font, gap in rows:
        top += gap
        set_line(draw, margin, top + size, line, font, size, INK)
        top += round(size * 1.3)
    return np.asarray(image)
