"""What limits may say, and how what they count is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.limit import (
    MOST,
    Charge,
    Limit,
    Measure,
    Scope,
    ScopeKind,
    calendar_name,
    calendar_named,
    calendar_of_key,
    difference,
    key_of,
    thresholds_reached,
)
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.rate import MOST_A_MINUTE

TOKEN = Scope(ScopeKind.TOKEN, "tok_1")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("amount", {"measure": Measure.CONCURRENT, "amount": 0}),
        ("amount", {"measure": Measure.MONEY, "amount": MOST + 1, "period": Period.DAY}),
        ("amount", {"measure": Measure.TOKEN_RATE, "amount": MOST_A_MINUTE + 1}),
        ("burst", {"measure": Measure.TOKEN_RATE, "amount": 1, "burst": MOST_A_MINUTE + 1}),
        ("burst", {"measure": Measure.CONCURRENT, "amount": 1, "burst": 1}),
        ("period", {"measure": Measure.MONEY, "amount": 1}),
        ("period", {"measure": Measure.REQUEST_RATE, "amount": 1, "period": Period.DAY}),
        ("clamp", {"measure": Measure.REQUESTS, "amount": 1, "period": Period.HOUR, "clamp": True}),
        ("clamp", {"measure": Measure.TOKEN_RATE, "amount": 1, "clamp": True}),
        (
            "allow_unpriced",
            {"measure": Measure.TOKENS, "amount": 1, "period": Period.HOUR, "allow_unpriced": True},
        ),
        ("zone", {"measure": Measure.MONEY, "amount": 1, "period": Period.HOUR, "zone": "Europe/Berlin"}),
    ],
)
def test_a_limit_that_can_not_be_names_its_field(field: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        Limit(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "zone",
    [
        *("Europe/Atlantis", "Europe", "../etc/passwd", "", "\0"),
        *("localtime", "posixrules", "Factory", "right/Europe/Berlin", "posix/Europe/Berlin"),
    ],
)
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match=r"^zone: .*, such as Europe/Berlin$"):
        Limit(measure=Measure.MONEY, amount=1, period=Period.DAY, zone=zone)


@pytest.mark.parametrize(("kind", "id_"), [(ScopeKind.GATEWAY, "x"), (ScopeKind.TOKEN, "")])
def test_a_scope_has_an_id_unless_it_is_the_gateway(kind: ScopeKind, id_: str) -> None:
    with pytest.raises(ValueError, match="id: "):
        Scope(kind, id_)


def test_what_is_counted_has_a_name_of_its_own() -> None:
    limits = [
        Limit(measure=Measure.MONEY, amount=1, period=Period.DAY),
        Limit(measure=Measure.MONEY, amount=1, period=Period.DAY, zone="Europe/Berlin"),
        Limit(measure=Measure.MONEY, amount=1, period=Period.MONTH),
        Limit(measure=Measure.TOKENS, amount=1, period=Period.DAY),
        Limit(measure=Measure.TOKEN_RATE, amount=1),
    ]
    scopes = [TOKEN, Scope(ScopeKind.MODEL, "tok_1"), Scope(ScopeKind.GATEWAY)]
    keys = [key_of(scope, limit) for scope in scopes for limit in limits]
    assert len(set(keys)) == len(keys)
    assert keys[1] == "money:day@Europe/Berlin:token:tok_1"
    found = [calendar_of_key(key) for key in keys[:3]]
    assert [(one.period, one.zone) for one in found] == [
        (Period.DAY, "UTC"),
        (Period.DAY, "Europe/Berlin"),
        (Period.MONTH, "UTC"),
    ]

    assert [calendar_name(key) for key in keys[:3]] == ["day", "day@Europe/Berlin", "month"]
    assert calendar_named("day@Europe/Berlin") is found[1]


_charges = st.lists(st.builds(Charge, st.sampled_from("ab"), st.integers(0, 1), st.integers(0, MOST)))


@given(_charges, _charges)
def test_a_difference_makes_one_of_the_other(before: list[Charge], after: list[Charge]) -> None:
    moved = difference(before, after)
    assert len({(it.key, it.period) for it in moved}) == len(moved)
    assert all(it.amount for it in moved)
    assert difference([*before, *moved], after) == []
    assert difference(before, before) == []


def test_a_raised_limit_goes_on_with_what_was_used() -> None:
    low, high = (Limit(measure=Measure.TOKENS, amount=amount, period=Period.DAY) for amount in (1, 2))
    assert key_of(TOKEN, low) == key_of(TOKEN, high)


@given(st.integers(1, MOST), st.integers(0, MOST))
def test_a_threshold_is_reached_with_its_part_of_the_amount(amount: int, spent: int) -> None:
    expected = sum(spent * 100 >= amount * percent for percent in (80, 95))
    # The part is rounded up to a whole unit.
    assert thresholds_reached(spent, amount) == expected
