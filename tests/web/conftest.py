"""The demonstration, published with small scans, for those who read it over HTTP."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from in_this_process import InThisProcess
from PIL import Image
from small_exhibition import look

from iiifserver.config import Config
from iiifserver.publish.publication import publish
from iiifserver.web import create_app

ROOT = Path(__file__).parents[2]
BASE = "https://archive.example.org/iiif"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """The demonstration's sheets with small scans, published below a prefix."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(ROOT / "manifests" / "japan-mongolia", folder / "sheets")
    for scan in sorted((ROOT / "images").glob("*/*.jpg")):
        copy = folder / "images" / scan.parent.name / scan.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 80), (len(scan.parent.name) * 9, 90, int(scan.stem) * 40)).save(copy)
    config = Config(data=folder / "data", base_url=BASE)
    publish(folder / "sheets", folder / "images", config, look=look)
    return create_app(config, InThisProcess()).test_client()
