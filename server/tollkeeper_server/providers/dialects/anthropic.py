"""Anthropic's messages (https://docs.anthropic.com/en/api)."""

import re
from collections.abc import Sequence

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.providers.anthropic import VERSION_HEADER
from tollkeeper_server.providers.dialect import Dialect, Document, ListedModel, Surface, write_event
from tollkeeper_server.providers.estimate import text_bytes

_MESSAGE_ENDS = re.compile(rb'"type"\s*:\s*"(?:message_stop|error)"')
# https://docs.anthropic.com/en/api/errors
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def _error_object(error: TollkeeperError) -> Document:
    status = error.outcome.http
    default = "api_error" if status >= 500 else "invalid_request_error"
    return {"type": _TYPES.get(status, default), "message": error.message}


def _error(error: TollkeeperError, request_id: str) -> Document:
    return {"type": "error", "error": _error_object(error), "request_id": request_id}


def _error_event(error: TollkeeperError) -> bytes:
    return write_event({"type": "error", "error": _error_object(error)}, "error")


def _model(model: ListedModel) -> Document:
    return {"type": "model", "id": model.name, "display_name": model.name, "created_at": model.created_at}


def _models(models: Sequence[ListedModel]) -> Document:
    return {
        "data": [_model(model) for model in models],
        "has_more": False,
        "first_id": models[0].name if models else None,
        "last_id": models[-1].name if models else None,
    }


SURFACE = Surface(_error, _model, _models, VERSION_HEADER)

MESSAGES = Dialect(SURFACE, _error_event, has_prompt=True, text_bytes=text_bytes, end=_MESSAGE_ENDS)
UNMETERED = MESSAGES.unmetered()
OTHER_TEXT = Dialect(SURFACE, _error_event)
"""Endpoints that are not known: usage is read where it is said, and not estimated."""
