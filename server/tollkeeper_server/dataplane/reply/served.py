"""The model that an answer names: it tells what served a request that named none."""

import msgspec
from msgspec import Struct

from tollkeeper_server.dataplane.reply.events import event_data, single_events
from tollkeeper_server.dataplane.reply.meter import StreamMeter
from tollkeeper_server.dataplane.request.peek import MAX_MODEL_LENGTH
from tollkeeper_server.providers.dialect import Dialect

# A stream names it in its first event, if at all.
_MAX_EVENTS = 8


class _Named(Struct):
    model: str | None = None


class _Answer(Struct):
    """An answer, or an event that has it in one of two members."""

    model: str | None = None
    response: _Named | None = None
    message: _Named | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_model(document: bytes) -> str:
    """Return the model that an answer or an event of one names; empty if it names none."""
    try:
        answer = _decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    inner = answer.response or answer.message
    name = answer.model or (inner.model if inner is not None else None) or ""
    return name if name.isprintable() and len(name) <= MAX_MODEL_LENGTH else ""


class NamingMeter(StreamMeter):
    """Meters a stream, and reads in its first events which model serves it; `model` is empty until then."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self.model = ""
        self._looked = 0

    def feed(self, piece: bytes) -> None:
        """Take the next whole events, as `StreamMeter` does."""
        if not self.model and self._looked < _MAX_EVENTS:
            for event in single_events(piece):
                self._looked += 1
                self.model = self.model or read_model(event_data(event))
        super().feed(piece)

    def feed_document(self, document: bytes) -> None:
        """Take what came instead of events, as `StreamMeter` does."""
        self.model = self.model or read_model(document)
        super().feed_document(document)
