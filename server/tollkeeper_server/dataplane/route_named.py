"""Where a request goes that names models deeper in its body, as a batch of messages does.

Each model that decides is found as one in the member `model` is. Where there are several, what serves all of
them serves the request. A token's `allowed_models` holds for every model that is named, wherever it stands.
"""

from collections.abc import Iterable
from dataclasses import replace

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.endpoint import Matched
from tollkeeper_server.dataplane.request.named import Named
from tollkeeper_server.dataplane.request.peek import Peek, check_model
from tollkeeper_server.dataplane.route import Destination, find_destination, may_use, not_allowed, served_name
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import TollkeeperError, invalid_argument
from tollkeeper_server.snapshot.model import Pool, PoolMember


def find_named_destination(
    exchange: Exchange,
    matched: Matched,
    token: Token,
    peek: Peek,
    named: Named,
    rule: Rule | None,
    default_group: str,
) -> Destination:
    """Return where the request goes, and record the model, of several the first.

    Raises as `find_destination` does, with the field that names the model, and INVALID_ARGUMENT if no
    upstream serves all of the models that decide.
    """
    snapshot = exchange.snapshot
    found: dict[str, Destination] = {}
    for name, field in reversed(named.deciding.items()):  # so that the first one is recorded
        try:
            asked = Peek(check_model(name))
            found[name] = find_destination(exchange, matched, token, asked, rule, default_group)
        except TollkeeperError as error:
            if error.field == "model":
                error.field = field
            raise
    if not found:
        found[""] = find_destination(exchange, matched, token, peek, rule, default_group)
    if token.allowed_models:
        for name, field in named.others.items():
            if not may_use(token, name, served_name(snapshot, name)):
                raise not_allowed(name, field)
    pools = {name: destination.pool for name, destination in found.items() if name}
    pools |= {name: route.pool for name in named.others if (route := snapshot.resolve(name)) is not None}
    destination = _together([*reversed(found.values())], named)
    renames = matched.endpoint.names_deeper or bool(named.deciding)
    return Destination(destination.pool, destination.route, rule, pools if renames else None)


def upstream_name(pool: Pool, member: PoolMember) -> str:
    """Return the name that a pool's model has at the upstream of any pool's member; empty if it has none."""
    names = (one.upstream_model for one in pool.members if one.target.name == member.target.name)
    return next(names, "")


def _together(destinations: list[Destination], named: Named) -> Destination:
    first, *rest = destinations
    if not rest:
        return first
    pool = first.pool
    members = tuple(member for member in pool.members if all(_has(one.pool.members, member) for one in rest))
    if pool.members and not members:
        names = ", ".join(map(repr, named.deciding))
        raise invalid_argument(
            next(iter(named.deciding.values())),
            f"no upstream serves all of the models {names}; send a request for each",
        )
    if len(members) < len(pool.members):
        key = f"{pool.key}@{','.join(member.target.name for member in members)}"
        pool = replace(pool, key=key, members=members)
    # A fallback serves one model in place of one.
    route = replace(first.route, fallbacks=()) if first.route is not None else None
    return Destination(pool, route, first.rule)


def _has(members: Iterable[PoolMember], wanted: PoolMember) -> bool:
    return any(member.target.name == wanted.target.name for member in members)
