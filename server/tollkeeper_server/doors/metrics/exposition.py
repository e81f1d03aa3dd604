"""`/metrics`: the counters of telemetry/metrics.py and the gauges, in Prometheus's formats.

The README lists names and labels.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics

from tollkeeper_server.domain.limit import Measure
from tollkeeper_server.domain.price import NANO_IN_DOLLAR
from tollkeeper_server.doors.http import Response
from tollkeeper_server.doors.metrics.families import counters, counts, gauges, histograms, values
from tollkeeper_server.doors.metrics.llmproxy import llmproxy_pieces
from tollkeeper_server.telemetry.metrics import Gauges, Metrics

BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}


_END = b"# EOF\n"


class Exposition:
    """Answers scrapes, in slices of about a millisecond between which the event loop serves others."""

    def __init__(
        self,
        look: Callable[[], Awaitable[tuple[Metrics, Gauges]]],
        version: str,
        *,
        llmproxy_names: bool = False,
    ) -> None:
        """Call `look` at every scrape. `llmproxy_names` adds the families of llmproxy.py."""
        self._look = look
        self._version = version
        self._llmproxy_names = llmproxy_names
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)
        self._writing: dict[bool, asyncio.Task[Response]] = {}

    async def answer(self, accept: str) -> Response:
        """Return all families: in OpenMetrics 1.0 if the scraper accepts it, else in text format 0.0.4.

        Scrapers who come while it is written get what is written.
        """
        is_open = _accepts_openmetrics(accept)
        writing = self._writing.get(is_open)
        if writing is None:
            writing = self._writing[is_open] = asyncio.create_task(self._write(is_open=is_open))
            writing.add_done_callback(lambda _: self._writing.pop(is_open))
        return await asyncio.shield(writing)

    async def _write(self, *, is_open: bool) -> Response:
        encode = openmetrics.generate_latest if is_open else generate_latest
        parts: list[bytes] = []
        name = ""
        for piece in self._pieces(*await self._look()):
            text = encode(_Alone(piece)).removesuffix(_END)
            if piece.name == name:  # HELP and TYPE were written with its first piece
                text = text.split(b"\n", 2)[2]
            name = piece.name
            parts.append(text)
            await asyncio.sleep(0)
        if is_open:
            parts.append(_END)
        content_type = openmetrics.CONTENT_TYPE_LATEST if is_open else CONTENT_TYPE_PLAIN_0_0_4
        return Response(200, b"".join(parts), {"content-type": content_type})

    def _pieces(self, metrics: Metrics, now: Gauges) -> Iterator[Metric]:
        """Yield the families; a large one comes in several pieces, one after the other."""
        yield from self._requests(metrics)
        yield from self._upstreams(metrics)
        yield from self._breakers(metrics, now)
        yield from self._process_itself(metrics, now)
        if self._llmproxy_names:
            yield from llmproxy_pieces(metrics, now)
        yield from self._process.collect()

    def _requests(self, metrics: Metrics) -> Iterator[Metric]:
        yield from counters(
            "tollkeeper_http_requests",
            "Requests that were answered or broke off; status 0 is no answer.",
            ("listener", "method", "endpoint", "status"),
            values(metrics.requests),
        )
        yield from histograms(
            "tollkeeper_http_request_duration_seconds",
            "From a request's head to its answer's end.",
            ("listener", "method", "endpoint"),
            list(metrics.request_durations.items()),
        )
        yield from counters(
            "tollkeeper_http_request_errors",
            "Requests that failed, by the code of the error; upstream_status is an upstream's own answer.",
            ("listener", "error", "status"),
            values(metrics.errors),
        )
        yield from gauges(
            "tollkeeper_requests_in_flight",
            "Requests under way.",
            ("listener",),
            [((listener,), count) for listener, count in metrics.in_flight.items()],
        )
        yield from counters(
            "tollkeeper_ratelimit",
            "Requests refused by a listener's limit on an IP address.",
            ("listener",),
            values(metrics.rate_limits),
        )
        limited = ("scope", "measure")
        yield from counters(
            "tollkeeper_limit_refusals",
            "Requests, and answers on their way, that a limit refused, by the kind of what it stands on.",
            limited,
            values(metrics.limit_refusals),
        )
        yield from counters(
            "tollkeeper_limit_clamped",
            "Requests whose answers were made shorter, as a limit had no more left.",
            limited,
            values(metrics.limit_clamps),
        )
        yield from counters(
            "tollkeeper_limit_overdrawn",
            "What requests used of budgets beyond what they had reserved: requests, tokens, dollars.",
            limited,
            [
                ((scope, measure), one.value / NANO_IN_DOLLAR if measure == Measure.MONEY else one.value)
                for (scope, measure), one in metrics.overdrafts.items()
            ],
        )
        yield from counters(
            "tollkeeper_limit_thresholds",
            "Budgets that were used up to a threshold in a period.",
            (*limited, "percent"),
            values(metrics.thresholds),
        )
        yield from counters(
            "tollkeeper_route_matches",
            "Requests that a listener's rule or default sent to a group.",
            ("listener", "group"),
            values(metrics.matches),
        )
        yield from counters(
            "tollkeeper_fallbacks",
            "Requests for a model that fell back to another.",
            ("model", "to"),
            values(metrics.fallbacks),
        )
        served = list(metrics.served.items())
        yield from histograms(
            "tollkeeper_time_to_first_token_seconds",
            "From a request's head to the first byte of its stream.",
            ("model", "upstream"),
            [(labels, series.first_bytes) for labels, series in served if series.first_bytes.count],
        )
        kinds = ("prompt", "completion", "cached", "reasoning")
        yield from counters(
            "tollkeeper_tokens",
            "Tokens consumed; prompt includes cached, completion includes reasoning.",
            ("model", "upstream", "kind"),
            [((*labels, kind), getattr(series, kind)) for labels, series in served for kind in kinds],
        )
        yield from counters(
            "tollkeeper_cost_dollars",
            "What requests cost, as far as it is known.",
            ("model", "upstream"),
            [(labels, series.cost / NANO_IN_DOLLAR) for labels, series in served],
        )

    def _upstreams(self, metrics: Metrics) -> Iterator[Metric]:
        calls = list(metrics.upstream_durations.items())
        labels = ("group", "upstream")
        yield from counters(
            "tollkeeper_upstream_requests", "Calls of upstreams that ended.", labels, counts(calls)
        )
        yield from histograms(
            "tollkeeper_upstream_duration_seconds", "Duration of calls of upstreams.", labels, calls
        )
        yield from counters(
            "tollkeeper_upstream_errors",
            "Calls of upstreams that failed: connect, timeout, garbage, cut, http_503 and so on.",
            (*labels, "error"),
            values(metrics.upstream_errors),
        )
        yield from counters(
            "tollkeeper_upstream_connect_failures",
            "Connections that failed, at the upstream or its outbound proxy.",
            ("upstream", "at", "reason"),
            values(metrics.connect_failures),
        )
        yield from counters(
            "tollkeeper_upstream_retries",
            "Calls of upstreams that repeat a failed call.",
            labels,
            values(metrics.retries),
        )
        yield from counters(
            "tollkeeper_model_lists",
            "Lists of models that upstreams were asked for: success, failure.",
            ("upstream", "result"),
            values(metrics.model_lists),
        )

    def _breakers(self, metrics: Metrics, now: Gauges) -> Iterator[Metric]:
        yield from gauges(
            "tollkeeper_circuitbreaker_state",
            "The state of an upstream's breaker: 0 closed, 1 half open, 2 open.",
            ("upstream",),
            [((name,), BREAKER_STATES[state]) for name, state in now.breakers.items()],
        )
        yield from counters(
            "tollkeeper_circuitbreaker_state_changes",
            "Changes of state of upstreams' breakers.",
            ("upstream", "from", "to"),
            values(metrics.breaker_changes),
        )
        yield from counters(
            "tollkeeper_circuitbreaker_calls",
            "Calls through upstreams' breakers: success, failure, rejected.",
            ("upstream", "result"),
            values(metrics.breaker_calls),
        )
        yield from gauges(
            "tollkeeper_upstream_in_flight",
            "Calls of an upstream under way.",
            ("upstream",),
            [((name,), count) for name, count in now.calls.items()],
        )
        yield from gauges(
            "tollkeeper_upstream_client_certificate_expiry_timestamp_seconds",
            "When an upstream's client certificate expires, in seconds since 1970.",
            ("upstream",),
            [((name,), end) for name, end in now.certificates.items()],
        )

    def _process_itself(self, metrics: Metrics, now: Gauges) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "tollkeeper_snapshot_age_seconds",
            "Seconds since the store last confirmed the configuration in force.",
            now.snapshot_age,
        )
        yield GaugeMetricFamily(
            "tollkeeper_snapshot_revision",
            "The revision of the configuration in force.",
            now.snapshot_revision,
        )
        yield GaugeMetricFamily(
            "tollkeeper_usage_journal_waiting",
            "Usage events, and requests under way, only in memory, because the journal can't be written.",
            now.journal_waiting,
        )
        yield GaugeMetricFamily(
            "tollkeeper_usage_journal_skipped",
            "Lines of the usage journal that could not be read.",
            now.journal_skipped,
        )
        yield GaugeMetricFamily(
            "tollkeeper_usage_drain_lag_seconds",
            "Seconds since all usage events had reached the store.",
            now.drain_lag,
        )
        if now.ledger_is_shared is not None:
            yield GaugeMetricFamily(
                "tollkeeper_ledger_is_shared",
                "1 while the ledger that processes share answers, 0 while limits go on by a share of them.",
                float(now.ledger_is_shared),
            )
        yield GaugeMetricFamily(
            "tollkeeper_management_streams",
            "Streams of the management plane under way.",
            now.streams,
        )
        yield CounterMetricFamily(
            "tollkeeper_usage_watch_dropped",
            "Usage events that callers who watch were not told of, because they read too slowly.",
            now.watch_dropped,
        )
        yield from counters(
            "tollkeeper_sign_ins",
            "Attempts to sign in: ok, a wrong token, or limited as too many had failed.",
            ("outcome",),
            values(metrics.sign_ins),
        )
        yield from gauges(
            "tollkeeper_open_connections",
            "Connections of callers.",
            ("listener",),
            [((name,), count) for name, count in now.connections.items()],
        )
        yield from counters(
            "tollkeeper_name_look_ups",
            "Look-ups of names: success, failure; stale is an answer that serves on while they fail.",
            ("result",),
            [((str(result),), count) for result, count in now.look_ups.items()],
        )
        yield from counters(
            "tollkeeper_shortages",
            "What could not be done because this machine had run out of something.",
            ("kind",),
            [((kind,), count) for kind, count in now.shortages.items()],
        )
        yield from counters(
            "tollkeeper_connections_refused",
            "Connections refused, given up as their callers took no answers, or whose handshake failed.",
            ("port", "reason"),
            list(now.refused.items()),
        )
        if now.certificate_end is not None:
            yield GaugeMetricFamily(
                "tollkeeper_certificate_expiry_timestamp_seconds",
                "When the certificate of this process expires, in seconds since 1970.",
                now.certificate_end,
            )
        yield from gauges(
            "tollkeeper_build_info", "The version that runs.", ("version",), [((self._version,), 1)]
        )


class _Alone:
    """A registry with one family, which is what the encoders take."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


def _accepts_openmetrics(accept: str) -> bool:
    kinds = (kind.partition(";")[0].strip().lower() for kind in accept.split(","))
    return "application/openmetrics-text" in kinds
