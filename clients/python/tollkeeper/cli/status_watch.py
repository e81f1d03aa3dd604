"""`tollkeeper status --watch`: what changes of the process that answers, a line for each change."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click

from tollkeeper.cli.output import Output, to_json
from tollkeeper.client import Client
from tollkeeper.messages.lengths import seconds
from tollkeeper.messages.problems import plain
from tollkeeper.values.status import (
    Attention,
    ListenerStatus,
    PartState,
    ProcessStatus,
    StatusNews,
    UpstreamStatus,
)

_NO_NEWS = StatusNews()
_Line = tuple[str, str, str]
"""The kind of thing that a line is of, its name, and what there is to say of it."""


def watch(client: Client, output: Output, section: str | None) -> None:
    """Print what changes, of one section or everything, until interrupted."""
    shown: dict[tuple[str, str], str] = {}
    with contextlib.suppress(KeyboardInterrupt):
        for news in client.status.watch():
            wanted = _only(section, news)
            if output.as_json:
                if replace(wanted, is_start=False, has_more=False) != _NO_NEWS or wanted.is_start:
                    click.echo(json.dumps(to_json(wanted)))
                continue
            if news.is_start:
                shown.clear()
            for kind, name, text in _lines(wanted, shown):
                if shown.get((kind, name)) != text:
                    shown[kind, name] = text
                    _print(kind, f"{name}: {text}" if name else text)


def _only(section: str | None, news: StatusNews) -> StatusNews:
    """Return what the news say of a section, all of it for none."""
    if section is None:
        return news
    is_upstreams, is_listeners = section == "upstreams", section == "listeners"
    is_attention = section == "attention"
    return StatusNews(
        is_start=news.is_start,
        has_more=news.has_more,
        upstreams=news.upstreams if is_upstreams else (),
        removed_upstreams=news.removed_upstreams if is_upstreams else (),
        listeners=news.listeners if is_listeners else (),
        removed_listeners=news.removed_listeners if is_listeners else (),
        attention_changed=news.attention_changed and is_attention,
        attention=news.attention if is_attention else (),
    )


def _lines(news: StatusNews, shown: dict[tuple[str, str], str]) -> Iterator[_Line]:
    """Yield what the news say; what is gone is printed, and is shown no more."""
    if news.status is not None:
        yield from _of_process(news.status)
    for listener in news.listeners:
        yield _of_listener(listener)
    for upstream in news.upstreams:
        yield _of_upstream(upstream)
    for kind, names in (("upstream", news.removed_upstreams), ("listener", news.removed_listeners)):
        for name in map(plain, names):
            if shown.pop((kind, name), None) is not None:
                _print("gone", f"{kind} {name}")
    if news.attention_changed:
        yield from _of_attention(news.attention, shown)


def _of_process(status: ProcessStatus) -> Iterator[_Line]:
    is_ready = "ready" if status.is_ready else "not ready"
    yield "process", plain(status.process), f"{is_ready}, {plain(status.version)}, revision {status.revision}"
    for part in status.parts:
        problem = f", {plain(part.problem)}" if part.problem else ""
        if part.state is not PartState.ABSENT:
            yield "part", plain(part.part), f"{part.state}{problem}"


def _of_listener(listener: ListenerStatus) -> _Line:
    state = f"open, {listener.connections} connections" if listener.is_open else plain(listener.problem)
    return "listener", plain(listener.name), f"{plain(listener.address)} {state}"


def _of_upstream(upstream: UpstreamStatus) -> _Line:
    times = f"p50 {_length(upstream.p50_duration)}, p95 {_length(upstream.p95_duration)}"
    error = f", last error {plain(upstream.last_error)}" if upstream.last_error else ""
    share = upstream.success_share
    went = "no recent call" if share is None else f"{share:.0%} went well"
    calls = f"{upstream.in_flight} in flight, {went}"
    return "upstream", plain(upstream.name), f"breaker {upstream.breaker}, {calls}, {times}{error}"


def _of_attention(things: Iterable[Attention], shown: dict[tuple[str, str], str]) -> Iterator[_Line]:
    present = {}
    for it in things:
        subject = f" {plain(it.scope_name or it.subject)}" if it.subject else ""
        present[f"{it.kind}{subject}: {plain(it.detail)}"] = f"{it.severity.upper()}; {plain(it.remedy)}"
    for kind, name in [key for key in shown if key[0] == "attention" and key[1] not in present]:
        del shown[kind, name]
        _print("over", name)
    for name, text in present.items():
        yield "attention", name, text


def _length(length: timedelta | None) -> str:
    return "-" if length is None else seconds(length)


def _print(kind: str, text: str) -> None:
    click.echo(f"{datetime.now(UTC):%H:%M:%S}  {kind:<9}  {text}")
