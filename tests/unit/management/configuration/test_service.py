"""Applying a description makes what is configured as it says, all of it or nothing, once."""

import asyncio
import re

import pytest
from google.protobuf.duration_pb2 import Duration
from tollkeeper.configuration import write_document
from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.v1 import token_service_pb2
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.configuration import Batch
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import digest_secret
from tollkeeper_server.domain.traffic import Strategy
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.chain import in_hand
from tollkeeper_server.store.sealed import upstream_api_key
from tollkeeper_server.store.sqlite.configuration import SqliteConfiguration
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.management.described import KEY, SECRET, WHOLE, apply, described, export, request, told
from tests.unit.management.plane import DIGEST_KEY, Plane, make_call

CREATED = [
    "+upstream openai",
    "+upstream own",
    "+group main",
    "+model gpt-4o",
    "+model small",
    "+listener tenant",
    "+gateway gateway",
    "+project Search",
    "+token Search/ci",
    "+token Search/app",
]


async def test_all_that_is_described_is_made(plane: Plane) -> None:
    answer = await apply(plane, WHOLE)

    assert told(answer) == CREATED
    current = await plane.store.configuration.read()
    assert answer.revision == current.revision == 1, "it is one write"
    openai, own = current.upstreams
    assert plane.sealer.open(openai.api_key or "", upstream_api_key("openai")) == KEY
    assert (openai.is_default, openai.timeouts, own.breaker.cooldown_seconds) == (
        True,
        {"connect": 5.0, "total": 600.0},
        60.0,
    )
    assert current.groups[0].policy.strategy is Strategy.WEIGHTED_ROUND_ROBIN
    assert current.listeners[0].rules[0].strip_prefix == "/a"
    tokens = {it.name: it for it in await plane.store.tokens.list(limit=9)}
    assert set(tokens) == {"ci", "app"}
    assert tokens["ci"].digest == digest_secret(SECRET.encode(), DIGEST_KEY)
    assert tokens["ci"].project_id == current.projects[0].id


async def test_the_change_is_published_once_and_then_each_token(plane: Plane) -> None:
    await apply(plane, WHOLE)

    tokens = {it.name: it for it in await plane.store.tokens.list(limit=9)}
    assert plane.told == [Change(), Change(token=tokens["ci"]), Change(token=tokens["app"])]


async def test_a_second_time_there_is_nothing_to_change(plane: Plane) -> None:
    await apply(plane, WHOLE)
    plane.told.clear()

    again = await apply(plane, WHOLE, prune=True)

    assert (told(again), again.revision, plane.told) == ([], 1, [])


async def test_a_dry_run_tells_the_same_and_changes_nothing(plane: Plane) -> None:
    answer = await apply(plane, WHOLE, dry_run=True)

    assert told(answer) == CREATED
    assert (answer.revision, plane.told) == (0, [])
    assert not any(it.secret for it in answer.changes), "no token was made"
    assert await export(plane) == pb.Configuration()


async def test_a_secret_that_is_made_is_told_once(plane: Plane) -> None:
    answer = await apply(plane, WHOLE)

    secrets = {it.name: it.secret for it in answer.changes if it.secret}
    assert set(secrets) == {"Search/app"}
    found = await plane.store.tokens.find(digest_secret(secrets["Search/app"].encode(), DIGEST_KEY))
    assert found is not None
    assert found.name == "app"


async def test_no_answer_shows_a_secret_that_was_given(plane: Plane) -> None:
    answer = await apply(plane, WHOLE)
    changed = await apply(plane, WHOLE.replace("canary", "other"))

    assert "~upstream openai" in told(changed)
    assert not re.search("canary-0123|other-0123|canary-pass|other-pass", str(answer) + str(changed))


async def test_what_is_left_out_gets_its_default_and_secrets_stay(plane: Plane) -> None:
    await apply(plane, WHOLE)
    before = await plane.store.configuration.read()

    answer = await apply(plane, "upstreams: [{name: openai, provider: openai}]")

    assert told(answer) == ["~upstream openai"]
    assert {it.field: (it.before, it.after) for it in answer.changes[0].fields} == {
        "is_default": ("true", ""),
        "timeouts.connect": ('"5s"', ""),
        "timeouts.total": ('"10m"', ""),
        "header_operations": (
            '[{"action":"insert","name":"x-a","value":"****"},{"action":"remove","name":"x-b"}]',
            "",
        ),
    }
    after = await plane.store.configuration.read()
    assert after.upstreams[0].api_key == before.upstreams[0].api_key
    assert after.upstreams[0].revision == before.upstreams[0].revision + 1
    assert after.upstreams[0].created_at == before.upstreams[0].created_at
    assert after.upstreams[0].updated_at > before.upstreams[0].updated_at
    assert after.upstreams[1:] == before.upstreams[1:], "what is not named is left as it is"


async def test_differences_are_told_by_field(plane: Plane) -> None:
    await apply(plane, WHOLE)

    changed = (
        WHOLE.replace("weighted_round_robin", "failover").replace("/a/:id/*", "/b/*").replace("0.4", "0.5")
    )
    answer = await apply(plane, changed)

    assert {
        f"{it.kind} {part.field}": (part.before, part.after) for it in answer.changes for part in it.fields
    } == {
        "upstream breaker.threshold": ("0.4", "0.5"),
        "group policy.strategy": ('"weighted_round_robin"', '"failover"'),
        "listener rules[0]": (
            '{"group":"main","path":"/a/:id/*","strip_prefix":"/a"}',
            '{"group":"main","path":"/b/*","strip_prefix":"/a"}',
        ),
    }


async def test_another_default_takes_the_place_of_the_first(plane: Plane) -> None:
    await apply(plane, WHOLE)

    answer = await apply(plane, "upstreams: [{name: new, provider: openai, is_default: true}]")

    assert told(answer) == ["+upstream new", "~upstream openai"]
    assert [it.name for it in (await plane.store.configuration.read()).upstreams if it.is_default] == ["new"]


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("upstreams: [{name: a, provider: azure}]", "upstreams[0].base_url", Reason.INVALID_ARGUMENT),
        (
            "upstreams: [{name: a, provider: openai}, {name: a, provider: openai}]",
            "upstreams[1].name",
            Reason.INVALID_ARGUMENT,
        ),
        (
            "upstreams: [&a {name: a, provider: openai, is_default: true}, {<<: *a, name: b}]",
            "upstreams[1].is_default",
            Reason.INVALID_ARGUMENT,
        ),
        (
            "groups: [{name: g, members: [{upstream: no}]}]",
            "groups[0].members[0].upstream",
            Reason.INVALID_ARGUMENT,
        ),
        ("groups: [{name: g}]", "groups[0].members", Reason.INVALID_ARGUMENT),
        (
            "models: [{name: m, deployments: [{upstream: openai}, {upstream: no}]}]",
            "models[0].deployments[1].upstream",
            Reason.INVALID_ARGUMENT,
        ),
        ("models: [{name: m, group: no}]", "models[0].group", Reason.INVALID_ARGUMENT),
        (
            "models: [{name: m, group: main, fallbacks: [no]}]",
            "models[0].fallbacks[0]",
            Reason.INVALID_ARGUMENT,
        ),
        ("models: [{name: m, group: main, fallbacks: [m]}]", "models[0].fallbacks", Reason.INVALID_ARGUMENT),
        ("models: [{name: m, aliases: [gpt-4], group: main}]", "models[0].aliases", Reason.ALREADY_EXISTS),
        (
            "models: [{name: small, group: main, fallbacks: [gpt-4o]}]",
            "models[0].fallbacks",
            Reason.INVALID_ARGUMENT,
        ),
        (
            "listeners: [{name: l, address: 127.0.0.1:3001}]",
            "listeners[0].address",
            Reason.ALREADY_EXISTS,
        ),
        ("listeners: [{name: l, address: 'x:0'}]", "listeners[0].address", Reason.INVALID_ARGUMENT),
        ("listeners: [{name: l, address: 'x:4444'}]", "listeners[0].address", Reason.INVALID_ARGUMENT),
        (
            "listeners: [{name: l, address: ':::1:3002', rules: [{path: '/{a:[}', group: main}]}]",
            "listeners[0].address",
            Reason.INVALID_ARGUMENT,
        ),
        (
            "listeners: [{name: l, address: '127.0.0.1:3002', rules: [{path: '/{a:[}', group: main}]}]",
            "listeners[0].rules[0].path",
            Reason.INVALID_ARGUMENT,
        ),
        (
            "listeners: [{name: l, address: '127.0.0.1:3002', rules: [{path: /a, group: no}]}]",
            "listeners[0].rules[0].group",
            Reason.INVALID_ARGUMENT,
        ),
        ("projects: [{name: a}, {name: a}]", "projects[1].name", Reason.INVALID_ARGUMENT),
        ("projects: [{name: Twice}]", "projects[0].name", Reason.INVALID_ARGUMENT),
        (
            "projects: [{name: a, tokens: [{name: t}, {name: t}]}]",
            "projects[0].tokens[1].name",
            Reason.INVALID_ARGUMENT,
        ),
        (
            f"projects: [{{name: a, tokens: [{{name: t, secret: {SECRET}}}]}}]",
            "projects[0].tokens[0].secret",
            Reason.ALREADY_EXISTS,
        ),
        (
            "projects: [{name: a, tokens: [{name: t, secret: sk-same}, {name: u, secret: sk-same}]}]",
            "projects[0].tokens[1].secret",
            Reason.ALREADY_EXISTS,
        ),
        ("groups: [{name: '!', members: [{upstream: openai}]}]", "groups[0].name", Reason.INVALID_ARGUMENT),
    ],
)
async def test_what_is_wrong_is_told_by_path_and_nothing_is_changed(
    plane: Plane, text: str, field: str, reason: Reason
) -> None:
    await apply(plane, WHOLE)
    await plane.project(name="Twice")
    await plane.project(name="Twice")
    plane.ports["x:4444"] = "it is taken"
    before = await plane.store.configuration.read()
    tokens = await plane.store.tokens.list(limit=9)
    good = described(
        "upstreams: [{name: fine, provider: openai}]\nprojects: [{name: fine, tokens: [{name: t}]}]"
    )
    wanted = described(text)
    wanted.upstreams.extend(good.upstreams)
    wanted.projects.extend(good.projects)

    for dry_run in (True, False):
        error = await plane.refuse(request(wanted, dry_run=dry_run), reason, field=f"configuration.{field}")
        assert error.message.startswith(f"configuration.{field}: ")
        assert "canary" not in error.message

    assert await plane.store.configuration.read() == before
    assert await plane.store.tokens.list(limit=9) == tokens


async def test_an_entity_of_a_description_is_not_checked_by_itself(plane: Plane) -> None:
    wanted = described("upstreams: [{name: a, provider: openai, validate_only: true}]")

    error = await plane.refuse(
        request(wanted), Reason.INVALID_ARGUMENT, field="configuration.upstreams[0].validate_only"
    )

    assert error.message.endswith("leave it out, and give dry_run to check all")


async def test_everything_that_is_wrong_is_told_at_once(plane: Plane) -> None:
    upstreams = ", ".join(f"{{name: u{n}, provider: azure}}" for n in range(15))

    error = await plane.refuse(
        request(f"upstreams: [{upstreams}]"),
        Reason.INVALID_ARGUMENT,
        field="configuration.upstreams[0].base_url",
    )

    assert [it.field for it in error.violations] == [
        f"configuration.upstreams[{n}].base_url" for n in range(10)
    ]
    assert error.message.endswith("and 5 more")


async def test_a_circle_is_told_once_at_each_that_leads_into_it(plane: Plane) -> None:
    await apply(plane, WHOLE)

    error = await plane.refuse(
        request("models: [{name: x, group: main, fallbacks: [y]}, {name: y, group: main, fallbacks: [x]}]"),
        Reason.INVALID_ARGUMENT,
        field="configuration.models[0].fallbacks",
    )

    assert [it.field for it in error.violations] == [f"configuration.models[{n}].fallbacks" for n in range(2)]


async def test_taking_an_alias_away_that_others_fall_back_to_is_refused(plane: Plane) -> None:
    await apply(plane, WHOLE)
    await apply(plane, "models: [{name: other, group: main, fallbacks: [gpt-4]}]")

    error = await plane.refuse(
        request("models: [{name: gpt-4o, deployments: [{upstream: openai}]}]"),
        Reason.INVALID_ARGUMENT,
        field="configuration",
    )

    assert "model other, which stays, has in fallbacks[0]: no model serves 'gpt-4'" in error.message


async def test_an_address_may_be_passed_on_from_a_listener_that_gives_it_up(plane: Plane) -> None:
    await apply(plane, WHOLE)
    plane.ports["127.0.0.1:3001"] = "it is taken, by the gateway itself"
    moved = (
        "listeners: [{name: tenant, address: '127.0.0.1:3002', default_group: main},"
        " {name: next, address: '127.0.0.1:3001', default_group: main}]"
    )

    assert told(await apply(plane, moved)) == ["~listener tenant", "+listener next"]


async def test_a_listener_that_stays_or_is_inactive_needs_no_free_port(plane: Plane) -> None:
    await apply(plane, WHOLE)
    plane.ports |= {"127.0.0.1:3001": "it is taken, by the gateway itself", "127.0.0.1:3003": "it is taken"}

    await apply(plane, WHOLE.replace("per_second: 5", "per_second: 6"))
    await apply(plane, "listeners: [{name: off, address: '127.0.0.1:3003', is_active: false}]")


async def test_an_export_applied_changes_nothing(plane: Plane) -> None:
    await apply(plane, WHOLE)
    await plane.project(name="Twice")
    twice = await plane.project(name="Twice")
    await plane.mint(twice.id)
    await plane.mint((await plane.project(name="Nameless token")).id)
    await plane.call(
        token_service_pb2.CreateTokenRequest(
            project_id=(await plane.project(name="E")).id, name="e", duration_minutes=5
        ),
        token_service_pb2.CreateTokenResponse,
    )

    exported = await export(plane)

    assert told(await apply(plane, exported, prune=True)) == []
    text = write_document(exported)
    assert told(await apply(plane, text)) == [], "nor does it as a file"
    assert "canary" not in text
    assert [it.name for it in exported.projects] == ["Search", "Nameless token", "E"]
    assert not exported.projects[2].tokens, "a description has no expiry"


async def test_an_export_is_as_short_as_may_be(plane: Plane) -> None:
    short = (
        "upstreams: [{name: a, provider: openai, base_url: 'https://api.openai.com/v1'}]\n"
        "groups: [{name: g, members: [{upstream: a}]}]\n"
        "models: [{name: m, deployments: [{upstream: a}]}]\n"
        "listeners: [{name: l, address: '127.0.0.1:3002'}]\n"
        "projects: [{name: p, tokens: [{name: t}]}]\n"
    )
    await apply(plane, short)

    assert await export(plane) == described(short)


async def test_tokens_are_known_by_name(plane: Plane) -> None:
    await apply(plane, WHOLE)
    plane.told.clear()

    answer = await apply(
        plane,
        "projects: [{name: Search, tokens:"
        " [{name: ci, secret: sk-another-secret, max_requests: 7, is_active: false}]}]",
    )

    assert told(answer) == ["~token Search/ci"]
    token = await plane.store.tokens.find(digest_secret(b"sk-another-secret", DIGEST_KEY))
    assert token is not None
    assert (token.name, token.max_requests, token.allowed_models, token.is_active) == ("ci", 7, (), False)
    retired = digest_secret(SECRET.encode(), DIGEST_KEY)
    assert plane.told == [Change(token=token, retired_digest=retired)], "the old secret ends at once"


async def test_a_token_that_was_revoked_stays_so_until_it_is_said_otherwise(plane: Plane) -> None:
    await apply(plane, WHOLE)
    token = await plane.store.tokens.find(digest_secret(SECRET.encode(), DIGEST_KEY))
    assert token is not None
    await plane.call(token_service_pb2.RevokeTokenRequest(id=token.id), token_service_pb2.RevokeTokenResponse)

    assert told(await apply(plane, WHOLE)) == []
    assert told(await apply(plane, WHOLE.replace("name: ci,", "name: ci, is_active: true,"))) == [
        "~token Search/ci"
    ]


async def test_a_project_that_was_deactivated_stays_so_until_it_is_said_otherwise(plane: Plane) -> None:
    await apply(plane, WHOLE)
    (project,) = await plane.store.configuration.list(Project, limit=9)
    await plane.deactivate(project.id)

    assert told(await apply(plane, WHOLE)) == []
    assert (await export(plane)).projects[0].is_active is False
    assert told(await apply(plane, "projects: [{name: Search, is_active: true}]")) == ["~project Search"]


class MeddledConfiguration(SqliteConfiguration):
    """The configuration of a real store, into which somebody writes before each of the first batches."""

    def __init__(self, store: SqliteStore, writes: int) -> None:
        super().__init__(store._connection)
        self.writes = writes

    async def write(self, batch: Batch, *, expected: int) -> bool:
        """Write after somebody else did."""
        if self.writes:
            self.writes -= 1
            (upstream, *_) = await self.list(Upstream, limit=1)
            await self.replace(upstream, expected=upstream.revision)
        return await super().write(batch, expected=expected)


async def test_it_is_planned_again_if_somebody_wrote_meanwhile(plane: Plane) -> None:
    await plane.upstream("other")
    plane.store.configuration = MeddledConfiguration(plane.store, writes=3)

    answer = await apply(plane, WHOLE)

    assert told(answer) == CREATED
    assert (await plane.store.configuration.revision()) == 1 + 3 + 1


async def test_who_never_comes_to_write_is_told_to_try_again(plane: Plane) -> None:
    await plane.upstream("other")

    plane.store.configuration = MeddledConfiguration(plane.store, writes=1000)
    await plane.refuse(request(WHOLE), Reason.ETAG_MISMATCH)


async def test_two_at_the_same_time_make_it_once(plane: Plane) -> None:
    chain = plane.chain()
    wanted = request(WHOLE)
    answers = await asyncio.gather(*(chain.invoke(make_call(wanted), in_hand(wanted)) for _ in range(4)))

    changed = [told(it) for it in answers if isinstance(it, pb.ApplyConfigurationResponse)]
    assert sorted(changed, key=len) == [[], [], [], CREATED]
    assert len(await plane.store.tokens.list(limit=99)) == 2


async def test_an_empty_description_changes_nothing_even_when_pruning(plane: Plane) -> None:
    await apply(plane, WHOLE)

    assert told(await apply(plane, "", prune=True)) == []


async def test_durations_that_are_too_short_are_refused_by_path(plane: Plane) -> None:
    wanted = described(WHOLE)
    wanted.groups[0].policy.keep_alive.CopyFrom(Duration(seconds=1, nanos=1))

    await plane.refuse(
        request(wanted), Reason.INVALID_ARGUMENT, field="configuration.groups[0].policy.keep_alive"
    )


async def test_listeners_that_are_to_speak_tls_want_a_certificate(plane: Plane) -> None:
    text = (
        "listeners: [{name: a, address: '127.0.0.1:3001'}, {name: b, address: '127.0.0.1:3002', tls: true}]"
    )
    plane.tls_problem = "there is no certificate"
    with pytest.raises(TollkeeperError, match="there is no certificate") as caught:
        await apply(plane, text)
    assert caught.value.field == "configuration.listeners[1].tls"
    plane.tls_problem = None
    await apply(plane, text)
    plane.tls_problem = "there is no certificate"
    await apply(plane, text)  # it is not what changes
