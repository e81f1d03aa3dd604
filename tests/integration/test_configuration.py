"""The configuration as a file: applied and exported by the command line, at start, and at SIGHUP."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from openai import OpenAI

from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator, clean_environment, until
from tests.integration.wire import ask, bearer
from tests.servers.ports import free_port

JSON = ("content-type", "application/json")
KEY = "sk-configuration-canary-4f8e21"
SECRET = "sk-configured-token-canary-9a7b"
FILE = """
upstreams:
  - name: sim
    provider: openai
    base_url: http://{simulator}/v1
    api_key: ${{SIM_KEY}}
groups:
  - name: main
    members: [{{upstream: sim}}]
models:
  - name: gpt-4o
    group: main
listeners:
  - name: tenant
    address: 127.0.0.1:{port}
    default_group: main
projects:
  - name: Search
    tokens:
      - {{name: ci, secret: "${{CI_SECRET}}"}}
"""
LLMPROXY = """
http_server:
    forwards:
        - name: "in"
          port: {port}
          address: "127.0.0.1"
          default_group: "all"
          routing:
              - path: "/v1/embeddings"
                target_group: "embeddings"
          ratelimit: {{enabled: true, per_second: 1000, burst: 2000}}
    admin: {{port: 9000}}
upstreams:
    - name: "one"
      url: "http://{simulator}/v1"
      auth: {{type: "bearer", token: "{key}"}}
      headers: [{{op: "insert", key: "X-From", value: "llmproxy"}}]
    - name: "full"
      url: "http://{simulator}/v1/embeddings"
      auth: {{type: "bearer", token: "{key}"}}
upstream_groups:
    - name: "all"
      upstreams: [{{name: "one", weight: 8}}]
      balance: {{strategy: "weighted_roundrobin"}}
      http_client: {{agent: "llmproxy-agent", timeout: {{connect: 5, request: 60, idle: 30}}}}
    - name: "embeddings"
      upstreams: [{{name: "full"}}]
"""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Runs commands in a folder, against a gateway."""

    folder: Path
    site: Gateway

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        """Run `tollkeeper` with those arguments."""
        done = subprocess.run(
            [sys.executable, "-m", "tollkeeper_server", *arguments],
            input=stdin,
            cwd=self.folder,
            env=clean_environment(
                TOLLKEEPER_GRPC_ADDRESS=self.site.grpc,
                TOLLKEEPER_MANAGEMENT_TOKEN=MANAGEMENT_TOKEN,
                SIM_KEY=KEY,
                CI_SECRET=SECRET,
                **environment,
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def write(self, name: str, text: str) -> str:
        """Write a file, and returns its name."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A new gateway, and a folder for files."""
    with Gateway(tmp_path / "gateway") as site:
        yield Shell(tmp_path, site)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A gateway that nobody configures, and a folder for files."""
    folder = tmp_path_factory.mktemp("untouched")
    with Gateway(folder / "gateway") as site:
        yield Shell(folder, site)


def chat(address: str, token: str, model: str = "gpt-4o") -> int:
    """Return the status of a chat completion."""
    body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
    return ask(address, "POST", "/v1/chat/completions", [bearer(token), JSON], body).status


def test_a_file_from_its_first_application_to_its_export(shell: Shell, simulator: Simulator) -> None:
    port = free_port()
    file = shell.write("tollkeeper.yaml", FILE.format(simulator=simulator.address, port=port))
    changes = [
        "upstream sim",
        "group main",
        "model gpt-4o",
        "listener tenant",
        "project Search",
        "token Search/ci",
    ]

    dry = shell.run("apply", "-f", file, "--dry-run")
    assert (dry.code, dry.out.splitlines()) == (0, [f"+ {it}" for it in changes]), dry.err
    assert "dry run" in dry.err
    assert shell.run("export").out == ""

    done = shell.run("apply", "-f", file)
    assert (done.code, done.out) == (0, dry.out), done.err
    until(lambda: chat(f"http://127.0.0.1:{port}", SECRET) == 200)
    assert simulator.last_request().header("authorization") == f"Bearer {KEY}"

    again = shell.run("apply", "-f", "-", "--prune", stdin=(shell.folder / file).read_text())
    assert (again.code, again.out) == (0, "nothing to change\n"), again.err

    exported = shell.run("export", "-o", "exported.yaml")
    text = (shell.folder / "exported.yaml").read_text()
    assert (exported.code, exported.out) == (0, "the configuration is in exported.yaml\n")
    assert (shell.folder / "exported.yaml").stat().st_mode & 0o077 == 0
    assert shell.run("apply", "-f", "exported.yaml").out == "nothing to change\n"

    changed = text.replace("    group: main\n", "    group: main\n    aliases: [gpt-4]\n")
    assert shell.run("apply", "-f", "-", stdin=changed).out.splitlines() == [
        "~ model gpt-4o",
        '    aliases: none -> ["gpt-4"]',
    ]

    for said in (dry, done, again, exported):
        assert KEY not in said.out + said.err + text
        assert SECRET not in said.out + said.err + text
    assert KEY not in shell.site.command.said()
    assert SECRET not in shell.site.command.said()


def test_pruning_removes_and_a_secret_that_is_made_is_shown_once(shell: Shell) -> None:
    first = shell.run(
        "apply", "-f", "-", stdin="upstreams: [{name: a, provider: openai}, {name: b, provider: openai}]"
    )
    assert first.code == 0, first.err

    pruned = shell.run(
        "apply",
        "-f",
        "-",
        "--prune",
        stdin="upstreams: [{name: a, provider: openai}]\nprojects: [{name: p, tokens: [{name: t}]}]",
    )

    lines = [it for it in pruned.out.splitlines() if not it.startswith(" ")]
    assert lines == ["+ project p", "- upstream b", "+ token p/t"], pruned.err
    made = [it for it in pruned.out.split() if it.startswith("sk-tk-")]
    assert len(made) == 1
    assert chat(shell.site.data, made[0]) == 404, "it is a token, and there is no model"


def test_pruning_keeps_what_is_used_and_tells_it(shell: Shell) -> None:
    whole = (
        "upstreams: [{name: a, provider: openai}, {name: b, provider: openai}]\n"
        "models: [{name: m, deployments: [{upstream: b}]}]\n"
    )
    assert shell.run("apply", "-f", "-", stdin=whole).code == 0
    only = "upstreams: [{name: a, provider: openai}]"

    for options in (["--dry-run"], []):
        done = shell.run("apply", "-f", "-", "--prune", *options, stdin=only)
        assert (done.code, done.out) == (0, "nothing to change\n")
        assert done.err == "kept, because it is used: upstream b, by the models m\n"

    emptied = shell.run("apply", "-f", "-", "--prune", stdin=f"{only}\nmodels: []\n")
    assert (emptied.code, emptied.out, emptied.err) == (0, "- model m\n- upstream b\n", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "upstreams: [{nam: a}]",
            "tollkeeper.yaml: upstreams[0].nam (line 1): is not known here; did you mean upstreams[0].name?",
        ),
        (
            "groups: [{name: g, members: [{upstream: no}]}]",
            "groups[0].members[0].upstream: there is no upstream 'no'",
        ),
        ("upstreams: [{name: '!', provider: openai}]", "upstreams[0].name: "),
        ("upstreams: [{name: a, provider: openai, api_key: '${NOT_SET}'}]", "the environment has no NOT_SET"),
        ("listeners: [{name: l, address: '127.0.0.1:{taken}'}]", "listeners[0].address: "),
        (
            f"upstreams: [{{name: a, provider: openai, api_key: {KEY}, base_url: 'x'}}]",
            "upstreams[0].base_url: ",
        ),
    ],
)
def test_a_file_that_is_refused_changes_nothing(untouched: Shell, text: str, problem: str) -> None:
    taken = untouched.site.console.rpartition(":")[2]
    fine = "\nprojects: [{name: fine}]\nmodels: []"
    untouched.write("tollkeeper.yaml", text.replace("{taken}", taken) + fine)

    for options in ((), ("--dry-run",)):
        ran = untouched.run("apply", "-f", "tollkeeper.yaml", *options)
        assert ran.code == 1
        assert problem in ran.err
        assert "configuration." not in ran.err, "places are those in the file"
        assert ran.out == ""
        assert KEY not in ran.err
    assert untouched.run("export").out == ""


def test_a_file_in_which_everything_is_wrong_is_answered(untouched: Shell) -> None:
    members = ", ".join(f"{{upstream: {'no' * 25}-{n}}}" for n in range(200))

    ran = untouched.run("apply", "-f", "-", stdin=f"groups: [{{name: g, members: [{members}]}}]")

    assert ran.code == 1
    assert "groups[0].members[0].upstream: there is no upstream" in ran.err
    assert re.search(r"and 19\d more", ran.err)


def test_what_llmproxy_had_is_served_when_it_was_imported(shell: Shell, simulator: Simulator) -> None:
    port = free_port()
    file = shell.write("config.yaml", LLMPROXY.format(simulator=simulator.address, port=port, key=KEY))

    printed = shell.run("import", "llmproxy", file)
    assert printed.code == 0, printed.err
    assert KEY not in printed.out + printed.err
    applied = shell.run("apply", "-f", "-", stdin=printed.out, ONE_API_KEY=KEY)
    assert applied.code == 0, applied.err
    once_more = shell.run("import", "llmproxy", file, "--apply")
    assert (once_more.code, once_more.out) == (0, "nothing to change\n"), once_more.err

    client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=shell.site.new_token(), max_retries=0)
    answer = until(
        lambda: client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hi"}])
    )
    assert answer.choices[0].message.content
    sent = simulator.last_request()
    assert sent.header("authorization") == f"Bearer {KEY}"
    assert (sent.header("x-from"), sent.header("user-agent")) == ("llmproxy", "llmproxy-agent")
    assert client.embeddings.create(model="any", input="x").data
    assert simulator.last_request().path == "/v1/embeddings"


def test_a_file_is_applied_at_start_and_again_at_sighup(tmp_path: Path, simulator: Simulator) -> None:
    port = free_port()
    file = tmp_path / "tollkeeper.yaml"
    file.write_text(FILE.format(simulator=simulator.address, port=port), encoding="utf-8")
    secrets = {"SIM_KEY": KEY, "CI_SECRET": SECRET}

    with Gateway(tmp_path / "gateway", "--config", str(file), environment=secrets) as site:
        assert chat(f"http://127.0.0.1:{port}", SECRET) == 200, "it is there when the gateway is ready"

        file.write_text(file.read_text().replace("gpt-4o", "gpt-5"), encoding="utf-8")
        site.command.process.send_signal(signal.SIGHUP)
        until(lambda: chat(site.data, SECRET, "gpt-5") == 200)
        until(lambda: "+ model gpt-5" in site.command.said())

        file.write_text(file.read_text().replace("upstream: sim", "upstream: none"), encoding="utf-8")
        site.command.process.send_signal(signal.SIGHUP)
        until(lambda: "groups[0].members[0].upstream: there is no upstream 'none'" in site.command.said())
        assert chat(site.data, SECRET, "gpt-5") == 200, "what is wrong changes nothing"

        site.command.stop()
        assert KEY not in site.command.said()
        assert SECRET not in site.command.said()
        file.write_text(file.read_text().replace("upstream: none", "upstream: sim"), encoding="utf-8")
        site.start()
        assert "describes it: 0 changes" in site.command.said()


def test_what_is_taken_out_of_the_file_goes(tmp_path: Path, simulator: Simulator) -> None:
    whole = FILE.format(simulator=simulator.address, port=free_port())
    file = tmp_path / "tollkeeper.yaml"
    spare = "upstreams:\n  - {name: spare, provider: openai}\n"
    file.write_text(whole.replace("upstreams:\n", spare), encoding="utf-8")
    secrets = {"SIM_KEY": KEY, "CI_SECRET": SECRET}
    kept = "does not name what is kept, because it is used: upstream sim, by the groups main"

    with Gateway(tmp_path / "gateway", "--config", str(file), "--prune", environment=secrets) as site:

        def reload(text: str, *, changes: int) -> None:
            before = site.command.said().count(f"describes it: {changes} changes")
            file.write_text(text, encoding="utf-8")
            site.command.process.send_signal(signal.SIGHUP)
            until(lambda: site.command.said().count(f"describes it: {changes} changes") > before)

        with site.management() as client:
            client.models.create(name="by-hand", group="main")
        reload(whole, changes=2)
        assert "- model by-hand" in site.command.said()
        assert "- upstream spare" in site.command.said()

        only = "upstreams: [{name: another, provider: openai}]"
        reload(only, changes=1)
        reload(only, changes=0)
        assert site.command.said().count(kept) == 1, "it is told once"
        assert chat(site.data, SECRET) == 200

        site.command.stop()
        file.write_text(f"{only}\ngroups: []\nmodels: []\nlisteners: []\n", encoding="utf-8")
        site.start()
        with site.management() as client:
            assert [it.name for it in client.upstreams.list()] == ["another"]
            assert not [*client.models.list(), *client.groups.list(), *client.listeners.list()]
            assert [it.name for it in client.projects.list()] == ["Search"]


def test_without_a_file_sighup_changes_nothing(untouched: Shell) -> None:
    untouched.site.command.process.send_signal(signal.SIGHUP)

    until(lambda: "no configuration file" in untouched.site.command.said())
    assert untouched.run("export").code == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "No such file or directory"),
        ("upstreams: [", "not valid YAML"),
        ("upstreams: [{name: a, provider: openai, api_key: '${NOT_SET}'}]", "the environment has no NOT_SET"),
        ("models: [{name: m, group: no}]", "models[0].group: there is no group 'no'"),
        ("projects: [{name: p, tokens: [{name: t}]}]", "projects[0].tokens[0].secret: required"),
    ],
)
def test_a_file_that_can_not_be_applied_stops_the_start(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    file = tmp_path / "tollkeeper.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "tollkeeper_server", "serve"],
        env=clean_environment(
            TOLLKEEPER_CONFIG=str(file),
            TOLLKEEPER_MANAGEMENT_TOKEN=MANAGEMENT_TOKEN,
            TOLLKEEPER_DATA_DIR=str(tmp_path / "data"),
            **{f"TOLLKEEPER_{name}_ADDRESS": "127.0.0.1:0" for name in ("DATA", "CONSOLE", "GRPC")},
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"tollkeeper: configuration file {file}: ")
    assert problem in last
    assert "Traceback" not in done.stderr


def test_the_same_over_rest(shell: Shell) -> None:
    admin = [bearer(MANAGEMENT_TOKEN), JSON]
    body = msgspec.json.encode({"configuration": {"upstreams": [{"name": "a", "provider": "openai"}]}})

    applied = ask(shell.site.console, "POST", "/manage/configuration:apply", admin, body)
    assert applied.status == 200, applied.body
    assert applied.json()["revision"] == 1
    exported = ask(shell.site.console, "GET", "/manage/configuration", admin)
    assert exported.status == 200
    upstreams = msgspec.convert(exported.json()["upstreams"], list[dict[str, object]])
    assert [it["name"] for it in upstreams] == ["a"]


VALUES = """
upstreams:
  - name: sim
    provider: openai
    base_url: http://{simulator}/v1
    api_key: {key}
    header_operations:
      - {{action: replace, name: X-Team, value: {one}}}
groups: [{{name: main, members: [{{upstream: sim}}]}}]
listeners:
  - name: tenant
    address: 127.0.0.1:{port}
    rules: [{{header: x-tenant, value: {other}, group: main}}]
"""


def test_values_of_headers_are_told_of_nowhere_but_in_the_configuration(
    shell: Shell, simulator: Simulator
) -> None:
    """The history, what apply prints, usage and the log have their names alone, at each door."""
    site, port = shell.site, free_port()
    told: list[str] = []

    def run(*arguments: str) -> None:
        done = shell.run(*arguments)
        assert done.code == 0, done.err
        told.append(done.out + done.err)

    for one, other in (("canary-1", "canary-2"), ("canary-3", "canary-4")):
        text = VALUES.format(simulator=simulator.address, key=KEY, port=port, one=one, other=other)
        file = shell.write("values.yaml", text)
        run("apply", "--dry-run", "-f", file)
        run("apply", "-f", file)
    headers = [bearer(site.new_token()), JSON, ("x-tenant", "canary-4")]
    body = msgspec.json.encode({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]})
    served = ask(f"http://127.0.0.1:{port}", "POST", "/v1/chat/completions", headers, body)
    assert served.status == 200, served.body
    assert simulator.last_request().header("x-team") == "canary-3"
    event = site.event_of(served.header("x-request-id") or "")
    assert event.rule == "x-tenant: ****"
    told.append(repr(event))

    admin = [bearer(MANAGEMENT_TOKEN), JSON]
    exported = ask(site.console, "GET", "/manage/configuration", admin)
    assert b"canary-3" in exported.body
    run("apply", "--prune", "-f", shell.write("none.yaml", "listeners: []\ngroups: []\nupstreams: []\n"))
    for first, last in (("0", "1"), ("1", "2"), ("2", "3"), ("0", "3")):
        run("revisions", "diff", first, last)
        for path, question in (
            (f"/manage/revisions:diff?from_revision={first}&to_revision={last}", None),
            (
                "/tollkeeper.v1.ConfigurationService/DiffRevisions",
                {"fromRevision": first, "toRevision": last},
            ),
        ):
            method, sent = ("GET", b"") if question is None else ("POST", msgspec.json.encode(question))
            answer = ask(site.console, method, path, admin, sent)
            assert answer.status == 200, answer.body
            told.append(answer.body.decode())
    run("revisions", "list")
    assert "X-Team" in "".join(told)
    assert "****" in "".join(told)
    assert "canary" not in "".join([*told, site.command.said()])
