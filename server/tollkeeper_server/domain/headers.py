"""Names of headers that a gateway treats specially, in lower case."""

Header = tuple[bytes, bytes]
"""A header's name and value as they are sent."""

HOP_BY_HOP = frozenset(
    {
        "connection", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers for one connection only (RFC 9110, 7.6.1, and those of its predecessors that are still in use)."""

FRAMING = HOP_BY_HOP | {"content-encoding", "content-length", "content-type", "expect", "host"}
"""Headers that decide how a message is read or where it goes: a wrong one breaks the request."""
