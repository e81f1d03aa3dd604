"""Puts the management plane together: the services behind their interceptors."""

from collections.abc import Callable
from datetime import datetime

from protovalidate import Validator

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
from tollkeeper_server.management.chain.registry import SERVICES, Handler, handlers_of
from tollkeeper_server.management.configuration.explaining import Explainer
from tollkeeper_server.management.configuration.service import Configurations
from tollkeeper_server.management.groups import Groups
from tollkeeper_server.management.listeners import Listeners, PortCheck
from tollkeeper_server.management.models import Models
from tollkeeper_server.management.projects import Projects
from tollkeeper_server.management.tokens import Tokens
from tollkeeper_server.management.upstreams import Upstreams
from tollkeeper_server.management.usage import Usage
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
    """Returns the management plane. `clock` returns the present as an aware UTC datetime.

    `port_check` tells why a listener can't have an address; None if it can. `explain` explains requests.
    """
    configuration = store.configuration
    tokens = Tokens(store.tokens, configuration, digest_key, changes, clock)
    implementations: dict[str, object] = {
        "ProjectService": Projects(configuration, sealer, tokens, changes, clock),
        "TokenService": tokens,
        "UpstreamService": Upstreams(configuration, sealer, changes, clock),
        "GroupService": Groups(configuration, changes, clock),
        "ModelService": Models(configuration, changes, clock),
        "ListenerService": Listeners(configuration, changes, clock, port_check),
        "UsageService": Usage(store.usage),
        "ConfigurationService": Configurations(
            configuration, store.tokens, sealer, digest_key, changes, clock, port_check, explain
        ),
    }
    handlers: dict[str, Handler] = {}
    for service in SERVICES:
        handlers |= handlers_of(service, implementations[service.name])
    return Chain(
        (map_errors, log, deadline, authenticate(management_token), validate(Validator()), authorise),
        Handle(handlers),
    )
