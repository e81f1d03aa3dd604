"""OpenAI's API, which most providers speak."""

import re
from collections.abc import Sequence

import msgspec

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.providers.dialect import Dialect, ListedModel, Surface, write_event
from tollkeeper_server.providers.estimate import chat_text_bytes, delta_bytes, text_bytes

_DONE = re.compile(rb"\ndata:\s*\[DONE\]")
_RESPONSE_ENDS = re.compile(rb'"type"\s*:\s*"(?:response\.(?:completed|incomplete|failed)|error)"')
_IMAGE_COMPLETED = re.compile(rb'"type"\s*:\s*"image_(?:generation|edit)\.completed"')


def error_object(error: TollkeeperError) -> dict[str, object]:
    """Return an error without its envelope."""
    return {
        "message": error.message,
        "type": str(error.outcome.openai_type),
        "param": error.field,
        "code": str(error.reason),
    }


def _error(error: TollkeeperError, _request_id: str) -> bytes:
    return msgspec.json.encode({"error": error_object(error)})


def _error_event(error: TollkeeperError) -> bytes:
    return write_event({"error": error_object(error)})


def _responses_error_event(error: TollkeeperError) -> bytes:
    return write_event(
        {
            "type": "error",
            "code": str(error.reason),
            "message": error.message,
            "param": None,
            "sequence_number": 0,
        },
        "error",
    )


def _entry(model: ListedModel) -> dict[str, object]:
    return {
        "id": model.name,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": model.owner,
        "capabilities": sorted(model.capabilities),
        "proxied_by": "tollkeeper",
    }


def _model(model: ListedModel) -> bytes:
    return msgspec.json.encode(_entry(model))


def _models(models: Sequence[ListedModel]) -> bytes:
    return msgspec.json.encode({"object": "list", "data": [_entry(model) for model in models]})


SURFACE = Surface(_error, _model, _models)

UNMETERED = Dialect(surface=SURFACE, error_event=_error_event, is_metered=False, whole_is_json=False)
"""Endpoints without usage, or with usage that is metered elsewhere."""

CHAT = Dialect(
    surface=SURFACE,
    error_event=_error_event,
    usage_if_asked=True,
    has_prompt=True,
    text_bytes=chat_text_bytes,
    end=_DONE,
)
COMPLETIONS = Dialect(
    surface=SURFACE,
    error_event=_error_event,
    usage_if_asked=True,
    has_prompt=True,
    text_bytes=text_bytes,
    end=_DONE,
)
RESPONSES = Dialect(
    surface=SURFACE,
    error_event=_responses_error_event,
    has_prompt=True,
    text_bytes=delta_bytes,
    end=_RESPONSE_ENDS,
)
EMBEDDINGS = Dialect(surface=SURFACE, error_event=_error_event, has_prompt=True)
IMAGES = Dialect(surface=SURFACE, error_event=_error_event, image=_IMAGE_COMPLETED)
TRANSCRIPTION = Dialect(surface=SURFACE, error_event=_error_event)
SPEECH = Dialect(surface=SURFACE, error_event=_error_event, whole_is_json=False)
"""A whole answer is sound."""
