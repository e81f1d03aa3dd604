"""What the connections of the console hold together is counted to the byte."""

from tollkeeper_server.doors.http2.shared import MAX_ANSWERS_BYTES, MAX_HEADS_BYTES, Heads, HeldAnswers

LARGE = 1024 * 1024


def test_a_piece_that_goes_to_many_callers_counts_once() -> None:
    answers, piece = HeldAnswers(), bytes(LARGE)
    for _ in range(3):
        answers.hold(piece)
    assert answers.total == LARGE
    for _ in range(2):
        answers.let_go(piece)
    assert answers.total == LARGE
    answers.let_go(piece)
    assert answers.total == 0


def test_different_pieces_are_too_many_beyond_the_bound() -> None:
    answers = HeldAnswers()
    pieces = [bytes(LARGE) for _ in range(MAX_ANSWERS_BYTES // LARGE)]
    assert [answers.hold(piece) for piece in pieces] == [False] * len(pieces)
    one_more = bytes(LARGE)
    answers.hold(one_more)
    assert answers.are_too_many


def test_small_pieces_are_not_counted() -> None:
    answers = HeldAnswers()
    assert not answers.hold(b"small")
    answers.let_go(b"small")
    assert answers.total == 0


def test_those_who_wait_for_room_are_called_once_when_there_is_some() -> None:
    heads, called = Heads(), list[str]()

    def one() -> None:
        called.append("one")

    def other() -> None:
        called.append("other")

    heads.take(MAX_HEADS_BYTES)
    was_full = heads.are_full
    heads.take(2)
    assert (was_full, heads.are_full) == (False, True)
    heads.wait(one)
    heads.wait(one)
    heads.wait(other)
    heads.forget(other)
    heads.give_back(1)
    assert called == []
    heads.give_back(1)
    heads.give_back(1)
    assert called == ["one"]
    heads.give_back(MAX_HEADS_BYTES - 1)
    assert heads.is_empty
