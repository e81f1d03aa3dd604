"""What callers send to a gateway, and what comes back however it ends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
import httpx2

from tests.integration.process import Gateway

MODEL = "gpt-4o"
DONE = b"data: [DONE]\n\n"
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller was answered: `status` 0 if nothing, `whole` if the answer's end was received."""

    status: int = 0
    body: bytes = b""
    whole: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def question(model: str = MODEL, *, stream: bool = False) -> dict[str, object]:
    """Return the body of a chat completion."""
    messages = [{"role": "user", "content": "one two three"}]
    return {"model": model, "messages": messages} | ({"stream": True} if stream else {})


def headers_of(secret: str, simulate: str = "", request_id: str = "") -> dict[str, str]:
    """Return the headers of a call."""
    headers = {"authorization": f"Bearer {secret}"}
    if simulate:
        headers["x-simulate"] = simulate
    if request_id:
        headers["x-request-id"] = request_id
    return headers


def ask(
    gateway: Gateway, secret: str, simulate: str = "", *, model: str = MODEL, stream: bool = False
) -> httpx2.Response:
    """Ask for a chat completion, and returns the whole answer."""
    return httpx2.post(
        f"{gateway.base_url}/chat/completions",
        headers=headers_of(secret, simulate),
        json=question(model, stream=stream),
        timeout=PATIENCE,
    )


def models_of(gateway: Gateway, secret: str) -> list[str]:
    """Return the names that `GET /v1/models` shows."""
    answer = httpx2.get(f"{gateway.base_url}/models", headers=headers_of(secret))
    return [model["id"] for model in answer.json()["data"]]


def reaches_all(gateway: Gateway) -> bool:
    """Return whether a gateway reaches everything that it uses."""
    checks = httpx2.get(f"{gateway.console}/ready", timeout=PATIENCE).json()["checks"]
    return set(checks.values()) <= {"ok", "none"}


def code_of(answer: httpx2.Response) -> object:
    """Return the code of an error in OpenAI's shape."""
    return code_in(answer.content)


def code_in(body: bytes) -> object:
    """Return the code of an error in OpenAI's shape."""
    return json.loads(body)["error"]["code"]


async def send(
    session: aiohttp.ClientSession,
    gateway: Gateway,
    secret: str,
    simulate: str = "",
    *,
    model: str = MODEL,
    stream: bool = False,
    request_id: str = "",
    listener: str = "",
) -> Answer:
    """Ask for a chat completion, and returns as much of an answer as came.

    `listener` is the URL of one that is not the data plane's own.
    """
    answer = Answer()
    body = b""
    try:
        async with session.post(
            f"{listener or gateway.data}/v1/chat/completions",
            headers=headers_of(secret, simulate, request_id),
            json=question(model, stream=stream),
        ) as response:
            answer = Answer(response.status, headers=response.headers)
            async for chunk in response.content.iter_any():
                body += chunk
    except (aiohttp.ClientError, OSError):
        return Answer(answer.status, body, whole=False, headers=answer.headers)
    return Answer(answer.status, body, whole=True, headers=answer.headers)


def callers() -> aiohttp.ClientSession:
    """Return a session for any number of callers at once."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=PATIENCE)
    )
