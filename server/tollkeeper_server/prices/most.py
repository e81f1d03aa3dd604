"""What a request costs at most, by what it may use at most: the bound that is reserved before it is sent."""

from msgspec import Struct, structs

from tollkeeper_server.prices.consumption import COMPLETION, PROMPT, Unit
from tollkeeper_server.prices.price import Price
from tollkeeper_server.prices.rates import PICO_IN_NANO, Rates
from tollkeeper_server.prices.tariff import Tariff

_MILLISECONDS = 1000
_CALLS = (Unit.WEB_SEARCH, Unit.FILE_SEARCH)


class Most(Struct, frozen=True, kw_only=True, gc=False):
    """What a request may use at most. `prompt` and `completion` are tokens of any kind.

    With `is_media` they may be those of sound and images. `images` are whole ones that are made,
    `milliseconds` of sound that is heard, `characters` of text that is spoken, `pages` that are read;
    `searches` are calls of tools. `tier` is the kind of service that is asked for, None if the provider
    chooses; `is_fast` asks for speed; with `is_batch` it is a request of a batch.
    """

    prompt: int = 0
    completion: int = 0
    is_media: bool = False
    images: int = 0
    milliseconds: int = 0
    characters: int = 0
    pages: int = 0
    searches: int = 0
    tier: str | None = None
    is_fast: bool = False
    is_batch: bool = False

    @property
    def has_measures(self) -> bool:
        """Whether something may be used that is no token, other than calls."""
        return bool(self.images or self.milliseconds or self.characters or self.pages)


def bound_of(price: Price, most: Most, at: float) -> int | None:
    """Return the nano-dollars that a request costs at most; None if something of it has no rate.

    It is the dearest of what may hold: each tier that a prompt of up to this length is billed at, each kind
    of service that may be chosen, and tokens that are written to a cache or not. `at` is when the request
    begins, in seconds of the epoch.
    """
    if most.milliseconds < price.least_audio and most.milliseconds:
        most = structs.replace(most, milliseconds=price.least_audio)
    if not price.has_services:
        tariffs: tuple[Tariff, ...] = (price.tariff(),)
    elif most.is_batch:
        tariffs = price.batch_tariffs(is_fast=most.is_fast)
    else:
        tariffs = price.tariffs(most.tier, is_fast=most.is_fast)
    dearest: int | None = None
    for tariff in tariffs:
        found = _bound(tariff, most, at)
        if found is None:
            return None
        dearest = found if dearest is None else max(dearest, found)
    return dearest


def _bound(tariff: Tariff, most: Most, at: float) -> int | None:
    if not (most.is_media or most.has_measures or most.searches):
        return tariff.bound(most.prompt, most.completion, at)
    dearest: int | None = None
    for rates in tariff.tiers(at):
        if most.prompt <= rates.above:
            continue
        pico = _pico(rates, most)
        if pico is None:
            return None
        dearest = pico if dearest is None else max(dearest, pico)
    return None if dearest is None else -(-dearest // PICO_IN_NANO)


def _pico(rates: Rates, most: Most) -> int | None:
    """Return pico-dollars; None if nothing is known of what the request is billed by.

    Providers bill sound, images and text that is spoken by their length or by their tokens: either will do.
    """
    has_prompt = Unit.INPUT not in rates.missing
    has_completion = Unit.OUTPUT not in rates.missing
    more = rates.more
    by_length = (
        most.images * max([more.get(Unit.IMAGE, 0), *rates.images.values()])
        + most.milliseconds * more.get(Unit.AUDIO, 0) // _MILLISECONDS
        + most.characters * more.get(Unit.CHARACTER, 0)
        + most.pages * max(more.get(Unit.PAGE, 0), more.get(Unit.ANNOTATED_PAGE, 0))
    )
    if not by_length and ((most.prompt and not has_prompt) or (most.completion and not has_completion)):
        return None
    inputs = [rates.input, rates.cached, rates.cache_write, rates.cache_write_hour]
    outputs = [rates.output, rates.reasoning]
    if most.is_media:
        inputs += [rate for unit, rate in more.items() if unit in PROMPT]
        outputs += [rate for unit, rate in more.items() if unit in COMPLETION]
    calls = max(more.get(unit, 0) for unit in _CALLS)
    return (
        most.prompt * max(inputs)
        + most.completion * max(outputs)
        + by_length
        + most.searches * calls
        + rates.request
    )
