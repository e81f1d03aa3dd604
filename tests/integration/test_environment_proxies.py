"""Upstreams are called through the proxies that the environment names, if the gateway is told to use them."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Deployment

from tests.integration.process import Gateway, Simulator


class _Tunnels(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.asked: list[str] = []


class _Tunnel(socketserver.StreamRequestHandler):
    server: _Tunnels

    def handle(self) -> None:
        """Do what CONNECT asks for."""
        lines = list(iter(lambda: self.rfile.readline().decode().strip(), ""))
        self.server.asked += lines
        host, _, port = lines[0].split()[1].rpartition(":")
        with socket.create_connection((host, int(port))) as onward:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pump, args=(onward, self.connection), daemon=True)
            back.start()
            _pump(self.connection, onward)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@pytest.fixture
def tunnels() -> Iterator[_Tunnels]:
    """A proxy that notes what it is asked for."""
    with _Tunnels() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _serves(gateway: Gateway, simulator: Simulator) -> str:
    """Ask once, and return what `explain` says of the proxy."""
    gateway.serve_models(simulator)
    with gateway.management() as client:
        client.models.create(name="own", deployments=[Deployment("sim")])
        secret = gateway.new_token()
        body = {"model": "own", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {secret}"}
        with httpx2.Client(trust_env=False) as http:
            answer = http.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        (member,) = client.configuration.explain(token=secret, model="own").members
        return member.proxy


def test_the_proxy_of_the_environment_is_used_and_shown_without_its_password(
    tmp_path: Path, simulator: Simulator, tunnels: _Tunnels
) -> None:
    where = f"127.0.0.1:{tunnels.server_address[1]}"
    environment = {"http_proxy": f"http://user:pw-canary@{where}", "NO_PROXY": "10.0.0.0/8"}
    with Gateway(tmp_path, "--proxy-from-environment", environment=environment) as gateway:
        assert _serves(gateway, simulator) == f"http://{where} (HTTP_PROXY)"
        said = gateway.command.said()
    assert f"CONNECT {simulator.address} HTTP/1.1" in tunnels.asked
    assert any(line.startswith("proxy-authorization: Basic ") for line in tunnels.asked)
    assert "canary" not in said
    assert "not read" not in said


def test_what_no_proxy_names_is_called_directly(
    tmp_path: Path, simulator: Simulator, tunnels: _Tunnels
) -> None:
    environment = {"HTTP_PROXY": f"127.0.0.1:{tunnels.server_address[1]}", "NO_PROXY": "a.test,127.0.0.0/8"}
    with Gateway(tmp_path, environment=environment, proxy_from_environment="true") as gateway:
        assert _serves(gateway, simulator) == ""
    assert tunnels.asked == []


def test_unless_it_is_told_to_the_gateway_uses_none_and_says_so(
    tmp_path: Path, simulator: Simulator, tunnels: _Tunnels
) -> None:
    url = f"http://user:pw-canary@127.0.0.1:{tunnels.server_address[1]}"
    with Gateway(tmp_path, environment={"ALL_PROXY": url}) as gateway:
        assert _serves(gateway, simulator) == ""
        said = gateway.command.said()
    assert "not read: ALL_PROXY (set TOLLKEEPER_PROXY_FROM_ENVIRONMENT to use it)" in said
    assert "canary" not in said
    assert tunnels.asked == []
