"""Presentation 3.0 to 2.1: one converter for every document, never a second builder.

Each property of 3.0 has a row in a table, which says what becomes of it; a property without a row
is refused, so that nothing is lost unseen. What 2.1 has no word for goes where its readers look:

- `requiredStatement`: its value is the `attribution`; 2.1 has no label for that, so label and value
  stand in `metadata` too.
- `provider`: names are `attribution` ("an acknowledgement of the owning institution"), homepages
  are `related`, logos are `logo`.
- Image services of several versions: one object, that of version 2, which all its readers know.
- Ranges within Ranges: a flat list. Canvases and Ranges are named apart, Canvases first, as ours
  stand anyway.
- AnnotationPages beside a Canvas: named in `otherContent`, never embedded.

Canvases keep their ids; all other ids of ours become those of version 2.

Presentation API 2.1: https://iiif.io/api/presentation/2.1/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from iiifserver.language import NONE
from iiifserver.urls import Urls

CONTEXT_2 = "http://iiif.io/api/presentation/2/context.json"

Json = dict[str, Any]
Pair = tuple[str, Any]
"""A property of 2.1 and one of its values."""
Conversion = Callable[[Any, Mapping[str, Any]], Iterable[Pair]]
"""From a property's value, and the resource that has it, to what 2.1 says instead."""

_LISTS = {"metadata", "sequences", "canvases", "images", "otherContent", "resources"} | {
    "structures",
    "ranges",
    "collections",
    "manifests",
    "members",
}
"""Lists with one value too; any other property stands alone where it has one value."""
_SAME_HINTS = "paged", "non-paged", "facing-pages", "continuous", "individuals", "multi-part", "top"
_HINTS = {
    **{hint: hint for hint in _SAME_HINTS},
    # 2.1 allows other hints as URIs: https://iiif.io/api/presentation/2.1/#viewinghint
    "unordered": "http://iiif.io/api/presentation/3#unordered",
}
_PAINTING = {"painting": "sc:painting", "supplementing": "sc:painting"}  # 2.1, 5.4: transcriptions
_IMAGE_SERVICES = {
    "ImageService2": "http://iiif.io/api/image/2/",
    "ImageService3": "http://iiif.io/api/image/3/",
}
"""Where context and profiles of each version are, the one to prefer first."""


def version2(document: Mapping[str, Any], urls: Urls) -> Json:
    """Return a document of Presentation 3.0, of any type, as Presentation 2.1.

    Raises:
        LookupError: it has a property, type, hint or service that is in no table here.
    """
    body = {name: value for name, value in document.items() if name != "@context"}
    return {"@context": CONTEXT_2, **_resource(_in_version_2(body, urls))}


def _in_version_2(value: Any, urls: Urls) -> Any:
    """Return *value* with every `id` in it that is ours led to version 2."""
    if isinstance(value, list):
        return [_in_version_2(part, urls) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        name: urls.in_version_2(part) if name == "id" else _in_version_2(part, urls)
        for name, part in value.items()
    }


def _resource(resource: Mapping[str, Any]) -> Json:
    """Return *resource*, or what refers to it, in the words of 2.1."""
    gathered: dict[str, list[Any]] = {}
    for name, value in _pairs(resource, _PROPERTIES[resource["type"]]):
        gathered.setdefault(name, []).append(value)
    if resource["type"] == "Canvas" and "items" in resource:
        gathered.setdefault("images", [])  # nothing is painted, and that is said
    return {
        name: values[0] if len(values) == 1 and name not in _LISTS else values
        for name, values in gathered.items()
    }


def _pairs(resource: Mapping[str, Any], table: Mapping[str, Conversion]) -> Iterator[Pair]:
    if strange := resource.keys() - table.keys():
        raise LookupError(f"no place in Presentation 2.1: {sorted(strange)} of {resource['type']}")
    for name, convert in table.items():
        if name in resource:
            yield from convert(resource[name], resource)


# -- what a value becomes


def _texts(language_map: Mapping[str, Iterable[str]]) -> list[str | dict[str, str]]:
    """Return every text of *language_map*, in its order, with the tag of its language if any.

    https://iiif.io/api/presentation/2.1/#language-of-property-values
    """
    return [
        text if tag == NONE else {"@value": text, "@language": tag}
        for tag, values in language_map.items()
        for text in values
    ]


def _alone(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _same(name: str) -> Conversion:
    """Return a conversion that keeps a value, or each of a list, under *name*."""
    return lambda value, _: [(name, each) for each in _each(value)]


def _worded(name: str) -> Conversion:
    """Return a conversion of a language map."""
    return lambda value, _: [(name, text) for text in _texts(value)]


def _converted(name: str) -> Conversion:
    """Return a conversion of resources, or of what refers to them."""
    return lambda value, _: [(name, _resource(each)) for each in _each(value)]


def _left_out(_why: str) -> Conversion:
    """Return a conversion to nothing; the reason stands in the table."""
    return lambda _value, _resource: ()


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _entry(value: Mapping[str, Any]) -> Json:
    return {name: _alone(_texts(value[name])) for name in ("label", "value")}


def _metadata(value: Iterable[Mapping[str, Any]], _: object) -> Iterator[Pair]:
    for each in value:
        yield "metadata", _entry(each)


def _required_statement(value: Mapping[str, Any], _: object) -> Iterator[Pair]:
    yield "metadata", _entry(value)
    yield from _worded("attribution")(value["value"], {})


def _provider(value: Iterable[Mapping[str, Any]], _: object) -> Iterator[Pair]:
    for agent in value:
        yield from _pairs(agent, _AGENT)


def _behavior(value: Iterable[str], resource: Mapping[str, Any]) -> Iterator[Pair]:
    for behavior in value:
        yield "viewingHint", _HINTS[behavior]
        if behavior == "continuous" and "viewingDirection" not in resource:
            yield "viewingDirection", "left-to-right"  # demanded in 2.1, the default in 3.0


def _services(value: Any, _: object) -> Iterator[Pair]:
    """Yield the service that 2.1's readers know best, with the full URI of its profile."""
    services = {each.get("type") or each["@type"]: each for each in _each(value)}
    if strange := services.keys() - _IMAGE_SERVICES.keys():
        raise LookupError(f"no place in Presentation 2.1: services {sorted(strange)}")
    kind = next(kind for kind in _IMAGE_SERVICES if kind in services)
    place, service = _IMAGE_SERVICES[kind], services[kind]
    level = service["profile"].removeprefix(place).removesuffix(".json")
    more = {"id", "type", "@id", "@type", "profile"}
    yield (
        "service",
        {
            "@context": f"{place}context.json",
            "@id": service.get("id") or service["@id"],
            "profile": f"{place}{level}.json",
            **{name: part for name, part in service.items() if name not in more},
        },
    )


# -- what holds other resources


def _members(value: Iterable[Mapping[str, Any]], _: object) -> Iterator[Pair]:
    """Yield the members of a Collection by their kind; in their order too where it has both."""
    members = list(value)
    for member in members:
        yield f"{member['type'].lower()}s", _resource(member)
    if len({member["type"] for member in members}) > 1:
        for member in members:
            # demanded of Collections in this list: https://iiif.io/api/presentation/2.1/#members-1
            hint = {"viewingHint": "individuals"} if member["type"] == "Collection" else {}
            yield "members", hint | _resource(member)


def _sequence(value: Iterable[Mapping[str, Any]], manifest: Mapping[str, Any]) -> Iterator[Pair]:
    """Yield the one order of a Manifest's Canvases; its `@id` dereferences as the Manifest."""
    sequence: Json = {"@id": f"{manifest['id']}#sequence", "@type": "sc:Sequence"}
    if direction := manifest.get("viewingDirection"):
        sequence["viewingDirection"] = direction
    if start := manifest.get("start"):
        sequence["startCanvas"] = _place(start)
    yield "sequences", sequence | {"canvases": [_resource(canvas) for canvas in value]}


def _images(value: Iterable[Mapping[str, Any]], _: object) -> Iterator[Pair]:
    for page in value:
        for annotation in page["items"]:
            yield "images", _resource(annotation)


def _other_content(value: Iterable[Mapping[str, Any]], _: object) -> Iterator[Pair]:
    for page in value:
        reference = {name: part for name, part in page.items() if name != "items"}
        yield "otherContent", _resource(reference)


def _structures(value: Iterable[Mapping[str, Any]], _: object) -> Iterator[Pair]:
    """Yield every Range, each before those within it; the outermost begin a table of contents."""
    for outermost in value:
        top = {**outermost, "behavior": ["top", *outermost.get("behavior", ())]}
        yield from (("structures", _resource(each)) for each in _with_those_within(top))


def _with_those_within(outer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield outer
    for item in outer.get("items", ()):
        if item["type"] == "Range":
            yield from _with_those_within(item)


def _range_items(value: Iterable[Mapping[str, Any]], _: object) -> Iterator[Pair]:
    for item in value:
        yield "ranges" if item["type"] == "Range" else "canvases", _place(item)


def _place(value: Any) -> str:
    """Return the address of a resource, or of a part of it where a selector names one."""
    if isinstance(value, str):
        return value
    if "source" not in value:
        return str(value["id"])
    return f"{_place(value['source'])}#{value['selector']['value']}"


def _on(value: Any, _: object) -> Iterator[Pair]:
    yield "on", _place(value)


def _start(value: Any, _: object) -> Iterator[Pair]:
    yield "startCanvas", _place(value)


def _motivation(value: str, _: object) -> Iterator[Pair]:
    yield "motivation", _PAINTING.get(value, f"oa:{value}")


# -- the tables: what each type may have, in the order in which 2.1 writes it


def _type(name: str) -> Mapping[str, Conversion]:
    return {"id": _same("@id"), "type": lambda _value, _resource: [("@type", name)]}


_AGENT: Mapping[str, Conversion] = {
    "id": _left_out("2.1 knows no agents; their names and pages are kept"),
    "type": _left_out("as its id"),
    "label": _worded("attribution"),
    "homepage": _converted("related"),
    "logo": _converted("logo"),
    "seeAlso": _left_out("2.1's would be about the resource, not about the agent"),
}
_DESCRIBED: Mapping[str, Conversion] = {
    "label": _worded("label"),
    "metadata": _metadata,
    "summary": _worded("description"),
    "thumbnail": _converted("thumbnail"),
    "behavior": _behavior,
    "rights": _same("license"),
    "requiredStatement": _required_statement,
    "provider": _provider,
    "homepage": _converted("related"),
    "service": _services,
    "seeAlso": _converted("seeAlso"),
    "rendering": _converted("rendering"),
    "partOf": _converted("within"),
}
_DIRECTION = {"viewingDirection": _same("viewingDirection")}
_EXTENT = {"width": _same("width"), "height": _same("height")}
_CONTENT: Mapping[str, Conversion] = {
    **_DESCRIBED,
    **_EXTENT,
    "format": _same("format"),
    "language": _same("language"),
    "profile": _same("profile"),
}
_PROPERTIES: Mapping[str, Mapping[str, Conversion]] = {
    "Collection": {
        **_type("sc:Collection"),
        **_DESCRIBED,
        "navDate": _same("navDate"),
        "viewingDirection": _left_out("2.1 gives Collections none"),
        "items": _members,
    },
    "Manifest": {
        **_type("sc:Manifest"),
        **_DESCRIBED,
        **_DIRECTION,
        "navDate": _same("navDate"),
        "start": _left_out("stands in the sequence"),
        "items": _sequence,
        "structures": _structures,
    },
    "Canvas": {
        **_type("sc:Canvas"),
        **_DESCRIBED,
        **_EXTENT,
        "navDate": _left_out("2.1 dates Manifests and Collections only"),
        "items": _images,
        "annotations": _other_content,
    },
    "Range": {
        **_type("sc:Range"),
        **_DESCRIBED,
        **_DIRECTION,
        "navDate": _left_out("as a Canvas's"),
        "start": _start,
        "items": _range_items,
    },
    "AnnotationPage": {
        **_type("sc:AnnotationList"),
        **_DESCRIBED,
        "items": _converted("resources"),
    },
    "Annotation": {
        **_type("oa:Annotation"),
        **_DESCRIBED,
        "motivation": _motivation,
        "body": _converted("resource"),
        "target": _on,
    },
    "Image": {**_type("dctypes:Image"), **_CONTENT},
    "Text": {**_type("dctypes:Text"), **_CONTENT},
    "Dataset": {**_type("dctypes:Dataset"), **_CONTENT},
    "TextualBody": {**_type("cnt:ContentAsText"), **_CONTENT, "value": _same("chars")},
}
