"""The clients manage a real gateway: what is written is read back, and refusals are told apart."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tollkeeper import (
    Aborted,
    AlreadyExists,
    AsyncClient,
    AuthScheme,
    Capability,
    Client,
    Confidence,
    Deployment,
    Expiry,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Project,
    Provider,
    Timeouts,
    TollkeeperError,
    Unauthenticated,
    UsageGroup,
)
from tollkeeper_server.domain.ids import Prefix, new_id

from tests.unit.clients.conftest import Gateway
from tests.unit.clients.traffic import event, keep

CANARY = "sk-canary-0123456789abcdefghijklmnop"


def unique(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{uuid4().hex[:12]}"


@pytest.fixture
def project(client: Client) -> Project:
    return client.projects.create(name=unique("project"))


@pytest.fixture
def upstream_name(client: Client) -> str:
    name = unique("upstream")
    client.upstreams.create(name=name, provider=Provider.OPENAI, api_key=CANARY)
    return name


def test_a_project_is_read_back(client: Client) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    project = client.projects.create(name="Zoë 東京", openai_api_key=CANARY)

    assert client.projects.get(project.id) == project
    assert project.name == "Zoë 東京"
    assert project.is_active
    assert CANARY not in repr(project)
    assert project.api_key
    assert project.created_at is not None
    assert before <= project.created_at <= datetime.now(UTC) + timedelta(seconds=1)
    assert project.created_at.tzinfo is UTC
    assert project.deactivated_at is None


def test_a_project_changes_only_where_asked(client: Client) -> None:
    project = client.projects.create(name=unique("project"), openai_api_key=CANARY)

    renamed = client.projects.update(project.id, name="renamed", etag=project.etag)
    assert renamed.name == "renamed"
    assert renamed.api_key == project.api_key
    assert renamed.etag != project.etag

    inactive = client.projects.update(project.id, is_active=False)
    assert not inactive.is_active
    assert inactive.deactivated_at is not None
    assert inactive.name == "renamed"

    assert client.projects.update(project.id, openai_api_key="").api_key == ""


def test_a_stale_etag_is_told(client: Client, project: Project) -> None:
    client.projects.update(project.id, name="first")

    with pytest.raises(Aborted) as refused:
        client.projects.update(project.id, name="second", etag=project.etag)

    assert refused.value.reason == "etag_mismatch"
    assert refused.value.request_id
    assert client.projects.get(project.id).name == "first"


def test_lists_reach_over_all_pages(client: Client) -> None:
    made = [client.projects.create(name=unique("paged")).id for _ in range(5)]

    small = [it.id for it in client.projects.list(page_size=2)]

    assert [it for it in small if it in made] == sorted(made)
    assert small == [it.id for it in client.projects.list()]


def test_lists_leave_out_the_inactive(client: Client, project: Project) -> None:
    client.projects.update(project.id, is_active=False)

    assert project.id not in [it.id for it in client.projects.list(active_only=True)]
    assert project.id in [it.id for it in client.projects.list()]


def test_a_token_shows_its_secret_once(client: Client, project: Project) -> None:
    expiry = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    minted = client.tokens.create(
        project_id=project.id, name="ci", expires_at=expiry, max_requests=9, allowed_models=["gpt-*", "x"]
    )
    token = client.tokens.get(minted.id)

    assert minted.token.startswith("sk-tk-")
    assert token.token != minted.token
    assert minted.token not in repr(token)
    assert (token.project_id, token.name, token.expires_at) == (project.id, "ci", expiry)
    assert (token.max_requests, token.request_count) == (9, 0)
    assert token.allowed_models == minted.allowed_models == ("gpt-*", "x")
    assert list(client.tokens.list(project_id=project.id)) == [token]


def test_a_tokens_limits_come_and_go(client: Client, project: Project) -> None:
    minted = client.tokens.create(
        project_id=project.id, duration_minutes=90, max_requests=9, allowed_models=["x"]
    )
    assert minted.expires_at is not None
    assert timedelta(minutes=89) < minted.expires_at - datetime.now(UTC) <= timedelta(minutes=90)

    freed = client.tokens.update(minted.id, expires_at=Expiry.NEVER, allowed_models=(), max_requests=0)
    assert (freed.expires_at, freed.allowed_models, freed.max_requests) == (None, (), 0)

    bound = client.tokens.update(minted.id, name="bound", duration_minutes=5, etag=freed.etag)
    assert bound.expires_at is not None
    assert bound.name == "bound"


def test_a_rotated_token_has_a_new_secret(client: Client, project: Project) -> None:
    minted = client.tokens.create(project_id=project.id)

    rotated = client.tokens.rotate(minted.id, etag=minted.etag)

    assert rotated.id == minted.id
    assert rotated.token.startswith("sk-tk-")
    assert rotated.token != minted.token
    with pytest.raises(Aborted):
        client.tokens.rotate(minted.id, etag=minted.etag)


def test_tokens_are_revoked_one_by_one_and_all_at_once(client: Client, project: Project) -> None:
    first, *_ = [client.tokens.create(project_id=project.id) for _ in range(3)]

    client.tokens.revoke(first.id)
    client.tokens.revoke(first.id)
    assert not client.tokens.get(first.id).is_active
    assert len(list(client.tokens.list(project_id=project.id, active_only=True))) == 2

    revoked = client.projects.revoke_tokens(project.id)
    assert (revoked.revoked_count, revoked.already_revoked_count) == (2, 1)
    assert (revoked.total_tokens, revoked.failed_count) == (3, 0)


def test_an_inactive_project_mints_nothing(client: Client, project: Project) -> None:
    client.tokens.create(project_id=project.id)
    client.projects.update(project.id, is_active=False, revoke_tokens=True)

    with pytest.raises((FailedPrecondition, PermissionDenied)) as refused:
        client.tokens.create(project_id=project.id)

    assert refused.value.reason == "project_inactive"
    assert not list(client.tokens.list(project_id=project.id, active_only=True))


def test_an_upstream_is_read_back_and_changed(client: Client) -> None:
    name = unique("generic")
    made = client.upstreams.create(
        name=name,
        provider=Provider.GENERIC,
        base_url="http://127.0.0.1:11434/v1",
        auth_scheme=AuthScheme.HEADER,
        auth_header="X-Key",
        api_key=CANARY,
        timeouts=Timeouts(connect=timedelta(milliseconds=500), total=timedelta(hours=1)),
    )

    assert client.upstreams.get(name) == made
    assert made in list(client.upstreams.list(page_size=1))
    assert made.provider is Provider.GENERIC
    assert made.auth_scheme is AuthScheme.HEADER
    assert (made.auth_header, made.base_url) == ("X-Key", "http://127.0.0.1:11434/v1")
    assert made.timeouts == Timeouts(connect=timedelta(milliseconds=500), total=timedelta(hours=1))
    assert CANARY not in repr(made)

    changed = client.upstreams.update(name, timeouts=Timeouts(), is_active=False, etag=made.etag)
    assert changed.timeouts == Timeouts()
    assert not changed.is_active
    assert changed.api_key == made.api_key

    client.upstreams.delete(name, etag=changed.etag)
    with pytest.raises(NotFound):
        client.upstreams.get(name)


def test_a_model_is_read_back_and_changed(client: Client, upstream_name: str) -> None:
    name = unique("model")
    made = client.models.create(
        name=name,
        deployments=[Deployment(upstream_name, "real-name"), Deployment(upstream_name)],
        aliases=[unique("alias")],
        capabilities=[Capability.CHAT_COMPLETIONS, Capability.EMBEDDINGS],
    )

    assert client.models.get(name) == made
    assert made in list(client.models.list(page_size=1))
    assert made.deployments == (Deployment(upstream_name, "real-name"), Deployment(upstream_name))
    assert set(made.capabilities) == {Capability.CHAT_COMPLETIONS, Capability.EMBEDDINGS}

    changed = client.models.update(name, aliases=(), capabilities=(), is_active=False)
    assert (changed.aliases, changed.capabilities, changed.is_active) == ((), (), False)
    assert changed.deployments == made.deployments

    with pytest.raises(FailedPrecondition, match=name) as refused:
        client.upstreams.delete(upstream_name)
    assert refused.value.reason == "in_use"

    client.models.delete(name)
    client.upstreams.delete(upstream_name)


@pytest.mark.parametrize(
    ("attempt", "kind", "reason"),
    [
        (lambda it: it.projects.get(new_id(Prefix.PROJECT)), NotFound, "not_found"),
        (lambda it: it.tokens.revoke(new_id(Prefix.TOKEN)), NotFound, "not_found"),
        (lambda it: it.models.get("no-such-model"), NotFound, None),
        (lambda it: it.projects.get("nonsense"), InvalidArgument, "invalid_argument"),
        (lambda it: list(it.projects.list(page_size=1001)), InvalidArgument, "invalid_argument"),
        (
            lambda it: it.models.create(name="x", deployments=[Deployment("no-such-upstream")]),
            TollkeeperError,
            None,
        ),
    ],
)
def test_refusals_are_told_apart(
    client: Client, attempt: Callable[[Client], object], kind: type[TollkeeperError], reason: str | None
) -> None:
    with pytest.raises(kind) as refused:
        attempt(client)

    assert refused.value.message
    assert refused.value.request_id
    assert reason is None or refused.value.reason == reason


def test_a_name_that_is_taken_is_told(client: Client, upstream_name: str) -> None:
    with pytest.raises(AlreadyExists, match=upstream_name) as refused:
        client.upstreams.create(name=upstream_name, provider=Provider.OPENAI, api_key=CANARY)

    assert CANARY not in str(refused.value)


def test_every_field_that_breaks_a_rule_is_named(client: Client) -> None:
    with pytest.raises(InvalidArgument) as refused:
        client.tokens.create(project_id="nonsense", name="x" * 129)

    assert {it.field for it in refused.value.violations} == {"project_id", "name"}
    assert all(it.description for it in refused.value.violations)


@pytest.mark.parametrize("management_token", ["", "canary-wrong-token"])
def test_without_the_management_token_nothing_is_told(gateway: Gateway, management_token: str) -> None:
    with (
        Client(gateway.address, management_token=management_token) as client,
        pytest.raises(Unauthenticated) as refused,
    ):
        client.projects.create(name="mine")

    assert "canary" not in str(refused.value)


async def test_usage_is_read_and_summed(gateway: Gateway, async_client: AsyncClient) -> None:
    project = await async_client.projects.create(name=unique("used"))
    events = [
        event(project.id, started_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        event(project.id, started_at=datetime(2026, 3, 2, tzinfo=UTC), model="other", status=502),
        event(project.id, started_at=datetime(2026, 3, 2, 1, tzinfo=UTC)),
    ]
    await keep(gateway.store_file, events)

    found = [it async for it in async_client.usage.events(project_id=project.id, page_size=2)]
    assert [it.id for it in found] == sorted((it.id for it in events), reverse=True)
    (oldest,) = [it for it in found if it.id == events[0].id]
    assert oldest.request_id == events[0].request_id
    assert (oldest.model_asked, oldest.model_served, oldest.upstream) == ("fast", "gpt-4o", "openai")
    assert (oldest.prompt_tokens, oldest.completion_tokens, oldest.cached_tokens) == (10, 5, 4)
    assert (oldest.first_byte_microseconds, oldest.duration_microseconds) == (1500, 2_000_000)
    assert oldest.confidence is Confidence.EXACT
    assert oldest.started_at == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert oldest.streamed

    since = async_client.usage.events(project_id=project.id, start_time=datetime(2026, 3, 2, tzinfo=UTC))
    assert len([it async for it in since]) == 2

    rows = await async_client.usage.summary(
        group_by=[UsageGroup.MODEL, UsageGroup.DAY], project_id=project.id
    )
    assert [(it.model, it.start_time, it.requests, it.failed_requests) for it in rows] == [
        ("gpt-4o", datetime(2026, 3, 1, tzinfo=UTC), 1, 0),
        ("gpt-4o", datetime(2026, 3, 2, tzinfo=UTC), 1, 0),
        ("other", datetime(2026, 3, 2, tzinfo=UTC), 1, 1),
    ]
    (whole,) = await async_client.usage.summary(project_id=project.id)
    assert (whole.requests, whole.prompt_tokens, whole.completion_tokens) == (3, 30, 15)
    assert (whole.project_id, whole.start_time) == ("", None)


async def test_the_asynchronous_client_does_the_same(async_client: AsyncClient) -> None:
    made = await asyncio.gather(*(async_client.projects.create(name=unique("async")) for _ in range(5)))
    project = made[0]

    listed = [it.id async for it in async_client.projects.list(page_size=2)]
    assert {it.id for it in made} <= set(listed)

    minted = await async_client.tokens.create(project_id=project.id, duration_minutes=5)
    assert [it.id async for it in async_client.tokens.list(project_id=project.id)] == [minted.id]
    await async_client.tokens.revoke(minted.id)
    assert not (await async_client.tokens.get(minted.id)).is_active

    with pytest.raises(NotFound) as refused:
        await async_client.projects.get(new_id(Prefix.PROJECT))
    assert refused.value.reason == "not_found"
    assert refused.value.request_id
