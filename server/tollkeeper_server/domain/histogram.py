"""Histograms of lengths of time: whole numbers in buckets, each at most 1/32 as wide as its numbers.

Numbers below 64 have buckets of their own. After that each power of two has 32 buckets.
"""

from collections.abc import Mapping, Sequence

_EXACT = 64
_BUCKETS = 32
_BITS = 6
LARGEST_SHIFT = 42
"""The shift of the largest number that has a bucket, in microseconds some years. Larger ones have that."""
_LARGEST = (_EXACT << LARGEST_SHIFT) - 1


def bucket_of(number: int) -> int:
    """Return the bucket of a number that is not negative."""
    number = min(number, _LARGEST)
    shift = max(number.bit_length() - _BITS, 0)
    return _BUCKETS * shift + (number >> shift)


def middle_of(bucket: int) -> int:
    """Return the number in the middle of a bucket."""
    if bucket < _EXACT:
        return bucket
    shift = bucket // _BUCKETS - 1
    first = (bucket - _BUCKETS * shift) << shift
    return first + (1 << shift) // 2


def bucket_expression(name: str, least: int = 0, most: int = LARGEST_SHIFT) -> str:
    """Return the SQL of `bucket_of` for a column, by binary search for the shift."""
    if least == most:
        return f"{_BUCKETS * least} + (min({name}, {_LARGEST}) >> {least})"
    middle = (least + most) // 2
    return (
        f"CASE WHEN {name} < {_EXACT << middle} THEN {bucket_expression(name, least, middle)} "
        f"ELSE {bucket_expression(name, middle + 1, most)} END"
    )


def percentiles_of(counts: Mapping[int, int], percents: Sequence[int]) -> list[int]:
    """Return the numbers that so many of a hundred do not exceed (nearest rank); zeros if there are none."""
    total = sum(counts.values())
    ranks = [-(-total * percent // 100) for percent in percents]
    found = [0] * len(ranks)
    seen = 0
    for bucket in sorted(counts):
        before, seen = seen, seen + counts[bucket]
        for place, rank in enumerate(ranks):
            if before < rank <= seen:
                found[place] = middle_of(bucket)
    return found
