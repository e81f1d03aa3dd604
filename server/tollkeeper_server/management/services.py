"""Puts the management plane together: the services behind their interceptors."""

from collections.abc import Callable
from datetime import datetime

from protovalidate import Validator

from tollkeeper_server.coordination.ports import Changes
from tollkeeper_server.management.chain import Chain
from tollkeeper_server.management.interceptors import (
    Handle,
    authenticate,
    authorise,
    deadline,
    log,
    map_errors,
    validate,
)
from tollkeeper_server.management.models import Models
from tollkeeper_server.management.projects import Projects
from tollkeeper_server.management.registry import SERVICES, Handler, handlers_of
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
) -> Chain:
    """Returns the management plane. `clock` returns the present as an aware UTC datetime."""
    tokens = Tokens(store, digest_key, changes, clock)
    implementations: dict[str, object] = {
        "ProjectService": Projects(store, sealer, tokens, changes, clock),
        "TokenService": tokens,
        "UpstreamService": Upstreams(store, sealer, changes, clock),
        "ModelService": Models(store, changes, clock),
        "UsageService": Usage(store),
    }
    handlers: dict[str, Handler] = {}
    for service in SERVICES:
        handlers |= handlers_of(service, implementations[service.name])
    return Chain(
        (map_errors, log, deadline, authenticate(management_token), validate(Validator()), authorise),
        Handle(handlers),
    )
