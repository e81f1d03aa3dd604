"""The head of a request out of its bytes (RFC 9112, 2 to 6)."""

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.server.framed import PLAIN, SAYING_MORE, closes, look_closer
from tollkeeper_server.http1.server.header_lines import HeaderLines
from tollkeeper_server.http1.server.message import CHUNKS, RequestHead, split_target
from tollkeeper_server.http1.server.refusal import (
    ENDLESS_HEAD,
    MANY_HEADERS,
    MAX_HEADERS,
    MAX_REQUEST_HEAD_BYTES,
)
from tollkeeper_server.http1.server.strict import (
    LINE,
    MAX_LINE_BYTES,
    METHODS,
    NO_HOST,
    NOT_HTTP,
    OTHER_CODING,
    UNKNOWN_METHOD,
    WRONG_LENGTH,
    beginning_problem,
    host_problem,
    target_problem,
)

_BREAK = b"\r\n"
# A shorter head has no more headers than may be.
_FEW_HEADERS_BYTES = 4 * MAX_HEADERS
_SLASH = ord("/")
_NO_HOST = b"\0"  # no value is
_VERSIONS = {b"0": "1.0", b"1": "1.1"}
_MAX_DIGITS = 19


class HeadReader:
    """Reads the heads of one connection, which nearly always name the same host."""

    __slots__ = ("_known_host", "_lines")

    def __init__(self) -> None:
        self._lines = HeaderLines()
        self._known_host = _NO_HOST

    def read(self, head: bytes) -> RequestHead | TollkeeperError:
        """Return what a head says, from its first byte to its empty line, or what is wrong with it."""
        size = len(head)
        line = LINE.match(head)
        if line is None or size > MAX_REQUEST_HEAD_BYTES or line.end() > MAX_LINE_BYTES:
            return beginning_problem(head) or ENDLESS_HEAD
        if size > _FEW_HEADERS_BYTES and head.count(_BREAK) > MAX_HEADERS + 3:  # with lines that are none
            return MANY_HEADERS
        headers = self._lines.read(head[line.end() : -4])
        if headers is None:
            return NOT_HTTP
        by_name = dict(headers)
        method, target, minor = line.groups()
        version = _VERSIONS[minor]
        if len(by_name) < len(headers) or not by_name.keys().isdisjoint(SAYING_MORE):
            framed = look_closer(headers)
            if framed.problem is not None:
                return framed.problem
        else:
            framed = PLAIN
        if framed.is_chunked:
            length = CHUNKS
            if version != "1.1":
                return OTHER_CODING  # RFC 9112, 6.1
        else:
            digits = by_name.get(b"content-length", b"0")
            if len(digits) > _MAX_DIGITS:
                digits = digits.lstrip(b"0") or b"0"
            if not digits.isdigit() or len(digits) > _MAX_DIGITS:
                return WRONG_LENGTH
            length = int(digits)
        problem = self._problem(method, target, by_name.get(b"host"), version)
        if problem is not None:
            return problem
        path, query = split_target(target)
        connection = by_name.get(b"connection")
        return RequestHead(
            method.decode("ascii"),
            version,
            path,
            query,
            headers,
            version == "1.1" and not framed.closes and (connection is None or not closes(connection)),
            framed.expects and version == "1.1",
            size,
            length,
        )

    def keep(self) -> None:
        """Keep the headers of the head that was read last: they need not be read again."""
        self._lines.keep()

    def _problem(
        self, method: bytes, target: bytes, host: bytes | None, version: str
    ) -> TollkeeperError | None:
        """Return what is wrong with the method, the host or the target."""
        if method not in METHODS:
            return UNKNOWN_METHOD
        if host is None:
            if version == "1.1":
                return NO_HOST
        elif host != self._known_host:
            problem = host_problem(host.rstrip())
            if problem is not None:
                return problem
            self._known_host = host
        if target[0] != _SLASH or method == b"CONNECT":
            return target_problem(target, method)
        return None
