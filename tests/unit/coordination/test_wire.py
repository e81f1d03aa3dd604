"""How entries and messages are written down."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.coordination.ports import Change, Unknown
from tollkeeper_server.coordination.wire import (
    REVISION_DIGITS,
    Message,
    decode_entry,
    decode_message,
    decode_placement,
    encode_entry,
    encode_message,
    encode_placement,
)
from tollkeeper_server.domain.placement import Placement

from tests.unit.coordination.parts import edited, make_token


def test_an_entry_reads_as_it_was_written() -> None:
    token = make_token(allowed_models=("gpt-*",), revision=12)
    assert token == decode_entry(token.digest, encode_entry(token))
    assert Unknown(7) == decode_entry(token.digest, encode_entry(Unknown(7)))


@given(older=st.integers(0, 10**15), newer=st.integers(0, 10**15))
def test_entries_sort_by_revision(older: int, newer: int) -> None:
    first, second = encode_entry(Unknown(older)), encode_entry(Unknown(newer))
    assert (older < newer) == (first[:REVISION_DIGITS] < second[:REVISION_DIGITS])


def test_an_entry_of_another_digest_or_revision_is_refused() -> None:
    token = make_token()
    with pytest.raises(ValueError, match="another digest"):
        decode_entry("0" * 64, encode_entry(token))
    swapped = encode_entry(Unknown(9)) + encode_entry(token)[REVISION_DIGITS:]
    with pytest.raises(ValueError, match="another digest"):
        decode_entry(token.digest, swapped)


@given(value=st.binary(max_size=64))
def test_what_is_no_entry_is_refused(value: bytes) -> None:
    try:
        decoded = decode_entry("0" * 64, value)
    except ValueError:
        return
    assert isinstance(decoded, Unknown)


def test_a_message_reads_as_it_was_written() -> None:
    token = make_token()
    change = Change(token=edited(token), retired_digest=token.digest)
    for message in (Message("a", change), Message("b", Change())):
        assert message == decode_message(encode_message(message))


@given(data=st.binary(max_size=64))
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_message(data)


def test_a_placement_reads_as_it_was_written_and_under_its_own_id_alone() -> None:
    placement = Placement(id="größe", upstream="a", project_id="p", used_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert placement == decode_placement("größe", encode_placement(placement))
    with pytest.raises(ValueError, match="another id"):
        decode_placement("other", encode_placement(placement))


@given(data=st.binary(max_size=64))
def test_what_is_no_placement_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_placement("x", data)
