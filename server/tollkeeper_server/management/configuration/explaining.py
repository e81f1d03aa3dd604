"""ExplainRequest: what the data plane would make of a request."""

from collections.abc import Awaitable, Callable

from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.v1 import model_service_pb2

from tollkeeper_server.domain.explanation import ExplainedMember, Explanation, Query
from tollkeeper_server.domain.model import Price
from tollkeeper_server.management.messages import duration

Explainer = Callable[[Query], Awaitable[Explanation]]
"""Explains a request by the snapshot and the health of this process. Raises STORE_UNAVAILABLE."""


async def explain_request(explain: Explainer, request: pb.ExplainRequestRequest) -> pb.ExplainRequestResponse:
    """Answers ExplainRequest."""
    found = await explain(
        Query(
            listener=request.listener,
            method=request.method,
            path=request.path,
            model=request.model,
            token=request.token,
            headers=tuple((header.name, header.value) for header in request.headers),
            streamed=request.streamed,
        )
    )
    return pb.ExplainRequestResponse(
        admitted=found.admitted,
        verdicts=[
            pb.Verdict(step=it.step.value, passed=it.passed, detail=it.detail, code=it.code)
            for it in found.verdicts
        ],
        listener=found.listener,
        rule=found.rule,
        group=found.group,
        model=found.model,
        fallbacks=found.fallbacks,
        strategy=found.strategy,
        members=[_member(member) for member in found.members],
        headers=[pb.RequestHeader(name=name, value=value) for name, value in found.headers],
        project_id=found.project_id,
        token_id=found.token_id,
        price=_price(found.price),
        revision=found.revision,
    )


def _member(member: ExplainedMember) -> pb.ExplainedMember:
    return pb.ExplainedMember(
        upstream=member.upstream,
        upstream_model=member.upstream_model,
        weight=member.weight,
        score=member.score,
        in_flight=member.in_flight,
        success_share=member.success_share,
        average_duration=duration(member.average_seconds),
        breaker=member.breaker,
        is_available=member.is_available,
        is_chosen=member.is_chosen,
        url=member.url,
    )


def _price(price: Price | None) -> model_service_pb2.Price | None:
    if price is None:
        return None
    return model_service_pb2.Price(prompt=price.prompt, completion=price.completion, cached=price.cached)
