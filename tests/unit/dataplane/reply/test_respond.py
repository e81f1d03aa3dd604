"""Errors in the shape that the caller's SDK knows."""

import pytest
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.errors import Reason, TollkeeperError

from tests.unit.dataplane.exchanges import exchange

ERROR = TollkeeperError(Reason.MODEL_NOT_FOUND, 'no model "x"', field="model")


def _error_body(caller: Exchange) -> dict[str, object]:
    return caller.surface.error(ERROR, caller.request_id)


def test_openais_clients_get_openais_shape() -> None:
    assert _error_body(exchange()) == {
        "error": {
            "message": 'no model "x"',
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"])
def test_anthropics_clients_get_anthropics_shape(path: str) -> None:
    caller = exchange(path)

    assert _error_body(caller) == {
        "type": "error",
        "error": {"type": "not_found_error", "message": 'no model "x"'},
        "request_id": caller.request_id,
    }


def test_anthropics_clients_are_known_by_their_header_on_paths_that_are_shared() -> None:
    caller = exchange("/v1/models", "GET", [(b"anthropic-version", b"2023-06-01")])

    assert _error_body(caller)["type"] == "error"
