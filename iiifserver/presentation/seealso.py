"""A record for machines: as JSON with all that is known, and as Dublin Core.

**JSON** is our own and stable: a key is never renamed, and is absent where nothing is known. Texts
are language maps as in Presentation 3.0 (`none` for texts in no language). Names are those of the
sheets' columns:

| key | value |
|---|---|
| `id` `identifier` `manifest` | the document's address; the record's identifier and Manifest |
| `exhibition` `chapter` `section` | `{identifier, title}` of what the record belongs to |
| `title` `record_title` | the heading for visitors; the record's own title |
| `holder` | `{identifier, name, role, homepage, logo, part_of: {identifier, name}}` |
| `reference` | as the holder writes it: a string |
| `date` | EDTF: a string |
| `date_note` `date_as_written` `places` `people` `summary` `note` | language maps |
| `rights` | the URI of a licence or rights statement: the record's, else the exhibition's |
| `viewing_direction` `behavior` | the words of Presentation 3.0 |
| `homepage` | addresses of pages about the record, by the language of the page |
| `related` | `[{identifier, manifest}]` of records to be seen beside this one |
| `pages` | `[{identifier, label, width_mm, canvas, image: {identifier, services: {"3", "2"}}}]` |
| | where they are known also `transcription`, `writing` and `unreviewed` of each page |
| `sources` | `[{column, source}]`: where the value of a column was found |
| `unreviewed` | languages by key: which of the texts here no speaker has reviewed |

**Dublin Core** is the fifteen elements in the container of OAI-PMH, which every harvester reads. It
has one word for both titles, the heading first, and none for what qualifies a date; the JSON has.

Dublin Core: https://www.dublincore.org/specifications/dublin-core/dces/
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any, NamedTuple

from iiifserver.language import NONE, LanguageMap, in_no_language
from iiifserver.presentation.description import chapter_label
from iiifserver.presentation.model import Json, document_bytes
from iiifserver.records import Agent, Exhibition, Page, Record
from iiifserver.urls import Urls

JSON_TYPE = "application/json"
XML_TYPE = "text/xml"
XML_PROFILE = "http://www.openarchives.org/OAI/2.0/oai_dc/"
"""The namespace and the `profile` of our Dublin Core."""

_DC = "http://purl.org/dc/elements/1.1/"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ET.register_namespace("oai_dc", XML_PROFILE)
ET.register_namespace("dc", _DC)


def record_json(record: Record, exhibition: Exhibition, urls: Urls) -> bytes:
    """Return all that is known of *record*, one of *exhibition*, as JSON."""
    facts: Json = {
        "id": urls.record_json(record.identifier),
        "identifier": record.identifier,
        "manifest": urls.manifest(record.identifier),
        **_place(record, exhibition),
        "title": record.title,
        "record_title": record.record_title,
        "holder": record.holder and _holder(record.holder, exhibition),
        "reference": record.reference,
        "date": record.date and str(record.date),
        "date_note": record.date_note,
        "date_as_written": record.date_as_written,
        "places": record.places,
        "people": record.people,
        "summary": record.summary,
        "rights": record.rights or exhibition.rights,
        "viewing_direction": record.viewing_direction,
        "behavior": record.behavior,
        "homepage": record.homepage,
        "related": [
            {"identifier": name, "manifest": urls.manifest(name)} for name in record.related
        ],
        "note": record.note,
        "pages": [_page(page, record, urls) for page in record.pages],
        "sources": [source._asdict() for source in record.sources],
        "unreviewed": _unreviewed(record),
    }
    return document_bytes(_known(facts))


def record_xml(record: Record, exhibition: Exhibition, urls: Urls) -> bytes:
    """Return *record*, one of *exhibition*, as Dublin Core in XML."""
    root = ET.Element(
        f"{{{XML_PROFILE}}}dc", {_SCHEMA: f"{XML_PROFILE} {XML_PROFILE.rstrip('/')}.xsd"}
    )
    for name, texts in _elements(record, exhibition, urls):
        for tag, values in texts.items():
            for value in values:
                language = {} if tag == NONE else {_LANG: tag}
                ET.SubElement(root, f"{{{_DC}}}{name}", language).text = _NOT_XML.sub("", value)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


class _Element(NamedTuple):
    """One of the fifteen, as often as it has texts."""

    name: str
    texts: LanguageMap


def _elements(record: Record, exhibition: Exhibition, urls: Urls) -> Iterator[_Element]:
    yield _Element("title", record.title)
    yield _Element("title", record.record_title)
    yield _Element("description", record.summary)
    yield _Element("subject", record.people)
    yield _Element("coverage", record.places)
    if record.date:
        yield _Element("date", in_no_language(str(record.date)))
    if record.holder:
        yield _Element("publisher", record.holder.name)
    if record.reference:
        yield _Element("source", in_no_language(record.reference))
    if rights := record.rights or exhibition.rights:
        yield _Element("rights", in_no_language(rights))
    yield _Element("identifier", in_no_language(urls.manifest(record.identifier)))
    yield _Element("identifier", in_no_language(record.identifier))
    for name in record.related:
        yield _Element("relation", in_no_language(urls.manifest(name)))
    for addresses in record.homepage.values():
        yield _Element("relation", LanguageMap(((NONE, addresses),)))


def _place(record: Record, exhibition: Exhibition) -> Json:
    [chapter] = [c for c in exhibition.chapters if c.identifier == record.chapter]
    section = next((s for s in chapter.sections if s.identifier == record.section), None)
    return {
        "exhibition": {"identifier": exhibition.identifier, "title": exhibition.title},
        "chapter": {"identifier": chapter.identifier, "title": chapter_label(chapter)},
        "section": section and {"identifier": section.identifier, "title": section.title},
    }


def _holder(agent: Agent, exhibition: Exhibition) -> Json:
    above = next((a for a in exhibition.agents if a.identifier == agent.part_of), None)
    return {
        "identifier": agent.identifier,
        "name": agent.name,
        "role": agent.role,
        "homepage": agent.homepage,
        "logo": agent.logo,
        "part_of": above and {"identifier": above.identifier, "name": above.name},
    }


def _page(page: Page, record: Record, urls: Urls) -> Json:
    services = {str(version): urls.image_service(version, page.image) for version in (3, 2)}
    return {
        "identifier": page.identifier,
        "label": page.label,
        "width_mm": page.width_mm,
        "canvas": urls.canvas(record.identifier, page.identifier),
        "image": {"identifier": page.image, "services": services},
        "transcription": page.transcription,
        "writing": page.writing if page.transcription else None,
        "unreviewed": _unreviewed(page),
    }


def _unreviewed(value: Record | Page) -> dict[str, list[str]]:
    """Return the languages of the texts that are shown although nobody has reviewed them."""
    marked = {
        name: [tag for tag in texts if tag in getattr(value, name)]
        for name, texts in value.unreviewed
    }
    return {name: tags for name, tags in marked.items() if tags}


def _known(value: Any) -> Any:
    """Return *value* for JSON, without what is not known."""
    if isinstance(value, LanguageMap):
        return {tag: list(texts) for tag, texts in value.items()}
    if isinstance(value, dict):
        return {name: _known(part) for name, part in value.items() if part}
    if isinstance(value, list):
        return [_known(part) for part in value]
    return value
