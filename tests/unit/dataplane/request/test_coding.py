"""Request bodies without their content coding, within bounds."""

import gzip
import threading
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request import coding as module
from tollkeeper_server.dataplane.request.coding import decode_request
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.errors import Reason, TollkeeperError

from tests.coded import CODINGS
from tests.unit.dataplane.exchanges import exchange
from tests.unit.one_loop import in_one_loop

MIB = 1 << 20


def _decode(body: bytes, *codings: bytes, limit: int = MIB) -> bytes:
    caller = exchange(
        headers=[(b"content-encoding", coding) for coding in codings], limits=Limits(max_body=limit)
    )
    return in_one_loop(decode_request(caller, body))


def _refused(body: bytes, *codings: bytes, limit: int = MIB) -> TollkeeperError:
    with pytest.raises(TollkeeperError) as caught:
        _decode(body, *codings, limit=limit)
    return caught.value


@given(
    body=st.binary(max_size=300),
    names=st.lists(st.sampled_from(list(CODINGS)), max_size=4),
    in_one=st.booleans(),
)
def test_codings_are_undone_in_the_order_opposite_to_that_of_the_header(
    body: bytes, names: list[str], in_one: bool
) -> None:
    coded, said = body, []
    for name in names:
        coding, code = CODINGS[name]
        coded = code(coded)
        said.append(coding)

    assert _decode(coded, *([b" , ".join(said)] if in_one else said)) == body


@pytest.mark.parametrize("said", [[], [b"identity"], [b""], [b"Identity, identity"]])
def test_a_body_without_a_coding_is_the_same_object(said: list[bytes]) -> None:
    body = b'{"model":"m"}'

    assert _decode(body, *said) is body


@pytest.mark.parametrize("said", [b"compress", b"utf-8", b"gzip, sdch", b"gzip;q=1", b"aws-chunked"])
def test_a_coding_that_is_not_known_is_415(said: bytes) -> None:
    error = _refused(b"abc", said)

    assert (error.reason, error.outcome.http) == (Reason.UNSUPPORTED_CONTENT_ENCODING, 415)
    assert error.field == "content-encoding"
    assert "gzip, deflate, br, zstd" in error.message


def test_more_codings_than_anybody_needs_are_415() -> None:
    assert _refused(b"abc", b"gzip," * 5).reason is Reason.UNSUPPORTED_CONTENT_ENCODING


@pytest.mark.parametrize("name", CODINGS)
def test_what_is_cut_or_not_of_its_coding_or_goes_on_is_400(name: str) -> None:
    coding, code = CODINGS[name]
    whole = code(b'{"model":"gpt-4o","input":"something"}')
    wrong = {
        "is cut": whole[:-1],
        "is not that": b"\xff\xfe\xfd nothing of the kind" * 3,
        "is not that;|goes on after": whole + b"\x00junk",
    }
    for why, body in wrong.items():
        error = _refused(body, coding)
        assert (error.reason, error.outcome.http, error.field) == (Reason.INVALID_ARGUMENT, 400, "body")
        assert coding.decode() in error.message
        assert any(part in error.message for part in why.split("|"))


@pytest.mark.parametrize("said", [b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip"])
def test_no_beginning_of_a_coded_body_passes_for_the_whole(said: bytes) -> None:
    coded = b'{"model":"gpt-4o"}'
    for name in said.decode().split(", "):
        coded = CODINGS[name][1](coded)

    for size in range(1, len(coded)):
        assert _refused(coded[:size], said).reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize("name", CODINGS)
def test_what_unpacks_beyond_the_limit_is_413_in_bounded_memory(name: str) -> None:
    coding, code = CODINGS[name]
    bomb = code(bytes(8 * MIB))
    tracemalloc.start()
    try:
        error = _refused(bomb, coding)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (error.reason, error.outcome.http) == (Reason.BODY_TOO_LARGE, 413)
    assert "decoded" in error.message
    assert peak < 4 * MIB


def test_a_bomb_within_a_coding_is_413() -> None:
    assert (
        _refused(gzip.compress(gzip.compress(bytes(8 * MIB))), b"gzip, gzip").reason is Reason.BODY_TOO_LARGE
    )


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize(("size", "passes"), [(300_000, True), (300_001, False)])
def test_the_limit_is_exact(name: str, size: int, passes: bool) -> None:
    coding, code = CODINGS[name]
    body = bytes(size)

    if passes:
        assert _decode(code(body), coding, limit=300_000) == body
    else:
        assert _refused(code(body), coding, limit=300_000).reason is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_pieces_that_stand_for_nothing_come_to_an_end(name: str) -> None:
    said, code = CODINGS[name]
    nothing = code(b"")

    assert _decode(nothing * 1000, said) == b""
    assert "too many pieces" in _refused(nothing * 25_000, said, limit=64 * MIB).message


@pytest.mark.parametrize(
    ("coded", "aside"),
    [
        (zlib.compress(b"x" * 1000), False),
        (zlib.compress(bytes(600_000)), True),
        (zlib.compress(bytes(300_000), 0), True),
        (gzip.compress(b"x") * 200, True),
    ],
    ids=["small", "a small one of a large body", "large", "many pieces"],
)
def test_what_is_large_is_decoded_beside_the_event_loop(
    coded: bytes, aside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo, ran_aside = module._undo, []

    def undo_and_tell(body: bytes, coding: bytes, limit: int, parts: int) -> bytes | None:
        plain = undo(body, coding, limit, parts)
        if plain is not None:
            ran_aside.append(threading.current_thread() is not threading.main_thread())
        return plain

    monkeypatch.setattr(module, "_undo", undo_and_tell)

    gzipped = coded.startswith(b"\x1f")
    plain = gzip.decompress(coded) if gzipped else zlib.decompress(coded)

    assert _decode(coded, b"gzip" if gzipped else b"deflate") == plain
    assert ran_aside == [aside]
