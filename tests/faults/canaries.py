"""All that can happen to a gateway that has secrets, and everything it says about it."""

import asyncio
import base64
import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import httpx2
from tollkeeper import (
    AuthScheme,
    Client,
    Deployment,
    Provider,
    Timeouts,
    TollkeeperError,
)

from tests.contract.issued import issue
from tests.faults.traffic import PATIENCE, ask, callers, headers_of, question, reaches_all, send
from tests.integration.process import MANAGEMENT_TOKEN, PATIENT, Gateway, Simulator, until
from tests.integration.scripted import ScriptedUpstream
from tests.servers.mongo import MongoServer
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer

# None of them looks like a key, so that striking out what does can't hide them.
PROVIDER_KEY = "canary provider 3f9d1c"
CLIENT = issue("gateway")
PROJECT_KEY = "canary.project.7b2e44"
BASIC_KEY = "canary.basic.90aa1d"
MONGO_PASSWORD = "canary.mongo.c61f02"
REDIS_PASSWORD = "canary.redis.18e7b3"
ENCRYPTION_KEY = base64.b64encode(b"canary of the encryption key, 32").decode()
IMPATIENT = "serverSelectionTimeoutMS=300&connectTimeoutMS=300&heartbeatFrequencyMS=500"
FAULTS = ("status=401", "status=400", "status=500", "status=429,retry-after=1", "reset", "drop", "garbage")
MORE_FAULTS = ("hang=headers", "cut=9", "cut=2,events=9", "hang=2,events=9", "garbage=body", "garbage=event")


@dataclass
class Watched:
    """A gateway that logs all it can, the servers it uses, and everything it was told and has said."""

    gateway: Gateway
    mongo: MongoServer
    redis: RedisServer
    redis_url: str
    canaries: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)

    def found_in(self, content: bytes) -> set[str]:
        """Return the names of the canaries in there."""
        return {name for name, secret in self.canaries.items() if secret.encode() in content}

    def note(self, answer: httpx2.Response) -> httpx2.Response:
        """Keep an answer, headers and all."""
        self.replies.append(f"{answer.headers.raw!r} {answer.text}")
        return answer

    def manage(self, call: Callable[[Client], object]) -> None:
        """Make a call of the management plane that fails, and keeps what it says."""
        with self.gateway.management() as client, suppress(ValueError):
            try:
                call(client)
            except TollkeeperError as error:
                self.replies.append(f"{error!r} {error.violations!r} {error.__cause__!r}")

    def restart(self) -> None:
        """Start the gateway again; it was ended."""
        self.said.append(self.gateway.command.said())
        self.gateway.start()


def with_password(mongo: MongoServer) -> str:
    """Return a URL with a password, which FerretDB accepts and a MongoDB without users would not."""
    url = mongo.new_url()
    if mongo.name != "ferretdb":
        return f"{url}?{IMPATIENT}"
    login = url.replace("//", f"//user:{MONGO_PASSWORD}@")
    return f"{login}?authMechanism=PLAIN&authSource=$external&{IMPATIENT}"


def set_up(watched: Watched, simulator: Simulator, scripted: ScriptedUpstream) -> None:
    """Make everything that has a secret."""
    short = Timeouts(first_byte=timedelta(seconds=0.3), idle=timedelta(seconds=0.3))
    base_url = f"http://{simulator.address}/v1"
    with watched.gateway.management() as client:
        client.upstreams.create(
            name="sim",
            provider=Provider.OPENAI,
            base_url=base_url,
            api_key=PROVIDER_KEY,
            is_default=True,
            timeouts=short,
            breaker=PATIENT,
        )
        client.upstreams.create(
            name="basic",
            provider=Provider.GENERIC,
            base_url=base_url,
            auth_scheme=AuthScheme.BASIC,
            username="user",
            api_key=BASIC_KEY,
            timeouts=short,
            breaker=PATIENT,
        )
        client.upstreams.create(
            name="scripted",
            provider=Provider.OPENAI,
            base_url=f"http://{scripted.address}/v1",
            api_key=PROVIDER_KEY,
            breaker=PATIENT,
        )
        client.upstreams.create(
            name="closed",
            provider=Provider.OPENAI,
            base_url=f"http://127.0.0.1:{free_port()}/v1",
            api_key=PROVIDER_KEY,
            client_certificate=CLIENT.pem,
            client_key=CLIENT.key_pem,
            breaker=PATIENT,
        )
        for name in ("basic", "scripted", "closed"):
            client.models.create(name=name, deployments=[Deployment(name)])
        client.models.create(name="*", deployments=[Deployment("sim")])
        project = client.projects.create(name="with a key", openai_api_key=PROJECT_KEY)
        rotated = client.tokens.create(project_id=project.id)
        watched.canaries["the rotated token"] = rotated.token
        watched.canaries["the new token"] = client.tokens.rotate(rotated.id).token
    watched.canaries |= {
        "the token": watched.gateway.new_token(),
        "the limited token": watched.gateway.new_token(max_requests=1),
        "the revoked token": watched.gateway.new_token(),
        "the provider's key": PROVIDER_KEY,
        "the project's key": PROJECT_KEY,
        "the client key": CLIENT.key_pem.splitlines()[1],
        "the basic key": BASIC_KEY,
        "the basic credential": base64.b64encode(f"user:{BASIC_KEY}".encode()).decode(),
    }
    with watched.gateway.management() as client:
        (revoked,) = (
            token.id
            for token in client.tokens.list()
            if token.token.endswith(watched.canaries["the revoked token"][-4:])
        )
        client.tokens.revoke(revoked)


def use(watched: Watched, scripted: ScriptedUpstream) -> None:
    """Have calls succeed and fail in many ways, with every token."""
    gateway, canaries = watched.gateway, watched.canaries
    tokens = [secret for name, secret in canaries.items() if name.endswith("token")]
    for secret in (*tokens, *tokens, "sk-tk-unknown", PROVIDER_KEY):
        watched.note(ask(gateway, secret))
    asyncio.run(fail_upstreams(watched))
    for head in (b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"HTTP/1.1 101 No\r\n\r\n"):
        scripted.forget()
        scripted.will_answer(head)
        watched.note(ask(gateway, canaries["the token"], model="scripted"))
    for bad in bad_input(gateway, canaries["the token"]):
        watched.note(bad)


async def fail_upstreams(watched: Watched) -> None:
    """Have upstreams fail in every way, with both kinds of credential and with a project's own."""
    async with callers() as session:
        answers = await asyncio.gather(
            *(
                send(session, watched.gateway, watched.canaries[token], fault, model=model, stream=stream)
                for token, fault, model, stream in itertools.product(
                    ("the token", "the new token"),
                    (*FAULTS, *MORE_FAULTS),
                    ("gpt-4o", "basic", "closed"),
                    (False, True),
                )
            )
        )
    watched.replies += [f"{answer.headers!r} {answer.body!r}" for answer in answers]


def bad_input(gateway: Gateway, secret: str) -> Iterable[httpx2.Response]:
    """Yield the answers to requests that are wrong."""
    headers = headers_of(secret)
    url = f"{gateway.base_url}/chat/completions"
    json_headers = headers | {"content-type": "application/json"}
    with httpx2.Client(timeout=PATIENCE) as client:
        yield client.post(
            url, headers=json_headers, content=b'{"model": "gpt-4o", "messages": [' + secret.encode()
        )
        yield client.post(url, headers=json_headers, content=b"")
        yield client.post(url, headers=headers | {"content-type": "text/plain"}, content=secret.encode())
        yield client.get(f"{gateway.base_url}/nowhere", headers=headers)
        yield client.get(f"{gateway.base_url}/{'%2e%2e/' * 3}", headers=headers)
        yield client.post(url, headers={"x-api-key": secret}, json=question())
        yield client.post(url, headers={"api-key": f"{secret},{secret}"}, json={"model": 5})
        yield client.post(url, headers={"authorization": secret}, json=question())
        yield client.post(url, headers={"authorization": f"Basic {secret}"}, json=question())
        yield client.post(f"{gateway.console}/v1/chat/completions", headers=headers, json=question())
        for path in ("/ready", "/health", "/metrics", "/openapi.json", "/manage/projects", f"/{secret}"):
            yield client.get(f"{gateway.console}{path}", headers=headers)


def fail_management(watched: Watched) -> None:
    """Have calls of the management plane fail that carry secrets."""
    watched.manage(
        lambda client: client.upstreams.create(
            name="NOT A NAME", provider=Provider.OPENAI, api_key=PROVIDER_KEY
        )
    )
    watched.manage(
        lambda client: client.upstreams.create(name="sim", provider=Provider.OPENAI, api_key=PROVIDER_KEY)
    )
    watched.manage(
        lambda client: client.upstreams.create(
            name="no-url", provider=Provider.GENERIC, api_key=f"{BASIC_KEY}\n{PROVIDER_KEY}"
        )
    )
    watched.manage(lambda client: client.upstreams.update("nowhere", api_key=PROVIDER_KEY))
    watched.manage(lambda client: client.upstreams.update("sim", api_key=PROVIDER_KEY, etag="old"))
    watched.manage(lambda client: client.projects.create(name="x" * 10_000, openai_api_key=PROJECT_KEY))
    watched.manage(lambda client: client.tokens.get(watched.canaries["the token"]))
    watched.manage(lambda client: client.tokens.revoke(watched.canaries["the token"]))
    console = watched.gateway.console
    headers = {"authorization": f"Bearer {MANAGEMENT_TOKEN}", "content-type": "application/json"}
    secret = watched.canaries["the token"]
    with httpx2.Client(timeout=PATIENCE) as client:
        for body in (
            f'{{"name": "x", "provider": "openai", "api_key": "{PROVIDER_KEY}", "nonsense": 1}}',
            f'{{"name": "x", "api_key": {PROVIDER_KEY}}}',
            f'{{"name": "x", "api_key": ["{PROVIDER_KEY}"]}}',
            f'{{"{PROVIDER_KEY}": 1',
        ):
            watched.note(client.post(f"{console}/manage/upstreams", headers=headers, content=body))
            service = "tollkeeper.v1.UpstreamService/CreateUpstream"
            watched.note(client.post(f"{console}/{service}", headers=headers, content=body))
        for wrong in (f"Bearer {secret}", f"Bearer {MANAGEMENT_TOKEN}x", MANAGEMENT_TOKEN):
            watched.note(client.get(f"{console}/manage/projects", headers={"authorization": wrong}))
        watched.note(client.get(f"{console}/manage/upstreams", headers=headers))
        watched.note(client.get(f"{console}/manage/tokens", headers=headers))
        watched.note(client.get(f"{console}/manage/usage/events", headers=headers))
    with Client(watched.gateway.grpc, management_token=secret) as stranger:
        try:
            stranger.projects.get("prj_00000000000000000000000000")
        except TollkeeperError as error:
            watched.replies.append(f"{error!r} {error.__cause__!r}")


def fail_stores(watched: Watched, without_store: Callable[[Watched], None]) -> None:
    """Have the store and Redis go, hang, and come back; call `without_store` while the store is away."""
    secret = watched.canaries["the token"]

    def try_everything() -> None:
        for token in (secret, "sk-tk-nobody-knows", watched.canaries["the limited token"]):
            watched.note(ask(watched.gateway, token))
        watched.manage(lambda client: client.projects.create(name="nowhere", openai_api_key=PROJECT_KEY))
        watched.note(httpx2.get(f"{watched.gateway.console}/ready", timeout=PATIENCE))

    watched.redis.stop()
    try_everything()
    watched.mongo.stop()
    try_everything()
    without_store(watched)
    watched.redis.start()
    watched.mongo.start()
    until(lambda: reaches_all(watched.gateway))
    watched.mongo.freeze()
    try:
        try_everything()
    finally:
        watched.mongo.thaw()
    until(lambda: reaches_all(watched.gateway))


async def crash(watched: Watched) -> None:
    """Kill the gateway with requests under way, and starts it again."""
    secret = watched.canaries["the token"]
    async with callers() as session, asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(send(session, watched.gateway, secret, "events=9,interval=100", stream=True))
        while watched.gateway.command.process.poll() is None:
            answer = await send(session, watched.gateway, secret)
            if answer.whole:
                watched.gateway.command.process.kill()
                watched.gateway.command.process.wait()
    watched.gateway.command.kill()
    watched.restart()
