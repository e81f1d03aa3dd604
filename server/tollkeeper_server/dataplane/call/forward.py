"""The request as the upstream gets it that serves it."""

from collections.abc import AsyncIterator

from tollkeeper_server.dataplane.call.rewrite import rewrite_json
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import operate, request_headers
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.request.form import rename_model
from tollkeeper_server.dataplane.request.peek import Peek
from tollkeeper_server.dataplane.transport import Outgoing
from tollkeeper_server.providers.azure import without_api_version
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.provider import bearer
from tollkeeper_server.snapshot.model import Leg


def asks_usage(peek: Peek, leg: Leg, dialect: Dialect) -> bool:
    """Return whether the upstream must be asked for the usage of a stream, since the caller did not."""
    return (
        peek.streamed
        and dialect.usage_if_asked
        and peek.is_json
        and not peek.wants_usage
        and leg.target.provider.takes_stream_options
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
        named_by_path = plan.matched.path_model if not leg.target.provider.model_in_path else ""
        rename = (leg.upstream_model or named_by_path) if named_by_path else None
    elif rename is None and plan.identity.token.allowed_models:
        # An upstream may read a member that is given twice otherwise than the gateway does: the model that
        # was permitted is sent.
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
    """Return the request for the upstream; `length` is that of a body that streams, if it is known."""
    target = leg.target
    headers = request_headers(exchange, target, plain=plain)
    if leg.user_agent:
        headers = [header for header in headers if header[0] != b"user-agent"]
        headers.append((b"user-agent", leg.user_agent))
    if target.operations:
        headers = operate(headers, target.operations)
    # A project's own key belongs to one provider, and must not be shown to another.
    own_key = plan.identity.project.api_key if target.provider.takes_project_key else None
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
    """Return the URL at which the upstream takes the request."""
    target, matched = leg.target, plan.matched
    query = exchange.scope["query_string"].decode("latin-1")
    if matched.path_model:
        query = without_api_version(query)
    model = leg.upstream_model or exchange.model_asked
    return target.provider.url(target, matched.path, query, model, matched.endpoint.name)
