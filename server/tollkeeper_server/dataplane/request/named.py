"""The models that a JSON body names elsewhere than in its own member `model`.

| where | who reads it there |
|---|---|
| `requests[].params.model` | Anthropic's message batches |
| `session.model`, the transcription's | OpenAI's realtime sessions and client secrets |
| `data_source.model`, graders' | OpenAI's evals and their runs, its graders and reinforcement fine-tuning |
| `model.id` | Anthropic's agents |
| `models` | OpenRouter, one after the other |
| `fallbacks` and those for certain failures | Anthropic and LiteLLM, if the model declines or is away |
| tools', the moderation's, the SVG's, plugins' | OpenAI, Anthropic and OpenRouter, beside the model |
| `extra_body.model` | LiteLLM, in place of the model |

The body is walked through once, in linear time, and every member counts that any server may read: all of
those given twice, and those spelt in another case.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from tollkeeper_server.dataplane.signs import (
    BRACKET,
    COLON,
    NOTHING,
    OPENING,
    QUOTE,
    check_signs,
    count_signs,
    signs,
    windows,
)
from tollkeeper_server.dataplane.turns import SIGNS
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.providers.members import read_name

MAX_MODELS = 100
"""The most models that one body may name."""
MAX_PLACES = 200_000
"""How often it may name them: Anthropic takes 100,000 requests in a batch."""
# How letters of the names may be escaped: those of ASCII, and two that are the same but for their case.
_ESCAPES = (b"\\u004", b"\\u005", b"\\u006", b"\\u007", b"\\u017f", b"\\u212a")
_LETTERS = ("\u017f".encode(), "\u212a".encode())

_MODEL = b'"model"'
# Of what is longer, no step goes through all: it would hold up other threads.
_LONG = 512 * 1024

_GRADERS = ("model", "graders.model", "graders.*.model")
# The first of these that are there decide where a request goes that has no `model` of its own.
_DECIDING: tuple[tuple[str, ...], ...] = (
    ("model.id",),
    ("session.model",),
    ("requests.params.model",),
    ("data_source.model",),
    (
        "session.audio.input.transcription.model",
        "session.input_audio_transcription.model",
        "input_audio_transcription.model",
    ),
    tuple(
        f"{holder}.{place}"
        for holder in ("testing_criteria", "grader", "method.reinforcement.grader")
        for place in _GRADERS
    ),
    ("models",),
)
_BESIDE = ("fallbacks", "fallbacks.model", "tools.model", "moderation.model", "svg.model")
# LiteLLM's: lists of models, each under the model that it takes the place of.
_LISTED = frozenset({"fallbacks.*", "context_window_fallbacks.*", "content_policy_fallbacks.*"})
_OTHERS = (
    *_BESIDE,
    *sorted(_LISTED),
    "plugins.model",
    *(f"extra_body.{place}" for place in ("model", "models", *_BESIDE)),
    *(f"requests.params.{place}" for place in ("models", *_BESIDE)),
    "session.delegation.responses.model",
    "session.delegation.decisions.model",
)
_RANKS = {place: rank for rank, places in enumerate(_DECIDING) for place in places}


class Place(Struct, frozen=True, gc=False):
    """A model's name in a body, with its quotes from `start` to `end`, and the members that lead there."""

    field: str
    name: str
    start: int
    end: int


class Named(Struct, frozen=True, gc=False):
    """The models that a body names below its own members, each once, with the first field that names it.

    `deciding` decide where the request goes: none if the body has a `model` of its own.
    """

    places: tuple[Place, ...]
    deciding: dict[str, str]
    others: dict[str, str]


class _Node:
    """A member on the way to a model's name. `field` is set if its value may be the name itself."""

    def __init__(self) -> None:
        self.field = ""
        self.members: dict[str, _Node] = {}

    def find(self, name: bytes) -> "_Node | None":
        try:
            plain = read_name(name) if b"\\" in name or not name.isascii() else name[1:-1].decode()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return self.members.get(plain) or self.members.get(plain.casefold()) or self.members.get("*")


def _tree(places: Iterable[str]) -> _Node:
    root = _Node()
    for place in places:
        node = root
        for name in place.split("."):
            node = node.members.setdefault(name, _Node())
        node.field = place
    return root


_ROOT = _tree((*_RANKS, *_OTHERS))


def find_named(body: bytes, *, has_model: bool, by_path: bool = False) -> Named | None:
    """Return the models that a valid JSON object names below its own members; None if there are none.

    `has_model` says that the body has a `model` of its own, `by_path` that the path names one. Raises
    INVALID_ARGUMENT if there are very many, or a name is not UTF-8.
    """
    if not may_name(body, has_model=has_model):
        return None
    places: list[Place] = []
    for _ in walk_named(body, places):
        pass
    return named_in(places, has_model=has_model, by_path=by_path)


def walk_named(body: bytes, places: list[Place]) -> Iterator[None]:
    """Find the places of models in a valid JSON object, with a pause after every `SIGNS` signs.

    Raises INVALID_ARGUMENT as `find_named` does.
    """
    check_signs(count_signs(body))
    for place in _places(body):
        if place is None:
            yield
            continue
        places.append(place)
        if len(places) > MAX_PLACES:
            return


def named_in(places: list[Place], *, has_model: bool, by_path: bool = False) -> Named | None:
    """Return what `find_named` does, of the places that a walk has found."""
    if not places:
        return None
    if len(places) > MAX_PLACES:
        raise invalid_argument(
            places[0].field, f"models are named more than {MAX_PLACES:,} times; send fewer at once"
        )
    found: dict[str, str] = {}
    for place in places:
        found.setdefault(place.name, place.field)
    if len(found) > MAX_MODELS:
        raise invalid_argument(places[0].field, f"more than {MAX_MODELS} models are named; name fewer")
    ranks = [
        len(_DECIDING) if has_model or by_path else _RANKS.get(place.field, len(_DECIDING))
        for place in places
    ]
    first = min(ranks)
    deciding: dict[str, str] = {}
    if first < len(_DECIDING):
        for place, rank in zip(places, ranks, strict=True):
            if rank == first:
                deciding.setdefault(place.name, place.field)
    others = {name: field for name, field in found.items() if name not in deciding}
    return Named(tuple(places), deciding, others)


def may_name(body: bytes, *, has_model: bool) -> bool:
    """Return whether a body may name models that `find_named` finds."""
    # Nearly every body names one model, and has nothing that could be another, in any spelling.
    if len(body) > _LONG:
        return _count_models(body) > has_model or any(
            may_name(part, has_model=True) for part in windows(body)
        )
    lowered = body.lower()
    if lowered.count(b'"model"') > has_model or b'"models"' in lowered or b'fallbacks"' in lowered:
        return True
    if b"\\u" in lowered and any(escape in lowered for escape in _ESCAPES):
        return True
    return not lowered.isascii() and any(letter in lowered for letter in _LETTERS)


def _count_models(body: bytes) -> int:
    found = 0
    for at in range(0, len(body), _LONG):
        found += body[at : at + _LONG + len(_MODEL) - 1].lower().count(_MODEL)
    return found


def _places(body: bytes) -> Iterator[Place | None]:
    # Each array counts as its items do. None is a pause.
    nodes: list[_Node | None] = []
    arrays: list[bool] = []
    coming: _Node | None = None  # what the next value is
    depth = 0  # within a value that leads nowhere
    for number, (sign, start, end) in enumerate(signs(body), 1):
        if number % SIGNS == 0:
            yield None
        if sign == NOTHING:
            continue
        if sign == QUOTE:
            if depth:
                continue
            if not arrays[-1] and COLON.match(body, end):
                node = nodes[-1]
                coming = node.find(body[start:end]) if node is not None else None
            elif coming is not None and coming.field and (arrays[-1] or coming.field not in _LISTED):
                yield Place(coming.field, _read(body[start:end], coming.field), start, end)
        elif sign in OPENING:
            if depth or (coming is None and nodes):
                depth += 1
                continue
            is_array = sign == BRACKET
            nodes.append(coming if nodes else _ROOT)
            arrays.append(is_array)
            coming = coming if is_array else None
        elif depth:
            depth -= 1
        else:
            nodes.pop()
            arrays.pop()
            if not nodes:
                return
            coming = nodes[-1] if arrays[-1] else None


def _read(name: bytes, field: str) -> str:
    try:
        return read_name(name)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid_argument(field, "is not UTF-8; send it as such") from error


def rename_places(body: bytes, named: Named, names: dict[str, str]) -> bytes:
    """Return the body with other names for some models, and not a byte changed besides."""
    if not names:
        return body
    pieces: list[bytes] = []
    at = 0
    for place in named.places:
        name = names.get(place.name)
        if name is not None:
            pieces += (body[at : place.start], msgspec.json.encode(name))
            at = place.end
    return b"".join((*pieces, body[at:]))
