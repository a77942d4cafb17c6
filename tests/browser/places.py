"""The pages of the demo, one of each kind."""

from __future__ import annotations

from typing import NamedTuple

from exhibited import EXHIBITION

WIDTHS = (390, 1280)


class Kind(NamedTuple):
    """One page of its kind."""

    path: str
    status: int = 200
    draws: bool = False
    """Whether a viewer stands in it."""
    without: tuple[str, ...] = ()
    """What of it is not ours to judge."""


KINDS = {
    "home": Kind("/{language}/"),
    "exhibition": Kind(f"/{{language}}/{EXHIBITION}/"),
    "chapter": Kind(f"/{{language}}/{EXHIBITION}/ch05/"),
    "chapter-without-scans": Kind(f"/{{language}}/{EXHIBITION}/ch03/"),
    "record": Kind(f"/{{language}}/{EXHIBITION}/record/ch05-05", draws=True),
    "agents": Kind(f"/{{language}}/{EXHIBITION}/agents"),
    "about": Kind(f"/{{language}}/{EXHIBITION}/about"),
    "compare": Kind("/{language}/compare?canvas=ch05-05/1&canvas=ch05-06/1", draws=True),
    "embed": Kind("/embed/ch05-05?lang={language}", draws=True),
    "mirador": Kind(
        "/{language}/viewer?manifest={demo}/presentation/3/ch05/manifest",
        draws=True,
        without=("#viewer",),
    ),
    "no-such-page": Kind(f"/{{language}}/{EXHIBITION}/record/nothing", 404),
    "elsewhere": Kind("/{language}/viewer?iiif-content=https://example.org/manifest", 403),
}
