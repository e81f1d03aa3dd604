"""Secrets at rest."""

import base64
import inspect
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.configuration import Entity
from tollkeeper_server.store import sealed as module
from tollkeeper_server.store.sealed import (
    DIGEST_KEY,
    FIELDS,
    NAMED,
    Context,
    Sealer,
    UnsealError,
    new_key,
    project_api_key,
    upstream_api_key,
    upstream_client_key,
    upstream_proxy_url,
)

CONTEXT = Context("project/prj_1/api_key", "a key")


@given(secret=st.text(), context=st.builds(Context, st.text(), st.text()))
def test_what_is_sealed_opens(secret: str, context: Context) -> None:
    """Any text in any context comes back as it was."""
    sealer = Sealer(new_key())
    assert sealer.open(sealer.seal(secret, context), context) == secret


def test_sealing_twice_shows_nothing() -> None:
    """Equal secrets look different, and neither contains the secret."""
    sealer = Sealer(new_key())
    one, two = sealer.seal("sk-canary", CONTEXT), sealer.seal("sk-canary", CONTEXT)
    assert one != two
    assert "canary" not in one
    assert one.startswith("enc:v1:")


def test_keys_rotate() -> None:
    """The first key seals, every key opens; without the old one the message names its id."""
    old, new = new_key(), new_key()
    before = Sealer(old).seal("secret", CONTEXT)
    both = Sealer(f"{new}, {old}")

    assert both.open(before, CONTEXT) == "secret"
    after = both.seal("secret", CONTEXT)
    assert Sealer(new).open(after, CONTEXT) == "secret"
    with pytest.raises(UnsealError, match=f"key {before.split(':')[2]}, which is not among"):
        Sealer(new).open(before, CONTEXT)


def test_it_is_told_whether_the_first_key_has_sealed_a_secret() -> None:
    """The id of that key is in the sealed text."""
    old, new = new_key(), new_key()
    before, after = (Sealer(key).seal("secret", CONTEXT) for key in (old, new))
    both = Sealer(f"{new},{old}")
    assert (both.is_first(before), both.is_first(after)) == (False, True)
    assert after.split(":")[2] == both.key_id


def test_the_tables_have_every_context() -> None:
    """A secret in another one would stay behind when keys are rotated."""
    functions = {it for it in vars(module).values() if inspect.isfunction(it)}
    made = {it for it in functions if it.__annotations__.get("return") is Context}
    assert made == {context for fields in FIELDS.values() for context in fields.values()}
    constants = {it for it in vars(module).values() if isinstance(it, Context)}
    assert constants == set(NAMED.values()) == {DIGEST_KEY}


def test_every_sealed_field_is_in_the_table() -> None:
    """By the names that fields with a secret have."""
    for kind in get_args(Entity):
        assert {"api_key", "proxy_url", "client_key"} & set(kind.__struct_fields__) == set(
            FIELDS.get(kind, ())
        )


def test_a_secret_opens_only_where_it_was_put() -> None:
    """One project's sealed key is of no use in another project."""
    sealer = Sealer(new_key())
    with pytest.raises(UnsealError, match="damaged or not where it was put"):
        sealer.open(sealer.seal("secret", CONTEXT), Context("project/prj_2/api_key", "a key"))


@pytest.mark.parametrize(
    ("context", "text", "sealed"),
    [
        (DIGEST_KEY, "digest_key", "vT0eRFjFcAmNALLEDRX7Ss7lc9svhY5dN-mU6ZXBO5c="),
        (
            project_api_key("prj_1"),
            "project:prj_1:api_key",
            "7sjwcg6QIUSavt35_3A9bwSl8RM1vzbs4i1ls6EWUH4=",
        ),
        (
            upstream_api_key("openai"),
            "upstream:openai:api_key",
            "tBWZaRh5zKy0ulHOQEQ7ighOo6AxOvGGi06O7W9aJcI=",
        ),
        (
            upstream_proxy_url("openai"),
            "upstream:openai:proxy_url",
            "Z0uCPMV1eA-bmJUupgBKKKWslMPzvcvOqAeb59R2gOs=",
        ),
        (
            upstream_client_key("openai"),
            "upstream:openai:client_key",
            "gu53z4fMOrL7yfIAAdAHfyK3yzQk4CTlQbjdz4Ycfnc=",
        ),
    ],
    ids=["digest key", "project's key", "upstream's key", "upstream's proxy", "upstream's client key"],
)
def test_contexts_never_change(context: Context, text: str, sealed: str) -> None:
    """Store hold secrets that were sealed for these texts; for others they would be lost."""
    assert context.text == text
    assert Sealer(base64.b64encode(b"A" * 32).decode()).open(f"enc:v1:22a48051:{sealed}", context) == "sk-1"


@given(data=st.data())
def test_damage_is_found(data: st.DataObject) -> None:
    """Whichever byte is changed, and wherever the text is cut, it does not open."""
    sealer = Sealer(new_key())
    sealed = sealer.seal("secret", CONTEXT)
    head, _, body = sealed.rpartition(":")
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnsealError):
        sealer.open(f"{head}:{base64.urlsafe_b64encode(raw).decode()}", CONTEXT)
    with pytest.raises(UnsealError):
        sealer.open(sealed[: data.draw(st.integers(0, len(sealed) - 1))], CONTEXT)


@pytest.mark.parametrize("text", ["", "secret", "enc:v1", "enc:v2:abcd:efgh", "enc:v1:abcd:", "::::"])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    """A plain text, or one of another scheme, is refused and not repeated."""
    with pytest.raises(UnsealError) as refusal:
        Sealer(new_key()).open(text, CONTEXT)
    assert "efgh" not in str(refusal.value)


@pytest.mark.parametrize(
    "key",
    ["", "canary", base64.b64encode(b"c" * 31).decode(), base64.b64encode(b"c" * 33).decode(), "canary" * 9],
    ids=["empty", "short", "31 bytes", "33 bytes", "not base64"],
)
def test_a_malformed_key_is_refused(key: str) -> None:
    """The message says which key it is and how to make one, and does not show it."""
    with pytest.raises(ValueError, match=r"encryption key 2 is not base64 of 32 bytes; .*openssl") as refusal:
        Sealer(f"{new_key()},{key}")
    assert not key or key not in str(refusal.value)


def test_both_alphabets_of_base64_are_keys() -> None:
    """A key may be written URL-safe; it is the same key."""
    key = base64.b64encode(b"\xfb\xff" * 16).decode()
    assert "+" in key
    sealed = Sealer(key).seal("secret", CONTEXT)
    assert Sealer(key.translate(str.maketrans("+/", "-_"))).open(sealed, CONTEXT) == "secret"
