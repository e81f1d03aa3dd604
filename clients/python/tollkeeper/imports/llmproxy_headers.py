"""llmproxy's header operations: those that can be ours, and what becomes of the others."""

from tollkeeper.imports.imported import as_secret
from tollkeeper.imports.section import Section, wrong
from tollkeeper.messages.problems import printable
from tollkeeper.v1 import upstream_service_pb2 as pb

_ACTIONS = {
    "insert": pb.HEADER_ACTION_INSERT,
    "replace": pb.HEADER_ACTION_REPLACE,
    "remove": pb.HEADER_ACTION_REMOVE,
}
# Callers' never pass, and an upstream's is its api_key, which is kept secret; operations are not.
_CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key", "cookie", "x-goog-api-key"})
# The gateway sets these itself.
_OWN = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect",
        "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_BEARER = "bearer "


def read_headers(section: Section, upstream: pb.CreateUpstreamRequest) -> list[str]:
    """Give the upstream the operations, and return notes about them. Raises `ConfigurationError`."""
    notes = []
    for header in section.sections("headers"):
        op, name, value = header.required("op").lower(), header.required("key"), header.text("value")
        if op not in _ACTIONS:
            raise wrong(header.where("op"), f"must be one of {', '.join(_ACTIONS)}")
        if name.lower() in _CREDENTIALS:
            notes.append(f"{header.path}: {_credential(upstream, op, name, value)}")
        elif name.lower() in _OWN:
            notes.append(f"{header.path}: {printable(name)} is the gateway's own to set; left out")
        elif op != "remove" and not value:
            notes.append(f"{header.path}: sets {printable(name)} to nothing; left out")
        else:
            upstream.header_operations.append(
                pb.HeaderOperation(action=_ACTIONS[op], name=name, value="" if op == "remove" else value)
            )
    return notes


def _credential(upstream: pb.CreateUpstreamRequest, op: str, name: str, value: str) -> str:
    """Make an operation's credential the upstream's if it has none, and return a note about it."""
    if op == "remove":
        return f"{name.lower()} of callers never passes; left out"
    if not value:
        return f"sets {name.lower()} to nothing; left out"
    if upstream.auth_scheme != pb.AUTH_SCHEME_NONE:
        return (
            f"sets {name.lower()} beside auth; left out: an upstream has one credential. "
            f"If this is the one, make it api_key, with auth_scheme header and auth_header {name.lower()}"
        )
    if name.lower() == "authorization" and value.lower().startswith(_BEARER):
        upstream.auth_scheme = pb.AUTH_SCHEME_BEARER
        upstream.api_key = as_secret(value[len(_BEARER) :])
    else:
        upstream.auth_scheme = pb.AUTH_SCHEME_HEADER
        upstream.auth_header = name
        upstream.api_key = as_secret(value)
    return f"sets a credential: it is the api_key of {upstream.name} now, kept secret"
