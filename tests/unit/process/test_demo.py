"""A demo is a configuration like any other, and leaves what is configured already as it is."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tollkeeper_server.domain.configuration import Configuration
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.process.app import build
from tollkeeper_server.process.demo import OPENAI_KEY, Demo, instructions
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.settings import Settings
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.process.test_app import MANAGEMENT_TOKEN, settings_in

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a demo that calls OpenAI, so that no simulator is started."""
    monkeypatch.setenv(OPENAI_KEY, "sk-openai-canary-1")
    return settings_in(tmp_path, demo="true")


@pytest.fixture
def path(settings: Settings) -> Path:
    """The file of the demo's store."""
    settings.data_dir.mkdir()
    return settings.data_dir / "tollkeeper.db"


async def set_up(settings: Settings) -> str:
    """Build a demo, and return its token's secret."""
    async with AsyncExitStack() as stack:
        running = await build(stack, settings, MANAGEMENT_TOKEN)
        assert running.demo is not None
        return running.demo.secret


async def stored(path: Path) -> tuple[Configuration, list[Token]]:
    """Return what a store holds."""
    store = SqliteStore(path)
    await store.open()
    try:
        return await store.configuration.read(), await store.tokens.list(limit=100)
    finally:
        await store.close()


async def test_a_second_start_changes_nothing(settings: Settings, path: Path) -> None:
    secret = await set_up(settings)
    first = await stored(path)
    assert await set_up(settings) == secret
    assert await stored(path) == first
    configuration, tokens = first
    assert [it.name for it in configuration.upstreams if it.is_default] == ["demo"]
    assert [it.name for it in configuration.projects] == [it.name for it in tokens] == ["demo"]


async def test_a_demo_with_another_secret_leaves_the_tokens_of_the_first(
    settings: Settings, path: Path
) -> None:
    """Two data directories may share a store."""
    first = await set_up(settings)
    _, before = await stored(path)
    (settings.data_dir / "demo-token").unlink()

    assert await set_up(settings) != first

    configuration, tokens = await stored(path)
    assert [it.name for it in configuration.projects] == ["demo", "demo-2"]
    assert len(tokens) == 2
    assert before[0] in tokens


async def test_projects_that_share_the_demos_name_do_not_stop_it(settings: Settings, path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    for number in (1, 2):
        await store.configuration.add(
            Project(id=f"prj_{number}", name="demo", created_at=NOW, updated_at=NOW)
        )
    await store.close()

    await set_up(settings)

    configuration, _ = await stored(path)
    assert sorted(it.name for it in configuration.projects) == ["demo", "demo", "demo-2"]


async def test_models_that_are_there_stay(settings: Settings, path: Path) -> None:
    own = Model(name="mine", aliases=("gpt-4o", "whisper-1"), deployments=(), created_at=NOW, updated_at=NOW)
    store = SqliteStore(path)
    await store.open()
    await store.configuration.add(own)
    await store.close()

    await set_up(settings)

    configuration, _ = await stored(path)
    models = {it.name: it for it in configuration.models}
    assert models["mine"] == own
    assert {"gpt-4o-mini", "*", "claude-*"} <= models.keys()
    assert not {"gpt-4o", "whisper-1"} & models.keys()


async def test_an_upstream_that_was_made_the_default_stays_so(settings: Settings, path: Path) -> None:
    await set_up(settings)
    store = SqliteStore(path)
    await store.open()
    for upstream in (await store.configuration.read()).upstreams:
        changed = msgspec.structs.replace(
            upstream, is_default=upstream.name == "demo-anthropic", revision=upstream.revision + 1
        )
        assert await store.configuration.replace(changed, expected=upstream.revision)
    await store.close()

    await set_up(settings)

    configuration, _ = await stored(path)
    assert [it.name for it in configuration.upstreams if it.is_default] == ["demo-anthropic"]


async def test_a_token_that_was_changed_stays_so(settings: Settings, path: Path) -> None:
    await set_up(settings)
    store = SqliteStore(path)
    await store.open()
    (token,) = await store.tokens.list(limit=2)
    changed = msgspec.structs.replace(token, name="ours", is_active=False, max_requests=7, revision=2)
    assert await store.tokens.replace(changed, expected=1)
    await store.close()

    await set_up(settings)

    assert (await stored(path))[1] == [changed]


async def test_a_key_that_is_refused_is_told_and_not_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPENAI_KEY, "sk-openai-canary-\n")
    with pytest.raises(
        RunError, match=r"the demo can't be set up: upstreams\[0\].api_key: must be"
    ) as raised:
        await set_up(settings)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(("scheme", "told"), [("https", True), ("http", False)])
def test_who_calls_over_a_self_signed_certificate_is_told_how_to_trust_it(
    tmp_path: Path, scheme: str, told: bool
) -> None:
    certificate = tmp_path / "a folder" / "self-signed.crt"
    said = instructions(
        Demo("sk-tk-1", simulated=True),
        data=f"{scheme}://127.0.0.1:3000",
        console="https://127.0.0.1:8080",
        grpc="127.0.0.1:50051",
        management_token=MANAGEMENT_TOKEN,
        self_signed=certificate,
    )

    assert (f"export CURL_CA_BUNDLE='{certificate}' SSL_CERT_FILE='{certificate}'" in said) is told
