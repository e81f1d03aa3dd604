"""Where a client connects to, and with what, follows from its options, the environment and defaults."""

import json
from pathlib import Path

import pytest
from tollkeeper.connection import Connection, reachable, resolve


def option(connection: Connection, name: str) -> str | int:
    return dict(connection.options)[name]


def test_without_anything_it_is_the_gateway_of_this_machine() -> None:
    connection = resolve(environment={})

    assert connection.address == "127.0.0.1:50051"
    assert connection.timeout == 10.0
    assert connection.metadata == ()
    assert connection.credentials is None


def test_the_environment_fills_in_what_is_not_given() -> None:
    environment = {"TOLLKEEPER_GRPC_ADDRESS": "gateway:1234", "MANAGEMENT_TOKEN": "from-the-environment"}

    connection = resolve(environment=environment)

    assert connection.address == "gateway:1234"
    assert connection.metadata == (("authorization", "Bearer from-the-environment"),)


def test_what_is_given_precedes_the_environment() -> None:
    environment = {
        "TOLLKEEPER_GRPC_ADDRESS": "gateway:1234",
        "TOLLKEEPER_MANAGEMENT_TOKEN": "other",
        "TOLLKEEPER_GRPC_TLS": "true",
    }

    connection = resolve(address="here:1", management_token="mine", tls=False, environment=environment)

    assert connection.address == "here:1"
    assert connection.metadata == (("authorization", "Bearer mine"),)
    assert connection.credentials is None


def test_the_longer_variable_precedes_the_shorter() -> None:
    connection = resolve(environment={"TOLLKEEPER_MANAGEMENT_TOKEN": "long", "MANAGEMENT_TOKEN": "short"})

    assert connection.metadata == (("authorization", "Bearer long"),)


@pytest.mark.parametrize(
    ("listener", "address"),
    [
        (":50051", "127.0.0.1:50051"),
        ("0.0.0.0:50051", "127.0.0.1:50051"),
        ("[::]:50051", "[::1]:50051"),
        ("10.0.0.1:50051", "10.0.0.1:50051"),
        ("gateway", "gateway"),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_on_loopback(listener: str, address: str) -> None:
    assert reachable(listener) == address


@pytest.mark.parametrize("secret", ["canary\n", "canary\r\nx-admin: 1", "canaryß", "canary\x00"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^management_token: must be printable ASCII") as refused:
        resolve(management_token=secret, environment={})

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_a_timeout_is_positive(timeout: float) -> None:
    with pytest.raises(ValueError, match=r"^timeout: must be more than 0"):
        resolve(timeout=timeout, environment={})


def test_tls_is_on_when_asked_for() -> None:
    assert resolve(tls=True, environment={}).credentials is not None
    assert resolve(environment={"TOLLKEEPER_GRPC_TLS": "true"}).credentials is not None
    assert resolve(environment={"TOLLKEEPER_GRPC_TLS": "false"}).credentials is None


def test_a_ca_file_without_tls_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^ca_file: needs TLS"):
        resolve(ca_file=tmp_path / "ca.pem", tls=False, environment={})


def test_a_ca_file_that_holds_no_certificates_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")

    with pytest.raises(ValueError, match=r"^ca_file: .* is not a file of PEM certificates"):
        resolve(ca_file=file, environment={})


def test_the_token_stays_out_of_the_repr() -> None:
    assert "canary" not in repr(resolve(management_token="canary", environment={}))


@pytest.mark.parametrize(
    ("address", "proxied"),
    [("127.0.0.1:1", 0), ("localhost:1", 0), ("[::1]:1", 0), ("10.0.0.1:1", 1), ("gateway:1", 1)],
)
def test_loopback_is_never_reached_through_a_proxy(address: str, proxied: int) -> None:
    assert option(resolve(address=address, environment={}), "grpc.enable_http_proxy") == proxied


def test_calls_that_may_be_repeated_are_retried() -> None:
    config = json.loads(str(option(resolve(environment={}), "grpc.service_config")))
    (entry,) = config["methodConfig"]
    names = {f"{it['service']}/{it['method']}" for it in entry["name"]}

    assert entry["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert "tollkeeper.v1.UsageService/SummarizeUsage" in names
    assert "tollkeeper.v1.TokenService/RevokeToken" in names
    assert not any("/Create" in name or "/Rotate" in name or "/Delete" in name for name in names)
