"""An answer that is looked into as it passes loses nothing, and no id comes before it is learnt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.reply.learning import Learning
from tollkeeper_server.dataplane.reply.told import KEPT, OF_MESSAGES
from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.dataplane.turns import Turns

from tests.unit.dataplane.upstream import Answer

EVENTS = (
    b': ping\n\nevent: a\ndata: {"response":{"id":"resp_1"}}\n\n'
    b'data: {"item":{"id":"msg_1"}}\r\n\r\ndata: {"item_id":"msg_1","delta":"\\"id\\":\\"x\\""}\n\n'
    b'data: {"item":{"id":"msg_1","content":[{"annotations":[{"file_id":"f_1","container_id":"c_1"}]}]}}\n\n'
    b'data: {"response":{"id":"resp_1","output":[{"id":"msg_1"},{"id":"ci_1","container_id":"c_2"}]}}\n\n'
    b"data: [DONE]"
)
EVENT_IDS = ["resp_1", "msg_1", "f_1", "c_1", "ci_1", "c_2"]
LINES = (
    b'{"custom_id":"x","result":{"message":{"id":"x","container":{"id":"c_1"}}}}\n\n{"custom_id":"y"}\n'
    b'{"result":{"message":{"content":[{"content":{"content":[{"file_id":"f_1"}]}}]}}}'
)
LINE_IDS = ["c_1", "f_1"]
DOCUMENT = (
    b'{"object": "list", "data": [{"id": "a_1" , "content": [{"text": "\\"id\\": \\"x\\"", '
    b'"annotations": [{"file_id": "f_1"}]}]}], "conversation" :{"id"\n:"c_1"}}\n'
)
DOCUMENT_IDS = ["a_1", "f_1", "c_1"]


class Reader:
    """Reads an answer, and sees that no id came before it was learnt."""

    def __init__(self, document: bytes, cuts: list[int], *, lines: bool, whole: bool = False) -> None:
        ends = sorted({min(cut, len(document)) for cut in cuts} | {len(document)})
        pieces = [document[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        self.ids = DOCUMENT_IDS if whole else LINE_IDS if lines else EVENT_IDS
        self.learnt: list[str] = []
        self.came = b""
        places = OF_MESSAGES if lines else KEPT
        self.answer = Learning(
            Answer(pieces, 200, []), places, self._learn, Turns(), lines=lines, whole=whole
        )

    async def _learn(self, ids: list[str]) -> None:
        self.learnt += ids

    def take(self, part: bytes) -> None:
        """Take a part."""
        self.came += part
        for one in self.ids:
            assert one in self.learnt or b'"%b"' % one.encode() not in self.came


CUTS = st.lists(st.integers(1, 500), max_size=12)


@given(CUTS, st.booleans())
async def test_chunks_are_what_came(cuts: list[int], lines: bool) -> None:
    document = LINES if lines else EVENTS
    reader = Reader(document, cuts, lines=lines)
    async for part in reader.answer.chunks():
        reader.take(part)
    assert (reader.came, reader.learnt) == (document, reader.ids)


@given(CUTS, st.booleans(), st.sets(st.integers(1, 12)))
async def test_pouring_gives_what_came(cuts: list[int], lines: bool, pauses: set[int]) -> None:
    document = LINES if lines else EVENTS
    reader = Reader(document, cuts, lines=lines)
    taken = 0

    def take(part: bytes) -> bool:
        nonlocal taken
        taken += 1
        reader.take(part)
        return taken not in pauses

    while not await reader.answer.pour(take):
        pass
    assert (reader.came, reader.learnt) == (document, reader.ids)


@given(st.lists(st.integers(1, len(DOCUMENT)), max_size=12))
async def test_a_long_document_passes_as_it_comes(cuts: list[int]) -> None:
    reader = Reader(DOCUMENT, cuts, lines=False, whole=True)
    async for part in reader.answer.chunks():
        reader.take(part)
    assert (reader.came, reader.learnt) == (DOCUMENT, DOCUMENT_IDS)


async def test_an_answer_that_breaks_off_says_so_after_what_was_whole() -> None:
    learnt: list[str] = []

    async def learn(ids: list[str]) -> None:
        learnt.extend(ids)

    steps = (b'data: {"id":"a"}\n\ndata: {"id":', CutError("cut"))
    answer = Learning(Answer(steps, 200, []), KEPT, learn, Turns())
    parts = answer.chunks()
    assert await anext(parts) == b'data: {"id":"a"}\n\n'
    assert learnt == ["a"]
    with pytest.raises(CutError):
        await anext(parts)
    assert answer.whole_body() is None
