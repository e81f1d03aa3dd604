"""The record of a request shows nothing of what its caller has sent."""

from tests.unit.dataplane.exchanges import exchange


def test_an_exchange_is_shown_by_its_id_alone() -> None:
    made = exchange(headers=[(b"authorization", b"Bearer sk-tk-secret")])
    assert repr(made) == f"<Exchange {made.event_id}>"
