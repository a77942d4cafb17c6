"""Content state: a place in what is published, as text that other sites and programs pass on.

The text is an address, JSON, or JSON encoded for an address. Whoever made it is a stranger: it is
bounded, only what can be opened is read out of it, and what it calls things is left aside.

Content State API 1.0: https://iiif.io/api/content-state/1.0/
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote

import orjson

from iiifserver.errors import BadRequest

SPEC = "https://iiif.io/api/content-state/1.0/"
PARAMETER = "iiif-content"
MAX_CHARACTERS = 8_192
MAX_ADDRESS_CHARACTERS = 2_048
MAX_TARGETS = 4

_ADDRESS = re.compile(r"https?://[^\s]+")
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_XYWH = re.compile(rf"(?:.*&)?xywh=(?:(pixel|percent):)?({_NUMBER}(?:,{_NUMBER}){{3}})(?:&.*)?")
# what encodeURIComponent leaves as it is, beside letters, digits and -._~
_SAFE = "!*'()"


class Region(NamedTuple):
    """A part of a Canvas, in its own units or in hundredths of its sides."""

    x: float
    y: float
    width: float
    height: float
    unit: Literal["pixel", "percent"] = "pixel"

    def __str__(self) -> str:
        """Return it as a media fragment: https://www.w3.org/TR/media-frags/#naming-space."""
        prefix = "" if self.unit == "pixel" else f"{self.unit}:"
        return prefix + ",".join(f"{number:.9f}".rstrip("0").rstrip(".") for number in self[:4])

    def within(self, width: int, height: int) -> tuple[int, int, int, int] | None:
        """Return x, y, width and height in whole units of a Canvas, None where nothing is on it."""
        across, down = (width / 100, height / 100) if self.unit == "percent" else (1, 1)
        left, top = round(self.x * across), round(self.y * down)
        right = min(round((self.x + self.width) * across), width)
        bottom = min(round((self.y + self.height) * down), height)
        return (left, top, right - left, bottom - top) if left < right and top < bottom else None


@dataclass(frozen=True, slots=True)
class Target:
    """What a content state points to, as it says so itself: nothing has been looked up."""

    address: str
    """Of a Manifest, Collection, Canvas or Range, without a fragment."""
    type: str = ""
    """What it is said to be; empty where nothing is said."""
    part_of: str | None = None
    """The address of the Manifest that it is to be seen in."""
    region: Region | None = None


def decode(text: str) -> tuple[Target, ...]:
    """Return what the content state *text* points to; at least one.

    Raises:
        BadRequest: it is no content state, or longer or deeper than any needs to be.

    Content State API 1.0, 2 and 6: https://iiif.io/api/content-state/1.0/#6-content-state-encoding
    """
    if len(text) > MAX_CHARACTERS:
        raise _refused(f"longer than {MAX_CHARACTERS} characters")
    text = text.strip()
    return _targets(text if _is_plain(text) else _decoded(text))


def encode(target: Target) -> str:
    """Return the content state that points to *target*, fit to stand in an address."""
    body: dict[str, Any] = {"id": _with_region(target)}
    if target.type:
        body["type"] = target.type
    if target.part_of:
        body["partOf"] = [{"id": target.part_of, "type": "Manifest"}]
    as_text = quote(orjson.dumps(body).decode(), safe=_SAFE)
    return urlsafe_b64encode(as_text.encode()).decode().rstrip("=")


def region(fragment: str, parameter: str = PARAMETER) -> Region | None:
    """Return the region in a media fragment such as `xywh=0,0,10,20`, None where it has none.

    Raises:
        BadRequest: it is to have one, which is not understood.
    """
    if "xywh=" not in fragment:
        return None
    match = _XYWH.fullmatch(fragment)
    if not match:
        raise _refused(f"not a region: {fragment[:100]!r}", parameter)
    x, y, width, height = map(float, match[2].split(","))
    found = Region(x, y, width, height, "percent" if match[1] == "percent" else "pixel")
    if not (found.width and found.height):
        raise _refused(f"a region without extent: {fragment[:100]!r}", parameter)
    return found


def _is_plain(text: str) -> bool:
    return text.startswith(("{", "http://", "https://"))


def _decoded(text: str) -> str:
    """Return what is encoded in *text*: base64url, without padding, of percent-encoded text."""
    bare = text.rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", bare):
        raise _refused("neither an address, nor JSON, nor encoded")
    try:
        within = urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode("ascii")
        return unquote(within, errors="strict").strip()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _refused("encoded in a way that is not understood") from error


def _targets(text: str) -> tuple[Target, ...]:
    """Return the targets of *text*, an address or JSON: an Annotation, or what would be its target.

    https://iiif.io/api/content-state/1.0/#22-content-state-json
    """
    if not text.startswith("{"):
        return (_target(text),)
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _refused(f"not JSON: {error}") from error
    named = body.get("target") if body.get("type") == "Annotation" else body
    all_of = named if isinstance(named, list) else [named]
    if not 0 < len(all_of) <= MAX_TARGETS:
        raise _refused(f"it must have 1 to {MAX_TARGETS} targets")
    return tuple(_target(each) for each in all_of)


def _target(named: object) -> Target:
    """Return one target: an address, an object with an id, or a part of one of them."""
    if isinstance(named, dict) and named.get("type") == "SpecificResource":
        whole = _target_object(named.get("source"))
        selected = next(_selected(named.get("selector")), whole.region)
        return Target(whole.address, whole.type, whole.part_of, selected)
    return _target_object(named)


def _target_object(named: object) -> Target:
    about = named if isinstance(named, dict) else {"id": named}
    address, _, fragment = _address(about.get("id")).partition("#")
    kind = about.get("type", "")
    if not (isinstance(kind, str) and len(kind) <= 40):
        raise _refused("a type that is none")
    return Target(address, kind, _part_of(about.get("partOf")), region(fragment))


def _part_of(named: object) -> str | None:
    first = next(iter(named), None) if isinstance(named, list) else named
    if first is None:
        return None
    return _address(first.get("id") if isinstance(first, dict) else first).partition("#")[0]


def _selected(selectors: object) -> Iterator[Region]:
    """Yield the regions that *selectors* choose; those of other kinds choose a whole."""
    for selector in selectors if isinstance(selectors, list) else [selectors]:
        value = selector.get("value") if isinstance(selector, dict) else None
        found = region(value) if isinstance(value, str) else None
        if found:
            yield found


def _address(named: object) -> str:
    if not isinstance(named, str):
        raise _refused("it points to nothing that has an address")
    if len(named) > MAX_ADDRESS_CHARACTERS:
        raise _refused(f"an address longer than {MAX_ADDRESS_CHARACTERS} characters")
    if not (_ADDRESS.fullmatch(named) and named.isprintable()):
        raise _refused(f"not an address: {named[:100]!r}")
    return named


def _with_region(target: Target) -> str:
    return f"{target.address}#xywh={target.region}" if target.region else target.address


def _refused(why: str, parameter: str = PARAMETER) -> BadRequest:
    return BadRequest(f"{parameter}: {why}", parameter=parameter, spec=SPEC)
