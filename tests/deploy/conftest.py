"""What the tests of the front share: two nodes of one edition, and nginx before them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fronts import NGINX, Site, published


@pytest.fixture(scope="session")
def nginx() -> None:
    """Skip what needs nginx where it is missing."""
    if NGINX is None:
        pytest.skip("nginx is missing: apt-get install nginx-light")


@pytest.fixture(scope="module")
def site(nginx: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A small exhibition behind a front."""
    yield from published(tmp_path_factory.mktemp("site"), max_age_s="86400")


@pytest.fixture(scope="module")
def short_site(nginx: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same, where pictures may be kept for one second only."""
    yield from published(tmp_path_factory.mktemp("short"), max_age_s="1")
