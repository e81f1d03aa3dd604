"""Files, batches and vector stores, and moderations and models by the way of OpenAI's client."""

import json

import pytest
from openai import AsyncOpenAI, BadRequestError, ConflictError, NotFoundError


def _line(number: int, model: str = "gpt-4o") -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "one two"}], "max_tokens": 4}
    request = {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(request)


async def _upload(openai: AsyncOpenAI, content: str) -> str:
    return (await openai.files.create(file=("in.jsonl", content.encode()), purpose="batch")).id


async def test_a_file_is_kept_until_it_is_deleted(openai: AsyncOpenAI) -> None:
    content = bytes(range(256)) * 8192
    made = await openai.files.create(file=("data.bin", content), purpose="user_data")
    assert (made.bytes, made.filename, made.purpose) == (len(content), "data.bin", "user_data")
    assert (await openai.files.content(made.id)).content == content
    assert (await openai.files.retrieve(made.id)).id == made.id
    assert (await openai.files.delete(made.id)).deleted
    with pytest.raises(NotFoundError):
        await openai.files.retrieve(made.id)


async def test_files_are_listed_page_by_page_newest_first(openai: AsyncOpenAI) -> None:
    made = [(await openai.files.create(file=(f"{n}.txt", b"x"), purpose="assistants")).id for n in range(5)]
    await _upload(openai, "{}")
    listed = [item.id async for item in openai.files.list(purpose="assistants", limit=2)]
    assert listed == made[::-1]


async def test_a_batch_is_worked_off_and_counted(openai: AsyncOpenAI) -> None:
    source = await _upload(openai, "\n".join([_line(1), _line(2), _line(3, "no-such-model")]))
    batch = await openai.batches.create(
        input_file_id=source, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert (batch.status, batch.usage) == ("validating", None)
    batch = await openai.batches.retrieve(batch.id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 1)
    assert batch.usage is not None
    assert (batch.usage.input_tokens, batch.usage.output_tokens) == (2 * 5, 2 * 4)
    output = await openai.files.content(batch.output_file_id or "")
    lines = [json.loads(line) for line in output.text.splitlines()]
    assert [line["custom_id"] for line in lines] == ["r1", "r2"]
    assert lines[0]["response"]["body"]["usage"]["total_tokens"] == 9
    errors = await openai.files.content(batch.error_file_id or "")
    assert json.loads(errors.text)["response"]["status_code"] == 404
    assert [item.id async for item in openai.batches.list()] == [batch.id]


async def test_a_batch_can_be_cancelled_before_it_is_done(openai: AsyncOpenAI) -> None:
    source = await _upload(openai, _line(1))
    batch = await openai.batches.create(
        input_file_id=source, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert (await openai.batches.cancel(batch.id)).status == "cancelling"
    assert (await openai.batches.retrieve(batch.id)).status == "cancelled"
    with pytest.raises(ConflictError):
        await openai.batches.cancel(batch.id)


async def test_a_batch_of_nonsense_fails(openai: AsyncOpenAI) -> None:
    source = await _upload(openai, "{not json")
    batch = await openai.batches.create(
        input_file_id=source, endpoint="/v1/embeddings", completion_window="24h"
    )
    assert (await openai.batches.retrieve(batch.id)).status == "failed"


async def test_a_batch_needs_its_file(openai: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await openai.batches.create(
            input_file_id="file-none", endpoint="/v1/embeddings", completion_window="24h"
        )
    assert caught.value.param == "input_file_id"


async def test_vector_stores(openai: AsyncOpenAI) -> None:
    source = await _upload(openai, "text")
    store = await openai.vector_stores.create(name="shelf")
    assert (await openai.vector_stores.update(store.id, name="board")).name == "board"
    assert (await openai.vector_stores.files.create(store.id, file_id=source)).status == "completed"
    assert [item.name async for item in openai.vector_stores.list()] == ["board"]
    assert (await openai.vector_stores.delete(store.id)).deleted
    with pytest.raises(NotFoundError):
        await openai.vector_stores.retrieve(store.id)


async def test_moderations_flag_violence_alone(openai: AsyncOpenAI) -> None:
    answer = await openai.moderations.create(input=["peace", "Violence!"])
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.violence
    assert not answer.results[1].categories.hate


async def test_models(openai: AsyncOpenAI) -> None:
    assert "gpt-4o" in [model.id async for model in openai.models.list()]
    assert (await openai.models.retrieve("anything")).id == "anything"
    with pytest.raises(NotFoundError):
        await openai.models.retrieve("no-such-model")
