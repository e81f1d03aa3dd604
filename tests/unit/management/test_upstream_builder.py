"""A whole upstream takes the place of the one before it, and keeps the secrets that are not given."""

import msgspec
import pytest
from tollkeeper.v1 import upstream_service_pb2 as pb
from tollkeeper_server.domain.upstream import AuthScheme, Upstream
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.upstream_builder import UpstreamBuilder
from tollkeeper_server.store.sealed import Sealer, new_key

from tests.unit.management.plane import NOON

LATER = NOON.replace(year=2030)
PROXY = "http://user:secret@proxy:3128"
SECRETS = {"api_key": "sk-provider-key-0123456789", "proxy_url": PROXY}


@pytest.fixture(scope="module")
def builder() -> UpstreamBuilder:
    """A builder with a key of its own."""
    return UpstreamBuilder(Sealer(new_key()))


def asked(**fields: object) -> pb.CreateUpstreamRequest:
    """Return a request for a generic upstream."""
    whole = {"name": "a", "provider": pb.PROVIDER_GENERIC, "base_url": "https://a", **fields}
    return pb.CreateUpstreamRequest(**whole)  # type: ignore[arg-type]  # fields of the message


def test_what_describes_an_upstream_as_it_is_builds_an_equal_one(builder: UpstreamBuilder) -> None:
    made = builder.build(asked(**SECRETS, is_default=True), now=NOON)
    assert builder.build(asked(**SECRETS, is_default=True), now=LATER, previous=made) == made
    assert builder.build(asked(is_default=True), now=LATER, previous=made) == made


def test_all_else_is_as_the_request_says(builder: UpstreamBuilder) -> None:
    made = builder.build(
        asked(**SECRETS, is_active=False, probe=pb.Probe(path="/x"), breaker=pb.Breaker(threshold=1)),
        now=NOON,
    )
    again = builder.build(asked(), now=LATER, previous=made)
    assert (again.is_active, again.probe, again.breaker.threshold) == (True, None, 0.5)
    assert (again.created_at, again.revision) == (NOON, 1)


def test_a_secret_that_is_given_replaces_the_one_before(builder: UpstreamBuilder) -> None:
    made = builder.build(asked(**SECRETS), now=NOON)
    changed = builder.build(asked(api_key="sk-another-key-9876543210-zzzz"), now=LATER, previous=made)
    assert (changed.api_key_hint, changed.proxy_url) == ("sk-anoth...zzzz", made.proxy_url)


def test_a_scheme_of_none_lets_the_key_go(builder: UpstreamBuilder) -> None:
    made = builder.build(asked(**SECRETS), now=NOON)
    without = builder.build(asked(auth_scheme=pb.AUTH_SCHEME_NONE), now=LATER, previous=made)
    assert (without.auth_scheme, without.api_key, without.api_key_hint) == (AuthScheme.NONE, None, "")


def test_a_secret_sealed_under_a_key_that_is_gone_is_replaced(builder: UpstreamBuilder) -> None:
    foreign: Upstream = UpstreamBuilder(Sealer(new_key())).build(asked(**SECRETS), now=NOON)
    again = builder.build(asked(**SECRETS), now=LATER, previous=foreign)
    assert again.api_key != foreign.api_key
    assert msgspec.structs.replace(again, api_key=None, proxy_url=None) == msgspec.structs.replace(
        foreign, api_key=None, proxy_url=None
    )


def test_the_password_of_a_proxy_is_never_shown(builder: UpstreamBuilder) -> None:
    with pytest.raises(TollkeeperError) as caught:
        builder.build(asked(proxy_url="http://user:canary@proxy/path"), now=NOON)
    assert "canary" not in caught.value.message
