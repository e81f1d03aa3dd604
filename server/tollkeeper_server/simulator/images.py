"""Images: one small square, generated, edited or varied."""

import base64
import struct
import zlib
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator import wording
from tollkeeper_server.simulator.call import ApiCall, missing_parameter
from tollkeeper_server.simulator.reply import EventStream, Json, RefusalError, Reply, as_json, named_event
from tollkeeper_server.simulator.state import now

TOKENS_PER_OUTPUT = 272
TOKENS_PER_INPUT = 194
IMAGE_PATH = "/_simulator/image.png"
_SIDE = 16
_MAX_IMAGES = 10


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png() -> bytes:
    rows = (b"\x00" + b"\x2b\x6c\xb0" * _SIDE) * _SIDE
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


PNG = _png()
_PNG_BASE64 = base64.b64encode(PNG).decode()


class ImageRequest(Struct, frozen=True):
    """The fields of a request, from a JSON body or a form."""

    prompt: str = ""
    model: str = ""
    n: int | None = None
    response_format: str | None = None
    size: str | None = None
    quality: str | None = None
    stream: bool | None = None
    partial_images: int | None = None


_decoder = msgspec.json.Decoder(ImageRequest)


def generate(call: ApiCall) -> Reply:
    """Answer POST /images/generations."""
    body = call.decode(_decoder)
    if not body.prompt:
        raise missing_parameter("prompt")
    return _answer(call, body, body.model or call.deployment or "dall-e-2", 0, "image_generation")


def edit(call: ApiCall) -> Reply:
    """Answer POST /images/edits."""
    body, inputs = _from_form(call)
    if not body.prompt:
        raise missing_parameter("prompt")
    return _answer(call, body, body.model or call.deployment or "gpt-image-1", inputs, "image_edit")


def vary(call: ApiCall) -> Reply:
    """Answer POST /images/variations."""
    body, inputs = _from_form(call)
    return _answer(call, body, body.model or call.deployment or "dall-e-2", inputs, "image_variation")


def _from_form(call: ApiCall) -> tuple[ImageRequest, int]:
    form = call.form()
    images = len(form.uploads("image"))
    if not images:
        raise missing_parameter("image")
    fields = {
        name: values[0] for name, values in form.fields.items() if name in ImageRequest.__struct_fields__
    }
    try:
        return msgspec.convert(fields, ImageRequest, strict=False), images
    except msgspec.ValidationError as error:
        raise RefusalError(400, f"Invalid type or value: {error}", code="invalid_type") from None


def _answer(call: ApiCall, body: ImageRequest, model: str, inputs: int, event: str) -> Reply:
    model = call.model(model)
    count = 1 if body.n is None else body.n
    if not 1 <= count <= _MAX_IMAGES:
        raise RefusalError(400, f"Invalid 'n': {count}.", code="invalid_value", param="n")
    newer = not model.startswith("dall-e")
    shape: Json = {
        "background": "opaque",
        "output_format": "png",
        "quality": body.quality or "medium",
        "size": body.size or "1024x1024",
    }
    spent = _usage(wording.count(body.prompt), inputs, count)
    if body.stream and newer:
        last: Json = {"type": f"{event}.completed", "b64_json": _PNG_BASE64, "created_at": now(), **shape}
        if not call.faults.no_usage:
            last["usage"] = spent
        return EventStream(_partial(body, shape, event), named_event(f"{event}.completed", last))
    if newer or body.response_format == "b64_json":
        image: Json = {"b64_json": _PNG_BASE64}
    else:
        image = {"url": f"http://{call.request.header(b'host')}{IMAGE_PATH}"}
    if model == "dall-e-3":
        image["revised_prompt"] = body.prompt
    answer: Json = {"created": now(), "data": [image] * count}
    if newer:
        answer |= shape
        if not call.faults.no_usage:
            answer["usage"] = spent
    return as_json(answer)


def _partial(body: ImageRequest, shape: Json, event: str) -> Iterator[bytes]:
    for index in range(body.partial_images or 0):
        name = f"{event}.partial_image"
        fields = {"type": name, "partial_image_index": index, "b64_json": _PNG_BASE64, "created_at": now()}
        yield named_event(name, fields | shape)


def _usage(text: int, inputs: int, outputs: int) -> Json:
    images = inputs * TOKENS_PER_INPUT
    made = outputs * TOKENS_PER_OUTPUT
    return {
        "input_tokens": text + images,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens": made,
        "total_tokens": text + images + made,
    }
