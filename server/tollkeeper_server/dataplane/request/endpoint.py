"""Which endpoint a path is: what it serves, how its body names the model, the dialect that it speaks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from msgspec import Struct

from tollkeeper_server.dataplane.request.path import as_upstreams_read, check_path
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.azure import as_openai
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.dialects import anthropic, openai


class Body(Enum):
    """How a request's body is handled."""

    JSON = "json"
    """A JSON object."""
    FORM = "form"
    """multipart/form-data; JSON is taken as well."""
    ANY = "any"
    """JSON or a form may name a model; anything else is forwarded unread."""
    STREAM = "stream"
    """Never names a model; forwarded as it arrives."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A kind of endpoint. `name` stands in usage events, logs and metrics."""

    name: str
    body: Body
    dialect: Dialect = openai.UNMETERED
    capability: Capability | None = None
    keeps: bool = False
    """Whether upstreams keep the things that are made there: later requests must reach the same one."""
    may_keep: bool = False
    """Whether a path may name a kept thing."""
    refers: bool = True
    """Whether a body may refer to kept things, as far as the API's specification says."""
    runs_models: bool = True
    """Whether a write that names no model may run one: a batch by its file, a run by its assistant."""
    needs_model: bool = False
    """Whether a POST must name its model: OpenAI and Anthropic demand it."""
    names_deeper: bool = False
    """Whether bodies may name models elsewhere than in their own member `model`."""
    methods: str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    """The methods that may be used, as the header `Allow` lists them."""
    is_own: bool = False
    """Whether the gateway answers there by itself, without a token."""
    is_anthropics: bool = False
    """Whether it is of Anthropic's API."""
    is_free: bool = False
    """Whether no provider bills a request there by itself: no model runs, and what is kept is not counted."""

    @property
    def is_speech(self) -> bool:
        """Whether a text is spoken there, in a voice that may be a project's own."""
        return self.capability is Capability.AUDIO_SPEECH


class Matched(Struct, frozen=True, gc=False):
    """A request's endpoint. `path` is the rest after `/v1`, with its slash, as the caller wrote it.

    `path_as_it_came` is all of it. `path_model` is the model where the path names it, as Azure's clients do.
    `is_azures`: the path is of their form, so that the query may hold Azure's version.
    """

    endpoint: Endpoint
    path: str
    path_as_it_came: str
    path_model: str = ""
    is_azures: bool = False


_C = Capability
_KEEPING = frozenset(
    {
        "assistants", "batches", "containers", "conversations", "evals", "files", "fine_tunes", "fine_tuning",
        "messages_batches", "responses", "threads", "uploads", "vector_stores", "videos",
    }
)  # fmt: skip
_MAY_KEEP = frozenset({"audio", "chat", "other", "realtime"})
_FREE = frozenset({"conversations", "files", "uploads"})
_RUNNING_NO_MODELS = frozenset({"containers", "conversations", "files", "uploads", "vector_stores"})
_NAMING_DEEPER = frozenset({"evals", "fine_tuning", "messages_batches", "other", "realtime"})


# Their answers are made of tokens; those of batches say what the batch used, which is no use of the call.
_TEXT = frozenset({"chat", "edits", "messages", "realtime", "responses", "threads"})
_WITHOUT_USAGE = frozenset({"batches", "messages_batches", "models"})
_ANTHROPICS = frozenset({"messages", "messages_batches"})


def _family(name: str, body: Body = Body.ANY) -> Endpoint:
    if name in _ANTHROPICS:
        dialect = anthropic.OTHER_TEXT if name not in _WITHOUT_USAGE else anthropic.UNMETERED
    elif body is Body.STREAM or name in _WITHOUT_USAGE:
        dialect = openai.UNMETERED
    else:
        dialect = openai.OTHER_TEXT if name in _TEXT else openai.OTHER
    return Endpoint(
        name,
        body,
        dialect,
        capability=_C.MESSAGES if name in _ANTHROPICS else None,
        is_anthropics=name in _ANTHROPICS,
        keeps=name in _KEEPING,
        may_keep=name in _KEEPING | _MAY_KEEP,
        runs_models=name not in _RUNNING_NO_MODELS,
        names_deeper=name in _NAMING_DEEPER,
        is_free=name in _FREE,
    )


UNKNOWN = Endpoint("", Body.ANY)
"""The endpoint of a request whose path was not looked at yet, or leads nowhere."""
MODELS = Endpoint("models", Body.ANY)
MODELS_GONE = replace(MODELS, may_keep=True)
"""The endpoint that deletes a model, which a fine-tuning job has made."""
LIMITS = Endpoint("limits", Body.ANY, methods="GET, HEAD, OPTIONS", refers=False)
"""How the limits of a caller stand, as the gateway itself says."""
HEALTH = Endpoint("health", Body.ANY, methods="GET, HEAD, OPTIONS", is_own=True)
WELCOME = Endpoint("welcome", Body.ANY, methods="GET, HEAD, OPTIONS", is_own=True)
# Who needs a model and who does not is as in OpenAI's and Anthropic's specifications.
CHAT = Endpoint("chat_completions", Body.JSON, openai.CHAT, _C.CHAT_COMPLETIONS, needs_model=True)
_COMPLETIONS = Endpoint(
    "completions", Body.JSON, openai.COMPLETIONS, _C.COMPLETIONS, needs_model=True, refers=False
)
_EMBEDDINGS = Endpoint(
    "embeddings", Body.JSON, openai.EMBEDDINGS, _C.EMBEDDINGS, needs_model=True, refers=False
)
RESPONSES = Endpoint("responses", Body.JSON, openai.RESPONSES, _C.RESPONSES, keeps=True, may_keep=True)
RESPONSES_END = replace(RESPONSES, dialect=openai.RESPONSES_END)
_IMAGES = Endpoint("images_generations", Body.JSON, openai.IMAGES, _C.IMAGES_GENERATIONS, refers=False)
_IMAGES_EDITS = Endpoint("images_edits", Body.FORM, openai.IMAGES, _C.IMAGES_EDITS)
_IMAGES_VARIATIONS = Endpoint("images_variations", Body.FORM, openai.IMAGES, _C.IMAGES_EDITS)
_TRANSCRIPTIONS = Endpoint(
    "audio_transcriptions", Body.FORM, openai.TRANSCRIPTION, _C.AUDIO_TRANSCRIPTIONS, needs_model=True
)
_TRANSLATIONS = Endpoint(
    "audio_translations", Body.FORM, openai.TRANSCRIPTION, _C.AUDIO_TRANSCRIPTIONS, needs_model=True
)
_SPEECH = Endpoint("audio_speech", Body.JSON, openai.SPEECH, _C.AUDIO_SPEECH, needs_model=True)
_MODERATIONS = Endpoint("moderations", Body.ANY, openai.OTHER, _C.MODERATIONS, refers=False)
MESSAGES = Endpoint(
    "messages", Body.JSON, anthropic.MESSAGES, _C.MESSAGES, needs_model=True, is_anthropics=True
)
# It may do what endpoints may that are not known.
_OCR = replace(_family("other"), name="ocr", dialect=openai.OCR)
_COUNT_TOKENS = Endpoint(
    "messages_count_tokens",
    Body.JSON,
    anthropic.UNMETERED,
    _C.MESSAGES,
    needs_model=True,
    is_anthropics=True,
    is_free=True,
)

_EXACT: dict[str, Endpoint] = {
    "/chat/completions": CHAT,
    "/completions": _COMPLETIONS,
    "/embeddings": _EMBEDDINGS,
    "/responses": RESPONSES,
    "/responses/input_tokens": replace(_family("responses"), is_free=True),
    "/images/generations": _IMAGES,
    "/images/edits": _IMAGES_EDITS,
    "/images/variations": _IMAGES_VARIATIONS,
    "/audio/transcriptions": _TRANSCRIPTIONS,
    "/audio/translations": _TRANSLATIONS,
    "/audio/speech": _SPEECH,
    "/moderations": _MODERATIONS,
    "/ocr": _OCR,
    "/messages": MESSAGES,
    "/messages/count_tokens": _COUNT_TOKENS,
}

# Further endpoints that are known without /v1 before them, by their first segments. The body of uploads is
# not looked into: it may be large, and never names a model.
_FAMILIES: dict[str, Endpoint] = {
    "models": MODELS,
    "tollkeeper/limits": LIMITS,
    "messages/batches": _family("messages_batches"),
    "files": _family("files", Body.STREAM),
    "uploads": _family("uploads", Body.STREAM),
    **{
        name.replace("-", "_"): _family(name.replace("-", "_"))
        for name in (
            "assistants",
            "audio",
            "batches",
            "chat",
            "containers",
            "conversations",
            "edits",
            "evals",
            "fine-tunes",
            "fine_tuning",
            "images",
            "messages",
            "realtime",
            "responses",
            "threads",
            "vector_stores",
            "videos",
        )
    },
}
_FAMILIES["fine-tunes"] = _FAMILIES["fine_tunes"]
REALTIME = _FAMILIES["realtime"]
_UPLOADS = _FAMILIES["uploads"]
# What completes an upload names its parts.
_COMPLETE = replace(_UPLOADS, body=Body.ANY)
_OTHER = _family("other")
# OpenAI's and Anthropic's users, keys, costs and logs, which the upstream's own key may open.
_ADMINISTRATION = frozenset({"organization", "organizations"})
# The whole server is what OPTIONS asks about by an asterisk (RFC 9110, 9.3.7).
_ASTERISK = b"*"
OWN = {b"/": WELCOME, b"/health": HEALTH}
"""The gateway's own pages on a data listener."""
OWN_BESIDE_GROUP = {b"/health": HEALTH}
"""Those on a listener that sends whatever else is asked to a group."""
NONE_OWN: Mapping[bytes, Endpoint] = {}


def _again(endpoint: Endpoint) -> Endpoint:
    if endpoint.name == "responses":
        return replace(endpoint, dialect=openai.RESPONSES_AGAIN)
    return replace(endpoint, dialect=endpoint.dialect.unmetered())


# An answer that is read again, changed or deleted was metered when it was made.
_AGAIN = {
    endpoint: _again(endpoint)
    for endpoint in (*_EXACT.values(), *_FAMILIES.values(), _OTHER)
    if endpoint.dialect.is_metered
}
_CHANGED = {
    endpoint: replace(
        _AGAIN.get(endpoint, endpoint), runs_models=endpoint is _OTHER, is_free=endpoint is not _OTHER
    )
    for endpoint in (*_EXACT.values(), *_FAMILIES.values(), _OTHER)
}
# What is posted to something that was made before, and is answered with it: no model runs for it, as far as
# the endpoint is known.
_CHANGE = re.compile(r"/(?:chat/completions/.+|threads/[^/]+/runs/[^/]+|.+/cancel)")

# Nearly every request is one of these.
_POSTED = {
    f"/v1{path}".encode("ascii"): Matched(endpoint, path, f"/v1{path}") for path, endpoint in _EXACT.items()
}


def match(
    raw_path: bytes, method: str, *, anywhere: bool = False, own: Mapping[bytes, Endpoint] = OWN
) -> Matched:
    """Return which endpoint a path is, with or without `/v1`, in Azure's form, or a page of our `own`.

    Raises NOT_FOUND for a path that is none, unless paths may lead `anywhere`; INVALID_ARGUMENT for one that
    no upstream should see: dot segments, characters that a path can't have, over 4,096 bytes. Raises
    PERMISSION_DENIED for the administration of an account at a provider, unless a rule leads there: `own` is
    NONE_OWN then.
    """
    if method == "POST" and raw_path in _POSTED:
        return _POSTED[raw_path]
    if raw_path in own:
        page = raw_path.decode("ascii")
        return Matched(own[raw_path], page, page)
    if raw_path == _ASTERISK and method == "OPTIONS":
        return Matched(UNKNOWN, "*", "*")
    path = came = raw_path.decode("latin-1")
    check_path(raw_path)
    azures = as_openai(path)
    path, path_model = azures or (path, "")
    versioned = path.startswith("/v1/")
    if versioned:
        path = path[3:]
    plain = as_upstreams_read(path)
    first, second = (*plain.split("/", 3), "")[1:3]
    endpoint = _EXACT.get(plain) or _FAMILIES.get(f"{first}/{second}") or _FAMILIES.get(first)
    # A second /v1 would reach past the endpoints, and their metering, where a base URL has none.
    if endpoint is None and not anywhere and (not versioned or first == "v1"):
        raise TollkeeperError(
            Reason.NOT_FOUND,
            "there is nothing at this path; the API is under /v1, such as /v1/chat/completions",
            field="path",
        )
    if first in _ADMINISTRATION and own is not NONE_OWN:
        raise TollkeeperError(
            Reason.PERMISSION_DENIED,
            "the path administers the account at the provider, which tokens of the gateway do not; ask the "
            "provider itself, or have an administrator add a rule for the path to a listener",
            field="path",
        )
    endpoint = endpoint or _OTHER
    if endpoint is MODELS and method == "DELETE":
        endpoint = MODELS_GONE
    if method != "POST":
        endpoint = _AGAIN.get(endpoint, endpoint)
    elif _CHANGE.fullmatch(plain):
        endpoint = _CHANGED[endpoint]
    elif endpoint is _UPLOADS and plain.endswith("/complete"):
        endpoint = _COMPLETE
    return Matched(endpoint, path, came, path_model, azures is not None)


def without_endpoint(path: str) -> str:
    """Return what stands before the endpoint at the end of a path; the path itself if there is none."""
    lowered = path.lower()
    end = max((len(exact) for exact in _EXACT if lowered.endswith(exact)), default=0)
    return path[: len(path) - end]
