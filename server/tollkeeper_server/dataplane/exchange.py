"""One request on its way through the data plane."""

import time
from datetime import UTC, datetime

from tollkeeper_server.dataplane.caller import EXTENSION, LISTENER, Caller, Message, Receive, Send
from tollkeeper_server.dataplane.request.endpoint import UNKNOWN, Endpoint
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.domain.ids import Prefix, is_request_id, new_id
from tollkeeper_server.domain.listener import CONSOLE
from tollkeeper_server.domain.usage import Admission, Intent, TokenCounts, UsageEvent
from tollkeeper_server.providers.dialect import Surface
from tollkeeper_server.providers.dialects import anthropic
from tollkeeper_server.snapshot.model import Snapshot

UNKNOWN_BYTES = 1 << 62
"""`declared_bytes` of a body whose length was not said."""

_MAX_LENGTH_DIGITS = 18
_NO_TOKENS = TokenCounts()


class Exchange:
    """A request as it came in, and the record of it. How it is served stands in its `Plan`.

    The record fills while the request is served: `token_id` and `project_id` are empty until the caller is
    known, `endpoint` is UNKNOWN until the path is. `route_name` is the configured name of the model that
    serves, empty if none does. `status` is the answer's, 0 until it begins; `finished` says that its end was
    sent. `made_in_background` is the id of the response that an upstream goes on to make, empty if there is
    none. `body_error` is the failure that ended a body that was being streamed upstream. Times are
    nanoseconds of the performance counter.
    """

    __slots__ = (
        "admission",
        "began",
        "body_error",
        "body_read",
        "caller",
        "declared_bytes",
        "endpoint",
        "error_code",
        "event_id",
        "finished",
        "first_byte",
        "headers",
        "limits",
        "listener",
        "made_in_background",
        "method",
        "model_asked",
        "model_served",
        "project_id",
        "receive",
        "request_bytes",
        "request_id",
        "response_bytes",
        "route_name",
        "scope",
        "send",
        "snapshot",
        "started_at",
        "status",
        "streamed",
        "token_id",
        "tokens",
        "upstream",
    )

    def __init__(
        self, scope: Message, receive: Receive, send: Send, snapshot: Snapshot, limits: Limits
    ) -> None:
        self.began = time.perf_counter_ns()
        self.started_at = datetime.now(UTC)
        self.scope = scope
        self.receive = receive
        self.send = send
        self.snapshot = snapshot
        self.limits = limits
        extensions = scope.get("extensions")
        self.caller: Caller | None = extensions.get(EXTENSION) if extensions else None
        self.method: str = scope["method"]
        self.listener: str = scope.get(LISTENER, CONSOLE)
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # the first of a name counts
        self.headers = headers
        self.declared_bytes = _declared_bytes(headers, scope["http_version"], self.method)
        self.body_read = self.declared_bytes == 0
        self.body_error: Exception | None = None
        self.event_id = new_id(Prefix.REQUEST)
        offered = headers.get(b"x-request-id", b"").decode("latin-1")
        self.request_id = offered if offered and is_request_id(offered) else self.event_id
        self.token_id = ""
        self.project_id = ""
        self.endpoint: Endpoint = UNKNOWN
        self.model_asked = ""
        self.model_served = ""
        self.route_name = ""
        self.upstream = ""
        self.status = 0
        self.error_code = ""
        self.streamed = False
        self.tokens = _NO_TOKENS
        self.first_byte = 0
        self.finished = False
        self.made_in_background = ""
        self.request_bytes = 0
        self.response_bytes = 0
        self.admission = Admission.NONE

    @property
    def chose_id(self) -> bool:
        """Return whether the caller sent the request's id."""
        return self.request_id != self.event_id

    @property
    def surface(self) -> Surface:
        """The API whose clients the caller uses: it decides how errors and listings look."""
        if anthropic.SURFACE.marker in self.headers:
            return anthropic.SURFACE
        return self.endpoint.dialect.surface

    def intent(self) -> Intent:
        """Return the record of an admitted request that no upstream was called for yet."""
        return Intent(
            id=self.event_id,
            request_id=self.request_id,
            project_id=self.project_id,
            token_id=self.token_id,
            model_asked=self.model_asked,
            model_served=self.model_served,
            upstream=self.upstream,
            endpoint=self.endpoint.name,
            started_at=self.started_at,
            request_bytes=self.request_bytes,
            has_prompt=self.endpoint.dialect.has_prompt,
            admission=self.admission,
        )

    def event(self) -> UsageEvent:
        """Return the record as it stands."""
        return UsageEvent(
            id=self.event_id,
            request_id=self.request_id,
            project_id=self.project_id,
            token_id=self.token_id,
            model_asked=self.model_asked,
            model_served=self.model_served,
            upstream=self.upstream,
            endpoint=self.endpoint.name,
            status=self.status,
            error_code=self.error_code,
            streamed=self.streamed,
            tokens=self.tokens,
            started_at=self.started_at,
            first_byte_us=(self.first_byte - self.began) // 1000 if self.first_byte else 0,
            duration_us=(time.perf_counter_ns() - self.began) // 1000 if self.status else 0,
            request_bytes=self.request_bytes,
            response_bytes=self.response_bytes,
            admission=self.admission,
        )


def _declared_bytes(headers: dict[bytes, bytes], http_version: str, method: str) -> int:
    # HTTP/1.1 has a body only if one of the two headers is there (RFC 9112, 6.3). HTTP/2 may have
    # one without either; the methods that hardly ever have are taken to have none.
    length = headers.get(b"content-length")
    if length is not None:
        countable = length.isdigit() and len(length) <= _MAX_LENGTH_DIGITS
        return int(length) if countable else UNKNOWN_BYTES
    if http_version == "2":
        return 0 if method in {"GET", "HEAD", "OPTIONS"} else UNKNOWN_BYTES
    return UNKNOWN_BYTES if b"transfer-encoding" in headers else 0


class ClientGoneError(Exception):
    """The caller left before the end."""
