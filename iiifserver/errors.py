"""Everything that iiifserver raises on purpose.

    IiifServerError
    ├── ConfigurationError      the operator's: stops the start, names the setting
    ├── InvalidValue            the curator's: one value that cannot be read, and what would do
    ├── InvalidExhibition       the curator's: every mistake of an exhibition at once
    └── RequestError            becomes an RFC 9457 problem document, see web/problems.py
        ├── BadRequest      400 malformed, or not a feature of ours
        ├── Elsewhere       403 what is to be opened lies on another server
        ├── NotFound        404 no such image, manifest or page
        ├── Gone            410 there was one, and it was withdrawn
        ├── BodyTooLarge    413 the body of a request, longer than is read
        ├── HeadTooLong     431 what stands before it
        ├── NotSupported    501 the specification's own word for `^` where upscaling is off
        ├── BrokenSource    500 the file behind an image cannot be read as one
        │   └── SetAside    500 it has killed render processes, and is not tried again
        ├── SourceTooLarge  500 decoding the file would cost more than is allowed
        └── Busy            503 try again: no room for this work now
            ├── Replaced    503 the file became another one while it was read
            ├── Away        503 the store of the file does not answer
            └── TookTooLong 503 the work was begun and stopped: come back later, or ask for less

`status` is a hint to the web layer; the core never builds a response.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_SECRETS = (
    (re.compile(r"(?<=://)[^/@\s'\"]+@"), "***@"),
    (
        re.compile(r"(?i)([?&][^=&\s]*(?:sig|key|token|secret|pass|cred)[^=&\s]*=)[^&\s'\"]+"),
        r"\1***",
    ),
)


def masked(text: str) -> str:
    """Return *text* without what may be a secret in addresses: user and password, signatures."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class IiifServerError(Exception):
    """The root of all errors that iiifserver raises on purpose."""


class ConfigurationError(IiifServerError):
    """A setting that cannot be used; the message names it and says what would do, no secret."""

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


class InvalidValue(IiifServerError):
    """A value that a curator wrote and that cannot be read.

    `proposal` is a value that would do, where one can be guessed.
    """

    def __init__(self, reason: str, proposal: str | None = None) -> None:
        super().__init__(reason)
        self.proposal = proposal


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in one cell of an exhibition's sheets."""

    sheet: str
    cell: str
    """As a spreadsheet names it (`F12`), or the name of a setting; empty for a whole sheet."""
    value: str
    reason: str
    proposal: str | None = None
    severity: Literal["error", "warning", "note"] = "error"

    def __str__(self) -> str:
        place = f"{self.sheet}!{self.cell}" if self.cell else self.sheet
        proposal = f"; did you mean {self.proposal}?" if self.proposal else ""
        return f"{place}: {self.reason}{proposal}"


class InvalidExhibition(IiifServerError):
    """Sheets that cannot become an exhibition; `mistakes` holds all of them."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class RequestError(IiifServerError):
    """A request that cannot be answered; `str(error)` tells a person why.

    `parameter` names the culprit (``region``, ``size``, ``identifier``, ...), `spec` is the
    address of the specification's section that says so.
    """

    status = 500
    title = "The request could not be answered"

    def __init__(
        self, message: str, *, parameter: str | None = None, spec: str | None = None
    ) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.spec = spec

    def __reduce__(self) -> tuple[object, ...]:
        # keyword arguments are lost by default, and errors travel between processes
        return (type(self), (str(self),), vars(self))


class BadRequest(RequestError):
    """What was asked is malformed, outside the image, or beyond a published limit."""

    status = 400
    title = "Bad request"


class Elsewhere(RequestError):
    """What is to be opened is not published here; the message is its address."""

    status = 403
    title = "Not published here"


class NotFound(RequestError):
    """Nothing has this name."""

    status = 404
    title = "Not found"


class Gone(RequestError):
    """Something had this name and was withdrawn."""

    status = 410
    title = "Gone"


class BodyTooLarge(RequestError):
    """A request has a body that is longer than is read."""

    status = 413
    title = "Too much was sent"


class HeadTooLong(RequestError):
    """A request has more headers, or a longer address, than is read."""

    status = 431
    title = "Too much was sent"


class NotSupported(RequestError):
    """A feature of the specification that this server has switched off."""

    status = 501
    title = "Not supported"


class BrokenSource(RequestError):
    """The file behind an identifier is damaged, or is no image."""

    status = 500
    title = "The source image cannot be read"


class SetAside(BrokenSource):
    """The file has killed render processes: it is not tried again until it is replaced."""

    title = "The source image is set aside"


class SourceTooLarge(RequestError):
    """Decoding the file would cost more memory or pixels than the server allows."""

    status = 500
    title = "The source image is too large"


class Busy(RequestError):
    """The server has no room for this work now; the same request may succeed later."""

    status = 503
    title = "Busy"
    retry_after_s = 2

    def __init__(
        self,
        message: str,
        *,
        parameter: str | None = None,
        spec: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message, parameter=parameter, spec=spec)
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s


class Replaced(Busy):
    """The file was replaced while a picture was made of it: what was planned is of the old one."""

    retry_after_s = 1


class Away(Busy):
    """A store does not answer, or not in time."""

    title = "The store cannot be reached"
    retry_after_s = 10


class TookTooLong(Busy):
    """The work was stopped after its time: asking again at once would only repeat that."""

    retry_after_s = 120
