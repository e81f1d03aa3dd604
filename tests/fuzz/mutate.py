"""New cases out of kept ones: what is near to valid gets deeper into a parser than noise."""

import re
from collections.abc import Sequence
from random import Random

MAX_BYTES = 64 * 1024
_MOST_CHANGES = 4
_DIGITS = re.compile(rb"[0-9]+(?:\.[0-9]+)?")
_NUMBERS = (
    b"0", b"1.5", b"-1", b"1e3", b"007", b"2147483648", b"4294967297", b"9223372036854775808",
    b"18446744073709551617",
)  # fmt: skip
# A line, a parameter of a query or a member of JSON, with what stands before it.
_ELEMENT = re.compile(rb"[&,\n][^&,\n{}]+")
_ODD = (b"", b"\0", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\xff", b"\xc3", b'"', b"\\", b"9" * 30, b"-1")


def mutate(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return a case made of `data` and of those in `pool`; `words` are what matters to the parser."""
    for _ in range(random.randint(1, _MOST_CHANGES)):
        data = random.choice(_CHANGES)(random, data, pool, words)[:MAX_BYTES]
    return data


def cuts(random: Random, data: bytes) -> list[bytes]:
    """Return the pieces in which data may arrive."""
    if len(data) < 2:
        return [data]
    most = len(data) - 1 if random.random() < 0.1 else 6
    places = sorted({random.randint(1, len(data) - 1) for _ in range(random.randint(1, min(most, 200)))})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def _range(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + int(random.expovariate(1 / 12)))


def _drop(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start, end = _range(random, data)
    return data[:start] + data[end:]


def _flip(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]


def _repeat(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start, end = _range(random, data)
    times = random.choice((2, 3, 10, 1000)) if random.random() < 0.3 else 2
    return data[:start] + (data[start:end] * times)[:MAX_BYTES] + data[end:]


def _move(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start, end = _range(random, data)
    rest = data[:start] + data[end:]
    at = random.randint(0, len(rest))
    return rest[:at] + data[start:end] + rest[at:]


def _word(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at, end = _range(random, data)
    if random.random() < 0.5:
        end = at
    return data[:at] + random.choice(words) + data[end:]


def _odd(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(_ODD) + data[at:]


def _splice(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    other = random.choice(pool)
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


def _number(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    found = list(_DIGITS.finditer(data))
    if not found:
        return data
    place = random.choice(found)
    return data[: place.start()] + random.choice(_NUMBERS) + data[place.end() :]


def _twice(random: Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    found = list(_ELEMENT.finditer(data))
    if not found:
        return data
    place = random.choice(found)
    return data[: place.end()] + place[0] + data[place.end() :]


_CHANGES = (_drop, _flip, _repeat, _move, _word, _word, _odd, _splice, _number, _twice)
