"""Where the results of Anthropic's batches are: at a URL of the upstream, which no token of ours opens.

Clients take it from the batch, and would present their token there. So it is made relative: they then ask
where they have asked for the batch, and what that has used is known here.
"""

import re

from tollkeeper_server.dataplane.aside import aside
from tollkeeper_server.dataplane.codings import is_coding
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.reply.decoding import decode_body
from tollkeeper_server.dataplane.reply.readahead import read_ahead
from tollkeeper_server.dataplane.transport import Incoming

_MAX_BYTES = 1 << 20
_URL = re.compile(
    rb'("results_url"\s*+:\s*+")https?:(?:\\?/){2}[^"\s]{1,512}?((?:\\?/)v1\\?/messages\\?/batches\\?/[^"\\/]{1,512}+'
    rb'\\?/results")'
)
# They are those of the answer as it came.
_GONE = frozenset(
    {b"content-digest", b"content-encoding", b"content-length", b"content-md5", b"digest", b"etag"}
)


def relative(document: bytes) -> bytes:
    """Return a batch, or a list of some, with the paths of their results in place of the URLs."""
    return _URL.sub(rb"\1\2", document)


async def with_own_results(incoming: Incoming) -> Incoming:
    """Return a good answer that tells of batches, with the paths of their results.

    One that is very large stays as it is. Raises `TransportError` if it breaks off.
    """
    answer = await read_ahead(incoming, _MAX_BYTES, lambda _: False)
    coding = content_coding(answer.headers)
    is_plain = coding == b"identity"
    if not answer.ended or not (is_plain or all(map(is_coding, coding.split(b",")))):
        return answer
    plain = answer.held if is_plain else decode_body(answer.held, coding, _MAX_BYTES)
    changed = await aside(len(plain), relative, plain)
    if changed != plain:
        answer.held = changed
        answer.headers = [
            *(header for header in answer.headers if header[0].lower() not in _GONE),
            (b"content-length", b"%d" % len(changed)),
        ]
    return answer
