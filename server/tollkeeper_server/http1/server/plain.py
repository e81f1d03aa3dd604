"""A caller that speaks plain HTTP where TLS is spoken."""

from tollkeeper_server.http1.server.connection import CallerConnection
from tollkeeper_server.http1.server.refusal import NOT_TLS


class PlainConnection(CallerConnection):
    """Tells the caller to use TLS, and nothing else."""

    __slots__ = ()

    def buffer_updated(self, size: int) -> None:  # noqa: ARG002 - whatever it is
        if not self._parser.is_stopped:
            self._queue.refuse(NOT_TLS)
