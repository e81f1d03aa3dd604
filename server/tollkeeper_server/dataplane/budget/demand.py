"""What a request needs of its meters, by what is measured, before it is known what it will use.

| measure | need |
|---|---|
| requests, a minute or in all, and at once | 1 |
| tokens a minute | a token for four bytes of the prompt, and the answer's maximum |
| tokens in all | a token a byte of the prompt, and the answer's maximum |
| money | the same, at the dearest price of all upstreams that may serve it, fallbacks included |

The answer's maximum is what the request says, or else what the model is known to give, or else a default,
which is written into the request if it can be.
"""

from collections.abc import Sequence

from msgspec import Struct, structs

from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.dataplane.budget.asked import MAXIMA, Asked, read_asked
from tollkeeper_server.dataplane.budget.calls import NO_CALLS, Call
from tollkeeper_server.dataplane.budget.legs import Leg
from tollkeeper_server.dataplane.budget.meter_set import MeterSet
from tollkeeper_server.dataplane.budget.refusal import limit_words
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.endpoint import Body, Endpoint
from tollkeeper_server.domain.limit import MOST, Measure
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.domain.rate import MOST_A_MINUTE
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.ledger.reservation import Cause, Refused
from tollkeeper_server.prices.most import Most
from tollkeeper_server.providers.pages import MOST_PAGES, asked_pages
from tollkeeper_server.providers.spoken import spoken_characters

OUTPUT_TOKENS = 16_384
"""The tokens of an answer whose maximum nobody knows or can set. A stream that goes beyond holds more."""
LEAST_OUTPUT = 256
"""The fewest tokens that the maximum of an answer is lowered to: an answer of fewer is of no use."""
SLICE_TOKENS = 4096
"""The tokens by which it does."""
PACED_OUTPUT_TOKENS = 1024
"""The tokens that an answer takes of a rate at first, if the request says no maximum."""
IMAGE_OUTPUT_TOKENS = 10_000
"""The most tokens of an image that is made."""
_IMAGES = 10
# A second of sound has 1,000 bytes or more, and 10 tokens as it is heard; 20 and less as it is written.
_BYTES_A_HEARD_TOKEN = 100
_BYTES_A_WRITTEN_TOKEN = 50
_SPOKEN_TOKENS_A_BYTE = 2
# What is used there is used after the request, and nothing bounds it before. What to do instead.
_USED_LATER = {
    "evals": "run its questions as requests of their own",
    "fine_tunes": "",
    "fine_tuning": "",
    "realtime": "use chat completions or responses",
    "videos": "",
}
BOUNDED = frozenset({Measure.TOKENS, Measure.MONEY})
"""What is measured of budgets that hold all that a request may use."""
_IMAGE_KINDS = frozenset({Capability.IMAGES_GENERATIONS, Capability.IMAGES_EDITS})


class _Basis(Struct, frozen=True, gc=False):
    """What a demand is found by: the request, the calls that it may lead to, and when it began.

    `said` is the maximum of an answer that the request itself says, `asked` has the one that is sent.
    """

    endpoint: Endpoint
    asked: Asked
    said: int
    size: int
    legs: Sequence[Leg]
    at: float


class Demand(Struct, frozen=True, kw_only=True, gc=False):
    """What a request needs: `amounts` by the kinds of `meter_set.py`.

    `output` is how many tokens the answer has at most, `is_bounded` whether no answer is longer. Else a
    stream holds more on its way, `slice_tokens` at a time, that cost up to `slice_money`. `written` is the
    maximum that must be written into the request, 0 if it stays as it is, and `is_clamped` whether a limit
    has lowered it; `passed_over` are the calls that may not be made, as their prices are not known. `basis`
    is what `lowered` goes by.
    """

    amounts: tuple[int, int, int, int] = (1, 0, 0, 0)
    output: int = 0
    is_bounded: bool = True
    slice_tokens: int = SLICE_TOKENS
    slice_money: int = 0
    written: int = 0
    is_clamped: bool = False
    passed_over: frozenset[Call] = NO_CALLS
    basis: _Basis | None = None


NO_TOKENS = Demand()
"""Of a request for which no model runs: it is counted."""


def needs_tokens(exchange: Exchange, meters: MeterSet) -> bool:
    """Return whether a request needs more of these meters than to be counted.

    Raises PRICE_UNKNOWN if a budget can't hold, as nobody says what is used.
    """
    endpoint = exchange.endpoint
    if not costs_tokens(exchange.method, endpoint):
        return False
    if endpoint.name in _USED_LATER:
        if meters.is_bounded:
            raise _used_later(endpoint, meters)
        return False
    return True


def demand_of(
    exchange: Exchange,
    meters: MeterSet,
    found: Sequence[Leg],
    asked: Asked,
    size: int,
    *,
    default_output: int,
    written: int | None = None,
) -> Demand:
    """Return what a request needs of these meters that may lead to these calls, and has a body of a size.

    `default_output` is written into it if nobody knows how long its answer is, 0 for nothing. `written` is
    the maximum that has been, 0 if nothing can be any more. Raises PRICE_UNKNOWN if a budget of money can't
    hold, as no price is known.
    """
    endpoint = exchange.endpoint
    basis = _Basis(endpoint, asked, asked.output, size, found, exchange.started_at.timestamp())
    if written:
        return _demand(structs.replace(basis, asked=structs.replace(asked, output=written)), meters)
    may_write = asked.is_json and written is None and endpoint.name in MAXIMA
    if default_output and may_write and not asked.output and 0 in [leg.max_output for leg in found]:
        basis = structs.replace(basis, asked=structs.replace(asked, output=default_output))
        return structs.replace(_demand(basis, meters), written=default_output, basis=basis)
    demand = _demand(basis, meters)
    return structs.replace(demand, basis=basis) if may_write and meters.clamps else demand


def lowered(demand: Demand, meters: MeterSet, refused: Refused) -> Demand | None:
    """Return the demand with so short an answer that the budget has enough left that refuses it.

    None if it may not be lowered to that, or the answer would have fewer than `LEAST_OUTPUT` tokens.
    """
    basis, meter = demand.basis, refused.meter
    if basis is None or refused.cause is not Cause.SPENT or not meter.limit.clamp:
        return None
    kind = meters.needs[meters.meters.index(meter)]
    low, high = LEAST_OUTPUT, demand.output // basis.asked.answers - 1
    found: Demand | None = None
    while low <= high:
        middle = (low + high) // 2
        asked = structs.replace(basis.asked, output=middle)
        tried = _demand(structs.replace(basis, asked=asked), meters)
        if tried.amounts[kind] <= refused.left:
            found = structs.replace(tried, written=middle, is_clamped=True, basis=basis)
            low = middle + 1
        else:
            high = middle - 1
    return found


def _demand(basis: _Basis, meters: MeterSet) -> Demand:
    """Return what a request needs. Raises PRICE_UNKNOWN."""
    asked, found, endpoint = basis.asked, basis.legs, basis.endpoint
    longest = max([leg.max_output for leg in found]) if found else 0
    most = most_of(endpoint, asked, basis.size, longest)
    dialect = endpoint.dialect
    is_bounded = dialect.text_bytes is None or asked.output > 0 or 0 not in [leg.max_output for leg in found]
    money = slice_money = 0
    passed_over = NO_CALLS
    if meters.has_money:
        unpriced: list[Leg] = []
        for leg in found:
            own = most if leg.max_output == longest else most_of(endpoint, asked, basis.size, leg.max_output)
            cost = leg.cost(own, basis.at)
            if cost is None:
                unpriced.append(leg)
                continue
            money = max(money, cost)
            if not is_bounded:
                text = Most(completion=SLICE_TOKENS, tier=asked.tier, is_fast=asked.is_fast)
                slice_money = max(slice_money, leg.cost(text, basis.at) or 0)
        if unpriced and meters.asks_prices:
            if len(unpriced) == len(found):
                raise no_price(unpriced[0])
            passed_over = frozenset(leg.call for leg in unpriced)
    output = most.completion
    paced = basis.said * asked.answers or PACED_OUTPUT_TOKENS
    paced = min(paced, output) + (asked.estimated if dialect.has_prompt else most.prompt)
    amounts = (1, min(paced, MOST_A_MINUTE), min(most.prompt + output, MOST), min(money, MOST))
    return Demand(
        amounts=amounts,
        output=output,
        is_bounded=is_bounded,
        slice_money=slice_money,
        passed_over=passed_over,
    )


def costs_tokens(method: str, endpoint: Endpoint) -> bool:
    """Return whether a model may run for a request; looking at things, and keeping them, costs nothing."""
    return (
        method == "POST"
        and endpoint.runs_models
        and not endpoint.is_free
        and endpoint.body is not Body.STREAM
    )


def read(body: bytes, endpoint: Endpoint, *, is_json: bool) -> Asked:
    """Return what a request's body asks for. Of a large one not for the event loop."""
    if not is_json:
        return Asked(prompt=len(body), is_json=False)
    if endpoint.is_speech:
        return Asked(prompt=len(body), characters=spoken_characters(body))
    if endpoint.dialect.pages:
        return Asked(prompt=len(body), pages=asked_pages(body))
    name = endpoint.name
    maxima, each = MAXIMA.get(name, ()), name == "completions"
    return read_asked(
        body, maxima, is_large=len(body) > LARGE, each_prompt=each, bounds_calls=name == "responses"
    )


def most_of(endpoint: Endpoint, asked: Asked, size: int, max_output: int) -> Most:
    """Return what a request may use at most of a model with answers of up to so many tokens, 0 if unknown."""
    dialect, prompt = endpoint.dialect, asked.prompt
    if endpoint.capability in _IMAGE_KINDS:
        images = _IMAGES if endpoint.body is Body.FORM else asked.answers
        return Most(prompt=prompt, completion=images * IMAGE_OUTPUT_TOKENS, is_media=True, images=images)
    if endpoint.capability is Capability.AUDIO_TRANSCRIPTIONS:
        return Most(
            prompt=size // _BYTES_A_HEARD_TOKEN + 1,
            completion=size // _BYTES_A_WRITTEN_TOKEN + 1,
            is_media=True,
            milliseconds=size,
        )
    if endpoint.is_speech:
        return Most(
            prompt=size,
            completion=size * _SPOKEN_TOKENS_A_BYTE,
            is_media=True,
            characters=max(asked.characters, 1),  # the upstream refuses an empty text, which has a price, too
        )
    output = 0
    if dialect.completes:
        output = (asked.output or max_output or OUTPUT_TOKENS) * asked.answers
    return Most(
        prompt=prompt,
        completion=output,
        pages=asked.pages or (MOST_PAGES if dialect.pages else 0),
        is_media=asked.is_media,
        searches=asked.searches,
        tier=asked.tier,
        is_fast=asked.is_fast,
    )


def no_price(leg: Leg) -> TollkeeperError:
    """Return the error for a call whose price a budget of money must know."""
    if not leg.call.model:
        return TollkeeperError(
            Reason.PRICE_UNKNOWN,
            "the request names no model, and a budget of money holds for it, so that the price must be "
            "known; name a model",
            field="model",
        )
    model = repr(leg.call.model)
    lacking, remedy = f"the price of the model {model} is not known", "set the model's price"
    if leg.price is not None:
        lacking = f"the price of the model {model} lacks a rate of something that the request may use"
        remedy = "complete that price"
    return TollkeeperError(
        Reason.PRICE_UNKNOWN,
        f"{lacking}, and a budget of money holds for the request; use another model, or have an "
        f"administrator {remedy}, or set the limit's allow_unpriced",
        field="model",
    )


def _used_later(endpoint: Endpoint, meters: MeterSet) -> TollkeeperError:
    meter = next(it for it in meters.meters if it.limit.measure in BOUNDED)
    instead = _USED_LATER[endpoint.name]
    return TollkeeperError(
        Reason.PRICE_UNKNOWN,
        f"what {endpoint.name} use is known only after the request, and the limit of {meter.scope.words}, "
        f"{limit_words(meter.limit)}, holds for it; {f'{instead}, or ' if instead else ''}have an "
        "administrator make a token and project without budgets of tokens and money",
        field="path",
    )
