"""Embeddings."""

import math

import pytest
from openai import AsyncOpenAI, BadRequestError


async def test_both_encodings_hold_the_same_vector(openai: AsyncOpenAI) -> None:
    packed = await openai.embeddings.create(model="m", input="hello there")
    plain = await openai.embeddings.create(model="m", input="hello there", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert len(plain.data[0].embedding) == 1536
    assert math.hypot(*plain.data[0].embedding) == pytest.approx(1.0)


async def test_a_batch_has_a_vector_for_each_input(openai: AsyncOpenAI) -> None:
    answer = await openai.embeddings.create(model="m", input=["a b", "c", "a b"], dimensions=8)
    first, second, third = (item.embedding for item in answer.data)
    assert first == third != second
    assert len(first) == 8
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (5, 5)


async def test_a_list_of_tokens_is_one_input(openai: AsyncOpenAI) -> None:
    answer = await openai.embeddings.create(model="m", input=[5, 6, 7])
    assert (len(answer.data), answer.usage.prompt_tokens) == (1, 3)


async def test_too_many_dimensions_are_refused(openai: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await openai.embeddings.create(model="m", input="x", dimensions=4000)
    assert caught.value.param == "dimensions"
