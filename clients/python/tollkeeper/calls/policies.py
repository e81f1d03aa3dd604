"""Traffic policies between Python and protobuf."""

from tollkeeper.calls.wire import duration, length, number, word
from tollkeeper.traffic import Retry, Strategy, TrafficPolicy, TrafficTimeouts
from tollkeeper.v1 import traffic_pb2 as pb


def read_policy(policy: pb.TrafficPolicy) -> TrafficPolicy:
    """Reads a policy."""
    return TrafficPolicy(
        strategy=word(pb.Strategy, Strategy, policy.strategy),
        user_agent=policy.user_agent,
        keep_alive=length(policy, "keep_alive"),
        timeouts=TrafficTimeouts(
            connect=length(policy.timeouts, "connect"),
            request=length(policy.timeouts, "request"),
            idle=length(policy.timeouts, "idle"),
        ),
        retry=_read_retry(policy.retry) if policy.HasField("retry") else None,
        session_header=policy.session_header,
    )


def _read_retry(retry: pb.Retry) -> Retry:
    return Retry(
        attempts=retry.attempts if retry.HasField("attempts") else None,
        initial=length(retry, "initial"),
        max=length(retry, "max"),
        total=length(retry, "total"),
        only_safe=retry.only_safe,
        budget_percent=retry.budget_percent if retry.HasField("budget_percent") else None,
    )


def write_policy(policy: TrafficPolicy | None) -> pb.TrafficPolicy | None:
    """Writes a policy, if there is one."""
    if policy is None:
        return None
    return pb.TrafficPolicy(
        strategy=number(pb.Strategy, policy.strategy),
        user_agent=policy.user_agent,
        keep_alive=duration(policy.keep_alive),
        timeouts=pb.TrafficTimeouts(
            connect=duration(policy.timeouts.connect),
            request=duration(policy.timeouts.request),
            idle=duration(policy.timeouts.idle),
        ),
        retry=_write_retry(policy.retry),
        session_header=policy.session_header,
    )


def _write_retry(retry: Retry | None) -> pb.Retry | None:
    if retry is None:
        return None
    return pb.Retry(
        attempts=retry.attempts,
        initial=duration(retry.initial),
        max=duration(retry.max),
        total=duration(retry.total),
        only_safe=retry.only_safe,
        budget_percent=retry.budget_percent,
    )
