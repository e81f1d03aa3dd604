"""The older completions."""

import pytest
from openai import AsyncOpenAI


async def test_usage_counts_every_prompt_and_choice(openai: AsyncOpenAI) -> None:
    completion = await openai.completions.create(
        model="m", prompt=["one two", "three"], n=2, extra_headers={"x-simulate": "events=5"}
    )
    assert len(completion.choices) == 4
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (3, 20)


async def test_a_stream_says_what_the_whole_answer_says(openai: AsyncOpenAI) -> None:
    whole = await openai.completions.create(model="m", prompt="one two")
    stream = await openai.completions.create(
        model="m", prompt="one two", stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize(("prompt", "tokens"), [([1, 2, 3], 3), ([[1, 2], [3]], 3), ("a  b\nc", 3)])
async def test_prompts_of_tokens_count_as_such(openai: AsyncOpenAI, prompt: list[int], tokens: int) -> None:
    completion = await openai.completions.create(model="m", prompt=prompt)
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == tokens
