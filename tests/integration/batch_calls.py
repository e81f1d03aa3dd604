"""Batches by way of a gateway: made, and read to their end."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.integration.process import Gateway

PATIENCE = 30.0
ANTHROPIC = {"anthropic-version": "2023-06-01"}
REQUESTS = 3
WORDS = "one two three four five"


@dataclass(frozen=True)
class Kind:
    """A kind of batch: where it is made, of which model, and whether its sums say what it has used."""

    path: str
    model: str
    has_sums: bool = True
    is_anthropics: bool = False


KINDS = {
    "OpenAI's, by its sums": Kind("/batches", "cheap"),
    "OpenAI's, by its output file": Kind("/batches", "cheap", has_sums=False),
    "Anthropic's, by its results": Kind("/messages/batches", "claude-cheap", is_anthropics=True),
}


class Caller:
    """Calls a gateway with a token."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        self._gateway = gateway
        self._headers = {"authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **content: Any) -> Any:
        """Make a call; return its answer."""
        url = f"{self._gateway.base_url}{path}"
        sent = self._headers | (headers or {})
        return httpx2.request(method, url, headers=sent, timeout=PATIENCE, **content)

    def make(self, kind: Kind, *, words: str = WORDS, headers: dict[str, str] | None = None) -> Any:
        """Have a batch made; return the answer."""
        asked = {"model": kind.model, "max_tokens": 20, "messages": [{"role": "user", "content": words}]}
        if kind.is_anthropics:
            requests = [{"custom_id": str(at), "params": asked} for at in range(REQUESTS)]
            return self.call("POST", kind.path, ANTHROPIC | (headers or {}), json={"requests": requests})
        line = {"custom_id": "x", "method": "POST", "url": "/v1/chat/completions", "body": asked}
        file = "".join(json.dumps(line) + "\n" for _ in range(REQUESTS))
        uploaded = self.call(
            "POST", "/files", files={"file": ("in.jsonl", file.encode())}, data={"purpose": "batch"}
        )
        body = {
            "input_file_id": uploaded.json()["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        return self.call("POST", kind.path, headers, json=body)

    def end(self, kind: Kind, made: str) -> tuple[int, int]:
        """Read a batch to its end; return the tokens of its prompts and answers, by the lines."""
        headers = ANTHROPIC if kind.is_anthropics else {}
        if not kind.has_sums:
            headers = {"x-simulate": "no-usage"}
        batch = self.call("GET", f"{kind.path}/{made}", headers).json()
        if kind.is_anthropics:
            lines = self.call("GET", f"{kind.path}/{made}/results", ANTHROPIC).text.splitlines()
            used = [json.loads(line)["result"]["message"]["usage"] for line in lines]
            return sum(it["input_tokens"] for it in used), sum(it["output_tokens"] for it in used)
        assert (batch["status"], batch["usage"] is not None) == ("completed", kind.has_sums)
        lines = self.call("GET", f"/files/{batch['output_file_id']}/content").text.splitlines()
        used = [json.loads(line)["response"]["body"]["usage"] for line in lines]
        assert len(used) == REQUESTS
        return sum(it["prompt_tokens"] for it in used), sum(it["completion_tokens"] for it in used)

    def used(self) -> dict[str, int]:
        """Return what is used of each budget of the caller's; nothing may be held of any."""
        found = self.call("GET", "/tollkeeper/limits").json()["data"]
        assert all(it["held"] == 0 for it in found if "held" in it)
        return {it["measure"]: it["used"] for it in found}
