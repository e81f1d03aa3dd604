"""The models that the simulator lists. It answers for every other name, too, except `MISSING_MODEL`."""

from tollkeeper_server.simulator import anthropic
from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.reply import Json, Reply, as_json

MODELS = (
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-3.5-turbo-instruct",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-tts",
    "gpt-image-1",
    "dall-e-3",
    "omni-moderation-latest",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "tts-1",
    "whisper-1",
)
_CREATED = 1_715_367_049


def list_all(call: ApiCall) -> Reply:
    """Answer GET /models."""
    if call.request.header(b"anthropic-version"):
        return anthropic.list_models(call)
    return as_json({"object": "list", "data": [_model(name) for name in MODELS]})


def retrieve(call: ApiCall) -> Reply:
    """Answer GET /models/{id}."""
    if call.request.header(b"anthropic-version"):
        return anthropic.retrieve_model(call)
    return as_json(_model(call.model(call.params[0])))


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "tollkeeper-simulator"}
