"""The table of endpoints by method and path, and the reading of each provider's paths."""

from collections.abc import Mapping
from dataclasses import dataclass

from tollkeeper_server.simulator import (
    anthropic,
    audio,
    batches,
    chat,
    completions,
    embeddings,
    files,
    images,
    message_batches,
    models,
    moderations,
    responses,
    vector_stores,
)
from tollkeeper_server.simulator.call import Handler
from tollkeeper_server.simulator.reply import Dialect, RefusalError
from tollkeeper_server.simulator.request import Request

_ROUTES: Mapping[str, Mapping[str, Handler]] = {
    "chat/completions": {"POST": chat.complete},
    "completions": {"POST": completions.complete},
    "embeddings": {"POST": embeddings.embed},
    "responses": {"POST": responses.create},
    "responses/input_tokens": {"POST": responses.count_tokens},
    "responses/{}": {"GET": responses.retrieve, "DELETE": responses.delete},
    "responses/{}/cancel": {"POST": responses.cancel},
    "responses/{}/input_items": {"GET": responses.input_items},
    "images/generations": {"POST": images.generate},
    "images/edits": {"POST": images.edit},
    "images/variations": {"POST": images.vary},
    "audio/transcriptions": {"POST": audio.transcribe},
    "audio/translations": {"POST": audio.translate},
    "audio/speech": {"POST": audio.speak},
    "moderations": {"POST": moderations.moderate},
    "models": {"GET": models.list_all},
    "models/{}": {"GET": models.retrieve},
    "files": {"POST": files.create, "GET": files.list_all},
    "files/{}": {"GET": files.retrieve, "DELETE": files.delete},
    "files/{}/content": {"GET": files.content},
    "batches": {"POST": batches.create, "GET": batches.list_all},
    "batches/{}": {"GET": batches.retrieve},
    "batches/{}/cancel": {"POST": batches.cancel},
    "vector_stores": {"POST": vector_stores.create, "GET": vector_stores.list_all},
    "vector_stores/{}": {
        "GET": vector_stores.retrieve,
        "POST": vector_stores.update,
        "DELETE": vector_stores.delete,
    },
    "vector_stores/{}/files": {"POST": vector_stores.attach},
    "messages": {"POST": anthropic.create},
    "messages/count_tokens": {"POST": anthropic.count_tokens},
    "messages/batches": {"POST": message_batches.create, "GET": message_batches.list_all},
    "messages/batches/{}": {"GET": message_batches.retrieve, "DELETE": message_batches.delete},
    "messages/batches/{}/cancel": {"POST": message_batches.cancel},
    "messages/batches/{}/results": {"GET": message_batches.results},
}


@dataclass(frozen=True, slots=True)
class EndpointPath:
    """A request's path: the segments of the endpoint, and the provider and deployment from its prefix.

    `needs_api_version` is true for Azure's paths that require the query parameter `api-version`.
    """

    dialect: Dialect
    segments: tuple[str, ...]
    deployment: str = ""
    needs_api_version: bool = False


def parse_path(request: Request) -> EndpointPath:
    """Return the path in its parts; it may begin with `/v1`, with Azure's `/openai`, or with neither."""
    segments = tuple(request.path.strip("/").split("/"))
    match segments:
        case ("openai", "deployments", deployment, *rest):
            return EndpointPath(Dialect.AZURE, tuple(rest), deployment, needs_api_version=True)
        case ("openai", "v1", *rest):
            return EndpointPath(Dialect.AZURE, tuple(rest))
        case ("openai", *rest):
            return EndpointPath(Dialect.AZURE, tuple(rest), needs_api_version=True)
        case ("v1", *rest):
            segments = tuple(rest)
    is_anthropic = segments[:1] == ("messages",) or request.header(b"anthropic-version")
    return EndpointPath(Dialect.ANTHROPIC if is_anthropic else Dialect.OPENAI, segments)


def find(request: Request, path: EndpointPath) -> tuple[Handler, tuple[str, ...]]:
    """Return the endpoint's handler and the parameters of its path. Raises `RefusalError` 404 or 405."""
    if path.needs_api_version and not request.query("api-version"):
        raise RefusalError(404, "Resource not found")
    methods, params = _match(path.segments)
    if methods is None:
        if path.dialect is Dialect.AZURE:
            raise RefusalError(404, "Resource not found")
        raise RefusalError(404, f"Invalid URL ({request.method} {request.path})")
    handler = methods.get(request.method)
    if handler is None:
        raise RefusalError(
            405,
            f"Not allowed to {request.method} on {request.path}.",
            code="method_not_supported",
            headers=((b"allow", ", ".join(methods).encode()),),
        )
    return handler, params


def _match(segments: tuple[str, ...]) -> tuple[Mapping[str, Handler] | None, tuple[str, ...]]:
    methods = _ROUTES.get("/".join(segments))
    at = 2 if segments[:2] == ("messages", "batches") else 1
    if methods is not None or len(segments) <= at or not segments[at]:
        return methods, ()
    return _ROUTES.get("/".join((*segments[:at], "{}", *segments[at + 1 :]))), (segments[at],)
