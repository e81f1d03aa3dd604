"""Where a stream says its usage."""

import json

import httpx2
import pytest

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
COMPLETION = {"model": "m", "prompt": "hi", "stream": True}
ASKED = {"stream_options": {"include_usage": True}}
KINDS = [("/v1/chat/completions", CHAT), ("/v1/completions", COMPLETION)]


async def _events(
    http: httpx2.AsyncClient, path: str, body: dict[str, object], simulate: str
) -> list[dict[str, object]]:
    answer = await http.post(path, json=body, headers={"x-simulate": f"events=2,{simulate}"})
    assert answer.status_code == 200
    lines = answer.text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


@pytest.mark.parametrize(("path", "body"), KINDS)
async def test_beside_a_choice_that_says_nothing(
    http: httpx2.AsyncClient, path: str, body: dict[str, object]
) -> None:
    events = await _events(http, path, body | ASKED, "usage=beside")
    assert ["usage" in event for event in events] == [False] * (len(events) - 1) + [True]
    assert len(events[-1]["choices"]) == 1  # type: ignore[arg-type] # a list
    assert "finish_reason" not in str(events[-1])
    assert events == [*await _same_ids(http, path, body, events), events[-1]]


async def _same_ids(
    http: httpx2.AsyncClient, path: str, body: dict[str, object], events: list[dict[str, object]]
) -> list[dict[str, object]]:
    plain = await _events(http, path, body, "usage=beside")
    return [event | {name: events[0][name] for name in ("id", "created")} for event in plain]


@pytest.mark.parametrize(("path", "body"), KINDS)
async def test_in_the_event_with_the_finish_reason(
    http: httpx2.AsyncClient, path: str, body: dict[str, object]
) -> None:
    events = await _events(http, path, body | ASKED, "usage=merged")
    assert "'finish_reason': 'stop'" in str(events[-1])
    assert ["usage" in event for event in events] == [False] * (len(events) - 1) + [True]


@pytest.mark.parametrize("asked", [{}, ASKED], ids=["plain", "asked"])
@pytest.mark.parametrize(("path", "body"), KINDS)
async def test_zeros_in_every_event(
    http: httpx2.AsyncClient, path: str, body: dict[str, object], asked: dict[str, object]
) -> None:
    events = await _events(http, path, body | asked, "usage=zeros")
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert [event["usage"] for event in events] == [zeros] * len(events)
