"""Which pool serves a request: rules, models, default groups, the default upstream."""

from dataclasses import replace

import pytest
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.peek import Peek
from tollkeeper_server.dataplane.route import (
    NOWHERE,
    Destination,
    enter,
    fallbacks,
    find_destination,
    pin,
)
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.model import ListenerView, Snapshot
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.configured import AZURE, member_on, pool, route, snapshot, target, token
from tests.unit.dataplane.exchanges import exchange

CHAT = "/v1/chat/completions"


def _json(model: str | None) -> Peek:
    return Peek(model, is_json=True)


CONFIGURED = snapshot(
    route("gpt-4o", member_on(target("one"), "gpt-4o"), member_on(AZURE, "my-deployment")),
    route("whisper", member_on(target("one"), "whisper-1"), capabilities=[Capability.AUDIO_TRANSCRIPTIONS]),
    route("llama-*", member_on(target("farm"), "")),
    route("llama-3-*", member_on(target("new-farm"), "")),
    route("asleep"),
    aliases={"default": "gpt-4o"},
    default=target("fallback"),
)


def _upstreams(destination: Destination) -> list[str]:
    return [member.target.name for member in destination.pool.members]


def _find(caller: Exchange, peek: Peek, known: Token | None = None) -> Destination:
    view = caller.snapshot.listeners.get(caller.listener)
    matched, rule = enter(caller, view)
    default_group = view.default_group if view is not None else ""
    return find_destination(caller, matched, known or token(), peek, rule, default_group)


def _refused(caller: Exchange, peek: Peek, known: Token | None = None) -> TollkeeperError:
    with pytest.raises(TollkeeperError) as caught:
        _find(caller, peek, known)
    return caught.value


@pytest.mark.parametrize(
    ("asked", "served", "upstream"),
    [
        ("gpt-4o", "gpt-4o", "one"),
        ("default", "gpt-4o", "one"),
        ("llama-2-7b", "llama-2-7b", "farm"),
        ("llama-3-8b", "llama-3-8b", "new-farm"),
        ("llama-", "llama-", "farm"),
    ],
)
def test_names_aliases_and_patterns_lead_to_their_deployments(asked: str, served: str, upstream: str) -> None:
    caller = exchange(configuration=CONFIGURED)

    destination = _find(caller, _json(asked))

    assert upstream == _upstreams(destination)[0]
    assert (asked, served) == (caller.model_asked, caller.model_served)


@pytest.mark.parametrize(
    ("model", "reason", "status"),
    [
        ("nope", Reason.MODEL_NOT_FOUND, 404),
        ("whisper", Reason.ENDPOINT_NOT_SUPPORTED, 405),
        (None, Reason.MODEL_REQUIRED, 400),
    ],
)
def test_what_can_not_be_served_is_told_why(model: str | None, reason: Reason, status: int) -> None:
    error = _refused(exchange(configuration=CONFIGURED), _json(model))

    assert (reason, status, "model") == (error.reason, error.outcome.http, error.field)


@pytest.mark.parametrize(
    ("allowed", "asked", "passes"),
    [
        ((), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "default", True),
        (("default",), "default", True),
        (("default",), "gpt-4o", False),
        (("gpt-*",), "default", True),
        (("gpt-*",), "llama-2", False),
        (("llama-3-8b",), "llama-3-8b", True),
        (("llama-3-8b",), "llama-3-70b", False),
        (("llama-*",), "llama-3-70b", True),
        (("*",), "gpt-4o", True),
        (("gpt-4",), "gpt-4o", False),
    ],
)
def test_a_token_may_use_what_it_is_allowed_also_by_alias(
    allowed: tuple[str, ...], asked: str, passes: bool
) -> None:
    caller, known = exchange(configuration=CONFIGURED), token(allowed_models=allowed)
    if passes:
        _find(caller, _json(asked), known)
    else:
        error = _refused(caller, _json(asked), known)
        assert (error.reason, error.outcome.http) == (Reason.MODEL_NOT_ALLOWED, 403)


@pytest.mark.parametrize(("path", "method"), [("/v1/files", "POST"), (CHAT, "GET"), ("/v1/batches", "POST")])
def test_what_names_no_model_goes_to_the_default(path: str, method: str) -> None:
    caller = exchange(path, method, configuration=CONFIGURED)

    assert _upstreams(_find(caller, Peek(None))) == ["fallback"]
    assert (caller.model_asked, caller.model_served) == ("", "")


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/threads/t/runs", "/v1/anything", "/v1/evals"])
def test_a_restricted_token_sends_nothing_that_may_run_a_model_unnamed(path: str) -> None:
    caller, known = exchange(path, configuration=CONFIGURED), token(allowed_models=("gpt-4o",))

    assert _refused(caller, Peek(None), known).reason is Reason.MODEL_NOT_ALLOWED


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/files", "POST"),
        ("/v1/batches/b", "GET"),
        ("/v1/responses/r/cancel", "POST"),
        ("/v1/x", "DELETE"),
    ],
)
def test_a_restricted_token_may_send_what_runs_no_model(path: str, method: str) -> None:
    caller, known = exchange(path, method, configuration=CONFIGURED), token(allowed_models=("gpt-4o",))

    assert _upstreams(_find(caller, Peek(None), known)) == ["fallback"]


def test_without_a_default_what_names_no_model_goes_nowhere() -> None:
    assert Reason.NOT_FOUND is _refused(exchange("/v1/images/x"), Peek(None)).reason
    # What it is about may tell where it goes; else the plan refuses it.
    assert _find(exchange("/v1/files"), Peek(None)).pool is NOWHERE


@pytest.mark.parametrize("named", [None, "gpt-4o", "default", "unheard-of"])
def test_the_model_of_azures_path_counts_whatever_the_body_names(named: str | None) -> None:
    caller = exchange("/openai/deployments/gpt-4o/chat/completions", configuration=CONFIGURED)
    _find(caller, _json(named), token(allowed_models=("gpt-4o",)))

    assert (caller.model_asked, caller.model_served) == ("gpt-4o", "gpt-4o")


@pytest.mark.parametrize("name", ["a" * 257, "%00", "%07"])
def test_a_model_in_the_path_is_checked_as_one_in_the_body(name: str) -> None:
    error = _refused(exchange(f"/openai/deployments/{name}/chat/completions"), _json(None))

    assert (error.reason, error.field) == (Reason.INVALID_ARGUMENT, "model")


def _listening(*rules: Rule, default_group: str = "") -> Snapshot:
    view = ListenerView(
        name="tenant",
        address="127.0.0.1:3000",
        rules=compile_rules(rules),
        default_group=default_group,
        ip_limit=None,
        head_timeout=10,
    )
    groups = {
        "farm": pool(member_on(target("farm")), member_on(target("one")), name="farm"),
        "spare": pool(member_on(target("spare")), name="spare"),
    }
    return replace(CONFIGURED, listeners={"tenant": view}, groups=groups)


def _tenants(configuration: Snapshot, path: str = CHAT) -> Exchange:
    caller = exchange(configuration=configuration)
    caller.scope["raw_path"] = path.encode()
    caller.listener = "tenant"
    return caller


def _destination(
    configuration: Snapshot, model: str | None, path: str = CHAT, known: Token | None = None
) -> Destination:
    return _find(_tenants(configuration, path), _json(model), known)


def test_a_rules_group_comes_before_the_model() -> None:
    configured = _listening(Rule(path=CHAT, group="spare"), default_group="farm")

    assert _upstreams(_destination(configured, "gpt-4o")) == ["spare"]
    assert _upstreams(_destination(configured, "unheard-of")) == ["spare"]
    assert _upstreams(_destination(configured, None)) == ["spare"]


def test_a_known_model_comes_before_the_default_group() -> None:
    configured = _listening(Rule(path="/v1/embeddings", group="spare"), default_group="farm")

    assert _upstreams(_destination(configured, "gpt-4o")) == ["one", "azure"]


@pytest.mark.parametrize("model", ["unheard-of", None])
def test_the_default_group_serves_what_nothing_else_does(model: str | None) -> None:
    assert _upstreams(_destination(_listening(default_group="farm"), model)) == ["farm", "one"]


def test_a_group_calls_a_known_model_as_its_deployment_there_does() -> None:
    configured = _listening(Rule(path=CHAT, group="farm"))
    members = _destination(configured, "gpt-4o").pool.members

    assert [(member.target.name, member.upstream_model) for member in members] == [
        ("farm", ""),
        ("one", "gpt-4o"),
    ]


@pytest.mark.parametrize("model", ["gpt-4o", "unheard-of"])
def test_no_rule_gets_round_what_a_token_is_allowed(model: str) -> None:
    configured = _listening(Rule(path=CHAT, group="farm"), default_group="farm")

    with pytest.raises(TollkeeperError) as caught:
        _destination(configured, model, known=token(allowed_models=("claude",)))
    assert caught.value.reason is Reason.MODEL_NOT_ALLOWED


def test_no_rule_gets_round_what_a_model_serves() -> None:
    configured = _listening(Rule(path=CHAT, group="farm"))

    with pytest.raises(TollkeeperError) as caught:
        _destination(configured, "whisper")
    assert caught.value.reason is Reason.ENDPOINT_NOT_SUPPORTED


def test_a_group_that_is_gone_is_told() -> None:
    with pytest.raises(TollkeeperError) as caught:
        _destination(_listening(Rule(path=CHAT, group="gone")), "gpt-4o")
    assert (caught.value.reason, caught.value.retry_after) == (Reason.NO_UPSTREAM, 30)


def test_paths_outside_the_api_are_for_listeners_with_a_group_for_them() -> None:
    path = "/api/items/42"
    assert _upstreams(
        _destination(_listening(Rule(path="/api/items/{id:[0-9]+}", group="spare")), None, path)
    ) == ["spare"]
    assert _upstreams(_destination(_listening(default_group="farm"), None, path)) == ["farm", "one"]

    with pytest.raises(TollkeeperError) as caught:
        _destination(_listening(Rule(path="/api/other", group="spare")), None, path)
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("path", "name", "rest"),
    [
        ("/cohere/v1/chat/completions", "chat_completions", "/chat/completions"),
        ("/cohere/chat/completions", "chat_completions", "/chat/completions"),
        ("/cohere/rerank", "other", "/rerank"),
        ("/cohere", "other", "/"),
    ],
)
def test_a_prefix_that_is_stripped_leaves_the_endpoint(path: str, name: str, rest: str) -> None:
    rules = [Rule(path=one, group="spare", strip_prefix="/cohere") for one in ("/cohere", "/cohere/*")]
    caller = _tenants(_listening(*rules), path)

    matched, _ = enter(caller, caller.snapshot.listeners["tenant"])

    assert (matched.endpoint.name, matched.path) == (name, rest)
    assert matched.path_as_it_came == (path.removeprefix("/cohere") or "/")


@pytest.mark.parametrize("path", ["//cohere/rerank", "/%63ohere/rerank"])
def test_a_prefix_is_stripped_as_it_is_spelt_or_refused(path: str) -> None:
    caller = _tenants(_listening(Rule(path="/cohere/*", group="spare", strip_prefix="/cohere")), path)

    with pytest.raises(TollkeeperError) as caught:
        enter(caller, caller.snapshot.listeners["tenant"])
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "path")


def _fallbacks(name: str, known: Token) -> list[tuple[str, Destination]]:
    return list(fallbacks(exchange(configuration=CONFIGURED), route("m", fallbacks=(name,)), known))


def test_a_fallback_must_be_allowed_and_able() -> None:
    limited = token(allowed_models=("llama-*",))

    assert _fallbacks("gpt-4o", limited) == []
    assert _fallbacks("nowhere", limited) == []
    assert _fallbacks("whisper", token()) == []


def test_a_fallback_by_pattern_is_asked_for_by_its_name() -> None:
    ((name, destination),) = _fallbacks("llama-2-7b", token())

    assert name == "llama-2-7b"
    assert [member.upstream_model for member in destination.pool.members] == ["llama-2-7b"]


def test_a_destination_is_pinned_to_the_upstream_that_keeps_what_it_is_about() -> None:
    destination = _find(exchange(configuration=CONFIGURED), _json("gpt-4o"))

    assert [member.upstream_model for member in pin(destination, AZURE).pool.members] == ["my-deployment"]
    assert _upstreams(pin(destination, target("elsewhere"))) == ["elsewhere"]
