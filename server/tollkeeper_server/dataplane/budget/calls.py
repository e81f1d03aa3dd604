"""The names of the calls of upstreams that a request may lead to."""

from msgspec import Struct


class Call(Struct, frozen=True, order=True, gc=False):
    """A call that may be made: of a model, by its configured name and the one it is served by."""

    route: str
    model: str
    upstream: str
    upstream_model: str


NO_CALLS: frozenset[Call] = frozenset()
