"""Compiles the table of prices that ships with the package, of prices that others collect.

    python prices/build.py               writes server/tollkeeper_server/prices/table.json
    python prices/build.py --check       fails if the committed file differs

Prices are those of genai-prices, a development dependency. How many tokens a model's answer has at most
stands in LiteLLM's package alone: it is downloaded by `litellm.lock`, not installed, and one file is read.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import version
from pathlib import Path

import msgspec
from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_units import unit_data
from tollkeeper_server.prices.consumption import Unit
from tollkeeper_server.prices.names import suits
from tollkeeper_server.prices.table import (
    Table,
    Written,
    WrittenModel,
    WrittenPeriod,
    WrittenProvider,
    WrittenVariant,
)

HERE = Path(__file__).resolve().parent
TABLE = HERE.parent / "server" / "tollkeeper_server" / "prices" / "table.json"
MAXIMA = "litellm/model_prices_and_context_window_backup.json"
PICO = 10**12
UNITS = {
    "input_mtok": Unit.INPUT,
    "cache_read_mtok": Unit.CACHED,
    "cache_write_mtok": Unit.CACHE_WRITE,
    "cache_write_1h_mtok": Unit.CACHE_WRITE_HOUR,
    "output_mtok": Unit.OUTPUT,
    "output_reasoning_mtok": Unit.REASONING,
    "output_citation_mtok": Unit.CITATION,
    "input_audio_mtok": Unit.AUDIO_INPUT,
    "cache_audio_read_mtok": Unit.AUDIO_CACHED,
    "output_audio_mtok": Unit.AUDIO_OUTPUT,
    "input_image_mtok": Unit.IMAGE_INPUT,
    "cache_image_read_mtok": Unit.IMAGE_CACHED,
    "output_image_mtok": Unit.IMAGE_OUTPUT,
    "input_video_mtok": Unit.VIDEO_INPUT,
    "output_video_mtok": Unit.VIDEO_OUTPUT,
    "audio_hours": Unit.AUDIO,
    "input_mchars": Unit.CHARACTER,
    "input_document_kpages": Unit.PAGE,
    "input_annotated_document_kpages": Unit.ANNOTATED_PAGE,
    "input_text_messages_kcount": Unit.MESSAGE,
    "requests_kcount": Unit.REQUEST,
    "web_searches_kcount": Unit.WEB_SEARCH,
    "storage_searches_kcount": Unit.FILE_SEARCH,
}
# Said of the same seconds once more, at the same rate.
SAID_TWICE = {"input_audio_hours": "audio_hours"}
# Kinds of service that no request asks for by a member that is read here.
LEFT_OUT = {"route", "search_type"}
# Groq bills ten seconds at least; genai-prices has this in its code.
LEAST_AUDIO = {("groq", "whisper-large-v3"): 10_000, ("groq", "whisper-large-v3-turbo"): 10_000}
# LiteLLM's names of providers whose names differ.
LITELLM = {
    "azure_ai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "vertex_ai-language-models": "google",
    "github_copilot": "github-copilot",
    "moonshot": "moonshotai",
    "together_ai": "together",
    "voyage": "voyageai",
    "xai": "x-ai",
}


def clauses(match: object) -> list[str | list[str]]:
    """Return what names a model or a provider, one clause of which must suit."""
    if isinstance(match, types.ClauseOr):
        return [clause for one in match.or_ for clause in clauses(one)]
    if isinstance(match, types.ClauseAnd):
        return [[only(one) for one in match.and_]]
    return [only(match)]


def only(match: object) -> str:
    """Return a single clause. Raises `TypeError` for what `names.py` has no sign for."""
    match match:
        case types.ClauseEquals(equals=text):
            return f"={text.lower()}"
        case types.ClauseStartsWith(starts_with=text):
            return f"^{text.lower()}"
        case types.ClauseEndsWith(ends_with=text):
            return f"${text.lower()}"
        case types.ClauseContains(contains=text):
            return f"*{text.lower()}"
        case types.ClauseRegex(regex=text):
            return f"~{text}"
    raise TypeError(f"{match!r} is not known; give it a sign in names.py")


def rates(price: types.ModelPrice) -> dict[Unit, Written]:
    """Return the rates of a price. Raises `KeyError` for a unit that is not known."""
    given = {key: value for key, value in vars(price).items() if value is not None}
    for one, other in SAID_TWICE.items():
        if one in given and given.pop(one) != given[other]:
            raise ValueError(f"{one} and {other} differ: {price}")
    return {UNITS[key]: rate(value, unit_data_of(key)) for key, value in given.items()}


def unit_data_of(key: str) -> int:
    """Return of how many units a price is."""
    return next(int(it["per"]) for it in unit_data.values() if it["price_key"] == key)


def rate(price: Decimal | types.TieredPrices, per: int) -> Written:
    """Return a rate in pico-dollars a unit."""
    if isinstance(price, types.TieredPrices):
        return [(-1, pico(price.base, per)), *((tier.start, pico(tier.price, per)) for tier in price.tiers)]
    return pico(price, per)


def pico(dollars: Decimal, per: int) -> int:
    """Return the pico-dollars of one unit; rounded, for some prices are an hour's, or came as a float."""
    return int((dollars * PICO / per).to_integral_value(ROUND_HALF_UP))


def conditions(constraint: object) -> tuple[int, int, int]:
    """Return from when rates hold (seconds of the epoch), and between which seconds of the UTC day."""
    match constraint:
        case None:
            return 0, 0, 0
        case types.StartDateConstraint(start_date=date):
            return int(datetime.combine(date, time(), UTC).timestamp()), 0, 0
        case types.TimeOfDateConstraint(start_time=begin, end_time=end):
            return 0, second(begin), second(end)
    raise TypeError(f"{constraint!r} is not known")


def second(moment: time) -> int:
    """Return the second of the UTC day."""
    if moment.utcoffset():
        raise ValueError(f"{moment} is not in UTC")
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def periods(prices: types.ModelPrice | list[types.ConditionalPrice]) -> list[WrittenPeriod]:
    """Return when which rates hold."""
    if isinstance(prices, types.ModelPrice):
        return [WrittenPeriod(rates(prices))]
    return [WrittenPeriod(rates(it.prices), *conditions(it.constraint)) for it in prices]


def variants(given: Iterable[types.PriceVariant]) -> Iterator[WrittenVariant]:
    """Yield the rates of other kinds of service."""
    for one in given:
        when = dict(one.when)
        if LEFT_OUT & when.keys():
            continue
        processing = when.pop("processing", "")
        tier, speed = when.pop("service_tier", ""), when.pop("speed", "")
        start, begin, end = conditions(one.constraint)
        if when or processing not in {"", "batch"} or begin != end:
            raise ValueError(f"{one} is not known")
        if replaced := rates(one.prices):
            yield WrittenVariant(replaced, tier, bool(processing), speed, start)


def maxima(names: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, int]]:
    """Return the most tokens of an answer, by provider and name in lower case."""
    found: dict[str, dict[str, int]] = {}
    for name, facts in names.items():
        provider, most = str(facts.get("litellm_provider", "")), facts.get("max_output_tokens")
        if isinstance(most, int) and most > 0:
            own = name.lower().removeprefix(f"{provider}/")
            found.setdefault(LITELLM.get(provider, provider), {})[own] = most
    return found


def max_output(model: types.ModelInfo, names: list[str | list[str]], most: Mapping[str, int]) -> int:
    """Return the most tokens of a model's answer, the most of all its names; 0 if none is known."""
    own = most.get(model.id.lower())
    return own or max((number for name, number in most.items() if suits(names, name)), default=0)


def litellm() -> tuple[str, dict[str, dict[str, object]]]:
    """Return what LiteLLM's package knows of models, and which version it is."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", folder),
                *("--requirement", str(HERE / "litellm.lock")),
            ],
            check=True,
        )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            return f"litellm {wheel.name.split('-')[1]}", json.loads(packed.read(MAXIMA))


def compile_table() -> bytes:
    """Return the table as it is written."""
    source, known = litellm()
    most = maxima(known)
    table = Table(
        [f"genai-prices {version('genai-prices')}", source],
        [
            WrittenProvider(
                provider.id,
                provider.api_pattern,
                clauses(provider.provider_match) if provider.provider_match else [],
                provider.fallback_model_providers or [],
                [
                    WrittenModel(
                        model.id,
                        names,
                        periods(model.prices),
                        list(variants(model.price_variants or ())),
                        max_output(model, names, most.get(provider.id, {})),
                        LEAST_AUDIO.get((provider.id, model.id), 0),
                    )
                    for model in provider.models
                    for names in [clauses(model.match)]
                ],
            )
            for provider in providers
        ],
    )
    lines = [msgspec.json.encode(it) for it in table.providers]
    head = msgspec.json.encode(table.sources)
    return b'{"sources":' + head + b',"providers":[\n' + b",\n".join(lines) + b"\n]}\n"


def main() -> None:
    """Write the table, or compare."""
    parser = argparse.ArgumentParser(description="Compiles the table of prices that ships with the package.")
    parser.add_argument("--check", action="store_true", help="fail if the committed table differs")
    wanted = parser.parse_args().check
    table = compile_table()
    if not wanted:
        TABLE.write_bytes(table)
    elif TABLE.read_bytes() != table:
        sys.exit("The table of prices is not that of its sources; run: make prices")


if __name__ == "__main__":
    main()
