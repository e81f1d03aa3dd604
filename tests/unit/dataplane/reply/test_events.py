"""Single events of a stream, cleared of the usage that nobody asked for."""

import pytest
from tollkeeper_server.dataplane.reply.events import without_usage

USAGE = b'data: {"choices":[{"delta":{"content":"x"}}],%bdata: "usage":%bdata: {"prompt_tokens":3}}'


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b""), (b"id: 1\r\n", b""), (b"", b"\rretry: 5"), (b"id: 1\n: a\r", b"\r\nretry: 5\n: b")],
)
def test_lines_that_are_not_the_data_keep_their_ends(line: bytes, before: bytes, after: bytes) -> None:
    event = before + USAGE % (line, line) + after
    shown = without_usage(event + b"\n\n", lambda _: False)

    assert b"usage" not in shown
    assert shown.startswith(before + b'data: {"choices":[{"delta":{"content":"x"}}]')
    assert shown.endswith(b"}" + after + b"\n\n")
    assert len(shown) < len(event)
