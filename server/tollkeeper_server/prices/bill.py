"""What the counts of a request cost."""

from datetime import datetime

from tollkeeper_server.domain.price import NANO_IN_DOLLAR
from tollkeeper_server.domain.usage import TokenCounts, TokenDetails
from tollkeeper_server.prices.consumption import Consumption, ImageSize, Unit
from tollkeeper_server.prices.price import USUAL, Price, Service
from tollkeeper_server.prices.rates import PICO_IN_NANO

_NO_DETAILS = TokenDetails()
BATCH_TIER = "batch"
"""The kind of service by which counts say that they are those of a batch."""
_ANY_IMAGE = ImageSize()


def consumption_of(tokens: TokenCounts) -> Consumption:
    """Return counts in units that have a price. Parts that are more than their whole are cut to it."""
    details = tokens.details
    cached = min(tokens.cached, tokens.prompt)
    reasoning = min(tokens.reasoning, tokens.completion)
    plain, output = tokens.prompt - cached, tokens.completion - reasoning
    if details is None and not tokens.has_measures:
        return Consumption(input=plain, cached=cached, output=output, reasoning=reasoning)
    details = details or _NO_DETAILS
    written = min(details.cache_written, plain)
    for_an_hour = min(details.cache_written_hour, written)
    audio = min(details.audio_prompt, plain - written)
    image = min(details.image_prompt, plain - written - audio)
    spoken = min(details.audio_completion, output)
    annotated = min(details.annotated_pages, tokens.pages)
    more = (
        (Unit.AUDIO_INPUT, audio),
        (Unit.IMAGE_INPUT, image),
        (Unit.AUDIO_OUTPUT, spoken),
        (Unit.AUDIO, tokens.audio_milliseconds),
        (Unit.CHARACTER, tokens.characters),
        (Unit.PAGE, tokens.pages - annotated),
        (Unit.ANNOTATED_PAGE, annotated),
        (Unit.WEB_SEARCH, details.web_searches),
        (Unit.FILE_SEARCH, details.file_searches),
    )
    return Consumption(
        input=plain - written - audio - image,
        cached=cached,
        cache_write=written - for_an_hour,
        cache_write_hour=for_an_hour,
        output=output - spoken,
        reasoning=reasoning,
        more=tuple((unit, count) for unit, count in more if count),
        images=((_ANY_IMAGE, tokens.images),) if tokens.images else (),
    )


def service_of(details: TokenDetails | None) -> Service:
    """Return the kind of service that an answer names."""
    if details is None or not (details.service_tier or details.speed):
        return USUAL
    tier = details.service_tier
    return Service("" if tier == BATCH_TIER else tier, is_batch=tier == BATCH_TIER, speed=details.speed)


def cost_of(price: Price, tokens: TokenCounts, started_at: datetime) -> int | None:
    """Return what the counts of a request cost in nano-dollars; None if something of it has no rate."""
    rates = price.plain
    if (
        rates is not None
        and tokens.details is None
        and not tokens.has_measures
        and (prompt := tokens.prompt) >= (cached := tokens.cached)
        and (completion := tokens.completion) >= (reasoning := tokens.reasoning)
    ):
        # The same as below, for nearly every request in a third of the time.
        pico = (
            (prompt - cached) * rates.input
            + cached * rates.cached
            + (completion - reasoning) * rates.output
            + reasoning * rates.reasoning
            + rates.request
        )
        return -(-pico // PICO_IN_NANO)
    return price.cost(consumption_of(tokens), started_at.timestamp(), service_of(tokens.details))


def dollars(nano_dollars: int) -> bytes:
    """Return an amount as dollars in ASCII, with as many decimals as it has: `0.0001425`."""
    whole, rest = divmod(nano_dollars, NANO_IN_DOLLAR)
    return b"%d.%s" % (whole, (b"%09d" % rest).rstrip(b"0") or b"0")
