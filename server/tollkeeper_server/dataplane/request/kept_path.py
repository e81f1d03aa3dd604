"""The kept things that a request's path and query are about.

The first id of a path must be the project's own. What stands below it (a message of a thread, a file of a
vector store) is reached through it, and must not be another project's. Neither must what a path of no known
family names.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

from tollkeeper_server.dataplane.request.endpoint import MODELS_GONE, Matched
from tollkeeper_server.dataplane.request.references import Reference, named_reference

# What the things are called that a family keeps, by the first segment of its paths.
_KINDS = {
    "assistants": "assistant",
    "batches": "batch",
    "cachedcontents": "cached content",
    "chat": "chat completion",
    "containers": "container",
    "conversations": "conversation",
    "evals": "eval",
    "filesearchstores": "file search store",
    "files": "file",
    "fine-tunes": "fine-tune",
    "fine_tuning": "fine-tuning job",
    "messages": "message batch",
    "realtime": "call",
    "responses": "response",
    "threads": "thread",
    "tunedmodels": "tuned model",
    "uploads": "upload",
    "vector_stores": "vector store",
    "videos": "video",
}
# The same of paths that the table of endpoints does not have: right below /v1 alone, for on listeners' own
# paths the words may mean anything.
_KINDS_BESIDE = {
    "agents": "agent",
    "batch": "batch",
    "environments": "environment",
    "libraries": "library",
    "memory_stores": "memory store",
    "sessions": "session",
    "skills": "skill",
    "vaults": "vault",
    "video": "video",
}
# Of these families, only what is below these words is kept. Cohere has models chat at `/v2/chat`.
_KEEPING_BELOW = {
    "chat": frozenset({"completions", "deferred-completion", "edits"}),
    "messages": frozenset({"batches"}),
}
# Words that stand before the first id, or where one could: in the APIs of OpenAI, Anthropic, Azure, Mistral,
# Together, vLLM and xAI.
_WORDS = frozenset(
    {
        "alpha", "automations", "batch", "batches", "calls", "characters", "checkpoints", "classifications",
        "client_secrets", "compact", "completions", "deferred-completion", "edits", "environments",
        "estimate-price", "extensions", "generations", "graders", "import", "input_tokens", "jobs", "models",
        "moderations", "render", "run", "runs", "search", "sessions", "transcription_sessions",
        "translations", "upload", "validate",
    }
)  # fmt: skip
# Words that stand behind an id.
_WORDS_BELOW = _WORDS | frozenset(
    {
        "cancel", "complete", "content", "events", "file_batches", "files", "input_items", "items",
        "messages", "output_items", "parts", "pause", "permissions", "remix", "results", "resume", "steps",
        "submit_tool_outputs",
    }
)  # fmt: skip
# A word, or a version, and no id.
_PLAIN = re.compile(r"[a-z_-]+|v\d[a-z0-9]*")
_GOOGLES = re.compile(r"(?:/[^/]+)*?/v\d+(?:alpha|beta)\d*/(?!openai/)", re.IGNORECASE)
# An id has at most so many segments before and behind one, in a path of so many.
_MAX_JOINED = 3
_MANY_SEGMENTS = 20
# As often as a server might decode a path.
_MAX_DECODED = 3
# Some servers take a semicolon for an ampersand.
_SEPARATOR = re.compile("[&;]")


def segments_of(matched: Matched) -> list[str]:
    """Return the segments of a path from the family on that keeps things; none if none does."""
    return next(_readings(matched))


def before_family(matched: Matched) -> str:
    """Return what stands in a path before the family that keeps things, as it was written."""
    written = [segment for segment in matched.path.split("/") if segment]
    before = written[: len(written) - len(segments_of(matched))]
    return "".join(f"/{segment}" for segment in before) if len(before) < len(written) else ""


def words_of(matched: Matched) -> Iterator[list[str]]:
    """Yield the segments of a path from its family on, or all of it, in each way that servers read it.

    Parameters are left out, and all but ids are in small letters.
    """
    written = [segment for segment in unquote(matched.path).split("/") if segment]
    for segments in (*_readings(matched), written):
        words = [_word(segment) for segment in segments]
        things = {reference.id for reference in _named(segments)} if segments is not written else ()
        yield [one if one in things else word for one, word in zip(segments, words, strict=True)]


def path_references(matched: Matched) -> Iterator[Reference]:
    """Yield the things that a path names, the first one first.

    A slash that is percent-encoded is one for some servers, and part of an id for others: both count. An id
    that has slashes (`files/abc`, as Google's) may stand there as it is, or behind its collection's name.
    """
    if matched.endpoint is MODELS_GONE:
        # Fine-tuned ones, which answers have told; a name may have slashes.
        yield Reference(unquote(matched.path).strip("/").partition("/")[2], "model", "path")
        return
    whole: tuple[str, ...] = ()
    for segments in _readings(matched):
        things = [*_named(segments, whole)]
        yield from things
        whole = whole or tuple(it.id for it in things[:1])


def _readings(matched: Matched) -> Iterator[list[str]]:
    """Yield the segments of a path from the family on that keeps things, in each way that servers read it."""
    path, versioned = matched.path, matched.path != matched.path_as_it_came
    yield _from_family([unquote(segment) for segment in path.split("/") if segment], versioned=versioned)
    for _ in range(_MAX_DECODED if "%" in path else 0):
        path = unquote(path)
        yield _from_family([segment for segment in path.split("/") if segment], versioned=versioned)


def _named(segments: list[str], whole: tuple[str, ...] = ()) -> Iterator[Reference]:
    """Yield what segments name. `whole` is the first thing as a server takes it that decodes nothing."""
    if not segments:
        return
    kind = _family(segments, 0) or _KINDS_BESIDE[_word(segments[0])]
    first = True
    for at, segment in enumerate(segments):
        if at and _word(segment) not in (_WORDS if first else _WORDS_BELOW):
            also = (*_further_ids(segments, at), *(whole if first else ()))
            yield Reference(segment, kind if first else "object", "path", must_be_own=first, also=also)
            first = False


def _further_ids(segments: list[str], at: int) -> Iterator[str]:
    """Yield further ids that a segment may be, or be part of: with slashes, or without what is done to it."""
    reach = _MAX_JOINED if len(segments) <= _MANY_SEGMENTS else 0
    for start in range(max(at - reach, 0), at + 1):
        for end in range(at + 1, min(at + 1 + reach, len(segments)) + 1):
            one = "/".join(segments[start:end])
            if end - start > 1:
                yield one
            # A parameter, or a method of Google's: `files/abc:download`.
            for mark in ";:":
                before = one.rpartition(mark)[0]
                if before.rpartition("/")[2]:
                    yield before


def _from_family(segments: list[str], *, versioned: bool) -> list[str]:
    if versioned and segments and _word(segments[0]) in _KINDS_BESIDE:
        return segments
    for at in range(len(segments)):
        if _family(segments, at) or (_word(segments[at]) in _KINDS_BESIDE and _is_version(segments, at - 1)):
            return segments[at:]
    return []


def unknown_path_references(matched: Matched) -> Iterator[Reference]:
    """Yield what may be an id in a path of no family that keeps things: it must not be another project's."""
    path = matched.path
    for _ in range(1 + (_MAX_DECODED if "%" in path else 0)):
        yield from _unknown([unquote(segment) for segment in path.split("/") if segment])
        path = unquote(path)
    yield from _unknown([segment for segment in path.split("/") if segment])


def _unknown(segments: list[str]) -> Iterator[Reference]:
    for at, segment in enumerate(segments):
        if not is_plain(segment.partition(";")[0]):
            for one in (segment, *_further_ids(segments, at)):
                yield Reference(one, "object", "path", must_be_own=False)


def is_plain(segment: str) -> bool:
    """Return whether a segment is a word or a version, which no upstream gives to a thing as its id."""
    return _PLAIN.fullmatch(segment) is not None


def query_references(query: bytes) -> Iterator[Reference]:
    """Yield what may be an id in a query, whatever its parameter: it must not be another project's.

    A list's position may be a word of the upstream's own. A parameter may have several ids.
    """
    for pair in _SEPARATOR.split(query.decode("latin-1")):
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        value = unquote_plus(value)
        for one in {value, *value.split(",")}:
            if one and not one.isdecimal() and not is_plain(one):
                found = named_reference(name.partition("[")[0], one)
                yield Reference(one, found.kind if found is not None else "object", name, must_be_own=False)
                if "/" in one:
                    yield Reference(_end_of(one), "object", name, must_be_own=False)


def _end_of(resource: str) -> str:
    """Return the last two segments of a resource's name or URL."""
    return "/".join(resource.partition("?")[0].rstrip("/").split("/")[-2:])


def is_below_kept(matched: Matched) -> bool:
    """Return whether a path leads to something, not to a list of the things that a family keeps."""
    return next(path_references(matched), None) is not None


def is_list(matched: Matched) -> bool:
    """Return whether a path leads to the list of the things that a family keeps, for any server."""
    return any(segments and next(_named(segments), None) is None for segments in _readings(matched))


def is_googles(matched: Matched) -> bool:
    """Return whether a path is of Google's API in its own form, where what is not known is refused."""
    return _GOOGLES.match(matched.path_as_it_came) is not None


def _family(segments: list[str], at: int) -> str:
    segment = _word(segments[at])
    below = _KEEPING_BELOW.get(segment)
    if below is not None and (at + 1 == len(segments) or _word(segments[at + 1]) not in below):
        return ""
    return _KINDS.get(segment, "")


def _is_version(segments: list[str], at: int) -> bool:
    return at >= 0 and _word(segments[at]) == "v1"


def _word(segment: str) -> str:
    return segment.partition(";")[0].lower()
