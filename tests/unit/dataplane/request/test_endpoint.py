"""Which endpoint a path is, and what no path may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.endpoint import Body, match
from tollkeeper_server.dataplane.request.path import MAX_PATH, check_query
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.dialects import anthropic, openai

METERED = {
    "chat/completions": ("chat_completions", openai.CHAT, Capability.CHAT_COMPLETIONS),
    "completions": ("completions", openai.COMPLETIONS, Capability.COMPLETIONS),
    "embeddings": ("embeddings", openai.EMBEDDINGS, Capability.EMBEDDINGS),
    "responses": ("responses", openai.RESPONSES, Capability.RESPONSES),
    "images/generations": ("images_generations", openai.IMAGES, Capability.IMAGES_GENERATIONS),
    "images/edits": ("images_edits", openai.IMAGES, Capability.IMAGES_EDITS),
    "images/variations": ("images_variations", openai.IMAGES, Capability.IMAGES_EDITS),
    "audio/transcriptions": ("audio_transcriptions", openai.TRANSCRIPTION, Capability.AUDIO_TRANSCRIPTIONS),
    "audio/translations": ("audio_translations", openai.TRANSCRIPTION, Capability.AUDIO_TRANSCRIPTIONS),
    "audio/speech": ("audio_speech", openai.SPEECH, Capability.AUDIO_SPEECH),
    "ocr": ("ocr", openai.OCR, None),
    "moderations": ("moderations", openai.OTHER, Capability.MODERATIONS),
    "messages": ("messages", anthropic.MESSAGES, Capability.MESSAGES),
    "messages/count_tokens": ("messages_count_tokens", anthropic.UNMETERED, Capability.MESSAGES),
}


@pytest.mark.parametrize("path", METERED)
@pytest.mark.parametrize("prefix", ["/v1/", "/", "/openai/v1/", "/openai/deployments/gpt-4o/"])
def test_every_metered_endpoint_is_known_in_every_form(prefix: str, path: str) -> None:
    matched = match(f"{prefix}{path}".encode(), "POST")

    name, dialect, capability = METERED[path]
    assert (name, dialect, capability) == (
        matched.endpoint.name,
        matched.endpoint.dialect,
        matched.endpoint.capability,
    )
    assert f"/{path}" == matched.path
    assert ("gpt-4o" if "deployments" in prefix else "") == matched.path_model


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("models", "models"),
        ("models/gpt-4o", "models"),
        ("files", "files"),
        ("files/file-1/content", "files"),
        ("uploads/u1/parts", "uploads"),
        ("batches/b1/cancel", "batches"),
        ("fine-tunes", "fine_tunes"),
        ("fine_tuning/jobs", "fine_tuning"),
        ("assistants", "assistants"),
        ("threads/t1/runs", "threads"),
        ("vector_stores/v1/search", "vector_stores"),
        ("responses/r1/input_items", "responses"),
        ("chat/completions/c1", "chat"),
        ("messages/batches", "messages_batches"),
        ("messages/batches/msgbatch_1/results", "messages_batches"),
        ("messages/other", "messages"),
        ("realtime/sessions", "realtime"),
    ],
)
@pytest.mark.parametrize("prefix", ["/v1/", "/"])
def test_families_are_known_with_and_without_version(prefix: str, path: str, name: str) -> None:
    matched = match(f"{prefix}{path}".encode(), "GET")

    assert name == matched.endpoint.name
    assert f"/{path}" == matched.path
    assert not matched.endpoint.dialect.is_metered


@pytest.mark.parametrize("path", ["files", "uploads/u/parts"])
def test_uploads_are_not_read(path: str) -> None:
    assert Body.STREAM is match(f"/v1/{path}".encode(), "POST").endpoint.body


def test_what_is_unknown_is_forwarded_only_below_the_version() -> None:
    assert match(b"/v1/rerank", "POST").endpoint.name == "other"
    with pytest.raises(TollkeeperError) as caught:
        match(b"/rerank", "POST")
    assert Reason.NOT_FOUND is caught.value.reason


@pytest.mark.parametrize(
    "path",
    [
        b"//",
        b"/health/",
        b"/v1",
        b"/favicon.ico",
        b"/manage/projects",
        b"/v2/chat/completions",
        # A second version would reach past the meters, where a base URL has none.
        b"/v1/v1/chat/completions",
        b"/v1//v1/embeddings",
        b"/v1/%761/files",
    ],
)
def test_what_is_nothing_is_not_found(path: bytes) -> None:
    with pytest.raises(TollkeeperError) as caught:
        match(path, "GET")
    assert Reason.NOT_FOUND is caught.value.reason


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "/responses/r1",
        "/v1/responses",
        "/v1/other",
        "/v1/rerank",
    ],
)
def test_reading_what_was_stored_is_not_metered_again(method: str, path: str) -> None:
    assert not match(path.encode(), method).endpoint.dialect.is_metered


@pytest.mark.parametrize(
    "path",
    [
        "chat/completions/c1",
        "responses/r1/cancel",
        "threads/t1/runs/r1",
        "threads/t1/runs/r1/cancel",
        "batches",
        "batches/b1/cancel",
        "files",
        "messages/count_tokens",
    ],
)
def test_posting_to_what_was_made_before_is_not_metered(path: str) -> None:
    assert not match(f"/v1/{path}".encode(), "POST").endpoint.dialect.is_metered


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("rerank", openai.OTHER),
        ("v/of/an/upstream", openai.OTHER),
        ("responses/compact", openai.OTHER_TEXT),
        ("threads/t1/runs", openai.OTHER_TEXT),
        ("threads/runs", openai.OTHER_TEXT),
        ("threads/t1/runs/r1/submit_tool_outputs", openai.OTHER_TEXT),
        ("audio/other", openai.OTHER),
        ("messages/other", anthropic.OTHER_TEXT),
    ],
)
def test_usage_is_read_at_every_endpoint_that_may_say_it(path: str, dialect: Dialect) -> None:
    assert match(f"/v1/{path}".encode(), "POST").endpoint.dialect is dialect


def test_a_response_that_is_streamed_again_has_its_end() -> None:
    assert match(b"/v1/responses/r1", "GET").endpoint.dialect.closes(b'data: {"type":"response.completed"}')


@pytest.mark.parametrize(
    "spelling",
    [
        b"/v1/chat/completions/",
        b"/v1//chat/completions",
        b"/v1/chat//completions",
        b"/v1/%63hat/completions",
        b"/v1/chat%2Fcompletions",
        b"/v1/Chat/Completions",
        b"/v1/chat/completions;a=b",
        b"/v1/chat;a/completions/;b",
    ],
)
def test_no_spelling_of_a_path_gets_round_its_meter(spelling: bytes) -> None:
    matched = match(spelling, "POST")

    assert matched.endpoint.dialect is openai.CHAT
    assert spelling.removeprefix(b"/v1") == matched.path.encode()


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"*",
        b"files",
        b"@other.test/files/x",
        b"%2fv1%2f@other.test/files/x",
        b"/v1/../manage",
        b"/v1/./files",
        b"/v1/files/..",
        b"/v1/..;/manage",
        b"/v1/..;a=b/manage",
        b"/v1/.;/files",
        b"/..;/v1/files",
        b"/v1/%2e%2e;a=b/",
        b"/v1/..%3b/manage",
        b"/v1/..%253Ba/manage",
        b"/v1/..%20/manage",
        b"/v1/files/..%00",
        b"/v1/files/..%09/x",
        b"/v1/files/..%00/x",
        b"/v1/files/..%00a;b/x",
        b"/v1/files/%1f..%7f/x",
        b"/v1/files/a%0d%0ax:%20y",
        b"/v1/files/a%250a",
        b"/v1/files/a%5cb",
        b"/v1/%c0%ae%c0%ae/manage",
        b"/v1/%C0%AFmanage",
        b"/v1/%u002e%u002e/manage",
        b"/v1/%2e%2e/manage",
        b"/v1/%2E./manage",
        b"/v1/%252e%252e/manage",
        b"/v1/files%2f..%2fx",
        b"/v1/files%5c..%5cx",
        b"/v1/files\\..\\x",
        b"/v1/chat/completions#x",
        b"/v1/files x",
        b"/v1/files\r\nx: y",
        b"/v1/files\x00",
        b"/v1/fil\xc3\xa9s",
        b"/v1/" + b"a" * MAX_PATH,
    ],
)
def test_what_no_upstream_should_see_is_refused(path: bytes) -> None:
    with pytest.raises(TollkeeperError) as caught:
        match(path, "GET")
    assert Reason.INVALID_ARGUMENT is caught.value.reason
    assert caught.value.field == "path"


def test_names_with_dots_are_no_dot_segments() -> None:
    assert match(b"/v1/models/gpt-3.5-turbo", "GET").path == "/models/gpt-3.5-turbo"
    assert match(b"/v1/files/...", "GET").path == "/files/..."
    assert match(b"/v1/files/.hidden;v=1", "GET").path == "/files/.hidden;v=1"
    assert match(b"/v1/files/a%00b", "GET").path == "/files/a%00b"
    assert match(b"/v1/files/a..b%20c%C3%A9", "GET").path == "/files/a..b%20c%C3%A9"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (b"/openai/deployments/my%20gpt/chat/completions", "my gpt"),
        (b"/openai/deployments/org%2Fmodel/embeddings", "org/model"),
        (b"/openai/deployments/%ff/embeddings", "\ufffd"),
    ],
)
def test_azures_form_names_the_model_decoded(path: bytes, model: str) -> None:
    assert model == match(path, "POST").path_model


@pytest.mark.parametrize(
    ("path", "as_openai", "name"),
    [
        (b"/openai/responses", "/responses", "responses"),
        (b"/openai/v1/responses", "/responses", "responses"),
        (b"/openai/files/file-1", "/files/file-1", "files"),
        (b"/openai/models", "/models", "models"),
        (b"/openai/batches", "/batches", "batches"),
        (b"/openai/deployments/gpt/chat/completions", "/chat/completions", "chat_completions"),
    ],
)
def test_azures_paths_are_those_of_openai(path: bytes, as_openai: str, name: str) -> None:
    matched = match(path, "POST")

    assert (matched.path, matched.endpoint.name, matched.is_azures) == (as_openai, name, True)


@pytest.mark.parametrize("path", [b"/openai/deployments", b"/openai/nothing", b"/openai/", b"/openai"])
def test_what_azure_does_not_serve_is_not_found(path: bytes) -> None:
    with pytest.raises(TollkeeperError) as caught:
        match(path, "POST")
    assert Reason.NOT_FOUND is caught.value.reason


@given(st.binary(max_size=60) | st.text("/.%2eEv1openaidplymts@#?", max_size=60).map(str.encode))
def test_a_path_is_matched_or_refused_and_never_reaches_another_host(raw: bytes) -> None:
    path, reason = "/", Reason.NOT_FOUND
    try:
        path = match(raw, "POST").path
    except TollkeeperError as error:
        reason = error.reason
    assert reason in {Reason.NOT_FOUND, Reason.INVALID_ARGUMENT}
    assert path.startswith("/")
    assert path.isascii()
    assert path.isprintable()
    assert not {"?", "#", "\\", " "} & set(path)


@pytest.mark.parametrize("query", [b"a b", b"a\r\nx: y", b"\x00", b"a#b", b"\xff", b"a\x7f"])
def test_a_query_that_would_break_the_request_line_is_refused(query: bytes) -> None:
    with pytest.raises(TollkeeperError) as caught:
        check_query(query)
    assert caught.value.field == "query"


@pytest.mark.parametrize("query", [b"", b"limit=10&after=x%20y", b"a=[1]&b={}&c=\"'"])
def test_usual_queries_pass(query: bytes) -> None:
    check_query(query)


@pytest.mark.parametrize("path", METERED)
def test_a_model_is_needed_where_the_specifications_demand_it(path: str) -> None:
    optional = {"responses", "images/generations", "images/edits", "images/variations", "moderations", "ocr"}

    assert match(f"/v1/{path}".encode(), "POST").endpoint.needs_model is (path not in optional)


@pytest.mark.parametrize(
    ("path", "runs"),
    [
        ("responses", True),
        ("responses/compact", True),
        ("responses/resp_1/cancel", False),
        ("messages/batches", True),
        ("messages/batches/msgbatch_1/cancel", False),
        ("batches/batch_1/cancel", False),
        ("threads/t/runs", True),
        ("threads/t/runs/r", False),
        ("threads/t/runs/r/cancel", False),
        ("images/generations", True),
        ("files", False),
        ("anything", True),
        ("anything/cancel", True),
    ],
)
def test_what_may_run_a_model_that_it_does_not_name(path: str, runs: bool) -> None:
    assert match(f"/v1/{path}".encode(), "POST").endpoint.runs_models is runs


@pytest.mark.parametrize("path", ["messages/batches", "messages/batches/msgbatch_1", "evals/e/runs"])
def test_what_upstreams_keep_is_reached_there_again(path: str) -> None:
    assert match(f"/v1/{path}".encode(), "POST").endpoint.keeps
