"""Lines are read whole and in order, and again until they are committed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.ledger.segments import (
    Entry,
    Kind,
    Position,
    Reader,
    intent_line,
    segment_path,
    settled_line,
)

from tests.unit.ledger.parts import intent, settled


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    line, path = settled_line(settled("a")), segment_path(tmp_path, 1)
    reader = Reader(tmp_path, intents=False, finished=False)
    path.write_bytes(line[:40])
    assert reader.read(10) == []
    reader.commit()
    path.write_bytes(line)
    assert reader.read(10) == [Entry(Kind.SETTLED, settled("a"))]
    reader.commit()
    assert reader.position == Position(1, len(line))
    assert reader.skipped == 0


def test_what_is_not_committed_is_read_again(tmp_path: Path) -> None:
    path = segment_path(tmp_path, 1)
    path.write_bytes(b"garbage\n" + settled_line(settled("a")) + settled_line(settled("b")))
    reader = Reader(tmp_path, intents=False, finished=False)
    assert [event.id for _, event in reader.read(1)] == ["a"]
    assert [event.id for _, event in reader.read(2)] == ["a", "b"]
    reader.commit()
    assert reader.read(2) == []
    assert reader.skipped == 1


@given(
    kinds=st.lists(st.sampled_from(Kind), max_size=30),
    limit=st.integers(1, 7),
    ends=st.sets(st.integers(0, 29), max_size=5),
    intents=st.booleans(),
)
def test_every_line_is_read_once_whatever_the_batches_and_segments(
    kinds: list[Kind],
    limit: int,
    ends: set[int],
    intents: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("segments")
    number = 1
    for index, kind in enumerate(kinds):
        line = intent_line(intent(f"{index}")) if kind is Kind.INTENT else settled_line(settled(f"{index}"))
        with segment_path(directory, number).open("ab") as file:
            file.write(line)
        number += index in ends
    reader = Reader(directory, intents=intents, finished=True)
    seen: list[str] = []
    while entries := reader.read(limit):
        assert len(entries) <= limit
        seen += [event.id for _, event in entries]
        reader.commit()
    assert seen == [f"{index}" for index, kind in enumerate(kinds) if intents or kind is Kind.SETTLED]


UNREADABLE = [b"S", b"S{}", b"X{}", b"garbage", b"S[]", b"\0" * 40, b"\xff\xfe", b"S" + b"[" * 50]
Line = tuple[str, int]


@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from(["settled", "settled", "intent", "bad", "twice", "empty"]), st.integers(0, 7)
        ),
        max_size=40,
    ),
    limit=st.integers(1, 50),
    intents=st.booleans(),
    piece=st.sampled_from([300, 2000, 64 * 1024]),
)
def test_unreadable_lines_cost_only_themselves_wherever_they_stand(
    lines: list[Line],
    limit: int,
    intents: bool,
    piece: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("segments")
    wanted: list[str] = []
    unreadable = 0
    with segment_path(directory, 1).open("wb") as file:
        for index, (what, which) in enumerate(lines):
            name = f"{index}"
            match what:
                case "settled":
                    file.write(settled_line(settled(name)))
                    wanted.append(name)
                case "intent":
                    file.write(intent_line(intent(name)))
                    wanted += [name] * intents
                case "bad":
                    file.write(UNREADABLE[which] + b"\n")
                    unreadable += 1
                case "twice":
                    # Two events on one line are none.
                    line = settled_line(settled(name))
                    file.write(line[:-1] + line[1:])
                    unreadable += 1
                case _:
                    file.write(b"\n")
    seen: list[str] = []
    reader = Reader(directory, intents=intents, finished=True, piece_bytes=piece)
    while entries := reader.read(limit):
        assert len(entries) == min(limit, len(wanted) - len(seen))
        again = reader.read(limit)
        assert again == entries
        seen += [event.id for _, event in entries]
        reader.commit()
    reader.commit()
    assert seen == wanted
    assert reader.skipped == unreadable


def test_a_limit_in_the_middle_of_a_piece_is_where_the_next_begins(tmp_path: Path) -> None:
    """Also if lines are equal, or of one byte."""
    good = settled_line(settled("a"))
    segment_path(tmp_path, 1).write_bytes(b"S\n" + good + b"S\n" + good + b"S\nS\n" + good)
    reader = Reader(tmp_path, intents=False, finished=False)
    found = []
    while entries := reader.read(1):
        found += entries
        reader.commit()
    assert found == [Entry(Kind.SETTLED, settled("a"))] * 3
    assert reader.skipped == 4
