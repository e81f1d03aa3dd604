"""What changes of the status is a line for each change, in words."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

import pytest
from tollkeeper import Client
from tollkeeper.cli.output import Output
from tollkeeper.cli.status_watch import watch
from tollkeeper.values.status import (
    Attention,
    AttentionKind,
    BreakerState,
    ListenerStatus,
    Severity,
    StatusNews,
    UpstreamStatus,
)

UPSTREAM = UpstreamStatus(
    name="openai",
    process="host-1",
    breaker=BreakerState.CLOSED,
    opened_at=None,
    retry_at=None,
    in_flight=0,
    success_share=None,
    recent_calls=0,
    p50_duration=None,
    p95_duration=None,
    last_error="",
    last_error_at=None,
    connect_failure=None,
    last_probe=None,
)
LISTENER = ListenerStatus(
    name="main",
    process="host-1",
    address="127.0.0.1:3000",
    is_open=True,
    problem="",
    connections=2,
    tls=False,
)
BREAKER = Attention(
    kind=AttentionKind.BREAKER,
    severity=Severity.WARNING,
    subject="openai",
    detail="the breaker is open",
    remedy="see what it answers",
    since=None,
    process="host-1",
    scope="",
)


@dataclass
class Told:
    """A client whose gateway tells these news, and then nothing more."""

    news: Iterable[StatusNews]
    status: "Told" = field(init=False)

    def __post_init__(self) -> None:
        self.status = self

    def watch(self) -> Iterable[StatusNews]:
        return self.news


def shown(capsys: pytest.CaptureFixture[str], *news: StatusNews, section: str | None = None) -> list[str]:
    """Return the lines that are shown of news, without their times."""
    watch(cast("Client", Told(news)), Output(as_json=False), section)
    return [" ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines()]


def test_a_breaker_is_seen_to_open_and_close(capsys: pytest.CaptureFixture[str]) -> None:
    opened = replace(
        UPSTREAM, breaker=BreakerState.OPEN, last_error="http_503", p50_duration=timedelta(seconds=0.5)
    )
    assert shown(
        capsys,
        StatusNews(is_start=True, upstreams=(UPSTREAM,), listeners=(LISTENER,), attention_changed=True),
        StatusNews(upstreams=(opened,)),
        StatusNews(attention_changed=True, attention=(BREAKER,)),
        StatusNews(upstreams=(replace(opened, recent_calls=7),)),  # nothing that is shown
        StatusNews(upstreams=(UPSTREAM,), attention_changed=True),
        StatusNews(removed_upstreams=("openai", "unknown")),
    ) == [
        "listener main: 127.0.0.1:3000 open, 2 connections",
        "upstream openai: breaker closed, 0 in flight, no recent call, p50 -, p95 -",
        "upstream openai: breaker open, 0 in flight, no recent call, p50 0.5s, p95 -, last error http_503",
        "attention breaker openai: the breaker is open: WARNING; see what it answers",
        "upstream openai: breaker closed, 0 in flight, no recent call, p50 -, p95 -",
        "over breaker openai: the breaker is open",
        "gone upstream openai",
    ]


def test_a_section_leaves_out_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    closed = replace(LISTENER, is_open=False, problem="the address is in use")
    news = StatusNews(
        is_start=True,
        upstreams=(UPSTREAM,),
        listeners=(closed,),
        attention_changed=True,
        attention=(BREAKER,),
    )
    assert shown(capsys, news, section="listeners") == ["listener main: 127.0.0.1:3000 the address is in use"]


def test_what_begins_anew_is_shown_anew(capsys: pytest.CaptureFixture[str]) -> None:
    whole = StatusNews(is_start=True, upstreams=(UPSTREAM,))
    assert len(shown(capsys, whole, StatusNews(upstreams=(UPSTREAM,)), whole)) == 2
