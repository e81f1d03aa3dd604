"""The real OpenAI SDK, with nothing changed but the base URL."""

import asyncio
import io

import openai
import pytest
from openai import AsyncOpenAI, AzureOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.responses import ResponseCompletedEvent
from tollkeeper import Confidence

from tests.integration.process import PROVIDER_KEY, Gateway, Simulator

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "one two three"}]
PROMPT_TOKENS = 6  # the simulator: a token a word, three a message


def sdk(gateway: Gateway, token: str, simulate: str = "") -> OpenAI:
    headers = {"x-simulate": simulate} if simulate else {}
    return OpenAI(base_url=gateway.base_url, api_key=token, max_retries=0, default_headers=headers)


def test_a_chat_completion_is_answered_and_accounted_for(
    gateway: Gateway, simulator: Simulator, token: str
) -> None:
    with sdk(gateway, token) as client:
        answer = client.chat.completions.with_raw_response.create(model="gpt-4", messages=MESSAGES)
        completion = answer.parse()
    assert completion.choices[0].message.content
    assert completion.usage is not None
    event = gateway.event_of(answer.headers["x-request-id"])
    assert (event.model_asked, event.model_served, event.upstream) == ("gpt-4", "gpt-4o", "sim")
    assert (event.endpoint, event.status, event.streamed) == ("chat_completions", 200, False)
    assert event.prompt_tokens == completion.usage.prompt_tokens == PROMPT_TOKENS
    assert event.completion_tokens == completion.usage.completion_tokens
    assert event.confidence is Confidence.EXACT
    assert event.duration_microseconds >= event.first_byte_microseconds > 0
    received = simulator.last_request()
    assert received.header("authorization") == f"Bearer {PROVIDER_KEY}"
    assert token not in str(received.headers)


def test_a_stream_hides_the_usage_nobody_asked_for_and_still_counts_it(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token, simulate="events=5") as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES, stream=True)
        chunks = list(raw.parse())
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    event = gateway.event_of(raw.headers["x-request-id"])
    assert (event.streamed, event.confidence) == (True, Confidence.EXACT)
    assert (event.prompt_tokens, event.completion_tokens) == (PROMPT_TOKENS, 5)


def test_a_stream_shows_the_usage_that_was_asked_for(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token, simulate="events=5") as client:
        chunks = list(
            client.chat.completions.create(
                model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
        )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


def test_a_stream_that_is_cut_raises_and_never_looks_complete(gateway: Gateway, token: str) -> None:
    seen: list[ChatCompletionChunk] = []
    with sdk(gateway, token, simulate="events=20,cut=4") as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError, match="incomplete"):
            seen.extend(raw.parse())
    assert seen
    assert seen[-1].choices[0].finish_reason is None
    event = gateway.event_of(raw.headers["x-request-id"])
    assert (event.error_code, event.confidence) == ("upstream_stream_cut", Confidence.ESTIMATED)
    assert event.completion_tokens > 0


async def test_the_asynchronous_client_streams(gateway: Gateway, token: str) -> None:
    async with AsyncOpenAI(base_url=gateway.base_url, api_key=token, max_retries=0) as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert len(text.split()) > 3


async def test_many_streams_at_once_do_not_mix(gateway: Gateway, token: str) -> None:
    async with AsyncOpenAI(base_url=gateway.base_url, api_key=token, max_retries=0) as client:

        async def one(words: int) -> int:
            stream = await client.chat.completions.create(
                model="gpt-4o",
                messages=MESSAGES,
                stream=True,
                extra_headers={"x-simulate": f"events={words},interval=1"},
            )
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            return len(text.split())

        counts = await asyncio.gather(*(one(words) for words in range(5, 55)))
    assert counts == list(range(5, 55))


def test_embeddings(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token) as client:
        raw = client.embeddings.with_raw_response.create(
            model="text-embedding-3-small", input=["one two", "three"]
        )
        vectors = raw.parse()
    assert len(vectors.data) == 2
    event = gateway.event_of(raw.headers["x-request-id"])
    assert (event.endpoint, event.prompt_tokens) == ("embeddings", vectors.usage.prompt_tokens)
    assert event.confidence is Confidence.EXACT


def test_responses(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token) as client:
        raw = client.responses.with_raw_response.create(model="gpt-4o", input="one two three")
        answer = raw.parse()
        again = client.responses.retrieve(answer.id)
    assert answer.output_text
    assert again.id == answer.id
    assert answer.usage is not None
    event = gateway.event_of(raw.headers["x-request-id"])
    assert event.prompt_tokens == answer.usage.input_tokens
    assert event.completion_tokens == answer.usage.output_tokens


def test_streamed_responses(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token) as client:
        raw = client.responses.with_raw_response.create(model="gpt-4o", input="one two", stream=True)
        events = list(raw.parse())
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent)
    assert last.response.usage is not None
    event = gateway.event_of(raw.headers["x-request-id"])
    assert event.completion_tokens == last.response.usage.output_tokens
    assert event.confidence is Confidence.EXACT


def test_images(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token) as client:
        raw = client.images.with_raw_response.generate(model="gpt-image-1", prompt="a gate", n=2)
        images = raw.parse()
    assert images.data is not None
    assert len(images.data) == 2
    event = gateway.event_of(raw.headers["x-request-id"])
    assert (event.images, event.confidence) == (2, Confidence.EXACT)
    assert event.completion_tokens > 0


def test_an_audio_upload_finds_its_model_in_the_form(gateway: Gateway, token: str) -> None:
    audio = ("speech.wav", io.BytesIO(b"\0" * 64_000), "audio/wav")
    with sdk(gateway, token) as client:
        raw = client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=audio)
        transcription = raw.parse()
    assert transcription.text
    event = gateway.event_of(raw.headers["x-request-id"])
    assert (event.model_asked, event.endpoint) == ("whisper-1", "audio_transcriptions")
    assert (event.audio_milliseconds, event.confidence) == (2000, Confidence.EXACT)


def test_speech_comes_back_byte_for_byte(gateway: Gateway, simulator: Simulator, token: str) -> None:
    direct = OpenAI(base_url=f"http://{simulator.address}/v1", api_key="any")
    with sdk(gateway, token) as client, direct:
        through = client.audio.speech.create(model="tts-1", voice="alloy", input="one two").read()
        assert through == direct.audio.speech.create(model="tts-1", voice="alloy", input="one two").read()


def test_what_names_no_model_goes_to_the_default_upstream(gateway: Gateway, token: str) -> None:
    content = b'{"custom_id": "1"}\n' * 1000
    with sdk(gateway, token) as client:
        file = client.files.create(file=("batch.jsonl", content), purpose="batch")
        assert client.files.content(file.id).read() == content
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert client.batches.retrieve(batch.id).id == batch.id
        assert client.files.delete(file.id).deleted


def test_the_models_listed_are_the_configured_ones(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token) as client:
        assert [model.id for model in client.models.list()] == ["gpt-4", "gpt-4o"]
        assert client.models.retrieve("gpt-4o").owned_by == "sim"


def test_azures_client_works_as_it_is(gateway: Gateway, token: str) -> None:
    client = AzureOpenAI(azure_endpoint=gateway.data, api_key=token, api_version="2024-10-21", max_retries=0)
    with client:
        answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        assert client.responses.create(model="gpt-4o", input="one two").output_text
        assert [model.id for model in client.models.list()] == ["gpt-4", "gpt-4o"]
        file = client.files.create(file=("batch.jsonl", b"{}"), purpose="batch")
        assert client.files.content(file.id).read() == b"{}"
    assert answer.choices[0].message.content


def test_errors_are_those_the_sdk_knows(gateway: Gateway, token: str) -> None:
    with sdk(gateway, "sk-tk-unknown") as client, pytest.raises(openai.AuthenticationError) as refused:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert refused.value.code == "invalid_api_key"
    limited = gateway.new_token(allowed_models=["gpt-4o"])
    with sdk(gateway, limited) as client, pytest.raises(openai.PermissionDeniedError) as forbidden:
        client.chat.completions.create(model="gpt-5", messages=MESSAGES)
    assert (forbidden.value.code, forbidden.value.param) == ("model_not_allowed", "model")


def test_a_limit_of_requests_is_exact_under_concurrency(gateway: Gateway) -> None:
    limited = gateway.new_token(max_requests=10)

    async def flood() -> list[object]:
        async with AsyncOpenAI(base_url=gateway.base_url, api_key=limited, max_retries=0) as client:
            calls = [client.chat.completions.create(model="gpt-4o", messages=MESSAGES) for _ in range(40)]
            return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(flood())
    refused = [answer for answer in answers if isinstance(answer, openai.RateLimitError)]
    assert (len(answers) - len(refused), len(refused)) == (10, 30)
    assert refused[0].type == "insufficient_quota"
    assert refused[0].response.headers["x-should-retry"] == "false"


def test_a_providers_error_comes_back_as_it_is(gateway: Gateway, token: str) -> None:
    client = sdk(gateway, token, simulate="status=429,retry-after=7")
    with client, pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert limited.value.response.headers["retry-after"] == "7"


def test_a_rejected_provider_key_is_not_the_callers_fault(gateway: Gateway, token: str) -> None:
    client = sdk(gateway, token, simulate="status=401")
    with client, pytest.raises(openai.InternalServerError) as bad:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert (bad.value.status_code, bad.value.code) == (502, "upstream_credentials_rejected")
