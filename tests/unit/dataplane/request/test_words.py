"""A word is found in a body wherever it stands, with or without the C library's help."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request import words

PIECES = st.lists(st.sampled_from([b"file", b"_", b"id", b"\0", b'"', b"\\u00", b"x" * 1500]), max_size=12)


@pytest.mark.parametrize("by_library", [True, False])
@given(pieces=PIECES, word=st.sampled_from([b"file_id", b"\\u00", b'"\0']))
def test_it_is_found_where_it_is(by_library: bool, pieces: list[bytes], word: bytes) -> None:
    body = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        if not by_library:
            patch.setattr(words, "_memmem", None)
        assert words.has_word(body, word) is (word in body)
