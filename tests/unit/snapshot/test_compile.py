"""Compiling the stored configuration: the same input gives the same snapshot, in whatever order it comes."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.domain.model import Capability, Deployment, Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import AuthScheme, Provider, Timeouts, Upstream
from tollkeeper_server.providers.anthropic import DEFAULT_VERSION
from tollkeeper_server.snapshot.compile import (
    CompileError,
    compile_snapshot,
    compile_target,
)
from tollkeeper_server.snapshot.model import ListenerView, Snapshot, Target
from tollkeeper_server.snapshot.rules import compile_rules
from tollkeeper_server.store.sealed import Sealer, UnsealError, new_key, project_api_key, upstream_api_key

T0 = datetime(2026, 11, 21, tzinfo=UTC)
SEALER = Sealer(new_key())
KEY = "sk-provider-canary"


def _upstream(name: str, **changes: Any) -> Upstream:
    fields: dict[str, Any] = {
        "provider": Provider.OPENAI,
        "base_url": "https://api.test/v1",
        "api_key": SEALER.seal(KEY, upstream_api_key(name)),
        "created_at": T0,
        "updated_at": T0,
        **changes,
    }
    return Upstream(name=name, **fields)


def _model(name: str, *upstreams: str, at: int = 0, **changes: Any) -> Model:
    deployments = tuple(Deployment(upstream=upstream) for upstream in upstreams)
    time = T0 + timedelta(seconds=at)
    fields: dict[str, Any] = {
        "deployments": deployments,
        "created_at": time,
        "updated_at": time,
        **changes,
    }
    return Model(name=name, **fields)


def _project(project_id: str, **changes: Any) -> Project:
    return Project(id=project_id, name=project_id, created_at=T0, updated_at=T0, **changes)


def _compile(
    upstreams: list[Upstream] | None = None,
    models: list[Model] | None = None,
    projects: list[Project] | None = None,
) -> Snapshot:
    return compile_snapshot(
        7,
        projects=projects or [],
        upstreams=upstreams if upstreams is not None else [_upstream("a")],
        models=models or [],
        open_secret=SEALER.open,
        default_timeouts=Timeouts(),
    )


def _target(**changes: Any) -> Target:
    return compile_target(_upstream("a", **changes), SEALER.open, Timeouts())


def _served_by(snapshot: Snapshot, name: str) -> list[tuple[str, str]]:
    route = snapshot.resolve(name)
    assert route is not None
    return [(member.target.name, member.upstream_model) for member in route.pool.members]


def test_models_are_found_by_name_alias_and_pattern() -> None:
    snapshot = _compile(
        models=[
            _model("gpt-4o", "a", aliases=("default",), capabilities=(Capability.RESPONSES,)),
            _model("llama-*", "a"),
            _model("llama-3-*", "a", deployments=(Deployment(upstream="a", upstream_model="l3"),)),
        ]
    )

    assert snapshot.revision == 7
    assert snapshot.resolve("default") is snapshot.resolve("gpt-4o") is snapshot.routes["gpt-4o"]
    assert snapshot.routes["gpt-4o"].capabilities == {Capability.RESPONSES}
    assert _served_by(snapshot, "llama-2") == [("a", "")]
    assert _served_by(snapshot, "llama-3-8b") == [("a", "l3")]
    assert snapshot.resolve("llama") is None
    assert snapshot.resolve("llama-*") is snapshot.patterns[1]


def test_an_alias_is_served_under_the_models_own_name() -> None:
    snapshot = _compile(models=[_model("gpt-4o", "a", aliases=("default",))])

    assert _served_by(snapshot, "default") == [("a", "gpt-4o")]


def test_an_upstream_may_be_left_unasked_for_usage() -> None:
    for omit in (True, False):
        assert _target(provider=Provider.OPENAI, omit_stream_options=omit).omit_stream_options is omit


def test_the_header_for_the_requests_id_is_not_the_callers_to_set() -> None:
    with_header = _target(provider=Provider.OPENAI, request_id_header="X-Request-Id")
    assert with_header.request_id_header == b"x-request-id"
    assert b"x-request-id" in with_header.own_names


def test_headers_that_pass_are_compared_in_lower_case() -> None:
    assert _target(passed_headers=("Set-Cookie",)).passed_headers == {b"set-cookie"}


@pytest.mark.parametrize(
    ("base_url", "keeps"),
    [("http://h", True), ("http://h/", True), ("http://h/v1/x", True), ("http://h/v1", False)],
)
def test_a_version_at_the_end_of_a_base_url_is_not_repeated(base_url: str, keeps: bool) -> None:
    assert _target(provider=Provider.GENERIC, base_url=base_url, keep_path=True).keep_path is keeps
    assert not _target(provider=Provider.GENERIC, base_url=base_url).keep_path


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"provider": Provider.GENERIC, "base_url": "http://h/v1"}, "http://h/v1/models"),
        ({"provider": Provider.GENERIC, "base_url": "http://h/"}, "http://h/models"),
        ({"provider": Provider.GENERIC, "base_url": "http://h", "keep_path": True}, "http://h/v1/models"),
        ({"provider": Provider.GENERIC, "base_url": "http://h/v1", "keep_path": True}, "http://h/v1/models"),
        ({"provider": Provider.ANTHROPIC, "base_url": "http://h/v1"}, "http://h/v1/models?limit=1000"),
        ({"provider": Provider.AZURE, "base_url": "http://h"}, ""),
        ({"provider": Provider.GENERIC, "full_url": "http://h/v1/x", "base_url": ""}, ""),
    ],
)
def test_an_upstream_lists_its_models_where_its_callers_find_them(fields: dict[str, Any], url: str) -> None:
    assert _target(list_models=True, **fields).models_url == url
    assert (_target(**fields).models_url, _target(**fields).list_url) == ("", url)


def test_groups_that_serve_any_name_are_the_default_and_those_of_rules_by_path_alone() -> None:
    rules = (
        Rule(group="chat", path="/v1/chat/completions"),
        Rule(group="beta", path="/v1/*", header="x-beta"),
        Rule(group="header", header="x-team"),
        Rule(group="prefixed", path="/llm/*", strip_prefix="/llm"),
        Rule(group="all", path="/v1/embeddings"),
    )
    view = ListenerView("l", "127.0.0.1:1", compile_rules(rules), "all", ip_limit=None, head_timeout=1)

    assert view.open_groups == ("all", "chat")


def test_what_is_inactive_serves_nothing() -> None:
    snapshot = _compile(
        [_upstream("a", is_active=False, is_default=True), _upstream("b")],
        [_model("both", "a", "b"), _model("none", "a"), _model("off", "b", is_active=False, aliases=("x",))],
    )

    assert _served_by(snapshot, "both") == [("b", "both")]
    assert _served_by(snapshot, "none") == []
    assert snapshot.resolve("off") is None
    assert snapshot.resolve("x") is None
    assert snapshot.default is None


def test_a_deployment_on_an_upstream_that_is_gone_is_left_out() -> None:
    assert _served_by(_compile(models=[_model("m", "gone", "a")]), "m") == [("a", "m")]


def test_a_name_proper_wins_over_an_alias_and_the_older_alias_over_the_younger() -> None:
    snapshot = _compile(
        [_upstream("a"), _upstream("b"), _upstream("c")],
        [
            _model("young", "a", at=3, aliases=("shared", "old")),
            _model("old", "b", at=2, aliases=("shared",)),
            _model("oldest", "c", at=1, aliases=("young",)),
        ],
    )

    assert _served_by(snapshot, "young") == [("a", "young")]
    assert _served_by(snapshot, "old") == [("b", "old")]
    assert _served_by(snapshot, "shared") == [("b", "old")]


def test_of_several_defaults_the_one_changed_last_counts() -> None:
    snapshot = _compile(
        [
            _upstream("a", is_default=True, updated_at=T0 + timedelta(seconds=2)),
            _upstream("b", is_default=True, updated_at=T0 + timedelta(seconds=3)),
            _upstream("c", updated_at=T0 + timedelta(seconds=4)),
        ]
    )

    assert snapshot.default is not None
    assert snapshot.default.name == "b"


_few = st.sampled_from(["x", "y", "z", "x-*", "*"])


@st.composite
def _configurations(draw: st.DrawFn) -> tuple[list[Upstream], list[Model]]:
    names = draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
    upstreams = [
        _upstream(
            name,
            is_active=draw(st.booleans()),
            is_default=draw(st.booleans()),
            updated_at=T0 + timedelta(seconds=draw(st.integers(0, 1))),
        )
        for name in names
    ]
    models = [
        _model(
            name,
            *draw(st.lists(st.sampled_from(["a", "b", "c"]), max_size=2)),
            at=draw(st.integers(0, 1)),
            aliases=tuple(draw(st.lists(st.sampled_from(["x", "y", "z", "w"]), max_size=2))),
            is_active=draw(st.booleans()),
        )
        for name in draw(st.lists(_few, unique=True))
    ]
    return upstreams, models


@given(_configurations(), st.randoms())
def test_the_order_of_the_input_does_not_matter(
    configuration: tuple[list[Upstream], list[Model]], random: Any
) -> None:
    upstreams, models = configuration
    expected = _compile(upstreams, models)
    random.shuffle(upstreams)
    random.shuffle(models)

    assert _compile(upstreams, models) == expected


def test_a_projects_key_is_open_and_hidden() -> None:
    sealed = SEALER.seal("sk-own-canary", project_api_key("prj_1"))
    snapshot = _compile(projects=[_project("prj_1", api_key=sealed), _project("prj_2", is_active=False)])

    assert snapshot.projects["prj_1"].api_key == "sk-own-canary"
    assert (snapshot.projects["prj_2"].api_key, snapshot.projects["prj_2"].is_active) == (None, False)
    assert "canary" not in repr(snapshot)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"provider": Provider.OPENAI}, {b"authorization": b"Bearer " + KEY.encode()}),
        ({"provider": Provider.AZURE}, {b"api-key": KEY.encode()}),
        ({"provider": Provider.ANTHROPIC}, {b"x-api-key": KEY.encode()}),
        (
            {"provider": Provider.GENERIC, "auth_scheme": AuthScheme.BEARER},
            {b"authorization": b"Bearer " + KEY.encode()},
        ),
        (
            {"provider": Provider.GENERIC, "auth_scheme": AuthScheme.BASIC, "username": "me"},
            {b"authorization": b"Basic " + base64.b64encode(f"me:{KEY}".encode())},
        ),
        (
            {"provider": Provider.GENERIC, "auth_scheme": AuthScheme.HEADER, "auth_header": "X-Corp-Key"},
            {b"x-corp-key": KEY.encode()},
        ),
        ({"provider": Provider.GENERIC, "auth_scheme": AuthScheme.NONE}, {}),
        ({"provider": Provider.OPENAI, "api_key": None}, {}),
        ({"provider": Provider.GENERIC, "auth_scheme": AuthScheme.BEARER, "api_key": None}, {}),
        (
            {
                "provider": Provider.GENERIC,
                "auth_scheme": AuthScheme.BASIC,
                "username": "me",
                "api_key": None,
            },
            {b"authorization": b"Basic " + base64.b64encode(b"me:")},
        ),
    ],
)
def test_each_provider_gets_its_credential_as_it_wants_it(
    changes: dict[str, Any], expected: dict[bytes, bytes]
) -> None:
    target = _target(**changes)

    assert dict(target.credential) == expected
    assert KEY not in repr(target)


def test_openai_is_told_organization_and_project_and_nobody_else_is() -> None:
    named = {"organization": "org-1", "project": "proj_1"}

    assert dict(_target(**named).headers) == {
        b"openai-organization": b"org-1",
        b"openai-project": b"proj_1",
    }
    assert _target(provider=Provider.GENERIC, **named).headers == ()


@pytest.mark.parametrize(("version", "expected"), [("", DEFAULT_VERSION), ("2024-01-01", "2024-01-01")])
def test_anthropic_is_told_a_version(version: str, expected: str) -> None:
    target = _target(provider=Provider.ANTHROPIC, api_version=version)

    assert target.fallback_headers == ((b"anthropic-version", expected.encode()),)
    assert target.provider.url is None  # the version is not in it


def test_azure_has_its_version_in_the_url() -> None:
    target = _target(provider=Provider.AZURE, api_version="2024-10-21", base_url="https://x.test//")

    assert (target.api_version, target.fallback_headers) == ("2024-10-21", ())
    assert target.base_url == "https://x.test"


def test_an_upstreams_own_timeouts_replace_the_defaults() -> None:
    assert _target(timeouts={"idle": 3.0}).timeouts == Timeouts(idle=3.0)


def test_timeouts_that_nobody_knows_do_not_compile() -> None:
    with pytest.raises(CompileError, match=r"upstream a \(warp\)"):
        _target(timeouts={"warp": 9.0})


@pytest.mark.parametrize("kind", ["upstream", "project"])
def test_a_secret_that_does_not_open_names_whose_it_is(kind: str) -> None:
    elsewhere = Sealer(new_key()).seal("canary", upstream_api_key("a"))
    upstreams = [_upstream("a", api_key=elsewhere)] if kind == "upstream" else []
    projects = [_project("a", api_key=elsewhere)] if kind == "project" else []
    with pytest.raises(CompileError, match=f"the api_key of {kind} a: ") as caught:
        _compile(upstreams, projects=projects)
    assert "canary" not in str(caught.value)
    assert isinstance(caught.value.__cause__, UnsealError)


def test_a_secret_moved_to_another_upstream_does_not_open() -> None:
    with pytest.raises(CompileError, match="not where it was put"):
        _compile([_upstream("b", api_key=SEALER.seal(KEY, upstream_api_key("a")))])


def test_the_secret_of_an_inactive_upstream_is_not_needed() -> None:
    _compile([_upstream("a", api_key="damaged", is_active=False)])
