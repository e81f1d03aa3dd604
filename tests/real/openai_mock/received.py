"""What requests the mock has received, in a form in which two runs of the same tests can be compared."""

import json
import re
from collections import Counter
from collections.abc import Iterable

RECEIVED_PATH = "/_received"
"""What `Received.take` returns is the mock's answer to a GET of this path."""
_BOUNDARY = re.compile(rb"boundary=\"?([^\";]+)")
# Of the connection, of the caller's address and credential, and what a gateway may decide itself.
_NOT_COMPARED = frozenset(
    {"accept-encoding", "authorization", "connection", "content-length", "host", "transfer-encoding"}
)


class Received:
    """The requests so far, each as one line of text, with how often it came."""

    def __init__(self) -> None:
        self._lines: Counter[str] = Counter()

    def add(self, method: str, target: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Record a request."""
        kept = {name.decode().lower(): value.decode("latin-1") for name, value in headers}
        kind = kept.pop("content-type", "")
        boundary = _BOUNDARY.search(kind.encode("latin-1"))
        if boundary is not None:
            kind, body = kind.partition(";")[0], body.replace(boundary.group(1), b"BOUNDARY")
        shown = sorted(f"{name}: {value}" for name, value in kept.items() if name not in _NOT_COMPARED)
        self._lines[f"{method} {target} {kind} {_without_usage(body)} {shown}"] += 1

    def take(self) -> bytes:
        """Return all lines with their numbers as JSON, and forget them."""
        taken, self._lines = self._lines, Counter()
        return json.dumps(taken).encode()


def _without_usage(body: bytes) -> str:
    # The gateway asks for the usage of streams; that is the only change which it makes.
    try:
        said = json.loads(body)
    except ValueError:
        return body.decode("latin-1")
    options = said.get("stream_options") if isinstance(said, dict) else None
    if isinstance(options, dict):
        options.pop("include_usage", None)
        if not options:
            del said["stream_options"]
    return json.dumps(said)
