"""Real servers that nobody here wrote, each with a gateway in front of it."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.integration.compare import Pair, gateway_before
from tests.integration.process import clean_environment
from tests.real.environments import install, is_installed, run
from tests.servers.process import ServerProcess
from tests.servers.report import cannot_run

_START_SECONDS = 180.0  # LiteLLM's proxy imports for a long time on a busy machine
_HERE = Path(__file__).parent
_QUICK_BUILD = {
    "CMAKE_ARGS": "-DCMAKE_C_FLAGS_RELEASE=-O1 -DCMAKE_CXX_FLAGS_RELEASE=-O1"
    " -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF",
    "CMAKE_BUILD_PARALLEL_LEVEL": "2",
}


@pytest.fixture(scope="session")
def llama_cpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """llama-cpp-python's server with a tiny model."""
    if not is_installed("llama-cpp") and not shutil.which(os.environ.get("CXX", "c++")):
        cannot_run("a C++ compiler, to build llama-cpp-python (Debian, Ubuntu: apt-get install g++)")
    python = install("llama-cpp", environment=_QUICK_BUILD, note="; building it takes a quarter of an hour")
    directory = tmp_path_factory.mktemp("llama-cpp")
    model, key = directory / "tiny.gguf", f"sk-{secrets.token_hex(16)}"
    run([str(python), str(_HERE / "tiny_model.py"), str(model)])
    server = ServerProcess(
        "llama-cpp",
        directory,
        lambda port: (
            *(str(python), "-m", "llama_cpp.server", "--model", str(model), "--api_key", key),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--n_ctx", "512", "--n_threads", "1", "--embedding", "true"),
        ),
        environment=clean_environment(),
        patience=_START_SECONDS,
    )
    with (
        _running(server),
        gateway_before(f"http://127.0.0.1:{server.port}", key, directory / "gateway") as pair,
    ):
        yield pair


@pytest.fixture(scope="session")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """LiteLLM's proxy with models that it only pretends to have."""
    python = install("litellm", note=", for some minutes")
    directory = tmp_path_factory.mktemp("litellm")
    key, configuration = f"sk-{secrets.token_hex(16)}", directory / "litellm.yaml"
    configuration.write_text(yaml.safe_dump(_litellm_configuration(key)))
    server = ServerProcess(
        "litellm",
        directory,
        lambda port: (
            *(str(python.with_name("litellm")), "--config", str(configuration), "--telemetry", "False"),
            *("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
        ),
        environment=clean_environment(LITELLM_LOG="ERROR", LITELLM_LOCAL_MODEL_COST_MAP="True"),
        patience=_START_SECONDS,
    )
    with (
        _running(server),
        gateway_before(f"http://127.0.0.1:{server.port}", key, directory / "gateway") as pair,
    ):
        yield pair


@contextmanager
def _running(server: ServerProcess) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


def _litellm_configuration(key: str) -> dict[str, object]:
    answers: dict[str, object] = {
        "mock": "The gateway counts every token here.",
        "mock-embedding": [0.25, -0.5, 1.0],
        "mock-limit": "litellm.RateLimitError",
        "mock-window": "litellm.ContextWindowExceededError",
        "mock-broken": "litellm.InternalServerError",
        "mock-overloaded": "Exception: mock_streaming_error",
    }
    models = [
        {
            "model_name": name,
            "litellm_params": {
                "model": "openai/text-embedding-3-small" if "embedding" in name else "openai/gpt-4o",
                "api_key": "sk-nobody-asks",
                "mock_response": answer,
            },
        }
        for name, answer in answers.items()
    ]
    return {
        "model_list": models,
        "general_settings": {"master_key": key},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
