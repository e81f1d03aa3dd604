"""The texts that the simulator answers with, and the rule by which it counts tokens.

One whitespace-separated word is one token. A prompt counts the words of every message's text, plus
`PER_MESSAGE` for each message and `PER_ATTACHMENT` for each part that is not text. A completion counts
the words of the reply (of a tool call: of its name and arguments), plus the reasoning tokens that
`x-simulate` asks for. So a test can compute every usage figure beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import msgspec

PER_MESSAGE = 3
PER_ATTACHMENT = 85

_REPLY = """
This answer comes from the Tollkeeper simulator. It speaks as a model provider does, and means nothing by
it. Every word counts as one token, so that a test can check the usage to the last digit.
""".split()  # noqa: SIM905 - prose reads better than a list of words

_TYPE_DEFAULTS: dict[str, object] = {
    "string": "simulated",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "null": None,
}


class Ending(Enum):
    """The reason why a reply ended."""

    NATURAL = auto()
    LENGTH = auto()
    STOP_SEQUENCE = auto()


@dataclass(frozen=True, slots=True)
class Wording:
    """A reply's text. `pieces` are its words; `stop` is the stop sequence that ended it, else empty."""

    pieces: tuple[str, ...]
    ending: Ending = Ending.NATURAL
    stop: str = ""

    @property
    def text(self) -> str:
        """The whole reply."""
        return "".join(self.pieces)

    @property
    def tokens(self) -> int:
        """The number of tokens."""
        return len(self.pieces)


def count(text: str) -> int:
    """Return the number of tokens in `text`."""
    return len(text.split())


def in_pieces(text: str) -> tuple[str, ...]:
    """Return the words of `text`; each word after the first begins with a space."""
    words = text.split()
    return tuple(word if index == 0 else f" {word}" for index, word in enumerate(words))


def compose(
    words: int, *, limit: int | None = None, stops: Sequence[str] = (), pad: int = 0, text: str = ""
) -> Wording:
    """Return a reply of `words` words (or `text`), cut to `limit` words and before the first of `stops`.

    `pad` is the least length of the first word.
    """
    if text:
        pieces = in_pieces(text)
    else:
        pieces = in_pieces(" ".join(_REPLY[index % len(_REPLY)] for index in range(words)))
    if pad and pieces:
        pieces = (pieces[0].ljust(pad, "x"), *pieces[1:])
    ending = Ending.NATURAL
    if limit is not None and limit < len(pieces):
        pieces, ending = pieces[:limit], Ending.LENGTH
    whole = "".join(pieces)
    found = [(whole.index(stop), stop) for stop in stops if stop and stop in whole]
    if not found:
        return Wording(pieces, ending)
    position, stop = min(found)
    return Wording(in_pieces(whole[:position]), Ending.STOP_SEQUENCE, stop)


def example(schema: object) -> object:
    """Return a value that fits a plain JSON schema: all its properties, each with a fixed value."""
    if not isinstance(schema, dict):
        return {}
    if isinstance(choices := schema.get("enum"), list) and choices:
        return choices[0]
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0] if kind else "object"
    if kind != "object":
        return _TYPE_DEFAULTS.get(str(kind), {})
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {str(name): example(inner) for name, inner in properties.items()}


def example_json(schema: object) -> str:
    """Return `example(schema)` as JSON."""
    return msgspec.json.encode(example(schema)).decode()
