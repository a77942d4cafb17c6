"""The render processes of the whole server, behind one door.

    web workers --(Unix socket)--> broker process --(pipes)--> render processes

Web workers stay small and cannot be taken down by a picture: decoding happens in processes with
a memory limit, a time limit and lower priority. One that dies or hangs is replaced, and the request
that it was working on gets an error; the queue is bounded, and what does not fit is refused.

    messages    what is said through the pipes; `streams`, to an event loop
    lanes       who waits for whom: small, whole, background
    aside       what has killed processes, and is not tried again for an hour
    work        the life of a render process
    nursery     where render processes come from
    process     one render process, as the broker sees it
    desk        the broker: admission, one computation for equal jobs, dispatch
    door        the broker's socket, and its life
    client      the broker as a web worker's thread sees it; `caller`, as its event loop does
    keeper      keeps a broker process alive for as long as a server runs
    pool        a broker within this process, for commands
"""

from iiifserver.image.lossless import VARIABLE as LOSSLESS

from .bounds import Bounds, keep_memory, limit_memory
from .caller import Caller, caller
from .client import ADDRESS, KEY, Remote, remote
from .keeper import running

__all__ = [
    "ADDRESS",
    "KEY",
    "LOSSLESS",
    "Bounds",
    "Caller",
    "Remote",
    "caller",
    "keep_memory",
    "limit_memory",
    "remote",
    "running",
]
