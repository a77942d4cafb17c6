"""What we publish from sheets means the same as the recipes of the IIIF Cookbook."""

from __future__ import annotations

import csv
import io
import json
import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.cookbook import NOT_OURS, RECIPES, SAID_OTHERWISE, Recipe

from iiifserver.presentation.canvases import Picture
from iiifserver.presentation.collection import chapter_collection
from iiifserver.presentation.manifest import chapter_manifest, record_manifest
from iiifserver.presentation.version2 import version2
from iiifserver.publish.check import read
from iiifserver.records import Exhibition
from iiifserver.urls import Urls

ROOT = Path(__file__).parents[2]
COOKBOOK = (
    Path(os.environ.get("IIIF_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
    / "data"
    / "cookbook"
)
URLS = Urls("https://iiif.example.org")

pytestmark = pytest.mark.skipif(
    not COOKBOOK.is_dir(),
    reason="the IIIF Cookbook is not here: set IIIF_CONFORMANCE to the folder that holds its data",
)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.file)
def test_sheet_publishes_what_the_recipe_says(recipe, tmp_path):
    wanted = json.loads(written_as_we_do((COOKBOOK / recipe.file).read_text("utf-8")))
    made = published(recipe, wanted, tmp_path)
    for name in recipe.about:
        assert covers(meaning(made, name), meaning(wanted, name)), (
            f"{name}: {meaning(made, name)} is not {meaning(wanted, name)}"
        )


def test_every_recipe_is_followed_or_has_a_reason_why_not():
    followed = {recipe.file.partition("/")[0] for recipe in RECIPES}
    assert not followed & NOT_OURS.keys()
    assert {folder.name for folder in COOKBOOK.iterdir()} == followed | NOT_OURS.keys()


@pytest.mark.parametrize(
    ("ours", "recipes"),
    [
        ({"en": ["A"]}, {"en": ["B"]}),
        ({"en": ["A"]}, {"en": ["A"], "fr": ["A"]}),
        (["A", "B"], ["B", "A"]),
        (["A", "B"], ["A"]),
        ({1}, {1, 2}),
        ("paged", "continuous"),
    ],
)
def test_comparison_finds_a_difference(ours, recipes):
    assert not covers(ours, recipes)


def written_as_we_do(text: str) -> str:
    """Return a recipe's text in composed letters, as sheets are read, and SAID_OTHERWISE."""
    text = unicodedata.normalize("NFC", text)
    for theirs, ours in SAID_OTHERWISE.items():
        text = text.replace(json.dumps(theirs)[1:-1], ours).replace(theirs, ours)
    return text


def published(recipe: Recipe, wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return our document; its scans are as large as the recipe's Canvases."""
    exhibition = exhibition_of(recipe, folder)
    sizes = iter(sizes_in(wanted))
    pictures = {
        page.image: Picture(page.image, *next(sizes, (1000, 1400)), ((150, 210), (300, 420)))
        for record in exhibition.records
        for page in record.pages
    }
    [chapter] = exhibition.chapters
    if recipe.kind == "collection":
        made = chapter_collection(chapter, exhibition, pictures, URLS)
    elif recipe.identifier == chapter.identifier:
        made = chapter_manifest(chapter, exhibition, pictures, URLS)
    else:
        [record] = exhibition.records
        made = record_manifest(record, exhibition, pictures, URLS)
    return version2(made, URLS) if "@id" in wanted else made


def exhibition_of(recipe: Recipe, folder: Path) -> Exhibition:
    sheets, images = folder / "sheets", folder / "images"
    sheets.mkdir()
    for name, text in recipe.sheets.items():
        (sheets / name).write_text(text, encoding="utf-8", newline="")
    for row in csv.DictReader(io.StringIO(recipe.pages)):
        (images / row["record"]).mkdir(parents=True, exist_ok=True)
        (images / row["record"] / row["file"]).write_bytes(b"not opened")
    exhibition, mistakes = read(sheets, images)
    assert [str(mistake) for mistake in mistakes if mistake.severity == "error"] == []
    assert exhibition
    return exhibition


def sizes_in(document: dict[str, Any]) -> Iterator[tuple[int, int]]:
    canvases = document["sequences"][0]["canvases"] if "@id" in document else document["items"]
    return ((c["width"], c["height"]) for c in canvases if "width" in c)


# -- what a property means, whatever the ids, addresses of images and words for fields are


def meaning(document: dict[str, Any], name: str) -> Any:
    return MEANINGS.get(name, lambda whole: whole[name])(document)


def covers(ours: Any, theirs: Any) -> bool:
    """Tell whether *ours* says all that *theirs* does; lists must be equally long."""
    if isinstance(theirs, dict):
        return all(key in ours and covers(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(covers, ours, theirs))
    return theirs <= ours if isinstance(theirs, set) else ours == theirs


def fields(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Return what the metadata says, in which language: our fields have their own names."""
    return {
        (tag, text)
        for pair in document["metadata"]
        for tag, texts in pair["value"].items()
        for text in texts
    }


def items(document: dict[str, Any]) -> list[dict[str, Any]]:
    if document["type"] == "Collection":
        # a chapter's first Manifest shows the chapter as a whole
        listed = [item for item in document["items"] if item["label"] != document["label"]]
        return [pick(item, "type", "label", "navDate") for item in listed]
    return [
        {
            **pick(canvas, "label", "width", "height"),
            "painted": [
                (annotation["motivation"], annotation["body"]["type"], annotation["target"])
                == ("painting", "Image", canvas["id"])
                for page in canvas["items"]
                for annotation in page["items"]
            ],
        }
        for canvas in document["items"]
    ]


def sequences(document: dict[str, Any]) -> list[dict[str, Any]]:
    [sequence] = document["sequences"]
    return [
        {
            **pick(canvas, "@type", "label", "width", "height"),
            "painted": [
                (image["motivation"], image["resource"]["@type"], image["on"])
                == ("sc:painting", "dctypes:Image", canvas["@id"])
                for image in canvas["images"]
            ],
        }
        for canvas in sequence["canvases"]
    ]


def contents(document: dict[str, Any]) -> list[Any]:
    """Return the table of contents by the positions of Canvases, below its own heading.

    A Canvas before nested Ranges, which ours have for viewers, adds nothing to these.
    """
    positions = {canvas["id"]: index for index, canvas in enumerate(document["items"])}

    def parts(node: dict[str, Any]) -> list[Any]:
        nested = [part for part in node["items"] if part["type"] == "Range"]
        if nested:
            return [{"label": part["label"], "items": parts(part)} for part in nested]
        return [positions[part["id"]] for part in node["items"]]

    return [parts(node) for node in document["structures"]]


def services(document: dict[str, Any]) -> list[set[str]]:
    return [
        {service.get("type", service.get("@type")) for service in annotation["body"]["service"]}
        for canvas in document["items"]
        for page in canvas["items"]
        for annotation in page["items"]
    ]


def providers(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return who provides it; an agent of ours has its own id, and names its homepage as itself."""
    return [
        {
            **pick(agent, "type", "label"),
            **{
                name: {(each["type"], each["id"]) for each in agent[name]}
                for name in ("homepage", "logo")
                if name in agent
            },
        }
        for agent in document["provider"]
    ]


def pick(resource: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: resource[name] for name in names if name in resource}


def kinds(name: str, *parts: str) -> Callable[[dict[str, Any]], set[Any]]:
    """Return a function that takes the *parts* of each resource in the property *name*."""

    def found(document: dict[str, Any]) -> set[Any]:
        return {json.dumps([each.get(part) for part in parts]) for each in document[name]}

    return found


MEANINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "metadata": fields,
    "requiredStatement": lambda document: document["requiredStatement"]["value"],
    "items": items,
    "sequences": sequences,
    "structures": contents,
    "services": services,
    "provider": providers,
    "homepage": kinds("homepage", "id", "type", "format", "language"),
    "rendering": kinds("rendering", "type", "format"),
    "seeAlso": kinds("seeAlso", "type", "format"),
    "thumbnail": kinds("thumbnail", "type", "format"),
    "thumbnails": lambda document: [kinds("thumbnail", "type")(c) for c in document["items"]],
    "partOf": kinds("partOf", "type"),
}
