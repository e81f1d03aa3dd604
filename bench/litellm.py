"""LiteLLM's proxy, in its own virtual environment below .cache."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from bench.errors import BenchError
from bench.processes import ROOT, Process, Processes, clean_environment, free_port

VERSION = "1.106.2"
MASTER_KEY = "sk-bench-master-key"
_ENVIRONMENT = ROOT / ".cache" / "litellm"
_INSTALL_SECONDS = 900.0
_START_SECONDS = 90.0


def install() -> Path:
    """Return the command of the pinned version, after installing it if needed. Raises `BenchError`."""
    installed = _ENVIRONMENT / f".installed-{VERSION}"
    command = _ENVIRONMENT / "bin" / "litellm"
    if installed.exists():
        return command
    print(f"Installing LiteLLM {VERSION} from PyPI into {_ENVIRONMENT}; once, for some minutes.", flush=True)
    python = _ENVIRONMENT / "bin" / "python"
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, f"litellm[proxy]=={VERSION}"])
    except subprocess.CalledProcessError as error:
        raise BenchError(f"LiteLLM {VERSION} can't be installed: {error.stderr.strip()[-500:]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"LiteLLM {VERSION} can't be installed: {error}") from None
    installed.touch()
    return command


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)


def start(
    processes: Processes, cores: tuple[int, ...], models: Mapping[str, str], directory: Path
) -> tuple[Process, str]:
    """Start the proxy with one worker and models at those URLs; return its process and its `HOST:PORT`.

    It has no database, so it has only the master key and records no usage. Raises `BenchError`.
    """
    command = install()
    settings = {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_base": url, "api_key": "sk-bench"},
            }
            for name, url in models.items()
        ],
        "general_settings": {"master_key": MASTER_KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    path = directory / "litellm.yaml"
    path.write_text(yaml.safe_dump(settings))
    port = free_port()
    environment = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    process = processes.start(
        "litellm",
        [
            *(str(command), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)),
            *("--num_workers", "1", "--telemetry", "False"),
        ],
        cores,
        {name: value for name, value in (clean_environment() | environment).items() if name != "PYTHONPATH"},
    )
    process.wait_listening(port, _START_SECONDS)
    return process, f"127.0.0.1:{port}"
