"""The calls of PriceService."""

from datetime import datetime

from tollkeeper.calls.rpc import Pages, pages
from tollkeeper.messages import fill
from tollkeeper.v1 import price_service_pb2 as pb
from tollkeeper.values.price import ModelPrice, Repricing


def list_prices(*, model: str = "", page_size: int = 0) -> Pages[ModelPrice]:
    """Iterate over what models cost at each of their upstreams, by the names of the models.

    `model` leaves out all models but the one that serves this name. A page has the prices of `page_size`
    models (the gateway's choice if 0).
    """
    return pages(fill(pb.ListPricesRequest(), model=model, page_size=page_size), ModelPrice)


def reprice_usage(
    *,
    start_time: datetime,
    end_time: datetime,
    model: str = "",
    dry_run: bool = False,
) -> Pages[Repricing]:
    """Find the costs of past requests again by the present prices, and iterate over what slices of them do.

    Times are aware: `start_time` inclusive, `end_time` exclusive. A slice is changed when it is asked for
    and stays if a later one fails. `dry_run` changes nothing.
    """
    request = fill(
        pb.RepriceUsageRequest(),
        start_time=start_time,
        end_time=end_time,
        model=model,
        dry_run=dry_run,
    )
    return pages(request, Repricing)


def list_repricings(*, page_size: int = 0) -> Pages[Repricing]:
    """Iterate over the changes that `reprice_usage` has made, newest first."""
    return pages(fill(pb.ListRepricingsRequest(), page_size=page_size), Repricing)
