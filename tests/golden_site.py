"""A site that shows the golden pages: three letters in six languages, three scans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iiifserver.errors import Gone, NotFound
from iiifserver.urls import PresentationPath, Urls
from iiifserver.web.site import About, Listing

GOLDEN = Path(__file__).parent / "golden"
BASE_URL = "https://archive.example/scans"
LANGUAGES = ("en", "ja", "mn", "ru")
CHAPTERS, RECORDS = ("c1", "c2"), ("r1", "r2", "r3")
WITHDRAWN = "r9"


@dataclass(frozen=True)
class GoldenSite:
    """What a published site answers; *changes* replace values of a document."""

    base_url: str = BASE_URL
    changes: tuple[tuple[str, dict[str, Any]], ...] = ()
    languages: tuple[str, ...] = LANGUAGES

    def about(self) -> About:
        shown = self.exhibition()
        return About(
            title=shown["title"],
            languages=self.languages,
            summary=shown["summary"],
            notice=shown["required_statement"],
            exhibition=shown["identifier"],
        )

    def urls(self) -> Urls:
        return Urls(self.base_url)

    def listing(self, path: str) -> Listing:
        raise NotFound(f"no folder {path}")

    def catalog(self) -> Sequence[str]:
        return [self.urls().manifest(chapter) for chapter in CHAPTERS]

    def exhibition(self) -> Any:
        return self._page("letters", ("letters",))

    def chapter(self, identifier: str) -> Any:
        return self._page(identifier, CHAPTERS)

    def record(self, identifier: str) -> Any:
        return self._page(identifier, RECORDS)

    def records(self) -> Sequence[str]:
        return RECORDS

    def manifest(self, identifier: str) -> Any:
        path = GOLDEN / "3" / f"{identifier}-manifest.json"
        return json.loads(path.read_text("utf-8")) if identifier in RECORDS + CHAPTERS else None

    def is_published(self, place: PresentationPath) -> bool:
        return self.manifest(place.identifier) is not None

    def find(self, identifier: str) -> object:
        raise NotFound(f"no image {identifier}")

    def _page(self, identifier: str, known: Sequence[str]) -> Any:
        if identifier == WITHDRAWN:
            raise Gone(f"{identifier} was withdrawn")
        if identifier not in known:
            raise NotFound(f"nothing is called {identifier}")
        shown = json.loads((GOLDEN / f"{identifier}-page.json").read_text("utf-8"))
        return shown | dict(self.changes).get(identifier, {})
