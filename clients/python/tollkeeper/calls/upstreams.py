"""The calls of UpstreamService."""

from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc, rpc_without_answer, settle
from tollkeeper.changes import UpstreamChanges, UpstreamSettings
from tollkeeper.messages import fill
from tollkeeper.v1 import upstream_service_pb2 as pb
from tollkeeper.values import Provider, Upstream


def create_upstream(*, name: str, provider: Provider, **settings: Unpack[UpstreamSettings]) -> Rpc[Upstream]:
    """Add an upstream; it is active unless `is_active` is false.

    OpenAI and Anthropic have a default `base_url`. Only generic ones have `full_url`, where every request
    goes whatever its path, `keep_path`, which appends paths to `base_url` as they came, `/v1` included, and
    the `auth_…` fields: `auth_header` where the scheme is HEADER, `username` where it is BASIC. `is_default`
    sends requests that name no model here. `ca_certificates`, PEM, are trusted instead of the system's;
    `proxy_url` may hold a user name and a password. With `omit_stream_options` it is not asked for the usage
    of streams that callers did not ask for. `request_id_header` names a header in which it gets the gateway's
    request id. `passed_headers` of its answers, such as `Set-Cookie`, reach callers although they are kept
    back otherwise. With `list_models` the models that it lists are listed where a pattern or a listener's
    group leads to it.
    """
    request = fill(pb.CreateUpstreamRequest(), name=name, is_active=True, provider=provider)
    return rpc(settle(request, settings), Upstream)


def get_upstream(name: str, /) -> Rpc[Upstream]:
    """Read one upstream, its credential masked."""
    return rpc(fill(pb.GetUpstreamRequest(), name=name), Upstream)


def list_upstreams(*, page_size: int = 0) -> Pages[Upstream]:
    """Iterate over upstreams by name, fetching pages of `page_size` (the gateway's choice if 0)."""
    return pages(fill(pb.ListUpstreamsRequest(), page_size=page_size), Upstream)


def update_upstream(name: str, /, *, etag: str = "", **changes: Unpack[UpstreamChanges]) -> Rpc[Upstream]:
    """Change the fields that are given; None leaves a field alone. An empty `api_key` removes the credential.

    `timeouts`, `header_operations`, `passed_headers` and `breaker` are replaced as a whole; `Removal.REMOVE`
    takes a probe away. With `etag`, raises `Aborted` if the upstream was changed since it was read.
    """
    return rpc(change(fill(pb.UpdateUpstreamRequest(), name=name, etag=etag), changes), Upstream)


def delete_upstream(name: str, /, *, etag: str = "") -> Rpc[None]:
    """Remove an upstream. Raises `FailedPrecondition`, naming the users, while a model or group uses it."""
    return rpc_without_answer(fill(pb.DeleteUpstreamRequest(), name=name, etag=etag))
