"""Log lines, as text for people or JSON for programs, with whatever looks like a secret struck out."""

import logging
import re
import sys
from datetime import UTC, datetime

import msgspec

# The code logs no secrets; this is for what libraries and tracebacks may say.
_SECRETS = re.compile(
    r"(?:\b(?:sk|pk|rk)-[A-Za-z0-9_-]{6,}"
    r"|(?i:(?<=bearer )[^\s\"',]+)"
    r"|(?i:(?<=basic )[A-Za-z0-9+/=]{6,})"
    r"|(?<=://)[^\s/@]*:[^\s/@]+(?=@))",
)
# What stands after a header's or setting's name, however it is written or quoted.
_NAMED = re.compile(r"(?i)((?:api[-_]?key|password)[\"']?\s*[=:,]\s*b?[\"']?)[^\s\"',)}\]]+")
_MASK = "****"


def redact(text: str) -> str:
    """Returns the text with everything struck out that looks like a token, a key or a password."""
    return _NAMED.sub(rf"\1{_MASK}", _SECRETS.sub(_MASK, text))


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO tollkeeper.room: message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line of a record, followed by its traceback if it has one."""
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line of a record."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info))
        # Texts from the operating system may have surrogates (PEP 383), which JSON can't have.
        printable = {name: value.encode(errors="backslashreplace").decode() for name, value in line.items()}
        return msgspec.json.encode(printable).decode()


def set_up_logging(level: str, *, as_json: bool) -> None:
    """Sends what is logged at `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("tollkeeper").setLevel(level.upper())
    # It says "ASGI callable returned without completing response" whenever an answer is broken off
    # on purpose; the data plane says why.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


def _time(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
