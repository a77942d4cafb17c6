"""info.json advertises only what works: everything in it is asked for, once, in both versions.

And so is one value of each kind that it does not advertise.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from image_sources import picture
from PIL import Image
from viewer_requests import SPELLINGS, Tile, leaflet_tiles, openseadragon_tiles
from werkzeug.test import TestResponse

# what the profile documents of level 2 hold: compliance, 3 and 4
LEVEL_2 = {
    3: {
        "formats": {"jpg", "png"},
        "qualities": {"default"},
        "features": {"baseUriRedirect", "cors", "jsonldMediaType", "regionByPct", "regionByPx"}
        | {"regionSquare", "rotationBy90s", "sizeByConfinedWh", "sizeByH", "sizeByPct"}
        | {"sizeByW", "sizeByWh"},
    },
    2: {
        "formats": {"jpg", "png"},
        "qualities": {"default", "bitonal"},
        "features": {"baseUriRedirect", "cors", "jsonldMediaType", "regionByPct", "regionByPx"}
        | {"rotationBy90s", "sizeByConfinedWh", "sizeByDistortedWh", "sizeByH", "sizeByPct"}
        | {"sizeByW", "sizeByWh"},
    },
}
# a picture of 700 x 500; the answer's size where the feature sets it
FEATURES: dict[str, tuple[str, tuple[int, int] | None]] = {
    "baseUriRedirect": ("", None),
    "canonicalLinkHeader": ("full/70,/0/default.jpg", (70, 50)),
    "cors": ("full/70,/0/default.jpg", (70, 50)),
    "jsonldMediaType": ("info.json", None),
    "mirroring": ("full/70,/!0/default.jpg", (70, 50)),
    "profileLinkHeader": ("full/70,/0/default.jpg", (70, 50)),
    "regionByPct": ("pct:10,10,10,10/max/0/default.jpg", (70, 50)),
    "regionByPx": ("70,50,140,100/max/0/default.jpg", (140, 100)),
    "regionSquare": ("square/max/0/default.jpg", (500, 500)),
    "rotationArbitrary": ("full/70,/10/default.jpg", (78, 62)),  # 77.6 x 61.4
    "rotationBy90s": ("full/70,/270/default.jpg", (50, 70)),
    "sizeAboveFull": ("full/770,/0/default.jpg", (770, 550)),
    "sizeByConfinedWh": ("full/!70,70/0/default.jpg", (70, 50)),
    "sizeByDistortedWh": ("full/70,70/0/default.jpg", (70, 70)),
    "sizeByH": ("full/,50/0/default.jpg", (70, 50)),
    "sizeByPct": ("full/pct:10/0/default.jpg", (70, 50)),
    "sizeByW": ("full/70,/0/default.jpg", (70, 50)),
    "sizeByWh": ("full/70,50/0/default.jpg", (70, 50)),
    "sizeUpscaling": ("full/^770,/0/default.jpg", (770, 550)),
}
_ONLY_IN = {3: {"sizeUpscaling"}, 2: {"sizeAboveFull", "sizeByDistortedWh"}}
FORMATS = ["jpg", "png", "webp", "avif", "tif", "gif", "jp2", "pdf"]
QUALITIES = ["default", "color", "gray", "bitonal"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("advertised")
    picture(700, 500).save(folder / "x.png")
    return folder


@pytest.fixture(scope="module")
def client(serve: Callable[..., FlaskClient], folder: Path) -> FlaskClient:
    return serve(folder)


def document(client: FlaskClient, version: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/iiif/{version}/x.png/info.json").get_json(force=True)
    return found


def advertised(client: FlaskClient, version: int) -> dict[str, set[str]]:
    """Return the union of level 2 and what the document adds, by kind."""
    found = document(client, version)
    if version == 3:
        added = {
            "formats": found["extraFormats"],
            "qualities": found["extraQualities"],
            "features": found["extraFeatures"],
        }
    else:
        profile = found["profile"][1]
        added = {
            "formats": profile["formats"],
            "qualities": profile["qualities"],
            "features": profile["supports"],
        }
    return {kind: LEVEL_2[version][kind] | set(more) for kind, more in added.items()}


def size(response: TestResponse) -> tuple[int, int]:
    return Image.open(io.BytesIO(response.data)).size


@pytest.mark.parametrize("version", [3, 2])
def test_the_tables_here_hold_all_that_is_advertised(client, version):
    found = advertised(client, version)
    assert found["features"] == set(FEATURES) - _ONLY_IN[5 - version]
    assert found["formats"] == set(FORMATS)
    assert found["qualities"] == set(QUALITIES)


@pytest.mark.parametrize(
    ("version", "feature"),
    [
        (version, name)
        for version in (3, 2)
        for name in FEATURES
        if name not in _ONLY_IN[5 - version]
    ],
)
def test_every_feature_works(client, version, feature):
    path, expected = FEATURES[feature]
    response = client.get(
        f"/iiif/{version}/x.png/{path}".rstrip("/"), headers={"Accept": "application/ld+json"}
    )
    assert response.status_code == (303 if feature == "baseUriRedirect" else 200)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    if feature == "jsonldMediaType":
        assert response.mimetype == "application/ld+json"
    if expected:
        assert size(response) == pytest.approx(expected, abs=feature == "rotationArbitrary")
        links = ", ".join(response.headers.getlist("Link"))
        assert 'rel="canonical"' in links
        assert 'rel="profile"' in links


@pytest.mark.parametrize(("version", "feature"), [(3, "sizeAboveFull"), (2, "sizeUpscaling")])
def test_the_other_versions_way_of_upscaling_is_refused(client, version, feature):
    path, _ = FEATURES[feature]
    assert client.get(f"/iiif/{version}/x.png/{path}").status_code == 400


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("quality", QUALITIES)
def test_every_quality_is_had_in_every_format(client, version, quality, ending):
    response = client.get(f"/iiif/{version}/x.png/full/70,50/0/{quality}.{ending}")
    assert response.status_code == 200
    if ending == "pdf":
        assert response.data.startswith(b"%PDF")
    else:
        assert size(response) == (70, 50)


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_holds_a_turned_and_mirrored_picture(client, version, ending):
    response = client.get(f"/iiif/{version}/x.png/full/70,/!10/default.{ending}")
    assert response.status_code == 200
    if ending != "pdf":
        assert size(response) == pytest.approx(FEATURES["rotationArbitrary"][1], abs=1)


def test_preferred_formats_work(client):
    for ending in document(client, 3)["preferredFormats"]:
        assert client.get(f"/iiif/3/x.png/full/70,/0/default.{ending}").status_code == 200


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("smart/70,/0/default.jpg", "region"),
        ("full/70-50/0/default.jpg", "size"),
        ("full/70,/auto/default.jpg", "rotation"),
        ("full/70,/0/sepia.jpg", "quality"),
        ("full/70,/0/default.jxl", "format"),
    ],
)
def test_one_unadvertised_value_of_each_kind_is_refused(client, version, path, parameter):
    response = client.get(f"/iiif/{version}/x.png/{path}")
    assert (response.status_code, response.json["parameter"]) == (400, parameter)


@pytest.mark.parametrize(
    ("version", "feature", "status"), [(3, "sizeUpscaling", 501), (2, "sizeAboveFull", 400)]
)
def test_upscaling_that_is_off_is_neither_advertised_nor_done(
    serve, folder, version, feature, status
):
    client = serve(folder, upscaling=False)
    assert feature not in advertised(client, version)["features"]
    assert client.get(f"/iiif/{version}/x.png/{FEATURES[feature][0]}").status_code == status


@pytest.mark.parametrize("version", [3, 2])
def test_every_listed_size_is_had(client, version):
    listed = [(each["width"], each["height"]) for each in document(client, version)["sizes"]]
    assert listed == [(350, 250), (700, 500)]
    for width, height in listed:
        path = f"/iiif/{version}/x.png/full/{width},{height}/0/default.jpg"
        assert size(client.get(path)) == (width, height)


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("spelling", [None, *SPELLINGS])
@pytest.mark.parametrize("viewer", [openseadragon_tiles, leaflet_tiles])
def test_every_tile_that_a_viewer_asks_for_is_had(client, version, spelling, viewer):
    tiles: list[Tile] = list(viewer(document(client, version), spelling=spelling))
    assert len(tiles) == 3
    for tile in tiles:
        response = client.get(f"/iiif/{version}/x.png/{tile.path}")
        assert response.status_code == 200
        assert size(response) == (tile.width, tile.height)


@pytest.mark.parametrize("version", [3, 2])
def test_thumbnails_as_viewers_ask_for_them_are_had(client, version):
    # Universal Viewer, Mirador, and clients of presentations with `sizes`
    for asked, expected in [("90,", (90, 64)), ("!120,120", (120, 86)), (",80", (112, 80))]:
        response = client.get(f"/iiif/{version}/x.png/full/{asked}/0/default.jpg")
        assert size(response) == expected
