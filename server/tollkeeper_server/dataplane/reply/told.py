"""The ids of kept things that answers tell: of what was made, and of what upstreams make by themselves.

Only the places count where upstreams put them. What callers have written, an answer may repeat elsewhere (in
`metadata`, `input`, `instructions`), and it tells nothing.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from tollkeeper_server.dataplane.signs import BRACKET, COLON, NOTHING, OPENING, QUOTE, signs
from tollkeeper_server.dataplane.turns import SIGNS
from tollkeeper_server.providers.members import read_name

MAX_ID = 512
"""The most characters of an id."""
MAX_TOLD = 1000
"""The most ids that are taken from one document."""
# Larger documents are walked through in steps, for a decoder does not stop in between.
_DECODED = 64 * 1024
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode = msgspec.json.Decoder().decode
_MAX_SIGNS = 1_000_000
# More than an id has, with every character escaped.
_LONG = MAX_ID * 12 + 2
_FILLED = b"." * (MAX_ID + 1)
# Tells what a string before it is: a name, or a value.
_FOLLOWED = re.compile(rb"[ \t\r\n]*+[^ \t\r\n]")

# Of what a request has an upstream keep, and of its parts.
# `request_id` is that of xAI's deferred completions and videos, `batch_id` that of its batches.
_MADE = ("id", "output.id", "request_id", "batch_id")
# As OpenAI's specification has them, and Mistral's, and Azure's of videos; an array counts as its items do.
_BESIDE = (
    "container_id",
    "conversation",
    "conversation.id",
    "conversation_id",
    "thread_id",
    "output_file",
    "output_file_id",
    "error_file",
    "error_file_id",
    "generations.id",
    "result_files",
    "fine_tuned_model",
    "fine_tuned_model_checkpoint",
    "file.id",
    "output.container_id",
    "output.environment.container_id",
    "output.content.annotations.container_id",
    "output.content.annotations.file_id",
    "annotations.container_id",
    "annotations.file_id",
    "choices.delta.audio.id",
    "choices.message.audio.id",
    "content.annotations.container_id",
    "content.annotations.file_id",
    "content.file_id",
    "content.image_file.file_id",
    "content.text.annotations.file_path.file_id",
    "environment.container_id",
    "outputs.content.file_id",
    "step_details.tool_calls.code_interpreter.outputs.image.file_id",
    "tool_resources.file_search.vector_store_ids",
)
# Together's batches are in `job`. The last of them hold what an event is about.
_PREFIXES = ("", "data.", "job.", "response.", "item.", "part.", "delta.")
_ANNOTATION = ("annotation.container_id", "annotation.file_id")
# As Anthropic's reference has them: files of the tools that run code, and the container they run in.
_OF_MESSAGES = ("container.id", "content.content.file_id", "content.content.content.file_id")
_PREFIXES_OF_MESSAGES = ("", "message.", "delta.", "result.message.")
_OF_BLOCKS = ("content_block.content.file_id", "content_block.content.content.file_id")


class Places:
    """A member on the way to an id, or several. `is_id`: its value may be one."""

    __slots__ = ("is_id", "members", "signs")

    def __init__(self, places: Iterable[str] = ()) -> None:
        self.is_id = False
        self.members: dict[str, Places] = {}
        self.signs: tuple[bytes, ...] = ()
        last: set[bytes] = set()
        for place in places:
            node = self
            for name in place.split("."):
                node = node.members.setdefault(name, Places())
            node.is_id = True
            last.add(b'"%b"' % place.rpartition(".")[2].encode())
        self.signs = tuple(sorted(last))

    def may_tell(self, document: bytes) -> bool:
        """Return whether a document may tell an id."""
        return any(sign in document for sign in self.signs)


KEPT = Places([*(f"{prefix}{place}" for prefix in _PREFIXES for place in (*_MADE, *_BESIDE)), *_ANNOTATION])
"""Where the answers of endpoints are that keep what is made there."""
BESIDE = Places([*(f"{prefix}{place}" for prefix in _PREFIXES for place in _BESIDE), *_ANNOTATION])
"""The same, of a request that has nothing kept: an upstream may keep files that a tool has made."""
OF_MESSAGES = Places(
    [*(f"{prefix}{place}" for prefix in _PREFIXES_OF_MESSAGES for place in _OF_MESSAGES), *_OF_BLOCKS]
)
"""Where the answers of Anthropic's messages are, and of their batches."""


def told_ids(document: bytes, places: Places) -> list[str]:
    """Return the ids that a JSON document tells, each once. It may be cut, and need not be valid."""
    found: dict[str, None] = {}
    for _ in walk_told(document, places, found):
        pass
    return [*found]


def walk_told(document: bytes, places: Places, found: dict[str, None]) -> Iterator[None]:
    """Add the ids that a document tells, up to `MAX_TOLD` and in the first million signs, in steps.

    Of a member that a small valid document has twice in an object, the last one counts, as for its readers.
    """
    if not places.may_tell(document):
        return
    if len(document) <= _DECODED:
        try:
            _add(_decode(document), places, found)
        except _FAILURES:
            pass
        else:
            return
    yield from Telling(places, found).walk(document, is_last=True)


def _add(value: object, place: Places, found: dict[str, None]) -> None:
    """Add the ids that a decoded document tells."""
    if type(value) is str:
        if place.is_id and 0 < len(value) <= MAX_ID and value.isprintable() and len(found) < MAX_TOLD:
            found[value] = None
    elif type(value) is dict:
        members = place.members
        for name, one in value.items():
            if name in members:
                _add(one, members[name], found)
    elif type(value) is list:
        for one in value:
            _add(one, place, found)


class Telling:
    """A walk through a document that comes in pieces, which adds to `found` the ids that it tells.

    It ends after the document, after `MAX_TOLD` ids, and after a million signs.
    """

    __slots__ = ("_coming", "_depth", "_ended", "_held", "_number", "_open", "_places", "found")

    def __init__(self, places: Places, found: dict[str, None]) -> None:
        self.found = found
        self._places = places
        self._open: list[tuple[Places, bool]] = []  # and whether it is an array
        self._coming: Places | None = None
        self._depth = 0  # within what leads nowhere
        self._number = 0
        self._held = b""  # a string whose end, or what follows it, has not come yet
        self._ended = False

    @property
    def waits(self) -> bool:
        """Whether what comes next tells if the last string is an id."""
        return self._held.endswith(b'"') and len(self._held) > 1

    def walk(self, piece: bytes, *, is_last: bool) -> Iterator[None]:
        """Walk through the next piece, in steps."""
        if self._ended:
            return
        document, self._held = self._held + piece, b""
        found, places, open_now = self.found, self._places, self._open
        coming, depth = self._coming, self._depth
        number = self._number
        for number, (sign, start, end) in enumerate(signs(document), self._number):
            if number % SIGNS == SIGNS - 1:
                if number > _MAX_SIGNS:
                    break
                yield
            if sign == NOTHING:
                continue
            if sign == QUOTE:
                if not is_last and not _FOLLOWED.match(document, end):
                    self._held = _shortened(document[start:end])
                    break
                if depth or not open_now:
                    continue
                place, is_array = open_now[-1]
                if not is_array and COLON.match(document, end):
                    coming = place.members.get(_read(document[start:end]))
                    continue
                if coming is not None and coming.is_id and (one := _read(document[start:end])):
                    found[one] = None
                    if len(found) >= MAX_TOLD:
                        self._ended = True
                        return
                if not is_array:
                    coming = None
            elif sign in OPENING:
                if depth or (open_now and coming is None):
                    depth += 1
                    continue
                place = coming if open_now and coming is not None else places
                is_array = sign == BRACKET
                open_now.append((place, is_array))
                coming = place if is_array else None
            elif depth:
                depth -= 1
            elif open_now:
                open_now.pop()
                if not open_now:
                    self._ended = True
                    return
                place, is_array = open_now[-1]
                coming = place if is_array else None
        self._coming, self._depth, self._number = coming, depth, number
        self._ended = number > _MAX_SIGNS


def _shortened(string: bytes) -> bytes:
    """Return the beginning of a string, or a shorter one that ends as it does and is no id either."""
    if len(string) <= _LONG:
        return string
    inside = string.removesuffix(b'"')
    is_escaped = (len(inside) - len(inside.rstrip(b"\\"))) % 2 == 1
    if inside == string:
        return b'"%b%b' % (_FILLED, b"\\" if is_escaped else b"")
    return b'"%b%b' % (_FILLED, b"" if is_escaped else b'"')


def _read(written: bytes) -> str:
    """Return the id that is written so; nothing if it is none, or its end is missing."""
    if not 2 < len(written) <= _LONG or not written.endswith(b'"'):
        return ""
    try:
        found = read_name(written)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return found if len(found) <= MAX_ID and found.isprintable() else ""
