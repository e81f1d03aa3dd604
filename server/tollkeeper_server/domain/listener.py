"""Listeners: the ports of the data plane, each with its own rules."""

from datetime import datetime

from msgspec import Struct

from tollkeeper_server.domain.hidden_values import HIDDEN
from tollkeeper_server.domain.limit import Limit

MAIN = "main"
"""The name of the gateway's own listener, which exists without being configured."""
CONSOLE = "console"
"""The listener name of requests that arrive at the console."""
GRPC = "grpc"
"""The listener name of connections to the port of gRPC."""
HEAD_TIMEOUT_SECONDS = 10.0
"""The time limit for a request's head, unless a listener sets another."""
RESERVED_NAMES = frozenset({MAIN, CONSOLE, GRPC})
"""Names that no other listener may have: metrics and usage tell listeners by their names."""


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

    @property
    def words(self) -> str:
        """What people are told of it: the path, the header without its value, or both."""
        value = HIDDEN if self.value or self.pattern else "*"
        header = self.header and f"{self.header}: {value}"
        return " with ".join(filter(None, (self.path, header)))


class IpLimit(Struct, frozen=True, kw_only=True):
    """The limit on requests of one IP address: `per_second` on average, `burst` at once."""

    per_second: int = 100
    burst: int = 200


class Listener(Struct, frozen=True, kw_only=True):
    """A port of the data plane. `name` identifies it and never changes; `address` is `HOST:PORT`.

    `default_group` serves requests that match no rule and no model. `head_timeout_seconds` is the time limit
    for a request's head, from connecting or, for later requests, from the head's first byte. With `tls` it
    speaks TLS, with the certificate of the process.
    """

    name: str
    address: str
    default_group: str = ""
    rules: tuple[Rule, ...] = ()
    ip_limit: IpLimit | None = None
    limits: tuple[Limit, ...] = ()
    head_timeout_seconds: float = HEAD_TIMEOUT_SECONDS
    tls: bool = False
    is_active: bool = True
    created_at: datetime
    updated_at: datetime
    revision: int = 1

    @property
    def speaks_tls(self) -> bool:
        """Whether its port is to be open, and to speak TLS."""
        return self.is_active and self.tls
