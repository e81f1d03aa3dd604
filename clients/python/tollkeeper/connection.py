"""The address of the gateway and the way to reach it, for both clients."""

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import grpc

from tollkeeper.services import SERVICES

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 10.0
ADDRESS_VARIABLE = "TOLLKEEPER_GRPC_ADDRESS"
TOKEN_VARIABLES = ("TOLLKEEPER_MANAGEMENT_TOKEN", "MANAGEMENT_TOKEN")
TLS_VARIABLE = "TOLLKEEPER_GRPC_TLS"
MAX_MESSAGE_BYTES = 64 * 1024 * 1024

# Repeating one of these after a lost answer would make a second thing, deny the first success, lose a secret,
# or count a change twice.
NOT_REPEATABLE = ("Create", "Rotate", "Delete", "Apply", "Reprice")

# Everything else is tried four times in all while the gateway says UNAVAILABLE.
RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a gateway. `timeout` of each call is in seconds; no `credentials` is plaintext."""

    address: str
    timeout: float
    metadata: tuple[tuple[str, str], ...] = field(repr=False)
    options: tuple[tuple[str, str | int], ...]
    credentials: grpc.ChannelCredentials | None


def resolve(
    *,
    address: str | None = None,
    management_token: str | None = None,
    tls: bool | None = None,
    ca_file: Path | str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    environment: Mapping[str, str] | None = None,
) -> Connection:
    """Complete the given options from the environment and the defaults.

    Raises `ValueError` for a management token that no header can carry or a `timeout` that is not
    positive, and `OSError` or `ValueError` for a `ca_file` that can't be used.
    """
    variables = os.environ if environment is None else environment
    if address is None:
        address = variables.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS
    address = reachable(address)
    if management_token is None:
        management_token = next((it for name in TOKEN_VARIABLES if (it := variables.get(name))), "")
    if not management_token.isascii() or not management_token.replace(" ", "").isprintable():
        raise ValueError("management_token: must be printable ASCII, without line breaks")
    if tls is None:
        tls = ca_file is not None or variables.get(TLS_VARIABLE, "").lower() in {"1", "true", "yes", "on"}
    if ca_file is not None and not tls:
        raise ValueError("ca_file: needs TLS; leave tls unset or make it true")
    if not timeout > 0:
        raise ValueError("timeout: must be more than 0 seconds")
    return Connection(
        address=address,
        timeout=timeout,
        metadata=(("authorization", f"Bearer {management_token}"),) if management_token else (),
        options=_channel_options(address),
        credentials=_credentials(ca_file) if tls else None,
    )


def reachable(address: str) -> str:
    """Return where to connect for `address`, which a server's settings may give as any interface."""
    host, colon, port = address.rpartition(":")
    if colon and host in {"", "0.0.0.0", "[::]"}:  # noqa: S104 - recognised, not listened on
        return f"{'[::1]' if host == '[::]' else '127.0.0.1'}:{port}"
    return address


def _credentials(ca_file: Path | str | None) -> grpc.ChannelCredentials:
    if ca_file is not None:
        roots = Path(ca_file).read_bytes()
        try:
            ssl.create_default_context(cadata=roots.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise ValueError(f"ca_file: {ca_file} is not a file of PEM certificates") from error
        return grpc.ssl_channel_credentials(root_certificates=roots)
    # gRPC brings roots of its own and ignores the system's, where companies put theirs.
    system = ssl.create_default_context().get_ca_certs(binary_form=True)
    pem = "".join(ssl.DER_cert_to_PEM_cert(certificate) for certificate in system)
    return grpc.ssl_channel_credentials(root_certificates=pem.encode() or None)


def _channel_options(address: str) -> tuple[tuple[str, str | int], ...]:
    repeatable = [
        {"service": service.full_name, "method": method.name}
        for service in SERVICES
        for method in service.methods
        if not method.name.startswith(NOT_REPEATABLE)
    ]
    config = {"methodConfig": [{"name": repeatable, "retryPolicy": RETRY_POLICY}]}
    return (
        ("grpc.service_config", json.dumps(config)),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.primary_user_agent", "tollkeeper-python"),
        # A stream whose gateway is gone without a word ends after so long.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # A proxy that http_proxy names can't reach this machine's own loopback.
        ("grpc.enable_http_proxy", 0 if _is_loopback(address) else 1),
    )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
