"""OpenAI's API, which most providers speak."""

import re
from collections.abc import Sequence

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.providers.dialect import Dialect, Document, ListedModel, Surface, write_event
from tollkeeper_server.providers.estimate import chat_text_bytes, completion_text_bytes, delta_bytes

_DONE = re.compile(rb"\ndata:\s*\[DONE\]")
_RESPONSE_ENDS = re.compile(rb'"type"\s*:\s*"(?:response\.(?:completed|incomplete|failed|cancelled)|error)"')
_IMAGE_ENDS = re.compile(rb'"type"\s*:\s*"image_(?:generation|edit)\.completed"|\ndata:\s*\[DONE\]')
_TRANSCRIPT_ENDS = re.compile(rb'"type"\s*:\s*"transcript\.text\.done"|\ndata:\s*\[DONE\]')
_SPEECH_ENDS = re.compile(rb'"type"\s*:\s*"speech\.audio\.done"|\ndata:\s*\[DONE\]')
_IMAGE_COMPLETED = re.compile(rb'"type"\s*:\s*"image_(?:generation|edit)\.completed"')


def _error(error: TollkeeperError, _request_id: str = "") -> Document:
    return {
        "error": {
            "message": error.message,
            "type": str(error.outcome.openai_type),
            "param": error.field,
            "code": str(error.reason),
        }
    }


def _error_event(error: TollkeeperError) -> bytes:
    return write_event(_error(error))


def _responses_error_event(error: TollkeeperError) -> bytes:
    data: Document = {"type": "error", "code": str(error.reason), "message": error.message}
    return write_event(data | {"param": None, "sequence_number": 0}, "error")


def _model(model: ListedModel) -> Document:
    return {
        "id": model.name,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": model.owner,
        "capabilities": sorted(model.capabilities),
        "proxied_by": "tollkeeper",
    }


def _models(models: Sequence[ListedModel]) -> Document:
    return {"object": "list", "data": [_model(model) for model in models]}


SURFACE = Surface(_error, _model, _models)

CHAT = Dialect(
    SURFACE, _error_event, usage_if_asked=True, has_prompt=True, text_bytes=chat_text_bytes, end=_DONE
)
COMPLETIONS = Dialect(
    SURFACE, _error_event, usage_if_asked=True, has_prompt=True, text_bytes=completion_text_bytes, end=_DONE
)
RESPONSES = Dialect(
    SURFACE,
    _responses_error_event,
    has_prompt=True,
    text_bytes=delta_bytes,
    end=_RESPONSE_ENDS,
    searches=True,
)
EMBEDDINGS = Dialect(SURFACE, _error_event, has_prompt=True, completes=False)
IMAGES = Dialect(SURFACE, _error_event, image=_IMAGE_COMPLETED, end=_IMAGE_ENDS)
TRANSCRIPTION = Dialect(SURFACE, _error_event, end=_TRANSCRIPT_ENDS, hears=True)
SPEECH = Dialect(SURFACE, _error_event, whole_is_json=False, end=_SPEECH_ENDS, speaks=True)
"""A whole answer is sound."""
UNMETERED = CHAT.unmetered()
OTHER = Dialect(SURFACE, _error_event, completes=False)
"""Endpoints that are not known, such as rerank: usage is read where it is said, and not estimated."""
OCR = Dialect(SURFACE, _error_event, completes=False, pages=True)
"""Mistral's reading of documents."""
OTHER_TEXT = Dialect(SURFACE, _error_event)
"""The same below endpoints whose answers are made of tokens, such as `/responses/compact`."""
RESPONSES_AGAIN = Dialect(
    SURFACE, _responses_error_event, is_metered=False, whole_is_json=False, end=_RESPONSE_ENDS
)
"""A response that is read again."""
RESPONSES_END = Dialect(
    SURFACE, _responses_error_event, text_bytes=delta_bytes, end=_RESPONSE_ENDS, searches=True
)
"""A response that is made in the background, when its end is read."""
