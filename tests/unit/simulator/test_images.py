"""Images."""

import base64
import zlib

import httpx2
import pytest
from openai import AsyncOpenAI, BadRequestError
from tollkeeper_server.simulator.images import PNG, TOKENS_PER_INPUT, TOKENS_PER_OUTPUT


def test_the_image_is_a_valid_png() -> None:
    assert PNG.startswith(b"\x89PNG\r\n\x1a\n")
    start = PNG.index(b"IDAT") + 4
    rows = zlib.decompressobj().decompress(PNG[start:])
    assert len(rows) == 16 * (1 + 3 * 16)


async def test_newer_models_send_the_image_and_its_usage(openai: AsyncOpenAI) -> None:
    answer = await openai.images.generate(model="gpt-image-1", prompt="a toll house", n=2)
    assert answer.data is not None
    assert [base64.b64decode(image.b64_json or "") for image in answer.data] == [PNG, PNG]
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 2 * TOKENS_PER_OUTPUT)


async def test_older_models_send_a_link_and_no_usage(openai: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
    answer = await openai.images.generate(model="dall-e-3", prompt="a toll house")
    assert answer.data is not None
    assert answer.usage is None
    assert (await http.get(answer.data[0].url or "")).content == PNG


async def test_an_edit_counts_its_images(openai: AsyncOpenAI) -> None:
    answer = await openai.images.edit(
        model="gpt-image-1", image=[("a.png", PNG), ("b.png", PNG)], prompt="make it blue"
    )
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 2 * TOKENS_PER_INPUT
    assert answer.usage.input_tokens_details.text_tokens == 3


async def test_a_variation_needs_no_prompt(http: httpx2.AsyncClient) -> None:
    reply = await http.post("/v1/images/variations", data={"n": "3"}, files={"image": ("a.png", PNG)})
    assert len(reply.json()["data"]) == 3


async def test_a_stream_ends_with_the_usage(openai: AsyncOpenAI) -> None:
    stream = await openai.images.generate(
        model="gpt-image-1", prompt="a toll house", stream=True, partial_images=2
    )
    events = [event async for event in stream]
    partial, done = "image_generation.partial_image", "image_generation.completed"
    assert [event.type for event in events] == [partial, partial, done]
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert last.usage.output_tokens == TOKENS_PER_OUTPUT


async def test_a_missing_prompt_is_named(openai: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await openai.images.generate(model="gpt-image-1", prompt="")
    assert caught.value.param == "prompt"
