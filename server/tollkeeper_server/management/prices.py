"""PriceService: what models cost, and what past requests cost by the present prices."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import structs
from tollkeeper.messages import write
from tollkeeper.v1 import price_pb2
from tollkeeper.v1 import price_service_pb2 as pb

from tollkeeper_server.domain.author import present_author
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.price import ModelPrice
from tollkeeper_server.domain.repricing import NewCost, Repricing, added
from tollkeeper_server.domain.usage import Confidence, UsageEvent, UsageFilter
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.management.messages import fields_of
from tollkeeper_server.management.paging import last_key, next_page, page_size, page_token, wrong_page_token
from tollkeeper_server.management.pricer import Pricer
from tollkeeper_server.store.ports import RepricingStore, UsageStore

_AT_ONCE = 500
_SLICE = 5000
_BETWEEN = " "


class PriceService:
    """Implements `tollkeeper.v1.PriceService`."""

    def __init__(
        self,
        usage: UsageStore,
        repricings: RepricingStore,
        pricer: Pricer,
        clock: Callable[[], datetime],
    ) -> None:
        self._usage = usage
        self._repricings = repricings
        self._pricer = pricer
        self._clock = clock

    async def list_prices(self, request: pb.ListPricesRequest) -> pb.ListPricesResponse:
        """Read a page of what models cost."""
        if request.model:
            return pb.ListPricesResponse(prices=_shown(self._pricer.prices(request.model)))
        size = page_size(request)
        names = list(self._pricer.models(after=last_key(request), limit=size + 1))
        page, following = next_page(request, names, size, lambda name: name)
        found: list[price_pb2.ModelPrice] = []
        for name in page:
            found += _shown(self._pricer.prices(name))
            await asyncio.sleep(0)
        return pb.ListPricesResponse(prices=found, next_page_token=following)

    async def reprice_usage(self, request: pb.RepriceUsageRequest) -> pb.RepriceUsageResponse:
        """Find the costs of a slice of past requests again."""
        fields = fields_of(Repricing, request, only=("start_time", "end_time", "model"))
        if fields["start_time"] >= fields["end_time"]:
            raise invalid_argument("end_time", "must be after start_time")
        repricing_id, before = _place(request)
        where = UsageFilter(
            start=fields["start_time"],
            end=fields["end_time"],
            model_served=(request.model,) if request.model else (),
        )
        total = asked = Repricing(
            id=repricing_id, repriced_at=self._clock(), caller=present_author().caller, **fields
        )
        following = ""
        for _ in range(_SLICE // _AT_ONCE):
            events = await self._usage.list(where, before=before, limit=_AT_ONCE)
            if not events:
                break
            found, costs = self._reprice(events)
            some = structs.replace(asked, **found)
            # What nothing has changed in is traced, too: the sums are of all that was looked at.
            if not request.dry_run:
                await self._repricings.apply(costs, some)
            total = added(total, some)
            before = events[-1].id
            if len(events) < _AT_ONCE:
                break
        else:
            following = page_token(request, f"{repricing_id}{_BETWEEN}{before}")
        shown = write(total, pb.Repricing(), **({"id": ""} if request.dry_run else {}))
        return pb.RepriceUsageResponse(repricings=[shown], next_page_token=following)

    async def list_repricings(self, request: pb.ListRepricingsRequest) -> pb.ListRepricingsResponse:
        """Read a page of the changes that were made."""
        size = page_size(request)
        found = await self._repricings.list(before=last_key(request), limit=size + 1)
        page, following = next_page(request, found, size, lambda it: it.id)
        return pb.ListRepricingsResponse(
            repricings=[write(it, pb.Repricing()) for it in page], next_page_token=following
        )

    def _reprice(self, events: Sequence[UsageEvent]) -> tuple[dict[str, int], list[NewCost]]:
        """Return what events add to a repricing, and the costs that differ."""
        costs: list[NewCost] = []
        before = after = unpriced = 0
        for event in events:
            old, new = event.cost_nano_dollars, self._pricer.cost(event)
            # Counts that are not final have no cost yet. A cost that nothing is known of any more stays.
            if new is None or event.tokens.confidence is Confidence.PENDING:
                new = old
            before += old or 0
            after += new or 0
            unpriced += new is None
            if new is not None and new != old:
                costs.append(NewCost(event.id, old, new))
        return {
            "requests": len(events),
            "changed_requests": len(costs),
            "before_nano_dollars": before,
            "after_nano_dollars": after,
            "unpriced_requests": unpriced,
        }, costs


def _place(request: pb.RepriceUsageRequest) -> tuple[str, str]:
    """Return the id of a repricing and the event behind which it goes on, empty for the newest."""
    key = last_key(request)
    if not key:
        return new_id(Prefix.REPRICING), ""
    repricing_id, between, before = key.partition(_BETWEEN)
    if not between:
        raise wrong_page_token()
    return repricing_id, before


def _shown(prices: Sequence[ModelPrice]) -> list[price_pb2.ModelPrice]:
    return [write(it, price_pb2.ModelPrice()) for it in prices]
