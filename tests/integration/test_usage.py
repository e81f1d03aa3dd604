"""What each request is accounted for: as much as the provider said, and how sure that is.

The simulator counts a word as a token, a message as three more, a second of sound as ten; so every
figure here is known beforehand (simulator/wording.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import pytest
from tollkeeper import Confidence, UsageEvent, UsageGroup, UsageRow

from tests.integration.process import Gateway
from tests.integration.wire import Answer, ask, bearer, form

Content = dict[str, object]

EXACT, ESTIMATED, NONE = Confidence.EXACT, Confidence.ESTIMATED, Confidence.NONE
MESSAGES = [{"role": "user", "content": "one two three"}]
PROMPT = 6
CHAT: Content = {"model": "gpt-4o", "messages": MESSAGES}
MESSAGE: Content = {"model": "claude-of-the-tests", "max_tokens": 99, "messages": MESSAGES}
TEXT: Content = {"model": "gpt-4o", "prompt": "one two three"}
RESPONSE: Content = {"model": "gpt-4o", "input": "one two three"}
IMAGE: Content = {"model": "gpt-image-1", "prompt": "a small gate"}
SPEECH: Content = {"model": "tts-1", "voice": "alloy", "input": "one two three"}
SOUND = {"file": bytes(64_000)}
SECONDS = 2
PICTURE = 272
PICTURE_READ = 194
SPOKEN = len("one two three")


@dataclass(frozen=True)
class Form:
    fields: dict[str, str]
    files: dict[str, bytes]


@dataclass(frozen=True)
class Used:
    """What an event says was used."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    audio_milliseconds: int = 0
    images: int = 0
    characters: int = 0
    confidence: Confidence = EXACT


def used(event: UsageEvent) -> Used:
    return Used(
        event.prompt_tokens,
        event.completion_tokens,
        event.cached_tokens,
        event.reasoning_tokens,
        event.audio_milliseconds,
        event.images,
        event.characters,
        event.confidence,
    )


@dataclass(frozen=True)
class Case:
    """A request, and what the simulator is asked to do about it."""

    path: str
    content: Content | Form
    simulate: str = ""


def send(gateway: Gateway, secret: str, case: Case) -> Answer:
    """Send a request and returns its answer."""
    if isinstance(case.content, Form):
        kind, body = form(case.content.fields, case.content.files)
    else:
        kind, body = "application/json", msgspec.json.encode(case.content)
    headers = [bearer(secret), ("content-type", kind), ("x-simulate", case.simulate)]
    return ask(gateway.data, "POST", f"/v1/{case.path}", headers, body)


def event_of(gateway: Gateway, answer: Answer) -> UsageEvent:
    """Wait for the event of the request that was answered."""
    return gateway.event_of(answer.header("x-request-id") or "")


def transcription(model: str, **fields: str) -> Form:
    return Form({"model": model, **fields}, SOUND)


CHATS, TEXTS, RESPONSES = "chat/completions", "completions", "responses"
IMAGES, TRANSCRIPTIONS = "images/generations", "audio/transcriptions"
STREAM: Content = {"stream": True}
ASKED: Content = {"stream": True, "stream_options": {"include_usage": True}}
SUBTLE = "events=5,cached=2,reasoning=4"
SUBTLE_USED = Used(PROMPT, 9, 2, 4)
CACHED = "events=5,cached=2,cache-creation=3"
NOTHING = Used(confidence=NONE)

SAID: dict[str, tuple[Case, Used]] = {
    "chat": (Case(CHATS, CHAT, SUBTLE), SUBTLE_USED),
    "chat, streamed": (Case(CHATS, CHAT | STREAM, SUBTLE), SUBTLE_USED),
    "chat, streamed and asked": (Case(CHATS, CHAT | ASKED, SUBTLE), SUBTLE_USED),
    "chat, oddly framed": (Case(CHATS, CHAT | STREAM, f"{SUBTLE},crlf,split=5,comments"), SUBTLE_USED),
    "chat, compressed": (Case(CHATS, CHAT, f"{SUBTLE},gzip"), SUBTLE_USED),
    "chat, several choices": (Case(CHATS, CHAT | {"n": 3}, "events=5"), Used(PROMPT, 15)),
    "completions": (Case(TEXTS, TEXT, SUBTLE), Used(3, 9, 2, 4)),
    "completions, streamed": (Case(TEXTS, TEXT | STREAM, SUBTLE), Used(3, 9, 2, 4)),
    "completions, streamed and asked": (Case(TEXTS, TEXT | ASKED, SUBTLE), Used(3, 9, 2, 4)),
    "embeddings": (Case("embeddings", {"model": "e", "input": ["one two", "three"]}), Used(3)),
    "responses": (Case(RESPONSES, RESPONSE, SUBTLE), SUBTLE_USED),
    "responses, streamed": (Case(RESPONSES, RESPONSE | STREAM, SUBTLE), SUBTLE_USED),
    "responses, failed": (Case(RESPONSES, RESPONSE | STREAM, f"{SUBTLE},failed"), SUBTLE_USED),
    "responses, incomplete": (Case(RESPONSES, RESPONSE | STREAM | {"max_output_tokens": 2}), Used(PROMPT, 2)),
    "images": (Case(IMAGES, IMAGE | {"n": 2}), Used(3, 2 * PICTURE, images=2)),
    "images, streamed": (Case(IMAGES, IMAGE | STREAM | {"partial_images": 2}), Used(3, PICTURE, images=1)),
    "images without usage": (Case(IMAGES, IMAGE | {"model": "dall-e-3"}), Used(images=1, confidence=NONE)),
    "image edits": (
        Case("images/edits", Form({"model": "gpt-image-1", "prompt": "a small gate"}, {"image": b"png"})),
        Used(3 + PICTURE_READ, PICTURE, images=1),
    ),
    "image variations": (
        Case("images/variations", Form({"model": "dall-e-2", "n": "2"}, {"image": b"png"})),
        Used(images=2, confidence=NONE),
    ),
    "transcription by duration": (
        Case(TRANSCRIPTIONS, transcription("whisper-1")),
        Used(audio_milliseconds=SECONDS * 1000),
    ),
    "transcription by tokens": (
        Case(TRANSCRIPTIONS, transcription("gpt-4o-transcribe", prompt="two words"), "events=5"),
        Used(SECONDS * 10 + 2, 5),
    ),
    "transcription, streamed": (
        Case(TRANSCRIPTIONS, transcription("gpt-4o-transcribe", stream="true"), "events=5"),
        Used(SECONDS * 10, 5),
    ),
    "transcription as text": (
        Case(TRANSCRIPTIONS, transcription("whisper-1", response_format="srt")),
        NOTHING,
    ),
    "translation": (Case("audio/translations", transcription("whisper-1")), NOTHING),
    "speech": (Case("audio/speech", SPEECH), Used(characters=SPOKEN, confidence=NONE)),
    "speech, streamed as events": (
        Case("audio/speech", SPEECH | {"stream_format": "sse"}),
        Used(3, 80, characters=SPOKEN),
    ),
    "moderations": (Case("moderations", {"input": "one"}), NOTHING),
    "messages": (Case("messages", MESSAGE, CACHED), Used(PROMPT, 5, 2)),
    "messages, streamed": (
        Case("messages", MESSAGE | STREAM, f"{CACHED},message-deltas=3,reasoning=4"),
        Used(PROMPT, 9, 2),
    ),
    "messages, counted": (Case("messages/count_tokens", MESSAGE), NOTHING),
}
SILENCE = "no-usage,events=40"
UNSAID = {
    "chat": Case(CHATS, CHAT, SILENCE),
    "chat, streamed": Case(CHATS, CHAT | STREAM, SILENCE),
    "completions, streamed": Case(TEXTS, TEXT | STREAM, SILENCE),
    "responses": Case(RESPONSES, RESPONSE, SILENCE),
    "responses, streamed": Case(RESPONSES, RESPONSE | STREAM, SILENCE),
    "messages": Case("messages", MESSAGE, SILENCE),
    "messages, streamed": Case("messages", MESSAGE | STREAM, SILENCE),
}
REFUSED = {
    f"{path} {status}": (Case(path, content, f"status={status}"), status)
    for path, content in ((CHATS, CHAT | STREAM), ("messages", MESSAGE))
    for status in (400, 401, 403, 404, 429, 500, 503)
}
Outcomes = dict[tuple[str, str], tuple[Answer, UsageEvent]]


@pytest.fixture(scope="module")
def outcomes(gateway: Gateway) -> Outcomes:
    """What every case came to. All are sent before the first event is waited for."""
    secret = gateway.new_token()
    cases = {("said", name): case for name, (case, _) in SAID.items()}
    cases |= {("unsaid", name): case for name, case in UNSAID.items()}
    cases |= {("refused", name): case for name, (case, _) in REFUSED.items()}
    answers = {key: send(gateway, secret, case) for key, case in cases.items()}
    return {key: (answer, event_of(gateway, answer)) for key, answer in answers.items()}


@pytest.mark.parametrize("name", SAID)
def test_what_the_provider_says_is_what_is_recorded(outcomes: Outcomes, name: str) -> None:
    case, expected = SAID[name]
    answer, event = outcomes["said", name]
    assert answer.status == event.status == 200
    assert used(event) == expected
    assert event.endpoint == case.path.replace("/", "_")
    assert event.streamed is (answer.header("content-type") or "").startswith("text/event-stream")
    assert event.response_bytes == len(answer.body)
    assert event.error_code == ""
    assert event.duration_microseconds >= event.first_byte_microseconds > 0


@pytest.mark.parametrize("name", UNSAID)
def test_what_the_provider_does_not_say_is_estimated(outcomes: Outcomes, name: str) -> None:
    answer, event = outcomes["unsaid", name]
    assert answer.status == 200
    assert event.confidence is ESTIMATED
    assert event.prompt_tokens == 4  # 13 bytes, four to a token
    # Forty words of the simulator are a good two hundred bytes.
    assert 40 < event.completion_tokens < 80


@pytest.mark.parametrize("name", REFUSED)
def test_an_error_of_the_provider_costs_nothing(outcomes: Outcomes, name: str) -> None:
    answer, event = outcomes["refused", name]
    _, status = REFUSED[name]
    assert answer.status == event.status == (502 if status == 401 else status)
    assert used(event) == NOTHING


def test_what_the_gateway_refuses_costs_nothing(gateway: Gateway) -> None:
    limited = gateway.new_token(allowed_models=["gpt-4o"])
    answer = send(gateway, limited, Case(CHATS, CHAT | {"model": "other"}))
    event = event_of(gateway, answer)
    assert (answer.status, event.status, event.error_code) == (403, 403, "model_not_allowed")
    assert (event.model_asked, event.upstream) == ("other", "")
    assert used(event) == NOTHING


def test_what_is_read_or_deleted_is_not_counted_again(gateway: Gateway, token: str) -> None:
    made = send(gateway, token, Case(RESPONSES, RESPONSE)).json()
    path = f"/v1/responses/{made['id']}"
    for method, where in (("GET", path), ("GET", f"{path}/input_items"), ("DELETE", path)):
        answer = ask(gateway.data, method, where, [bearer(token)])
        assert (answer.status, used(event_of(gateway, answer))) == (200, NOTHING)


def test_a_stranger_leaves_no_event(gateway: Gateway, token: str) -> None:
    refused = ask(gateway.data, "GET", "/v1/files", [bearer("sk-tk-unknown")])
    event_of(gateway, ask(gateway.data, "GET", "/v1/files", [bearer(token)]))  # later, and yet written
    assert gateway.usage(request_id=refused.header("x-request-id") or "") == []


def sums(events: Sequence[UsageEvent]) -> tuple[int, ...]:
    return (
        len(events),
        sum(event.status >= 400 for event in events),
        sum(event.confidence is ESTIMATED for event in events),
        sum(event.prompt_tokens for event in events),
        sum(event.completion_tokens for event in events),
        sum(event.cached_tokens for event in events),
        sum(event.reasoning_tokens for event in events),
        sum(event.audio_milliseconds for event in events),
        sum(event.images for event in events),
        sum(event.characters for event in events),
    )


@pytest.fixture(scope="module")
def spent(gateway: Gateway) -> list[UsageEvent]:
    """The events of a project that used a bit of everything."""
    secret = gateway.mint().token
    cases = [
        SAID[it][0]
        for it in ("chat", "chat, streamed", "messages", "images", "transcription by duration", "speech")
    ]
    cases += [UNSAID["chat"], REFUSED[f"{CHATS} 500"][0]]
    answers = [send(gateway, secret, case) for case in cases]
    return [event_of(gateway, answer) for answer in answers]


def started(event: UsageEvent) -> datetime:
    assert event.started_at is not None
    return event.started_at.replace(minute=0, second=0, microsecond=0)


GROUPS: dict[UsageGroup, tuple[Callable[[UsageEvent], object], Callable[[UsageRow], object]]] = {
    UsageGroup.PROJECT: (lambda event: event.project_id, lambda row: row.project_id),
    UsageGroup.TOKEN: (lambda event: event.token_id, lambda row: row.token_id),
    UsageGroup.MODEL: (lambda event: event.model_served, lambda row: row.model),
    UsageGroup.UPSTREAM: (lambda event: event.upstream, lambda row: row.upstream),
    UsageGroup.DAY: (lambda event: started(event).replace(hour=0), lambda row: row.start_time),
    UsageGroup.HOUR: (started, lambda row: row.start_time),
    UsageGroup.ENDPOINT: (lambda event: event.endpoint, lambda row: row.endpoint),
    UsageGroup.STATUS_CLASS: (lambda event: f"{event.status // 100}xx", lambda row: row.status_class),
    UsageGroup.ERROR_CODE: (lambda event: event.error_code, lambda row: row.error_code),
    UsageGroup.MINUTE: (
        lambda event: event.started_at and event.started_at.replace(second=0, microsecond=0),
        lambda row: row.start_time,
    ),
    UsageGroup.WEEK: (
        lambda event: started(event).replace(hour=0) - timedelta(days=started(event).weekday()),
        lambda row: row.start_time,
    ),
    UsageGroup.MONTH: (lambda event: started(event).replace(hour=0, day=1), lambda row: row.start_time),
}


def row_sums(row: UsageRow) -> tuple[int, ...]:
    return (
        row.requests,
        row.failed_requests,
        row.estimated_requests,
        row.prompt_tokens,
        row.completion_tokens,
        row.cached_tokens,
        row.reasoning_tokens,
        row.audio_milliseconds,
        row.images,
        row.characters,
    )


def test_the_sum_of_a_project_is_that_of_its_events(gateway: Gateway, spent: list[UsageEvent]) -> None:
    project = spent[0].project_id
    stored = gateway.usage(project_id=project)
    assert {event.id for event in stored} == {event.id for event in spent}
    with gateway.management() as client:
        (row,) = client.usage.summary(project_id=project)
    assert row_sums(row) == sums(spent)
    assert all(row_sums(row)), "every kind of figure is there"


@pytest.mark.parametrize("group", UsageGroup)
def test_the_sums_of_groups_are_those_of_their_events(
    gateway: Gateway, spent: list[UsageEvent], group: UsageGroup
) -> None:
    of_event, of_row = GROUPS[group]
    with gateway.management() as client:
        since = min(started(event) for event in spent) - timedelta(hours=1)
        rows = client.usage.summary(group_by=[group], project_id=spent[0].project_id, start_time=since)
    expected = {of_event(event): [e for e in spent if of_event(e) == of_event(event)] for event in spent}
    assert {of_row(row): row_sums(row) for row in rows} == {key: sums(it) for key, it in expected.items()}
