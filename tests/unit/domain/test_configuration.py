"""Batches of changes."""

from datetime import UTC, datetime

import pytest
from tollkeeper_server.domain.configuration import KINDS, Batch, Deletion, Entity, Kind, key_of
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group

T0 = datetime(2026, 11, 26, tzinfo=UTC)
MODEL = Model(name="same", created_at=T0, updated_at=T0)
GROUP = Group(name="same", members=(), created_at=T0, updated_at=T0)


@pytest.mark.parametrize(
    ("puts", "deletions"),
    [
        ((MODEL, MODEL), ()),
        ((MODEL,), (Deletion(Kind.MODEL, "same"),)),
        ((), (Deletion(Kind.MODEL, "same"), Deletion(Kind.MODEL, "same"))),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused(
    puts: tuple[Entity, ...], deletions: tuple[Deletion, ...]
) -> None:
    with pytest.raises(ValueError, match="twice"):
        Batch(puts=puts, deletions=deletions)


def test_kinds_do_not_share_names() -> None:
    Batch(puts=(MODEL, GROUP), deletions=(Deletion(Kind.UPSTREAM, "same"),))


def test_every_kind_has_a_type_and_a_key() -> None:
    assert set(KINDS.values()) == set(Kind)
    assert key_of(Project(id="prj_1", name="p", created_at=T0, updated_at=T0)) == "prj_1"
    assert key_of(MODEL) == "same"
