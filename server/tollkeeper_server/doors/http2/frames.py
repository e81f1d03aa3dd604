"""Frames out of a caller's bytes, whole and within bounds, before h2 reads them (RFC 9113, 4.1)."""

from enum import IntEnum

from h2.errors import ErrorCodes
from msgspec import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME_BYTES = 16_384
"""The largest frame that may be sent here, without its head: what SETTINGS_MAX_FRAME_SIZE is at first."""
MAX_HEAD_BYTES = 96 * 1024
"""The most that the frames of one head may come to, encoded. Decoded it has a limit of its own, in h2."""
GOING_AWAY = b"\0\0\x08\x07\0" + b"\0\0\0\0" + b"\x7f\xff\xff\xff" + b"\0\0\0\0"
"""GOAWAY that says that the connection ends, and that all that has been asked is answered (6.8)."""
# A head of that size in frames that are not full, but not one byte each.
_MAX_HEAD_FRAMES = 32
# As many settings as there are kinds, and as many again that are not known here.
_MAX_SETTINGS_BYTES = 6 * 32

_FRAME_HEAD = 9
_NUMBER = slice(5, 9)
_GOAWAY_BYTES = 8
_LAST_OF_HEAD = 0x4
_LAST_OF_STREAM = 0x1
_ACKNOWLEDGES = 0x1
_SMALL = 64


class Kind(IntEnum):
    """The types of frames that differ here (RFC 9113, 6)."""

    DATA = 0x0
    HEADERS = 0x1
    PRIORITY = 0x2
    RST_STREAM = 0x3
    SETTINGS = 0x4
    PUSH_PROMISE = 0x5
    PING = 0x6
    GOAWAY = 0x7
    WINDOW_UPDATE = 0x8
    CONTINUATION = 0x9


class FrameError(Exception):
    """The bytes exceed what a caller may send; `code` is the reason for GOAWAY."""

    def __init__(self, code: ErrorCodes) -> None:
        super().__init__(code.name)
        self.code = code


class Frame(Struct, frozen=True, gc=False):
    """The bytes of one frame, or of all frames of one head. `size` is without the frames' own heads.

    `is_idle` says that the frame moves no request on: it asks for an answer, or for nothing at all.
    `is_farewell` says that it is a GOAWAY without a fault: its sender still reads the answers (6.8).
    """

    kind: int
    size: int
    is_idle: bool
    raw: bytes
    is_farewell: bool = False


class FrameReader:
    """Splits bytes into frames, and joins HEADERS with their CONTINUATION.

    It holds no more than one head and what was fed at once.
    """

    __slots__ = ("_buffer", "_head", "_head_frames", "_preface")

    def __init__(self) -> None:
        self._preface = PREFACE
        self._buffer = bytearray()
        self._head = bytearray()
        self._head_frames = 0

    @property
    def held(self) -> int:
        """How many bytes are held."""
        return len(self._buffer) + len(self._head)

    @property
    def is_in_head(self) -> bool:
        """Whether a head has begun whose frames have not all come."""
        return bool(self._head)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes, first of all the preface."""
        self._buffer += data

    def read(self) -> Frame | None:
        """Return the next frame; None if more bytes must come. Raises `FrameError`."""
        buffer = self._buffer
        if self._preface and not self._skip_preface():
            return None
        while True:
            if len(buffer) < _FRAME_HEAD:
                return None
            size, kind, flags = int.from_bytes(buffer[:3], "big"), buffer[3], buffer[4]
            if size > MAX_FRAME_BYTES:
                raise FrameError(ErrorCodes.FRAME_SIZE_ERROR)
            whole = _FRAME_HEAD + size
            if len(buffer) < whole:
                return None
            raw = bytes(buffer[:whole])
            del buffer[:whole]
            if not (self._head or kind == Kind.HEADERS):
                return self._frame(kind, flags, size, raw)
            if self._head and kind != Kind.CONTINUATION:  # h2 refuses it
                raw, size = bytes(self._head) + raw, len(self._head) + size
                self._forget_head()
                return Frame(Kind.HEADERS, size, is_idle=False, raw=raw)
            if frame := self._join(flags, raw):
                return frame

    def _skip_preface(self) -> bool:
        """Return whether the preface has come."""
        come = bytes(self._buffer[: len(self._preface)])
        if not self._preface.startswith(come):
            raise FrameError(ErrorCodes.PROTOCOL_ERROR)
        del self._buffer[: len(come)]
        self._preface = self._preface[len(come) :]
        return not self._preface

    def _join(self, flags: int, raw: bytes) -> Frame | None:
        """Take a frame of a head. Return the head if it is complete."""
        self._head += raw
        self._head_frames += 1
        if len(self._head) > MAX_HEAD_BYTES or self._head_frames > _MAX_HEAD_FRAMES:
            raise FrameError(ErrorCodes.ENHANCE_YOUR_CALM)
        if not flags & _LAST_OF_HEAD:
            return None
        whole = bytes(self._head)
        self._forget_head()
        return Frame(Kind.HEADERS, len(whole), is_idle=False, raw=whole)

    def _forget_head(self) -> None:
        self._head = bytearray()
        self._head_frames = 0

    def _frame(self, kind: int, flags: int, size: int, raw: bytes) -> Frame:
        if kind == Kind.SETTINGS and size > _MAX_SETTINGS_BYTES:
            raise FrameError(ErrorCodes.ENHANCE_YOUR_CALM)
        if kind == Kind.DATA:
            is_idle = size < _SMALL and not flags & _LAST_OF_STREAM
        else:
            is_idle = not (kind == Kind.SETTINGS and flags & _ACKNOWLEDGES)
        return Frame(kind, size, is_idle, raw, is_farewell=kind == Kind.GOAWAY and _is_farewell(raw))


def _is_farewell(raw: bytes) -> bool:
    """Return whether a GOAWAY is valid and without a fault; h2 takes any other."""
    number, payload = raw[_NUMBER], raw[_FRAME_HEAD:]
    return number == bytes(4) and len(payload) >= _GOAWAY_BYTES and payload[4:8] == bytes(4)
