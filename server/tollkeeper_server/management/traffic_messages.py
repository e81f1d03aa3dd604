"""Traffic policies and groups: as messages, and out of them."""

from typing import Literal

from tollkeeper.v1 import group_service_pb2, traffic_pb2

from tollkeeper_server.domain.traffic import Group, Retry, Strategy, TrafficPolicy
from tollkeeper_server.management.etags import etag_of
from tollkeeper_server.management.messages import (
    Unit,
    duration,
    number,
    seconds,
    seconds_by_name,
    timestamp,
    whole,
    word,
)

_STRATEGY = traffic_pb2.Strategy.DESCRIPTOR
_RETRY = Retry()


def policy_of(written: traffic_pb2.TrafficPolicy) -> TrafficPolicy:
    """Returns the policy that a message describes; what it leaves unset is the default.

    Raises INVALID_ARGUMENT, naming the field within `policy`, for a fraction of the least unit.
    """
    return TrafficPolicy(
        strategy=word(_STRATEGY, Strategy, written.strategy) or Strategy.ROUND_ROBIN,
        user_agent=written.user_agent,
        keep_alive_seconds=whole("policy.keep_alive", written.keep_alive, Unit.SECONDS),
        timeouts=seconds_by_name(written.timeouts),
        retry=_retry_of(written.retry) if written.HasField("retry") else None,
        session_header=written.session_header,
    )


def _retry_of(written: traffic_pb2.Retry) -> Retry:
    def milliseconds(name: Literal["initial", "max"], default: int) -> int:
        if not written.HasField(name):
            return default
        return whole(f"policy.retry.{name}", getattr(written, name), Unit.MILLISECONDS)

    return Retry(
        attempts=written.attempts if written.HasField("attempts") else _RETRY.attempts,
        initial_ms=milliseconds("initial", _RETRY.initial_ms),
        max_ms=milliseconds("max", _RETRY.max_ms),
        total_seconds=seconds(written.total) if written.HasField("total") else _RETRY.total_seconds,
        only_safe=written.only_safe,
        budget_percent=written.budget_percent
        if written.HasField("budget_percent")
        else _RETRY.budget_percent,
    )


def policy_message(policy: TrafficPolicy) -> traffic_pb2.TrafficPolicy:
    """Returns a policy as callers see it: what `policy_of` reads as the same."""
    return traffic_pb2.TrafficPolicy(
        strategy=number(_STRATEGY, policy.strategy),  # type: ignore[arg-type]  # enums are ints here
        user_agent=policy.user_agent,
        keep_alive=duration(policy.keep_alive_seconds) if policy.keep_alive_seconds else None,
        timeouts=traffic_pb2.TrafficTimeouts(
            **{name: duration(length) for name, length in policy.timeouts.items()}
        ),
        retry=_retry_message(policy.retry) if policy.retry else None,
        session_header=policy.session_header,
    )


def _retry_message(retry: Retry) -> traffic_pb2.Retry:
    return traffic_pb2.Retry(
        attempts=retry.attempts,
        initial=duration(retry.initial_ms / 1000),
        max=duration(retry.max_ms / 1000),
        total=duration(retry.total_seconds),
        only_safe=retry.only_safe,
        budget_percent=retry.budget_percent,
    )


def group_message(group: Group) -> group_service_pb2.Group:
    """Returns a group as callers see it."""
    return group_service_pb2.Group(
        name=group.name,
        members=[
            group_service_pb2.Member(upstream=member.upstream, weight=member.weight)
            for member in group.members
        ],
        policy=policy_message(group.policy),
        created_at=timestamp(group.created_at),
        updated_at=timestamp(group.updated_at),
        etag=etag_of(group),
    )
