"""The same request to a server itself and through a gateway in front of it, and what either call gets."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from tollkeeper import Deployment, Provider, UsageEvent

from tests.integration.process import PATIENT, Gateway
from tests.integration.wire import Answer, Headers, ask, bearer

# What differs between two calls of the same server, each with what stands in its place.
_OWN = (
    (re.compile(rb'("id": ?)"[^"]*"'), rb'\1"ID"'),
    (re.compile(rb'("created": ?)\d+'), rb"\1TIME"),
)


@dataclass(frozen=True)
class Told:
    """What a caller is told, less ids and times: the status, the type, and a stream's events or a body."""

    status: int
    content_type: str | None
    events: list[bytes]


@dataclass(frozen=True)
class Both:
    """What a direct call and a call through the gateway got, and the usage event of the latter."""

    direct: Answer
    through: Answer
    usage: UsageEvent


@dataclass(frozen=True)
class Pair:
    """A server at `url`, which wants `key`, and a gateway in front of it."""

    url: str
    key: str
    gateway: Gateway
    token: str

    def ask(self, path: str, body: object, *headers: tuple[str, str]) -> Both:
        """Post JSON to both, to the server first, and return what came of it."""
        content = msgspec.json.encode(body)
        kinds: Headers = [("content-type", "application/json"), *headers]
        direct = ask(self.url, "POST", path, [*kinds, bearer(self.key)], content)
        through = ask(self.gateway.data, "POST", path, [*kinds, bearer(self.token)], content)
        request_id = through.header("x-request-id")
        assert request_id is not None
        return Both(direct, through, self.gateway.event_of(request_id))


def told(answer: Answer) -> Told:
    """Return what an answer tells, with ids and times replaced."""
    events = []
    for event in re.split(rb"(?<=\n\n)", answer.body):
        for own, common in _OWN:
            event = own.sub(common, event)
        events.append(event)
    return Told(answer.status, answer.header("content-type"), events)


@contextmanager
def gateway_before(url: str, key: str, directory: Path) -> Iterator[Pair]:
    """Run a gateway that serves every model by the server at `url`."""
    with Gateway(directory, share_kept="true") as gateway:
        with gateway.management() as client:
            client.upstreams.create(
                name="real",
                provider=Provider.OPENAI,
                base_url=f"{url}/v1",
                api_key=key,
                is_default=True,
                breaker=PATIENT,
            )
            client.models.create(name="*", deployments=[Deployment("real")])
        yield Pair(url, key, gateway, gateway.new_token())
