"""Servers that shake hands first, and then refuse a client certificate by a page, as nginx does."""

import re

from tollkeeper_server.dataplane.transport import CutError, Outgoing
from tollkeeper_server.domain.connect_failure import ConnectReason
from tollkeeper_server.http1.client.answer import Answer
from tollkeeper_server.http1.client.failure import connect_error

STATUSES = frozenset({400, 495, 496})
"""Those of such pages. 495 and 496 are nginx's own, which it tells as 400 unless it is set up otherwise."""
_MOST = 4096
_PAGE = re.compile(
    rb"<html>\s*<head><title>\d{3} (No required SSL certificate was sent|The SSL certificate error)</title>"
    rb".*<hr><center>([^<]*)</center>",
    re.DOTALL,
)


async def check_certificate_accepted(answer: Answer, request: Outgoing) -> None:
    """Raise `ConnectError` if an answer over TLS, with one of the STATUSES, refuses the client certificate.

    Such an answer closes the connection, and its page is signed with the server's name. The server has
    processed nothing. Raises `CutError` if the request's body has streamed: it is used up.
    """
    headers = {name.lower(): value for name, value in answer.headers}
    server = headers.get(b"server", b"")
    length = headers.get(b"content-length", b"")
    if (
        not headers.get(b"content-type", b"").startswith(b"text/html")
        or headers.get(b"connection", b"").lower() != b"close"
        or not (length.isdigit() and int(length) <= _MOST)
    ):
        return
    page = _PAGE.match(await answer.beginning(_MOST))
    if page is None or page[2] != server:
        return
    answer.close()
    has_certificate = bool(request.dial.client_certificate)
    wanted, refused = ConnectReason.CLIENT_CERTIFICATE_WANTED, ConnectReason.CLIENT_CERTIFICATE_REFUSED
    detail = f'it answered with status {answer.status}, "{page[1].decode("ascii")}"'
    error = connect_error(refused if has_certificate else wanted, detail=detail)
    raise error if isinstance(request.body, bytes) else CutError(str(error), error.problem)
