"""Tests of upstreams, and the models that they list themselves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class UpstreamTestStep(StrEnum):
    """A step of a test. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    DNS = "dns"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"
    CREDENTIALS = "credentials"
    MODELS = "models"


class UpstreamTestOutcome(StrEnum):
    """What became of a step. Skipped: there was nothing to do, or an earlier step has failed."""

    UNKNOWN = "unknown"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTestResult:
    """A step, what became of it, and what to do about a failure."""

    step: UpstreamTestStep
    outcome: UpstreamTestOutcome
    duration: timedelta | None
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTest:
    """A test: it has `passed` if no step failed."""

    passed: bool
    steps: tuple[UpstreamTestResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamModel:
    """A model that an upstream lists. `created_at` is None if it does not say."""

    name: str
    created_at: datetime | None
