"""The configuration."""

import msgspec
import pytest
from tollkeeper_server.simulator import SimulatorConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("error_rate", 1.1),
        ("cut_rate", -0.1),
        ("latency_ms", -1),
        ("token_interval_ms", -1),
        ("rate_limit_per_minute", -1),
        ("reply_words", -1),
        ("error_status", 200),
        ("recorded_requests", 0),
    ],
)
def test_what_is_out_of_range_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        msgspec.convert({field: value}, SimulatorConfig)
    with pytest.raises(ValueError, match=field):
        SimulatorConfig(**{field: value})  # type: ignore[arg-type] # a wrong value is the point
