"""One connection: its requests in their order, its answers from whichever thread."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from iiifserver.opened import Ready
from iiifserver.web.answers import written as as_lines

from .others import Worker
from .requests import HTTP_10, Asked, Requests

_MOST_WAITING = 32  # requests sent before the answer to an earlier one
_IDLE_S = 15.0  # from the last answer to a request, and from its first byte to its last
_STALL_S = 60.0  # in which a reader takes nothing
_LINGER_S = 2.0  # for who is refused to read why
_LOOK_S = 1.0
_PIECE_BYTES = 64 << 10  # of a file, read when its client takes no more
_DISK_S = 0.05
_SENDFILE = sys.platform == "linux"
_log = logging.getLogger(__name__)

Headers = list[tuple[str, str]]


class Connection(asyncio.Protocol):
    """One connection: reads requests, and is the client that their answers are given to."""

    _transport: asyncio.Transport
    _requests: Requests

    def __init__(self, wire: Worker) -> None:
        self._wire = wire
        self._waiting: deque[Asked] = deque()
        self._asked: Asked | None = None  # what is being answered
        self.since_s = wire.now_s
        """When an answer was last given, a request begun, or a byte taken."""
        self._socket: socket.socket | None = None
        self._unsent_bytes = 0  # what the client had not taken, at the last look
        self._left: int | None = None  # bytes that an answer in pieces still lacks
        self._rest: Ready | None = None  # of a file, to be sent when there is room
        self._full = self._paused = self._lost = False
        self._writable = threading.Event()

    @property
    def is_idle(self) -> bool:
        """Whether nothing was asked, or not yet all of it."""
        return self._asked is None and not self._waiting

    # what asyncio calls

    def connection_made(self, transport: Any) -> None:
        """Begin to read, if there is room."""
        self._transport = transport
        transport.set_write_buffer_limits(0)  # so that it tells whatever its client does not take
        if not self._wire.come(self):
            transport.abort()
            return
        peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        about = {
            "REMOTE_ADDR": peer[0] if peer else "",
            "SERVER_NAME": here[0] if here else "",
            "SERVER_PORT": str(here[1]) if here else "",
            "wsgi.url_scheme": "http",
        }
        if _SENDFILE:
            theirs = transport.get_extra_info("socket")
            self._socket = socket.socket(theirs.family, theirs.type, 0, theirs.fileno())
        self._requests = Requests(about, self._ask, self._let_send)

    def connection_lost(self, _: Exception | None) -> None:
        """Let go of everything; an answer that is being made goes nowhere."""
        self._lost = True
        if self._socket is not None:
            self._socket.detach()  # it is not ours to close
        self._waiting.clear()
        self._rest = None
        self._writable.set()
        self._wire.go(self)

    def data_received(self, data: bytes) -> None:
        """Take what a client sends."""
        if self._requests.between:
            self.since_s = self._wire.now_s
        self._requests.feed(data)

    def eof_received(self) -> bool:
        """Answer what was asked before a client said that it has nothing more to say."""
        self._last_comes()
        return not self.is_idle

    def pause_writing(self) -> None:
        """Send nothing more until the client has read."""
        self._full = True
        self._writable.clear()
        self._take_note()

    def resume_writing(self) -> None:
        """Go on."""
        self._full = False
        self._writable.set()
        self._go_on()
        self._take_note()
        self._next()

    # requests in

    def _let_send(self) -> None:
        if self.is_idle:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _ask(self, asked: Asked) -> None:
        if self._asked is None and not self._full and not self._waiting:
            self._answer(asked)
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(asked)
            self._pause()
        else:  # it asks for more than it reads
            self._last_comes()

    def _last_comes(self) -> None:
        """Read nothing more, and close when all that was asked by now is answered."""
        self._requests.deaf = True
        if self._waiting:
            self._waiting[-1] = self._waiting[-1]._replace(last=True)
        elif self._asked is not None:
            self._asked = self._asked._replace(last=True)

    def _next(self) -> None:
        while self._waiting and self._asked is None and not self._full:
            self._answer(self._waiting.popleft())
        if self._paused and not self._waiting and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _answer(self, asked: Asked) -> None:
        self._asked = asked
        try:
            if asked.refused is None:
                self._wire.lanes(self, asked.environ)
            else:
                self._wire.lanes.refuse(self, asked.environ, asked.refused)
        except Exception:  # the edge of the loop, which goes on for all others
            _log.exception("unexpected error on %s", asked.environ["PATH_INFO"])
            self.end()

    # answers out

    def response_bytes(self, status: int, headers: Headers | bytes, body: bytes) -> None:
        """Send an answer whole; *headers* as WSGI has them, or all of them as they are sent."""
        if threading.get_ident() == self._wire.thread:
            self._send(status, headers, body)
        else:
            self._wire.soon(self._send, status, headers, body)

    def response_iter(self, status: int, headers: Headers, body: Iterator[bytes]) -> None:
        """Send an answer piece by piece, as its reader takes it, and close *body*.

        It is called in a thread of its own, which waits.
        """
        soon = self._wire.soon
        try:
            soon(self._send_head, status, headers)
            for piece in body:
                self._writable.clear()
                if self._lost:
                    break
                soon(self._send_piece, piece)
                while not self._lost and not self._writable.wait(_LOOK_S):
                    continue  # a loop that has ended wakes nobody
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
        soon(self._send_end)  # nothing can fail any more: the next answer is another one's

    def fail(self) -> None:
        """Give up an answer: whoever reads what was sent of it must not take it for the whole."""
        self._wire.soon(self._fail)

    def _fail(self) -> None:
        if self._left is None and self._asked is not None:
            self._send(500, [], b"")
        else:
            self.end()

    def response_ready(self, status: int, lines: bytes, body: Ready) -> None:
        """Send an answer of a file's bytes, from the thread of the loop."""
        asked, transport = self._asked, self._transport
        if self._lost or asked is None or transport.is_closing():
            return
        head = self._head(asked, status, lines)
        if asked.is_head:
            transport.write(head)
        else:
            head += body.prefix
            try:
                sent = 0 if self._full else self._straight(head, body)
            except OSError:  # the client is gone, or a disk
                self.end()
                return
            if sent < len(head) + body.length:
                self._rest = _after(sent, body._replace(prefix=head))
                self._go_on()
                return
        self._done(asked)

    def _straight(self, head: bytes, body: Ready) -> int:
        """Have the system send *head* and a file's bytes; return how many it takes now.

        Raises:
            OSError: the client is gone, or the file cannot be read.
        """
        sent = 0
        if self._socket is not None:
            try:
                sent = self._socket.send(head, socket.MSG_MORE)
                if sent == len(head):
                    sent += os.sendfile(
                        self._socket.fileno(), body.file.number, body.offset, body.length
                    )
            except OSError as error:
                if error.errno not in _NOT_NOW:
                    raise
        return sent

    def _go_on(self) -> None:
        """Send more of a file's bytes, of which no more are read than a client may not take."""
        while self._rest is not None and self._asked is not None and not self._full:
            piece = self._rest._replace(length=min(self._rest.length, _PIECE_BYTES))
            try:
                if not piece.at_hand():  # any more: it has waited long
                    piece.fetch()
                    self._wire.later(_DISK_S, self._go_on)
                    return
                read = piece.read()
            except OSError:
                self.end()
                return
            self._rest = _after(len(read), self._rest)
            self._transport.write(read)
            if self._rest is None:
                self._done(self._asked)

    def _send(self, status: int, headers: Headers | bytes, body: bytes) -> None:
        asked = self._asked
        if self._lost or asked is None or self._transport.is_closing():
            return
        try:
            if not isinstance(headers, bytes):
                if not _told(asked, status, headers, body):
                    headers = [*headers, ("Content-Length", str(len(body)))]
                headers = as_lines(headers)
            head = self._head(asked, status, headers)
        except (KeyError, ValueError):
            _log.exception("an answer that cannot be sent to %s", asked.environ["PATH_INFO"])
            self.end()
            return
        if body and not asked.is_head:
            self._transport.writelines((head, body))
        else:
            self._transport.write(head)
        self._done(asked)

    def _send_head(self, status: int, headers: Headers) -> None:
        asked = self._asked
        if asked is None or self._lost:
            return
        try:
            head = self._head(asked, status, as_lines(headers))
            self._left = next(int(value) for name, value in headers if name == "Content-Length")
        except (KeyError, ValueError):
            _log.exception("an answer that cannot be sent to %s", asked.environ["PATH_INFO"])
            self.end()
            return
        self._transport.write(head)

    def _send_piece(self, piece: bytes) -> None:
        if self._left is not None and not self._lost:
            self._left -= len(piece)
            self._transport.write(piece)
        if self._lost or not self._full:
            self._writable.set()

    def _send_end(self) -> None:
        asked, left, self._left = self._asked, self._left, None
        if left and asked is not None and not asked.is_head:
            self.end()  # it is not what its head said
        elif asked is not None and not self._lost:
            self._done(asked)

    def _head(self, asked: Asked, status: int, headers: bytes) -> bytes:
        if asked.last or self._wire.leaving:
            connection = b"Connection: close\r\n\r\n"
        elif asked.environ["SERVER_PROTOCOL"] is HTTP_10:
            connection = b"Connection: keep-alive\r\n\r\n"
        else:
            connection = b"\r\n"
        return b"%b%b%b%b" % (_STATUS[status], headers, self._wire.date, connection)

    def _done(self, asked: Asked) -> None:
        """Be ready for the next request, or close."""
        self._asked = None
        self.since_s = self._wire.now_s
        if asked.refused is not None:
            self._transport.write_eof()  # closed now, it could not read why
            self._wire.later(_LINGER_S, self.end)
        elif asked.last or self._wire.leaving:
            self._waiting.clear()
            self._requests.deaf = True
            self._transport.close()
        elif self._waiting:
            self._wire.later(0, self._next)

    # how long a client may take

    def look(self) -> None:
        """End the connection if its client took too long."""
        if self._transport.get_write_buffer_size() != self._unsent_bytes:
            self._take_note()
        unsent = self._unsent_bytes > 0 or self._rest is not None
        waits = _STALL_S if unsent else _IDLE_S
        if (unsent or self.is_idle) and self._wire.now_s - self.since_s > waits:
            self.end()

    def _take_note(self) -> None:
        self._unsent_bytes, self.since_s = self._transport.get_write_buffer_size(), self._wire.now_s
        # of what stays in its file a piece will be next
        rest = 0 if self._rest is None else _PIECE_BYTES
        self._wire.hold(self, self._unsent_bytes + rest)

    def close_if_idle(self) -> None:
        """Close the connection if nothing is being answered."""
        if self.is_idle and not self._transport.is_closing():
            self._transport.close()

    def end(self) -> None:
        """End the connection as it is."""
        if not self._lost:
            self._transport.abort()


_NOT_NOW = {
    *(errno.EAGAIN, errno.EWOULDBLOCK),  # the system takes nothing more
    *(errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP),  # a file system that cannot send
}
_STATUS: Mapping[int, bytes] = {
    each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus
}


def _after(sent: int, body: Ready) -> Ready | None:
    """Return what is left of *body* after so many bytes."""
    file, offset, length, prefix = body
    of_file = max(sent - len(prefix), 0)
    if of_file == length and sent >= len(prefix):
        return None
    return Ready(file, offset + of_file, length - of_file, prefix[sent:])


def _told(asked: Asked, status: int, headers: Headers, body: bytes) -> bool:
    """Return whether *headers* tell as much as can be told of the length of *body*.

    Raises:
        ValueError: they tell another: what follows would be taken for the rest of it.
    """
    if not body and (asked.is_head or status in (204, 304)):
        return True
    told = next((value for name, value in headers if name == "Content-Length"), None)
    if (told is not None and int(told) != len(body)) or (body and status in (204, 304)):
        raise ValueError(f"a body of {len(body)} bytes, status {status}, Content-Length {told}")
    return told is not None
