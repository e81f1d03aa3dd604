"""`serve --demo`: a simulated provider (or OpenAI's own), a project and a token, and how to use them."""

import os
import shlex
from collections.abc import Set
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import msgspec
from tollkeeper.configuration import in_file
from tollkeeper.v1 import configuration_service_pb2 as pb
from tollkeeper.v1 import model_service_pb2 as models_pb
from tollkeeper.v1 import upstream_service_pb2 as upstreams_pb

from tollkeeper_server.domain.author import Door
from tollkeeper_server.domain.token import digest_secret, new_secret
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.process.configure import Configurator
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.key_file import read_or_make
from tollkeeper_server.settings import Settings
from tollkeeper_server.store.ports import Store

OPENAI_KEY = "OPENAI_API_KEY"
_NAME = "demo"
_SIMULATOR_KEY = "sk-simulated"
_SIMULATOR_INTERVAL_MS = 20
_TOKEN_FILE = "demo-token"  # noqa: S105 - a file's name
_OPENAI = "demo"
_ANTHROPIC = "demo-anthropic"
# The upstream of each model. Callers may use any other name: `*` stands for it.
_MODELS = {
    "gpt-4o": _OPENAI,
    "gpt-4o-mini": _OPENAI,
    "gpt-4o-mini-transcribe": _OPENAI,
    "gpt-image-1": _OPENAI,
    "text-embedding-3-small": _OPENAI,
    "tts-1": _OPENAI,
    "whisper-1": _OPENAI,
    "*": _OPENAI,
    "claude-sonnet-4-5": _ANTHROPIC,
    "claude-*": _ANTHROPIC,
}


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that is set up. `secret` is its token's; `simulated` is false if it calls OpenAI."""

    secret: str
    simulated: bool


async def set_up_demo(
    stack: AsyncExitStack, settings: Settings, configurator: Configurator, store: Store, digest_key: bytes
) -> Demo:
    """Configure the demo, with a simulator that runs until `stack` is unwound, or OpenAI if its key is set.

    The token's secret is made once and kept in the data directory. Models and a token that are there stay as
    they are, and so does which upstream is the default; the upstreams become the demo's at each start. Raises
    `RunError`.
    """
    openai_key = os.environ.get(OPENAI_KEY, "")
    simulator = None if openai_key else await _start_simulator(stack)
    secret = read_or_make(settings.data_dir / _TOKEN_FILE, new_secret)
    present = await store.configuration.read()
    project = _free_name({it.name for it in present.projects})
    wanted = demo_configuration(project, secret, simulator=simulator, openai_key=openai_key)
    if defaults := {it.name for it in present.upstreams if it.is_default}:
        for upstream in wanted.upstreams:
            upstream.is_default = upstream.name in defaults
    taken = {name for model in present.models for name in (model.name, *model.aliases)}
    for model in [it for it in wanted.models if it.name in taken]:
        wanted.models.remove(model)
    if await store.tokens.find(digest_secret(secret.encode(), digest_key)) is not None:
        wanted.ClearField("projects")
    try:
        await configurator.apply(wanted, door=Door.DEMO)
    except TollkeeperError as error:
        raise RunError(f"the demo can't be set up: {in_file(error.message)}") from error
    return Demo(secret=secret, simulated=simulator is not None)


def _free_name(taken: Set[str]) -> str:
    """Return a name that no project has: a project of another demo or of a user's own must stay as it is."""
    names = chain([_NAME], (f"{_NAME}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


async def _start_simulator(stack: AsyncExitStack) -> str:
    # The simulator's server takes long to import: only a demo that needs it waits for that.
    from tollkeeper_server.process.simulate import running_simulator
    from tollkeeper_server.simulator.config import SimulatorConfig

    config = SimulatorConfig(token_interval_ms=_SIMULATOR_INTERVAL_MS)
    return await stack.enter_async_context(running_simulator("127.0.0.1", 0, config))


def demo_configuration(
    project: str, secret: str, *, simulator: str | None, openai_key: str
) -> pb.Configuration:
    """Return the configuration of a demo: two upstreams, models, and a project with a token of that secret.

    The upstreams are the simulator at `HOST:PORT`; without one, OpenAI with its key, and Anthropic inactive.
    """
    base_url = f"http://{simulator}/v1" if simulator else ""  # empty: the provider's own
    return pb.Configuration(
        upstreams=[
            upstreams_pb.CreateUpstreamRequest(
                name=_OPENAI,
                provider=upstreams_pb.PROVIDER_OPENAI,
                base_url=base_url,
                api_key=_SIMULATOR_KEY if simulator else openai_key,
                is_default=True,
            ),
            upstreams_pb.CreateUpstreamRequest(
                name=_ANTHROPIC,
                provider=upstreams_pb.PROVIDER_ANTHROPIC,
                base_url=base_url,
                api_key=_SIMULATOR_KEY,
                is_active=simulator is not None,
            ),
        ],
        models=[
            models_pb.CreateModelRequest(name=name, deployments=[models_pb.Deployment(upstream=upstream)])
            for name, upstream in _MODELS.items()
        ],
        projects=[pb.ConfiguredProject(name=project, tokens=[pb.ConfiguredToken(name=_NAME, secret=secret)])],
    )


def instructions(
    demo: Demo, *, data: str, console: str, grpc: str, management_token: str, self_signed: Path | None = None
) -> str:
    """Return how to use the demo: base URL, token, and to paste, a curl line and six lines of Python.

    `data`, `console` and `grpc` are where the server listens, as `Addresses` has them. `self_signed` is the
    certificate that callers have to trust, if it is such a one.
    """
    trust = ""
    if self_signed is not None and data.startswith("https:"):
        path = shlex.quote(str(self_signed.absolute()))
        trust = f"""
So that curl and Python trust the certificate, which is self-signed:

  export CURL_CA_BUNDLE={path} SSL_CERT_FILE={path}
"""
    base_url = f"{data}/v1"
    body = msgspec.json.encode(
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
    ).decode()
    provider = "the simulated provider (set OPENAI_API_KEY to call OpenAI)" if demo.simulated else "OpenAI"
    return f"""
Tollkeeper is ready; requests go to {provider}.

  base URL          {base_url}
  token             {demo.secret}
  console           {console}/admin/ (sign in with the management token)
  REST              {console} (docs at {console}/docs)
  gRPC              {grpc}
  management token  {management_token}
{trust}
With curl:

  curl {base_url}/chat/completions -H "Authorization: Bearer {demo.secret}" \\
    -H "Content-Type: application/json" -d '{body}'

With the OpenAI SDK (pip install openai):

from openai import OpenAI
client = OpenAI(base_url="{base_url}", api_key="{demo.secret}")
stream = client.chat.completions.create(
    model="gpt-4o-mini", stream=True, messages=[{{"role": "user", "content": "Hello"}}])
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)

Stop with Ctrl-C.
"""
