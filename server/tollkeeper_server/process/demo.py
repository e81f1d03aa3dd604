"""`serve --demo`: a simulated provider (or OpenAI's own), a project and a token, and how to use them."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.model import Deployment, Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token, digest_secret, mask, new_secret
from tollkeeper_server.domain.upstream import Provider, Upstream
from tollkeeper_server.providers.anthropic import ANTHROPIC
from tollkeeper_server.providers.openai import OPENAI
from tollkeeper_server.store.key_file import keep
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sealed import Sealer

OPENAI_KEY = "OPENAI_API_KEY"
_SIMULATOR_KEY = "sk-simulated"
_TOKEN_FILE = "demo-token"  # noqa: S105 - a file's name
_UPSTREAM = "demo"
_ANTHROPIC = "demo-anthropic"
# Shown by GET /v1/models. Any other name works as well: `*` stands for it.
_OPENAI_MODELS = (
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4o-mini-transcribe",
    "gpt-image-1",
    "text-embedding-3-small",
    "tts-1",
    "whisper-1",
)


@dataclass(frozen=True, slots=True)
class Demo:
    """What was set up. `secret` is the token's; `simulated` tells whether no real provider is called."""

    secret: str
    simulated: bool


def uses_simulator() -> bool:
    """Whether the demo needs the simulator: no OPENAI_API_KEY is set."""
    return not os.environ.get(OPENAI_KEY)


async def set_up_demo(
    store: Store, sealer: Sealer, digest_key: bytes, data_dir: Path, simulator: str | None
) -> Demo:
    """Makes what is missing of the demo, and points it at `simulator` (`HOST:PORT`), or OpenAI if None.

    The token is made once and kept in the data directory: only its digest is in the store.
    """
    now = datetime.now(UTC)
    secret, _ = keep(data_dir / _TOKEN_FILE, new_secret)
    if await store.find_token(digest_secret(secret.encode(), digest_key)) is None:
        project = Project(id=new_id(Prefix.PROJECT), name="demo", created_at=now, updated_at=now)
        await store.add_project(project)
        await store.add_token(
            Token(
                id=new_id(Prefix.TOKEN),
                project_id=project.id,
                name="demo",
                digest=digest_secret(secret.encode(), digest_key),
                hint=mask(secret),
                created_at=now,
                updated_at=now,
            )
        )
    openai_key = os.environ.get(OPENAI_KEY, "")
    await _put_upstream(
        store,
        sealer,
        name=_UPSTREAM,
        provider=Provider.OPENAI,
        base_url=f"http://{simulator}/v1" if simulator else OPENAI.default_base_url,
        key=_SIMULATOR_KEY if simulator else openai_key,
        is_active=True,
    )
    await _put_upstream(
        store,
        sealer,
        name=_ANTHROPIC,
        provider=Provider.ANTHROPIC,
        base_url=f"http://{simulator}/v1" if simulator else ANTHROPIC.default_base_url,
        key=_SIMULATOR_KEY,
        is_active=simulator is not None,
    )
    for name in (*_OPENAI_MODELS, "*"):
        await _add_model(store, name, _UPSTREAM, now)
    for name in ("claude-sonnet-4-5", "claude-*"):
        await _add_model(store, name, _ANTHROPIC, now)
    return Demo(secret=secret, simulated=simulator is not None)


async def _put_upstream(
    store: Store, sealer: Sealer, *, name: str, provider: Provider, base_url: str, key: str, is_active: bool
) -> None:
    now = datetime.now(UTC)
    found = await store.get_upstream(name)
    upstream = Upstream(
        name=name,
        provider=provider,
        base_url=base_url,
        api_key=sealer.seal(key, f"upstream:{name}:api_key"),
        api_key_hint=mask(key),
        is_active=is_active,
        is_default=name == _UPSTREAM,
        created_at=found.created_at if found else now,
        updated_at=now,
        revision=found.revision + 1 if found else 1,
    )
    if found is None:
        await store.add_upstream(upstream)
    else:
        await store.replace_upstream(upstream, expected=found.revision)


async def _add_model(store: Store, name: str, upstream: str, now: datetime) -> None:
    if await store.get_model(name) is None:
        deployments = (Deployment(upstream=upstream),)
        await store.add_model(Model(name=name, deployments=deployments, created_at=now, updated_at=now))


def describe(demo: Demo, *, data: str, console: str, grpc: str, management_token: str) -> str:
    """Returns what to paste: base URL, token, a curl line and six lines of Python."""
    base_url = f"http://{data}/v1"
    body = msgspec.json.encode(
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
    ).decode()
    provider = "the simulated provider (set OPENAI_API_KEY to call OpenAI)" if demo.simulated else "OpenAI"
    return f"""
Tollkeeper is ready; requests go to {provider}.

  base URL          {base_url}
  token             {demo.secret}
  console, REST     {console} (docs at {console}/docs)
  gRPC              {grpc}
  management token  {management_token}

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
