"""What pages show, as JSON: values in all languages, without addresses of ours and without HTML.

Publication writes one such document for each record and chapter and for the exhibition
(presentation/pages.py), beside the documents of the APIs; the pages turn it into HTML for one
reader. Texts are language maps as in Presentation 3.0. A translation that nobody has reviewed,
shown only where the operator wants that, stands under its tag with `-x-unreviewed`.
"""

from __future__ import annotations

from typing import TypedDict

Text = dict[str, list[str]]
"""Texts by BCP 47 tag, in the exhibition's order; empty where nothing is known."""
UNREVIEWED = "-x-unreviewed"
"""A private subtag: the text before which it stands has been read by no speaker."""


class Ref(TypedDict):
    """What something is called, to lead there."""

    identifier: str
    title: Text


class When(TypedDict):
    """A date: in EDTF, and as the reader of each language expects it."""

    edtf: str
    shown: Text


class Canvas(TypedDict):
    """A page of a record, by its scan."""

    page: str
    image: str
    """Its identifier in the Image API."""
    label: Text
    width: int
    height: int
    sizes: list[tuple[int, int]]
    """Width and height of the sizes that info.json lists."""
    width_mm: int | None
    """How wide the thing is that the whole scan shows; None where nobody has measured it."""


class Transcription(TypedDict):
    """What is written on a page; the lines of texts are its lines."""

    page: str
    label: Text
    """Of the page."""
    texts: Text
    modes: dict[str, str]
    """How each of them is written, in CSS's words, by its language: `vertical-rl`."""


class Holder(TypedDict):
    """An archive that holds a record."""

    identifier: str
    name: Text
    homepage: str | None
    logo: str | None
    above: Ref | None
    """The body that it belongs to."""


class Card(TypedDict):
    """A record in a list."""

    identifier: str
    chapter: str
    title: Text
    record_title: Text
    holder: Ref | None
    reference: str | None
    date: When | None
    canvas: Canvas | None
    """Its first page."""
    canvas_count: int


class Found(TypedDict):
    """Where the value of a column was found."""

    column: str
    source: str


class RecordPage(TypedDict):
    """All that the page of a record shows."""

    identifier: str
    exhibition: Ref
    chapter: Ref
    section: Ref | None
    title: Text
    record_title: Text
    holder: Holder | None
    reference: str | None
    date: When | None
    date_note: Text
    date_as_written: Text
    places: Text
    people: Text
    summary: Text
    rights: str | None
    viewing_direction: str | None
    behavior: str | None
    homepage: Text
    """Addresses of pages about the record, by the language of the page."""
    related: list[Card]
    previous: Ref | None
    next: Ref | None
    sources: list[Found]
    canvases: list[Canvas]
    transcriptions: list[Transcription]
    """Of those pages that have one."""


class Part(TypedDict):
    """A heading within a chapter, or none, with its records."""

    identifier: str | None
    title: Text
    records: list[Card]


class ChapterCard(TypedDict):
    """A chapter in a list."""

    identifier: str
    number: int
    title: Text
    is_working_title: bool
    """True where the real title is not known."""
    period: When | None
    summary: Text
    record_count: int
    canvas_count: int
    canvases: list[Canvas]
    """First pages of some of its records."""


class ChapterPage(ChapterCard):
    """All that the page of a chapter shows."""

    exhibition: Ref
    homepage: Text
    parts: list[Part]
    comparisons: list[list[Card]]
    """Records that different archives hold and that are to be seen beside each other."""
    previous: Ref | None
    next: Ref | None


class AgentCard(Holder):
    """An archive or another body in the list of them."""

    is_organiser: bool
    record_count: int
    records: list[Ref]
    """The first of the records that it holds."""


class Coverage(TypedDict):
    """In how many of the texts that there are a language is there."""

    language: str
    titles: int
    record_titles: int
    summaries: int


class SitePage(TypedDict):
    """What every page of the site says."""

    exhibition: str
    """The identifier of the exhibition."""
    title: Text
    summary: Text
    notice: Text
    """What every reader must be told; it may hold the HTML that IIIF allows."""
    languages: list[str]


class ExhibitionPage(TypedDict):
    """What the first page, the page of archives and the page about the exhibition show."""

    identifier: str
    title: Text
    summary: Text
    required_statement: Text
    rights: str | None
    homepage: Text
    organisers: list[Ref]
    supervisor: Text
    occasion: Text
    occasion_date: When | None
    note: Text
    chapters: list[ChapterCard]
    agents: list[AgentCard]
    record_count: int
    canvas_count: int
    counted: dict[str, int]
    """How many titles, record_titles and summaries there are in any language."""
    coverage: list[Coverage]
    sources: list[str]
    """Where the facts were found, each once."""
