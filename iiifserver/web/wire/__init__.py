"""HTTP/1.1: the connections of a web worker, in one thread that waits for nothing.

llhttp reads requests, libuv moves bytes (uvloop). What stands between them and the lanes is here:
the order of answers, how long a client may take, and how much may wait. A request is answered from
the thread of the loop or from any other; the next one of its connection is looked at when its
answer is on its way.

HTTP semantics: https://www.rfc-editor.org/rfc/rfc9110, HTTP/1.1: https://www.rfc-editor.org/rfc/rfc9112
"""

from .connection import Connection
from .loop import Wire, new_loop

__all__ = ["Connection", "Wire", "new_loop"]
