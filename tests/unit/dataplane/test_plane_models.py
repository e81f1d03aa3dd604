"""Requests that name their model deeper in the body, or not at all."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.domain.token import Token
from tollkeeper_server.snapshot.model import ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import ANTHROPIC, member_on, pool, route, snapshot, target, token
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer

ONE = target("one", base_url="http://one.test/v1")
TWO = target("two", base_url="http://two.test/v1")
DEFAULT = target("fallback", base_url="http://default.test/v1")
CONFIGURED = snapshot(
    route("claude", member_on(ANTHROPIC, "claude-sonnet")),
    route("haiku", member_on(ANTHROPIC, "claude-haiku"), member_on(TWO, "haiku-two")),
    route("gpt-realtime", member_on(ONE, "rt-1")),
    route("transcribe", member_on(ONE, "tr-1")),
    route("both", member_on(TWO, "both-two"), member_on(ONE, "both-one")),
    route("only-two", member_on(TWO, "")),
    route("embed", member_on(ANTHROPIC), capabilities=[Capability.EMBEDDINGS]),
    route("ailing", member_on(target("broken", base_url="http://broken.test/v1"), "x"), fallbacks=("both",)),
    route("llama-*", member_on(ONE)),
    aliases={"sonnet": "claude"},
    default=DEFAULT,
    targets={"one": ONE, "two": TWO, "anthropic": ANTHROPIC, "fallback": DEFAULT},
)


KEPT = {"asst_1": "fallback", "eval_1234": "one", "resp_1234": "one"}
"""What the caller's project has, and where."""


async def _post(path: str, body: Any, known: Token | None = None, **changes: Any) -> tuple[Bench, Reply]:
    bench = Bench(replace(CONFIGURED, **changes), known)
    bench.answers(b'{"id":"thing_1"}')
    for one, upstream in KEPT.items():
        bench.placements.keep(one, upstream)
    return bench, await Caller(path=path, body=json.dumps(body).encode()).call(bench.plane)


def _batch(*models: str) -> dict[str, Any]:
    return {"requests": [{"custom_id": str(at), "params": {"model": name}} for at, name in enumerate(models)]}


def _sent_models(bench: Bench) -> list[str]:
    return [request["params"]["model"] for request in json.loads(bench.transport.bodies[0])["requests"]]


def _error(reply: Reply) -> tuple[int, str, str]:
    error = json.loads(reply.body)["error"]
    return reply.status, error["code"], error["param"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "hi"}),
        ("/v1/responses", {"model": None, "input": "hi"}),
        ("/v1/responses/input_tokens", {"input": "hi"}),
        ("/v1/images/generations", {"prompt": "a cat"}),
        ("/v1/images/edits", {"prompt": "a cat"}),
        ("/v1/images/variations", {}),
        ("/v1/moderations", {"input": "hi"}),
        ("/v1/videos", {"prompt": "a cat"}),
        ("/v1/threads/runs", {"assistant_id": "asst_1"}),
        ("/v1/realtime/client_secrets", {}),
    ],
)
async def test_a_request_without_a_model_goes_to_the_default_upstream(path: str, body: Any) -> None:
    bench, reply = await _post(path, body)

    assert (reply.status, bench.transport.hosts) == (200, ["default.test"])
    assert [json.loads(sent) for sent in bench.transport.bodies] == [body]


async def test_a_form_without_a_model_goes_to_the_default_upstream() -> None:
    bench = Bench(CONFIGURED)
    bench.answers(b'{"data":[]}')
    form = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nx\r\n--b--\r\n'

    await Caller(
        path="/v1/images/edits", body=form, headers=[(b"content-type", b"multipart/form-data; boundary=b")]
    ).call(bench.plane)

    assert (bench.transport.hosts, bench.transport.bodies) == (["default.test"], [form])


@pytest.mark.parametrize(
    "path",
    [
        "chat/completions", "completions", "embeddings", "audio/speech", "audio/transcriptions",
        "audio/translations", "messages", "messages/count_tokens",
    ],
)  # fmt: skip
async def test_where_a_model_is_needed_it_is_asked_for(path: str) -> None:
    bench, reply = await _post(f"/v1/{path}", {"input": "hi"})

    assert (reply.status, bench.transport.requests) == (400, [])
    assert "`model`" in json.loads(reply.body)["error"]["message"]


async def test_without_a_default_upstream_a_model_is_asked_for() -> None:
    bench, reply = await _post("/v1/responses", {"input": "hi"}, default=None)

    assert (_error(reply), bench.transport.requests) == ((400, "model_required", "model"), [])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "hi", "previous_response_id": "resp_1234"}),
        ("/v1/responses/compact", {"input": "hi"}),
        ("/v1/images/generations", {"prompt": "a cat"}),
        ("/v1/moderations", {"input": "hi"}),
        ("/v1/messages/batches", {"requests": []}),
        ("/v1/agents", {"model": {"name": "gpt-realtime"}}),
        ("/v1/evals/eval_1234/runs", {"data_source": {"type": "jsonl"}}),
        ("/v1/realtime/client_secrets", {"session": {"type": "realtime"}}),
    ],
)
@pytest.mark.parametrize("by_group", [False, True])
async def test_a_limited_token_must_name_its_model(path: str, body: Any, by_group: bool) -> None:
    view = ListenerView("main", "127.0.0.1:1", compile_rules([]), "farm" if by_group else "", None, 10)
    groups = {"farm": pool(member_on(ONE), name="farm")}

    bench, reply = await _post(
        path, body, token(allowed_models=("gpt-realtime",)), listeners={"console": view}, groups=groups
    )

    error = json.loads(reply.body)["error"]
    assert (reply.status, bench.transport.requests) == (403, [])
    assert "name the model" in error["message"]


@pytest.mark.parametrize(
    ("answer", "served"),
    [
        (b'{"id":"resp_1","model":"gpt-5.2","output":[]}', "gpt-5.2"),
        (b'{"id":"resp_1","output":[]}', ""),
        (b'{"model":"' + b"m" * 300 + b'"}', ""),
        (b'{"model":["x"]}', ""),
        (b"nonsense", ""),
    ],
)
async def test_the_event_has_the_model_that_the_answer_names(answer: bytes, served: str) -> None:
    bench = Bench(CONFIGURED)
    bench.answers(answer)

    await Caller(path="/v1/responses", body=b'{"input":"hi"}').call(bench.plane)

    event = bench.journal.only
    assert (event.model_asked, event.model_served) == ("", served)


@pytest.mark.parametrize(
    "events",
    [
        [b'event: response.created\ndata: {"type":"response.created","response":{"model":"gpt-5.2"}}\n\n'],
        [b": hello\n\n", b'data: {"type":"message_start","message":{"model":"gpt-5.2"}}\n\n'],
        [b'data: {"model":"gpt-5.2","choices":[]}\n\n', b'data: {"model":"another"}\n\n'],
    ],
)
async def test_the_event_has_the_model_that_the_stream_names(events: list[bytes]) -> None:
    bench = Bench(CONFIGURED)
    bench.streams(*events, b'data: {"type":"response.completed"}\n\n')

    await Caller(path="/v1/responses", body=b'{"input":"hi","stream":true}').call(bench.plane)

    assert bench.journal.only.model_served == "gpt-5.2"


async def test_a_model_that_was_asked_for_stays_in_the_event_whatever_the_answer_names() -> None:
    bench = Bench(CONFIGURED)
    bench.answers(b'{"model":"both-two-2026"}')

    await Caller(path="/v1/responses", body=b'{"model":"both"}').call(bench.plane)

    assert (bench.journal.only.model_asked, bench.journal.only.model_served) == ("both", "both")


async def test_a_batch_reaches_the_upstream_of_its_model_under_its_name_there() -> None:
    bench, reply = await _post("/v1/messages/batches", _batch("sonnet", "sonnet"))

    assert (reply.status, bench.transport.hosts) == (200, ["anthropic.test"])
    assert _sent_models(bench) == ["claude-sonnet", "claude-sonnet"]
    event = bench.journal.only
    assert (event.model_asked, event.model_served, event.endpoint) == (
        "sonnet",
        "claude",
        "messages_batches",
    )
    assert event.tokens.prompt == 0


async def test_models_of_a_batch_share_an_upstream() -> None:
    bench, _ = await _post("/v1/messages/batches", _batch("haiku", "claude"))

    assert bench.transport.hosts == ["anthropic.test"]
    assert _sent_models(bench) == ["claude-haiku", "claude-sonnet"]
    assert bench.journal.only.model_asked == "haiku"


async def test_models_of_different_upstreams_are_refused() -> None:
    bench, reply = await _post("/v1/messages/batches", _batch("claude", "only-two"))

    error = json.loads(reply.body)["error"]
    assert (reply.status, error["type"], bench.transport.requests) == (400, "invalid_request_error", [])
    assert "requests.params.model" in error["message"]
    assert "'claude', 'only-two'" in error["message"]


@pytest.mark.parametrize(
    ("models", "status"), [(("nope",), 404), (("claude", "nope"), 404), (("embed",), 405), (("",), 400)]
)
async def test_each_model_of_a_batch_is_found_as_any_other(models: tuple[str, ...], status: int) -> None:
    bench, reply = await _post("/v1/messages/batches", _batch(*models))

    assert (reply.status, bench.transport.requests) == (status, [])


async def test_a_batch_is_reached_again_where_it_is_kept() -> None:
    bench, _ = await _post("/v1/messages/batches", _batch("claude"))
    assert bench.placements.upstreams["thing_1"] == "anthropic"

    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/results"), ("DELETE", "")):
        await Caller(method, f"/v1/messages/batches/thing_1{path}").call(bench.plane)

    assert bench.transport.hosts == ["anthropic.test"] * 5


async def test_a_limited_token_may_cancel_its_batch() -> None:
    bench = Bench(CONFIGURED, token(allowed_models=("claude",)))
    bench.placements.upstreams = {"msgbatch_1": "anthropic"}

    reply = await Caller(path="/v1/messages/batches/msgbatch_1/cancel").call(bench.plane)

    assert (reply.status, bench.transport.hosts) == (200, ["anthropic.test"])


@pytest.mark.parametrize(
    ("path", "body", "host", "sent"),
    [
        (
            "/v1/realtime/client_secrets",
            {"session": {"type": "realtime", "model": "gpt-realtime"}},
            "one.test",
            {"session": {"type": "realtime", "model": "rt-1"}},
        ),
        (
            "/v1/realtime/client_secrets",
            {
                "session": {
                    "model": "gpt-realtime",
                    "audio": {"input": {"transcription": {"model": "transcribe"}}},
                }
            },
            "one.test",
            {"session": {"model": "rt-1", "audio": {"input": {"transcription": {"model": "tr-1"}}}}},
        ),
        (
            "/v1/realtime/sessions",
            {"model": "gpt-realtime", "input_audio_transcription": {"model": "transcribe"}},
            "one.test",
            {"model": "rt-1", "input_audio_transcription": {"model": "tr-1"}},
        ),
        (
            "/v1/realtime/transcription_sessions",
            {"input_audio_transcription": {"model": "transcribe"}},
            "one.test",
            {"input_audio_transcription": {"model": "tr-1"}},
        ),
        (
            "/v1/evals/eval_1234/runs",
            {"data_source": {"type": "completions", "model": "llama-3"}},
            "one.test",
            {"data_source": {"type": "completions", "model": "llama-3"}},
        ),
        (
            "/v1/evals",
            {"testing_criteria": [{"model": "gpt-realtime"}, {"type": "string_check"}, {"model": "both"}]},
            "one.test",
            {"testing_criteria": [{"model": "rt-1"}, {"type": "string_check"}, {"model": "both-one"}]},
        ),
        (
            "/v1/fine_tuning/alpha/graders/run",
            {"grader": {"type": "score_model", "model": "only-two"}, "model_sample": "both"},
            "two.test",
            {"grader": {"type": "score_model", "model": "only-two"}, "model_sample": "both"},
        ),
        (
            "/v1/fine_tuning/jobs",
            {"model": "gpt-realtime", "method": {"reinforcement": {"grader": {"model": "unlisted"}}}},
            "one.test",
            {"model": "rt-1", "method": {"reinforcement": {"grader": {"model": "unlisted"}}}},
        ),
        ("/v1/anything", {"session": {"model": "gpt-realtime"}}, "one.test", {"session": {"model": "rt-1"}}),
        (
            "/v1/agents",
            {"name": "a", "model": {"id": "sonnet", "speed": "fast"}},
            "anthropic.test",
            {"name": "a", "model": {"id": "claude-sonnet", "speed": "fast"}},
        ),
        (
            "/v1/chat/completions",
            {"models": ["both", "only-two"], "messages": []},
            "two.test",
            {"models": ["both-two", "only-two"], "messages": []},
        ),
    ],
)
async def test_whatever_names_its_model_deeper_reaches_its_upstream(
    path: str, body: Any, host: str, sent: Any
) -> None:
    bench, reply = await _post(path, body)

    assert (reply.status, bench.transport.hosts) == (200, [host])
    assert json.loads(bench.transport.bodies[0]) == sent


async def test_a_group_serves_models_that_are_named_deeper() -> None:
    view = ListenerView(
        "main", "127.0.0.1:1", compile_rules([Rule(path="/v1/messages/batches", group="farm")]), "", None, 10
    )
    groups = {"farm": pool(member_on(ONE), name="farm")}

    bench, reply = await _post(
        "/v1/messages/batches",
        _batch("unlisted", "gpt-realtime"),
        listeners={"console": view},
        groups=groups,
    )

    assert (reply.status, bench.transport.hosts) == (200, ["one.test"])
    assert _sent_models(bench) == ["unlisted", "rt-1"]


async def test_a_fallback_serves_a_model_that_is_named_deeper() -> None:
    bench = Bench(CONFIGURED)
    bench.answers(b"{}")
    bench.transport.answers = {"broken.test": [Answer([b"{}"], 500)]}

    await Caller(path="/v1/realtime/client_secrets", body=b'{"session":{"model":"ailing"}}').call(bench.plane)

    assert bench.transport.hosts == ["broken.test", "two.test"]
    assert bench.transport.bodies == [b'{"session":{"model":"x"}}', b'{"session":{"model":"both-two"}}']


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/messages/batches", _batch("haiku", "claude"), "requests.params.model"),
        ("/v1/realtime/client_secrets", {"model": "haiku", "session": {"model": "claude"}}, "session.model"),
        ("/v1/realtime/sessions", {"model": "haiku", "session": {"model": "claude"}}, "session.model"),
        ("/v1/chat/completions", {"model": "haiku", "models": ["haiku", "claude"]}, "models"),
        ("/v1/messages", {"model": "haiku", "fallbacks": [{"model": "sonnet"}]}, "fallbacks.model"),
        ("/v1/responses", {"model": "haiku", "tools": [{"type": "x", "model": "gpt-image"}]}, "tools.model"),
        ("/v1/responses", {"model": "haiku", "moderation": {"model": "omni"}}, "moderation.model"),
        ("/v1/evals", {"testing_criteria": [{"model": "claude"}]}, "testing_criteria.model"),
        ("/v1/chat/completions", {"model": "haiku", "fallbacks": [{"haiku": ["claude"]}]}, "fallbacks.*"),
        (
            "/v1/chat/completions",
            {"model": "haiku", "context_window_fallbacks": [{"haiku": ["haiku", "claude"]}]},
            "context_window_fallbacks.*",
        ),
        (
            "/v1/chat/completions",
            {"model": "haiku", "content_policy_fallbacks": [{"*": ["claude"]}]},
            "content_policy_fallbacks.*",
        ),
        ("/v1/chat/completions", {"model": "haiku", "extra_body": {"model": "claude"}}, "extra_body.model"),
        ("/v1/chat/completions", {"model": "haiku", "plugins": [{"model": "claude"}]}, "plugins.model"),
        ("/v1/agents", {"model": {"id": "claude"}}, "model.id"),
        ("/v1/chat/completions", {"models": ["haiku", "claude"]}, "models"),
        (
            "/v1/messages/batches",
            {"requests": [{"params": {"model": "haiku", "fallbacks": [{"model": "claude"}]}}]},
            "requests.params.fallbacks.model",
        ),
    ],
)
async def test_a_limited_token_is_held_to_every_model_that_is_named(path: str, body: Any, field: str) -> None:
    bench, reply = await _post(path, body, token(allowed_models=("haiku",)))

    assert (reply.status, bench.transport.requests) == (403, [])
    error = bench.journal.only.error_code
    assert error == "model_not_allowed"
    if "messages" not in path:
        assert json.loads(reply.body)["error"]["param"] == field


@pytest.mark.parametrize(
    "body",
    [
        b'{"requests":[{"params":{"model":"claude","model":"haiku"}}]}',
        b'{"requests":[{"params":{"model":"claude"}}],"requests":[{"params":{"model":"haiku"}}]}',
        b'{"Requests":[{"params":{"model":"claude"}}],"requests":[{"params":{"model":"haiku"}}]}',
        b'{"requests":[{"params":{"model":"haiku","MODEL":"claude"}}]}',
    ],
)
async def test_nothing_given_twice_gets_round_what_a_token_is_allowed(body: bytes) -> None:
    bench = Bench(CONFIGURED, token(allowed_models=("haiku",)))

    reply = await Caller(path="/v1/messages/batches", body=body).call(bench.plane)

    assert (reply.status, bench.transport.requests) == (403, [])


@pytest.mark.parametrize(("allowed", "status"), [((), 200), (("haiku",), 403)])
async def test_the_form_of_a_call_names_no_model_that_counts(allowed: tuple[str, ...], status: int) -> None:
    bench = Bench(CONFIGURED, token(allowed_models=allowed))
    bench.answers(b"")
    form = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % part
        for part in [(b"model", b"haiku"), (b"session", b'{"model":"claude"}'), (b"sdp", b"v=0")]
    )

    reply = await Caller(
        path="/v1/realtime/calls",
        body=form + b"--b--\r\n",
        headers=[(b"content-type", b"multipart/form-data; boundary=b")],
    ).call(bench.plane)

    assert (reply.status, bench.transport.hosts) == (status, ["default.test"] if status == 200 else [])


async def test_a_limited_token_may_name_what_it_is_allowed_to() -> None:
    body = {"model": "both", "tools": [{"type": "image_generation", "model": "gpt-image-1"}]}

    bench, reply = await _post("/v1/responses", body, token(allowed_models=("both", "gpt-image-*")))

    assert reply.status == 200
    assert json.loads(bench.transport.bodies[0]) == body | {"model": "both-two"}


async def test_a_large_batch_is_looked_through_beside_the_event_loop() -> None:
    body = _batch(*["claude"] * 3000) | {"x": "y" * 200_000}

    bench, _ = await _post("/v1/messages/batches", body)

    assert set(_sent_models(bench)) == {"claude-sonnet"}


@pytest.mark.parametrize("model", ["", "m" * 300, "line\nbreak", "unheard-of"])
async def test_beside_a_deployment_in_the_path_the_body_may_name_anything(model: str) -> None:
    bench = Bench()
    bench.answers(b"{}")

    reply = await Caller(
        path="/openai/deployments/gpt-4o/chat/completions",
        body=json.dumps({"model": model, "messages": []}).encode(),
    ).call(bench.plane)

    assert reply.status == 200
    assert json.loads(bench.transport.bodies[0])["model"] == "gpt-4o"
