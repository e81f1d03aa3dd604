"""What a worker and the process that controls tell each other, over a stream of their own."""

import msgspec

from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.connect_failure import ConnectFailure
from tollkeeper_server.domain.status import JournalStatus, UpstreamStatus
from tollkeeper_server.telemetry.metrics import Gauges
from tollkeeper_server.telemetry.sums import Sums


class Pushed(msgspec.Struct, frozen=True, tag=True):
    """A change, which the worker puts into effect."""

    number: int
    change: Change


class Applied(msgspec.Struct, frozen=True, tag=True):
    """The change of that number is in effect."""

    number: int


class Asked(msgspec.Struct, frozen=True, tag=True):
    """The worker is to report at once."""

    number: int


class Report(msgspec.Struct, frozen=True, tag=True):
    """How a worker is, and all it has counted. `number` is that of the question, 0 if nobody asked."""

    number: int
    sums: Sums
    gauges: Gauges
    upstreams: tuple[UpstreamStatus, ...]
    journal: JournalStatus


class BreakerMoved(msgspec.Struct, frozen=True, tag=True):
    """The calls of one process have opened or closed the breaker of an upstream."""

    upstream: str
    is_open: bool


class Connecting(msgspec.Struct, frozen=True, tag=True):
    """A process could not connect to an upstream, or can again: then the failure is over."""

    upstream: str
    failure: ConnectFailure


class Taken(msgspec.Struct, frozen=True, tag=True):
    """The requests of addresses that a process has admitted at a listener since it last told."""

    listener: str
    counts: dict[str, int]


Hint = BreakerMoved | Connecting | Taken
ToWorker = Pushed | Asked | Hint
FromWorker = Applied | Report | Hint

encode = msgspec.msgpack.Encoder().encode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode
