"""Frames come out whole however the bytes come in, and nothing without bounds is held."""

import pytest
from h2.errors import ErrorCodes
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.doors.http2.frames import (
    MAX_FRAME_BYTES,
    MAX_HEAD_BYTES,
    PREFACE,
    Frame,
    FrameError,
    FrameReader,
    Kind,
)

from tests.faults.console_floods import CONTINUATION, DATA, HEADERS, PING, SETTINGS, frame


def frames(data: bytes, sizes: list[int] | None = None) -> list[Frame]:
    """Read all of it, after the preface, in pieces of these sizes."""
    reader, data, found = FrameReader(), PREFACE + data, list[Frame]()
    for size in [*(sizes or []), len(data)]:
        reader.feed(data[:size])
        data = data[size:]
        while (one := reader.read()) is not None:
            found.append(one)
    assert reader.held == 0
    return found


ALL = (
    frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1")
    + frame(HEADERS, 0, 1, b"a" * 100)
    + frame(CONTINUATION, 0, 1, b"b" * 100)
    + frame(CONTINUATION, 4, 1, b"c")
    + frame(DATA, 0, 1, b"d" * 1000)
    + frame(DATA, 1, 1)
    + frame(PING, 0, 0, b"12345678")
)


@given(st.lists(st.integers(1, 300), max_size=40))
def test_frames_do_not_depend_on_how_the_bytes_come(sizes: list[int]) -> None:
    found = frames(ALL, sizes)
    assert [it.kind for it in found] == [Kind.SETTINGS, Kind.HEADERS, Kind.DATA, Kind.DATA, Kind.PING]
    assert b"".join(it.raw for it in found) == ALL
    assert [it.is_idle for it in found] == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(DATA, 0, 1, b"x" * (MAX_FRAME_BYTES + 1)), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 100, ErrorCodes.ENHANCE_YOUR_CALM),
        (
            frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1, b"x" * 16000) * (MAX_HEAD_BYTES // 16000 + 1),
            ErrorCodes.ENHANCE_YOUR_CALM,
        ),
        (frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1" * 100), ErrorCodes.ENHANCE_YOUR_CALM),
    ],
)
def test_what_goes_beyond_the_bounds_is_refused(data: bytes, code: ErrorCodes) -> None:
    with pytest.raises(FrameError) as refused:
        frames(data)
    assert refused.value.code is code


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", PREFACE[:-1] + b"x"])
def test_another_preface_is_refused(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    with pytest.raises(FrameError):
        reader.read()
