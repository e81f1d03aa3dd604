"""Requests that run models which they need not name: those of a kept thing that they are about.

| request | runs the models of |
|---|---|
| `POST /batches`, `/batch/jobs` | the lines of its input files, whatever its body names |
| `POST /agents/completions`, `/conversations`, `/sessions` with an agent | that, whatever its body names |
| `POST /conversations/…` with inputs, as Mistral has it | the conversation |
| `POST /threads/runs`, `/threads/…/runs` without a model | its assistant |
| `POST /evals/…/runs` | the eval's graders, beside those that it names |
| `POST /videos/…/remix`, `/videos/edits`, `/videos/extensions` | the video, whatever its body names |
| `POST /fine_tuning/jobs/…/resume` | the job |

The gateway reads the thing before it sends such a request.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

import msgspec
from msgspec import Struct

from tollkeeper_server.dataplane.request.endpoint import Matched
from tollkeeper_server.dataplane.request.kept_path import words_of
from tollkeeper_server.dataplane.request.named import find_named
from tollkeeper_server.dataplane.request.peek import Peek, peek_json
from tollkeeper_server.dataplane.signs import COLON, QUOTE, check_signs, signs
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.providers.members import iterate_members, read_name

RUNNING_BY_THINGS = frozenset(
    {"batches", "conversations", "evals", "fine_tuning", "other", "threads", "videos"}
)
"""The names of the endpoints that have such requests."""
# What a batch is made of; whatever else a server takes may name another input.
_OF_BATCHES = frozenset(
    {"completion_window", "endpoint", "input_file_id", "metadata", "model", "output_expires_after"}
)

_OF_JOBS = frozenset({"endpoint", "input_files", "metadata", "model", "timeout_hours"})
_SEVERAL = "input_files"
# What OpenAI's conversations are made or changed of, which runs no model.
_OF_CONVERSATIONS = frozenset({"include", "items", "metadata"})
_MAX_TYPE = 200  # bytes, with every letter escaped
ESCAPED = re.compile(rb"\\u00[4-7]")
"""Is found in JSON whose members may be spelt with escapes."""


class LookUp(Struct, frozen=True, gc=False):
    """A kept thing whose models a request runs.

    `paths` are where the things are, below `/v1`; `field` is where the request names them. `is_batch`: they
    are files with a request in each line; `is_all`: nothing else that the body says can be its input.
    `is_beside`: the request must name a model itself, and the thing, or the line, need not.
    """

    paths: tuple[str, ...]
    field: str
    is_batch: bool = False
    is_beside: bool = False
    is_all: bool = False


def find_look_up(matched: Matched, peek: Peek, body: bytes, *, limited: bool) -> LookUp | None:
    """Return the thing whose models a POST runs, None if it runs none but those that it names.

    Raises INVALID_ARGUMENT if a body names the thing more than once, for servers differ in which one counts;
    for a token that is `limited` to some models, MODEL_NOT_ALLOWED if the thing can't be told.
    """
    for segments in words_of(matched):
        found = _find(segments, peek, body, limited=limited)
        if found is not None:
            return found
    return None


def _find(segments: list[str], peek: Peek, body: bytes, *, limited: bool) -> LookUp | None:
    look_up = None
    match segments:
        case ["batches"]:
            is_all = peek.is_json and _members(body) <= _OF_BATCHES
            if not limited or is_all:
                look_up = _by_body(peek, body, "input_file_id", "/files/{}/content", is_batch=True)
                look_up = look_up and msgspec.structs.replace(look_up, is_all=is_all)
        case ["batch", "jobs"]:
            if not limited or (peek.is_json and peek.model and _members(body) <= _OF_JOBS):
                look_up = _by_body(peek, body, _SEVERAL, "/files/{}/content", is_batch=True)
                look_up = look_up and msgspec.structs.replace(look_up, is_beside=True)
        case ["agents", "completions"] | ["conversations"] if limited:
            if not _runs_agent(segments, peek, body, "agent_id"):
                return None
            look_up = _by_body(peek, body, "agent_id", "/agents/{}")
        case ["conversations", one, *_] if (
            limited and len(segments) < 4 and segments[-1] != "items" and _members(body) - _OF_CONVERSATIONS
        ):
            return LookUp((f"/conversations/{quote(one, safe='')}",), "path")
        case ["sessions"] if limited and _runs_agent(segments, peek, body, "agent"):
            look_up = _by_body(peek, body, "agent", "/agents/{}")
        case ["threads", "runs"] | ["threads", _, "runs"] if limited and peek.model is None:
            look_up = _by_body(peek, body, "assistant_id", "/assistants/{}")
        case ["evals", one, "runs"] if limited:
            return LookUp((f"/evals/{quote(one, safe='')}",), "path", is_beside=True)
        case ["videos", one, "remix"] if limited:
            return LookUp((f"/videos/{quote(one, safe='')}",), "path")
        case ["videos", "edits" | "extensions"] if limited:
            look_up = _by_body(peek, body, "video", "/videos/{}")
        case ["fine_tuning", "jobs", one, "resume"] if limited:
            return LookUp((f"/fine_tuning/jobs/{quote(one, safe='')}",), "path")
        case _:
            return None
    if look_up is None and limited:
        raise TollkeeperError(
            Reason.MODEL_NOT_ALLOWED,
            "the token is limited to some models, and the gateway can't tell which ones this request runs; "
            "use a token without allowed_models",
        )
    return look_up


def _runs_agent(segments: list[str], peek: Peek, body: bytes, field: str) -> bool:
    """Return whether a request may run an agent, which `field` names: nothing else does if it names none."""
    if segments == ["conversations"] and _members(body) <= _OF_CONVERSATIONS:
        return False
    return not peek.is_json or not (peek.model or peek.named) or bool(values_of(body, field))


def check_sources(matched: Matched, body: bytes) -> None:
    """Raise PERMISSION_DENIED if an eval's run reads what all projects keep, by a filter and not by ids."""
    if matched.endpoint.name != "evals" and all(words[:1] != ["evals"] for words in words_of(matched)):
        return
    stored = responses = 0
    for number, (sign, start, end) in enumerate(signs(body)):
        if number % 1000 == 0:
            check_signs(number)
        if sign == QUOTE and end - start < _MAX_TYPE and not COLON.match(body, end):
            value = _plain(body[start:end])
            stored += value == "stored_completions"
            responses += value == "responses"
    # `responses` is also the type of a source that is a file.
    if stored or responses > 1:
        raise TollkeeperError(
            Reason.PERMISSION_DENIED,
            "data_source: its source is whatever the account at the upstream keeps, of all projects; name a "
            "file, or have TOLLKEEPER_SHARE_KEPT set",
            field="data_source",
        )


def models_in(body: bytes) -> list[str]:
    """Return every model that a JSON object names, wherever any server may read it.

    Raises INVALID_JSON, or INVALID_ARGUMENT naming the member.
    """
    peek = peek_json(body)
    models = [] if peek.model is None else [peek.model]
    if body.lower().count(b'"model"') > 1 or ESCAPED.search(body):
        models += _own_models(body)
    named = find_named(body, has_model=peek.model is not None)
    if named is not None:
        models += [place.name for place in named.places]
    return [*dict.fromkeys(models)]


def values_of(body: bytes, wanted: str) -> list[bytes]:
    """Return the values of a member of a JSON object: all that are given, in whatever case."""
    return [
        body[start:end] for name, _, start, end in iterate_members(body) if _plain(name).casefold() == wanted
    ]


def _members(body: bytes) -> set[str]:
    return {_plain(name) for name, _, _, _ in iterate_members(body)}


def _plain(name: bytes) -> str:
    try:
        return read_name(name)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return name.decode("latin-1")


def _own_models(body: bytes) -> Iterator[str]:
    for value in values_of(body, "model"):
        if value.startswith(b'"'):
            yield read_name(value)


def _by_body(peek: Peek, body: bytes, field: str, path: str, *, is_batch: bool = False) -> LookUp | None:
    if not peek.is_json:
        return None
    values = values_of(body, field)
    if len(values) > 1:
        raise invalid_argument(field, "is given more than once; give it once")
    value = msgspec.json.decode(values[0]) if values else None
    if isinstance(value, dict):
        value = value.get("id")
    things = value if isinstance(value, list) and field == _SEVERAL else [value]
    ids = [one for one in things if isinstance(one, str) and one]
    if not ids or len(ids) < len(things):
        return None
    return LookUp(tuple(path.format(quote(one, safe="")) for one in ids), field, is_batch=is_batch)
