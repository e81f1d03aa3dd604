"""The lines of a batch's input file: each one is a request, with its URL and body."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.dataplane.request.endpoint import CHAT, Endpoint, Matched, match
from tollkeeper_server.dataplane.request.kept_models import ESCAPED, models_in, values_of
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument

_BOM = b"\xef\xbb\xbf"


class Line(Struct, frozen=True, gc=False):
    """A request of a batch. `number` is the line's, from 1 on; `runs_unnamed`: it may run a model unnamed.

    `endpoints` are those that it may be for, CHAT if it names none.
    """

    number: int
    models: Sequence[str]
    bodies: Sequence[bytes]
    runs_unnamed: bool
    endpoints: Sequence[Endpoint]


class _Parts(Struct):
    url: str = ""
    body: Raw = Raw()


_decode = msgspec.json.Decoder(_Parts).decode


class Lines:
    """Reads a file that comes in pieces. A line may have `max_line` bytes."""

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._held = bytearray()
        self._number = 0

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; return the whole lines that there are now. Raises INVALID_ARGUMENT."""
        self._held += piece
        end = self._held.rfind(b"\n") + 1
        if len(self._held) - end > self._max_line:
            raise _unreadable(
                self._number + self._held.count(b"\n") + 1, f"larger than {self._max_line:,} bytes"
            )
        with memoryview(self._held) as held:
            whole = bytes(held[:end])
        del self._held[:end]
        return whole

    def rest(self) -> bytes:
        """Return the last line, if it has no line break."""
        return bytes(self._held)

    def read(self, whole: bytes) -> list[Line]:
        """Return the requests of whole lines. Raises INVALID_ARGUMENT if one can't be read."""
        return [*self._read(whole.split(b"\n"))]

    def _read(self, lines: Iterable[bytes]) -> Iterable[Line]:
        for line in lines:
            self._number += 1
            if self._number == 1:
                line = line.removeprefix(_BOM)
            if line.strip():
                yield _read_line(self._number, line)
        self._number -= 1  # what follows the last line break is no line yet


def _read_line(number: int, line: bytes) -> Line:
    try:
        urls, bodies = _parts(line)
        models = [name for body in bodies for name in models_in(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(number, "no request in JSON") from error
    except TollkeeperError as error:
        raise _unreadable(number, f"refused: {error.message}") from error
    runs_unnamed = not urls
    endpoints: list[Endpoint] = []
    for url in urls:
        matched = _matched(url)
        if matched is None:
            raise _unreadable(number, f"for no endpoint that is known: {url[:100]!r}")
        runs_unnamed = runs_unnamed or matched.endpoint.runs_models
        endpoints.append(matched.endpoint)
        if matched.path_model:
            models.append(matched.path_model)
    return Line(number, models, bodies, runs_unnamed, endpoints or [CHAT])


def _parts(line: bytes) -> tuple[list[str], list[bytes]]:
    """Return the URLs and bodies of a line: more than one if servers may differ in which one counts."""
    lowered = line.lower()
    if lowered.count(b'"url"') == 1 and lowered.count(b'"body"') == 1 and not ESCAPED.search(line):
        parts = _decode(line)
        if parts.url and memoryview(parts.body):
            return [parts.url], [bytes(parts.body)]
    _decode(line)
    return [msgspec.json.decode(url, type=str) for url in values_of(line, "url")], values_of(line, "body")


@lru_cache(maxsize=256)
def _matched(url: str) -> Matched | None:
    try:
        return match(url.encode(), "POST")
    except TollkeeperError:
        return None


def _unreadable(number: int, why: str) -> TollkeeperError:
    return invalid_argument("input_file_id", f"line {number} of the file is {why}; correct the file")


def line_not_allowed(line: Line, name: str) -> TollkeeperError:
    """Return the error for a line that runs a model which the token may not use; `name` may be empty."""
    model = f"the model {name!r}, which the token may not use" if name else "a model that it does not name"
    return TollkeeperError(
        Reason.MODEL_NOT_ALLOWED,
        f"input_file_id: line {line.number} of the file runs {model}; GET /v1/models lists those it may",
        field="input_file_id",
    )
