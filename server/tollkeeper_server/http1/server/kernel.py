"""What a caller's connection asks of the kernel, which asyncio does not tell."""

import asyncio
import fcntl
import select
import socket
import struct
import termios

# Closing sends a reset at once: there is a time to linger, and it is none.
_AT_ONCE = struct.pack("ii", 1, 0)


def unsent_bytes(transport: asyncio.Transport | None) -> int:
    """Return how many bytes the caller's system has not taken."""
    if transport is None:
        return 0
    kept = transport.get_write_buffer_size()
    connected = socket_of(transport)
    if connected is None:
        return kept
    try:
        waiting = fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    except (OSError, ValueError):  # the socket is closed, or the system does not tell
        return kept
    return kept + int(struct.unpack("i", waiting)[0])


def has_unread(transport: asyncio.Transport | None) -> bool:
    """Return whether the loop has not read all that has come: the connection is in use again."""
    connected = None if transport is None or transport.is_closing() else socket_of(transport)
    if connected is None:
        return False
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def reset(transport: asyncio.Transport) -> None:
    """Close so that the caller learns that something is missing."""
    connected = socket_of(transport)
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def socket_of(transport: asyncio.Transport) -> socket.socket | None:
    """Return the socket, None once it is closed, which a protocol may hear of only later."""
    connected: socket.socket | None = transport.get_extra_info("socket")
    return connected
