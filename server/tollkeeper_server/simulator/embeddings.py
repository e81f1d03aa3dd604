"""Embeddings: vectors of length 1 that depend only on the input."""

import array
import base64
import hashlib
import math
import sys

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.completions import count_inputs
from tollkeeper_server.simulator.reply import Json, RefusalError, Reply, as_json

_DIMENSIONS = 1536
_LARGE_DIMENSIONS = 3072


class EmbeddingRequest(Struct, frozen=True):
    """The fields of a request's body that the answer depends on."""

    input: str | list[str | int | list[int]]
    model: str = ""
    dimensions: int | None = None
    encoding_format: str = "float"


_decoder = msgspec.json.Decoder(EmbeddingRequest)


def embed(call: ApiCall) -> Reply:
    """Answer POST /embeddings."""
    body = call.decode(_decoder)
    model = call.model(body.model)
    if not body.input:
        raise RefusalError(400, "Invalid 'input': it must not be empty.", code="empty_input", param="input")
    largest = _LARGE_DIMENSIONS if "large" in model else _DIMENSIONS
    dimensions = largest if body.dimensions is None else body.dimensions
    if not 1 <= dimensions <= largest:
        raise RefusalError(
            400,
            f"Invalid value for 'dimensions': {dimensions}; it must lie between 1 and {largest}.",
            code="invalid_value",
            param="dimensions",
        )
    if isinstance(body.input, str) or all(isinstance(item, int) for item in body.input):
        inputs: list[object] = [body.input]
    else:
        inputs = list(body.input)
    data: list[Json] = []
    for index, item in enumerate(inputs):
        vector = _vector(msgspec.json.encode(item), dimensions)
        shown = _packed(vector) if body.encoding_format == "base64" else vector
        data.append({"object": "embedding", "index": index, "embedding": shown})
    prompt = sum(count_inputs(body.input))
    answer: Json = {"object": "list", "data": data, "model": model}
    if not call.faults.no_usage:
        answer["usage"] = {"prompt_tokens": prompt, "total_tokens": prompt}
    return as_json(answer)


def _vector(seed: bytes, dimensions: int) -> list[float]:
    numbers = array.array("h", hashlib.shake_128(seed).digest(2 * dimensions))
    if sys.byteorder == "big":
        numbers.byteswap()
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]


def _packed(vector: list[float]) -> str:
    floats = array.array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
