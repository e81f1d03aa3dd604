"""What the gateway's machine can run out of. That is the fault of no upstream, caller or token."""

import errno
from enum import StrEnum


class Shortage(StrEnum):
    """A thing that has run out; the value is what metrics call it."""

    DESCRIPTORS = "descriptors"
    PORTS = "ports"
    MEMORY = "memory"
    THREADS = "threads"
    LOOK_UPS = "look_ups"

    @property
    def text(self) -> str:
        """What has run out, for people."""
        return _TEXTS[self]


_TEXTS = {
    Shortage.DESCRIPTORS: "file descriptors (ulimit -n)",
    Shortage.PORTS: "local ports for connections to that address",
    Shortage.MEMORY: "memory for sockets",
    Shortage.THREADS: "threads",
    Shortage.LOOK_UPS: "room for more look-ups of names",
}
# Not EADDRNOTAVAIL: without knowing the address nobody can tell a lack of ports from that of a network.
_NUMBERS = {
    errno.EMFILE: Shortage.DESCRIPTORS,
    errno.ENFILE: Shortage.DESCRIPTORS,
    errno.ENOBUFS: Shortage.MEMORY,
    errno.ENOMEM: Shortage.MEMORY,
}


class ShortageError(OSError):
    """Something has run out; the error of the system does not say it as clearly."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__(f"no {shortage.text} left")
        self.shortage = shortage


def shortage_in(error: BaseException) -> Shortage | None:
    """Return what an error says has run out; None if it is another error."""
    if isinstance(error, ShortageError):
        return error.shortage
    if isinstance(error, OSError):
        return _NUMBERS.get(error.errno or 0)
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":  # there is no other sign
        return Shortage.THREADS
    return None
