"""Moderations: only a text that contains "violence" is flagged."""

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.chat import Part
from tollkeeper_server.simulator.reply import Json, Reply, as_json

_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class ModerationRequest(Struct, frozen=True):
    """The fields of a request's body that the answer depends on."""

    input: str | list[str | Part]
    model: str = "omni-moderation-latest"


_decoder = msgspec.json.Decoder(ModerationRequest)


def moderate(call: ApiCall) -> Reply:
    """Answer POST /moderations."""
    body = call.decode(_decoder)
    model = call.model(body.model)
    inputs = [body.input] if isinstance(body.input, str) else body.input
    texts = [item if isinstance(item, str) else item.text for item in inputs]
    results = [_result(text) for text in texts]
    return as_json({"id": call.state.new_id("modr-", 32), "model": model, "results": results})


def _result(text: str) -> Json:
    flagged = "violence" in text.lower()
    return {
        "flagged": flagged,
        "categories": {name: flagged and name == "violence" for name in _CATEGORIES},
        "category_scores": {name: 0.98 if flagged and name == "violence" else 0.001 for name in _CATEGORIES},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
