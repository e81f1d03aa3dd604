"""Content codings are undone as an answer arrives, whatever its pieces."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.reply.decoding import decode_body, decode_stream, decoded
from tollkeeper_server.dataplane.transport import GarbageError

from tests.coded import CODINGS
from tests.unit.dataplane.upstream import Answer


async def _read(coding: bytes, pieces: list[bytes]) -> bytes:
    read = bytearray()

    def take(part: bytes) -> bool:
        read.extend(part)
        return False

    answer = decoded(Answer(pieces), coding)
    while not await answer.pour(take):
        pass
    return bytes(read)


@pytest.mark.parametrize("name", CODINGS)
@given(body=st.binary(max_size=200), size=st.integers(1, 40))
def test_an_answer_in_any_pieces_is_decoded(name: str, body: bytes, size: int) -> None:
    coding, code = CODINGS[name]
    coded = code(body)
    pieces = [coded[at : at + size] for at in range(0, len(coded), size)]

    assert asyncio.run(_read(coding, pieces)) == body
    assert decode_body(coded, coding, 1000) == body


@pytest.mark.parametrize("name", CODINGS)
async def test_a_few_bytes_that_stand_for_many_are_decoded_to_the_end(name: str) -> None:
    coding, code = CODINGS[name]

    assert await _read(coding, [code(bytes(4 << 20))]) == bytes(4 << 20)


@pytest.mark.parametrize("name", CODINGS)
async def test_what_has_no_end_or_no_sense_is_garbage(name: str) -> None:
    coding, code = CODINGS[name]
    with pytest.raises(GarbageError, match="no end"):
        await _read(coding, [code(b"a" * 100)[:-3]])
    with pytest.raises(GarbageError, match=r"claims to be|no end"):
        await _read(coding, [b"\xff\xfe\xfd nothing of the kind" * 3])


@pytest.mark.parametrize("name", CODINGS)
def test_what_unpacks_without_end_is_bounded(name: str) -> None:
    coding, code = CODINGS[name]

    assert len(decode_body(code(bytes(8 << 20)), coding, 1 << 20)) < 2 << 20


def test_the_headers_say_what_is_left() -> None:
    answer = Answer([], headers=[(b"Content-Encoding", b"gzip"), (b"content-length", b"9"), (b"a", b"b")])

    assert decoded(answer, b"gzip").headers == [(b"a", b"b")]


@pytest.mark.parametrize("headers", [[b"gzip, br"], [b"gzip", b"BR"], [b"identity", b"gzip,, br"]])
async def test_several_codings_are_undone_one_after_the_other(headers: list[bytes]) -> None:
    body = CODINGS["br"][1](CODINGS["gzip"][1](b"data: x\n\n"))
    answer = Answer([body], headers=[(b"Content-Encoding", value) for value in headers])

    decoded = decode_stream(answer, asked_stream=True)

    assert b"".join([part async for part in decoded.chunks()]) == b"data: x\n\n"
    assert decoded.headers == []
    assert decode_body(body, content_coding(answer.headers), 100) == b"data: x\n\n"


@pytest.mark.parametrize("coding", [b"compress", b"gzip, compress", b", ".join([b"gzip"] * 5)])
def test_other_codings_are_left_alone(coding: bytes) -> None:
    answer = Answer([b"abc"], headers=[(b"content-encoding", coding)])

    assert decode_stream(answer, asked_stream=True) is answer
    assert decode_body(b"abc", content_coding(answer.headers), 10) == b"abc"
