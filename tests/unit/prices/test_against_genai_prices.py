"""The shipped table says what its source says: the same prices of the same names, at all times and tiers."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import msgspec
import pytest
from genai_prices import Usage
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices
from tollkeeper_server.domain.upstream import Provider as Kind
from tollkeeper_server.prices.book import shipped_book
from tollkeeper_server.prices.consumption import Consumption, Unit
from tollkeeper_server.prices.price import USUAL, Service
from tollkeeper_server.prices.table import shipped

NANO = 10**9
# A second's rate is rounded to a pico-dollar.
AUDIO_SECONDS = 6_000
BY_PROVIDER = {it.id: it for it in providers}
SNAPSHOT = DataSnapshot(providers=providers, from_auto_update=False)
# Our unit, its usage, and what it is a part of.
PARTS = {
    "cache_read_mtok": (Unit.CACHED, "cache_read_tokens", ("input_tokens",)),
    "cache_write_mtok": (Unit.CACHE_WRITE, "cache_write_tokens", ("input_tokens",)),
    "cache_write_1h_mtok": (
        Unit.CACHE_WRITE_HOUR,
        "cache_write_1h_tokens",
        ("cache_write_tokens", "input_tokens"),
    ),
    "input_audio_mtok": (Unit.AUDIO_INPUT, "input_audio_tokens", ("input_tokens",)),
    "cache_audio_read_mtok": (
        Unit.AUDIO_CACHED,
        "cache_audio_read_tokens",
        ("cache_read_tokens", "input_audio_tokens", "input_tokens"),
    ),
    "input_image_mtok": (Unit.IMAGE_INPUT, "input_image_tokens", ("input_tokens",)),
    "cache_image_read_mtok": (
        Unit.IMAGE_CACHED,
        "cache_image_read_tokens",
        ("cache_read_tokens", "input_image_tokens", "input_tokens"),
    ),
    "input_video_mtok": (Unit.VIDEO_INPUT, "input_video_tokens", ("input_tokens",)),
    "output_reasoning_mtok": (Unit.REASONING, "output_reasoning_tokens", ("output_tokens",)),
    "output_citation_mtok": (Unit.CITATION, "output_citation_tokens", ("output_tokens",)),
    "output_audio_mtok": (Unit.AUDIO_OUTPUT, "output_audio_tokens", ("output_tokens",)),
    "output_image_mtok": (Unit.IMAGE_OUTPUT, "output_image_tokens", ("output_tokens",)),
    "output_video_mtok": (Unit.VIDEO_OUTPUT, "output_video_tokens", ("output_tokens",)),
    "input_mtok": (Unit.INPUT, "input_tokens", ()),
    "output_mtok": (Unit.OUTPUT, "output_tokens", ()),
    "input_mchars": (Unit.CHARACTER, "input_characters", ()),
    "input_document_kpages": (Unit.PAGE, "input_document_pages", ()),
    "input_annotated_document_kpages": (
        Unit.ANNOTATED_PAGE,
        "input_annotated_document_pages",
        ("input_document_pages",),
    ),
    "input_text_messages_kcount": (Unit.MESSAGE, "input_text_messages", ()),
    "web_searches_kcount": (Unit.WEB_SEARCH, "web_searches", ()),
    "storage_searches_kcount": (Unit.FILE_SEARCH, "storage_searches", ()),
}
MODAL = {Unit.AUDIO_INPUT, Unit.AUDIO_CACHED, Unit.IMAGE_INPUT, Unit.IMAGE_CACHED, Unit.VIDEO_INPUT}
FIELDS = frozenset(Consumption.__struct_fields__) - {"more", "images"}


def priced(price: ModelPrice) -> dict[str, object]:
    return {key: value for key, value in vars(price).items() if value is not None}


def drawn(price: ModelPrice, chance: random.Random, prompt: int) -> tuple[Usage, Consumption]:
    """Return a usage of units that have a price, once as genai-prices counts it and once as we do."""
    theirs: dict[str, int] = {}
    ours: dict[Unit, int] = {}
    given = priced(price).keys()
    # These cost what their wholes do where they have no price; with prices of sound or pictures their parts
    # would have to be said, too.
    simple = (
        {"cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"} if "input_mtok" in given else set()
    )
    if any(key in given for key in PARTS if PARTS[key][0] in MODAL):
        simple = set()
    keys = [key for key in PARTS if key in given or key in simple]
    prompts = [key for key in keys if "input_tokens" in PARTS[key][2]]
    for key in keys:
        unit, name, wholes = PARTS[key]
        count = chance.randrange(5_000)
        if key == "input_mtok":
            # So that the prompt is as long as it is asked to be.
            count = max(prompt - theirs.get("input_tokens", 0), 0)
        elif key in prompts:
            count = chance.randrange(prompt // (2 * len(prompts)) + 1)
        ours[unit] = count
        for counted in (name, *wholes):
            theirs[counted] = theirs.get(counted, 0) + count
    if "audio_hours" in priced(price):
        ours[Unit.AUDIO] = chance.randrange(AUDIO_SECONDS) * 1_000
        theirs["audio_seconds"] = theirs["input_audio_seconds"] = ours[Unit.AUDIO] // 1_000
    fields: dict[str, int] = {unit.value: count for unit, count in ours.items() if unit.value in FIELDS}
    more = tuple((unit, count) for unit, count in ours.items() if unit.value not in FIELDS)
    return Usage(**theirs), msgspec.structs.replace(Consumption(more=more), **fields)


def moments(model: ModelInfo) -> Iterator[datetime]:
    """Yield times at which prices of a model change, and just before."""
    yield datetime(2026, 11, 28, 12, tzinfo=UTC)
    conditional = model.prices if isinstance(model.prices, list) else []
    for one in (*conditional, *(model.price_variants or ())):
        date = getattr(one.constraint, "start_date", None)
        if date is not None:
            start = datetime(date.year, date.month, date.day, tzinfo=UTC)
            yield from (start, start - timedelta(seconds=1))
        for name in ("start_time", "end_time"):
            time = getattr(one.constraint, name, None)
            if time is not None:
                start = datetime(2026, 11, 28, time.hour, time.minute, tzinfo=UTC)
                yield from (start, start - timedelta(seconds=1))


def lengths(price: ModelPrice) -> set[int]:
    """Return lengths of prompts below, at and above the tiers."""
    tiers = {tier.start for it in priced(price).values() if isinstance(it, TieredPrices) for tier in it.tiers}
    return {1_234, *(start + more for start in tiers for more in (0, 1))}


def contexts(model: ModelInfo) -> Iterator[tuple[dict[str, str], Service]]:
    yield {}, USUAL
    for variant in model.price_variants or ():
        when = variant.when
        if when.keys() <= {"service_tier", "processing", "speed"}:
            yield (
                when,
                Service(when.get("service_tier", ""), "processing" in when, when.get("speed", "")),
            )
            yield (
                {**when, "processing": "batch"},
                Service(when.get("service_tier", ""), True, when.get("speed", "")),
            )


def compared(provider: Provider, chance: random.Random) -> Iterator[tuple[str, int | None, float, float]]:
    for model, listed in zip(provider.models, shipped_book().models(provider.id), strict=True):
        assert listed.model == model.id
        for context, service in contexts(model):
            for moment in moments(model):
                prices = model.get_prices(moment, context)
                for prompt in lengths(prices):
                    theirs, ours = drawn(prices, chance, prompt)
                    wanted = model.calc_price(
                        theirs, provider, genai_request_timestamp=moment, price_context=context
                    )
                    got = listed.price.cost(ours, moment.timestamp(), service)
                    slack = AUDIO_SECONDS / 1_000 if Unit.AUDIO in dict(ours.more) else 1e-3
                    yield (
                        f"{model.id} {context} {moment} {ours}",
                        got,
                        float(wanted.total_price * NANO),
                        slack,
                    )


def test_costs_are_those_of_the_source() -> None:
    chance = random.Random(14)
    count, wrong = 0, []
    for provider in providers:
        for what, got, wanted, slack in compared(provider, chance):
            count += 1
            if got is None or not wanted - slack <= got < wanted + 1 + slack:
                wrong.append(f"{provider.id} {what}: {got} instead of {wanted}")
    assert wrong == []
    assert count > 4_000


def test_every_model_of_the_source_is_there() -> None:
    table = shipped()
    assert table.sources[0] == f"genai-prices {version('genai-prices')}", "run: make prices"
    assert [it.id for it in table.providers] == [it.id for it in providers]
    assert [(it.id, model.id) for it in table.providers for model in it.models] == [
        (it.id, model.id) for it in providers for model in it.models
    ]


def spellings(name: str) -> Iterator[str]:
    yield name
    yield name.upper()
    yield f"{name}-20251211"
    yield f"{name}-2025-12-11"
    yield f"{name}-latest"
    yield f"{name}-x"
    yield f"models/{name}"
    yield name[:-1]


def test_names_find_what_they_find_in_the_source() -> None:
    book = shipped_book()
    wrong = []
    for provider in providers:
        # The source looks through a provider's models one by one.
        most = 8 if len(provider.models) < 200 else 2
        for name in {it for model in provider.models for it in [*spellings(model.id)][:most]}:
            theirs = provider.find_model(name, all_providers=providers)
            ours = book.find(provider.id, name)
            # A prefix that names the provider is read here, and there only for LiteLLM.
            prefix, _, rest = name.lower().partition("/")
            if theirs is None and book.provider_called(prefix) == provider.id:
                theirs = provider.find_model(rest, all_providers=providers)
            if (theirs and theirs.id) != (ours and ours.model):
                wrong.append((provider.id, name, theirs and theirs.id, ours and ours.model))
    assert wrong == []


@pytest.mark.parametrize("provider", [it.id for it in providers])
def test_providers_are_found_by_their_names(provider: str) -> None:
    assert shipped_book().provider_called(provider) == provider


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://api.anthropic.com/v1",
        "https://mine.openai.azure.com",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "https://api.groq.com/openai/v1",
        "https://openrouter.ai/api/v1",
        "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1",
        "https://api.mistral.ai/v1",
    ],
)
def test_providers_are_found_by_their_addresses(url: str) -> None:
    theirs = SNAPSHOT.find_provider(None, None, url)
    assert shipped_book().provider_of(Kind.GENERIC, url) == theirs.id
