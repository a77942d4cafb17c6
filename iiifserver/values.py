"""One value of a setting: read of a text and written as one, of its kind, within its bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from .errors import ConfigurationError

_ADDRESS = re.compile(r"[A-Za-z0-9._~:/%!$&'()*+,;=\[\]-]+")
"""What RFC 3986 has in an address without query, fragment or user."""


def from_text(name: str, text: str, kind: Any) -> Any:
    """Return the value that *text*, of an environment variable, stands for.

    Raises:
        ConfigurationError: it is none of that kind.
    """
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if text.lower() not in words:
            raise ConfigurationError(f"{name} = {text!r}: write true or false")
        return words[text.lower()]
    if kind is int:
        if len(text) > 24 or not re.fullmatch("[0-9]+(_[0-9]+)*", text):
            raise ConfigurationError(f"{name} = {text[:40]!r}: not a whole number")
        return int(text)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def as_text(value: Any) -> str:
    """Return the text that `from_text` reads as *value*."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_kind(name: str, value: Any, kind: Any) -> Any:
    """Return *value* as the kind that the setting has.

    Raises:
        ConfigurationError: it is of another one, or not among the words that it may be.
    """
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind == tuple[str, ...] and isinstance(value, list | tuple):
        if all(isinstance(each, str) for each in value):
            return tuple(value)
    elif choices := get_args(kind):
        if value in choices:
            return value
        raise ConfigurationError(f"{name} = {value!r}: one of {', '.join(map(repr, choices))}")
    elif kind in (str, int, bool) and type(value) is kind:
        return value
    raise ConfigurationError(f"{name} = {value!r}: not what this setting takes")


def check_bounds(name: str, value: Any, bounds: Mapping[str, Any]) -> None:
    """Look whether *value* lies between `least` and `most` of *bounds*.

    Raises:
        ConfigurationError: it does not.
    """
    least, most = bounds["least"], bounds["most"]
    if least is not None and value < least:
        raise ConfigurationError(f"{name} = {value}: at least {least}")
    if most is not None and value > most:
        raise ConfigurationError(f"{name} = {value}: at most {most}")


def check_base_url(text: str) -> None:
    """Look whether addresses can be made from *text*, or nothing is said.

    Raises:
        ConfigurationError: they cannot.
    """
    why = "write it as https://host or https://host/prefix, without a slash at the end"
    if not text.isascii():
        why += "; names of other letters as browsers send them: xn--..., %E8..."
    try:
        parts = urlsplit(text)
        well = parts.scheme in ("http", "https") and bool(parts.hostname)
        well = well and not (parts.query or parts.fragment or text.endswith("/"))
        well = well and "@" not in parts.netloc  # it stands in all that is published
        well = well and _ADDRESS.fullmatch(text) is not None  # and in headers
    except ValueError:
        well = False
    if text and not well:
        raise ConfigurationError(f"base_url = {text!r}: {why}")
