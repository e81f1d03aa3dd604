"""Handshakes that do not end: they cost little memory, are counted, and keep nobody out."""

import http.client
import resource
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.flood_bounds import SECONDS, Bounds
from tests.integration.process import Gateway, Simulator

CONNECTIONS = 3000
# Most of them are broken off. An honest caller waits for those that came before.
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway whose ports speak TLS."""
    with Gateway(tmp_path_factory.mktemp("flooded"), tls="self-signed", data_tls="true") as gateway:
        gateway.serve_models(simulator)
        yield gateway
        assert gateway.command.stop() == 0
        assert "Traceback" not in gateway.command.said()


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    """Let this process open many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def hello() -> bytes:
    """Return how a handshake begins."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    beginning = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        beginning.do_handshake()
    return outgoing.read()


def ask(gateway: Gateway, url: str, path: str) -> str:
    """Return what an honest caller is told."""
    trusting = ssl.create_default_context(cafile=str(Path(gateway.directory, "data", "self-signed.crt")))
    address = urlsplit(url)
    caller = http.client.HTTPSConnection(
        "localhost", address.port, context=trusting, timeout=PATIENCE_SECONDS
    )
    try:
        caller.request("GET", path)
        return caller.getresponse().read().decode()
    finally:
        caller.close()


@pytest.mark.parametrize("port", ["data", "console"])
@pytest.mark.parametrize("sent", ["nothing", "a byte", "a part", "a whole hello"])
def test_handshakes_that_do_not_end_cost_little(
    flooded: Gateway, bounds: Bounds, port: str, sent: str
) -> None:
    url: str = getattr(flooded, port)
    address = "127.0.0.1", urlsplit(url).port
    whole = hello()
    beginning = {"nothing": b"", "a byte": whole[:1], "a part": whole[:100], "a whole hello": whole}[sent]

    def flood() -> None:
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                caller = stack.enter_context(socket.create_connection(address, timeout=PATIENCE_SECONDS))
                with suppress(OSError):  # it may be broken off already
                    caller.sendall(beginning)
            ask(flooded, url, "/health")  # an honest caller of the same address, too
            time.sleep(SECONDS)

    bounds.hold(flooded, flooded.new_token(), flood, ports=(port,))
    counted = f'tollkeeper_connections_refused_total{{port="{port}",reason="handshake"}} '
    assert float(ask(flooded, flooded.console, "/metrics").partition(counted)[2].split()[0]) > 0


def test_a_caller_of_the_console_who_speaks_no_tls_is_told(flooded: Gateway) -> None:
    caller = http.client.HTTPConnection("127.0.0.1", urlsplit(flooded.console).port, timeout=PATIENCE_SECONDS)
    caller.request("GET", "/")
    answer = caller.getresponse()
    assert answer.status == 400
    assert b"use https://" in answer.read()
    caller.close()
