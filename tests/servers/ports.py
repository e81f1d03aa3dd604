"""Ports that are a test's own, even while nothing listens on them."""

import itertools
import socket
import threading
from collections.abc import Iterator

# Below what systems give to those who ask for any port, and to those who connect.
_FIRST, _END, _SHARE = 10_000, 32_000, 500
_shares: list["_Share"] = []
_turns = threading.Lock()


class _Share:
    """This process's ports. While it lives, its mark on the first keeps other test processes away."""

    def __init__(self) -> None:
        for first in range(_FIRST, _END, _SHARE):
            self._mark = socket.socket()
            if _takes(self._mark, first):
                break
            self._mark.close()
        else:
            raise AssertionError(f"other processes have taken the ports from {_FIRST} to {_END}")
        self.ports: Iterator[int] = itertools.cycle(range(first + 1, first + _SHARE))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on.

    Nobody else takes it: neither who asks the system for any port, nor another process of tests, nor, for
    hundreds of calls, another test of this one. So it may stay closed, or be listened on again.
    """
    with _turns:
        if not _shares:
            _shares.append(_Share())
        for port in itertools.islice(_shares[0].ports, _SHARE):
            with socket.socket() as probe:
                if _takes(probe, port):
                    return port
    raise AssertionError("every port of this process is in use")


def _takes(taker: socket.socket, port: int) -> bool:
    try:
        taker.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
