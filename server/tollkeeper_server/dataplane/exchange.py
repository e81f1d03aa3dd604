"""One request on its way through the data plane."""

import time
from datetime import UTC, datetime
from functools import partial

from msgspec import UNSET, Struct, UnsetType, field, structs

from tollkeeper_server.dataplane.budget.holding import Holding
from tollkeeper_server.dataplane.caller import EXTENSION, LISTENER, Caller, Message, Receive, Send
from tollkeeper_server.dataplane.fair_turns import FairTurns
from tollkeeper_server.dataplane.request.endpoint import UNKNOWN, Endpoint
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.room import COUNTED_BYTES, BodyRoom
from tollkeeper_server.domain.ids import Prefix, is_request_id, new_id
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.listener import CONSOLE, Rule
from tollkeeper_server.domain.usage import (
    MOST_ATTEMPTS,
    Admission,
    Confidence,
    Intent,
    TokenCounts,
    UsageAttempt,
    UsageEvent,
)
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.prices.bill import cost_of
from tollkeeper_server.providers.dialect import Surface
from tollkeeper_server.providers.dialects import anthropic
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.snapshot.prices import price_of

UNKNOWN_BYTES = 1 << 62
"""`declared_bytes` of a body whose length was not said."""

_MAX_LENGTH_DIGITS = 18
_NO_IDS: frozenset[str] = frozenset()
_NO_TOKENS = TokenCounts()
_READING = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


class Exchange(Struct, eq=False):
    """A request as it came in, and the record of it. How it is served stands in its `Plan`.

    The record fills while the request is served: `token_id` and `project_id` are empty until the caller is
    known, `endpoint` is UNKNOWN until the path is. `route_name` is the configured name of the model that
    serves, empty if none does. `status` is the answer's, 0 until it begins; `finished` says that its end was
    sent. `upstream_model` is the name by which the upstream called last serves, empty if it is the one asked
    for. `made_in_background` is the id of the response that an upstream goes on to make, empty if there is
    none. `unknown_ids` are those that the request names, and nobody is known to have. `not_own` is the error
    for what the path names below an own thing, and nobody is known to have: None if there is nothing. `room`
    is where the body is counted, if anywhere, `held_bytes` how much of it, and `kept_bytes` how much of that
    is the answer's; `turns` are those that it takes with others. `body_error` is the failure that ended a
    body that was being streamed upstream. `attempts` are the first calls of upstreams, `group` is the group
    that serves, empty if a model's own deployments do, `rule` the rule that matched. `holding` is what it
    holds of meters, None if nothing limits it. With `tells_cost` the answer says what it costs if that is
    known in time; then `tokens` are counted before it begins, and `cost` is what they cost, in nano-dollars:
    None if that is not known. `begun` is the upstream and the model of which the journal knows, `was_sent`
    whether an upstream may have got something of it. `is_drained` says that its caller has left, and that its
    answer is read on to be counted. Times are nanoseconds of the performance counter.
    """

    scope: Message
    receive: Receive
    send: Send
    snapshot: Snapshot
    limits: Limits
    began: int = field(default_factory=time.perf_counter_ns)
    started_at: datetime = field(default_factory=partial(datetime.now, UTC))
    caller: Caller | None = None
    method: str = ""
    listener: str = ""
    headers: dict[bytes, bytes] = {}
    declared_bytes: int = 0
    body_read: bool = False
    body_error: Exception | None = None
    event_id: str = field(default_factory=partial(new_id, Prefix.REQUEST))
    request_id: str = ""
    token_id: str = ""
    project_id: str = ""
    endpoint: Endpoint = UNKNOWN
    model_asked: str = ""
    model_served: str = ""
    route_name: str = ""
    upstream: str = ""
    upstream_model: str = ""
    status: int = 0
    error_code: str = ""
    streamed: bool = False
    tokens: TokenCounts = _NO_TOKENS
    first_byte: int = 0
    finished: bool = False
    made_in_background: str = ""
    unknown_ids: frozenset[str] = _NO_IDS
    not_own: TollkeeperError | None = None
    room: BodyRoom | None = None
    turns: FairTurns | None = None
    held_bytes: int = 0
    kept_bytes: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    admission: Admission = Admission.NONE
    attempts: tuple[UsageAttempt, ...] = ()
    group: str = ""
    rule: Rule | None = None
    holding: "Holding[Exchange] | None" = None
    tells_cost: bool = False
    cost: int | UnsetType | None = UNSET
    begun: tuple[str, str] = ("", "")
    was_sent: bool = False
    is_drained: bool = False

    def __post_init__(self) -> None:
        """Read from the scope what the others don't say."""
        scope = self.scope
        extensions = scope.get("extensions")
        if extensions:
            self.caller = extensions.get(EXTENSION)
        self.method = method = scope["method"]
        self.listener = scope.get(LISTENER, CONSOLE)
        received = scope["headers"]
        headers = dict(received)
        if len(headers) != len(received):
            headers = dict(reversed(received))  # the first of a name counts
        self.headers = headers
        self.declared_bytes = declared = _declared_bytes(headers, scope["http_version"], method)
        self.body_read = declared == 0
        self.request_id = self.event_id
        if b"x-request-id" in headers:
            offered = headers[b"x-request-id"].decode("latin-1")
            if offered and is_request_id(offered):
                self.request_id = offered

    def __repr__(self) -> str:
        """Return which request it is: what its caller has sent would show a secret."""
        return f"<{type(self).__name__} {self.event_id}>"

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

    def note_attempt(self, upstream: str, began: float, status: int, error_code: str = "") -> None:
        """Record a call of an upstream that began at a time of the monotonic clock, if there is room."""
        attempts = self.attempts
        if len(attempts) < MOST_ATTEMPTS:
            passed = (time.monotonic() - began) * 1000
            after = (time.perf_counter_ns() - self.began) / 1e6 - passed
            made = UsageAttempt(upstream, status, error_code, int(passed), max(int(after), 0))
            self.attempts = (*attempts, made)

    def hold_kept(self, size: int) -> bool:
        """Count so many bytes that are kept of the answer; return False if there is no room for them."""
        more = size - self.kept_bytes
        if size <= COUNTED_BYTES or more <= 0 or self.room is None:
            return True
        if not self.room.has(self.token_id, more):
            return False
        self.room.take(self.token_id, more)
        self.kept_bytes = size
        self.held_bytes += more
        return True

    def intent(self) -> Intent:
        """Return the record of an admitted request that no upstream was called for yet."""
        intent = Intent(
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
            listener=self.listener,
            group=self.group,
            holds=self.holding.holds() if self.holding is not None else (),
        )
        # Python makes a call of more than 15 names by way of a dict.
        return intent if self.rule is None else structs.replace(intent, rule=self.rule.words)

    def find_cost(self) -> int | None:
        """Return what the request cost in nano-dollars, None if that is not known."""
        tokens = self.tokens
        if tokens.confidence is Confidence.NONE and not tokens.has_measures:
            # What no upstream was asked for is free, and so are its errors, and what is only looked at.
            is_free = self.endpoint.is_free or self.method in _READING
            return 0 if is_free or not self.upstream or self.status >= 400 else None
        if tokens.confidence is Confidence.PENDING:
            return None
        price = price_of(
            self.snapshot,
            self.route_name,
            self.upstream,
            self.upstream_model or self.model_served,
            self.started_at,
        )
        return None if price is None else cost_of(price, tokens, self.started_at)

    def event(self, charges: tuple[Charge, ...] = ()) -> UsageEvent:
        """Return the record as it stands, with what is charged to budgets."""
        event = UsageEvent(
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
            tokens=self.tokens,
            cost_nano_dollars=self.find_cost() if self.cost is UNSET else self.cost,
            started_at=self.started_at,
            request_bytes=self.request_bytes,
            response_bytes=self.response_bytes,
        )
        return structs.replace(  # see `intent`: two calls take half as long as one
            event,
            streamed=self.streamed,
            first_byte_us=(self.first_byte - self.began) // 1000 if self.first_byte else 0,
            duration_us=(time.perf_counter_ns() - self.began) // 1000 if self.status else 0,
            admission=self.admission,
            attempts=self.attempts,
            listener=self.listener,
            group=self.group,
            rule=self.rule.words if self.rule is not None else "",
            charges=charges,
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
