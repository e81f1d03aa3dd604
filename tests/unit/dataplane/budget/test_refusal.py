"""What callers are told whose request a budget does not take: what to lower, and what its price lacks."""

import json
from http import HTTPStatus

import pytest
from tollkeeper_server.domain.limit import Measure, Scope, ScopeKind
from tollkeeper_server.domain.price import DatedPrice, PriceRates
from tollkeeper_server.prices.given import to_price
from tollkeeper_server.snapshot.meters import meters_of
from tollkeeper_server.snapshot.model import OwnPrice, ProjectView

from tests.unit.dataplane.budget.limited import ONE, budget, chat, configured
from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import member_on, route, snapshot
from tests.unit.dataplane.gateway import Bench


@pytest.mark.parametrize(
    ("path", "members", "remedy"),
    [
        ("chat/completions", {"messages": []}, ", or lower max_completion_tokens, the answer's maximum"),
        ("completions", {"prompt": "a"}, ", or lower max_tokens, the answer's maximum"),
        ("messages", {"messages": [], "max_tokens": 500}, ", or lower max_tokens, the answer's maximum"),
        ("responses", {"input": "a"}, ", or lower max_output_tokens, the answer's maximum"),
        ("images/generations", {"prompt": "a"}, ", or lower n, the number of images"),
        ("embeddings", {"input": "a"}, ""),
    ],
)
async def test_a_refusal_names_what_to_lower_at_that_endpoint(
    path: str, members: dict[str, object], remedy: str
) -> None:
    bench = Bench(configured(budget(Measure.TOKENS, 10)))
    body = json.dumps({"model": "m", **members}).encode()
    reply = await Caller("POST", f"/v1/{path}", body).call(bench.plane)
    assert reply.status == HTTPStatus.TOO_MANY_REQUESTS
    message = json.loads(reply.body)["error"]["message"]
    assert message.endswith(f"; send less{remedy}")


async def test_a_price_that_has_no_rate_of_answers_is_said_to_lack_one() -> None:
    """It suffices for what has no answer."""
    own = OwnPrice(to_price([DatedPrice(rates=PriceRates(input=1.0))]))
    money = meters_of(Scope(ScopeKind.PROJECT, "prj_1"), [budget(Measure.MONEY, 10**9)])
    project = ProjectView("prj_1", is_active=True, api_key=None, meters=money)
    made = snapshot(route("m", member_on(ONE), own_price=own), project=project, targets={"one": ONE})
    reply = await chat().call(Bench(made).plane)
    assert reply.status == HTTPStatus.FORBIDDEN
    error = json.loads(reply.body)["error"]
    assert error["code"] == "price_unknown"
    assert "the price of the model 'm' lacks a rate of something that the request may use" in error["message"]

    bench = Bench(made)
    bench.answers(json.dumps({"data": [], "usage": {"prompt_tokens": 3}}).encode())
    embeddings = Caller("POST", "/v1/embeddings", b'{"model":"m","input":"a"}')
    assert (await embeddings.call(bench.plane)).status == HTTPStatus.OK
