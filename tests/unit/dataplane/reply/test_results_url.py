"""What a batch tells of its results leads through the gateway."""

import gzip
import json

import pytest
from tollkeeper_server.dataplane.reply.results_url import relative, with_own_results

from tests.unit.dataplane.upstream import Answer

PATH = "/v1/messages/batches/msgbatch_1/results"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (f"https://api.anthropic.com{PATH}", PATH),
        (f"http://127.0.0.1:8080/behind/a/proxy{PATH}", PATH),
        ("https://elsewhere.test/results", "https://elsewhere.test/results"),
        (PATH, PATH),
        (None, None),
    ],
)
def test_the_url_is_made_relative(told: str | None, shown: str | None) -> None:
    batch = {"id": "msgbatch_1", "results_url": told, "note": f"see https://api.anthropic.com{PATH}"}
    for document in (batch, {"data": [batch, batch], "has_more": False}):
        written = json.dumps(document).encode()
        expected = json.dumps(document).replace(json.dumps(told), json.dumps(shown)) if told else written
        assert json.loads(relative(written)) == json.loads(expected)
    escaped = json.dumps(batch).replace("/", "\\/").encode()
    assert json.loads(relative(escaped))["results_url"] == shown


@pytest.mark.parametrize("coded", [False, True])
async def test_what_describes_the_answer_as_it_came_goes(coded: bool) -> None:
    written = json.dumps({"results_url": f"https://api.anthropic.com{PATH}"}).encode()
    body = gzip.compress(written) if coded else written
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"etag", b"x"),
    ]
    if coded:
        headers.append((b"content-encoding", b"gzip"))
    answer = await with_own_results(Answer([body[:9], body[9:]], headers=headers))
    passed = answer.whole_body()
    assert passed is not None
    assert json.loads(passed) == {"results_url": PATH}
    assert dict(answer.headers) == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(passed),
    }


@pytest.mark.parametrize(
    "body", [b'{"id":"msgbatch_1","results_url":null}', b'{"results_url":' + b" " * (2 << 20)]
)
async def test_what_tells_none_or_is_very_large_passes_as_it_is(body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body)), (b"etag", b"x")]
    answer = await with_own_results(Answer([body], headers=headers))
    assert (b"".join([chunk async for chunk in answer.chunks()]), answer.headers) == (body, headers)
