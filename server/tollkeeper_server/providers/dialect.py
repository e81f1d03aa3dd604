"""The knowledge of an API that the gateway needs: one record for each shape of request and answer.

The records are in `dialects/`. They are consulted once for an answer or a stream, so that an event costs no
more than the functions and patterns that they hold.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import Struct

from tollkeeper_server.domain.model import Capability
from tollkeeper_server.errors import TollkeeperError

# At the front of a line, for a model may well write the words.
_ERROR = re.compile(rb'\ndata:\s*\{"error"')
_ERROR_SIGN = b'{"error"'
# What is empty or says `null` is no reason. The names stand behind the part of them that is found fast.
_FINISHED = re.compile(rb'_reason"(?:(?<="finish_reason")|(?<="stop_reason"))\s*+:\s*+"(?!"|null")')


Document = dict[str, object]
"""A JSON object before it is written."""


class ListedModel(Struct, frozen=True, gc=False):
    """A model as listings show it. `owner` is the upstream that serves it first."""

    name: str
    owner: str
    created_at: datetime
    capabilities: Iterable[Capability]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """What all endpoints of an API have in common.

    `error` returns the JSON document of an error, for a request with that id; `model` and `models` those of
    one listed model and of all. `marker` is a header that the API's clients send and no others do, empty if
    there is none.
    """

    error: Callable[[TollkeeperError, str], Document]
    model: Callable[[ListedModel], Document]
    models: Callable[[Sequence[ListedModel]], Document]
    marker: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """The shape of an endpoint's requests and answers. Usage stands where `usage.py` says.

    - `surface` is the API that it belongs to.
    - `error_event` returns the event that tells of an error in a stream.
    - `is_metered`: answers are asked for without content coding, so that usage can be read.
    - `whole_is_json`: an answer that is no stream may say its usage.
    - `usage_if_asked`: a stream says its usage only if `stream_options` asks for it.
    - `has_prompt`: requests have text to count where the upstream says no usage.
    - `completes`: answers are made of tokens, which count beside those of the prompt.
    - `text_bytes` counts the bytes of generated text in whole events; None generates no text. It may return
      the complement (`~size`) for events that certainly do not end the answer.
    - `end` finds the last event of a stream, in events after a line feed; None if there is no such event.
    - `speaks`: the text of a request is spoken, and its characters count.
    - `hears`: an answer without usage may say how long the sound was that it was made of.
    - `pages`: answers say how many pages of a document were read.
    - `searches`: what a response has put out may tell of searches.
    - `image` finds each image that a stream brings, and `data` of a whole answer lists them; None has none.
    """

    surface: Surface
    error_event: Callable[[TollkeeperError], bytes]
    is_metered: bool = True
    whole_is_json: bool = True
    usage_if_asked: bool = False
    has_prompt: bool = False
    completes: bool = True
    text_bytes: Callable[[bytes], int] | None = None
    end: re.Pattern[bytes] | None = None
    image: re.Pattern[bytes] | None = None
    speaks: bool = False
    searches: bool = False
    hears: bool = False
    pages: bool = False

    def unmetered(self) -> "Dialect":
        """Return the dialect of the same API's endpoints without usage, or with usage metered elsewhere."""
        return Dialect(self.surface, self.error_event, is_metered=False, whole_is_json=False)

    def closes(self, last: bytes) -> bool:
        """Return whether events of a stream hold its very last one, or an error in its place."""
        if self.end is None:
            return False
        last = b"\n" + (last.replace(b"\r", b"\n") if b"\r" in last else last)
        return self.end.search(last) is not None or (
            last.find(_ERROR_SIGN) >= 0 and _ERROR.search(last) is not None
        )

    def finishes(self, last: bytes) -> bool:
        """Return whether events of a stream say why the answer ended, so that nothing is missing."""
        return _FINISHED.search(last) is not None


def write_event(data: Document, name: str = "") -> bytes:
    """Return an event of a stream (WHATWG HTML, 9.2)."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"
