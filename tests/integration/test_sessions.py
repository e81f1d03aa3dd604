"""Signing in to real gateways: two processes on one store, over TLS, and another management token."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Client

from tests.integration.process import MANAGEMENT_TOKEN, Gateway

PATIENCE_SECONDS = 30.0
KEY = "c2Vzc2lvbnMgb2YgdHdvIHByb2Nlc3Nlcywga2V5IDE="
CALL = "/tollkeeper.v1.SessionService/ListSessions"


@contextmanager
def page(gateway: Gateway, secret: str = "") -> Iterator[httpx2.Client]:
    """A page of a gateway's console, with a secret that it got elsewhere, as behind a proxy for all."""
    trusting = ssl.create_default_context(cafile=str(Path(gateway.directory, "data", "self-signed.crt")))
    headers = {
        "origin": gateway.console,
        "sec-fetch-site": "same-origin",
        "connect-protocol-version": "1",
        "content-type": "application/json",
    }
    if secret:
        port = gateway.console.rpartition(":")[2]
        headers["cookie"] = f"__Host-tollkeeper_session_{port}={secret}"
    with httpx2.Client(
        base_url=gateway.console,
        headers=headers,
        verify=trusting,
        http2=True,
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    ) as client:
        yield client


def sign_in(gateway: Gateway) -> str:
    """Sign in, and return the secret."""
    with page(gateway) as client:
        answer = client.post("/admin/session", content=json.dumps({"token": MANAGEMENT_TOKEN}))
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    return str(answer.headers["set-cookie"].partition(";")[0].partition("=")[2])


def call(gateway: Gateway, secret: str) -> int:
    """Return the status of a call under the session."""
    with page(gateway, secret) as client:
        return client.post(CALL, content=b"{}").status_code


def sharing(directory: Path, store: Path | None = None, management_token: str = MANAGEMENT_TOKEN) -> Gateway:
    """Start a gateway on a store that it shares, by default with those of its directory's neighbours."""
    return Gateway(
        directory,
        store=f"sqlite:///{store or directory.parent / 'store.db'}",
        encryption_key=KEY,
        tls="self-signed",
        management_token=management_token,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways on one store."""
    directory = tmp_path_factory.mktemp("sessions")
    with sharing(directory / "one") as one, sharing(directory / "two") as other:
        yield one, other


def test_one_signs_in_once_for_all_processes(two: tuple[Gateway, Gateway]) -> None:
    """And signs out of all of them."""
    one, other = two
    secret = sign_in(one)
    assert [call(it, secret) for it in two] == [200, 200]
    with page(other, secret) as client:
        assert client.delete("/admin/session").status_code == 204
    assert [call(it, secret) for it in two] == [401, 401]


def test_all_are_logged_out_everywhere(two: tuple[Gateway, Gateway]) -> None:
    one, other = two
    secrets = [sign_in(one), sign_in(other)]
    with Client(one.grpc, management_token=MANAGEMENT_TOKEN) as client:
        first, second = client.sessions.list()
        assert (first.address, first.is_current) == ("127.0.0.1", False)
        client.sessions.revoke(second.id)
        assert [it.id for it in client.sessions.list()] == [first.id]
        assert client.sessions.revoke_all().revoked_count == 1
    assert [call(it, secret) for it in two for secret in secrets] == [401] * 4


def test_another_management_token_ends_sessions(two: tuple[Gateway, Gateway], tmp_path: Path) -> None:
    """Of the process that has it: where the old one is still right, they go on."""
    one, _ = two
    secret = sign_in(one)
    another = "another-management-token"
    with sharing(tmp_path, one.directory.parent / "store.db", another) as gateway:
        assert call(gateway, secret) == 401
        with Client(gateway.grpc, management_token=another) as client:
            assert list(client.sessions.list()) == []
    assert call(one, secret) == 200
