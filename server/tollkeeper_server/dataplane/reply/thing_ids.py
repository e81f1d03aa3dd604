"""What names a thing that an upstream keeps, in the object that shows it.

| member | whose APIs |
|---|---|
| `id` | OpenAI's, Anthropic's, Mistral's, and most others |
| else one of `_OWN_IDS` | Cohere's, xAI's, ElevenLabs' |
| else `name`, if it is that of a resource (`files/abc`) | Google's |
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote_plus

import msgspec

from tollkeeper_server.dataplane.request.kept_path import is_plain

_OWN_IDS = (
    "batch_id", "job_id", "task_id", "collection_id", "dataset_id", "document_id", "file_id", "voice_id",
    "agent_id", "dubbing_id",
)  # fmt: skip
_OTHERS = frozenset({"id", *_OWN_IDS})
_MAX_ID = 512
# A collection and a name in it, and what is below that: `fileSearchStores/x/operations/y`.
_RESOURCE = re.compile(r"[A-Za-z]\w*/[^/\s?#]+(?:/[A-Za-z]\w*/[^/\s?#]+)*")
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode = msgspec.json.Decoder().decode


def is_resource(name: str) -> bool:
    """Return whether a text is the name of a resource of Google's."""
    return _RESOURCE.fullmatch(name) is not None


def id_of(members: Mapping[str, object]) -> str:
    """Return what names the thing that an object is, empty if nothing does."""
    one = members.get("id")
    if "id" in members:
        return one if _is_id(one) and isinstance(one, str) else ""
    for member in _OWN_IDS:
        one = members.get(member)
        if isinstance(one, str) and _is_id(one):
            return one
    name = members.get("name")
    return name if isinstance(name, str) and _is_id(name) and is_resource(name) else ""


def told_names(document: bytes) -> list[str]:
    """Return the names of Google's resources that an answer tells: of what was made, and of its output.

    Objects that have another id are of other APIs, where a name is the caller's own choice.
    """
    if b"/" not in document or (b'"name"' not in document and b'"responsesFile"' not in document):
        return []
    try:
        value = _decode(document)
    except _FAILURES:
        return []
    return [*dict.fromkeys(_names(value))] if isinstance(value, dict) else []


def made_beside(document: bytes, body: bytes, asked: bytes) -> list[str]:
    """Return what names the thing that an answer says was made, at a path that nobody has listed.

    Nothing counts that the request has: an upstream may repeat whatever it was sent in `body`, and in the
    path and query, which is `asked`.
    """
    try:
        told = _decode(document)
    except _FAILURES:
        return []
    if not isinstance(told, dict):
        return []
    one = id_of(told)
    names = [name for name in dict.fromkeys([one] if one else _names(told)) if not is_plain(name)]
    if not names:
        return []
    sent = _plain(body) + unquote_plus(asked.decode("latin-1")).casefold()
    return [name for name in names if name.casefold() not in sent]


def _plain(body: bytes) -> str:
    """Return what a body says, without what its writing may hide."""
    text = body.decode("utf-8", "replace")
    if b"\\" in body:
        with suppress(*_FAILURES):
            text += msgspec.json.encode(_decode(body)).decode()
    return (text + unquote_plus(text) if "%" in text or "+" in text else text).casefold()


def _names(told: dict[str, object]) -> Iterator[str]:
    if _OTHERS & told.keys():
        return
    holders = [told, told.get("file"), told.get("response"), told.get("metadata")]
    found = [it for it in holders if isinstance(it, dict) and not _OTHERS & it.keys()]
    found += [it["output"] for it in found if isinstance(it.get("output"), dict)]
    for holder in found:
        for member in ("name", "responsesFile", "tunedModel"):
            name = holder.get(member)
            if isinstance(name, str) and _is_id(name) and is_resource(name):
                yield name


def _is_id(one: object) -> bool:
    return isinstance(one, str) and 0 < len(one) <= _MAX_ID and one.isprintable()
