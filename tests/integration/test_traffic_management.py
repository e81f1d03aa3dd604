"""Groups, listeners and what goes with them: made, changed and removed at every door, in force at once."""

import json
import subprocess
import sys
from collections.abc import Iterator

import grpc
import msgspec
import pytest
import tollkeeper
from google.protobuf.message import Message
from tollkeeper import Client, Member
from tollkeeper.v1 import group_service_pb2, model_service_pb2, upstream_service_pb2

from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator, clean_environment
from tests.integration.wire import Answer, ask, bearer
from tests.servers.ports import free_port

JSON = ("content-type", "application/json")
ADMIN = bearer(MANAGEMENT_TOKEN)
CHAT = b'{"model":"gpt-4","messages":[{"role":"user","content":"Hello"}]}'
CANARY = "canary-5e1d7b90"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway whose configuration the tests may change."""
    with Gateway(tmp_path_factory.mktemp("traffic")) as running:
        running.serve_models(simulator)
        yield running


@pytest.fixture
def client(site: Gateway) -> Iterator[Client]:
    """A client of its management plane."""
    with site.management() as connected:
        yield connected


def rest(site: Gateway, method: str, path: str, content: object = None) -> Answer:
    """Send a request to the REST door."""
    body = None if content is None else msgspec.json.encode(content)
    return ask(site.console, method, f"/manage/{path}", [ADMIN, JSON], body)


def run(site: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line, which prints JSON."""
    environment = clean_environment(
        TOLLKEEPER_GRPC_ADDRESS=site.grpc, TOLLKEEPER_MANAGEMENT_TOKEN=MANAGEMENT_TOKEN
    )
    return subprocess.run(
        [sys.executable, "-m", "tollkeeper_server", *arguments, "--json"],
        env=environment,
        cwd=site.directory,
        capture_output=True,
        text=True,
        check=False,
    )


def command(site: Gateway, *arguments: str) -> dict[str, object]:
    """Return what a command that succeeds prints."""
    done = run(site, *arguments)
    assert done.returncode == 0, done.stderr
    printed: dict[str, object] = json.loads(done.stdout)
    return printed


def test_a_group_made_at_one_door_is_changed_and_removed_at_the_others(site: Gateway, client: Client) -> None:
    made = rest(
        site,
        "POST",
        "groups",
        {
            "name": "by-rest",
            "members": [{"upstream": "sim", "weight": 3}, {"upstream": "sim-anthropic"}],
            "policy": {"strategy": "failover", "timeouts": {"idle": "30s"}, "retry": {"initial": "0.25s"}},
        },
    )
    assert made.status == 201
    assert made.json()["members"] == [
        {"upstream": "sim", "weight": 3},
        {"upstream": "sim-anthropic", "weight": 1},
    ]
    shown = client.groups.get("by-rest")
    assert shown.etag == made.json()["etag"]
    assert (shown.policy.strategy, shown.members[0]) == (tollkeeper.Strategy.FAILOVER, Member("sim", 3))
    client.groups.update("by-rest", members=[Member("sim")], etag=shown.etag)
    changed = command(site, "group", "update", "by-rest", "--strategy", "random")
    assert changed["members"] == [{"upstream": "sim", "weight": 1}]
    stale = rest(site, "PATCH", "groups/by-rest", {"members": [{"upstream": "sim"}], "etag": shown.etag})
    assert stale.status == 412
    assert rest(site, "DELETE", "groups/by-rest").status == 204
    with pytest.raises(tollkeeper.NotFound):
        client.groups.get("by-rest")


def test_an_upstream_has_its_traffic_settings_at_every_door(site: Gateway, client: Client) -> None:
    made = rest(
        site,
        "POST",
        "upstreams",
        {
            "name": "settled",
            "provider": "openai",
            "is_active": False,
            "header_operations": [{"action": "insert", "name": "x-team", "value": "search"}],
            "breaker": {"threshold": 0.25, "cooldown": "5s"},
            "probe": {"path": "/models", "interval": "3s"},
            "proxy_url": f"http://user:{CANARY}@127.0.0.1:3128",
        },
    ).json()
    assert made["breaker"] == {"threshold": 0.25, "cooldown": "5s", "window": "30s", "min_calls": 10}
    assert made["proxy_url"] == "http://user:****@127.0.0.1:3128"
    shown = client.upstreams.get("settled")
    assert [str(it) for it in shown.header_operations] == ["insert:x-team:search"]
    changed = command(site, "upstream", "update", "settled", "--breaker-threshold", "1", "--no-probe")
    assert (changed["probe"], changed["is_active"]) == (None, False)
    assert changed["breaker"] == made["breaker"] | {"threshold": 1.0}
    for content, field in (
        (
            {"header_operations": [{"action": "replace", "name": "Authorization", "value": CANARY}]},
            "[0].name",
        ),
        ({"header_operations": [{"action": "insert", "name": "x", "value": f"a\r\n{CANARY}"}]}, "[0].value"),
        ({"proxy_url": f"socks5://user:{CANARY}@proxy"}, "proxy_url"),
        ({"ca_certificates": CANARY}, "ca_certificates"),
        ({"breaker": {"threshold": 2}}, "breaker.threshold"),
    ):
        refused = rest(site, "PATCH", "upstreams/settled", content)
        assert refused.status == 400
        assert field in str(refused.json()["message"])
        assert CANARY.encode() not in refused.body
    client.upstreams.delete("settled")
    assert CANARY not in site.command.said()


def test_a_listener_answers_as_soon_as_it_is_made_and_no_more_when_it_is_gone(
    site: Gateway, client: Client
) -> None:
    token = site.new_token()
    client.groups.create(name="chat", members=[Member("sim")])
    first, second = (f"127.0.0.1:{free_port()}" for _ in range(2))
    made = command(
        site, "listener", "create", "tenant", "--listen", first, "--rule", "/v1/chat/*=chat",
        "--ip-limit", "1000/1000",
    )  # fmt: skip
    assert (made["address"], made["is_active"]) == (first, True)

    def answers(address: str) -> bool:
        try:
            asked = ask(f"http://{address}", "POST", "/v1/chat/completions", [bearer(token), JSON], CHAT)
        except OSError:
            return False
        return asked.status == 200

    assert answers(first)
    moved = rest(site, "PATCH", "listeners/tenant", {"address": second})
    assert moved.status == 200
    assert (answers(first), answers(second)) == (False, True)
    client.listeners.update("tenant", is_active=False)
    assert not answers(second)
    assert client.listeners.update("tenant", is_active=True).address == second
    assert answers(second)
    assert rest(site, "DELETE", "listeners/tenant").status == 204
    assert not answers(second)
    client.groups.delete("chat")


def test_a_port_that_others_have_is_refused_and_what_runs_stays(site: Gateway, client: Client) -> None:
    taken = site.console.rpartition("/")[2]
    refused = run(site, "listener", "create", "clash", "--listen", taken)
    assert refused.returncode == 1
    assert f"address: {taken} can't be listened on: " in refused.stderr
    assert rest(site, "POST", "listeners", {"name": "clash", "address": taken}).status == 400
    assert list(client.listeners.list()) == []
    own = site.data.rpartition("/")[2]
    client.listeners.create(name="own", address=own)
    assert rest(site, "POST", "listeners", {"name": "again", "address": own}).status == 409
    client.listeners.delete("own")
    assert ask(site.data, "GET", "/v1/models", [bearer(site.new_token())]).status == 200


def test_rules_that_can_not_be_are_refused_by_their_place(site: Gateway, client: Client) -> None:
    client.groups.create(name="ruled", members=[Member("sim")])
    fine = {"group": "ruled", "path": "/v1/*"}
    for rule, field in (
        ({"group": "ruled", "path": "/{a:(}"}, "rules[1].path"),
        ({"group": "ruled", "header": "x-a", "pattern": "["}, "rules[1].pattern"),
        ({"group": "none", "path": "/a"}, "rules[1].group"),
        ({"group": "ruled"}, "rules[1]"),
    ):
        content = {"name": "l", "address": "127.0.0.1:1", "rules": [fine, rule]}
        refused = rest(site, "POST", "listeners", content)
        assert (refused.status, str(refused.json()["message"]).startswith(f"{field}: ")) == (400, True)
    many = [{"group": "ruled", "path": f"/r{number}/:id"} for number in range(10_000)]
    closed = {"name": "many", "address": f"127.0.0.1:{free_port()}", "is_active": False}
    assert rest(site, "POST", "listeners", {**closed, "rules": [*many, fine]}).status == 400
    assert rest(site, "POST", "listeners", {**closed, "rules": many}).status == 201
    client.listeners.delete("many")
    client.groups.delete("ruled")


def test_what_is_in_use_is_not_removed_at_any_door(site: Gateway, client: Client) -> None:
    client.upstreams.create(name="used", provider=tollkeeper.Provider.OPENAI)
    client.groups.create(name="used", members=[Member("used")])
    client.models.create(name="used", group="used")
    client.models.create(name="user-of-used", group="used", fallbacks=["used"])
    requests: tuple[tuple[str, Message, str], ...] = (
        ("Upstream", upstream_service_pb2.DeleteUpstreamRequest(name="used"), "groups used;"),
        ("Group", group_service_pb2.DeleteGroupRequest(name="used"), "models used, user-of-used;"),
        ("Model", model_service_pb2.DeleteModelRequest(name="used"), "models user-of-used;"),
    )
    for kind, request, users in requests:
        path = f"/tollkeeper.v1.{kind}Service/Delete{kind}"
        with grpc.insecure_channel(site.grpc) as channel, pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary(path, request_serializer=type(request).SerializeToString)(
                request, metadata=(ADMIN,), timeout=10
            )
        assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert users in str(failed.value.details())
        by_rest = rest(site, "DELETE", f"{kind.lower()}s/used")
        assert (by_rest.status, users in str(by_rest.json()["message"])) == (409, True)
        by_connect = ask(site.console, "POST", path, [ADMIN, JSON], b'{"name": "used"}')
        assert by_connect.json()["code"] == "failed_precondition"
        by_command = run(site, kind.lower(), "delete", "used")
        assert (by_command.returncode, users in by_command.stderr) == (1, True)
    client.models.delete("user-of-used")
    for removed in (client.models, client.groups, client.upstreams):
        removed.delete("used")


def test_fallbacks_in_a_circle_are_refused_at_every_door(site: Gateway, client: Client) -> None:
    command(site, "model", "create", "circle-b", "--deployment", "sim")
    command(site, "model", "create", "circle-a", "--deployment", "sim", "--fallback", "circle-b")
    refused = rest(site, "PATCH", "models/circle-b", {"fallbacks": ["circle-a"]})
    assert refused.status == 400
    with pytest.raises(tollkeeper.InvalidArgument, match=r"circle-a -> circle-b|circle-b -> circle-a"):
        client.models.update("circle-b", fallbacks=["circle-a"])
    assert run(site, "model", "update", "circle-b", "--fallback", "circle-b").returncode == 1
    assert client.models.get("circle-b").fallbacks == ()
    for name in ("circle-a", "circle-b"):
        client.models.delete(name)


def test_a_secret_of_an_earlier_gateway_passes_from_then_on(site: Gateway, client: Client) -> None:
    secret = f"sk-earlier-{CANARY}"
    headers = [bearer(secret), JSON]
    assert ask(site.data, "POST", "/v1/chat/completions", headers, CHAT).status == 401
    project = client.projects.create(name="moved here").id
    made = rest(site, "POST", "tokens", {"project_id": project, "secret": secret})
    assert (made.status, made.json()["token"]) == (200, secret)
    assert ask(site.data, "POST", "/v1/chat/completions", headers, CHAT).status == 200
    again = rest(site, "POST", "tokens", {"project_id": project, "secret": secret})
    assert (again.status, secret.encode() in again.body) == (409, False)
    assert secret not in site.command.said()
