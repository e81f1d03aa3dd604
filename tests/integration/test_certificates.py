"""The gateway's own certificate is replaced while it serves, and no connection ends with it."""

import contextlib
import http.client
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam
from tollkeeper import Client, Deployment, Provider
from tollkeeper_server.process import self_signed

from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator, until
from tests.servers.ports import free_port

LISTENERS = ("data", "console", "grpc")


class Files:
    """The files of a certificate that a gateway serves."""

    def __init__(self, folder: Path) -> None:
        """Make the first one."""
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self._new = folder / "new.crt", folder / "new.key"
        self_signed.make(self.certificate, self.key)

    def replace(self, lifetime: timedelta = self_signed.LIFETIME) -> None:
        """Replace both, one after the other, as certbot does."""
        self_signed.make(*self._new, lifetime)
        self._new[0].rename(self.certificate)
        self._new[1].rename(self.key)

    def text(self) -> str:
        """Return the certificate that is there."""
        return self.certificate.read_text()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def gateway(tmp_path: Path, files: Files) -> Iterator[Gateway]:
    """A gateway with the certificate of those files on its ports."""
    with Gateway(
        tmp_path / "gateway",
        tls_cert=str(files.certificate),
        tls_key=str(files.key),
        grpc_tls="true",
        data_tls="true",
    ) as running:
        yield running


def address(gateway: Gateway, listener: str) -> tuple[str, int]:
    host, _, port = getattr(gateway, listener).rpartition("/")[2].rpartition(":")
    return host, int(port)


def shown(gateway: Gateway, listener: str) -> str:
    """Return the certificate that a new handshake gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])  # gRPC wants the former
    with (
        socket.create_connection(address(gateway, listener), timeout=10) as connected,
        context.wrap_socket(connected, server_hostname="localhost") as secured,
    ):
        found = secured.getpeercert(binary_form=True)
    assert found
    return ssl.DER_cert_to_PEM_cert(found)


def is_shown(gateway: Gateway, listener: str, files: Files) -> bool:
    return shown(gateway, listener) == files.text()


def console(gateway: Gateway, trusted: str) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cadata=trusted)
    return http.client.HTTPSConnection(*address(gateway, "console"), context=context, timeout=30)


def asked(connection: http.client.HTTPConnection, path: str) -> tuple[http.client.HTTPResponse, str]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer, answer.read().decode()


def expiry(metrics: str) -> float:
    """Return what the metrics say of the certificate's end, in seconds since 1970."""
    (found,) = re.findall(r"^tollkeeper_certificate_expiry_timestamp_seconds (\S+)$", metrics, re.MULTILINE)
    return float(found)


def test_new_handshakes_get_the_new_certificate_and_connections_go_on(gateway: Gateway, files: Files) -> None:
    first = files.text()
    kept = console(gateway, first)
    assert asked(kept, "/health")[0].status == 200
    connection = kept.sock
    with management(gateway, files) as client:
        assert list(client.projects.list()) == []
        for _ in range(2):
            files.replace()
            for listener in LISTENERS:
                until(partial(is_shown, gateway, listener, files))
        assert list(client.projects.list()) == []
    assert asked(kept, "/health")[0].status == 200
    assert kept.sock is connection
    kept.close()
    fresh = console(gateway, files.text())
    assert asked(fresh, "/health")[0].status == 200
    fresh.close()
    assert gateway.command.stop() == 0
    assert "Traceback" not in gateway.command.said()


def test_sighup_reads_it_at_once_and_half_a_pair_changes_nothing(gateway: Gateway, files: Files) -> None:
    first, key = files.text(), files.key.read_text()
    files.replace()
    second = files.certificate.read_text()
    files.key.write_text(key)
    gateway.command.process.send_signal(signal.SIGHUP)
    until(lambda: "does not belong to the certificate" in gateway.command.said())
    assert [shown(gateway, listener) for listener in LISTENERS] == [first] * 3
    connection = console(gateway, first)
    _, ready = asked(connection, "/ready")
    assert "does not belong to the certificate" in ready
    assert second != first
    files.replace()
    gateway.command.process.send_signal(signal.SIGHUP)
    until(lambda: "the certificate was replaced" in gateway.command.said())
    assert [shown(gateway, listener) for listener in LISTENERS] == [files.text()] * 3
    assert '"certificate":"ok"' in asked(connection, "/ready")[1]
    connection.close()


def test_its_end_is_in_the_log_the_metrics_and_the_readiness(gateway: Gateway, files: Files) -> None:
    connection = console(gateway, files.text())
    answer, text = asked(connection, "/metrics")
    ends = float(
        re.findall(r"^tollkeeper_certificate_expiry_timestamp_seconds (\S+)$", text, re.MULTILINE)[0]
    )
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    files.replace(timedelta(days=3))
    until(lambda: "the certificate expires on 20" in gateway.command.said())
    text = asked(connection, "/metrics")[1]
    sooner = float(
        re.findall(r"^tollkeeper_certificate_expiry_timestamp_seconds (\S+)$", text, re.MULTILINE)[0]
    )
    assert ends - sooner == pytest.approx(394 * 86_400, abs=86_400)
    files.replace(timedelta(minutes=-1))
    until(lambda: "the certificate has expired, on 20" in gateway.command.said())
    ready, text = asked(connection, "/ready")
    assert ready.status == 200
    assert "the certificate has expired" in text
    connection.close()


def test_with_a_certificate_for_local_use_browsers_may_come_back_without_tls(tmp_path: Path) -> None:
    with Gateway(tmp_path, tls="self-signed") as gateway:
        trusted = (tmp_path / "data" / "self-signed.crt").read_text()
        connection = console(gateway, trusted)
        assert "strict-transport-security" not in asked(connection, "/health")[0].headers
        connection.close()
    with Gateway(tmp_path) as gateway:
        plain = http.client.HTTPConnection(*address(gateway, "console"), timeout=30)
        answer, text = asked(plain, "/ready")
        assert "strict-transport-security" not in answer.headers
        assert '"certificate":"none"' in text
        assert "tollkeeper_certificate_expiry" not in asked(plain, "/metrics")[1]
        plain.close()


def management(gateway: Gateway, files: Files) -> Client:
    return Client(gateway.grpc, management_token=MANAGEMENT_TOKEN, tls=True, ca_file=files.certificate)


def test_applications_use_data_listeners_over_tls(
    gateway: Gateway, files: Files, simulator: Simulator
) -> None:
    other, url = f"127.0.0.1:{free_port()}", f"http://{simulator.address}/v1"
    with management(gateway, files) as client:
        client.upstreams.create(name="sim", provider=Provider.OPENAI, base_url=url, api_key="sk-provider")
        client.models.create(name="*", deployments=[Deployment("sim")])
        client.listeners.create(name="other", address=other, tls=True)
        token = client.tokens.create(project_id=client.projects.create(name="p").id).token
    assert gateway.data.startswith("https://")
    context = ssl.create_default_context(cafile=files.certificate)
    for base_url in (gateway.base_url, f"https://{other}/v1"):
        with (
            httpx2.Client(verify=context) as http_client,
            OpenAI(base_url=base_url, api_key=token, http_client=http_client) as openai,
        ):
            messages: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hello"}]
            answer = openai.chat.completions.create(model="gpt-4o", messages=messages)
            stream = openai.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
            assert answer.choices[0].message.content
            assert [chunk.choices[0].finish_reason for chunk in stream if chunk.choices][-1] == "stop"
    plain = http.client.HTTPConnection(*address(gateway, "data"), timeout=30)
    refusal, text = asked(plain, "/health")
    assert refusal.status == 400
    assert "use https://" in text
    plain.close()
    assert gateway.command.stop() == 0
    assert "Traceback" not in gateway.command.said()


def test_a_process_that_takes_over_goes_on_over_tls(tmp_path: Path, files: Files) -> None:
    with Gateway(
        tmp_path / "gateway",
        "--takeover",
        tls_cert=str(files.certificate),
        tls_key=str(files.key),
        grpc_tls="true",
        data_tls="true",
    ) as gateway:
        with management(gateway, files) as client:
            client.listeners.create(name="other", address=f"127.0.0.1:{free_port()}", tls=True)
        first = gateway.command
        gateway.start()
        for command in (first, gateway.command):
            command.process.send_signal(signal.SIGHUP)  # the first may still be there
        assert first.wait() == 0
        files.replace()
        for listener in LISTENERS:
            until(partial(is_shown, gateway, listener, files))
        assert gateway.command.stop() == 0


def test_callers_that_do_not_speak_tls_leave_nothing_in_the_log(gateway: Gateway, files: Files) -> None:
    before = gateway.command.said()
    for listener in LISTENERS:
        for sent in (b"\x16\x03\x01\x00\x05hello" + b"x" * 40, b"\x16\x03\x03\xff", b"nonsense\r\n", b""):
            with socket.create_connection(address(gateway, listener), timeout=30) as connected:
                connected.sendall(sent)
                connected.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    while connected.recv(4096):
                        pass
        assert is_shown(gateway, listener, files)
    assert gateway.command.said() == before
