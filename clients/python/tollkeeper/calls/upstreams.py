"""The calls of UpstreamService."""

from collections.abc import Sequence

from tollkeeper.calls.call import Call, Page, Pages, call, nothing
from tollkeeper.calls.wire import duration, given, length, mask, moment, number, word
from tollkeeper.traffic import Breaker, HeaderAction, HeaderOperation, Probe, Removal
from tollkeeper.v1 import upstream_service_pb2 as pb
from tollkeeper.values import AuthScheme, Provider, Timeouts, Upstream

SERVICE = "UpstreamService"


def _read_timeouts(timeouts: pb.Timeouts) -> Timeouts:
    return Timeouts(
        connect=length(timeouts, "connect"),
        first_byte=length(timeouts, "first_byte"),
        idle=length(timeouts, "idle"),
        total=length(timeouts, "total"),
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


def _read_breaker(breaker: pb.Breaker) -> Breaker:
    return Breaker(
        threshold=breaker.threshold if breaker.HasField("threshold") else None,
        cooldown=length(breaker, "cooldown"),
        window=length(breaker, "window"),
        min_calls=breaker.min_calls if breaker.HasField("min_calls") else None,
    )


def _write_breaker(breaker: Breaker | None) -> pb.Breaker | None:
    if breaker is None:
        return None
    return pb.Breaker(
        threshold=breaker.threshold,
        cooldown=duration(breaker.cooldown),
        window=duration(breaker.window),
        min_calls=breaker.min_calls,
    )


def _read_probe(probe: pb.Probe) -> Probe:
    return Probe(path=probe.path, interval=length(probe, "interval"), timeout=length(probe, "timeout"))


def _write_probe(probe: Probe | None) -> pb.Probe | None:
    if probe is None:
        return None
    return pb.Probe(path=probe.path, interval=duration(probe.interval), timeout=duration(probe.timeout))


def _write_operations(
    operations: Sequence[HeaderOperation] | None,
) -> list[pb.HeaderOperation] | None:
    if operations is None:
        return None
    return [
        pb.HeaderOperation(action=number(pb.HeaderAction, it.action), name=it.name, value=it.value)
        for it in operations
    ]


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
        header_operations=tuple(
            HeaderOperation(word(pb.HeaderAction, HeaderAction, it.action), it.name, it.value)
            for it in upstream.header_operations
        ),
        breaker=_read_breaker(upstream.breaker),
        probe=_read_probe(upstream.probe) if upstream.HasField("probe") else None,
        ca_certificates=upstream.ca_certificates,
        proxy_url=upstream.proxy_url,
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
    is_active: bool = True,
    header_operations: Sequence[HeaderOperation] = (),
    breaker: Breaker | None = None,
    probe: Probe | None = None,
    ca_certificates: str = "",
    proxy_url: str = "",
) -> Call[Upstream]:
    """Adds an upstream.

    OpenAI and Anthropic have a default `base_url`. `full_url`, where every request goes whatever its
    path, and the `auth_…` fields are for generic ones: `auth_header` where the scheme is HEADER,
    `username` where it is BASIC. `is_default` sends requests that name no model here. `ca_certificates`,
    PEM, are trusted instead of the system's; `proxy_url` may hold a user name and a password.
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
        is_active=is_active,
        header_operations=_write_operations(header_operations),
        breaker=_write_breaker(breaker),
        probe=_write_probe(probe),
        ca_certificates=ca_certificates,
        proxy_url=proxy_url,
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
    header_operations: Sequence[HeaderOperation] | None = None,
    breaker: Breaker | None = None,
    probe: Probe | Removal | None = None,
    ca_certificates: str | None = None,
    proxy_url: str | None = None,
    etag: str = "",
) -> Call[Upstream]:
    """Changes what is given and leaves alone what is None. An empty `api_key` removes the credential.

    `timeouts`, `header_operations` and `breaker` are replaced as a whole; `Removal.REMOVE` takes a probe
    away. With `etag`, raises `Aborted` if the upstream was changed since
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
        header_operations=_write_operations(header_operations),
        breaker=_write_breaker(breaker),
        probe=_write_probe(given(probe)),
        ca_certificates=ca_certificates,
        proxy_url=proxy_url,
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
            header_operations=header_operations,
            breaker=breaker,
            probe=probe,
            ca_certificates=ca_certificates,
            proxy_url=proxy_url,
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
    """Removes an upstream. Raises `FailedPrecondition`, naming the users, while a model or group uses it."""
    return call(
        SERVICE,
        "DeleteUpstream",
        pb.DeleteUpstreamRequest(name=name, etag=etag),
        pb.DeleteUpstreamResponse,
        nothing,
    )
