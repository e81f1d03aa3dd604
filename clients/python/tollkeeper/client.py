"""The two clients of the management plane: `Client` blocks, `AsyncClient` does not."""

from pathlib import Path
from types import TracebackType
from typing import Self

from tollkeeper.calls import (
    configuration,
    gateway,
    groups,
    limits,
    listeners,
    models,
    prices,
    projects,
    sessions,
    status,
    tokens,
    upstreams,
    usage,
)
from tollkeeper.channel import AsyncChannel, Channel
from tollkeeper.connection import DEFAULT_TIMEOUT, resolve
from tollkeeper.methods import (
    AsyncMethods,
    Methods,
    awaiting,
    awaiting_pages,
    awaiting_stream,
    blocking,
    blocking_pages,
    blocking_stream,
)


class ProjectMethods(Methods):
    """Projects, which tokens belong to. They are deactivated, never destroyed."""

    create = blocking(projects.create_project)
    get = blocking(projects.get_project)
    list = blocking_pages(projects.list_projects)
    update = blocking(projects.update_project)
    revoke_tokens = blocking(projects.revoke_project_tokens)


class TokenMethods(Methods):
    """Tokens, which applications present. A secret is shown once, at creation or rotation."""

    create = blocking(tokens.create_token)
    get = blocking(tokens.get_token)
    list = blocking_pages(tokens.list_tokens)
    update = blocking(tokens.update_token)
    revoke = blocking(tokens.revoke_token)
    revoke_many = blocking(tokens.batch_revoke_tokens)
    rotate = blocking(tokens.rotate_token)


class UpstreamMethods(Methods):
    """Upstreams: the provider endpoints that requests are forwarded to, with their credentials."""

    create = blocking(upstreams.create_upstream)
    get = blocking(upstreams.get_upstream)
    list = blocking_pages(upstreams.list_upstreams)
    update = blocking(upstreams.update_upstream)
    delete = blocking(upstreams.delete_upstream)
    test = blocking(upstreams.test_upstream)
    reset_breaker = blocking(upstreams.reset_breaker)
    models = blocking(upstreams.list_upstream_models)


class GroupMethods(Methods):
    """Groups: upstreams that serve the same, and how requests are spread over them."""

    create = blocking(groups.create_group)
    get = blocking(groups.get_group)
    list = blocking_pages(groups.list_groups)
    update = blocking(groups.update_group)
    delete = blocking(groups.delete_group)


class ModelMethods(Methods):
    """Models: the names that applications ask for, and the deployments that serve them."""

    create = blocking(models.create_model)
    get = blocking(models.get_model)
    list = blocking_pages(models.list_models)
    update = blocking(models.update_model)
    delete = blocking(models.delete_model)


class ListenerMethods(Methods):
    """Listeners: the data plane's ports, each with routing rules and limits of its own."""

    create = blocking(listeners.create_listener)
    get = blocking(listeners.get_listener)
    list = blocking_pages(listeners.list_listeners)
    update = blocking(listeners.update_listener)
    delete = blocking(listeners.delete_listener)


class GatewayMethods(Methods):
    """The gateway as a whole."""

    get = blocking(gateway.get_gateway)
    update = blocking(gateway.update_gateway)


class LimitMethods(Methods):
    """Limits: what is used, reserved and left of them."""

    standings = blocking(limits.list_limit_standings)
    notices = blocking_pages(limits.list_budget_notices)


class UsageMethods(Methods):
    """Usage: one event a request, and sums of them."""

    events = blocking_pages(usage.list_usage_events)
    get = blocking(usage.get_usage_event)
    summary = blocking(usage.summarize_usage)
    watch = blocking_stream(usage.watch_usage_events)


class PriceMethods(Methods):
    """Prices: what models cost, and past requests by that."""

    list = blocking_pages(prices.list_prices)
    reprice = blocking_pages(prices.reprice_usage)
    repricings = blocking_pages(prices.list_repricings)


class ConfigurationMethods(Methods):
    """The configuration as a whole."""

    apply = blocking(configuration.apply_configuration)
    export = blocking(configuration.export_configuration)
    references = blocking_pages(configuration.list_references)
    revisions = blocking_pages(configuration.list_revisions)
    diff = blocking_pages(configuration.diff_revisions)
    explain = blocking(configuration.explain_request)


class StatusMethods(Methods):
    """How the gateway is, as the process that answers sees it."""

    get = blocking(status.get_status)
    upstreams = blocking_pages(status.list_upstream_status)
    listeners = blocking(status.list_listener_status)
    settings = blocking(status.list_settings)
    attention = blocking(status.list_attention)
    watch = blocking_stream(status.watch_status)


class SessionMethods(Methods):
    """Who is signed in to the console."""

    list = blocking_pages(sessions.list_sessions)
    revoke = blocking(sessions.revoke_session)
    revoke_all = blocking(sessions.revoke_all_sessions)


class AsyncProjectMethods(AsyncMethods):
    """Projects, which tokens belong to. They are deactivated, never destroyed."""

    create = awaiting(projects.create_project)
    get = awaiting(projects.get_project)
    list = awaiting_pages(projects.list_projects)
    update = awaiting(projects.update_project)
    revoke_tokens = awaiting(projects.revoke_project_tokens)


class AsyncTokenMethods(AsyncMethods):
    """Tokens, which applications present. A secret is shown once, at creation or rotation."""

    create = awaiting(tokens.create_token)
    get = awaiting(tokens.get_token)
    list = awaiting_pages(tokens.list_tokens)
    update = awaiting(tokens.update_token)
    revoke = awaiting(tokens.revoke_token)
    revoke_many = awaiting(tokens.batch_revoke_tokens)
    rotate = awaiting(tokens.rotate_token)


class AsyncUpstreamMethods(AsyncMethods):
    """Upstreams: the provider endpoints that requests are forwarded to, with their credentials."""

    create = awaiting(upstreams.create_upstream)
    get = awaiting(upstreams.get_upstream)
    list = awaiting_pages(upstreams.list_upstreams)
    update = awaiting(upstreams.update_upstream)
    delete = awaiting(upstreams.delete_upstream)
    test = awaiting(upstreams.test_upstream)
    reset_breaker = awaiting(upstreams.reset_breaker)
    models = awaiting(upstreams.list_upstream_models)


class AsyncGroupMethods(AsyncMethods):
    """Groups: upstreams that serve the same, and how requests are spread over them."""

    create = awaiting(groups.create_group)
    get = awaiting(groups.get_group)
    list = awaiting_pages(groups.list_groups)
    update = awaiting(groups.update_group)
    delete = awaiting(groups.delete_group)


class AsyncModelMethods(AsyncMethods):
    """Models: the names that applications ask for, and the deployments that serve them."""

    create = awaiting(models.create_model)
    get = awaiting(models.get_model)
    list = awaiting_pages(models.list_models)
    update = awaiting(models.update_model)
    delete = awaiting(models.delete_model)


class AsyncListenerMethods(AsyncMethods):
    """Listeners: the data plane's ports, each with routing rules and limits of its own."""

    create = awaiting(listeners.create_listener)
    get = awaiting(listeners.get_listener)
    list = awaiting_pages(listeners.list_listeners)
    update = awaiting(listeners.update_listener)
    delete = awaiting(listeners.delete_listener)


class AsyncGatewayMethods(AsyncMethods):
    """The gateway as a whole."""

    get = awaiting(gateway.get_gateway)
    update = awaiting(gateway.update_gateway)


class AsyncLimitMethods(AsyncMethods):
    """Limits: what is used, reserved and left of them."""

    standings = awaiting(limits.list_limit_standings)
    notices = awaiting_pages(limits.list_budget_notices)


class AsyncUsageMethods(AsyncMethods):
    """Usage: one event a request, and sums of them."""

    events = awaiting_pages(usage.list_usage_events)
    get = awaiting(usage.get_usage_event)
    summary = awaiting(usage.summarize_usage)
    watch = awaiting_stream(usage.watch_usage_events)


class AsyncPriceMethods(AsyncMethods):
    """Prices: what models cost, and past requests by that."""

    list = awaiting_pages(prices.list_prices)
    reprice = awaiting_pages(prices.reprice_usage)
    repricings = awaiting_pages(prices.list_repricings)


class AsyncConfigurationMethods(AsyncMethods):
    """The configuration as a whole."""

    apply = awaiting(configuration.apply_configuration)
    export = awaiting(configuration.export_configuration)
    references = awaiting_pages(configuration.list_references)
    revisions = awaiting_pages(configuration.list_revisions)
    diff = awaiting_pages(configuration.diff_revisions)
    explain = awaiting(configuration.explain_request)


class AsyncStatusMethods(AsyncMethods):
    """How the gateway is, as the process that answers sees it."""

    get = awaiting(status.get_status)
    upstreams = awaiting_pages(status.list_upstream_status)
    listeners = awaiting(status.list_listener_status)
    settings = awaiting(status.list_settings)
    attention = awaiting(status.list_attention)
    watch = awaiting_stream(status.watch_status)


class AsyncSessionMethods(AsyncMethods):
    """Who is signed in to the console."""

    list = awaiting_pages(sessions.list_sessions)
    revoke = awaiting(sessions.revoke_session)
    revoke_all = awaiting(sessions.revoke_all_sessions)


class Client:
    """A blocking client; threads may share it. Use it in a `with` statement, or `close` it.

    `address` is the gateway's gRPC listener, by default `TOLLKEEPER_GRPC_ADDRESS` or 127.0.0.1:50051.
    `management_token` is by default `TOLLKEEPER_MANAGEMENT_TOKEN` or `MANAGEMENT_TOKEN`. `tls` trusts the
    system's certificate authorities, or those of `ca_file` (PEM), which implies it; it is by default
    what `TOLLKEEPER_GRPC_TLS` says. `timeout` of each call, retries included, is in seconds.

    Raises `ValueError` for options that can't be used. Every method raises `TollkeeperError`, and
    `ValueError` for arguments that can't be sent, such as a naive datetime.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        management_token: str | None = None,
        tls: bool | None = None,
        ca_file: Path | str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._channel = Channel(
            resolve(
                address=address,
                management_token=management_token,
                tls=tls,
                ca_file=ca_file,
                timeout=timeout,
            )
        )
        self.projects = ProjectMethods(self._channel)
        self.tokens = TokenMethods(self._channel)
        self.upstreams = UpstreamMethods(self._channel)
        self.groups = GroupMethods(self._channel)
        self.models = ModelMethods(self._channel)
        self.listeners = ListenerMethods(self._channel)
        self.gateway = GatewayMethods(self._channel)
        self.limits = LimitMethods(self._channel)
        self.usage = UsageMethods(self._channel)
        self.prices = PriceMethods(self._channel)
        self.configuration = ConfigurationMethods(self._channel)
        self.status = StatusMethods(self._channel)
        self.sessions = SessionMethods(self._channel)

    @property
    def address(self) -> str:
        """Where the client connects to."""
        return self._channel.connection.address

    def close(self) -> None:
        """Close the connection; calls under way fail."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """An asynchronous client for one event loop. Use it in `async with`, or await `close`.

    Options and errors are those of `Client`. It connects at the first call.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        management_token: str | None = None,
        tls: bool | None = None,
        ca_file: Path | str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._channel = AsyncChannel(
            resolve(
                address=address,
                management_token=management_token,
                tls=tls,
                ca_file=ca_file,
                timeout=timeout,
            )
        )
        self.projects = AsyncProjectMethods(self._channel)
        self.tokens = AsyncTokenMethods(self._channel)
        self.upstreams = AsyncUpstreamMethods(self._channel)
        self.groups = AsyncGroupMethods(self._channel)
        self.models = AsyncModelMethods(self._channel)
        self.listeners = AsyncListenerMethods(self._channel)
        self.gateway = AsyncGatewayMethods(self._channel)
        self.limits = AsyncLimitMethods(self._channel)
        self.usage = AsyncUsageMethods(self._channel)
        self.prices = AsyncPriceMethods(self._channel)
        self.configuration = AsyncConfigurationMethods(self._channel)
        self.status = AsyncStatusMethods(self._channel)
        self.sessions = AsyncSessionMethods(self._channel)

    @property
    def address(self) -> str:
        """Where the client connects to."""
        return self._channel.connection.address

    async def close(self) -> None:
        """Close the connection; calls under way fail."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
