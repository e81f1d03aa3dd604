"""What the headers of a request say of its body and of what follows it, beyond a plain length.

RFC 9112, 6 and 9.6; RFC 9110, 10.1.
"""

from msgspec import Struct

from tollkeeper_server.domain.headers import GO_AHEAD, expectations
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.server.strict import (
    BOTH_FRAMINGS,
    CHUNKED_ACCEPTED,
    OTHER_CODING,
    TWO_HOSTS,
    TWO_LENGTHS,
)
from tollkeeper_server.snapshot.model import Header

SAYING_MORE = frozenset({b"transfer-encoding", b"expect", b"te"})
"""The headers that `look_closer` is for. It has nothing to say of others, unless one is given twice."""

_ONCE = {b"host": TWO_HOSTS, b"content-length": TWO_LENGTHS, b"transfer-encoding": OTHER_CODING}


class Framed(Struct, frozen=True, gc=False):
    """Whether the body is in chunks, the caller waits for a go-ahead, and none follows.

    `problem` is what is wrong, if anything is.
    """

    is_chunked: bool = False
    expects: bool = False
    closes: bool = False
    problem: TollkeeperError | None = None


PLAIN = Framed()


def look_closer(headers: list[Header]) -> Framed:
    """Return what headers say, whose names are in lower case."""
    expects = is_last = False
    seen: set[bytes] = set()
    problem = None
    for name, raw in headers:
        if name in _ONCE:
            if name in seen:
                problem = _ONCE[name]
            seen.add(name)
        if name in SAYING_MORE:
            value = raw.strip().lower()
            if name == b"expect":
                expects = expects or GO_AHEAD in expectations([(name, raw)])
            elif name == b"transfer-encoding":
                if value != b"chunked":  # another coding is not undone here, and upstreams are not told of it
                    problem = OTHER_CODING
            elif any(coding.split(b";")[0].strip() == b"chunked" for coding in value.split(b",")):
                problem = CHUNKED_ACCEPTED
        elif name == b"connection":
            is_last = is_last or closes(raw)
    is_chunked = b"transfer-encoding" in seen
    if is_chunked and b"content-length" in seen:
        problem = BOTH_FRAMINGS
    return Framed(is_chunked, expects, is_last, problem)


def closes(connection: bytes) -> bool:
    """Return whether a value of `Connection` says that no request follows."""
    options = connection.lower()
    return options != b"keep-alive" and b"close" in map(bytes.strip, options.split(b","))
