"""What exceptions of sockets say of a connection; those of TLS are tried against servers in the contract."""

import errno
import socket
import ssl

import pytest
from tollkeeper_server.domain.connect_failure import ConnectReason
from tollkeeper_server.http1.client.failure import classify, connect_error

R = ConnectReason


@pytest.mark.parametrize(
    ("error", "reason", "lasts"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), R.NAME, False),
        (UnicodeError("label too long"), R.NAME, False),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), R.REFUSED, False),
        (OSError(errno.ECONNREFUSED, "Multiple exceptions"), R.REFUSED, False),
        (OSError(errno.EHOSTUNREACH, "no route"), R.UNREACHABLE, False),
        (OSError(errno.ENETUNREACH, "no network"), R.UNREACHABLE, False),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 113] b"), R.UNREACHABLE, False),
        (ConnectionResetError(errno.ECONNRESET, "reset"), R.CLOSED, False),
        (BrokenPipeError(errno.EPIPE, "pipe"), R.CLOSED, False),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), R.CLOSED, False),
        (OSError(errno.ETIMEDOUT, "timed out"), R.TIMED_OUT, False),
        (TimeoutError(), R.TIMED_OUT, False),
        (ConnectionAbortedError("SSL handshake is taking longer than 60.0 seconds"), R.TIMED_OUT, False),
        (ssl.SSLError("what nobody knows"), R.TLS_FAILED, False),
        (ValueError("check_hostname requires server_hostname"), R.TLS_FAILED, False),
    ],
)
@pytest.mark.parametrize("at_proxy", [False, True])
def test_each_exception_has_its_reason(
    error: Exception, reason: ConnectReason, lasts: bool, at_proxy: bool
) -> None:
    made = classify(error, at_proxy=at_proxy, has_certificate=False)
    assert made.problem is not None
    assert (made.problem.reason, made.problem.at_proxy, made.problem.is_lasting) == (reason, at_proxy, lasts)
    assert ("the outbound proxy" in str(made)) == at_proxy


@pytest.mark.parametrize("reason", list(R))
def test_every_reason_has_words_for_callers(reason: ConnectReason) -> None:
    assert len(str(connect_error(reason))) > 20


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)"), "127.0.0.1:9"),
        (OSError(errno.ECONNREFUSED, "Connect call failed ('::1', 9, 0, 0)"), "[::1]:9"),
        (
            OSError(
                "Multiple exceptions: [Errno 111] Connect call failed ('::1', 9, 0, 0), "
                "[Errno 111] Connect call failed ('127.0.0.1', 9)"
            ),
            "[::1]:9, Connection refused: 127.0.0.1:9",
        ),
    ],
)
@pytest.mark.skipif(errno.ECONNREFUSED != 111, reason="the numbers are those of Linux")
def test_operators_read_which_addresses_were_tried(error: OSError, detail: str) -> None:
    made = classify(error, at_proxy=False, has_certificate=False)
    assert made.problem is not None
    assert made.problem.detail == f"Connection refused: {detail}"
