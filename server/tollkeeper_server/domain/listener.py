"""Listeners: the ports of the data plane, each with its own rules."""

from datetime import datetime

from msgspec import Struct

MAIN = "main"
"""The name of the gateway's own listener, which exists without being configured."""
CONSOLE = "console"
"""The listener name of requests that arrive at the console."""
HEAD_TIMEOUT_SECONDS = 10.0
"""The time limit for a request's head, unless a listener sets another."""
RESERVED_NAMES = frozenset({MAIN, CONSOLE})


class Rule(Struct, frozen=True, kw_only=True):
    """Sends the requests it matches to a group.

    `path` is a pattern (snapshot/paths.py), empty for any. `header` is the name of a header that the request
    must have; its whole value must equal `value`, or match the regular expression `pattern`, if one is set.
    `strip_prefix` is removed from the front of the path before the request is forwarded.
    """

    group: str
    path: str = ""
    header: str = ""
    value: str = ""
    pattern: str = ""
    strip_prefix: str = ""


class IpLimit(Struct, frozen=True, kw_only=True):
    """The limit on requests of one IP address: `per_second` on average, `burst` at once."""

    per_second: int = 100
    burst: int = 200


class Listener(Struct, frozen=True, kw_only=True):
    """A port of the data plane. `name` identifies it and never changes; `address` is `HOST:PORT`.

    `default_group` serves requests that match no rule and no model. `head_timeout_seconds` is the time limit
    for a request's head, from connecting or, for later requests, from the head's first byte.
    """

    name: str
    address: str
    default_group: str = ""
    rules: tuple[Rule, ...] = ()
    ip_limit: IpLimit | None = None
    head_timeout_seconds: float = HEAD_TIMEOUT_SECONDS
    is_active: bool = True
    created_at: datetime
    updated_at: datetime
    revision: int = 1
