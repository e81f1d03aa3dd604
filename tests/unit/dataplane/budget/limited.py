"""Gateways whose requests are limited."""

import json
from typing import Any

from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.model import Price
from tollkeeper_server.domain.period import Period
from tollkeeper_server.snapshot.meters import meters_of
from tollkeeper_server.snapshot.model import OwnPrice, ProjectView, Snapshot
from tollkeeper_server.snapshot.prices import short_price

from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.dataplane.gateway import Bench

ONE, TWO = target("one"), target("two", base_url="http://two.test/v1")
PRICE = short_price(Price(prompt=1, completion=2))
"""A nano-dollar for a token of the prompt, two for one of the answer."""
EVERY = tuple(
    Limit(measure=measure, amount=100_000_000, period=Period.TOTAL if measure.is_budget else None)
    for measure in Measure
)
"""A limit of each measure, which nothing reaches."""


def budget(measure: Measure, amount: int, period: Period = Period.TOTAL) -> Limit:
    """Return a budget."""
    return Limit(measure=measure, amount=amount, period=period)


def configured(
    *limits: Limit, model: tuple[Limit, ...] = (), gateway: tuple[Limit, ...] = (), **fields: Any
) -> Snapshot:
    """Return a configuration with limits on the project, a model and the gateway."""
    of_project = meters_of(Scope(ScopeKind.PROJECT, "prj_1"), limits)
    served = route(
        "m",
        member_on(ONE),
        own_price=OwnPrice(PRICE),
        fallbacks=("spare",),
        meters=meters_of(Scope(ScopeKind.MODEL, "m"), model),
    )
    return snapshot(
        served,
        route("spare", member_on(TWO), own_price=OwnPrice(PRICE)),
        route("unpriced", member_on(ONE)),
        project=ProjectView("prj_1", is_active=True, api_key=None, meters=of_project),
        targets={"one": ONE, "two": TWO},
        meters=meters_of(Scope(ScopeKind.GATEWAY), gateway),
        **fields,
    )


def chat(model: str = "m", **members: object) -> Caller:
    """Return a caller of a chat."""
    asked = {"model": model, "messages": [{"role": "user", "content": "12345678"}], **members}
    return Caller("POST", "/v1/chat/completions", json.dumps(asked).encode())


def answered(prompt: int = 5, completion: int = 7) -> bytes:
    """Return the answer to a chat that has used so many tokens."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    choice = {"message": {"content": "abcdefgh"}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def used(bench: Bench) -> dict[str, int]:
    """Return what is spent of each budget, by key; nothing may be held of any meter."""
    assert bench.ledger.pending == 0
    found = {}
    for key, count in bench.ledger._counts.items():
        assert count.held == 0, key
        if count.period or count.spent or key.split(":")[1] == "total":
            found[key] = count.spent
    return found
