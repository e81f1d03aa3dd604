"""Puts the management plane together: the services behind their interceptors."""

from collections.abc import Callable
from datetime import datetime

from protovalidate import Validator
from tollkeeper.services import SERVICES

from tollkeeper_server.coordination.ports import Changes
from tollkeeper_server.management.chain.chain import Chain
from tollkeeper_server.management.chain.interceptors import (
    Handle,
    authenticate,
    authorise,
    deadline,
    log,
    map_errors,
    validate,
)
from tollkeeper_server.management.chain.registry import Handler, handlers_of
from tollkeeper_server.management.configuration.explaining import Explainer
from tollkeeper_server.management.configuration.service import ConfigurationService
from tollkeeper_server.management.editors import ProjectEditor, TokenEditor
from tollkeeper_server.management.groups import GroupService
from tollkeeper_server.management.listeners import ListenerService, PortCheck
from tollkeeper_server.management.models import ModelService
from tollkeeper_server.management.projects import ProjectService
from tollkeeper_server.management.tokens import TokenService
from tollkeeper_server.management.upstream_builder import UpstreamBuilder
from tollkeeper_server.management.upstreams import UpstreamService
from tollkeeper_server.management.usage import UsageService
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sealed import Sealer

Clock = Callable[[], datetime]


def make_chain(
    *,
    store: Store,
    sealer: Sealer,
    digest_key: bytes,
    changes: Changes,
    management_token: str,
    clock: Clock,
    port_check: PortCheck,
    explain: Explainer,
) -> Chain:
    """Return the management plane. `clock` returns the present as an aware UTC datetime.

    `port_check` returns why a listener can't have an address, None if it can. `explain` explains requests.
    """
    upstreams, projects = UpstreamBuilder(sealer), ProjectEditor(sealer)
    edits = TokenEditor(store.tokens, digest_key, changes)
    configuration = store.configuration
    tokens = TokenService(store.tokens, configuration, edits, clock)
    implementations: dict[str, object] = {
        "ProjectService": ProjectService(configuration, projects, tokens, changes, clock),
        "TokenService": tokens,
        "UpstreamService": UpstreamService(configuration, upstreams, changes, clock),
        "GroupService": GroupService(configuration, changes, clock),
        "ModelService": ModelService(configuration, changes, clock),
        "ListenerService": ListenerService(configuration, changes, clock, port_check),
        "UsageService": UsageService(store.usage),
        "ConfigurationService": ConfigurationService(
            configuration, store.tokens, upstreams, projects, edits, changes, clock, port_check, explain
        ),
    }
    handlers: dict[str, Handler] = {}
    for service in SERVICES:
        handlers |= handlers_of(service, implementations[service.name])
    return Chain(
        (map_errors, log, deadline, authenticate(management_token), validate(Validator()), authorise),
        Handle(handlers),
    )
