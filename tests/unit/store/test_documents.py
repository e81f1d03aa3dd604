"""How entities are written down."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.project import Project
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.documents import from_document, time_text, to_document

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=offsets)  # noqa: DTZ001 - bounds


@given(one=times, two=times)
def test_texts_sort_as_the_times_do(one: datetime, two: datetime) -> None:
    """Whatever the zone and the fraction: stores compare the texts."""
    assert (one < two) == (time_text(one) < time_text(two))
    assert datetime.fromisoformat(time_text(one)) == one


@given(time=times, name=st.text())
def test_an_entity_comes_back(time: datetime, name: str) -> None:
    """Reading undoes writing."""
    project = Project(id="prj_1", name=name, created_at=time, updated_at=time)
    assert from_document(to_document(project), Project) == project


@pytest.mark.parametrize("damage", [{"revision": "canary"}, {"created_at": "yesterday"}, {"name": None}])
def test_a_damaged_entity_is_not_a_missing_one(damage: dict[str, object]) -> None:
    """It is an error of the store's; nobody is told that there is none."""
    now = datetime.now(UTC)
    document = to_document(Project(id="prj_1", name="n", created_at=now, updated_at=now)) | damage
    with pytest.raises(StoreUnavailableError):
        from_document(document, Project)
