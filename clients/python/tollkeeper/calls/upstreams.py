"""The calls of UpstreamService."""

from tollkeeper.calls.call import Call, Page, Pages, call, nothing
from tollkeeper.calls.wire import duration, mask, moment, number, word
from tollkeeper.v1 import upstream_service_pb2 as pb
from tollkeeper.values import AuthScheme, Provider, Timeouts, Upstream

SERVICE = "UpstreamService"


def _read_timeouts(timeouts: pb.Timeouts) -> Timeouts:
    return Timeouts(
        connect=timeouts.connect.ToTimedelta() if timeouts.HasField("connect") else None,
        first_byte=timeouts.first_byte.ToTimedelta() if timeouts.HasField("first_byte") else None,
        idle=timeouts.idle.ToTimedelta() if timeouts.HasField("idle") else None,
        total=timeouts.total.ToTimedelta() if timeouts.HasField("total") else None,
    )


def _write_timeouts(timeouts: Timeouts | None) -> pb.Timeouts | None:
    if timeouts is None:
        return None
    return pb.Timeouts(
        connect=duration(timeouts.connect),
        first_byte=duration(timeouts.first_byte),
        idle=duration(timeouts.idle),
        total=duration(timeouts.total),
    )


def read_upstream(upstream: pb.Upstream) -> Upstream:
    """Reads an upstream."""
    return Upstream(
        name=upstream.name,
        provider=word(pb.Provider, Provider, upstream.provider),
        base_url=upstream.base_url,
        full_url=upstream.full_url,
        auth_scheme=word(pb.AuthScheme, AuthScheme, upstream.auth_scheme),
        auth_header=upstream.auth_header,
        username=upstream.username,
        api_key=upstream.api_key,
        organization=upstream.organization,
        project=upstream.project,
        api_version=upstream.api_version,
        is_active=upstream.is_active,
        is_default=upstream.is_default,
        timeouts=_read_timeouts(upstream.timeouts),
        created_at=moment(upstream.created_at) if upstream.HasField("created_at") else None,
        updated_at=moment(upstream.updated_at) if upstream.HasField("updated_at") else None,
        etag=upstream.etag,
    )


def create_upstream(
    *,
    name: str,
    provider: Provider,
    base_url: str = "",
    full_url: str = "",
    auth_scheme: AuthScheme | None = None,
    auth_header: str = "",
    username: str = "",
    api_key: str = "",
    organization: str = "",
    project: str = "",
    api_version: str = "",
    is_default: bool = False,
    timeouts: Timeouts | None = None,
) -> Call[Upstream]:
    """Adds an upstream.

    OpenAI and Anthropic have a default `base_url`. `full_url`, where every request goes whatever its
    path, and the `auth_…` fields are for generic ones: `auth_header` where the scheme is HEADER,
    `username` where it is BASIC. `is_default` sends requests that name no model here.
    """
    request = pb.CreateUpstreamRequest(
        name=name,
        provider=number(pb.Provider, provider),
        base_url=base_url,
        full_url=full_url,
        auth_scheme=pb.AUTH_SCHEME_UNSPECIFIED if auth_scheme is None else number(pb.AuthScheme, auth_scheme),
        auth_header=auth_header,
        username=username,
        api_key=api_key,
        organization=organization,
        project=project,
        api_version=api_version,
        is_default=is_default,
        timeouts=_write_timeouts(timeouts),
    )
    return call(
        SERVICE,
        "CreateUpstream",
        request,
        pb.CreateUpstreamResponse,
        lambda answer: read_upstream(answer.upstream),
    )


def get_upstream(name: str, /) -> Call[Upstream]:
    """Reads one upstream, its credential masked."""
    return call(
        SERVICE,
        "GetUpstream",
        pb.GetUpstreamRequest(name=name),
        pb.GetUpstreamResponse,
        lambda answer: read_upstream(answer.upstream),
    )


def list_upstreams(*, page_size: int = 0) -> Pages[Upstream]:
    """Iterates over upstreams by name, fetching pages of `page_size` (the gateway's choice if 0)."""

    def at(page_token: str) -> Call[Page[Upstream]]:
        return call(
            SERVICE,
            "ListUpstreams",
            pb.ListUpstreamsRequest(page_size=page_size, page_token=page_token),
            pb.ListUpstreamsResponse,
            lambda answer: Page(tuple(map(read_upstream, answer.upstreams)), answer.next_page_token),
        )

    return Pages(at)


def update_upstream(
    name: str,
    /,
    *,
    provider: Provider | None = None,
    base_url: str | None = None,
    full_url: str | None = None,
    auth_scheme: AuthScheme | None = None,
    auth_header: str | None = None,
    username: str | None = None,
    api_key: str | None = None,
    organization: str | None = None,
    project: str | None = None,
    api_version: str | None = None,
    is_active: bool | None = None,
    is_default: bool | None = None,
    timeouts: Timeouts | None = None,
    etag: str = "",
) -> Call[Upstream]:
    """Changes what is given and leaves alone what is None. An empty `api_key` removes the credential.

    `timeouts` are replaced as a whole. With `etag`, raises `Aborted` if the upstream was changed since
    it was read.
    """
    request = pb.UpdateUpstreamRequest(
        name=name,
        provider=None if provider is None else number(pb.Provider, provider),
        base_url=base_url,
        full_url=full_url,
        auth_scheme=None if auth_scheme is None else number(pb.AuthScheme, auth_scheme),
        auth_header=auth_header,
        username=username,
        api_key=api_key,
        organization=organization,
        project=project,
        api_version=api_version,
        is_active=is_active,
        is_default=is_default,
        timeouts=_write_timeouts(timeouts),
        update_mask=mask(
            provider=provider,
            base_url=base_url,
            full_url=full_url,
            auth_scheme=auth_scheme,
            auth_header=auth_header,
            username=username,
            api_key=api_key,
            organization=organization,
            project=project,
            api_version=api_version,
            is_active=is_active,
            is_default=is_default,
            timeouts=timeouts,
        ),
        etag=etag,
    )
    return call(
        SERVICE,
        "UpdateUpstream",
        request,
        pb.UpdateUpstreamResponse,
        lambda answer: read_upstream(answer.upstream),
    )


def delete_upstream(name: str, /, *, etag: str = "") -> Call[None]:
    """Removes an upstream. Raises `FailedPrecondition`, naming the models, while a deployment uses it."""
    return call(
        SERVICE,
        "DeleteUpstream",
        pb.DeleteUpstreamRequest(name=name, etag=etag),
        pb.DeleteUpstreamResponse,
        nothing,
    )
