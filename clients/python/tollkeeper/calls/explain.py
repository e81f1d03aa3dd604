"""The call that explains a request."""

from collections.abc import Mapping

from tollkeeper.calls.call import Call, call
from tollkeeper.calls.models import read_price
from tollkeeper.explanation import ExplainedMember, Explanation, Verdict
from tollkeeper.v1 import configuration_service_pb2 as pb

SERVICE = "ConfigurationService"


def explain_request(
    *,
    token: str,
    model: str = "",
    path: str = "",
    listener: str = "",
    method: str = "",
    headers: Mapping[str, str] | None = None,
    streamed: bool = False,
) -> Call[Explanation]:
    """Tells where a request would go, and why, without making it.

    `token` is a secret or an id. Empty `method` and `path` are those of a chat completion, an empty
    `listener` is the gateway's own data plane.
    """
    request = pb.ExplainRequestRequest(
        listener=listener,
        method=method,
        path=path,
        model=model,
        token=token,
        headers=[pb.RequestHeader(name=name, value=value) for name, value in (headers or {}).items()],
        streamed=streamed,
    )
    return call(SERVICE, "ExplainRequest", request, pb.ExplainRequestResponse, read_explanation)


def read_explanation(told: pb.ExplainRequestResponse) -> Explanation:
    """Reads an explanation."""
    return Explanation(
        admitted=told.admitted,
        verdicts=tuple(
            Verdict(step=it.step, passed=it.passed, detail=it.detail, code=it.code) for it in told.verdicts
        ),
        listener=told.listener,
        rule=told.rule,
        group=told.group,
        model=told.model,
        fallbacks=tuple(told.fallbacks),
        strategy=told.strategy,
        members=tuple(map(_member, told.members)),
        headers=tuple((header.name, header.value) for header in told.headers),
        project_id=told.project_id,
        token_id=told.token_id,
        price=read_price(told.price) if told.HasField("price") else None,
        revision=told.revision,
    )


def _member(member: pb.ExplainedMember) -> ExplainedMember:
    return ExplainedMember(
        upstream=member.upstream,
        upstream_model=member.upstream_model,
        weight=member.weight,
        score=member.score,
        in_flight=member.in_flight,
        success_share=member.success_share,
        average_duration=member.average_duration.ToTimedelta(),
        breaker=member.breaker,
        is_available=member.is_available,
        is_chosen=member.is_chosen,
        url=member.url,
    )
