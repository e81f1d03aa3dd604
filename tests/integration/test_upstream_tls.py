"""Upstreams over TLS, as callers, operators and configuration files see them."""

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pymongo
import pytest
from tollkeeper import ConnectReason, Deployment, Provider, Retry, TrafficPolicy, Upstream
from tollkeeper_server.store.sealed import new_key

from tests.contract.issued import Issued, issue, serving
from tests.contract.peers import NO_CERTIFICATE, nginx_refuses
from tests.integration.process import MANAGEMENT_TOKEN, Gateway, clean_environment

ROOT = issue("Test root", ca=True)
CLIENTS = issue("Clients", ca=True)
CLIENT = issue("gateway", by=CLIENTS)
# A part of it that is the same in every form of the text.
SECRET = CLIENT.key_pem.splitlines()[1]


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, *_: object) -> None:
        """Say nothing of handshakes that failed."""


class _Refuses(_Answers):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.wfile.write(nginx_refuses())
        self.close_connection = True


@contextmanager
def _upstream(context: ssl.SSLContext, kind: type[_Answers] = _Answers) -> Iterator[str]:
    with _Server(("127.0.0.1", 0), kind) as server:
        server.context = context
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway of its own."""
    with Gateway(tmp_path) as gateway:
        yield gateway


def _make(gateway: Gateway, base_url: str, **fields: object) -> str:
    """Make an upstream with a model, which is patient with failures; return a token."""
    retry = Retry(attempts=5)
    with gateway.management() as client:
        client.upstreams.create(
            name="secured",
            provider=Provider.GENERIC,
            base_url=base_url,
            ca_certificates=ROOT.pem,
            **fields,  # type: ignore[arg-type]
        )
        client.models.create(name="m", deployments=[Deployment("secured")], policy=TrafficPolicy(retry=retry))
        project = client.projects.create(name="p")
        return client.tokens.create(project_id=project.id).token


def _ask(gateway: Gateway, token: str) -> httpx2.Response:
    return httpx2.post(
        f"{gateway.base_url}/chat/completions",
        json={"model": "m", "messages": []},
        headers={"authorization": f"Bearer {token}"},
        timeout=60,
    )


def _shown(gateway: Gateway) -> Upstream:
    with gateway.management() as client:
        return client.upstreams.get("secured")


@pytest.mark.parametrize(
    ("shown", "reason", "told"),
    [
        (issue(by=ROOT, days=(-9, -1)), ConnectReason.CERTIFICATE_EXPIRED, "certificate has expired"),
        (issue("other.test", by=ROOT), ConnectReason.CERTIFICATE_WRONG_HOST, "is for another host"),
    ],
)  # fmt: skip
def test_callers_and_operators_learn_why_there_is_no_connection(
    gateway: Gateway, tmp_path: Path, shown: Issued, reason: ConnectReason, told: str
) -> None:
    with _upstream(serving(tmp_path, shown)) as base_url:
        token = _make(gateway, base_url)
        for _ in range(3):
            answer = _ask(gateway, token)
            assert answer.status_code == 502
            assert told in answer.text
            assert "127.0.0.1" not in answer.text

    failure = _shown(gateway).connect_failure
    assert failure is not None
    assert (failure.reason, failure.at_proxy, failure.is_over) == (reason, False, False)
    assert "CN=Test root" in failure.detail
    with gateway.management() as client:
        (member,) = client.configuration.explain(token=token, model="m").members
    assert member.connect_failure == failure
    headers = {"authorization": f"Bearer {MANAGEMENT_TOKEN}"}
    console = gateway.console
    by_rest = httpx2.get(f"{console}/manage/upstreams/secured", headers=headers).json()
    assert by_rest["connect_failure"]["reason"] == reason.value
    # One attempt a call: what fails for good is not waited for.
    metric = f'connect_failures_total{{at="upstream",reason="{reason.value}",upstream="secured"}} 3.0'
    assert metric in httpx2.get(f"{console}/metrics").text
    assert gateway.command.said().count("no connection to the upstream secured") == 1


def test_a_server_that_refuses_a_client_certificate_by_a_page_is_one_that_was_not_connected_to(
    gateway: Gateway, tmp_path: Path
) -> None:
    with _upstream(serving(tmp_path, issue(by=ROOT)), _Refuses) as base_url:
        token = _make(gateway, base_url)
        for _ in range(2):
            answer = _ask(gateway, token)
            assert (answer.status_code, answer.headers["content-type"]) == (502, "application/json")
            assert "the upstream wants a TLS client certificate" in answer.text
            assert "nginx" not in answer.text + str(answer.headers)

    failure = _shown(gateway).connect_failure
    assert failure is not None
    assert (failure.reason, failure.is_over) == (ConnectReason.CLIENT_CERTIFICATE_WANTED, False)
    assert NO_CERTIFICATE in failure.detail
    with gateway.management() as client:
        (member,) = client.configuration.explain(token=token, model="m").members
    assert member.connect_failure == failure
    reason = "client_certificate_wanted"
    metric = f'connect_failures_total{{at="upstream",reason="{reason}",upstream="secured"}} 2.0'
    assert metric in httpx2.get(f"{gateway.console}/metrics").text
    assert gateway.command.said().count("no connection to the upstream secured") == 1


def test_a_client_certificate_is_shown_and_its_key_is_nowhere(gateway: Gateway, tmp_path: Path) -> None:
    with _upstream(serving(tmp_path, issue(by=ROOT), clients_of=CLIENTS)) as base_url:
        token = _make(gateway, base_url)
        assert _ask(gateway, token).status_code == 502
        failure = _shown(gateway).connect_failure
        assert failure is not None
        assert failure.reason is ConnectReason.CLIENT_CERTIFICATE_WANTED

        with gateway.management() as client:
            client.upstreams.update("secured", client_certificate=CLIENT.pem, client_key=CLIENT.key_pem)
        assert _ask(gateway, token).status_code == 200
        failure = _shown(gateway).connect_failure
        assert failure is not None
        assert failure.is_over

        with gateway.management() as client:
            exported = client.configuration.export()
            assert not client.configuration.apply(exported).changes
        assert _ask(gateway, token).status_code == 200
        assert "-----BEGIN CERTIFICATE-----" in str(exported)
        assert SECRET not in str(exported)
    metrics = httpx2.get(f"{gateway.console}/metrics").text
    assert 'client_certificate_expiry_timestamp_seconds{upstream="secured"}' in metrics
    assert "the client certificate of the upstream secured expires on" in gateway.command.said()
    assert SECRET not in gateway.command.said()
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_a_client_certificate_lives_in_mongodb_and_goes_to_another_gateway_by_a_file(
    tmp_path: Path, mongo_url: str
) -> None:
    old, new = new_key(), new_key()
    with _upstream(serving(tmp_path, issue(by=ROOT), clients_of=CLIENTS)) as base_url:
        shown = {"client_certificate": CLIENT.pem, "client_key": CLIENT.key_pem}
        with Gateway(tmp_path / "one", store=mongo_url, encryption_key=old) as gateway:
            token = _make(gateway, base_url, **shown)
            assert _ask(gateway, token).status_code == 200
            made = _shown(gateway)
            assert (made.client_certificate, made.client_key) == (CLIENT.pem, "****")
            assert gateway.command.stop() == 0

        keys = {"TOLLKEEPER_ENCRYPTION_KEY": f"{new},{old}"}
        rotated = _command(tmp_path, "keys", "rotate", "--store", mongo_url, **keys)
        assert "All 2 secrets are sealed with the first key" in rotated.stdout
        with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
            database = client.get_default_database()
            kept = str([list(database[name].find()) for name in database.list_collection_names()])
        assert "BEGIN CERTIFICATE" in kept
        assert SECRET not in kept

        with Gateway(tmp_path / "one", store=mongo_url, encryption_key=new) as gateway:
            assert _ask(gateway, token).status_code == 200
            _command(tmp_path, "export", "-o", "moved.yaml", **_reaching(gateway))
        file = tmp_path / "moved.yaml"
        text = file.read_text()
        assert SECRET not in text
        with Gateway(tmp_path / "two", encryption_key=new_key()) as gateway:
            refused = _command(tmp_path, "apply", "-f", "moved.yaml", **_reaching(gateway))
            assert refused.returncode == 1
            assert "upstreams[0].client_certificate: " in refused.stderr
            assert "client_key" in refused.stderr
            added = "\\g<0>    client_key: ${CLIENT_KEY}\n"
            file.write_text(re.sub(r" +- name: secured\n", added, text))
            reaching = _reaching(gateway) | {"CLIENT_KEY": CLIENT.key_pem}
            applied = _command(tmp_path, "apply", "-f", "moved.yaml", **reaching)
            assert applied.returncode == 0, applied.stderr
            assert _ask(gateway, gateway.new_token()).status_code == 200


def _command(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tollkeeper_server", *arguments],
        env=clean_environment(**environment),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _reaching(gateway: Gateway) -> dict[str, str]:
    """Return what commands find a gateway by."""
    return {"TOLLKEEPER_GRPC_ADDRESS": gateway.grpc, "TOLLKEEPER_MANAGEMENT_TOKEN": MANAGEMENT_TOKEN}
