"""What a request may do by its limits: what it holds of them, and how it must be changed for that."""

from msgspec import Struct, structs

from tollkeeper_server.dataplane.budget.calls import NO_CALLS, Call
from tollkeeper_server.dataplane.budget.legs import without
from tollkeeper_server.dataplane.route import Destination
from tollkeeper_server.ledger.meter import Meter

Needs = tuple[tuple[Meter, int], ...]
"""The meters of a request, and what it needs of each."""


class Granted(Struct, frozen=True, kw_only=True, gc=False):
    """What a request may do. `needs` are there only if somebody wants to know them.

    `max_output` is the maximum of its answer that must be written into it, 0 if it stays as it is; a limit
    has lowered it if it `is_clamped`, else nobody has said one. `passed_over` are the calls that may not be
    made.
    """

    needs: Needs = ()
    max_output: int = 0
    is_clamped: bool = False
    passed_over: frozenset[Call] = NO_CALLS

    def changed(self, destination: Destination, served: str) -> Destination:
        """Return where the request goes that is served by a name, and with which maximum."""
        return structs.replace(
            without(destination, self.passed_over, served),
            max_output=self.max_output,
            passed_over=self.passed_over,
        )


AS_ASKED = Granted()
"""Of a request that is sent as it came."""
