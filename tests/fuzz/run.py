"""Runs targets by turns, and keeps the cases that fail."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.mutate import mutate
from tests.fuzz.target import Target

MAX_SECONDS = 2.0
"""More of the processor's time than a case of 64 KiB takes where work is linear, by far."""
_POOL = 2000
_POOLED_BYTES = 4096  # many small cases find more than few large ones
_TURN = 50


class FailedCaseError(AssertionError):
    """A case for which a promise does not hold. The message says how to repeat it."""


@dataclass
class Course:
    """The cases of one target: each is made of the kept ones and of those that went as none before."""

    target: Target
    seed: int
    cases: int = 0
    seconds: float = 0.0
    pool: list[bytes] = field(default_factory=list)
    _kept: list[bytes] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._kept = self.target.kept()
        assert self._kept, f"{self.target.folder} has no kept cases"
        self.pool = list(self._kept)

    def begin(self) -> None:
        """Check the kept cases."""
        for number, data in enumerate(self._kept):
            self._check(data, f"kept {number}")

    def go_on(self, cases: int) -> None:
        """Check so many new cases. The same seed makes the same ones."""
        for _ in range(cases):
            # A text as seed is hashed alike in every process.
            name = f"{self.seed} {self.target.name} {self.cases}"
            random = Random(name)
            # The kept ones are few and mostly valid: half of the cases are made of them.
            among = self._kept if random.random() < 0.5 else self.pool
            data = mutate(random, random.choice(among), self.pool, self.target.words)
            self._check(data, name)
            self.cases += 1

    def _check(self, data: bytes, name: str) -> None:
        began = time.thread_time()
        try:
            went = self.target.check(data, Random(name))
        except Exception as error:
            raise FailedCaseError(self._tell(data, name, repr(error)[:2000])) from error
        seconds = time.thread_time() - began
        self.seconds += seconds
        if seconds > MAX_SECONDS:
            raise FailedCaseError(self._tell(data, name, f"it took {seconds:.1f} seconds"))
        if went not in self._seen and len(self._seen) < _POOL:
            self._seen.add(went)
            if len(data) <= _POOLED_BYTES:
                self.pool.append(data)

    def _tell(self, data: bytes, name: str, why: str) -> str:
        path = keep(self.target, data)
        return (
            f"{self.target.name}: {why}\ncase {name!r} of {len(data)} bytes, kept in {path};"
            f' repeat it with: make fuzz ARGS="--case {path}"'
        )


def keep(target: Target, data: bytes) -> Path:
    """Write a case to the target's folder, and return where it is."""
    path = target.folder / f"failed-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def run(targets: Sequence[Target], seed: int, seconds: float) -> Iterator[list[Course]]:
    """Check cases by turns for so many seconds. Yield where all stand after each round.

    Raises `FailedCaseError`.
    """
    end = time.monotonic() + seconds
    courses = [Course(target, seed) for target in targets]
    for course in courses:
        course.begin()
    while time.monotonic() < end:
        for course in courses:
            course.go_on(_TURN)
        yield courses
