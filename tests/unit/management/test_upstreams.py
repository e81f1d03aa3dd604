"""Upstreams keep their credential sealed, and at most one of them is the default."""

import asyncio

import msgspec
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import upstream_service_pb2 as pb
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.upstream import (
    AuthScheme,
    Breaker,
    HeaderAction,
    HeaderOperation,
    Probe,
    Provider,
    Upstream,
)
from tollkeeper_server.errors import Reason
from tollkeeper_server.store.sealed import upstream_api_key, upstream_proxy_url

from tests.unit.management.plane import NOON, Plane

KEY = "sk-provider-key-0123456789"


async def create(plane: Plane, **fields: object) -> pb.Upstream:
    """Add an upstream."""
    request = pb.CreateUpstreamRequest(**fields)  # type: ignore[arg-type]  # fields of the message
    return (await plane.call(request, pb.CreateUpstreamResponse)).upstream


async def update(plane: Plane, name: str, **fields: object) -> pb.Upstream:
    """Change an upstream."""
    request = pb.UpdateUpstreamRequest(name=name, **fields)  # type: ignore[arg-type]  # as above
    return (await plane.call(request, pb.UpdateUpstreamResponse)).upstream


async def defaults(plane: Plane) -> list[str]:
    """Return the names of the upstreams that are the default."""
    return [it.name for it in await plane.store.configuration.list(Upstream, limit=100) if it.is_default]


async def test_its_credential_is_sealed_for_it_and_shown_masked(plane: Plane) -> None:
    made = await create(plane, name="main", provider=pb.PROVIDER_OPENAI, api_key=KEY, organization="org")
    assert (made.api_key, made.organization) == ("sk-provi...6789", "org")
    assert made.auth_scheme == pb.AUTH_SCHEME_BEARER
    stored = await plane.store.configuration.get(Upstream, "main")
    assert stored is not None
    assert stored.api_key is not None
    assert plane.sealer.open(stored.api_key, upstream_api_key("main")) == KEY
    assert plane.told == [Change()]
    read = await plane.call(pb.GetUpstreamRequest(name="main"), pb.GetUpstreamResponse)
    assert read.upstream == made


@pytest.mark.parametrize(
    ("fields", "scheme", "header"),
    [
        ({"provider": pb.PROVIDER_OPENAI}, pb.AUTH_SCHEME_BEARER, ""),
        ({"provider": pb.PROVIDER_ANTHROPIC}, pb.AUTH_SCHEME_HEADER, "x-api-key"),
        (
            {"provider": pb.PROVIDER_AZURE, "base_url": "https://a", "api_version": "2024-10-21"},
            pb.AUTH_SCHEME_HEADER,
            "api-key",
        ),
        ({"provider": pb.PROVIDER_GENERIC, "base_url": "https://a"}, pb.AUTH_SCHEME_BEARER, ""),
    ],
)
async def test_it_shows_how_its_key_is_sent(
    plane: Plane, fields: dict[str, object], scheme: pb.AuthScheme.ValueType, header: str
) -> None:
    made = await create(plane, name="main", api_key=KEY, **fields)
    assert (made.auth_scheme, made.auth_header) == (scheme, header)
    without = await create(plane, name="keyless", **fields)
    assert (without.auth_scheme, without.auth_header) == (pb.AUTH_SCHEME_NONE, "")


async def test_it_has_what_was_asked_for(plane: Plane) -> None:
    timeouts = pb.Timeouts()
    timeouts.idle.FromMilliseconds(1500)
    made = await create(
        plane,
        name="g",
        provider=pb.PROVIDER_GENERIC,
        full_url="https://example.com/chat",
        auth_scheme=pb.AUTH_SCHEME_HEADER,
        auth_header="X-Key",
        api_key=KEY,
        timeouts=timeouts,
    )
    assert (made.full_url, made.auth_scheme, made.auth_header) == (
        "https://example.com/chat",
        pb.AUTH_SCHEME_HEADER,
        "X-Key",
    )
    assert made.timeouts == timeouts
    stored = await plane.store.configuration.get(Upstream, "g")
    assert stored is not None
    assert (stored.provider, stored.auth_scheme) == (Provider.GENERIC, AuthScheme.HEADER)
    assert stored.timeouts == {"idle": 1.5}


async def test_it_has_the_traffic_settings_that_were_asked_for(plane: Plane) -> None:
    operation = pb.HeaderOperation(action=pb.HEADER_ACTION_INSERT, name="x-team", value="a")
    made = await create(
        plane,
        name="g",
        provider=pb.PROVIDER_OPENAI,
        header_operations=[operation],
        breaker=pb.Breaker(threshold=0.25),
        probe=pb.Probe(path="/models"),
        proxy_url="http://user:canary-password@proxy:3128",
        is_active=False,
    )
    assert (made.breaker.threshold, made.breaker.min_calls) == (0.25, 10)
    assert (made.probe.path, made.probe.interval.seconds) == ("/models", 10)
    assert (list(made.header_operations), made.is_active) == ([operation], False)
    assert made.proxy_url == "http://user:****@proxy:3128"
    stored = await plane.store.configuration.get(Upstream, "g")
    assert stored is not None
    assert stored.breaker == Breaker(threshold=0.25)
    assert stored.header_operations == (
        HeaderOperation(action=HeaderAction.INSERT, name="x-team", value="a"),
    )
    assert stored.probe == Probe(path="/models")
    assert "canary" not in repr(stored)
    opened = plane.sealer.open(stored.proxy_url or "", upstream_proxy_url("g"))
    assert opened == "http://user:canary-password@proxy:3128"
    cleared = await update(
        plane, "g", update_mask=FieldMask(paths=["probe", "breaker", "header_operations", "proxy_url"])
    )
    assert (cleared.HasField("probe"), cleared.breaker.threshold) == (False, 0.5)
    assert (len(cleared.header_operations), cleared.proxy_url) == (0, "")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"proxy_url": "socks5://proxy"}, "proxy_url"),
        ({"ca_certificates": "none"}, "ca_certificates"),
        ({"breaker": pb.Breaker(threshold=0)}, "breaker.threshold"),
        ({"breaker": pb.Breaker(threshold=1.5)}, "breaker.threshold"),
        ({"probe": pb.Probe(path="models")}, "probe.path"),
        ({"full_url": "https://a/b", "base_url": "", "probe": pb.Probe(path="/x")}, "probe"),
        ({"header_operations": [pb.HeaderOperation(name="x")]}, "header_operations[0].action"),
        (
            {"header_operations": [{"action": "HEADER_ACTION_INSERT", "name": "x", "value": "a\r\nb"}]},
            "header_operations[0].value",
        ),
        (
            {"header_operations": [{"action": "HEADER_ACTION_INSERT", "name": "Api-Key", "value": "x"}]},
            "header_operations[0].name",
        ),
        (
            {
                "auth_scheme": pb.AUTH_SCHEME_HEADER,
                "auth_header": "x-own",
                "api_key": KEY,
                "header_operations": [{"action": "HEADER_ACTION_INSERT", "name": "X-Own", "value": "x"}],
            },
            "header_operations[0].name",
        ),
    ],
    ids=str,
)
async def test_what_can_not_be_is_told_by_field(plane: Plane, fields: dict[str, object], field: str) -> None:
    present = {"name": "a", "provider": pb.PROVIDER_GENERIC, "base_url": "https://a"}
    request = pb.CreateUpstreamRequest(**present | fields)  # type: ignore[arg-type]  # as above
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field=field)
    await create(plane, **present)
    plane.told.clear()
    change = pb.UpdateUpstreamRequest(name="a", **fields)  # type: ignore[arg-type]  # as above
    await plane.refuse(change, Reason.INVALID_ARGUMENT, field=field)
    assert plane.told == []


async def test_everything_that_can_not_be_is_told_at_once(plane: Plane) -> None:
    request = pb.CreateUpstreamRequest(
        name="a",
        provider=pb.PROVIDER_AZURE,
        base_url="https://a",
        header_operations=[pb.HeaderOperation(action=pb.HEADER_ACTION_INSERT, name="cookie", value="x")],
        ca_certificates="none",
        proxy_url="socks5://proxy",
    )
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="api_version")
    fields = ["api_version", "header_operations[0].name", "ca_certificates", "proxy_url"]
    assert [it.field for it in error.violations] == fields
    assert all(f"{it.field}: {it.description}" in error.message for it in error.violations)


async def test_the_same_secrets_given_again_change_nothing(plane: Plane) -> None:
    secrets = {"api_key": KEY, "proxy_url": "http://user:secret@proxy"}
    made = await create(plane, name="a", provider=pb.PROVIDER_OPENAI, **secrets)
    plane.told.clear()
    assert await update(plane, "a", **secrets) == made
    assert plane.told == []


async def test_a_name_is_taken_once(plane: Plane) -> None:
    await plane.upstream("a")
    request = pb.CreateUpstreamRequest(name="a", provider=pb.PROVIDER_OPENAI)
    with pytest.raises(Exception, match="a") as caught:
        await plane.call(request, pb.CreateUpstreamResponse)
    assert getattr(caught.value, "reason", None) is Reason.ALREADY_EXISTS


async def test_what_does_not_fit_together_is_refused_and_nothing_is_stored(plane: Plane) -> None:
    request = pb.CreateUpstreamRequest(name="a", provider=pb.PROVIDER_AZURE, base_url="https://a")
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field="api_version")
    assert await plane.store.configuration.list(Upstream, limit=1) == []
    assert plane.told == []


async def test_an_update_is_held_to_the_rules_of_the_whole(plane: Plane) -> None:
    await create(plane, name="a", provider=pb.PROVIDER_OPENAI, organization="org")
    switch = pb.UpdateUpstreamRequest(name="a", provider=pb.PROVIDER_ANTHROPIC)
    await plane.refuse(switch, Reason.INVALID_ARGUMENT, field="organization")
    both = await update(plane, "a", provider=pb.PROVIDER_ANTHROPIC, organization="")
    assert (both.provider, both.organization) == (pb.PROVIDER_ANTHROPIC, "")


async def test_the_scheme_of_a_generic_upstream_follows_its_key(plane: Plane) -> None:
    made = await create(plane, name="g", provider=pb.PROVIDER_GENERIC, base_url="https://a")
    assert made.auth_scheme == pb.AUTH_SCHEME_NONE
    with_key = await update(plane, "g", api_key=KEY)
    assert with_key.auth_scheme == pb.AUTH_SCHEME_BEARER
    without = await update(plane, "g", api_key="")
    assert (without.auth_scheme, without.api_key) == (pb.AUTH_SCHEME_NONE, "")


async def test_a_key_is_replaced_alone(plane: Plane) -> None:
    made = await create(
        plane,
        name="g",
        provider=pb.PROVIDER_GENERIC,
        base_url="https://a",
        auth_scheme=pb.AUTH_SCHEME_BASIC,
        username="user",
        api_key=KEY,
    )
    changed = await update(plane, "g", api_key="sk-another-key-0123456789-zzzz")
    assert changed.api_key == "sk-anoth...zzzz"
    assert (changed.auth_scheme, changed.username) == (made.auth_scheme, "user")


async def test_timeouts_are_replaced_as_a_whole(plane: Plane) -> None:
    timeouts = pb.Timeouts()
    timeouts.idle.seconds = 5
    await create(plane, name="a", provider=pb.PROVIDER_OPENAI, timeouts=timeouts)
    other = pb.Timeouts()
    other.total.seconds = 9
    assert (await update(plane, "a", timeouts=other)).timeouts == other
    cleared = await update(plane, "a", update_mask=FieldMask(paths=["timeouts"]))
    assert cleared.timeouts == pb.Timeouts()


@pytest.mark.parametrize("path", ["provider", "is_active", "is_default"])
async def test_a_named_field_without_a_value_is_refused(plane: Plane, path: str) -> None:
    await plane.upstream("a")
    request = pb.UpdateUpstreamRequest(name="a", update_mask=FieldMask(paths=[path]))
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field=path)


async def test_a_new_default_replaces_the_old_one(plane: Plane) -> None:
    await plane.upstream("a", is_default=True)
    await plane.upstream("b")
    await plane.upstream("c", is_default=True)
    assert await defaults(plane) == ["c"]
    assert (await update(plane, "b", is_default=True)).is_default
    assert await defaults(plane) == ["b"]
    await update(plane, "b", is_default=False)
    assert await defaults(plane) == []


async def test_a_default_wins_over_one_whose_clock_was_ahead(plane: Plane) -> None:
    await plane.upstream("a", is_default=True)
    stored = await plane.store.configuration.get(Upstream, "a")
    assert stored is not None
    ahead = msgspec.structs.replace(stored, updated_at=NOON.replace(year=2030), revision=stored.revision + 1)
    assert await plane.store.configuration.replace(ahead, expected=stored.revision)
    await plane.upstream("b", is_default=True)
    assert await defaults(plane) == ["b"]


async def test_of_two_defaults_left_by_a_crash_the_next_edit_keeps_the_later(plane: Plane) -> None:
    await plane.upstream("a", is_default=True)
    await plane.upstream("b")
    stored = await plane.store.configuration.get(Upstream, "b")
    assert stored is not None
    # The crash: b was written, a was not yet.
    later = msgspec.structs.replace(
        stored, is_default=True, updated_at=plane.clock(), revision=stored.revision + 1
    )
    assert await plane.store.configuration.replace(later, expected=stored.revision)
    await update(plane, "b", is_default=True)
    assert await defaults(plane) == ["b"]


async def test_defaults_set_at_the_same_time_leave_one(plane: Plane) -> None:
    names = [f"u{number}" for number in range(5)]
    for name in names:
        await plane.upstream(name)
    await asyncio.gather(*(update(plane, name, is_default=True) for name in names))
    assert len(await defaults(plane)) == 1


async def test_an_upstream_in_use_is_not_deleted_and_its_users_are_named(plane: Plane) -> None:
    made = await plane.upstream("a")
    await plane.upstream("b")
    for name in ("m1", "m2"):
        await plane.model(name, upstream="a")
    await plane.model("m3", upstream="b")
    await plane.group("g", "b", "a")
    error = await plane.refuse(pb.DeleteUpstreamRequest(name="a"), Reason.IN_USE, field="name")
    assert "models m1, m2 and the groups g;" in error.message
    assert "m3" not in error.message
    stale = pb.DeleteUpstreamRequest(name="a", etag=made.etag + "x")
    await plane.refuse(stale, Reason.ETAG_MISMATCH, field="etag")


async def test_an_upstream_is_deleted_once(plane: Plane) -> None:
    made = await plane.upstream("a")
    plane.told.clear()
    request = pb.DeleteUpstreamRequest(name="a", etag=made.etag)
    await plane.call(request, pb.DeleteUpstreamResponse)
    assert plane.told == [Change()]
    await plane.refuse(request, Reason.NOT_FOUND, field="name")


async def test_an_etag_of_an_earlier_upstream_of_that_name_is_refused(plane: Plane) -> None:
    first = await plane.upstream("a")
    await plane.call(pb.DeleteUpstreamRequest(name="a"), pb.DeleteUpstreamResponse)
    await plane.upstream("a")
    stale = pb.UpdateUpstreamRequest(name="a", is_active=False, etag=first.etag)
    await plane.refuse(stale, Reason.ETAG_MISMATCH, field="etag")


async def test_an_upstream_may_be_left_unasked_for_usage(plane: Plane) -> None:
    made = await create(plane, name="a", provider=pb.PROVIDER_OPENAI, omit_stream_options=True)
    assert made.omit_stream_options

    changed = await update(plane, "a", omit_stream_options=False)
    assert not changed.omit_stream_options
    unset = pb.UpdateUpstreamRequest(name="a", update_mask=FieldMask(paths=["omit_stream_options"]))
    await plane.refuse(unset, Reason.INVALID_ARGUMENT, field="omit_stream_options")


async def test_an_upstream_may_have_a_header_for_the_requests_id(plane: Plane) -> None:
    made = await create(plane, name="a", provider=pb.PROVIDER_OPENAI, request_id_header="X-Request-Id")
    assert made.request_id_header == "X-Request-Id"

    for wrong in ("a b", "x:y", "host", "Authorization"):
        await plane.refuse(
            pb.UpdateUpstreamRequest(name="a", request_id_header=wrong),
            Reason.INVALID_ARGUMENT,
            field="request_id_header",
        )
    changed = await update(plane, "a", request_id_header="")
    assert changed.request_id_header == ""


async def test_headers_of_answers_may_be_named_to_pass(plane: Plane) -> None:
    made = await create(plane, name="a", provider=pb.PROVIDER_OPENAI, passed_headers=["Set-Cookie"])
    assert list(made.passed_headers) == ["Set-Cookie"]

    for wrong in ("a b", "", "x" * 65, "content-length"):
        request = pb.UpdateUpstreamRequest(name="a", passed_headers=["x-a", wrong])
        await plane.refuse(request, Reason.INVALID_ARGUMENT, field="passed_headers[1]")
    many = pb.UpdateUpstreamRequest(name="a", passed_headers=[f"x-{number}" for number in range(33)])
    await plane.refuse(many, Reason.INVALID_ARGUMENT, field="passed_headers")
    assert list((await update(plane, "a", is_active=False)).passed_headers) == ["Set-Cookie"]
    cleared = await update(plane, "a", update_mask=FieldMask(paths=["passed_headers"]))
    assert list(cleared.passed_headers) == []


async def test_a_generic_upstream_may_get_paths_as_they_came(plane: Plane) -> None:
    generic = {"provider": pb.PROVIDER_GENERIC, "keep_path": True}
    assert (await create(plane, name="a", base_url="https://a", **generic)).keep_path

    full = pb.UpdateUpstreamRequest(name="a", base_url="", full_url="https://a/b")
    error = await plane.refuse(full, Reason.INVALID_ARGUMENT, field="keep_path")
    assert "full_url takes every path" in error.message
    other = pb.CreateUpstreamRequest(name="b", provider=pb.PROVIDER_OPENAI, keep_path=True)
    error = await plane.refuse(other, Reason.INVALID_ARGUMENT, field="keep_path")
    assert "leave it unset" in error.message
    unset = pb.UpdateUpstreamRequest(name="a", update_mask=FieldMask(paths=["keep_path"]))
    await plane.refuse(unset, Reason.INVALID_ARGUMENT, field="keep_path")
    assert not (await update(plane, "a", keep_path=False)).keep_path


async def test_an_upstream_may_list_its_models_if_they_are_called_by_these_names(plane: Plane) -> None:
    assert (await create(plane, name="a", provider=pb.PROVIDER_OPENAI, list_models=True)).list_models
    unset = pb.UpdateUpstreamRequest(name="a", update_mask=FieldMask(paths=["list_models"]))
    await plane.refuse(unset, Reason.INVALID_ARGUMENT, field="list_models")
    assert not (await update(plane, "a", list_models=False)).list_models

    azure = pb.CreateUpstreamRequest(
        name="b", provider=pb.PROVIDER_AZURE, base_url="https://b", api_version="1", list_models=True
    )
    error = await plane.refuse(azure, Reason.INVALID_ARGUMENT, field="list_models")
    assert "make a model for each" in error.message
    full = pb.CreateUpstreamRequest(
        name="c", provider=pb.PROVIDER_GENERIC, full_url="https://c/d", list_models=True
    )
    await plane.refuse(full, Reason.INVALID_ARGUMENT, field="list_models")
