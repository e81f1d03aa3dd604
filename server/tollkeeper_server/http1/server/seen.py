"""A head that comes again: most clients send the same each time on a connection, but for a few values."""

from msgspec import Struct, structs

from tollkeeper_server.http1.server.framed import SAYING_MORE
from tollkeeper_server.http1.server.header_lines import BLANKS, VALUES, WRONG
from tollkeeper_server.http1.server.message import CHUNKS, RequestHead

_BREAK = b"\r\n"
_LENGTH = b"content-length"
# Headers on which it depends how a head is read. Where one of them differs, the whole head is read.
_READ = SAYING_MORE | {b"host", b"connection"}
# A connection keeps so much of a head, and so many headers, each of which takes some memory.
_MOST_BYTES = 4 * 1024
_MOST_HEADERS = 64
_MOST_DIGITS = 19  # as many as a length may have that is read
# Where more heads than this were new on a connection, the next ones will be: keeping them would be in vain.
_MOST_KEPT = 8


class _Value(Struct, frozen=True, gc=False):
    """A value that may differ: of which header, by number and name, and what is behind it up to the next."""

    number: int
    name: bytes
    behind: bytes


class SeenHead:
    """The last head of a connection that may come again.

    A head of the same lines is read as the same, but for the digits of its length, and for the values of
    headers that have differed before and on which nothing else depends, such as the identifier of a trace.
    """

    __slots__ = ("_before", "_differs", "_head", "_left", "_request", "_values")

    def __init__(self) -> None:
        self._request: RequestHead | None = None
        # The bytes that were read last as this request.
        self._head = b""
        # The numbers of the headers whose values may differ, the bytes before the first, and all of them.
        self._differs: set[int] = set()
        self._before = b""
        self._values: list[_Value] = []
        # How many more heads are looked at.
        self._left = _MOST_KEPT

    def find(self, head: bytes) -> RequestHead | None:
        """Return what a head says, None if it has to be read."""
        request = self._request
        if request is None or head == self._head:
            return request
        size = len(head)
        if size > _MOST_BYTES or not head.startswith(self._before):
            return None
        headers = request.headers.copy()
        length = request.length
        at = len(self._before)
        for it in self._values:
            end = head.find(_BREAK, at)
            value = head[at:end]
            if not head.startswith(it.behind, end):
                return None
            if it.name == _LENGTH:
                if not value.isdigit() or len(value) > _MOST_DIGITS:
                    return None
                length = int(value)
            elif WRONG in value.translate(VALUES):
                return None
            headers[it.number] = (it.name, value.lstrip(BLANKS))
            at = end + len(it.behind)
        self._head = head
        self._request = request = structs.replace(request, headers=headers, size=size, length=length)
        return request

    def keep(self, head: bytes, request: RequestHead) -> None:
        """Keep a head that was read as this, if it says a length and is small."""
        headers = request.headers
        if not self._left or request.length == CHUNKS:
            return
        self._left -= 1
        names = [name for name, _ in headers]
        if len(head) > _MOST_BYTES or len(headers) > _MOST_HEADERS or _LENGTH not in names:
            return
        lines = head.split(_BREAK)[:-2]
        if len(lines) != len(headers) + 1:  # an empty line is before it
            return
        self._differs = self._learn(lines, request)
        self._head, self._request = head, request
        self._set_values(lines, request)

    def _learn(self, lines: list[bytes], request: RequestHead) -> set[int]:
        """Return the numbers of the headers whose values may differ from those of a new head."""
        length = {number for number, (name, _) in enumerate(request.headers) if name == _LENGTH}
        known, before = self._request, self._head.split(_BREAK)[:-2]
        if known is None or lines[0] != before[0] or len(lines) != len(before):
            return length
        differs = set(self._differs)
        for number, ((name, _), (was, _)) in enumerate(zip(request.headers, known.headers, strict=True)):
            if name != was:
                return length
            if lines[number + 1] != before[number + 1] and name not in _READ:
                differs.add(number)
        return differs

    def _set_values(self, lines: list[bytes], request: RequestHead) -> None:
        """Cut a head at the values that may differ."""
        pieces: list[bytes] = []
        piece = lines[0]
        for number, (line, (_, value)) in enumerate(zip(lines[1:], request.headers, strict=True)):
            if number in self._differs:
                pieces.append(piece + _BREAK + line[: len(line) - len(value)])
                piece = b""
            else:
                piece += _BREAK + line
        self._before, *behind = *pieces, piece + _BREAK + _BREAK
        self._values = [
            _Value(number, request.headers[number][0], piece)
            for number, piece in zip(sorted(self._differs), behind, strict=True)
        ]
