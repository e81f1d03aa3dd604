"""Which upstream a request goes to, and what it looks like there."""

from collections.abc import AsyncIterator
from urllib.parse import quote, unquote

from tollkeeper_server.dataplane.balance import Turns
from tollkeeper_server.dataplane.endpoint import Body, Meter
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.form import rename_model
from tollkeeper_server.dataplane.headers import request_headers
from tollkeeper_server.dataplane.peek import Peek, check_model
from tollkeeper_server.dataplane.rewrite import rewrite_json
from tollkeeper_server.dataplane.transport import Outgoing
from tollkeeper_server.domain.model import matches
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.compile import bearer
from tollkeeper_server.snapshot.model import Leg, Pool, Route

# Where Azure has the deployment in the path; elsewhere it stands in the body, as with OpenAI.
_BY_DEPLOYMENT = {
    "chat_completions",
    "completions",
    "embeddings",
    "images_generations",
    "images_edits",
    "audio_transcriptions",
    "audio_translations",
    "audio_speech",
}
# Where a write that names no model runs none. Elsewhere one may: a batch by its file, a run by its
# assistant, an endpoint that is not known here by its body.
_RUNS_NO_MODEL = {"containers", "conversations", "files", "responses", "uploads", "vector_stores"}
_SAYS_USAGE_IF_ASKED = {Meter.CHAT, Meter.COMPLETIONS}


def choose(exchange: Exchange, peek: Peek, turns: Turns) -> Leg:
    """Returns the deployment that serves the request, and notes model and upstream on it.

    Raises INVALID_ARGUMENT, MODEL_REQUIRED, MODEL_NOT_FOUND, MODEL_NOT_ALLOWED,
    ENDPOINT_NOT_SUPPORTED, NOT_FOUND or NO_UPSTREAM.
    """
    assert exchange.matched is not None
    name = peek.model if peek.model is not None else check_model(exchange.matched.path_model or None)
    if not name:
        leg = turns.next(_default(exchange))
    else:
        exchange.model_asked = name
        route = _permitted(exchange, name)
        exchange.model_served = name if route.is_pattern else route.name
        exchange.route_name = route.name
        if not route.pool.legs:
            raise TollkeeperError(
                Reason.NO_UPSTREAM,
                f"the model {name!r} has no active deployment; have an administrator add or activate one",
                field="model",
                retry_after=30,
            )
        leg = turns.next(route.pool)
    exchange.upstream = leg.target.name
    return leg


def _permitted(exchange: Exchange, name: str) -> Route:
    assert exchange.matched is not None
    assert exchange.token is not None
    route = exchange.snapshot.resolve(name)
    if route is None:
        raise unknown_model(name)
    served = name if route.is_pattern else route.name
    allowed = exchange.token.allowed_models
    if allowed and not any(matches(pattern, n) for pattern in allowed for n in (name, served)):
        raise TollkeeperError(
            Reason.MODEL_NOT_ALLOWED,
            f"the token may not use the model {name!r}; GET /v1/models lists those it may",
            field="model",
        )
    capability = exchange.matched.endpoint.capability
    if capability is not None and route.capabilities and capability not in route.capabilities:
        raise TollkeeperError(
            Reason.ENDPOINT_NOT_SUPPORTED,
            f"the model {name!r} does not serve {capability}; "
            f"it serves {', '.join(sorted(route.capabilities))}",
            field="model",
        )
    return route


def unknown_model(name: str) -> TollkeeperError:
    """Returns the error for a name that no model has."""
    return TollkeeperError(
        Reason.MODEL_NOT_FOUND,
        f"the model {name!r} does not exist here; GET /v1/models lists those that do",
        field="model",
    )


def _default(exchange: Exchange) -> Pool:
    assert exchange.matched is not None
    assert exchange.token is not None
    if exchange.matched.endpoint.body in {Body.JSON, Body.FORM} and exchange.method == "POST":
        raise TollkeeperError(Reason.MODEL_REQUIRED, "the request names no model; set `model`", field="model")
    writes = exchange.method not in {"GET", "HEAD", "OPTIONS", "DELETE"}
    if exchange.token.allowed_models and writes and exchange.matched.endpoint.name not in _RUNS_NO_MODEL:
        raise TollkeeperError(
            Reason.MODEL_NOT_ALLOWED,
            "the token is limited to some models, and this request may run one without naming it; "
            "use a token without allowed_models",
            field="model",
        )
    if exchange.snapshot.default is None:
        raise TollkeeperError(
            Reason.NOT_FOUND,
            "the request names no model, and no upstream is the default for such requests; "
            "name a model, or have an administrator set is_default on an upstream",
            field="path",
        )
    return exchange.snapshot.default


def asks_usage(peek: Peek, leg: Leg, meter: Meter) -> bool:
    """Tells whether the upstream must be asked for the usage of a stream, since the caller did not."""
    return (
        meter in _SAYS_USAGE_IF_ASKED
        and peek.streamed
        and peek.is_json
        and not peek.wants_usage
        and leg.target.provider is not Provider.ANTHROPIC
    )


def outgoing_body(exchange: Exchange, peek: Peek, leg: Leg, body: bytes, *, ask_usage: bool) -> bytes:
    """Returns the body for the upstream: the caller's own bytes unless a rule demands a change."""
    assert exchange.matched is not None
    assert exchange.token is not None
    rename = leg.upstream_model if leg.upstream_model and leg.upstream_model != peek.model else None
    if peek.form is not None:
        return rename_model(body, peek.form, rename) if rename and peek.form.places else body
    if not peek.is_json:
        return body
    if peek.model is None:
        # Azure's clients name the model in the path alone; others look for it in the body.
        named_by_path = exchange.matched.path_model if leg.target.provider is not Provider.AZURE else ""
        rename = (leg.upstream_model or named_by_path) if named_by_path else None
    elif rename is None and exchange.token.allowed_models:
        # A member given twice may be read otherwise upstream than here: what was permitted is
        # what is sent.
        rename = peek.model
    if rename is None and not ask_usage:
        return body
    return rewrite_json(body, model=rename, ask_usage=ask_usage)


def outgoing(
    exchange: Exchange,
    leg: Leg,
    body: bytes | AsyncIterator[bytes],
    *,
    plain: bool,
    length: int | None = None,
) -> Outgoing:
    """Returns the request for the upstream; `length` is that of a body that streams, if it is known."""
    assert exchange.project is not None
    target = leg.target
    headers = request_headers(exchange, target, plain=plain)
    # A project's own key is OpenAI's: another provider must not get to see it.
    own_key = exchange.project.api_key if target.provider is Provider.OPENAI else None
    headers.extend(bearer(own_key) if own_key else target.credential)
    return Outgoing(
        method=exchange.method,
        url=outgoing_url(exchange, leg),
        headers=headers,
        body=body,
        timeouts=target.timeouts,
        length=length,
    )


def outgoing_url(exchange: Exchange, leg: Leg) -> str:
    """Returns where the upstream wants the request."""
    assert exchange.matched is not None
    target = leg.target
    query = exchange.scope["query_string"].decode("latin-1")
    if target.provider is Provider.AZURE or exchange.matched.path_model:
        query = _without_api_version(query)
    if target.full_url:
        mark = "&" if "?" in target.full_url else "?"
        return f"{target.full_url}{mark}{query}" if query else target.full_url
    path = exchange.matched.path
    if target.provider is Provider.AZURE:
        version = f"api-version={quote(target.api_version, safe='')}"
        query = f"{query}&{version}" if query else version
        model = leg.upstream_model or exchange.model_asked
        in_path = model and exchange.matched.endpoint.name in _BY_DEPLOYMENT
        path = f"/openai/deployments/{quote(model, safe='')}{path}" if in_path else f"/openai{path}"
    return f"{target.base_url}{path}?{query}" if query else f"{target.base_url}{path}"


def _without_api_version(query: str) -> str:
    pairs = (pair for pair in query.split("&") if pair)
    return "&".join(pair for pair in pairs if unquote(pair.partition("=")[0]).lower() != "api-version")
