"""What goes up has one reading: no request hides in another, whatever its head says of where it ends."""

import json
import re

import pytest

from tests.integration.process import Gateway, Simulator
from tests.integration.wire import Wire

BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}).encode()
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
HIDDEN = b"POST /v1/hidden HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
LENGTH, CODING, HOST = b"Content-Length", b"Transfer-Encoding", b"Host: gateway"
FULL = b"%d" % len(BODY)

# Lines in place of those that frame the body, and the body; what follows hides another request.
FRAMINGS: dict[str, tuple[list[bytes], bytes]] = {
    "both, the length first": ([LENGTH + b": " + FULL, CODING + b": chunked"], CHUNKED),
    "both, the coding first": ([CODING + b": chunked", LENGTH + b": 5"], CHUNKED),
    "two lengths": ([LENGTH + b": " + FULL, LENGTH + b": 0"], BODY),
    "two equal lengths": ([LENGTH + b": " + FULL] * 2, BODY),
    "a list of lengths": ([LENGTH + b": " + FULL + b", " + FULL], BODY),
    "a length with a plus": ([LENGTH + b": +" + FULL], BODY),
    "a length with a blank behind": ([LENGTH + b": " + FULL + b" "], BODY),
    "a length with a tab behind": ([LENGTH + b": " + FULL + b"\t"], BODY),
    "a length with a form feed": ([LENGTH + b": \x0c" + FULL], BODY),
    "a length with a NUL": ([LENGTH + b": " + FULL + b"\0"], BODY),
    "a length with a blank before the colon": ([LENGTH + b" : " + FULL], BODY),
    "a length with an underscore for a hyphen": ([b"Content_Length: 0", LENGTH + b": " + FULL], BODY),
    "a folded length": ([LENGTH + b":", b" " + FULL], BODY),
    "a length behind a fold": ([b"A: b", b" " + LENGTH + b": 0", LENGTH + b": " + FULL], BODY),
    "a length behind LF": ([b"A: b\n" + LENGTH + b": " + FULL], BODY),
    "a length behind CR": ([b"A: b\r" + LENGTH + b": " + FULL], BODY),
    "a coding behind LF": ([LENGTH + b": " + FULL, b"A: b\n" + CODING + b": chunked"], CHUNKED),
    "a negative length": ([LENGTH + b": -1"], BODY),
    "a length in hex": ([LENGTH + b": 0x4c"], BODY),
    "a coding with a tab": ([CODING + b":\tchunked"], CHUNKED),
    "a coding with a vertical tab": ([CODING + b": \x0bchunked", LENGTH + b": " + FULL], BODY),
    "a coding with a blank before the colon": ([CODING + b" : chunked", LENGTH + b": " + FULL], BODY),
    "a coding in a list": ([CODING + b": identity, chunked"], CHUNKED),
    "a coding with gzip": ([CODING + b": gzip, chunked"], CHUNKED),
    "a coding twice": ([CODING + b": chunked", CODING + b": chunked"], CHUNKED),
    "a coding and another": ([CODING + b": chunked", CODING + b": identity"], CHUNKED),
    "a coding with a letter more": ([CODING + b": xchunked", LENGTH + b": " + FULL], BODY),
    "a coding in quotes": ([CODING + b': "chunked"', LENGTH + b": " + FULL], BODY),
    "a coding that is empty": ([CODING + b":", LENGTH + b": " + FULL], BODY),
    "a coding with an underscore": ([b"Transfer_Encoding: chunked", LENGTH + b": " + FULL], BODY),
    "a chunk with a blank": ([CODING + b": chunked"], CHUNKED.replace(b"\r\n{", b" \r\n{")),
    "a chunk with an extension of LF": ([CODING + b": chunked"], CHUNKED.replace(b"\r\n{", b";a\nb\r\n{")),
    "a chunk with LF": ([CODING + b": chunked"], CHUNKED.replace(b"\r\n{", b"\n{")),
    "a chunk too short": ([CODING + b": chunked"], CHUNKED.replace(b"}\r\n0", b"}0")),
    "a chunk with 0x": ([CODING + b": chunked"], b"0x" + CHUNKED),
    "a chunk's size beyond 64 bits": ([CODING + b": chunked"], b"10000000000000000" + CHUNKED),
    "a trailer that frames": ([CODING + b": chunked"], CHUNKED[:-2] + LENGTH + b": 0\r\n\r\n"),
    "no framing": ([], b""),
    "two hosts": ([b"Host: other", LENGTH + b": " + FULL], BODY),
    "an upgrade": ([b"Connection: Upgrade", b"Upgrade: h2c", LENGTH + b": " + FULL], BODY),
    "a length that Connection drops": ([b"Connection: content-length", LENGTH + b": " + FULL], BODY),
    "a coding that Connection drops": ([b"Connection: transfer-encoding", CODING + b": chunked"], CHUNKED),
    "an expectation": ([b"Expect: 100-continue", LENGTH + b": " + FULL], BODY),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMINGS)
def test_no_request_hides_in_another(gateway: Gateway, token: str, simulator: Simulator, name: str) -> None:
    lines, body = FRAMINGS[name]
    head = [b"POST /v1/chat/completions HTTP/1.1", HOST, b"Authorization: Bearer " + token.encode()]
    head += [b"Content-Type: application/json", *lines]
    simulator.clear()
    with Wire(gateway.data) as wire:
        wire.send(b"\r\n".join(head) + b"\r\n\r\n" + body + HIDDEN)
        answers = wire.rest()
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
    received = [(it.method, it.path, it.body_bytes) for it in simulator.requests()]
    served = [("POST", "/v1/chat/completions", len(BODY))]
    # Who hides a request has it read as his own next one, without a token, or the connection ends before it.
    final = [status for status in statuses if status != 100]
    assert (final, received) in (
        ([400], []),
        ([400, 401], []),
        ([200, 401], served),
    ), answers
    assert answers.lower().count(b"connection: close") == 1
