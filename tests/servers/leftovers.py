"""What was never closed is found while there is still a test to blame for it."""

import gc
from collections.abc import Iterator

import pytest

# One round frees what the last one's finalizers let go of; pytest does as many.
_ROUNDS = 5


@pytest.fixture(scope="session", autouse=True)
def _leftovers() -> Iterator[None]:
    """Ends after all else, and collects garbage: the warnings of it are errors of the last test.

    pytest collects once more when everything is over, but nobody hears of what it finds in a worker of
    pytest-xdist.
    """
    yield
    for _ in range(_ROUNDS):
        gc.collect()
