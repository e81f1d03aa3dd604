"""The options that give something limits, and take them away."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import click

from tollkeeper.money import NANO_IN_DOLLAR, dollars
from tollkeeper.values.limits import UTC_ZONE, Limit, LimitMeasure, LimitPeriod

_W = TypeVar("_W", LimitMeasure, LimitPeriod)

_METAVAR = "MEASURE=AMOUNT[/PERIOD]"
_EXPECTED = (
    "expected MEASURE=AMOUNT, such as requests_per_minute=60, 60/120 with a burst, or for a budget "
    "MEASURE=AMOUNT/PERIOD[@ZONE], such as money=25/month@Europe/Berlin"
)
_FORMS = (
    "A rate is requests_per_minute=60 or tokens_per_minute=60000, with a burst 60/20; a number at once "
    "concurrent_requests=5; a budget requests, tokens or money (in dollars) of an hour, day, week, month, or "
    "in total, such as money=25/month@Europe/Berlin. To a budget of tokens or money add :clamp to have "
    "answers made shorter where a request would be refused, to money :allow_unpriced to let pass what has no "
    "price, and costs nothing."
)
_LIMIT = re.compile(
    r"(?P<measure>[a-z_]+)=(?P<amount>[0-9]{1,16}(?:\.[0-9]{1,9})?)"
    r"(?:/(?P<burst>[0-9]{1,16})|/(?P<period>[a-z]+)(?:@(?P<zone>[^\s:]+))?)?(?P<flags>(?::[a-z_]+)*)",
    re.ASCII,
)
_FLAGS = ("clamp", "allow_unpriced")
_BEGINNING = re.compile(r"(?P<measure>[a-z_]+)=(?P<amount>[^/:@\s]+)")
_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?", re.ASCII)
_MOST = 4_503_599_627_370_496
_BUDGETS = frozenset({LimitMeasure.REQUESTS, LimitMeasure.TOKENS, LimitMeasure.MONEY})
NO_LIMITS = ("limits", ())
"""The field that `--no-limits` empties."""


def limit(text: str) -> Limit:
    """Read `MEASURE=AMOUNT[/BURST]`, or `MEASURE=AMOUNT/PERIOD[@ZONE]` with flags; money is in dollars.

    Raises `ValueError`.
    """
    found = _LIMIT.fullmatch(text)
    if not found:
        begun = _BEGINNING.match(text)
        if begun and begun["measure"] in set(LimitMeasure) and not _AMOUNT.fullmatch(begun["amount"]):
            raise ValueError(
                f"{text!r} is not a limit: the amount must be a number of up to 16 digits, of money dollars "
                "with up to nine decimals"
            )
        raise ValueError(f"{text!r} is not a limit; {_EXPECTED}")
    measure = _word(text, found["measure"], LimitMeasure)
    amount = Decimal(found["amount"]) * (NANO_IN_DOLLAR if measure is LimitMeasure.MONEY else 1)
    if amount % 1:
        raise ValueError(f"{text!r} is not a limit: of {measure} the amount must be a whole number")
    if amount > _MOST:
        most = f"{dollars(_MOST)} dollars" if measure is LimitMeasure.MONEY else f"{_MOST}"
        raise ValueError(f"{text!r} is not a limit: of {measure} the amount is at most {most}")
    if found["burst"] and not int(found["burst"]):
        raise ValueError(f"{text!r} is not a limit: a burst is at least 1; without one it is the amount")
    if measure in _BUDGETS and not found["period"]:
        periods = ", ".join(it for it in LimitPeriod if it is not LimitPeriod.UNKNOWN)
        raise ValueError(f"{text!r} is not a limit: {measure} is a budget of a period; add one of /{periods}")
    flags = found["flags"].split(":")[1:]
    for flag in flags:
        if flag not in _FLAGS:
            raise ValueError(f"{text!r} is not a limit: {flag} is none of {', '.join(_FLAGS)}")
    return Limit(
        measure,
        int(amount),
        burst=int(found["burst"] or 0),
        period=_word(text, found["period"], LimitPeriod) if found["period"] else None,
        zone=found["zone"] or UTC_ZONE,
        clamp="clamp" in flags,
        allow_unpriced="allow_unpriced" in flags,
    )


def limit_option(description: str) -> Callable[[Any], Any]:
    """Return the option for limits, which gives them as `limits`, empty if there are none."""
    return click.option(
        "--limit", "limits", type=limit, metavar=_METAVAR, multiple=True, help=f"{description} {_FORMS}"
    )


no_limits_option = click.option("--no-limits", is_flag=True, default=None, help="Take all limits away.")


def _word(text: str, word: str, words: type[_W]) -> _W:
    known = [it for it in words if it.name != "UNKNOWN"]
    if word not in known:
        raise ValueError(f"{text!r} is not a limit: {word} is none of {', '.join(known)}")
    return words(word)
