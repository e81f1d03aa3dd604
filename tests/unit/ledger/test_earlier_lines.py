"""Journals that earlier releases have left are read."""

from pathlib import Path
from typing import Any

import pytest
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.usage import Confidence, Intent, UsageAttempt, UsageEvent
from tollkeeper_server.ledger.orphan import interrupted
from tollkeeper_server.ledger.segments import (
    Reader,
    intent_line,
    segment_path,
    settled_line,
    tell_of_budgets,
)

from tests.unit.ledger.parts import intent, settled

SETTLED = (
    b'S{"id":"req_1","request_id":"r","project_id":"prj_1","token_id":"tok_1","model_asked":"m","model_served":"m",'
    b'"upstream":"openai","endpoint":"chat_completions","status":200,"error_code":"","streamed":false,"tokens":'
    b'{"prompt":7,"completion":2,"cached":0,"reasoning":0,"audio_milliseconds":0,"images":0,"confidence":"exact"},'
    b'"started_at":"2026-11-21T00:00:00Z","first_byte_us":1,"duration_us":2,"request_bytes":3,"response_bytes":4,'
    b'"admission":"unlimited","amends":false}\n'
)
INTENT = (
    b'I{"id":"req_2","request_id":"r","project_id":"prj_1","token_id":"tok_1","endpoint":"chat_completions",'
    b'"started_at":"2026-11-21T00:00:00Z"}\n'
)


def _read(directory: Path, lines: bytes) -> list[Intent | UsageEvent]:
    segment_path(directory, 1).write_bytes(lines)
    reader = Reader(directory, intents=True, finished=True)
    return [entry.event for entry in reader.read(10)]


def test_lines_without_attempts_listener_group_rule_and_charges_are_read(tmp_path: Path) -> None:
    ended, begun = _read(tmp_path, SETTLED + INTENT)
    for event in (ended, begun):
        assert (event.listener, event.group, event.rule) == ("", "", "")
    assert isinstance(ended, UsageEvent)
    assert isinstance(begun, Intent)
    assert (ended.charges, begun.holds, interrupted(begun).charges) == ((), (), ())
    assert not tell_of_budgets(tmp_path)


def test_what_budgets_are_charged_is_written_and_read_again(tmp_path: Path) -> None:
    """Also if the request held something only once it was topped up, with a key of any letters."""
    charges = (
        Charge('money:day@Europe/Berlin:model:"größe\\', 86_400, 2**52),
        Charge("tokens:total:gateway:", 0, 0),
    )
    for lines in (settled_line(settled("a", charges=charges)), intent_line(intent("a", holds=charges))):
        (read,) = _read(tmp_path, lines)
        assert (read.charges if isinstance(read, UsageEvent) else read.holds) == charges
        assert tell_of_budgets(tmp_path)
    (read,) = _read(tmp_path, intent_line(intent('"charges":[[ "holds":[[')))
    assert not tell_of_budgets(tmp_path)


@pytest.mark.parametrize(("upstream", "has_prompt"), [("openai", True), ("openai", False), ("", True)])
def test_an_interrupted_request_is_charged_what_it_held_as_an_estimate(
    upstream: str, has_prompt: bool
) -> None:
    charges = (Charge("money:day:token:tok_1", 86_400, 5),)
    event = interrupted(intent("a", upstream=upstream, has_prompt=has_prompt, holds=charges))
    assert event.charges == charges
    assert event.tokens.confidence is Confidence.ESTIMATED
    assert bool(event.tokens.prompt) == (bool(upstream) and has_prompt)


def test_what_is_told_of_a_request_is_written_and_read_again(tmp_path: Path) -> None:
    """Also of one that was interrupted, but for its attempts."""
    told = {"listener": "tenant", "group": "large", "rule": "/v1/*"}
    begun = Intent(**{**_fields(intent("req_2")), **told})
    attempts = (
        UsageAttempt("azure", error_code="upstream_timeout", milliseconds=30),
        UsageAttempt("openai", 200, after_milliseconds=31),
    )
    ended = UsageEvent(**{**_fields(settled("req_1")), **told, "attempts": attempts})
    assert _read(tmp_path, settled_line(ended) + intent_line(begun)) == [ended, begun]
    event = interrupted(begun)
    assert (event.listener, event.group, event.rule, event.attempts) == ("tenant", "large", "/v1/*", ())


def _fields(value: Intent | UsageEvent) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}
