"""The settings of a simulator, which hold for every request."""

from msgspec import Struct


class SimulatorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The behaviour of one simulator; a request may ask for more with `x-simulate` (faults.py).

    `latency_ms` is the wait before the first byte, `token_interval_ms` the wait between events of a stream.
    `error_rate` is the share (0 to 1) of requests answered with `error_status`; `cut_rate` is the share of
    streams that break off midway; `seed` decides which ones. `rate_limit_per_minute` 0 is unlimited. An
    empty `api_key` accepts any caller. `reply_words` is the length of an answer, `recorded_requests` the
    number of last requests that are remembered. Raises `ValueError` naming the field that is out of range.
    """

    latency_ms: float = 0.0
    token_interval_ms: float = 0.0
    error_rate: float = 0.0
    error_status: int = 500
    cut_rate: float = 0.0
    rate_limit_per_minute: int = 0
    seed: int = 0
    api_key: str = ""
    reply_words: int = 24
    recorded_requests: int = 1000

    def __post_init__(self) -> None:
        """Refuse values that are out of range."""
        for name in ("error_rate", "cut_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1")
        for name in ("latency_ms", "token_interval_ms", "rate_limit_per_minute", "reply_words"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if not 400 <= self.error_status <= 599:
            raise ValueError("error_status must be an HTTP status from 400 to 599")
        if self.recorded_requests < 1:
            raise ValueError("recorded_requests must be 1 or more")
