"""Log lines, as text for people or JSON for programs. Text that looks like a secret is masked."""

import logging
import re
import sys
from datetime import UTC, datetime

import msgspec

# Our own code logs no secrets; these patterns are for the messages of libraries and for tracebacks.
_SECRETS = re.compile(
    r"(?:\b(?:sk|pk|rk)-[A-Za-z0-9_-]{6,}"
    r"|(?i:(?<=bearer )[^\s\"',]+)"
    r"|(?i:(?<=basic )[A-Za-z0-9+/=]{6,})"
    r"|(?<=://)[^\s/@]*:[^\s/@]+(?=@))",
)
# The value after the name of a secret header or setting, in any spelling and quoting.
_NAMED = re.compile(r"(?i)((?:api[-_]?key|password)[\"']?\s*[=:,]\s*b?[\"']?)[^\s\"',)}\]]+")
_MASK = "****"


def redact(text: str) -> str:
    """Return the text with everything masked that looks like a token, a key or a password."""
    return _NAMED.sub(rf"\1{_MASK}", _SECRETS.sub(_MASK, text))


class TextFormatter(logging.Formatter):
    """Formats a record as `2026-01-31T12:00:00.000Z INFO tollkeeper.room: message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, followed by its traceback if it has one."""
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


class JsonFormatter(logging.Formatter):
    """Formats a record as a line with one JSON object: time, level, logger, message, and any traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info))
        # Texts from the operating system may contain surrogates (PEP 383), which JSON can't contain.
        printable = {name: value.encode(errors="backslashreplace").decode() for name, value in line.items()}
        return msgspec.json.encode(printable).decode()


def set_up_logging(level: str, *, as_json: bool) -> None:
    """Write our log messages of `level` and above, and warnings of libraries, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("tollkeeper").setLevel(level.upper())
    # uvicorn logs "ASGI callable returned without completing response" for every answer that is broken off
    # on purpose; the data plane logs the reason.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


def _time(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
