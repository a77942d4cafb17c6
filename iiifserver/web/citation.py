"""How to cite a record, in the manner and the signs of one language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from iiifserver.presentation.shown import RecordPage
from iiifserver.urls import Urls

from .reader import Multilingual, Reader, Shown


class Piece(NamedTuple):
    """A part of a citation, with the signs around it; its text may be of another language."""

    before: str
    shown: Shown
    after: str


def citation(record: RecordPage, reader: Reader, urls: Urls) -> list[Piece]:
    """Return the citation of *record*: title, date, holder, reference, exhibition, address.

    What is not known is left out.
    """
    pieces = list(_pieces(record, reader, urls))
    separator, end = reader.say("cite_separator"), reader.say("cite_end")
    ended = [piece._replace(after=piece.after + separator) for piece in pieces[:-1]]
    # an address must not run into a sign that could be taken for a part of it
    return [*ended, pieces[-1]._replace(after=" " if end == "." else end)]


def _pieces(record: RecordPage, reader: Reader, urls: Urls) -> Iterator[Piece]:
    yield _quoted(reader, "cite_title", record["record_title"] or record["title"])
    if record["date"]:
        yield _plain(reader.quote(record["date"]["shown"]))
    if record["holder"]:
        yield _plain(reader.quote(record["holder"]["name"]))
    if record["reference"]:
        yield _plain(Shown(record["reference"], "", is_translated=True))
    yield _quoted(reader, "cite_exhibition", record["exhibition"]["title"])
    address = urls.record_page(
        reader.language, record["exhibition"]["identifier"], record["identifier"]
    )
    yield _plain(Shown(address, "", is_translated=True))


def _quoted(reader: Reader, key: str, texts: Multilingual) -> Piece:
    before, _, after = reader.say(key, text="\0").partition("\0")
    return Piece(before, reader.quote(texts), after)


def _plain(shown: Shown) -> Piece:
    return Piece("", shown, "")


def as_text(pieces: list[Piece]) -> str:
    """Return a citation as one line."""
    return "".join(f"{before}{shown.value}{after}" for before, shown, after in pieces).strip()
