"""What a caller of HTTP/2 sends, frame by frame: read within bounds, and handed to its streams."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.settings import SettingCodes

from tollkeeper_server.doors.http2.bounded import BoundedH2
from tollkeeper_server.doors.http2.conduct import Calm, Conduct
from tollkeeper_server.doors.http2.frames import Frame, FrameReader, Kind
from tollkeeper_server.doors.http2.shared import MAX_PARTS_BYTES, Shared
from tollkeeper_server.doors.http2.streams import Streams
from tollkeeper_server.doors.refusals import Refusal

# A head that is larger, encoded, is read apart from the others: it may take milliseconds.
_HEAVY_BYTES = 2 * 1024
_MAX_SETTINGS = 32
_TABLE_BYTES = 4096


class Line(Protocol):
    """The connection (`Http2Connection`)."""

    loop: asyncio.AbstractEventLoop
    conduct: Conduct
    is_ended: bool

    def guarded(self, work: Callable[[], bool]) -> bool: ...
    def work_soon(self) -> None: ...
    def waste(self, seconds: float) -> None: ...
    def resume_reading(self) -> None: ...
    def take_farewell(self) -> None: ...
    def take_end(self) -> None: ...


class Receiver:
    """Reads the frames of one connection. What goes too far raises `Calm`, or an error of frames or h2."""

    __slots__ = (
        "_greeted", "_h2", "_head_since", "_heavy", "_line", "_opened_at", "_parts", "_reader", "_shared",
        "_streams",
    )  # fmt: skip

    def __init__(self, line: Line, h2: BoundedH2, streams: Streams, shared: Shared) -> None:
        self._line = line
        self._h2 = h2
        self._streams = streams
        self._shared = shared
        self._reader = FrameReader()
        self._heavy = False
        self._parts = 0
        self._greeted = False
        self._opened_at = line.loop.time()
        self._head_since: float | None = None

    @property
    def held(self) -> int:
        """How many bytes have come that were not read."""
        return self._reader.held

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes, first of all the preface."""
        self._reader.feed(data)

    def is_late(self, now: float, seconds: float) -> bool:
        """Return whether the caller's settings, or the rest of a head, were waited for so long by now."""
        since = self._head_since if self._greeted else self._opened_at
        return since is not None and now - since > seconds

    def close(self) -> None:
        """Let go of everything."""
        self._shared.parts -= self._parts
        self._parts = 0
        self._reader = FrameReader()
        self._shared.heads.forget(self._line.work_soon)

    def read(self) -> bool:
        """Read a frame. Return whether another one can be read now."""
        if self._heavy or self._streams.are_many_waiting:
            return False
        if self._shared.heads.are_full:
            self._shared.heads.wait(self._line.work_soon)
            return False
        frame = self._reader.read()
        if frame is None:
            self._note_parts()
            self._line.resume_reading()
            return False
        if frame.kind == Kind.HEADERS and frame.size > _HEAVY_BYTES:
            self._heavy = True
            self._shared.scheduler.add_heavy(lambda: self._receive_heavy(frame))
            return False
        self._receive(frame)
        return True

    def _note_parts(self) -> None:
        """Count what has come of a head whose rest is to come."""
        parts = self._reader.held if self._reader.is_in_head else 0
        if parts != self._parts:
            if not self._parts:
                self._head_since = self._line.loop.time()
            self._shared.parts += parts - self._parts
            self._parts = parts
            if not parts:
                self._head_since = None
            elif self._shared.parts > MAX_PARTS_BYTES:
                raise Calm(Refusal.HEADS)

    def _receive_heavy(self, frame: Frame) -> None:
        self._heavy = False

        def receive() -> bool:
            self._receive(frame)
            return True

        if self._line.guarded(receive):
            self._line.work_soon()

    def _receive(self, frame: Frame) -> None:
        if frame.is_idle:
            self._line.waste(self._line.conduct.idle_frame())
        if frame.is_farewell:
            self._line.take_farewell()
            return
        events = self._h2.receive_data(frame.raw)
        if not events and frame.kind == Kind.DATA:  # h2 has reset its stream once more
            self._line.waste(self._line.conduct.idle_frame())
        for event in events:
            if self._line.is_ended:
                return
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(number), headers=headers):
                self._streams.open(number, headers or [])
            case DataReceived(stream_id=int(number), data=data, flow_controlled_length=owed):
                self._streams.feed(number, data or b"", owed or 0)
            case StreamEnded(stream_id=int(number)):
                self._streams.feed_end(number)
            case StreamReset(stream_id=int(number)):
                self._streams.left(number)
            case WindowUpdated(stream_id=int(number)) if number:
                self._streams.window_opened(number)
            case RemoteSettingsChanged(changed_settings=changed):
                self._take_settings(SettingCodes.INITIAL_WINDOW_SIZE in changed)
            case ConnectionTerminated():
                self._line.take_end()

    def _take_settings(self, window_changed: bool) -> None:
        self._greeted = True
        if len(self._h2.remote_settings) > _MAX_SETTINGS:
            raise Calm(Refusal.FRAMES)
        if self._h2.encoder.header_table_size > _TABLE_BYTES:
            self._h2.encoder.header_table_size = _TABLE_BYTES
        if window_changed:
            self._streams.window_opened(None)
