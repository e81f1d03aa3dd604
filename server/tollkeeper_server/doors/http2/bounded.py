"""h2 within bounds that it does not have itself."""

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event, StreamReset
from h2.exceptions import InvalidBodyLengthError
from hyperframe.frame import DataFrame, Frame

# What h2 remembers of streams that have ended; it would remember 65,536.
_ENDED_STREAMS = 500


class BoundedH2(H2Connection):
    """h2's connection, but for faults of one stream for which h2 would end the connection.

    Streams beyond the limit are reset, and so are those whose body has not the length that it was to have.
    That is no fault of the others (RFC 9113, 8.1.1): curl ends a request so if it is refused before all of it
    is sent.
    """

    MAX_CLOSED_STREAMS = _ENDED_STREAMS

    def __init__(self) -> None:
        super().__init__(H2Configuration(client_side=False, header_encoding=None))

    @property
    def open_inbound_streams(self) -> int:
        """Return 0, after h2 has put away the streams that have ended."""
        _ = super().open_inbound_streams
        return 0

    def _receive_frame(self, frame: Frame) -> list[Event]:
        try:
            return super()._receive_frame(frame)
        except InvalidBodyLengthError:
            number = frame.stream_id
            self.reset_stream(number, ErrorCodes.PROTOCOL_ERROR)
            if isinstance(frame, DataFrame):
                self.acknowledge_received_data(frame.flow_controlled_length, number)
            return [StreamReset(stream_id=number, error_code=ErrorCodes.PROTOCOL_ERROR, remote_reset=False)]
