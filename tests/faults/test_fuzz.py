"""What others send, in cases that nobody thought of: a bounded part of `make fuzz`."""

from random import Random

import pytest

from tests.fuzz import target as fuzz_target
from tests.fuzz.mutate import MAX_BYTES, cuts, mutate
from tests.fuzz.run import Course, FailedCaseError
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

CASES = 1500
SEED = 1


@pytest.mark.parametrize("name", TARGETS)
def test_promises_hold_for_the_kept_cases_and_for_many_new_ones(name: str) -> None:
    with TARGETS[name] as target:
        course = Course(target, SEED)
        course.begin()
        kept = len(course.pool)
        course.go_on(CASES)
    assert len(course.pool) > kept, "no case goes as none did before"


class Picky(Target):
    """A target for which a promise is broken by some cases."""

    name = "picky"
    words = (b"good", b"bad")

    def check(self, data: bytes, random: Random) -> str:
        """Refuse what is bad."""
        assert b"bad" not in data, "it is bad"
        return str(data.count(b"good"))


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Picky:
    """A target with a corpus of its own."""
    corpus = tmp_path_factory.mktemp("corpus")
    monkeypatch.setattr(fuzz_target, "CORPUS", corpus)
    (corpus / "picky").mkdir()
    (corpus / "picky" / "one").write_bytes(b"good")
    return Picky()


def test_a_case_that_fails_is_kept_and_fails_again(picky: Picky) -> None:
    told = []
    for _ in range(2):
        course = Course(picky, SEED)
        with pytest.raises(FailedCaseError, match="it is bad") as caught:
            course.go_on(10_000)
        told.append(str(caught.value))
        (kept,) = picky.folder.glob("failed-*")
        assert b"bad" in kept.read_bytes()
        assert str(kept) in told[-1]
        with pytest.raises(AssertionError, match="it is bad"):
            picky.check(kept.read_bytes(), Random(0))
        kept.unlink()
    assert told[0] == told[1], "the same seed makes other cases"


def test_cases_are_bounded_and_their_pieces_are_whole() -> None:
    random = Random(SEED)
    data = b"x" * MAX_BYTES
    for _ in range(200):
        data = mutate(random, random.choice([data, b"abc"]), [data, b"abc"], [b"word"])
        assert len(data) <= MAX_BYTES
        pieces = cuts(random, data)
        assert b"".join(pieces) == data
        assert all(pieces) or not data
