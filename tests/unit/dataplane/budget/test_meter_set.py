"""Which meters a request has is found once, until something of it changes."""

from msgspec import structs
from tollkeeper_server.dataplane.budget.meter_set import MeterSets
from tollkeeper_server.domain.limit import Limit, Measure

from tests.unit.dataplane.budget.limited import configured
from tests.unit.dataplane.configured import token


def slots(amount: int) -> Limit:
    return Limit(measure=Measure.CONCURRENT, amount=amount)


def test_a_request_has_the_meters_of_its_snapshot_and_of_its_tokens_limits() -> None:
    sets = MeterSets()
    before = configured(slots(5), model=(slots(7),))
    after = configured(slots(6), model=(slots(8),))
    known = structs.replace(token(), limits=(slots(1),))
    changed = structs.replace(known, limits=(slots(2),))
    for snapshot, route, caller, amounts in (
        (before, "m", known, [5, 1, 7]),
        (before, "", known, [5, 1]),
        (after, "m", known, [6, 1, 8]),
        (before, "m", known, [5, 1, 7]),
        (before, "m", changed, [5, 2, 7]),
        (before, "m", structs.replace(known, id="other", limits=()), [5, 7]),
    ):
        found = sets.of_request(
            snapshot, None, snapshot.projects["prj_1"], snapshot.routes.get(route), caller
        )
        assert [meter.amount for meter in found.meters] == amounts
        again = sets.of_request(
            snapshot, None, snapshot.projects["prj_1"], snapshot.routes.get(route), caller
        )
        assert again is found
