"""The calls of UpstreamService."""

from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc, rpc_of_list, rpc_without_answer, settle
from tollkeeper.changes import UpstreamChanges, UpstreamSettings
from tollkeeper.messages import fill
from tollkeeper.v1 import upstream_service_pb2 as pb
from tollkeeper.values.upstream import Provider, Upstream
from tollkeeper.values.upstream_testing import UpstreamModel, UpstreamTest


def create_upstream(
    *, name: str, provider: Provider, validate_only: bool = False, **settings: Unpack[UpstreamSettings]
) -> Rpc[Upstream]:
    """Add an upstream; it is active unless `is_active` is false.

    OpenAI and Anthropic have a default `base_url`. Only generic ones have `full_url`, where every request
    goes whatever its path, `keep_path`, which appends paths to `base_url` as they came, `/v1` included, and
    the `auth_…` fields: `auth_header` where the scheme is HEADER, `username` where it is BASIC. `is_default`
    sends requests that name no model here. `ca_certificates`, PEM, are trusted beside the system's, with
    `ca_only` alone; `client_certificate` and `client_key`, PEM, are shown to it if it asks. `proxy_url` may
    hold a user name and a password. With `omit_stream_options` it is not asked for the usage
    of streams that callers did not ask for. `request_id_header` names a header in which it gets the gateway's
    request id. `passed_headers` of its answers, such as `Set-Cookie`, reach callers although they are kept
    back otherwise. With `list_models` the models that it lists are listed where a pattern or a listener's
    group leads to it. `drain` is for how long an answer is read on whose caller has left, none at all for 0.
    """
    request = fill(
        pb.CreateUpstreamRequest(), name=name, is_active=True, provider=provider, validate_only=validate_only
    )
    return rpc(settle(request, settings), Upstream)


def get_upstream(name: str, /) -> Rpc[Upstream]:
    """Read one upstream, its credential masked."""
    return rpc(fill(pb.GetUpstreamRequest(), name=name), Upstream)


def list_upstreams(
    *,
    search: str = "",
    order_by: str = "",
    is_active: bool | None = None,
    with_total: bool = False,
    page_size: int = 0,
) -> Pages[Upstream]:
    """Iterate over upstreams by name, fetching pages of `page_size` (the gateway's choice if 0).

    `search` leaves out those that have it in none of: name, provider, base_url. `order_by` is name,
    created_at or updated_at, with " desc" behind it for the reverse.
    `is_active` leaves out the others.
    `with_total` makes the iterator know the length of the list.
    """
    request = fill(
        pb.ListUpstreamsRequest(),
        search=search,
        order_by=order_by,
        is_active=is_active,
        with_total=with_total,
        page_size=page_size,
    )
    return pages(request, Upstream)


def update_upstream(
    name: str, /, *, etag: str = "", validate_only: bool = False, **changes: Unpack[UpstreamChanges]
) -> Rpc[Upstream]:
    """Change the fields that are given; None leaves a field alone. An empty `api_key` removes the credential,
    an empty `client_certificate` that and its key.

    `timeouts`, `header_operations`, `passed_headers` and `breaker` are replaced as a whole; `Removal.REMOVE`
    takes a probe away. With `etag`, raises `Aborted` if the upstream was changed since it was read.
    """
    return rpc(
        change(fill(pb.UpdateUpstreamRequest(), name=name, etag=etag, validate_only=validate_only), changes),
        Upstream,
    )


def delete_upstream(name: str, /, *, etag: str = "", validate_only: bool = False) -> Rpc[None]:
    """Remove an upstream. Raises `FailedPrecondition`, naming the users, while a model or group uses it."""
    return rpc_without_answer(
        fill(pb.DeleteUpstreamRequest(), name=name, etag=etag, validate_only=validate_only)
    )


def test_upstream(
    name: str = "",  # noqa: PT028 - named after its method, and no test
    /,
    *,
    upstream: pb.CreateUpstreamRequest | None = None,  # noqa: PT028 - the same
) -> Rpc[UpstreamTest]:
    """Call an upstream step by step, and return what each step found; nothing is stored or metered.

    It is a saved one by its `name`, or an `upstream` that need not be saved, where an empty secret stands
    for that of a saved one of its name. It takes up to 25 seconds: give the client that `timeout`.
    """
    return rpc(fill(pb.TestUpstreamRequest(), name=name, upstream=upstream), UpstreamTest)


def reset_breaker(name: str, /) -> Rpc[None]:
    """Close an active upstream's breaker, in the process that answers and all that share Redis with it."""
    return rpc_without_answer(fill(pb.ResetBreakerRequest(), name=name))


def list_upstream_models(name: str, /) -> Rpc[tuple[UpstreamModel, ...]]:
    """Read the models that an active upstream lists itself, by name, at most 2,000.

    Raises `Unavailable` if the upstream gives no list.
    """
    return rpc_of_list(fill(pb.ListUpstreamModelsRequest(), name=name), UpstreamModel)
