"""The gateway of a company after a month: projects, tokens in all states, an open breaker, calls of 30 days.

All but the times is the same whenever it is made.
"""

import json
import random
import sqlite3
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from inspect import unwrap
from pathlib import Path
from string import Template

from msgspec import structs
from tollkeeper.configuration import read_document
from tollkeeper_server.domain.ids import Prefix
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission, Confidence, TokenCounts, UsageAttempt, UsageEvent
from tollkeeper_server.store.open import EMBEDDED_FILE
from tollkeeper_server.store.sqlite.connection import SqliteConnection
from tollkeeper_server.store.sqlite.tokens import SqliteTokens
from tollkeeper_server.store.sqlite.usage import SqliteUsage

from tests.integration.process import Gateway, Simulator
from tests.servers.ports import free_port

CONFIGURATION = Path(__file__).with_name("company.yaml")
DAYS = 30
EVENTS = 6_000
CROWD = 100_000
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True)
class Team:
    """A project, its share of the calls, and its tokens' names."""

    name: str
    description: str
    share: int
    tokens: tuple[str, ...]
    team: str


STAGES = ("production", "staging", "evaluation")
TEAMS = (
    Team("Support assistant", "Answers customers in the help centre.", 9, STAGES, "support"),
    Team(
        "Contract review",
        "Marks clauses that legal should read.",
        5,
        ("production", "nightly batch"),
        "legal",
    ),
    Team("Search", "Embeddings of the product catalogue.", 6, ("indexer", "query service"), "platform"),
    Team("Meeting notes", "Summaries of recorded meetings.", 3, ("transcriber", "summaries"), "workplace"),
    Team("Code review bot", "Comments on pull requests.", 4, ("github action", "local trial"), "platform"),
    Team(
        "Data science",
        "Notebooks and experiments.",
        2,
        ("anna", "jonas", "mei", "workshop in May"),
        "research",
    ),
    Team("Mobile app", "The assistant in the app for iOS and Android.", 4, ("ios", "android"), "apps"),
)
# Model asked for, upstream, endpoint, share, tokens of a usual prompt and answer.
CALLS = (
    ("gpt-4o", "openai", "chat_completions", 30, 1_400, 320),
    ("gpt-4o-mini", "openai", "chat_completions", 34, 900, 180),
    ("claude-sonnet-4", "anthropic", "messages", 14, 2_600, 540),
    ("llama-3.3-70b", "vllm-paris", "chat_completions", 12, 1_100, 260),
    ("text-embedding-3-large", "openai", "embeddings", 10, 420, 0),
)
# Nano-dollars for a token of the prompt and of the answer, as company.yaml has them.
PRICES = {
    "gpt-4o": (2_500, 10_000),
    "gpt-4o-mini": (150, 600),
    "claude-sonnet-4": (3_000, 15_000),
    "llama-3.3-70b": (0, 0),
    "text-embedding-3-large": (130, 0),
}


def found(gateway: Gateway, simulator: Simulator, *, crowd: bool) -> None:
    """Make it in a gateway that runs and has nothing; `crowd` adds a project with 100,000 tokens."""
    text = Template(CONFIGURATION.read_text()).safe_substitute(
        SIMULATOR=f"http://{simulator.address}", FACTORY=free_port(), PARTNERS=free_port()
    )
    with gateway.management() as client:
        client.configuration.apply(read_document(text, {}))
        projects = [
            client.projects.create(name=it.name, description=it.description, labels={"team": it.team})
            for it in TEAMS
        ]
        client.projects.update(client.projects.create(name="Spring campaign").id, is_active=False)
        caller = client.tokens.create(project_id=projects[0].id, name="smoke test")
        crowded = client.projects.create(name="Devices", description="A token for each machine in the field.")
    dice = random.Random(7)
    now = datetime.now(UTC)
    tokens = [
        token
        for team, project in zip(TEAMS, projects, strict=True)
        for token in _tokens(team, project.id, now, dice)
    ]
    shares = {project.id: team.share for team, project in zip(TEAMS, projects, strict=True)}
    events = list(_events(tokens, shares, now, dice))
    admitted = Counter(it.token_id for it in events if it.admission is Admission.LIMITED)
    tokens = [structs.replace(it, request_count=admitted[it.id]) for it in tokens]
    if crowd:
        tokens += _crowd(crowded.id, now, dice)
    _store(gateway.directory / "data" / EMBEDDED_FILE, tokens, events)
    for model in ("llama-3.3-70b",) * 4 + ("gpt-4o", "claude-sonnet-4", "no-such-model", "gpt-4o-mini"):
        _call(gateway, caller.token, model)


def _store(file: Path, tokens: Iterable[Token], events: list[UsageEvent]) -> None:
    """Write them as the store does, but in one step, and not in its thread, which lets others go first."""
    add_token, add_events = unwrap(SqliteTokens.add), unwrap(SqliteUsage.add)
    unopened = SqliteConnection(file, busy_seconds=0)
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        for token in tokens:
            add_token(SqliteTokens(unopened), db, token)
        for start in range(0, len(events), 1_000):
            add_events(SqliteUsage(unopened), db, events[start : start + 1_000])
        db.execute("COMMIT")


def _tokens(team: Team, project_id: str, now: datetime, dice: random.Random) -> Iterator[Token]:
    """Make the tokens of a team; those after the first have one state after the other."""
    for number, name in enumerate(team.tokens):
        made = now - timedelta(days=dice.randrange(31, 200))
        expires = {"staging": -3, "query service": 5, "workshop in May": -20, "android": 90, "jonas": 3}.get(
            name
        )
        yield _token(
            project_id,
            name,
            made,
            dice,
            expires_at=now + timedelta(days=expires) if expires else None,
            is_active=name not in {"local trial", "mei"},
            deactivated_at=now - timedelta(days=4) if name in {"local trial", "mei"} else None,
            max_requests={"evaluation": 60, "nightly batch": 2_000, "github action": 1_000}.get(name, 0),
            allowed_models=("gpt-4o*", "claude-sonnet-4") if number == 1 else (),
            description="Rotated each quarter." if number == 0 else "",
        )


def _crowd(project_id: str, now: datetime, dice: random.Random) -> Iterator[Token]:
    for number in range(CROWD):
        yield _token(project_id, f"device-{number:06}", now - timedelta(days=100, seconds=-number), dice)


def _token(project_id: str, name: str, made: datetime, dice: random.Random, **more: object) -> Token:
    digest = f"{dice.getrandbits(256):064x}"
    return Token(
        id=_id_at(Prefix.TOKEN, made, dice),
        project_id=project_id,
        name=name,
        digest=digest,
        hint=f"sk-tk-{digest[:2]}...{digest[-4:]}",
        created_at=made,
        updated_at=made,
        **more,  # type: ignore[arg-type]
    )


def _events(
    tokens: list[Token], shares: dict[str, int], now: datetime, dice: random.Random
) -> Iterator[UsageEvent]:
    """Make calls: more by day than by night and at weekends, a bad hour two days ago."""
    callers = [it for it in tokens if it.is_active and (it.expires_at is None or it.expires_at > now)]
    weights = [shares[it.project_id] for it in callers]
    counted = dict.fromkeys((it.id for it in tokens), 0)
    times = sorted(_moment(now, dice) for _ in range(EVENTS))
    for at in times:
        token = dice.choices(callers, weights)[0]
        if token.max_requests and counted[token.id] >= token.max_requests:
            continue
        counted[token.id] += 1
        yield _event(token, at, now, dice)


def _moment(now: datetime, dice: random.Random) -> datetime:
    while True:
        at = now - timedelta(seconds=dice.uniform(20, DAYS * 86_400))
        busy = (
            (0.25 + 0.75 * (7 <= at.hour <= 18))
            * (0.35 if at.weekday() > 4 else 1)
            * (1 - (now - at).days / 60)
        )
        if dice.random() < busy:
            return at


def _event(token: Token, at: datetime, now: datetime, dice: random.Random) -> UsageEvent:
    model, upstream, endpoint, _, prompt, answer = dice.choices(CALLS, [it[3] for it in CALLS])[0]
    bad = timedelta(hours=48) < now - at < timedelta(hours=51)
    status, error = 200, ""
    if dice.random() < (0.45 if bad else 0.025):
        status, error = dice.choice(
            ((429, ""), (502, "upstream_unreachable"), (504, "upstream_timeout"), (400, ""))
        )
    first = round(dice.lognormvariate(12.6, 0.5))
    attempts: tuple[UsageAttempt, ...] = (
        UsageAttempt(upstream, status if status < 502 else 0, error, first // 1_000),
    )
    if model == "gpt-4o" and dice.random() < (0.5 if bad else 0.06):
        attempts = (
            UsageAttempt("openai", 503, milliseconds=41),
            UsageAttempt("azure-sweden", 200, milliseconds=first // 1_000),
        )
        upstream, status, error = "azure-sweden", 200, ""
    spent = status == 200
    counts = TokenCounts(
        prompt=round(prompt * dice.lognormvariate(0, 0.4)),
        completion=round(answer * dice.lognormvariate(0, 0.5)),
        cached=round(prompt * 0.3) if dice.random() < 0.4 else 0,
        confidence=Confidence.EXACT,
    )
    of_prompt, of_answer = PRICES[model]
    return UsageEvent(
        id=_id_at(Prefix.REQUEST, at, dice),
        request_id=_id_at(Prefix.REQUEST, at, dice),
        project_id=token.project_id,
        token_id=token.id,
        model_asked="gpt-4" if model == "gpt-4o" and dice.random() < 0.2 else model,
        model_served=model if spent else "",
        upstream=upstream,
        endpoint=endpoint,
        status=status,
        error_code=error,
        streamed=endpoint != "embeddings" and dice.random() < 0.7,
        tokens=counts if spent else TokenCounts(),
        cost_nano_dollars=counts.prompt * of_prompt + counts.completion * of_answer if spent else 0,
        started_at=at,
        first_byte_us=first,
        duration_us=first + round(counts.completion * 9_000 * dice.uniform(0.8, 1.4)),
        request_bytes=prompt * 4,
        response_bytes=answer * 5 if spent else 180,
        admission=Admission.LIMITED if token.max_requests else Admission.UNLIMITED,
        attempts=attempts,
        listener="factory" if upstream == "vllm-paris" else "",
        group="gpu-cluster" if upstream == "vllm-paris" else "",
    )


def _id_at(prefix: Prefix, at: datetime, dice: random.Random) -> str:
    """Return an id as `new_id` would have made it at that time."""
    milliseconds = int(at.timestamp() * 1_000)
    moment = "".join(_ALPHABET[milliseconds >> shift & 31] for shift in range(45, -5, -5))
    return f"{prefix}_{moment}{''.join(dice.choices(_ALPHABET, k=16))}"


def _call(gateway: Gateway, secret: str, model: str) -> None:
    endpoint = "messages" if model.startswith("claude") else "chat/completions"
    body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]}
    request = urllib.request.Request(  # noqa: S310 - the gateway of the test
        f"{gateway.base_url}/{endpoint}",
        json.dumps(body).encode(),
        {"authorization": f"Bearer {secret}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as refusal:
        refusal.close()
