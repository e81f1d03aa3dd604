"""Listeners: the data plane's ports, each with rules of its own."""

from datetime import datetime

from msgspec import Struct

MAIN = "main"
"""The name of the gateway's own listener, which is there without being configured."""
CONSOLE = "console"
"""What stands for a listener's name where requests come in by the console."""
HEAD_TIMEOUT_SECONDS = 10.0
"""How long a caller may take for a request's head, unless a listener says otherwise."""
RESERVED_NAMES = frozenset({MAIN, CONSOLE})


class Rule(Struct, frozen=True, kw_only=True):
    """Sends the requests it matches to a group.

    `path` is a pattern (snapshot/paths.py), empty for any. `header` is a header's name that must be there;
    with `value` it must have that value, with `pattern` one that the whole regular expression matches.
    `strip_prefix` is taken off the front of the path before it is forwarded.
    """

    group: str
    path: str = ""
    header: str = ""
    value: str = ""
    pattern: str = ""
    strip_prefix: str = ""


class IpLimit(Struct, frozen=True, kw_only=True):
    """How many requests an IP address may make: `per_second` on average, `burst` at once."""

    per_second: int = 100
    burst: int = 200


class Listener(Struct, frozen=True, kw_only=True):
    """A port of the data plane. `name` identifies it and never changes; `address` is `HOST:PORT`.

    `default_group` serves what neither a rule nor a model does. `head_timeout_seconds` is how long a caller
    may take from connecting, or from its last answer's end and the first byte after it, to a request's head.
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
