"""The request as the upstream gets it that serves it."""

from collections.abc import AsyncIterator

from msgspec import structs

from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.dataplane.budget.asked import MAXIMA
from tollkeeper_server.dataplane.call.rewrite import Maximum, rewrite_in_parts
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import operate, request_headers
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.request.endpoint import Matched
from tollkeeper_server.dataplane.request.form import name_in_parts, name_model
from tollkeeper_server.dataplane.request.named import Named, rename_places
from tollkeeper_server.dataplane.request.peek import Peek
from tollkeeper_server.dataplane.route_named import upstream_name
from tollkeeper_server.dataplane.transport import Outgoing, Parts
from tollkeeper_server.providers.azure import with_deployment, without_api_version
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.provider import bearer
from tollkeeper_server.snapshot.model import Header, Pool, PoolMember, ProjectView, Target

_FOR_CALLER = (b"content-", b"if-", b"range")


def asks_usage(peek: Peek, member: PoolMember, dialect: Dialect) -> bool:
    """Return whether the upstream must be asked for the usage of a stream, since the caller did not."""
    return (
        peek.streamed
        and dialect.usage_if_asked
        and peek.is_json
        and not peek.wants_usage
        and member.target.provider.takes_stream_options
        and not member.target.omit_stream_options
    )


def outgoing_body(plan: Plan, member: PoolMember, *, ask_usage: bool) -> bytes | Parts:
    """Return the body for the upstream: the caller's own bytes unless a rule demands a change."""
    peek, body = plan.peek, plan.body
    if not peek.is_json and peek.form is None:
        return body
    if peek.named is not None and plan.destination.named is not None:
        names = _names_there(plan.destination.named, peek.named, member)
        body = rename_places(body, peek.named, names)
    # Azure's clients name the model in the path, which counts; what the body says is then ignored.
    in_path = plan.matched.path_model
    rename: str | None = member.upstream_model or in_path or peek.model
    if peek.model is None:
        target = member.target
        by_deployment = plan.matched.endpoint.name in target.provider.model_in_path and not target.full_url
        if not in_path or by_deployment or target.keep_path:
            rename = None
    elif rename == peek.model and (peek.form is not None or not plan.identity.token.allowed_models):
        # An upstream may read a member that is given twice otherwise than the gateway does: to the limited
        # token's upstream, the model that was permitted is written.
        rename = None
    if peek.form is not None:
        if rename and len(body) > LARGE:
            return Parts(name_in_parts(body, peek.form, rename))
        return name_model(body, peek.form, rename) if rename else body
    if plan.destination.max_output:
        maximum = _maximum(plan.matched.endpoint.name, member, plan.destination.max_output)
        return rewrite_in_parts(body, model=rename, ask_usage=ask_usage, maximum=maximum)
    if rename is None and not ask_usage:
        return body
    return rewrite_in_parts(body, model=rename, ask_usage=ask_usage)


def _maximum(endpoint: str, member: PoolMember, most: int) -> Maximum:
    """Return how the most tokens of an answer stand in a request for an upstream."""
    names = MAXIMA[endpoint]
    return Maximum(most, names, names[0] if member.target.provider.knows_completion_maximum else names[-1])


def _names_there(pools: dict[str, Pool], named: Named, member: PoolMember) -> dict[str, str]:
    """Return the names that models have at an upstream, of those that are named deeper in the body."""
    names = {name: upstream_name(pool, member) for name, pool in pools.items()}
    if len(named.deciding) == 1:  # a fallback may serve in its place
        names |= dict.fromkeys(named.deciding, member.upstream_model)
    return {name: there for name, there in names.items() if there and there != name}


def outgoing(
    exchange: Exchange,
    plan: Plan,
    member: PoolMember,
    body: bytes | Parts | AsyncIterator[bytes],
    *,
    plain: bool,
    length: int | None = None,
) -> Outgoing:
    """Return the request for the upstream; `length` is that of a body that streams, if it is known.

    A body with a content coding is sent as it came, or without the coding if it was changed. Upstreams that
    ignore the coding may read something else in it, so that a token limited to some models has it undone.
    """
    target = member.target
    headers = request_headers(exchange, target, plain=plain)
    if plan.coded is not None:
        if body is plan.body and not plan.identity.token.allowed_models:
            body = plan.coded
        else:
            headers = [header for header in headers if header[0] != b"content-encoding"]
    if member.user_agent:
        headers = [header for header in headers if header[0] != b"user-agent"]
        headers.append((b"user-agent", member.user_agent))
    if target.operations:
        headers = operate(headers, target.operations)
    project = plan.identity.project
    headers.extend(credential_for(target, project) if project.api_key else target.credential)
    return Outgoing(
        method=exchange.method,
        url=outgoing_url(exchange, plan, member),
        headers=headers,
        body=body,
        timeouts=member.timeouts if plan.peek.streamed else member.whole_timeouts,
        length=length,
        dial=member.dial,
    )


def look_up(exchange: Exchange, plan: Plan, member: PoolMember, matched: Matched, query: str) -> Outgoing:
    """Return a GET of what the gateway must know to serve a request, with the headers that this has.

    Headers are left out that describe a body, name an answer that the caller has, or ask for a part of one.
    """
    request = outgoing(exchange, plan, member, b"", plain=True)
    url = outgoing_url(exchange, structs.replace(plan, matched=matched), member, query)
    headers = [header for header in request.headers if not header[0].startswith(_FOR_CALLER)]
    return structs.replace(request, method="GET", url=url, headers=headers)


def credential_for(target: Target, project: ProjectView) -> tuple[Header, ...]:
    """Return the headers that present the key by which a project's requests are called for."""
    # A project's own key belongs to one provider, and must not be shown to another.
    own_key = project.api_key if target.provider.takes_project_key else None
    return bearer(own_key) if own_key else target.credential


def outgoing_url(exchange: Exchange, plan: Plan, member: PoolMember, query: str | None = None) -> str:
    """Return the URL at which the upstream takes the request, with another query in place of the caller's."""
    target, matched = member.target, plan.matched
    if query is None:
        query = exchange.scope["query_string"].decode("latin-1")
    if target.keep_path:
        path = matched.path_as_it_came
        if matched.path_model:
            path = with_deployment(path, member.upstream_model or exchange.model_asked)
        return f"{target.base_url}{path}?{query}" if query else f"{target.base_url}{path}"
    if matched.is_azures:
        query = without_api_version(query)
    if target.full_url:
        mark = "&" if "?" in target.full_url else "?"
        return f"{target.full_url}{mark}{query}" if query else target.full_url
    if target.provider.url is not None:
        model = member.upstream_model or exchange.model_asked
        return target.provider.url(target, matched.path, query, model, matched.endpoint.name)
    return f"{target.base_url}{matched.path}?{query}" if query else f"{target.base_url}{matched.path}"
