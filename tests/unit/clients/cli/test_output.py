"""JSON says exactly what a value holds; tables never misread or obey what they show."""

import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tollkeeper import (
    Breaker,
    Capability,
    DatedPrice,
    Deployment,
    FallbackCause,
    Limit,
    LimitMeasure,
    LimitPeriod,
    Model,
    Price,
    PriceRates,
    PriceTier,
    Provider,
    Retry,
    ServicePrice,
    Strategy,
    Timeouts,
    TrafficPolicy,
    TrafficTimeouts,
    UsageAttempt,
    UsageDetails,
    UsageEvent,
)
from tollkeeper.cli.model import price
from tollkeeper.cli.output import Output, to_json
from tollkeeper.messages.lengths import rfc3339
from tollkeeper.messages.problems import plain

MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))
EVENTS = st.builds(UsageEvent, **{it.name: MOMENTS for it in fields(UsageEvent) if it.name == "started_at"})
LENGTHS = st.none() | st.timedeltas(min_value=timedelta(), max_value=timedelta(days=1))
POLICIES = st.builds(
    TrafficPolicy,
    keep_alive=LENGTHS,
    timeouts=st.builds(TrafficTimeouts, connect=LENGTHS, request=LENGTHS, idle=LENGTHS),
    retry=st.none() | st.builds(Retry, initial=LENGTHS, max=LENGTHS, total=LENGTHS),
)
RATES = st.builds(PriceRates, input=st.none() | st.floats(0, 10_000), image=st.none() | st.floats(0, 1_000))
TIERS = st.lists(st.builds(PriceTier, above=st.integers(), rates=RATES), max_size=1).map(tuple)
SERVICES = st.builds(ServicePrice, tier=st.text(max_size=3), rates=RATES, tiers=TIERS)
DATED = st.builds(
    DatedPrice,
    start_time=MOMENTS,
    rates=RATES,
    tiers=TIERS,
    services=st.lists(SERVICES, max_size=1).map(tuple),
)
PRICES = st.lists(DATED, max_size=2).map(tuple)
MODELS = st.builds(
    Model,
    created_at=MOMENTS,
    updated_at=MOMENTS,
    policy=st.none() | POLICIES,
    prices=PRICES,
    deployments=st.lists(st.builds(Deployment, upstream=st.text(max_size=3), prices=PRICES), max_size=2).map(
        tuple
    ),
)


def read_time(text: object) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text))


@given(EVENTS)
def test_an_event_survives_json(event: UsageEvent) -> None:
    read = json.loads(json.dumps(to_json(event)))
    read["started_at"] = read_time(read["started_at"])
    read["attempts"] = tuple(UsageAttempt(**it) for it in read["attempts"])
    read["details"] = UsageDetails(**read["details"]) if read["details"] else None

    assert UsageEvent(**read) == event


def read_length(text: str | None) -> timedelta | None:
    return None if text is None else timedelta(microseconds=int(Decimal(text.removesuffix("s")) * 1_000_000))


def read_policy(read: Any) -> TrafficPolicy:
    retry = read["retry"]
    if retry:
        lengths = {name: read_length(retry[name]) for name in ("initial", "max", "total")}
        retry = Retry(**retry | lengths)
    return TrafficPolicy(
        strategy=Strategy(read["strategy"]),
        user_agent=read["user_agent"],
        keep_alive=read_length(read["keep_alive"]),
        timeouts=TrafficTimeouts(**{name: read_length(it) for name, it in read["timeouts"].items()}),
        retry=retry,
        session_header=read["session_header"],
    )


def read_tiers(read: Any) -> tuple[PriceTier, ...]:
    return tuple(PriceTier(above=it["above"], rates=PriceRates(**it["rates"])) for it in read)


def read_dated(read: Any) -> DatedPrice:
    return DatedPrice(
        start_time=read_time(read["start_time"]),
        hours=read["hours"],
        rates=PriceRates(**read["rates"]),
        tiers=read_tiers(read["tiers"]),
        services=tuple(
            ServicePrice(**it | {"rates": PriceRates(**it["rates"]), "tiers": read_tiers(it["tiers"])})
            for it in read["services"]
        ),
    )


@given(MODELS)
def test_a_model_survives_json(model: Model) -> None:
    read = json.loads(json.dumps(to_json(model)))

    again = Model(
        name=read["name"],
        aliases=tuple(read["aliases"]),
        capabilities=tuple(map(Capability, read["capabilities"])),
        deployments=tuple(
            Deployment(**it | {"prices": tuple(map(read_dated, it["prices"]))}) for it in read["deployments"]
        ),
        is_active=read["is_active"],
        created_at=read_time(read["created_at"]),
        updated_at=read_time(read["updated_at"]),
        etag=read["etag"],
        policy=read_policy(read["policy"]) if read["policy"] else None,
        group=read["group"],
        fallbacks=tuple(read["fallbacks"]),
        fallback_on=tuple(map(FallbackCause, read["fallback_on"])),
        price=Price(**read["price"]) if read["price"] else None,
        prices=tuple(map(read_dated, read["prices"])),
    )
    assert again == model


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=1)))
def test_a_length_of_time_is_its_seconds(length: timedelta) -> None:
    text = to_json(Timeouts(idle=length))

    assert isinstance(text, dict)
    assert text["connect"] is None
    assert timedelta(seconds=float(str(text["idle"]).removesuffix("s"))) == length


def test_json_is_as_rest_has_it() -> None:
    assert to_json(Provider.OPENAI) == "openai"
    assert to_json(True) is True
    assert to_json(Breaker(threshold=0.25)) == {
        "threshold": 0.25,
        "cooldown": None,
        "window": None,
        "min_calls": None,
    }
    assert to_json(timedelta(milliseconds=500)) == "0.5s"
    assert to_json(timedelta(minutes=10)) == "600s"
    assert to_json(datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))) == "2026-03-01T12:00:00Z"


def test_what_is_no_result_is_not_printed() -> None:
    with pytest.raises(TypeError, match="complex is not a result"):
        to_json(1j)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-720, 720))
def test_times_are_rfc_3339_in_utc(moment: datetime, offset: int) -> None:
    assume(1 < moment.year < 9999)

    written = rfc3339(moment.astimezone(timezone(timedelta(minutes=offset))))

    assert written.endswith("Z")
    assert datetime.fromisoformat(written) == moment


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_printed(text: str) -> None:
    assert plain(text).isprintable()


def test_ordinary_text_is_printed_as_it_is() -> None:
    assert plain("Straße 東京 a_b") == "Straße 東京 a_b"
    assert plain("a\x1b[31mb\n\u202e") == "a\\x1b[31mb\\n\\u202e"


@dataclass(frozen=True)
class Row:
    """Something to list."""

    name: str
    count: int


def test_a_table_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("1e5", 7), Row("", 1234), Row("  x\ty", 0)]

    Output(as_json=False).items(
        rows, {"NAME": lambda it: it.name, "COUNT": lambda it: it.count}, none="nothing", right=["COUNT"]
    )

    printed = capsys.readouterr()
    assert printed.out == "NAME    COUNT\n1e5         7\n-        1234\n  x\\ty      0\n"
    assert printed.err == ""


def test_an_empty_table_says_so_to_people_only(capsys: pytest.CaptureFixture[str]) -> None:
    empty: list[Row] = []

    Output(as_json=False).items(empty, {"NAME": lambda it: it.name}, none="no rows")
    assert capsys.readouterr() == ("", "no rows\n")

    Output(as_json=True).items(empty, {"NAME": lambda it: it.name}, none="no rows")
    assert capsys.readouterr() == ("[]\n", "")


def test_json_is_one_document_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).items([Row("ß\x9b", 1)], {"NAME": lambda it: it.name}, none="")

    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == [{"name": "ß\x9b", "count": 1}]


def test_the_details_of_a_value_are_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model(
        name="fast",
        aliases=(),
        capabilities=(Capability.MESSAGES,),
        deployments=(Deployment("azure", "gpt4o"), Deployment("openai")),
        is_active=True,
        created_at=datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
        updated_at=None,
        etag="1",
        policy=TrafficPolicy(strategy=Strategy.RANDOM, retry=Retry(attempts=2, max=timedelta(seconds=5))),
        group="",
        fallbacks=(),
        fallback_on=(),
        price=Price(prompt=150, cached=0),
        prices=(
            DatedPrice(rates=PriceRates(input=2.5, cached=0.0028)),
            DatedPrice(
                start_time=datetime(2027, 1, 1, tzinfo=UTC),
                rates=PriceRates(input=2),
                tiers=(PriceTier(above=200, rates=PriceRates(input=4)),),
                services=(ServicePrice(tier="flex", rates=PriceRates(input=1)),),
            ),
        ),
        limits=(
            Limit(LimitMeasure.REQUESTS_PER_MINUTE, 60),
            Limit(LimitMeasure.MONEY, 25_000_000_000, period=LimitPeriod.MONTH, zone="Europe/Berlin"),
        ),
    )

    later = "from 2027-01-01 00:00: input 2.00; above 200: input 4.00; flex: input 1.00"

    Output(as_json=False).item(model)

    printed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert printed[:5] == [
        ["name", "fast"],
        ["aliases", "-"],
        ["capabilities", "messages"],
        ["deployments", "azure=gpt4o,openai"],
        ["is_active", "yes"],
    ]
    assert printed[5][1].startswith("2026-03-01T12:00:00Z (")
    assert printed[6:] == [
        ["updated_at", "-"],
        ["etag", "1"],
        ["policy", "strategy=random,retry=(attempts=2,max=5s,only_safe=no)"],
        ["group", "-"],
        ["fallbacks", "-"],
        ["fallback_on", "-"],
        ["price", "0.15/0.00/0.00 dollars for a million tokens"],
        ["limits", "requests_per_minute=60,money=25/month@Europe/Berlin"],
        ["prices", f"input 2.50, cached 0.0028,{later}"],
    ]


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.none() | st.integers(0, 10**9))
def test_a_price_is_shown_as_the_command_line_reads_it(
    prompt: int, completion: int, cached: int | None
) -> None:
    shown = Price(prompt=prompt, completion=completion, cached=cached)

    assert price(str(shown).removesuffix(" dollars for a million tokens")) == shown


@given(
    st.lists(st.tuples(st.text("ab", max_size=80), st.text("cd", max_size=80), st.integers(0, 10**9))),
    st.booleans(),
)
@example([("a" * 80, "c" * 80, 1)], True)
def test_a_table_is_shortened_to_100_columns_only_where_it_may_be(
    rows: list[tuple[str, str, int]], is_shortened: bool
) -> None:
    told = io.StringIO()
    with redirect_stdout(told):
        Output(as_json=False).items(
            rows,
            {
                "FIRST": lambda it: it[0],
                "SECOND": lambda it: it[1],
                "A COLUMN WITH LITTLE IN IT": lambda _: "",
                "NUMBER": lambda it: it[2],
            },
            none="none",
            right=["NUMBER"],
            shortened=["FIRST", "SECOND"] if is_shortened else [],
        )

    lines = told.getvalue().splitlines()
    assert len(lines) == (len(rows) + 1 if rows else 0)
    for line, (first, second, number) in zip(lines[1:], rows, strict=True):
        assert line.endswith(str(number))
        if is_shortened:
            assert len(line) <= 100
        else:
            assert (first or "-") in line
            assert (second or "-") in line


def test_lengths_of_time_are_shown_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass(frozen=True)
    class Limits:
        timeouts: Timeouts
        none: Timeouts

    Output(as_json=False).item(
        Limits(Timeouts(connect=timedelta(seconds=1.5), idle=timedelta(90)), Timeouts())
    )

    assert capsys.readouterr().out == "timeouts  connect=1.5s,idle=7776000s\nnone      -\n"
