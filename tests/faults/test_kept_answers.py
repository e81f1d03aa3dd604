"""Answers that name what an upstream keeps: how they break off, and what that costs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Confidence

from tests.faults.traffic import MODEL, PATIENCE, code_of, headers_of
from tests.integration.process import Gateway, Simulator, until
from tests.integration.wire import Wire, compose


@pytest.fixture
def mortal(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that a test may kill, with more than one upstream."""
    with Gateway(tmp_path / "gateway", idle_timeout_seconds="1") as running:
        running.serve_models(simulator)
        yield running


def test_one_that_breaks_off_is_no_answer(mortal: Gateway) -> None:
    token = mortal.mint()
    for directive, expected in (
        ("cut=20", (502, "upstream_stream_cut")),
        ("hang=20", (504, "upstream_timeout")),
    ):
        answer = httpx2.post(
            f"{mortal.base_url}/responses",
            headers=headers_of(token.token, directive),
            json={"model": MODEL, "input": "one two three"},
            timeout=PATIENCE,
        )
        assert (answer.status_code, code_of(answer)) == expected
        event = mortal.event_of(answer.headers["x-request-id"])
        assert (event.status, event.error_code) == expected
        assert (event.confidence, event.prompt_tokens > 0) == (Confidence.ESTIMATED, True)
    metrics = httpx2.get(f"{mortal.console}/metrics").text
    failures = [line for line in metrics.splitlines() if line.startswith("tollkeeper_upstream_errors_total{")]
    for kind in ("cut", "timeout"):
        assert [line for line in failures if f'"{kind}"' in line and line.endswith(" 1.0")], failures
    assert "Traceback" not in mortal.command.said()


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/v1/files", "multipart/form-data; boundary=b", b"--b\r\n" + b"x" * 100_000),
        ("/v1/batches", "application/json", b'{"input_file_id":"FILE","endpoint":"/v1/responses"}'),
    ],
)
def test_interrupted_uploads_and_batches_cost_no_tokens(
    mortal: Gateway, simulator: Simulator, path: str, content_type: str, body: bytes
) -> None:
    token = mortal.mint()
    if b"FILE" in body:
        beside = mortal.mint_beside(token)
        made = httpx2.post(
            f"{mortal.base_url}/files",
            headers=headers_of(beside.token),
            data={"purpose": "batch"},
            files={"file": ("x.jsonl", b"{}")},
        )
        body = body.replace(b"FILE", made.json()["id"].encode())
    simulator.clear()
    headers = headers_of(token.token, "hang=headers") | {"content-type": content_type}
    with Wire(mortal.data) as wire:
        wire.send(compose("POST", path, headers.items(), body))
        until(lambda: simulator.in_flight() > 0)
        mortal.command.kill()
        with contextlib.suppress(OSError):
            wire.finish_sending()
    mortal.start()
    (event,) = until(lambda: mortal.usage(token_id=token.id))
    assert (event.status, event.error_code) == (500, "gateway_interrupted")
    assert (event.confidence, event.prompt_tokens) == (Confidence.NONE, 0)
