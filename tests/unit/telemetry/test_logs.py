"""Log lines: what they look like, and what never stands in one."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.token import new_secret
from tollkeeper_server.telemetry.logs import JsonFormatter, TextFormatter, redact, set_up_logging

CANARIES = [
    ("sk-tk-canary-0123456789_abcdef", "the token {} was refused"),
    ("sk-proj-canary0123456789", "'{}'"),
    ("sk-ant-api03-canary-0123", "x-api-key: {}"),
    ("canary", "Authorization: Bearer {}"),
    ("canary/+==", "authorization: bearer {}, next"),
    ("Y2FuYXJ5OmNhbmFyeQ==", "Authorization: Basic {}"),
    ("Y2FuYXJ5OmNhbmFyeQ==", "(b'authorization', b'basic {}')"),
    ("user:canary", "mongodb://{}@db.test/tollkeeper"),
    ("user:canary", "mongodb+srv://{}@db.test/tollkeeper"),
    (":canary", "redis://{}@cache.test:6379/0"),
    ("0123456789canary", "api-key: {}"),
    ("0123456789canary", "(b'api-key', b'{}')"),
    ("0123456789canary", '{{"api_key": "{}", "a": 1}}'),
    ("canary", "x-api-key={}"),
    ("canary", "connect(host='x', password='{}')"),
]


@pytest.mark.parametrize(("secret", "around"), CANARIES)
def test_what_looks_like_a_secret_is_struck_out(secret: str, around: str) -> None:
    line = around.format(secret)

    shown = redact(line)

    assert "canary" not in shown
    assert "Y2Fu" not in shown
    assert "****" in shown
    assert shown.split("****")[0] == line[: len(shown.split("****")[0])]


@pytest.mark.parametrize(
    "line",
    [
        "the api_key of upstream openai: a stored secret is damaged",
        "GET http://127.0.0.1:8080/v1/models 200",
        "request req_01jd8q3v8gq2x5 took 12 ms",
        "listening on http://127.0.0.1:3000",
        "task-1 and disk-space and ask-me are no secrets",
        "Basic auth is off",
        "user@example.org",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redact(line) == line


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_token_survives_whatever_stands_around_it(before: str, after: str) -> None:
    secret = new_secret()

    assert secret[6:] not in redact(f"{before} {secret} {after}")


def _record(message: str, *args: object, failure: BaseException | None = None) -> logging.LogRecord:
    info = (type(failure), failure, failure.__traceback__) if failure is not None else None
    return logging.LogRecord("tollkeeper.test", logging.WARNING, "x.py", 1, message, args, info)


def _failure() -> Exception:
    with pytest.raises(ValueError) as caught:
        int("Bearer canary")
    return caught.value


def test_a_text_line_has_time_level_name_and_message() -> None:
    time, level, name, message = TextFormatter().format(_record("%s of %d", "one", 2)).split(" ", 3)

    assert time.endswith("Z")
    assert datetime.fromisoformat(time).tzinfo is not None
    assert (level, name, message) == ("WARNING", "tollkeeper.test:", "one of 2")


def test_a_json_line_says_the_same() -> None:
    line = json.loads(JsonFormatter().format(_record('say "%s"\n', "é")))

    assert set(line) == {"time", "level", "logger", "message"}
    assert (line["level"], line["logger"], line["message"]) == ("warning", "tollkeeper.test", 'say "é"\n')


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_tracebacks_are_shown_without_their_secrets(formatter: logging.Formatter) -> None:
    line = formatter.format(_record("failed with sk-tk-canary0123", failure=_failure()))

    assert "ValueError" in line
    assert "canary" not in line


@given(st.text(st.characters(exclude_categories=[])))
def test_any_message_is_one_json_line(message: str) -> None:
    line = JsonFormatter().format(_record("%s", message))

    assert "\n" not in line
    assert isinstance(json.loads(line)["message"], str)


@pytest.fixture
def logging_as_found() -> Iterator[None]:
    """Puts the logging back as it was."""
    root, own, uvicorn = (logging.getLogger(name) for name in ("", "tollkeeper", "uvicorn.error"))
    handlers, levels = root.handlers[:], [one.level for one in (root, own, uvicorn)]
    yield
    root.handlers[:] = handlers
    for one, level in zip((root, own, uvicorn), levels, strict=True):
        one.setLevel(level)


@pytest.mark.usefixtures("logging_as_found")
def test_what_is_set_up_goes_to_standard_error_at_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    set_up_logging("info", as_json=True)
    logging.getLogger("tollkeeper.x").debug("no")
    logging.getLogger("tollkeeper.x").info("yes")
    logging.getLogger("library").info("no")
    logging.getLogger("library").warning("yes, Bearer canary")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["yes", "yes, Bearer ****"]


@pytest.mark.usefixtures("logging_as_found")
def test_setting_up_twice_does_not_say_things_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    set_up_logging("debug", as_json=False)
    set_up_logging("debug", as_json=False)
    logging.getLogger("tollkeeper").debug("once")

    assert stream.getvalue().count("once") == 1
