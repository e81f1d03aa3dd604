"""HTTP/1.1 on the data listener: uvicorn's protocol, but it stays HTTP/1.1 and refuses in JSON."""

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tollkeeper_server.dataplane.respond import error_object
from tollkeeper_server.errors import Reason, TollkeeperError

_NOT_HTTP = TollkeeperError(
    Reason.INVALID_ARGUMENT, "the request is not valid HTTP/1.1; check its first line, headers and framing"
)
_FRAMING = {b"content-length", b"transfer-encoding"}


class DataProtocol(HttpToolsProtocol):
    """HTTP/1.1 that stays HTTP/1.1.

    httptools stops before the body of a request that asks for another protocol, as every Java
    HttpClient does without TLS (uvicorn issue 2722). Such a request is read to its end by a parser of
    its own, which goes on with what follows.
    """

    _resuming = False

    def data_received(self, data: bytes) -> None:
        """Takes what has come."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._resume(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _resume(self, rest: bytes) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.cycle.more_body = True  # the parser that stopped took the request to be complete
        self._resuming = True
        framing = b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] in _FRAMING)
        self.data_received(b"POST / HTTP/1.1\r\n%s\r\n%s" % (framing, rest))

    def on_message_begin(self) -> None:
        """Begins a request, unless its head was read already."""
        if not self._resuming:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Takes a part of the target."""
        if not self._resuming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header."""
        if not self._resuming:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Starts to serve the request, unless it is being served already."""
        if not self._resuming:
            super().on_headers_complete()
        self._resuming = False

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says it in the shape clients know
        """Refuses what is not HTTP, and closes the connection."""
        body = msgspec.json.encode({"error": error_object(_NOT_HTTP)})
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)
        )
        self.transport.close()
