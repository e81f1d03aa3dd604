"""The admission of requests whose token has a limit, as far as this process knows."""

from pathlib import Path

import msgspec
import pytest
from tollkeeper_server.dataplane.admission import Admitter
from tollkeeper_server.domain.usage import Admission
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.entities import NOON, a_token


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (2, [Admission.LIMITED, Admission.LIMITED, Admission.NONE]),
        (0, [Admission.UNLIMITED] * 3),
        (1, [Admission.LIMITED, Admission.NONE, Admission.NONE]),
    ],
    ids=["in force", "lifted meanwhile", "lowered meanwhile"],
)
async def test_the_limit_in_the_store_decides(tmp_path: Path, limit: int, expected: list[Admission]) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    known = a_token(max_requests=2)
    await store.tokens.add(known)
    await store.tokens.replace(msgspec.structs.replace(known, max_requests=limit, revision=2), expected=1)
    admitter = Admitter(store.tokens, lambda: NOON)
    assert [await admitter.admit(known) for _ in expected] == expected
    await store.close()


async def test_a_token_that_is_gone_admits_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    admitter = Admitter(store.tokens, lambda: NOON)
    assert await admitter.admit(a_token(max_requests=2)) is Admission.NONE
    await store.close()
