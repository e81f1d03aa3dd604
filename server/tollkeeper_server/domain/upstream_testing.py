"""Tests of upstreams: the steps of one, and what became of each."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class UpstreamTestStep(StrEnum):
    """A step of a test, in their order."""

    DNS = "dns"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"
    CREDENTIALS = "credentials"
    MODELS = "models"


class UpstreamTestOutcome(StrEnum):
    """What became of a step. SKIPPED: there was nothing to do, or an earlier one has failed."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class UpstreamTestResult(Struct, frozen=True, kw_only=True):
    """A step and what became of it. `detail` and `remedy` are for operators, and have no secrets."""

    step: UpstreamTestStep
    outcome: UpstreamTestOutcome
    duration_seconds: float = 0.0
    detail: str = ""
    remedy: str = ""


class UpstreamModel(Struct, frozen=True, kw_only=True):
    """A model that an upstream lists. `created_at` is None if it does not say."""

    name: str
    created_at: datetime | None
