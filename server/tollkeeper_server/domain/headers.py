"""Names of headers that a gateway treats specially, in lower case, and what requests expect by one."""

from collections.abc import Iterable

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

NETWORK = frozenset(
    {
        "akamai-origin-hop", "ali-cdn-real-ip", "cdn-loop", "client-ip", "fastly-client-ip", "fastly-ff",
        "fastly-ssl", "fly-client-ip", "fly-region", "forwarded", "front-end-https", "incap-client-ip",
        "true-client-ip", "via", "wl-proxy-client-ip", "x-amz-cf-id", "x-amzn-trace-id", "x-arr-log-id",
        "x-arr-ssl", "x-azure-clientip", "x-azure-fdid", "x-azure-ref", "x-azure-socketip", "x-client-ip",
        "x-cluster-client-ip", "x-forwarded", "x-http-method", "x-http-method-override",
        "x-method-override", "x-nf-client-connection-ip", "x-nf-geo", "x-nginx-proxy",
        "x-original-forwarded-for", "x-original-host", "x-original-method", "x-original-url",
        "x-proxyuser-ip", "x-real-ip", "x-rewrite-url", "x-scheme", "x-sucuri-clientip", "x-sucuri-country",
        "x-vercel-forwarded-for", "x-vercel-id", "x-vercel-proxied-for",
    }
)  # fmt: skip
"""What proxies in front of a gateway say of the caller and of themselves, and what changes a method."""
NETWORK_PREFIXES = (
    "cf-", "cloudfront-", "fly-forwarded-", "x-akamai-", "x-appengine-", "x-envoy-", "x-forwarded-",
    "x-vercel-ip-",
)  # fmt: skip
"""The same by prefix. Cloudflare's AI gateway is an upstream: `AI_GATEWAY_PREFIX` is meant for it."""
AI_GATEWAY_PREFIX = "cf-aig-"

OF_HTTP = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "age", "allow",
        "cache-control", "date", "etag", "expires", "from", "last-modified", "link", "location",
        "max-forwards", "origin", "pragma", "prefer", "priority", "range", "referer", "retry-after", "server",
        "set-cookie", "user-agent", "vary", "warning", "www-authenticate",
    }
)  # fmt: skip
"""Headers beside FRAMING to which HTTP gives a meaning (RFC 9110 and 9111, and extensions in use)."""
OF_HTTP_PREFIXES = ("access-control-", "content-", "if-", "sec-")
"""The same by prefix."""

OF_UPSTREAM = frozenset(
    {
        "alt-svc", "anthropic-organization-id", "clear-site-data", "nel", "openai-organization",
        "openai-project", "report-to", "reporting-endpoints", "set-cookie", "strict-transport-security",
        "x-accel-redirect", "x-litellm-key-max-budget", "x-litellm-key-rpm-limit", "x-litellm-key-spend",
        "x-litellm-key-tpm-limit", "x-litellm-model-api-base", "x-sendfile",
    }
)  # fmt: skip
"""What an upstream's answer says of its own address, of the operator's account there, and its cookies.

And what would have a server in front of the gateway send something of its own: nginx, Apache.
"""

URL_HEADERS = frozenset(
    {"azure-asyncoperation", "content-location", "link", "location", "operation-location", "refresh"}
)
"""The headers of answers whose values are URLs, or have them."""

GO_AHEAD = b"100-continue"
"""What who expects it waits for before it sends the body."""


def expectations(received: Iterable[Header]) -> set[bytes]:
    """Return what a request expects, in lower case: each header `expect` may name several, with commas."""
    values = [value.lower() for name, value in received if name == b"expect"]
    return {one for value in values for it in value.split(b",") if (one := it.strip())}
