"""What the process that controls has counted, for the one that replaces it: no counter goes back.

It stands in a file without a name that the supervisor holds open, and all that it forks. There are two places
in turn, each with a number and a check, so that one that was broken off in writing leaves the other.
"""

import os
import tempfile
import zlib
from pathlib import Path
from struct import Struct

import msgspec

from tollkeeper_server.telemetry.metrics import Gauges
from tollkeeper_server.telemetry.sums import Sums

_HEAD = Struct("<QQI")
_PLACE_BYTES = 64 * 1024 * 1024


class Counted(msgspec.Struct, frozen=True):
    """All that processes which have ended have counted, and of their gauges what only grows."""

    sums: Sums
    gauges: tuple[Gauges, ...]


_decode = msgspec.msgpack.Decoder(Counted).decode


class Remembered:
    """A file that outlives the process that writes it, and goes with the gateway."""

    def __init__(self) -> None:
        self._file = _open()
        self._number = 0

    def read(self) -> Counted | None:
        """Return what was written last, None if nothing was."""
        found = [it for it in (self._read_at(0), self._read_at(1)) if it is not None]
        if not found:
            return None
        self._number, data = max(found)
        return _decode(data)

    def write(self, counted: Counted) -> None:
        """Write it, in place of what was written the time before last. Raises OSError."""
        data = msgspec.msgpack.encode(counted)
        if len(data) > _PLACE_BYTES - _HEAD.size:
            return
        self._number += 1
        place = self._number % 2 * _PLACE_BYTES
        os.pwrite(self._file, _HEAD.pack(self._number, len(data), zlib.crc32(data)) + data, place)

    def _read_at(self, place: int) -> tuple[int, bytes] | None:
        head = os.pread(self._file, _HEAD.size, place * _PLACE_BYTES)
        if len(head) < _HEAD.size:
            return None
        number, length, check = _HEAD.unpack(head)
        data = os.pread(self._file, length, place * _PLACE_BYTES + _HEAD.size)
        return (number, data) if number and 0 < length == len(data) and zlib.crc32(data) == check else None


def _open() -> int:
    """Return the descriptor of a new file, which is memory if the system has that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("tollkeeper-counted")
    descriptor, path = tempfile.mkstemp()
    Path(path).unlink()
    return descriptor
