"""The kept things that a request's body refers to, wherever in it.

| member | refers to |
|---|---|
| one of `_NAMES`, a text or a list of texts | a thing of that kind |
| `id` in an object that one of `_HOLDERS` names | a thing of that kind |
| `id` in an object of one of `_TYPES` | a thing of that kind |
| `id` in an input item that says nothing else | an item |
| one of `_RESOURCES`, a name or a URL of Google's, or several | what must not be another's |
| `voice`, a name or an object with an `id` | a voice, which must not be another's |
| any other `id`, and any other that ends as one of `_ENDINGS` | what must not be another project's |

The names are those of OpenAI's OpenAPI specification (github.com/openai/openai-openapi), of Anthropic's API
reference (docs.anthropic.com/en/api) and of Mistral's (docs.mistral.ai/api). What callers are free to put in
(`_FREE`) refers to nothing. The body is walked through once; all members count that an object has twice, or
that are spelt in another case.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from tollkeeper_server.dataplane.request.words import MANY, has_word
from tollkeeper_server.dataplane.signs import BRACKET, COLON, OPENING, QUOTE, check_signs, signs, windows
from tollkeeper_server.dataplane.turns import SIGNS
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.providers.members import read_name

MAX_REFERENCES = 10_000
"""The most things that one request may refer to: OpenAI takes 2,000 files for a batch of a vector store."""

_NAMES = {
    "previous_response_id": "response",
    "response_id": "response",
    "conversation": "conversation",
    "conversation_id": "conversation",
    "file_id": "file",
    "file_ids": "file",
    "input_file_id": "file",
    "input_files": "file",
    "training_file": "file",
    "training_files": "file",
    "validation_file": "file",
    "validation_files": "file",
    "vector_store_id": "vector store",
    "vector_store_ids": "vector store",
    "container": "container",
    "container_id": "container",
    "assistant_id": "assistant",
    "thread_id": "thread",
    "upload_id": "upload",
    "batch_id": "batch",
    "eval_id": "eval",
    "video_id": "video",
    "environment_id": "environment",
    "memory_store_id": "memory store",
    "vault_id": "vault",
    "vault_ids": "vault",
}
_HOLDERS = {
    "audio": "audio",  # of an answer that is continued
    "conversation": "conversation",
    "container": "container",
    "video": "video",
}
_RESOURCES = frozenset(
    {
        "cached_content", "cachedcontent", "file_name", "file_search_store_names", "file_uri", "filename",
        "filesearchstorenames", "fileuri",
    }
)  # fmt: skip
# The end of a resource's URL, or its name.
_RESOURCE = re.compile(r"(?:^|/)([A-Za-z]\w*/[^/\s?#]+)/?(?:[?#]|$)")
ITEM = "item"
"""The kind of the items of conversations. One that need not be own has an id of the caller's choice."""
_TYPES = {"item_reference": ITEM, "file_id": "file"}
_ITEMS = frozenset({"input", "items"})
_FREE = frozenset(
    {
        "arguments", "attributes", "headers", "input_examples", "input_schema", "item", "item_schema",
        "logit_bias", "metadata", "parameters", "sample", "schema",
    }
)  # fmt: skip
_VOICE = "voice"
# What providers call their own voices (`alloy`, `en-US-AvaNeural`), for which no store need be asked.
_COMMON_VOICE = re.compile(r"[^0-9]{1,19}")
NAMED_EVERYWHERE = frozenset({"skill_id", _VOICE, "voice_id"})
"""Members that refer to something also where nothing is kept, as the skills of Anthropic's messages do."""
# Anthropic's sessions name an agent; elsewhere the word may be anything.
_NAMING_SOME = frozenset({"agent", "file", "files", "id"})
_NAMING_OTHERS = _RESOURCES | {_VOICE}
_ENDINGS = ("_id", "_ids", "_file", "_files")
# These name nothing that is kept, and may be many. A dashboard has the templates of `prompt`.
_NO_REFERENCES = frozenset({"call_id", "custom_id", "tool_call_id", "tool_use_id", "user_id"})
_PROMPT = "prompt"
_MAX_ID = 1024
# Of what is longer, no step goes through all: it would hold up other threads.
_LONG = 512 * 1024

# What can be referred to where nothing is kept, in chats. Such bodies may be large, and come often.
# With the quote behind it, it is no text that quotes a body.
_IN_CHATS = b'file_id"'
_OF_AUDIO = b'"audio"'
_IN_MESSAGES = b'container"'
_ESCAPED = b"\\u00"
_BACKSLASH = ord("\\")  # to find a byte takes a tenth of the time of finding several
_WHERE_KEPT = (
    b'id"', b'ids"', b'file"', b'files"', b'"conversation"', b'"container"', b'"agent"',
    b'cachedcontent"', b'cached_content"', b'fileuri"', b'file_uri"', b'filename"', b'file_name"',
    b'storenames"', b'store_names"', b'"voice"',
)  # fmt: skip
# Headers that name something end so. Those of conversations and sessions are keys of caches, which callers
# choose themselves.
_HEADERS = tuple(
    f"{kind}{mark}id".encode()
    for kind in (
        "agent", "assistant", "batch", "container", "file", "response", "thread", "upload", "vector-store",
        "voice",
    )
    for mark in "-_"
)  # fmt: skip
# How letters of the names may be escaped: those of ASCII and the underscore, and one that is the same as `s`.
_ESCAPES = (b"\\u004", b"\\u005", b"\\u006", b"\\u007", b"\\u017f", b"\\u212a")
_LETTERS = ("\u017f".encode(), "\u212a".encode())


class Reference(Struct, frozen=True, gc=False):
    """The id of a kept thing, and the member that has it.

    `must_be_own`: the thing must be known to be the project's. Else it must not be another's. `also` are
    further ids under which it may be known, where it is not by its own.
    """

    id: str
    kind: str
    field: str
    must_be_own: bool = True
    also: tuple[str, ...] = ()


class _Frame:
    """An object or array that is open. `name` is the member that it is, or that its array is."""

    __slots__ = ("ids", "in_content", "is_array", "is_item", "kind", "name", "says_more")

    def __init__(self, name: str, *, is_array: bool, is_item: bool, in_content: bool) -> None:
        self.name = name
        self.is_array = is_array
        self.is_item = is_item
        self.in_content = in_content
        self.ids: list[str] = []
        self.kind = ""
        self.says_more = False


def chat_may_refer(body: bytes, *, is_anthropics: bool) -> bool:
    """Return whether a JSON body may refer to kept things at an endpoint that keeps nothing."""
    if len(body) <= MANY:  # the same as below
        if _IN_CHATS in body or (_IN_MESSAGES if is_anthropics else _OF_AUDIO) in body:
            return True
        return _BACKSLASH in body and _ESCAPED in body and _has_escapes(body)
    if len(body) > _LONG:
        return any(chat_may_refer(part, is_anthropics=is_anthropics) for part in windows(body))
    if has_word(body, _IN_CHATS) or has_word(body, _IN_MESSAGES if is_anthropics else _OF_AUDIO):
        return True
    return has_word(body, _ESCAPED) and _has_escapes(body)


def says_audio(body: bytes) -> bool:
    """Return whether a chat may be answered with audio, which has an id to continue it by."""
    if len(body) <= MANY:
        return _OF_AUDIO in body
    return any(has_word(part, _OF_AUDIO) for part in windows(body))


def _has_escapes(body: bytes) -> bool:
    lowered = body.lower()
    return any(escape in lowered for escape in _ESCAPES)


def may_refer(body: bytes) -> bool:
    """Return whether a JSON body may refer to kept things, in any spelling of members."""
    if len(body) > _LONG:
        return any(map(may_refer, windows(body)))
    lowered = body.lower()
    for sign in _WHERE_KEPT:
        if sign in lowered:
            return True
    if b"\\u" in lowered and any(escape in lowered for escape in _ESCAPES):
        return True
    return not lowered.isascii() and any(letter in lowered for letter in _LETTERS)


class Referred:
    """The references found so far, each id once.

    With `named_alone`, an `id` that may be anything counts only where it must be the project's own.
    """

    def __init__(self, *, named_alone: bool = False) -> None:
        self._named_alone = named_alone
        self._own: dict[str, Reference] = {}
        self._others: dict[str, Reference] = {}

    def add(self, references: Iterable[Reference]) -> None:
        """Add some. Raises INVALID_ARGUMENT beyond `MAX_REFERENCES`."""
        for reference in references:
            if self._named_alone and reference.field == "id" and not reference.must_be_own:
                continue
            found = self._own if reference.must_be_own else self._others
            found.setdefault(reference.id, reference)
            if len(self._own) + len(self._others) > MAX_REFERENCES:
                raise invalid_argument(
                    reference.field, f"more than {MAX_REFERENCES:,} ids are referred to; send fewer at once"
                )

    def all(self, *, own_alone: bool = False) -> list[Reference]:
        """Return them in their order, those first that must be own.

        With `own_alone`, there are no others but those by members of `NAMED_EVERYWHERE`.
        """
        others = [it for it in self._others.values() if it.id not in self._own]
        if own_alone:
            others = [it for it in others if it.field in NAMED_EVERYWHERE]
        return [*self._own.values(), *others]


def walk_references(body: bytes, found: Referred) -> Iterator[None]:
    """Add what a valid JSON body refers to, in steps of a millisecond.

    Raises INVALID_ARGUMENT if there is more than `MAX_REFERENCES`, or too much to be looked through.
    """
    frames: list[_Frame] = []
    name = ""  # of the member whose value comes next
    free = 0  # how deep it is within what callers are free to put in
    for number, (sign, start, end) in enumerate(signs(body)):
        if number % SIGNS == SIGNS - 1 or not sign:
            check_signs(number)
            yield
            if not sign:
                continue
        if sign == QUOTE:
            if free or not frames:
                continue
            frame = frames[-1]
            if not frame.is_array and COLON.match(body, end):
                name = _read(body[start:end]).casefold()
                frame.says_more = frame.says_more or name not in ("id", "type")
                continue
            of = frame.name if frame.is_array else name
            if of == "type":
                kind = _TYPES.get(_read(body[start:end]), "")
                frame.kind = frame.kind or kind
                frame.says_more = frame.says_more or not kind
            elif of == "id" and not frame.is_array:
                frame.ids.append(_read(body[start:end]))
                if len(frame.ids) > MAX_REFERENCES:
                    raise invalid_argument("id", "is given too often in an object; give it once")
            elif of in _NAMES or of in _NAMING_SOME or of in _NAMING_OTHERS or of.endswith(_ENDINGS):
                reference = named_reference(of, _read(body[start:end]))
                if reference is not None:
                    found.add([reference])
        elif sign in OPENING:
            if free:
                free += 1
                continue
            outer = frames[-1] if frames else None
            of = "" if outer is None else outer.name if outer.is_array else name
            if outer is not None and _is_free(outer, of):
                free = 1
                continue
            frames.append(
                _Frame(
                    of,
                    is_array=sign == BRACKET,
                    is_item=outer is not None and outer.is_array and len(frames) == 2 and of in _ITEMS,
                    in_content=outer is not None and outer.is_array and of == "content",
                )
            )
        elif free:
            free -= 1
        elif frames:
            found.add(_closed(frames.pop()))


def header_references(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Reference]:
    """Yield what headers name, by what they are called: it must not be another project's."""
    for name, value in headers:
        if name.endswith(_HEADERS) and (one := value.strip().decode("latin-1")):
            yield Reference(one, "object", name.decode("latin-1"), must_be_own=False)


def named_reference(name: str, value: str) -> Reference | None:
    """Return what a member or a form's field of that name refers to, None if it refers to nothing."""
    name = name.casefold()
    kind = _NAMES.get(name)
    if not value or name in _NO_REFERENCES:
        return None
    if name in _RESOURCES:
        resource = _RESOURCE.search(value)
        if resource is None:
            return None
        return Reference(resource[1], "object", name, must_be_own=False, also=(value,))
    if kind is not None:
        return Reference(value, kind, name)
    if name == _VOICE:
        common = _COMMON_VOICE.fullmatch(value)
        return None if common else Reference(value, _VOICE, name, must_be_own=False)
    if name in _NAMING_SOME or name.endswith(_ENDINGS):
        return Reference(value, "object", name, must_be_own=False)
    return None


def _is_free(outer: _Frame, name: str) -> bool:
    if outer.is_array:
        return False
    # What a model gave a tool stands beside the tool's name, in Anthropic's API.
    return name in _FREE or (name == "input" and outer.in_content)


def _closed(frame: _Frame) -> Iterator[Reference]:
    if not frame.ids or frame.name == _PROMPT:
        return
    kind = _HOLDERS.get(frame.name) or frame.kind
    if not kind and frame.is_item and not frame.says_more:
        kind = ITEM
    for one in frame.ids:
        if one and frame.name == _VOICE:
            yield Reference(one, _VOICE, _VOICE, must_be_own=False)
        elif one:
            shown = kind or (ITEM if frame.is_item else "object")
            yield Reference(one, shown, "id", must_be_own=bool(kind))


def _read(written: bytes) -> str:
    """Return a string of JSON. One that is longer than an id is cut, so that it is unknown."""
    try:
        if len(written) > _MAX_ID:
            return written[1:_MAX_ID].decode("utf-8", "replace")
        return written[1:-1].decode() if b"\\" not in written else read_name(written)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return written.decode("utf-8", "replace")
