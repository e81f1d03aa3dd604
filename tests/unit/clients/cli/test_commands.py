"""The management commands, run as people and programs run them, against a real gateway."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner
from tollkeeper.cli import COMMANDS
from tollkeeper_server.management.sessions import Sessions
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.certificates import Authority
from tests.contract.issued import issue
from tests.unit.clients.conftest import Gateway
from tests.unit.clients.traffic import event, keep

CANARY = "sk-canary-0123456789abcdefghijklmnop"
PRICES = """
prices:
  - rates: {input: 2.5, output: 10}
  - {start_time: 2027-01-01, rates: {input: 2, output: 8}}
"""
MAIN = """
import click
from tollkeeper.cli import COMMANDS

@click.group()
def main() -> None: ...

for command in COMMANDS:
    main.add_command(command)
main(prog_name="tollkeeper")
"""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> object:
        """The one document on stdout of a command that succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)


@click.group()
def main() -> None:
    """The commands, composed as the server's command line does."""


for _command in COMMANDS:
    main.add_command(_command)


@dataclass(frozen=True)
class Shell:
    """Runs commands, in this process where that makes no difference."""

    environment: dict[str, str]

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        """Run `tollkeeper` with those arguments, `stdin` and additional environment."""
        done = CliRunner().invoke(
            main, arguments, input=stdin, env=self.environment | environment, prog_name="tollkeeper"
        )
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return Ran(done.exit_code, done.stdout, done.stderr)

    def start(self, *arguments: str, stdin: str = "", stdout: int = subprocess.PIPE) -> Ran:
        """Run it in a process of its own, that writes to `stdout`."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", MAIN, *arguments],
            input=stdin,
            env=dict(os.environ) | self.environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        return Ran(done.returncode, done.stdout or "", done.stderr)

    def item(self, *arguments: str, stdin: str = "", **environment: str) -> dict[str, object]:
        """Run a command with --json and returns the object it prints."""
        found = self.run(*arguments, "--json", stdin=stdin, **environment).json()
        assert isinstance(found, dict)
        return found

    def items(self, *arguments: str) -> list[dict[str, object]]:
        """Run a command with --json and returns the objects it lists."""
        found = self.run(*arguments, "--json").json()
        assert isinstance(found, list)
        return found


@pytest.fixture
def shell(gateway: Gateway) -> Shell:
    return Shell(
        {
            "TOLLKEEPER_GRPC_ADDRESS": gateway.address,
            "TOLLKEEPER_MANAGEMENT_TOKEN": gateway.management_token,
        }
    )


@pytest.fixture
def project_id(shell: Shell) -> str:
    return str(shell.item("project", "create", "--name", "demo")["id"])


async def sign_in(gateway: Gateway, user_agent: str) -> None:
    """Sign in to the console of the gateway."""
    store = SqliteStore(gateway.store_file)
    await store.open()
    sessions = Sessions(store.sessions, bytes(32), gateway.management_token, lambda: datetime.now(UTC))
    await sessions.begin(gateway.management_token, address="192.0.2.1", user_agent=user_agent)
    await store.close()


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid4().hex[:12]}"


def test_the_groups_and_their_commands() -> None:
    commands = {group.name: sorted(getattr(group, "commands", {})) for group in COMMANDS}

    assert commands == {
        "project": ["activate", "create", "deactivate", "get", "list", "revoke-tokens", "update"],
        "token": ["create", "get", "list", "revoke", "rotate", "update"],
        "upstream": ["create", "delete", "get", "list", "models", "reset-breaker", "test", "update"],
        "group": ["create", "delete", "get", "list", "update"],
        "model": ["create", "delete", "get", "list", "update"],
        "listener": ["create", "delete", "get", "list", "update"],
        "gateway": ["get", "update"],
        "budget": ["check", "list", "notices"],
        "usage": ["events", "get", "summary", "tail"],
        "prices": ["apply", "check", "history", "import", "list", "show"],
        "apply": [],
        "export": [],
        "import": ["llamakey", "llamaxing", "llmproxy"],
        "revisions": ["diff", "list"],
        "explain": [],
        "references": [],
        "status": [],
        "session": ["list", "revoke", "revoke-all"],
    }


def test_every_command_explains_itself_and_never_shows_the_token(shell: Shell) -> None:
    for group in COMMANDS:
        assert group.name is not None
        for name in getattr(group, "commands", {}):
            ran = shell.run(group.name, name, "--help", TOLLKEEPER_MANAGEMENT_TOKEN="canary-in-help")
            assert ran.code == 0
            assert "--management-token" in ran.out
            assert "canary" not in ran.out


def test_a_project_from_its_creation_to_its_end(shell: Shell) -> None:
    name = unique("Zoë's bot")
    made = shell.run("project", "create", "--name", name)
    assert made.code == 0
    fields = dict(line.split(maxsplit=1) for line in made.out.splitlines())
    assert (fields["name"], fields["is_active"], fields["api_key"]) == (name, "yes", "-")

    listed = shell.run("project", "list").out.splitlines()
    headers = ["ID", "NAME", "ACTIVE", "API", "KEY", "LIMITS", "LABELS", "LAST", "USED", "CREATED"]
    assert listed[0].split() == headers
    assert any(line.startswith(fields["id"]) and name in line for line in listed)

    changed = shell.item("project", "update", fields["id"], "--name", "new", "--etag", fields["etag"])
    assert changed["name"] == "new"
    assert shell.item("project", "deactivate", fields["id"], "--revoke-tokens")["is_active"] is False
    assert fields["id"] not in [it["id"] for it in shell.items("project", "list", "--active")]
    assert shell.item("project", "activate", fields["id"])["deactivated_at"] is None
    assert shell.item("project", "revoke-tokens", fields["id"]) == {
        "revoked_count": 0,
        "already_revoked_count": 0,
        "total_tokens": 0,
        "failed_count": 0,
    }


def test_the_history_of_an_upstream(shell: Shell) -> None:
    name = unique("history")
    made = ("upstream", "create", name, "--provider", "openai", "--api-key", CANARY)
    assert shell.run(*made).code == 0
    (first,) = shell.items("revisions", "list", "--kind", "upstream", "--id", name)
    assert (first["door"], first["method"], first["source"]) == ("grpc", "CreateUpstream", "127.0.0.1")
    assert shell.run("upstream", "update", name, "--deactivate").code == 0

    number = int(str(first["revision"]))
    listed = shell.run("revisions", "list", "--kind", "upstream", "--id", name).out.splitlines()
    assert listed[0].split() == ["REVISION", "TIME", "BY", "DOOR", "SOURCE", "CHANGES"]
    assert [line.split()[0] for line in listed[1:]] == [str(number + 1), str(number)]
    assert f"~upstream {name}"[:20] in listed[1]
    shown = shell.run("revisions", "diff", str(number), str(number + 1)).out
    assert shown == f"~ upstream {name}\n    is_active: true -> false\n"
    assert shell.run("revisions", "diff", str(number - 1), str(number)).out == f"+ upstream {name}\n"
    assert shell.run("revisions", "diff", str(number), str(number)).out == "nothing differs\n"
    (change,) = shell.items("revisions", "diff", str(number), str(number + 1))
    assert change["fields"] == [{"field": "is_active", "before": "true", "after": "false"}]
    assert CANARY not in json.dumps(shell.items("revisions", "diff", "0"))
    refused = shell.run("revisions", "diff", "0", "999999")
    assert refused.code != 0
    assert "the latest is" in refused.err


@pytest.mark.parametrize(
    ("arguments", "stdin", "environment"),
    [
        (["--openai-api-key", "-"], f"{CANARY}\n", {}),
        (["--api-key", "-"], CANARY, {}),
        (["--api-key-env", "MY_KEY"], "", {"MY_KEY": CANARY}),
        (["--openai-api-key", CANARY], "", {}),
    ],
)
def test_a_key_comes_from_stdin_the_environment_or_the_line(
    shell: Shell, arguments: list[str], stdin: str, environment: dict[str, str]
) -> None:
    made = shell.item("project", "create", "--name", "keyed", *arguments, stdin=stdin, **environment)

    assert made["api_key"]
    assert str(made["api_key"]).endswith(CANARY[-4:])
    assert CANARY not in json.dumps(made)


@pytest.mark.parametrize(
    ("arguments", "stdin", "problem"),
    [
        (["--api-key", "-"], "", "--openai-api-key: is empty"),
        (["--api-key", ""], "", "--openai-api-key: is empty"),
        (["--api-key-env", "NO_SUCH_KEY"], "", "the environment has no NO_SUCH_KEY"),
        (["--api-key-env", "X", "--api-key", "-"], "x", "not both"),
    ],
)
def test_a_key_that_is_not_there_is_a_usage_error(
    shell: Shell, arguments: list[str], stdin: str, problem: str
) -> None:
    ran = shell.run("project", "create", "--name", "x", *arguments, stdin=stdin)

    assert ran.code == 2
    assert problem in ran.err


def test_a_keys_removal_is_asked_for(shell: Shell) -> None:
    made = shell.item("project", "create", "--name", "keyed", "--api-key", CANARY)

    assert shell.item("project", "update", str(made["id"]), "--remove-openai-api-key")["api_key"] == ""


def test_a_new_secret_stands_alone_on_stdout(shell: Shell, project_id: str) -> None:
    ran = shell.run("token", "create", "--project-id", project_id, "--duration", "24h")

    assert ran.code == 0
    secret = ran.out.strip()
    assert secret.startswith("sk-tk-")
    assert ran.out == f"{secret}\n"
    assert "not shown again" in ran.err
    assert secret not in ran.err
    (token,) = shell.items("token", "list", "--project-id", project_id)
    assert str(token["id"]) in ran.err
    assert secret not in json.dumps(token)


def test_a_token_from_its_creation_to_its_end(shell: Shell, project_id: str) -> None:
    made = shell.item(
        "token", "create", "--project", project_id, "--name", "ci", "--duration-minutes", "90",
        "--max-requests", "7", "--allowed-model", "gpt-*", "--allowed-model", "x",
    )  # fmt: skip
    token_id = str(made["id"])
    assert (made["max_requests"], made["allowed_models"]) == (7, ["gpt-*", "x"])

    listed = shell.run("token", "list", "--project-id", project_id).out.splitlines()
    assert listed[0].split() == (
        [
            "ID",
            "NAME",
            "PROJECT",
            "TOKEN",
            "STATE",
            "EXPIRES",
            "REQUESTS",
            "LIMITS",
            "MODELS",
            "LAST",
            "USED",
            "CREATED",
        ]
    )
    assert "gpt-*,x" in listed[1]
    assert "0/7" in listed[1]
    assert "in 1h" in listed[1]

    freed = shell.item("token", "update", token_id, "--never-expires", "--all-models", "--max-requests", "0")
    assert (freed["expires_at"], freed["allowed_models"], freed["max_requests"]) == (None, [], 0)
    until = shell.item("token", "update", token_id, "--expires-at", "2099-01-01T01:00+01:00")
    assert until["expires_at"] == "2099-01-01T00:00:00Z"

    rotated = shell.run("token", "rotate", token_id)
    assert rotated.out.strip() != made["token"]
    assert "expires 2099-01-01T00:00:00Z" in rotated.err

    assert shell.run("token", "revoke", token_id).out == f"token {token_id} is revoked\n"
    assert shell.item("token", "revoke", token_id) == {}
    assert shell.item("token", "get", token_id)["is_active"] is False
    assert shell.items("token", "list", "--project-id", project_id, "--active") == []


def test_lists_are_searched_sorted_cut_and_counted(shell: Shell, project_id: str) -> None:
    mark = unique("team")
    ids = {}
    for name, *more in (
        ("one", "--max-requests", "5"),
        ("two", "--duration", "24h", "--description", f"of {mark}"),
        ("Three", "--label", "tier=1", "--label", f"team={mark}"),
    ):
        made = shell.item("token", "create", "--project-id", project_id, "--name", name, *more)
        ids[name] = str(made["id"])
    of_project = ("token", "list", "--project-id", project_id)

    def names(*arguments: str) -> list[object]:
        return [it["name"] for it in shell.items(*of_project, *arguments)]

    assert names("--sort", "name") == ["one", "Three", "two"]
    assert names("--sort", "created_at desc", "--limit", "2") == ["Three", "two"]
    assert names("--search", mark.upper()) == ["two", "Three"]
    assert names("--label", f"team={mark}", "--label", "tier=1") == ["Three"]
    assert names("--state", "expiring") == ["two"]
    assert names("--state", "active", "--state", "expiring") == ["one", "two", "Three"]
    counted = shell.run(*of_project, "--limit", "1", "--total")
    assert (len(counted.out.splitlines()), counted.err) == (2, "1 of 3 tokens\n")
    assert counted.out.splitlines()[1].split()[4] == "active"
    nothing = shell.run(*of_project, "--search", "nothing", "--total")
    assert (nothing.out, nothing.err) == ("", "no tokens\n0 of 0 tokens\n")
    token = shell.item("token", "get", ids["Three"])
    assert (token["labels"], token["project_name"]) == ({"team": mark, "tier": "1"}, "demo")
    assert "team=" in shell.run("token", "get", ids["Three"]).out
    bare = shell.item("token", "update", ids["Three"], "--no-labels", "--description", "d")
    assert (bare["labels"], bare["description"]) == ({}, "d")

    project = shell.item("project", "create", "--name", mark, "--label", "a=b", "--description", "d")
    assert (project["labels"], project["description"], project["last_used_at"]) == ({"a": "b"}, "d", None)
    relabelled = shell.item("project", "update", str(project["id"]), "--label", "c=d")
    assert (relabelled["labels"], relabelled["description"]) == ({"c": "d"}, "d")
    for arguments in (("--search", mark), ("--search", mark, "--label", "c=d", "--active")):
        assert [it["id"] for it in shell.items("project", "list", *arguments)] == [project["id"]]
    assert shell.items("project", "list", "--search", mark, "--inactive") == []
    for kind in ("upstream", "group", "model", "listener"):
        empty = shell.run(kind, "list", "--search", mark, "--sort", "updated_at desc", "--total")
        assert (empty.code, empty.err) == (0, f"no {kind}s\n0 of 0 {kind}s\n")
    refused = shell.run("token", "list", "--sort", "size")
    assert (refused.code, "order_by: must be one of created_at" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("project", ["--name", "limited"]),
        ("model", ["limited", "--deployment", "limited"]),
        ("listener", ["limited", "--listen", "127.0.0.1:3099"]),
    ],
)
def test_limits_are_given_shown_replaced_and_taken_away(shell: Shell, kind: str, make: list[str]) -> None:
    shell.run("upstream", "create", "limited", "--provider", "openai")
    made = shell.item(kind, "create", *make, "--limit", "money=25/month@Europe/Berlin")
    which = str(made.get("id", made["name"]))
    assert made["limits"] == [
        {
            "measure": "money",
            "amount": 25_000_000_000,
            "burst": 0,
            "period": "month",
            "zone": "Europe/Berlin",
            "clamp": False,
            "allow_unpriced": False,
            "dollars": "25",
        }
    ]
    assert "money=25/month@Europe/Berlin" in shell.run(kind, "list").out

    _check_changes(shell, [kind, "update", which], [kind, "get", which])
    if kind != "project":
        shell.run(kind, "delete", which)


def test_limits_of_a_token_and_of_the_gateway_are_given_and_taken_away(shell: Shell, project_id: str) -> None:
    minted = shell.item("token", "create", "--project", project_id, "--limit", "tokens_per_minute=600/20")
    token_id = str(minted["id"])
    assert "tokens_per_minute=600/20" in shell.run("token", "get", token_id).out
    assert shell.item("gateway", "get") == {"limits": [], "updated_at": None, "etag": "0-0"}

    _check_changes(shell, ["token", "update", token_id], ["token", "get", token_id])
    _check_changes(shell, ["gateway", "update"], ["gateway", "get"])


def _check_changes(shell: Shell, update: list[str], get: list[str]) -> None:
    shell.run(*update, "--limit", "requests_per_minute=60", "--limit", "tokens=5/total")
    assert "requests_per_minute=60,tokens=5/total" in shell.run(*get).out
    checked = shell.item(*update, "--no-limits", "--validate-only")
    assert checked["limits"] == []
    assert "requests_per_minute=60,tokens=5/total" in shell.run(*get).out
    assert shell.item(*update, "--no-limits")["limits"] == []


def test_several_tokens_are_revoked_at_once(shell: Shell, project_id: str) -> None:
    ids = [str(shell.item("token", "create", "--project-id", project_id)["id"]) for _ in range(3)]
    missing = "tok_" + "0" * 26

    assert shell.run("token", "revoke", ids[0], ids[1]).out == "2 revoked, 0 were revoked already\n"
    some = shell.run("token", "revoke", *ids, missing, ids[2])
    assert (some.code, some.out) == (1, "1 revoked, 2 were revoked already\n")
    assert f"{missing}: id: there is no token" in some.err
    again = shell.item("token", "revoke", *ids)
    assert again == {"revoked": [], "already_revoked": ids, "failed": []}


def test_upstreams_and_models_from_creation_to_end(shell: Shell) -> None:
    upstream, model, alias = unique("azure"), unique("fast"), unique("alias")
    made = shell.item(
        "upstream", "create", upstream, "--provider", "azure", "--api-key", "-",
        "--base-url", "https://example.openai.azure.com", "--api-version", "2024-10-21",
        "--connect-timeout", "500ms", "--total-timeout", "1h", stdin=CANARY,
    )  # fmt: skip
    assert made["provider"] == "azure"
    assert made["timeouts"] == {"connect": "0.5s", "first_byte": None, "idle": None, "total": "3600s"}

    changed = shell.item("upstream", "update", upstream, "--idle-timeout", "90s", "--deactivate")
    assert changed["timeouts"] == {"connect": "0.5s", "first_byte": None, "idle": "90s", "total": "3600s"}
    assert changed["is_active"] is False
    assert changed["api_key"] == made["api_key"]
    assert shell.item("upstream", "get", upstream) == changed
    assert any(
        line.split()[:2] == [upstream, "azure"] for line in shell.run("upstream", "list").out.splitlines()
    )

    model_made = shell.item(
        "model", "create", model, "--deployment", f"{upstream}=gpt4o", "--deployment", upstream,
        "--alias", alias, "--capability", "chat_completions",
    )  # fmt: skip
    assert model_made["deployments"] == [
        {"upstream": upstream, "upstream_model": "gpt4o", "weight": 1, "prices": []},
        {"upstream": upstream, "upstream_model": "", "weight": 1, "prices": []},
    ]
    assert model_made["capabilities"] == ["chat_completions"]
    (line,) = [it for it in shell.run("model", "list").out.splitlines() if it.startswith(model)]
    assert f"{upstream}=gpt4o,{upstream}" in line

    cleared = shell.item("model", "update", model, "--no-aliases", "--all-capabilities", "--deactivate")
    assert (cleared["aliases"], cleared["capabilities"], cleared["is_active"]) == ([], [], False)

    refused = shell.run("upstream", "delete", upstream)
    assert refused.code == 1
    assert model in refused.err

    assert shell.run("model", "delete", model).out == f"model {model} is deleted\n"
    assert shell.item("upstream", "delete", upstream) == {}
    assert shell.run("model", "get", model).code == 1


def test_an_upstreams_traffic_from_creation_to_end(shell: Shell, tmp_path: Path) -> None:
    upstream = unique("up")
    made = shell.item(
        "upstream", "create", upstream, "--provider", "generic", "--base-url", "http://a", "--keep-path",
        "--list-models", "--inactive", "--header", "insert:x-team:a", "--header", "remove:x-debug",
        "--breaker-threshold", "0.25", "--probe", "/models", "--probe-interval", "5s", "--proxy-env", "PROXY",
        "--request-id-header", "X-Request-Id", "--pass-header", "set-cookie", "--pass-header", "alt-svc",
        "--drain", "90s",
        PROXY="http://user:canary@proxy:3128",
    )  # fmt: skip
    assert made["header_operations"] == [
        {"action": "insert", "name": "x-team", "value": "a"},
        {"action": "remove", "name": "x-debug", "value": ""},
    ]
    assert made["breaker"] == {"threshold": 0.25, "cooldown": "30s", "window": "30s", "min_calls": 10}
    assert made["probe"] == {"path": "/models", "interval": "5s", "timeout": "5s"}
    assert (made["proxy_url"], made["is_active"]) == ("http://user:****@proxy:3128", False)
    assert (made["base_url"], made["keep_path"], made["list_models"]) == ("http://a", True, True)
    assert made["drain"] == "90s"
    assert (made["request_id_header"], made["passed_headers"]) == ("X-Request-Id", ["set-cookie", "alt-svc"])

    changed = shell.item(
        "upstream", "update", upstream, "--breaker-cooldown", "1m", "--probe-timeout", "1s", "--activate"
    )
    assert changed["breaker"] == {"threshold": 0.25, "cooldown": "60s", "window": "30s", "min_calls": 10}
    assert changed["probe"] == {"path": "/models", "interval": "5s", "timeout": "1s"}
    assert changed["header_operations"] == made["header_operations"]

    cleared = shell.item(
        "upstream", "update", upstream, "--no-headers", "--no-probe", "--remove-proxy", "--no-pass-headers",
        "--request-id-header", "", "--no-keep-path", "--no-list-models",
        "--drain", "0s",
    )  # fmt: skip
    assert (cleared["header_operations"], cleared["probe"], cleared["proxy_url"]) == ([], None, "")
    assert (cleared["request_id_header"], cleared["passed_headers"]) == ("", [])
    assert (cleared["keep_path"], cleared["list_models"]) == (False, False)
    assert cleared["drain"] == "0s"
    no_probe = shell.run("upstream", "update", upstream, "--probe-interval", "1s")
    assert (no_probe.code, "give --probe, too" in no_probe.err) == (2, True)

    certificates = tmp_path / "ca.pem"
    certificates.write_text("nothing")
    refused = shell.run("upstream", "update", upstream, "--ca-certificates", str(certificates))
    assert (refused.code, "ca_certificates: " in refused.err) == (1, True)
    certificates.write_text(Authority(tmp_path).ca_file.read_text())
    trusting = shell.item("upstream", "update", upstream, "--ca-certificates", str(certificates))
    assert trusting["ca_certificates"] == certificates.read_text()
    assert shell.item("upstream", "update", upstream, "--ca-only")["ca_only"] is True
    untrusting = shell.item("upstream", "update", upstream, "--no-ca-certificates")
    assert (untrusting["ca_certificates"], untrusting["ca_only"]) == ("", False)

    client = issue("gateway")
    certificates.write_text(client.pem)
    (tmp_path / "key.pem").write_text(client.key_pem)
    shown = shell.item(
        "upstream", "update", upstream, "--client-certificate", str(certificates), "--client-key",
        str(tmp_path / "key.pem"),
    )  # fmt: skip
    assert (shown["client_certificate"], shown["client_key"]) == (client.pem, "****")
    assert shown["client_certificate_expires_at"]
    gone = shell.item("upstream", "update", upstream, "--no-client-certificate")
    assert (gone["client_certificate"], gone["client_key"]) == ("", "")


def test_groups_and_listeners_from_creation_to_end(shell: Shell) -> None:
    one, other, group, listener = unique("one"), unique("other"), unique("group"), unique("listener")
    for name in (one, other):
        shell.item("upstream", "create", name, "--provider", "openai")
    made = shell.item(
        "group", "create", group, "--member", f"{one}*3", "--member", other,
        "--strategy", "weighted_round_robin", "--retries", "4", "--retry-safe-only",
        "--request-timeout", "2m",
    )  # fmt: skip
    assert made["members"] == [{"upstream": one, "weight": 3}, {"upstream": other, "weight": 1}]
    policy = made["policy"]
    assert isinstance(policy, dict)
    assert policy["timeouts"] == {"connect": None, "request": "120s", "idle": None}
    assert (policy["retry"]["attempts"], policy["retry"]["only_safe"]) == (4, True)

    changed = shell.item("group", "update", group, "--retry-max", "1s", "--session-header", "x-session")
    assert changed["policy"] == policy | {
        "retry": policy["retry"] | {"max": "1s"},
        "session_header": "x-session",
    }
    plain = shell.item("group", "update", group, "--no-retry", "--member", one, "--member", other)
    assert (plain["policy"], plain["members"]) == (
        policy | {"retry": None, "session_header": "x-session"},
        [{"upstream": one, "weight": 1}, {"upstream": other, "weight": 1}],
    )
    (line,) = [it for it in shell.run("group", "list").out.splitlines() if it.startswith(group)]
    assert f"{one},{other}" in line

    opened = shell.item(
        "listener", "create", listener, "--listen", "127.0.0.1:39001", "--default-group", group,
        "--rule", f"/a/* x-team:search={group} strip /a", "--rule", f"x-team={group}", "--ip-limit", "50/100",
        "--listen-tls",
    )  # fmt: skip
    assert opened["tls"] is True
    assert opened["ip_limit"] == {"per_second": 50, "burst": 100}
    rules = opened["rules"]
    assert isinstance(rules, list)
    assert [(it["path"], it["header"], it["value"], it["strip_prefix"]) for it in rules] == [
        ("/a/*", "x-team", "search", "/a"),
        ("", "x-team", "", ""),
    ]
    closed = shell.item(
        "listener", "update", listener, "--no-rules", "--no-ip-limit", "--deactivate", "--head-timeout", "2s",
        "--no-listen-tls",
    )  # fmt: skip
    assert closed["tls"] is False
    assert (closed["rules"], closed["ip_limit"], closed["is_active"]) == ([], None, False)
    assert (closed["head_timeout"], closed["default_group"]) == ("2s", group)
    assert any(it.startswith(listener) for it in shell.run("listener", "list").out.splitlines())
    assert shell.item("listener", "get", listener) == closed

    model = unique("model")
    served = shell.item("model", "create", model, "--group", group, "--price", "0.15/0.60", "--inactive")
    assert (served["group"], served["policy"]) == (group, None)
    assert served["price"] == {"prompt": 150, "completion": 600, "cached": None}
    moved = shell.item(
        "model", "update", model, "--deployment", f"{one}*2", "--strategy", "failover", "--no-price"
    )
    assert (moved["group"], moved["price"]) == ("", None)
    assert moved["deployments"] == [{"upstream": one, "upstream_model": "", "weight": 2, "prices": []}]
    rates = shell.item("model", "update", model, "--rate", "input=0.0028", "--rate", "output=1")["prices"]
    assert isinstance(rates, list)
    assert {name: it for name, it in rates[0]["rates"].items() if it is not None} == {
        "input": 0.0028,
        "output": 1,
    }
    there = shell.item("model", "update", model, "--prices-of", one, "--prices", "-", stdin=PRICES)
    assert there["prices"] == rates
    placed = there["deployments"]
    assert isinstance(placed, list)
    assert [len(it["prices"]) for it in placed] == [2]
    kept = shell.item("model", "update", model, "--deployment", f"{one}*3", "--no-price")
    assert (kept["prices"], kept["deployments"]) == ([], [{**placed[0], "weight": 3}])
    shell.item("model", "update", model, "--prices-of", one, "--no-price")
    backed = shell.item(
        "model", "create", unique("m"), "--group", group, "--fallback", model, "--fallback-on", "content"
    )
    assert (backed["fallbacks"], backed["fallback_on"]) == ([model], ["content"])

    for arguments, users in (
        (("upstream", "delete", other), group),
        (("group", "delete", group), listener),
        (("model", "delete", model), str(backed["name"])),
    ):
        refused = shell.run(*arguments)
        assert (refused.code, users in refused.err) == (1, True)
    shell.item("model", "update", str(backed["name"]), "--no-fallbacks")
    assert shell.run("listener", "delete", listener).out == f"listener {listener} is deleted\n"
    for name in (str(backed["name"]), model):
        shell.item("model", "delete", name)
    assert shell.run("group", "delete", group).out == f"group {group} is deleted\n"


def test_a_secret_of_an_earlier_gateway_is_taken_over(shell: Shell, project_id: str) -> None:
    secret = unique("sk-earlier")
    made = shell.run("token", "create", "--project-id", project_id, "--secret-env", "OLD", OLD=secret)
    assert made.out == f"{secret}\n"
    again = shell.run("token", "create", "--project-id", project_id, "--secret", "-", stdin=secret)
    assert again.code == 1
    assert secret not in again.err


def test_usage_of_nobody_is_empty(shell: Shell, project_id: str) -> None:
    assert shell.items("usage", "events", "--project-id", project_id, "--since", "24h") == []
    events = shell.run("usage", "events", "--project-id", project_id)
    assert (events.code, events.out, events.err) == (0, "", "no events\n")
    summary = shell.run("usage", "summary", "--project-id", project_id, "--group-by", "model,day")
    assert summary.code == 0


async def test_usage_is_listed_and_summed(shell: Shell, gateway: Gateway, project_id: str) -> None:
    now = datetime.now(UTC)
    hostile = "\x1b[31mred"
    await keep(
        gateway.store_file,
        [
            event(project_id, started_at=now - timedelta(hours=3), model="old"),
            event(project_id, started_at=now - timedelta(minutes=2)),
            event(project_id, started_at=now - timedelta(minutes=1), model=hostile, status=502),
        ],
    )
    where = ("--project-id", project_id, "--since", "1h")

    assert {it["model_served"] for it in shell.items("usage", "events", *where)} == {"gpt-4o", hostile}
    table = shell.run("usage", "events", *where)
    assert len(table.out.splitlines()) == 3
    assert "\\x1b[31mred" in table.out
    assert "\x1b" not in table.out
    assert table.err == ""

    wide = shell.run("usage", "events", *where, "--wide").out.splitlines()
    assert wide[0].split()[-2:] == ["TOKEN", "REQUEST"]

    short = shell.run("usage", "events", *where, "--limit", "1")
    assert len(short.out.splitlines()) == 2
    assert short.err == "There are more than 1: see --limit.\n"
    assert len(shell.items("usage", "events", "--project-id", project_id, "--limit", "0")) == 3

    rows = shell.items("usage", "summary", *where, "--group-by", "project,model", "--group-by", "upstream")
    assert [(it["model"], it["requests"], it["failed_requests"]) for it in rows] == [
        (hostile, 1, 1),
        ("gpt-4o", 1, 0),
    ]
    summary = shell.run("usage", "summary", "--project-id", project_id, "--group-by", "model,day").out
    assert summary.split()[:3] == ["MODEL", "DAY", "REQUESTS"]
    assert len(summary.splitlines()) >= 4
    (whole,) = shell.items("usage", "summary", "--project-id", project_id, "--until", "1h")
    assert (whole["requests"], whole["prompt_tokens"], whole["start_time"]) == (1, 10, None)


async def test_usage_is_compared_in_a_zone_and_printed_as_csv(
    shell: Shell, gateway: Gateway, project_id: str
) -> None:
    days = [datetime(2026, 3, day, 23, 30, tzinfo=UTC) for day in (27, 28, 28)]
    models = ["=formula", "gpt-4o", "o3"]
    events = [event(project_id, started_at=at, model=model) for at, model in zip(days, models, strict=True)]
    await keep(gateway.store_file, events)
    where = ("--project-id", project_id, "--since", "2026-03-28T23:00Z", "--until", "2026-03-29T22:00Z")

    compared = ("--group-by", "day", "--time-zone", "Europe/Berlin", "--compare-previous", "--percentiles")
    table = shell.run("usage", "summary", *where, *compared).out.splitlines()
    assert table[0].split()[:2] == ["DAY", "REQUESTS"]
    assert [line.split()[:2] for line in table[1:]] == [["2026-03-29", "2"], ["total", "2"]]
    assert "+100%" in table[1]

    top = shell.run("usage", "summary", "--project-id", project_id, "--group-by", "model", "--top", "1").out
    assert [line.split()[:2] for line in top.splitlines()[1:]] == [
        ["=formula", "1"],
        ["others", "2"],
        ["total", "3"],
    ]

    listed = shell.run("usage", "events", "--project-id", project_id, "--format", "csv", "--limit", "0").out
    rows = csv.DictReader(io.StringIO(listed, newline=""))
    assert sorted(row["model_served"] for row in rows) == ["'=formula", "gpt-4o", "o3"]
    summed = shell.run("usage", "summary", *where, "--group-by", "model", "--format", "csv").out
    assert {row["model"] for row in csv.DictReader(io.StringIO(summed, newline=""))} == {"gpt-4o", "o3"}
    assert shell.item("usage", "get", events[0].id)["project_name"] == "demo"
    failed = ("--status", "5xx", "--status", "404", "--endpoint", "embeddings", "--not-streamed")
    assert shell.items("usage", "events", "--project-id", project_id, *failed) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["token", "create", "--project", "p", "--duration", "90s"],
            "'90s' must be whole minutes",
        ),
        (["token", "create", "--project", "p", "--duration", "1h", "--duration-minutes", "1"], "give one of"),
        (["usage", "summary", "--compare-previous"], "--since must be given with --compare-previous"),
        (["usage", "summary", "--percentiles"], "--since must be given with --percentiles"),
        (["usage", "summary", "--group-by", "day,minute"], "--since must be given with --group-by minute"),
        (["token", "create"], "--project-id"),
        (["token", "create", "--project", "p", "--label", "x"], "is not a label"),
        (["token", "update", "x", "--label", "a=b", "--no-labels"], "not both"),
        (["token", "list", "--state", "lost"], "'lost' is not one of"),
        (["token", "list", "--limit", "0"], "0"),
        (["token", "revoke"], "ID..."),
        (["token", "update", "tok_x"], "nothing to change"),
        (["project", "update", "prj_x"], "nothing to change"),
        (["upstream", "update", "x"], "nothing to change"),
        (["model", "update", "x"], "nothing to change"),
        (["model", "create", "x", "--deployment", "=y"], "is not a deployment"),
        (["model", "update", "x", "--alias", "y", "--no-aliases"], "not both"),
        (["upstream", "create", "x", "--provider", "nonsense"], "'nonsense' is not one of"),
        (["upstream", "update", "x", "--no-probe", "--probe", "/x"], "not both"),
        (["upstream", "create", "x", "--provider", "openai", "--header", "x"], "is not a change of a header"),
        (["upstream", "create", "x", "--provider", "openai", "--probe-interval", "1s"], "give --probe, too"),
        (["model", "create", "x"], "give --deployment or --group"),
        (["model", "create", "x", "--deployment", "y", "--group", "z"], "give --deployment or --group"),
        (["model", "update", "x", "--deployment", "y", "--group", "z"], "not both"),
        (["model", "update", "x", "--price", "cheap"], "is not a price"),
        (["gateway", "update", "--limit", "money=25"], "money is a budget of a period; add one of /hour"),
        (
            ["gateway", "update", "--limit", "tokens=5/day", "--no-limits"],
            "give --limit or --no-limits, not both",
        ),
        (["gateway", "update"], "nothing to change"),
        (["model", "update", "x", "--rate", "inptu=1"], "is not a rate"),
        (["model", "update", "x", "--rate", "input=1", "--price", "1/2"], "give --price, or --rate"),
        (["model", "update", "x", "--prices-of", "y"], "--prices-of wants --rate"),
        (["prices", "check", "--factor", "1"], "1"),
        (["prices", "apply"], "--from"),
        (["group", "create", "x"], "--member"),
        (["group", "update", "x"], "nothing to change"),
        (["group", "create", "x", "--member", "y", "--no-retry", "--retries", "3"], "not both"),
        (["listener", "create", "x"], "--listen"),
        (["listener", "update", "x"], "nothing to change"),
        (["listener", "update", "x", "--no-rules", "--rule", "/x=y"], "not both"),
        (["usage", "summary", "--group-by", "model,nonsense"], "expected some of project"),
        (["usage", "summary", "--time-zone", "Europe/Atlantis"], "is no time zone that is known here"),
        (["usage", "events", "--since", "yesterday"], "'yesterday' is not a time"),
        (["project", "list", "--timeout", "0"], "0"),
        (["project", "list", "--ca-file", "/no/such/file"], "does not exist"),
        (["project", "list", "--management-token", "canary\n"], "management_token: must be printable ASCII"),
    ],
)
def test_a_wrong_usage_is_told_with_exit_code_2(shell: Shell, arguments: list[str], problem: str) -> None:
    ran = shell.run(*arguments)

    assert ran.code == 2
    assert problem in ran.err
    assert "canary" not in ran.err
    assert ran.out == ""


def test_a_refusal_is_one_line_that_names_the_fields(shell: Shell) -> None:
    ran = shell.run("token", "create", "--project-id", "nonsense", "--name", "x" * 129, "--json")

    assert ran.code == 1
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith("tollkeeper: ")
    assert "project_id: " in line
    assert "name: " in line


def test_a_wrong_management_token_is_told_and_not_shown(shell: Shell) -> None:
    ran = shell.run("project", "list", TOLLKEEPER_MANAGEMENT_TOKEN="canary-wrong-token")

    assert ran.code == 1
    assert "taken from TOLLKEEPER_MANAGEMENT_TOKEN or MANAGEMENT_TOKEN" in ran.err
    assert "canary" not in ran.err


def test_a_gateway_that_is_not_there_is_told_with_what_to_check(shell: Shell) -> None:
    ran = shell.run("project", "list", "--address", "127.0.0.1:1")

    assert ran.code == 1
    assert ran.err.startswith("tollkeeper: no gateway answered at 127.0.0.1:1: ")
    assert "check that `tollkeeper serve` runs there" in ran.err


def test_a_file_of_no_certificates_is_a_usage_error(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    ran = shell.run("project", "list", "--ca-file", str(tmp_path / "ca.pem"))

    assert ran.code == 2
    assert "is not a file of PEM certificates" in ran.err


def test_an_argument_that_is_no_text_is_a_usage_error(shell: Shell) -> None:
    ran = shell.run("project", "create", "--name", os.fsdecode(b"\xff"))

    assert ran.code == 2
    assert "not valid UTF-8" in ran.err


def test_it_runs_in_a_process_of_its_own(shell: Shell) -> None:
    made = shell.start("project", "create", "--name", "Zoë", "--api-key", "-", "--json", stdin=f"{CANARY}\n")
    assert made.err == ""
    found = made.json()
    assert isinstance(found, dict)
    assert found["name"] == "Zoë"

    refused = shell.start("project", "get", "nonsense")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("tollkeeper: id: ")


def test_a_reader_that_leaves_is_no_error_to_talk_about(shell: Shell, project_id: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = shell.start("project", "list", stdout=writing)
    finally:
        os.close(writing)

    assert ran.err == ""


def test_sessions_are_listed_and_ended(shell: Shell, gateway: Gateway) -> None:
    asyncio.run(sign_in(gateway, "a \x1b[31mbrowser"))
    asyncio.run(sign_in(gateway, "another"))
    newest, first = sorted(shell.items("session", "list"), key=lambda it: str(it["user_agent"]), reverse=True)
    assert (first["user_agent"], newest["user_agent"]) == ("a [31mbrowser", "another")
    assert (newest["address"], newest["is_current"]) == ("192.0.2.1", False)
    table = shell.run("session", "list")
    assert table.out.split()[:1] == ["ID"]
    assert len(table.out.splitlines()) == 3
    assert shell.run("session", "revoke", str(first["id"])).out == f"Ended {first['id']}.\n"
    again = shell.run("session", "revoke", str(first["id"]))
    assert (again.code, "it may have ended" in again.err) == (1, True)
    assert shell.item("session", "revoke-all") == {"revoked_count": 1}
    assert shell.run("session", "list").err == "no sessions\n"


def test_status_tells_of_the_process_and_of_what_it_sees(shell: Shell) -> None:
    told = shell.item("status")
    assert (told["process"], told["is_ready"], told["snapshot_age"]) == ("host-1", True, "0.5s")
    assert [it["name"] for it in shell.items("status", "upstreams")] == ["anthropic", "openai"]

    shown = shell.run("status")
    assert shown.out.splitlines()[1].split(maxsplit=2) == ["redis", "degraded", "Redis is not reachable"]
    assert shell.run("status", "attention").err == "nothing needs attention\n"
    assert "no listeners" in shell.run("status", "listeners").err
    assert shell.run("status", "everything").code == 2
    assert "settings don't change" in shell.run("status", "settings", "--watch").err


def test_what_is_done_with_upstreams(shell: Shell) -> None:
    shell.run("upstream", "create", "openai", "--provider", "openai")

    tested = shell.run("upstream", "test", "openai")
    assert (tested.code, tested.out.split()) == (0, ["ok", "dns", "250", "ms"])
    assert shell.item("upstream", "test", "openai")["passed"] is True
    reset = shell.run("upstream", "reset-breaker", "openai")
    assert reset.out == "the breaker of the upstream openai is closed\n"
    assert shell.items("upstream", "models", "openai") == [{"name": "gpt-4o", "created_at": None}]
    assert shell.run("upstream", "test", "none-there").code == 1
    shell.run("upstream", "delete", "openai")


def test_what_is_only_checked_is_not_made(shell: Shell, project_id: str) -> None:
    name = unique("up")
    create = ("upstream", "create", name, "--provider", "openai")
    checked = shell.run(*create, "--validate-only")
    assert (checked.code, checked.err) == (0, "nothing was changed: this was only checked\n")
    assert checked.out.startswith(f"name                           {name}\n")
    assert shell.run("upstream", "get", name).code == 1
    assert shell.run(*create).code == 0
    assert "exists already" in shell.run(*create, "--validate-only").err

    update = shell.item("upstream", "update", name, "--deactivate", "--validate-only")
    assert (update["is_active"], shell.item("upstream", "get", name)["is_active"]) == (False, True)
    deleted = shell.run("upstream", "delete", name, "--validate-only")
    assert (deleted.code, deleted.out) == (0, f"upstream {name} can be deleted\n")
    assert shell.run("upstream", "get", name).code == 0

    minted = shell.run("token", "create", "--project", project_id, "--duration", "7d", "--validate-only")
    assert (minted.code, minted.out) == (0, "")
    assert minted.err.startswith("the token can be had; it expires ")
    assert shell.run("token", "list", "--project-id", project_id).err == "no tokens\n"
    token_id = shell.item("token", "create", "--project", project_id)["id"]
    rotated = shell.item("token", "rotate", str(token_id), "--validate-only")
    assert rotated["token"] == ""


def test_who_uses_an_entity_is_listed_and_keeps_it(shell: Shell, project_id: str) -> None:
    upstream, group, model = unique("up"), unique("group"), unique("model")
    shell.item("upstream", "create", upstream, "--provider", "openai")
    assert shell.run("references", "upstream", upstream).err == f"nothing refers to upstream {upstream}\n"
    shell.item("group", "create", group, "--member", upstream)
    shell.item("model", "create", model, "--deployment", upstream)
    token = shell.item("token", "create", "--project", project_id, "--name", "ci", "--allowed-model", model)

    assert shell.items("references", "upstream", upstream) == [
        {
            "kind": "group",
            "id": "",
            "name": group,
            "fields": ["members[0].upstream"],
            "how": f"member of group {group}",
            "prevents_deletion": True,
        },
        {
            "kind": "model",
            "id": "",
            "name": model,
            "fields": ["deployments[0].upstream"],
            "how": f"deployment of model {model}",
            "prevents_deletion": True,
        },
    ]
    refused = shell.run("upstream", "delete", upstream, "--validate-only")
    assert refused.code == 1
    assert f"is used by the models {model} and the groups {group};" in refused.err
    shown = shell.run("references", "model", model).out.splitlines()
    assert shown[0].split() == ["KIND", "ID", "NAME", "FIELDS", "HOW", "KEEPS", "IT"]
    assert shown[1].split() == [
        "token",
        token["id"],
        "ci",
        *["allowed_models[0]", "allowed", "model", "of", "token", "ci", "no"],
    ]
    assert "there is no model" in shell.run("references", "model", "none").err
