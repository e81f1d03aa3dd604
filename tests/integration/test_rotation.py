"""`tollkeeper keys rotate`: the old key can go, and nobody notices."""

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest
from tollkeeper import Client, Deployment, Provider
from tollkeeper_server.store.sealed import Sealer, new_key

from tests.integration.process import PATIENT, PROVIDER_KEY, Gateway, Simulator, clean_environment
from tests.integration.wire import ask, bearer

JSON = ("content-type", "application/json")
CHAT = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}'
CANARY = "sk-canary-2f6d"


def status_of(gateway: Gateway, token: str) -> int:
    """Return the status of a call, for which the gateway needs its digest key and the provider's key."""
    return ask(gateway.data, "POST", "/v1/chat/completions", [bearer(token), JSON], CHAT).status


def rotate(directory: Path, *options: str, keys: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command with these encryption keys."""
    environment = {"TOLLKEEPER_ENCRYPTION_KEY": keys} if keys else {}
    return subprocess.run(
        [sys.executable, "-m", "tollkeeper_server", "keys", "rotate", *options],
        env=clean_environment(**environment),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def configure(client: Client, simulator: Simulator) -> str:
    """Make something with every kind of secret; return the secret of a token."""
    client.upstreams.create(
        name="sim",
        provider=Provider.GENERIC,
        base_url=f"http://{simulator.address}/v1",
        api_key=PROVIDER_KEY,
        breaker=PATIENT,
    )
    client.upstreams.create(
        name="proxied",
        provider=Provider.OPENAI,
        api_key=CANARY,
        proxy_url=f"http://user:{CANARY}@127.0.0.1:9",
    )
    client.models.create(name="gpt-4o", deployments=[Deployment("sim")])
    project = client.projects.create(name="one", openai_api_key=CANARY)
    return client.tokens.create(project_id=project.id).token


def test_processes_serve_meanwhile_and_afterwards_with_the_new_key_alone(
    tmp_path: Path, simulator: Simulator
) -> None:
    old, new = new_key(), new_key()
    with Gateway(tmp_path, encryption_key=old) as gateway:
        with gateway.management() as client:
            token = configure(client, simulator)
        assert gateway.command.stop() == 0

    both, statuses, done = f"{new},{old}", list[int](), Event()
    with Gateway(tmp_path, encryption_key=both) as gateway:

        def call() -> None:
            while not done.is_set():
                statuses.append(status_of(gateway, token))

        caller = Thread(target=call)
        caller.start()
        try:
            first, again = (rotate(tmp_path, "--data-dir", "data", keys=both) for _ in range(2))
        finally:
            done.set()
            caller.join()
        assert (first.returncode, first.stderr) == (0, "")
        sentence = f"All 5 secrets are sealed with the first key, {Sealer(new).key_id}; %d of them were"
        assert first.stdout.startswith(sentence % 5)
        assert again.stdout.startswith(sentence % 0)
        assert set(statuses) == {200}
        with gateway.management() as client:
            client.upstreams.update("proxied", organization="edited")
        assert gateway.command.stop() == 0

    assert rotate(tmp_path, "--data-dir", "data", keys=new).stdout.startswith(sentence % 0)
    with Gateway(tmp_path, encryption_key=new) as gateway:
        assert status_of(gateway, token) == 200
        assert simulator.last_request().header("authorization") == f"Bearer {PROVIDER_KEY}"


def test_what_no_key_opens_is_named_without_it(tmp_path: Path, simulator: Simulator) -> None:
    key = new_key()
    with Gateway(tmp_path, encryption_key=key) as gateway:
        with gateway.management() as client:
            configure(client, simulator)
        refused = rotate(tmp_path, "--data-dir", "data", keys=new_key())
        assert (refused.returncode, refused.stdout) == (1, "")
        for secret in (
            "the key of token digests",
            "the api_key of upstream sim",
            "the proxy_url of upstream proxied",
            "the api_key of project prj_",
        ):
            assert secret in refused.stderr
        assert f"was sealed with key {Sealer(key).key_id}" in refused.stderr
        assert CANARY not in refused.stderr


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("", "TOLLKEEPER_ENCRYPTION_KEY is not set; set it to the new key, a comma and the old one: export"),
        (new_key(), "tollkeeper.db: there is no such file; name the store that the gateway uses"),
        ("short", "encryption_key: encryption key 1 is not base64 of 32 bytes"),
    ],
    ids=["no key", "no store", "a malformed key"],
)
def test_what_is_missing_is_told_and_not_made(tmp_path: Path, keys: str, reason: str) -> None:
    refused = rotate(tmp_path, keys=keys)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert reason in refused.stderr
    assert list(tmp_path.iterdir()) == []
