"""A body in pieces is the whole body, and none of the pieces is long."""

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.transport import Parts
from tollkeeper_server.http1.client.upload import WRITTEN_AT_ONCE, in_pieces

_LENGTHS = st.sampled_from([0, 1, WRITTEN_AT_ONCE - 1, WRITTEN_AT_ONCE, WRITTEN_AT_ONCE + 1, 700_000])


async def _pieces(body: bytes | Parts) -> list[bytes]:
    return [bytes(piece) async for piece in in_pieces(body)]


@given(st.lists(_LENGTHS, max_size=4))
async def test_the_pieces_are_the_body(lengths: list[int]) -> None:
    parts = [bytes([number]) * length for number, length in enumerate(lengths)]
    whole = b"".join(parts)
    for body in (whole, Parts(tuple(parts)), Parts(tuple(memoryview(part) for part in parts))):
        pieces = await _pieces(body)
        assert b"".join(pieces) == whole
        assert len(body) == len(whole)
        assert all(len(piece) <= WRITTEN_AT_ONCE for piece in pieces)
