"""Puts the management plane together: the services behind their interceptors."""

from collections.abc import Callable
from datetime import datetime

from protovalidate import Validator
from tollkeeper.services import SERVICES

from tollkeeper_server.coordination.ports import Changes
from tollkeeper_server.management.chain.authentication import authenticate
from tollkeeper_server.management.chain.chain import Chain
from tollkeeper_server.management.chain.interceptors import (
    Handle,
    Log,
    authorise,
    deadline,
    map_errors,
    validate,
)
from tollkeeper_server.management.chain.registry import AnyHandler, can_validate_only, handlers_of
from tollkeeper_server.management.chain.streams import Streams
from tollkeeper_server.management.configuration.explaining import Explainer
from tollkeeper_server.management.configuration.service import ConfigurationService
from tollkeeper_server.management.editors import Mint, ProjectEditor, TokenEditor
from tollkeeper_server.management.gateway import GatewayService
from tollkeeper_server.management.groups import GroupService
from tollkeeper_server.management.limit_standings import LimitService
from tollkeeper_server.management.listeners import ListenerService, PortCheck
from tollkeeper_server.management.models import ModelService
from tollkeeper_server.management.observer import Observer
from tollkeeper_server.management.pricer import Pricer
from tollkeeper_server.management.prices import PriceService
from tollkeeper_server.management.projects import ProjectService
from tollkeeper_server.management.session_service import SessionService
from tollkeeper_server.management.sessions import Sessions
from tollkeeper_server.management.standings import Standings
from tollkeeper_server.management.status import StatusService
from tollkeeper_server.management.status_feed import StatusFeed
from tollkeeper_server.management.tokens import TokenService
from tollkeeper_server.management.trial import NOTHING_MINTED, UntoldChanges
from tollkeeper_server.management.upstream_actions import UpstreamActions, UpstreamCaller
from tollkeeper_server.management.upstream_builder import UpstreamBuilder
from tollkeeper_server.management.upstreams import ConnectFailureOf, UpstreamService
from tollkeeper_server.management.usage import UsageService
from tollkeeper_server.management.usage_feed import UsageFeed
from tollkeeper_server.management.usage_names import Directory
from tollkeeper_server.store.ports import ConfigurationStore, Store, TokenStore
from tollkeeper_server.store.sealed import Sealer
from tollkeeper_server.store.trial import TrialConfiguration, TrialTokens

Clock = Callable[[], datetime]


def make_chain(
    *,
    store: Store,
    sealer: Sealer,
    digest_key: bytes,
    changes: Changes,
    management_token: str,
    sessions: Sessions,
    clock: Clock,
    port_check: PortCheck,
    tls_problem: str | None,
    explain: Explainer,
    connect_failure: ConnectFailureOf,
    caller: UpstreamCaller,
    observer: Observer,
    pricer: Pricer,
    standings: Standings,
    status_feed: StatusFeed,
    usage_feed: UsageFeed,
    streams: Streams,
) -> Chain:
    """Return the management plane. `clock` returns the present as an aware UTC datetime.

    `sessions` knows who has signed in. `port_check` returns why a listener can't have an address, None if it
    can. `tls_problem` is why none can speak TLS, None if it can. `explain` explains requests.
    `connect_failure` returns the latest connection to an upstream that failed, `caller` calls upstreams.
    `observer` knows how this process is. `status_feed` and `usage_feed` tell those who watch of that, and
    of stored events; `streams` ends the streams with the process. `pricer` knows what it bills by,
    `standings` how limits stand.

    A call with `validate_only` is answered by the same services on a store that is only read.
    """
    upstreams = UpstreamBuilder(sealer)

    def editing(
        configuration: ConfigurationStore, tokens: TokenStore, told: Changes, minting: Mint
    ) -> dict[str, object]:
        projects, edits = ProjectEditor(sealer, minting), TokenEditor(tokens, digest_key, told, minting)
        token_service = TokenService(tokens, configuration, edits, clock)
        actions = UpstreamActions(configuration, upstreams, told, clock, caller)
        return {
            "ProjectService": ProjectService(configuration, projects, token_service, told, clock),
            "TokenService": token_service,
            "UpstreamService": UpstreamService(
                configuration, upstreams, told, clock, connect_failure, actions
            ),
            "GroupService": GroupService(configuration, told, clock),
            "ModelService": ModelService(configuration, told, clock),
            "ListenerService": ListenerService(configuration, told, clock, port_check, tls_problem),
            "GatewayService": GatewayService(configuration, told, clock),
        }

    mint = Mint()
    implementations = {
        **editing(store.configuration, store.tokens, changes, mint),
        "SessionService": SessionService(sessions),
        "UsageService": UsageService(
            store.usage, Directory(store.configuration, store.tokens), usage_feed, clock
        ),
        "PriceService": PriceService(store.usage, store.repricings, pricer, clock),
        "StatusService": StatusService(observer, status_feed),
        "ConfigurationService": ConfigurationService(
            store.configuration,
            store.tokens,
            store.revisions,
            upstreams,
            ProjectEditor(sealer, mint),
            TokenEditor(store.tokens, digest_key, changes, mint),
            changes,
            clock,
            port_check,
            tls_problem,
            explain,
        ),
        "LimitService": LimitService(
            store.configuration,
            store.tokens,
            Directory(store.configuration, store.tokens),
            store.notices,
            standings,
        ),
    }
    trials = editing(
        TrialConfiguration(store.configuration),
        TrialTokens(store.tokens),
        UntoldChanges(changes),
        NOTHING_MINTED,
    )
    handlers: dict[str, AnyHandler] = {}
    checked: dict[str, AnyHandler] = {}
    for service in SERVICES:
        handlers |= handlers_of(service, implementations[service.name])
        if any(can_validate_only(method) for method in service.methods):
            checked |= handlers_of(service, trials[service.name])
    return Chain(
        (
            map_errors,
            Log(),
            deadline,
            authenticate(management_token, sessions),
            validate(Validator()),
            authorise,
            streams,
        ),
        Handle(handlers, checked),
    )
