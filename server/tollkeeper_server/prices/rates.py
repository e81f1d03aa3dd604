"""Rates: what a unit costs, and what a request's units cost together.

A rate is an integer of pico-dollars a unit, for nano-dollars are too coarse: $0.0028 for a million tokens are
2,800 pico-dollars a token. An amount is an integer of nano-dollars, rounded up once a request.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from tollkeeper_server.prices.consumption import MEASURES, TOKENS, Consumption, ImageSize, Unit

PICO_IN_NANO = 1000
_MILLISECONDS = 1000
# What a unit costs whose own rate is not given: that of another, the first one that is given.
_AS: tuple[tuple[Unit, tuple[Unit, ...]], ...] = (
    (Unit.CACHED, (Unit.INPUT,)),
    (Unit.CACHE_WRITE, (Unit.INPUT,)),
    (Unit.CACHE_WRITE_HOUR, (Unit.CACHE_WRITE, Unit.INPUT)),
    (Unit.REASONING, (Unit.OUTPUT,)),
    (Unit.CITATION, (Unit.OUTPUT,)),
    (Unit.AUDIO_CACHED, (Unit.AUDIO_INPUT, Unit.CACHED, Unit.INPUT)),
    (Unit.AUDIO_INPUT, (Unit.INPUT,)),
    (Unit.AUDIO_OUTPUT, (Unit.OUTPUT,)),
    (Unit.IMAGE_CACHED, (Unit.IMAGE_INPUT, Unit.CACHED, Unit.INPUT)),
    (Unit.IMAGE_INPUT, (Unit.INPUT,)),
    (Unit.IMAGE_OUTPUT, (Unit.OUTPUT,)),
    (Unit.VIDEO_INPUT, (Unit.INPUT,)),
    (Unit.VIDEO_OUTPUT, (Unit.OUTPUT,)),
    (Unit.ANNOTATED_PAGE, (Unit.PAGE,)),
)
_FIELDS = (
    Unit.INPUT,
    Unit.CACHED,
    Unit.CACHE_WRITE,
    Unit.CACHE_WRITE_HOUR,
    Unit.OUTPUT,
    Unit.REASONING,
)


class Rates(Struct, frozen=True):
    """The rates of a tier, in pico-dollars a unit, for prompts of more than `above` tokens.

    The fields are the units that nearly every request uses, 0 where they have no rate. `more` are those of
    other units, `images` of whole images by size and quality. `request` is charged once a request. `missing`
    are the fields that have no rate at all; a request that uses one has no known cost.
    """

    above: int
    input: int
    cached: int
    cache_write: int
    cache_write_hour: int
    output: int
    reasoning: int
    request: int
    more: Mapping[Unit, int]
    images: Mapping[ImageSize, int]
    missing: frozenset[Unit]


def resolve(above: int, given: Mapping[Unit, int], images: Mapping[ImageSize, int]) -> Rates:
    """Return the rates of a tier; a unit without a rate of its own costs what the next broader one does."""
    resolved = dict(given)
    for unit, others in _AS:
        for other in others:
            if unit not in resolved and other in given:
                resolved[unit] = given[other]
    get = resolved.get
    return Rates(
        above,
        get(Unit.INPUT, 0),
        get(Unit.CACHED, 0),
        get(Unit.CACHE_WRITE, 0),
        get(Unit.CACHE_WRITE_HOUR, 0),
        get(Unit.OUTPUT, 0),
        get(Unit.REASONING, 0),
        get(Unit.REQUEST, 0),
        MappingProxyType({unit: rate for unit, rate in resolved.items() if unit not in _FIELDS}),
        MappingProxyType(dict(images)),
        frozenset(_FIELDS) - resolved.keys(),
    )


def cost(rates: Rates, used: Consumption) -> int | None:
    """Return what a request costs in nano-dollars, rounded up; None if something it used has no rate.

    Time, images, characters and pages without a rate are billed as the tokens that they made, if there are
    any: without them, too, nothing is known.
    """
    pico = (
        used.input * rates.input
        + used.cached * rates.cached
        + used.cache_write * rates.cache_write
        + used.cache_write_hour * rates.cache_write_hour
        + used.output * rates.output
        + used.reasoning * rates.reasoning
        + rates.request
    )
    if used.more or used.images or rates.missing:
        rest = _rest(rates, used)
        if rest is None:
            return None
        pico += rest
    return -(-pico // PICO_IN_NANO)


def _rest(rates: Rates, used: Consumption) -> int | None:
    """Return the pico-dollars of what has no field; None if something has no rate, be it a field's."""
    pico = 0
    unknown = {unit for unit in rates.missing if getattr(used, unit)}
    known = {unit for unit in _FIELDS if unit not in rates.missing and getattr(used, unit)}
    for unit, count in used.more:
        rate = rates.more.get(unit)
        if not count:
            continue
        (unknown if rate is None else known).add(unit)
        if rate is not None:
            pico += rate * count // _MILLISECONDS if unit is Unit.AUDIO else rate * count
    for image, count in used.images:
        rate = _image_rate(rates, image)
        if count:
            (unknown if rate is None else known).add(Unit.IMAGE)
            pico += (rate or 0) * count
    if not unknown:
        return pico
    # Sound that is billed by its length is not billed by the tokens that it made, nor the other way round.
    tokens, measures, calls = unknown & TOKENS, unknown & MEASURES, unknown - TOKENS - MEASURES
    if calls or (tokens and not known & MEASURES) or (measures and not known & (TOKENS | MEASURES)):
        return None
    return pico


def _image_rate(rates: Rates, image: ImageSize) -> int | None:
    for one in (image, ImageSize(image.size), ImageSize("", image.quality), ImageSize()):
        found = rates.images.get(one)
        if found is not None:
            return found
    return rates.more.get(Unit.IMAGE)
