"""What a request looks like to the upstream that serves it."""

from collections.abc import AsyncIterator
from urllib.parse import quote, unquote

from tollkeeper_server.dataplane.call.rewrite import rewrite_json
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import operate, request_headers
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.request.endpoint import Meter
from tollkeeper_server.dataplane.request.form import rename_model
from tollkeeper_server.dataplane.request.peek import Peek
from tollkeeper_server.dataplane.transport import Outgoing
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.snapshot.compile import bearer
from tollkeeper_server.snapshot.model import Leg

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
_SAYS_USAGE_IF_ASKED = {Meter.CHAT, Meter.COMPLETIONS}


def asks_usage(peek: Peek, leg: Leg, meter: Meter) -> bool:
    """Tells whether the upstream must be asked for the usage of a stream, since the caller did not."""
    return (
        peek.streamed
        and meter in _SAYS_USAGE_IF_ASKED
        and peek.is_json
        and not peek.wants_usage
        and leg.target.provider is not Provider.ANTHROPIC
    )


def outgoing_body(plan: Plan, leg: Leg, *, ask_usage: bool) -> bytes:
    """Return the body for the upstream: the caller's own bytes unless a rule demands a change."""
    peek, body = plan.peek, plan.body
    rename = leg.upstream_model if leg.upstream_model and leg.upstream_model != peek.model else None
    if peek.form is not None:
        return rename_model(body, peek.form, rename) if rename and peek.form.places else body
    if not peek.is_json:
        return body
    if peek.model is None:
        # Azure's clients name the model in the path alone; others look for it in the body.
        named_by_path = plan.matched.path_model if leg.target.provider is not Provider.AZURE else ""
        rename = (leg.upstream_model or named_by_path) if named_by_path else None
    elif rename is None and plan.identity.token.allowed_models:
        # A member given twice may be read otherwise upstream than here: what was permitted is
        # what is sent.
        rename = peek.model
    if rename is None and not ask_usage:
        return body
    return rewrite_json(body, model=rename, ask_usage=ask_usage)


def outgoing(
    exchange: Exchange,
    plan: Plan,
    leg: Leg,
    body: bytes | AsyncIterator[bytes],
    *,
    plain: bool,
    length: int | None = None,
) -> Outgoing:
    """Returns the request for the upstream; `length` is that of a body that streams, if it is known."""
    target = leg.target
    headers = request_headers(exchange, target, plain=plain)
    if leg.user_agent:
        headers = [header for header in headers if header[0] != b"user-agent"]
        headers.append((b"user-agent", leg.user_agent))
    if target.operations:
        headers = operate(headers, target.operations)
    # A project's own key is OpenAI's: another provider must not get to see it.
    own_key = plan.identity.project.api_key if target.provider is Provider.OPENAI else None
    headers.extend(bearer(own_key) if own_key else target.credential)
    return Outgoing(
        method=exchange.method,
        url=outgoing_url(exchange, plan, leg),
        headers=headers,
        body=body,
        timeouts=leg.timeouts if plan.peek.streamed else leg.whole_timeouts,
        length=length,
        dial=leg.dial,
    )


def outgoing_url(exchange: Exchange, plan: Plan, leg: Leg) -> str:
    """Returns where the upstream wants the request."""
    target = leg.target
    query = exchange.scope["query_string"].decode("latin-1")
    if target.provider is Provider.AZURE or plan.matched.path_model:
        query = _without_api_version(query)
    if target.full_url:
        mark = "&" if "?" in target.full_url else "?"
        return f"{target.full_url}{mark}{query}" if query else target.full_url
    path = plan.matched.path
    if target.provider is Provider.AZURE:
        version = f"api-version={quote(target.api_version, safe='')}"
        query = f"{query}&{version}" if query else version
        model = leg.upstream_model or exchange.model_asked
        in_path = model and exchange.endpoint.name in _BY_DEPLOYMENT
        path = f"/openai/deployments/{quote(model, safe='')}{path}" if in_path else f"/openai{path}"
    return f"{target.base_url}{path}?{query}" if query else f"{target.base_url}{path}"


def _without_api_version(query: str) -> str:
    pairs = (pair for pair in query.split("&") if pair)
    return "&".join(pair for pair in pairs if unquote(pair.partition("=")[0]).lower() != "api-version")
