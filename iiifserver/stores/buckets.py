"""Buckets of object stores, through obstore: S3 and what speaks its protocol, Azure, Google.

obstore retries what may be retried, with growing pauses and jitter. It does not read on where an
answer ends early: that is asked for again here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.store import from_url

from iiifserver.errors import Away, BrokenSource, ConfigurationError, NotFound, Replaced

from .pieces import Flights, Key, Piece

T = TypeVar("T")

_CONNECT_S, _READ_S, _WHOLE_S = 3, 8, 20
_RETRIES = 3
_RETRY_S = 12  # after this no request is begun again
_TRIES = 2  # where an answer ended early
_UPLOAD_S = 600
_PART_BYTES, _PARTS = 8 << 20, 4
_STATUS = re.compile(r"\b([1-5][0-9]{2}) [A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_REFUSALS = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
_owner: list[int] = []


class Bucket:
    """The objects of one bucket, below the path of *url* (`s3://bucket/path`)."""

    folder: Path | None = None

    def __init__(self, url: str) -> None:
        self.name = url
        self._bound_to_process()
        self._quick = _store(url, _WHOLE_S)
        self._patient = _store(url, _UPLOAD_S)  # for what is large: it is sent part by part
        self._flights = Flights(url)

    def read(self, key: str, offset: int, length: int, identity: str = "") -> Piece:
        """Return bytes of an object by one GET."""
        self._bound_to_process()
        return self._flights.read(
            (key, offset, length, identity), lambda: self._read(key, offset, length, identity)
        )

    def _read(self, key: str, offset: int, length: int, identity: str) -> Piece:
        options: dict[str, Any] = {"range": (offset, offset + length)}
        if identity.startswith('"'):
            options["if_match"] = identity

        def get() -> Piece:
            result = obstore.get(self._quick, key, options=cast(Any, options))
            body, meta = bytes(result.bytes()), result.meta
            expected = min(length, max(meta["size"] - offset, 0))
            if result.range[0] != offset or len(body) != expected:
                raise BrokenSource(f"{self.name}: of {key} came other bytes than were asked for")
            return Piece(body, meta["size"], _identity(meta))

        for left in reversed(range(_TRIES)):
            try:
                piece = self._told(key, get)
            except Away as error:
                if not left or "answer ended early" not in str(error):
                    raise
            else:
                break
        if identity and piece.identity != identity:
            raise Replaced(f"{self.name}: {key} was replaced")
        return piece

    def create(self, key: str, body: bytes) -> None:
        """Make an object by one PUT that is refused where there is one."""
        self._bound_to_process()
        try:
            self._told(key, lambda: obstore.put(self._patient, key, body, mode="create"))
        except exceptions.AlreadyExistsError as error:
            raise FileExistsError(f"{self.name} has {key} already") from error

    def put_file(self, key: str, path: Path) -> None:
        """Upload a file, in parts if it is large."""
        self._bound_to_process()
        self._told(
            key,
            lambda: obstore.put(
                self._patient, key, path, chunk_size=_PART_BYTES, max_concurrency=_PARTS
            ),
        )

    def list(self, prefix: str, after: str = "") -> Iterator[Key]:
        """Yield the objects below *prefix*, a thousand a request."""
        self._bound_to_process()
        below = prefix or None
        stream = iter(obstore.list(self._quick, below, offset=after or None, chunk_size=1_000))
        while True:
            page = self._told(prefix, lambda: next(stream, None))
            if page is None:
                return
            for each in page:
                written_s = each["last_modified"].timestamp()
                yield Key(each["path"], each["size"], written_s, _identity(each))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, many a request."""
        self._bound_to_process()
        doomed = list(keys)
        if doomed:
            try:
                self._told(doomed[0], lambda: obstore.delete(self._patient, doomed))
            except NotFound:
                if len(doomed) > 1:  # Google says so of one, and leaves the others
                    for key in doomed:
                        self.delete([key])

    def reachable(self) -> None:
        """Return if the bucket can be listed."""
        next(self.list("editions"), None)

    def _bound_to_process(self) -> None:
        """Raise where another process used obstore before it forked this one.

        The threads that do its work are not in this process: a read would wait for ever.
        """
        if not _owner:
            _owner.append(os.getpid())
        if _owner[0] != os.getpid():
            raise ConfigurationError(f"{self.name} was used before a fork: start processes anew")

    def _told(self, key: str, work: Callable[[], T]) -> T:
        """Return what *work* does, obstore's errors told in our words."""
        try:
            return work()
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise BrokenSource(f"{self.name}: there is no such bucket") from None
            raise NotFound(f"{self.name} has no {key}") from None
        except exceptions.AlreadyExistsError:
            raise
        except exceptions.PreconditionError:
            raise Replaced(f"{self.name}: {key} was replaced") from None
        except _REFUSALS as error:
            raise BrokenSource(f"{self.name} refuses {key}: {_why(error)}") from None
        except (exceptions.BaseError, OSError) as error:
            text = str(error)
            if "NoSuchBucket" in text:
                raise BrokenSource(f"{self.name}: there is no such bucket") from None
            if "416 " in text:
                raise Replaced(f"{self.name}: {key} is shorter than it was") from None
            status = _STATUS.search(text)
            if status and status[1] in ("400", "401", "403"):
                raise BrokenSource(f"{self.name} refuses {key}: {_why(error)}") from None
            raise Away(f"{self.name} cannot be reached: {_why(error)}") from None


def _identity(meta: Any) -> str:
    """Return what tells a version of an object from others, in a list as in an answer.

    Azure lists ETags without the quotes that it sends them in; of times lists have fractions.
    """
    etag = meta["e_tag"]
    if not etag:
        return f"{meta['size']:x}-{int(meta['last_modified'].timestamp()):x}"
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'


def _why(error: BaseException) -> str:
    """Return what a store says, and nothing else of a message: it may hold a signed address."""
    text = str(error)
    said = [found[0] for found in (_STATUS.search(text),) if found]
    said += [found[1] for found in (_CODE.search(text),) if found]
    if said:
        return ", ".join(said)
    if "timed out" in text or "TimedOut" in text:
        return "it takes too long"
    if "Connect" in text:
        return "no connection"
    if "Body" in text or "Incomplete" in text or "decod" in text:
        return "the answer ended early"
    return type(error).__name__


def _store(url: str, whole_s: int) -> Any:
    retry: Mapping[str, Any] = {
        "max_retries": _RETRIES,
        "retry_timeout": timedelta(seconds=_RETRY_S),
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=2),
            "base": 2,
        },
    }
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=_CONNECT_S),
        "read_timeout": timedelta(seconds=_READ_S),
        "timeout": timedelta(seconds=whole_s),
    }
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    if urlsplit(url).scheme == "s3" and endpoint.startswith("http://"):
        client["allow_http"] = True  # whoever named it so wants it so
    try:
        made: Any = from_url  # its overloads ask for literal keys
        return made(url, client_options=client, retry_config=retry)
    except (exceptions.BaseError, ValueError) as error:
        raise ConfigurationError(f"{url}: cannot be opened: {type(error).__name__}") from None
