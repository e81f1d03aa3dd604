"""The headers that an upstream's settings may name."""

from collections.abc import Sequence

from tollkeeper_server.domain.headers import (
    FRAMING,
    HOP_BY_HOP,
    NETWORK,
    NETWORK_PREFIXES,
    OF_HTTP,
    OF_HTTP_PREFIXES,
    URL_HEADERS,
)
from tollkeeper_server.domain.upstream import HeaderAction, HeaderOperation
from tollkeeper_server.errors import TollkeeperError, invalid_argument
from tollkeeper_server.providers.registry import CREDENTIAL_HEADERS, SETTING_HEADERS

# The data plane sets these itself. With others, answers could not be read, and so not accounted for.
OWN = FRAMING | {"accept-encoding"}
# A value that is a request's id would change what these say to an upstream.
_WITH_MEANING = FRAMING | OF_HTTP | NETWORK | SETTING_HEADERS
_ANSWERED_BY_GATEWAY = frozenset(
    {
        "x-request-id",
        "x-upstream-request-id",
        "x-tollkeeper-cost",
        "x-tollkeeper-model",
        "x-tollkeeper-upstream",
    }
)
_WITH_MEANING_PREFIXES = ("anthropic-", "openai-", *OF_HTTP_PREFIXES, *NETWORK_PREFIXES)


def check_operations(operations: Sequence[HeaderOperation], auth_header: str) -> None:
    """Refuse operations that would break a request or show a credential.

    `auth_header` is the header that carries the upstream's credential, if it is of the administrator's
    choosing. Raises INVALID_ARGUMENT naming the field of the first one.
    """
    # Callers' credentials never pass, and an upstream's is kept secret, which an operation's value is not.
    credentials = CREDENTIAL_HEADERS | {auth_header.lower()}
    for position, operation in enumerate(operations):
        _check(operation, credentials, f"header_operations[{position}]")


def check_request_id_header(name: str, auth_header: str, operations: Sequence[HeaderOperation]) -> None:
    """Refuse a name for the header with the request's id that means something else to the upstream.

    The other arguments are the upstream's. Raises INVALID_ARGUMENT naming the field.
    """
    name = name.lower()
    if name in CREDENTIAL_HEADERS or name == auth_header.lower():
        raise _no_request_id(f"{name} carries a credential")
    if name in _WITH_MEANING or name.startswith(_WITH_MEANING_PREFIXES):
        raise _no_request_id(f"{name} has another meaning to HTTP, to proxies or to providers")
    if any(operation.name.lower() == name for operation in operations):
        raise _no_request_id(f"header_operations change {name}, too")


def check_passed_headers(names: Sequence[str]) -> None:
    """Refuse names of an answer's headers that can't pass to a caller. Raises INVALID_ARGUMENT naming one."""
    seen: set[str] = set()
    for position, spelled in enumerate(names):
        name = spelled.lower()
        field = f"passed_headers[{position}]"
        if name in HOP_BY_HOP:
            raise invalid_argument(field, f"{name} is for one connection only and never passes; leave it out")
        if name in FRAMING:
            raise invalid_argument(
                field, f"{name} says how a message is read and is the gateway's to pass; leave it out"
            )
        if name in _ANSWERED_BY_GATEWAY:
            raise invalid_argument(
                field,
                f"{name} is the gateway's own, which gives an upstream's request id as "
                "x-upstream-request-id; leave it out",
            )
        if name in URL_HEADERS:
            raise invalid_argument(
                field, f"{name} passes unless it names the upstream's host, which never does; leave it out"
            )
        if name in seen:
            raise invalid_argument(field, f"{name} is named twice; leave one out")
        seen.add(name)


def _no_request_id(why: str) -> TollkeeperError:
    return invalid_argument("request_id_header", f"{why}; name another header, such as X-Request-Id")


def _check(operation: HeaderOperation, credentials: frozenset[str], where: str) -> None:
    name = operation.name.lower()
    removes = operation.action is HeaderAction.REMOVE
    if name in credentials:
        raise _credential(name, where, removes=removes)
    if name in OWN:
        raise invalid_argument(
            f"{where}.name", f"{name} is the gateway's own to set; leave this operation out"
        )
    if removes and operation.value:
        raise invalid_argument(f"{where}.value", "has no use with remove; leave it empty")
    if not removes and not operation.value:
        raise invalid_argument(
            f"{where}.value", f"required with {operation.action}; remove takes a header away"
        )


def _credential(name: str, where: str, *, removes: bool) -> TollkeeperError:
    if removes:
        return invalid_argument(
            f"{where}.name", f"{name} never passes from callers to upstreams; leave this operation out"
        )
    return invalid_argument(
        f"{where}.name",
        f"{name} carries a credential, and operations are not kept secret; give it as api_key, with "
        "auth_scheme and auth_header",
    )
