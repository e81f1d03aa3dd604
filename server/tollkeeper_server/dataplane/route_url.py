"""The models that a request's URL names, which some upstreams heed before the body's.

| where | who reads it there |
|---|---|
| the query's `model` | LiteLLM's proxy, OpenAI's realtime calls |
| the query's `deployment` | Azure's realtime API |
| `/engines/…`, `/deployments/…` | LiteLLM's proxy, OpenAI's first API |
| `/models/…`, `/model/…` | Gemini's API, Hugging Face's, Bedrock's |

Only the deployment in Azure's own paths decides where a request goes (`providers/azure.py`). A token's
`allowed_models` holds for the others, too.
"""

from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.endpoint import Matched, without_endpoint
from tollkeeper_server.dataplane.route import may_use, not_allowed, served_name
from tollkeeper_server.domain.token import Token

_IN_QUERY = frozenset({"model", "deployment"})
_IN_PATH = frozenset({"engines", "deployments", "models", "model"})
_RUNNING_NONE = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


def check_url(exchange: Exchange, matched: Matched, token: Token) -> None:
    """Raise MODEL_NOT_ALLOWED if the URL names a model that a limited token may not use."""
    if exchange.method in _RUNNING_NONE:
        return
    path = f"/deployments/{matched.path_model}{matched.path}" if matched.path_model else matched.path
    named = [("path", name) for name in _in_path(path)]
    query: bytes = exchange.scope["query_string"]
    if query:
        named += [("query", name) for name in _in_query(query.decode("latin-1"))]
    for field, name in named:
        if not may_use(token, name, served_name(exchange.snapshot, name)):
            raise not_allowed(name, field)


def _in_query(query: str) -> Iterator[str]:
    for pair in query.replace(";", "&").split("&"):
        key, _, value = pair.partition("=")
        if value and unquote_plus(key).lower() in _IN_QUERY:
            yield unquote_plus(value)


def _in_path(path: str) -> Iterator[str]:
    segments = [segment for segment in unquote(path).split("/") if segment]
    for at, segment in enumerate(segments):
        if segment.partition(";")[0].lower() in _IN_PATH and at + 1 < len(segments):
            yield without_endpoint("/".join(segments[at + 1 :]))  # the name may have slashes
