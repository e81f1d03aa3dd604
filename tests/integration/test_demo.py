"""`serve --demo`: the text it prints works when pasted, and stays the same after a restart."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tollkeeper import Client

from tests.integration.curl import curl, pasted
from tests.integration.process import CommandProcess, clean_environment, until
from tests.integration.wire import ask, bearer

OPENAI_KEY = "sk-openai-canary-3e1f"


class Demo:
    """A demo in a process of its own, in a folder of its own."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.environment = clean_environment(
            **{f"TOLLKEEPER_{listener}_ADDRESS": "127.0.0.1:0" for listener in ("DATA", "CONSOLE", "GRPC")},
            **environment,
        )
        self.command = CommandProcess(["serve", "--demo"], self.environment, directory)
        self.command.wait_for(r"Stop with Ctrl-C")
        self.token = self.said(r"token +(sk-tk-\S+)")
        self.base_url = self.said(r"base URL +(\S+)")
        self.console = self.said(r"REST +(\S+)")
        self.grpc = self.said(r"gRPC +(\S+)")
        self.management_token = self.said(r"management token +(\S+)")

    def said(self, pattern: str) -> str:
        """Return the text that matches the group of the pattern."""
        return self.command.wait_for(pattern).group(1)

    def management(self) -> Client:
        """Return a client of the management plane."""
        return Client(self.grpc, management_token=self.management_token)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh folder."""
    return tmp_path


@pytest.fixture
def demo(folder: Path) -> Iterator[Demo]:
    """A demo on a simulated provider."""
    running = Demo(folder)
    yield running
    assert running.command.stop() == 0


def test_what_it_prints_works_when_pasted(demo: Demo) -> None:
    line = demo.said(r"(?s)  (curl .*?\}')\n")
    answer = curl(pasted(line, demo.environment))
    assert (answer.status, b'"object":"chat.completion"' in answer.body) == (200, True)

    snippet = demo.said(r"(?s)\n(from openai import OpenAI\n.*?)\n\nStop")
    assert len(snippet.splitlines()) == 6
    # Pasted into an interpreter, as the text suggests.
    said = subprocess.run(
        [sys.executable, "-W", "error"],
        input=snippet + "\n\n",
        env=demo.environment,
        capture_output=True,
        text=True,
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert "simulator" in said.stdout
    assert len(said.stdout.split()) == 24

    with demo.management() as client:
        until(lambda: [event.upstream for event in client.usage.events()] == ["demo", "demo"])
        assert [project.name for project in client.projects.list()] == ["demo"]
    assert ask(demo.console, "GET", "/docs").status == 200
    assert demo.said(r"console +(\S+)") == f"{demo.console}/admin/"


def test_anthropics_models_and_the_list_are_there(demo: Demo) -> None:
    origin = demo.base_url.removesuffix("/v1")
    listed = ask(origin, "GET", "/v1/models", [bearer(demo.token)])
    assert (listed.status, b'"claude-sonnet-4-5"' in listed.body) == (200, True)
    message = (
        b'{"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}'
    )
    headers = [("x-api-key", demo.token), ("content-type", "application/json")]
    assert ask(origin, "POST", "/v1/messages", headers, message).json()["type"] == "message"


def test_a_restart_keeps_the_token_and_makes_nothing_twice(folder: Path) -> None:
    first = Demo(folder)
    made = state(first)
    assert first.command.stop() == 0
    again = Demo(folder)
    try:
        assert (again.token, again.management_token) == (first.token, first.management_token)
        assert state(again) == made
        call = ask(again.base_url.removesuffix("/v1"), "GET", "/v1/files", [bearer(first.token)])
        assert call.status == 200
    finally:
        again.command.kill()
    for name in ("demo-token", "management-token", "encryption-key"):
        kept = folder / "tollkeeper-data" / name
        assert kept.stat().st_mode & 0o777 == 0o600
        assert kept.stat().st_uid == os.getuid()


def state(demo: Demo) -> tuple[list[str], list[str], list[str], list[str]]:
    with demo.management() as client:
        return (
            [project.id for project in client.projects.list()],
            [token.id for token in client.tokens.list()],
            [upstream.name for upstream in client.upstreams.list()],
            [model.name for model in client.models.list()],
        )


def test_with_an_openai_key_it_forwards_to_openai_and_back(folder: Path) -> None:
    real = Demo(folder, OPENAI_API_KEY=OPENAI_KEY)
    try:
        assert "requests go to OpenAI" in real.command.said()
        with real.management() as client:
            upstream = client.upstreams.get("demo")
            assert (upstream.base_url, upstream.is_active) == ("https://api.openai.com/v1", True)
            assert upstream.api_key
            assert OPENAI_KEY not in upstream.api_key
            assert not client.upstreams.get("demo-anthropic").is_active
        assert OPENAI_KEY not in real.command.said()
    finally:
        real.command.kill()
    simulated = Demo(folder)
    try:
        assert simulated.token == real.token
        with simulated.management() as client:
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", client.upstreams.get("demo").base_url)
    finally:
        simulated.command.kill()
