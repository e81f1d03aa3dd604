"""Testing an upstream step by step, the way that calls go. It counts for no breaker and no usage."""

import asyncio
import time
from collections.abc import Sequence

from tollkeeper_server.dataplane.call.own_request import own_request
from tollkeeper_server.dataplane.call.redirect import REDIRECTS, follow
from tollkeeper_server.dataplane.transport import Dialled, Dialler, Transport, TransportError
from tollkeeper_server.domain.connect_failure import ConnectReason, ConnectStage
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.domain.upstream_testing import (
    UpstreamTestOutcome,
    UpstreamTestResult,
    UpstreamTestStep,
)
from tollkeeper_server.providers.model_list import read_model_list
from tollkeeper_server.snapshot.model import Target

_Step, _Outcome = UpstreamTestStep, UpstreamTestOutcome

CONNECT_SECONDS = 10.0
"""The longest time to connect; a shorter limit of the upstream's own holds, too."""
ANSWER_SECONDS = 15.0
"""The longest time for the list of models."""
_MAX_BYTES = 4 << 20
_EARLIER = "an earlier step has failed"
_REMEDIES = {
    ConnectReason.NAME: "see that the host in its URL is right, and that this machine can look it up",
    ConnectReason.REFUSED: "see that it runs, and that the port in its URL is right",
    ConnectReason.UNREACHABLE: "see that this machine has a way to it, or give it a proxy_url",
    ConnectReason.TIMED_OUT: "see that no firewall is in the way, or give it a proxy_url",
    ConnectReason.CLOSED: "see that it speaks HTTP at that port, with or without TLS as its URL says",
    ConnectReason.NO_TLS: "begin its URL with http:// if it speaks no TLS, or correct the port",
    ConnectReason.CERTIFICATE_UNKNOWN_AUTHORITY: "give its authority in ca_certificates",
    ConnectReason.CERTIFICATE_MISSING_INTERMEDIATE: (
        "have it send the intermediate certificate, or give that in ca_certificates"
    ),
    ConnectReason.CERTIFICATE_WRONG_HOST: "use the host in its URL that its certificate is for",
    ConnectReason.CERTIFICATE_EXPIRED: "have its certificate renewed",
    ConnectReason.CLIENT_CERTIFICATE_WANTED: "give it a client_certificate and client_key",
    ConnectReason.CLIENT_CERTIFICATE_REFUSED: "give it a client_certificate and client_key that it accepts",
    ConnectReason.PROXY_CREDENTIALS: "put the proxy's user name and password into proxy_url",
    ConnectReason.PROXY_DENIED: "have the proxy let connections to the upstream pass",
    ConnectReason.PROXY_FAILED: "see that the proxy reaches the upstream",
}


class UpstreamTester:
    """Tests upstreams with connections of its own, and one request for the list of models."""

    def __init__(self, dialler: Dialler, transport: Transport) -> None:
        self._dialler = dialler
        self._transport = transport

    async def test(self, target: Target) -> list[UpstreamTestResult]:
        """Return every step of a test, in their order. It takes at most 25 seconds."""
        url = target.list_url or target.full_url or target.base_url
        seconds = min(target.timeouts.connect, CONNECT_SECONDS)
        dialled = await self._dialler.dial(url, target.dial, seconds)
        steps = _connecting(dialled, has_proxy=bool(target.dial.proxy), has_tls=url.startswith("https://"))
        if dialled.error is not None:
            return [
                *steps,
                _skipped(_Step.CREDENTIALS, _EARLIER),
                _skipped(_Step.MODELS, _EARLIER),
            ]
        if not target.list_url:
            why = "there is no list of models to ask for at its API"
            return [
                *steps,
                _skipped(_Step.CREDENTIALS, why),
                _skipped(_Step.MODELS, why),
            ]
        return [*steps, *await self._asking(target)]

    async def _asking(self, target: Target) -> Sequence[UpstreamTestResult]:
        """Ask for the models. Whether a credential is accepted shows in the status alone."""
        began = time.monotonic()
        try:
            status, body = await self._read(target)
        except (TransportError, TimeoutError) as error:
            return (
                UpstreamTestResult(
                    step=_Step.CREDENTIALS,
                    outcome=_Outcome.FAILED,
                    duration_seconds=time.monotonic() - began,
                    detail=str(error) or "it did not answer in time",
                    remedy="see that it serves its API below its base_url",
                ),
                _skipped(_Step.MODELS, _EARLIER),
            )
        answered = time.monotonic()
        credentials = _credentials(target, status, answered - began)
        if credentials.outcome is _Outcome.FAILED:
            return credentials, _skipped(_Step.MODELS, _EARLIER)
        return credentials, await _models(status, body, answered)

    async def _read(self, target: Target) -> tuple[int, bytes | None]:
        """Return the status, and the body of a 200; None if that is too large."""
        limits = Timeouts(
            connect=CONNECT_SECONDS, first_byte=ANSWER_SECONDS, idle=ANSWER_SECONDS, total=ANSWER_SECONDS
        )
        request = own_request(target, target.list_url, target.credential, limits)
        body = bytearray()

        def take(chunk: bytes) -> bool:
            body.extend(chunk)
            return len(body) <= _MAX_BYTES

        began = time.monotonic()
        async with asyncio.timeout(ANSWER_SECONDS):
            incoming = await self._transport.open(request)
            if incoming.status in REDIRECTS:
                incoming = await follow(self._transport, request, incoming, began)
            try:
                if incoming.status != 200:
                    return incoming.status, b""
                is_whole = await incoming.pour(take)
            finally:
                incoming.close()
        return 200, bytes(body) if is_whole else None


def _connecting(dialled: Dialled, *, has_proxy: bool, has_tls: bool) -> list[UpstreamTestResult]:
    """Return the steps until connected; a handshake with the proxy is part of asking it for a way."""
    seconds = dict.fromkeys((_Step.DNS, _Step.CONNECT, _Step.PROXY, _Step.TLS), 0.0)
    last = _Step.DNS
    for it in dialled.stages:
        last = _step_of(it.stage, at_proxy=it.at_proxy)
        seconds[last] += it.seconds
    order = list(seconds)
    steps = []
    for step in order:
        if dialled.error is not None and step is last:
            problem = dialled.error.problem
            steps.append(
                UpstreamTestResult(
                    step=step,
                    outcome=_Outcome.FAILED,
                    duration_seconds=seconds[step],
                    detail=": ".join(filter(None, (str(dialled.error), problem.detail if problem else ""))),
                    remedy=_REMEDIES.get(problem.reason, "correct its URL, proxy_url or certificates")
                    if problem
                    else "try again",
                )
            )
        elif dialled.error is not None and order.index(step) > order.index(last):
            steps.append(_skipped(step, _EARLIER))
        elif step is _Step.PROXY and not has_proxy:
            steps.append(_skipped(step, "it is called without an outbound proxy"))
        elif step is _Step.TLS and not has_tls:
            steps.append(_skipped(step, "its URL says http://"))
        else:
            steps.append(
                UpstreamTestResult(step=step, outcome=_Outcome.PASSED, duration_seconds=seconds[step])
            )
    return steps


def _step_of(stage: ConnectStage, *, at_proxy: bool) -> UpstreamTestStep:
    match stage:
        case ConnectStage.ADDRESS:
            return _Step.CONNECT
        case ConnectStage.TUNNEL:
            return _Step.PROXY
        case ConnectStage.HANDSHAKE:
            return _Step.PROXY if at_proxy else _Step.TLS
        case _:
            return _Step.DNS


def _credentials(target: Target, status: int, seconds: float) -> UpstreamTestResult:
    outcome, detail, remedy = _Outcome.PASSED, f"it answered with status {status}", ""
    if status in {401, 403}:
        outcome = _Outcome.FAILED
        remedy = "give it an api_key that it accepts" if target.credential else "give it an api_key"
    elif not target.credential:
        outcome, detail = _Outcome.SKIPPED, "it has no credential, and asks for none"
    elif status != 200:
        outcome, detail = _Outcome.SKIPPED, f"a status of {status} does not tell"
    return UpstreamTestResult(
        step=_Step.CREDENTIALS,
        outcome=outcome,
        duration_seconds=seconds,
        detail=detail,
        remedy=remedy,
    )


async def _models(status: int, body: bytes | None, began: float) -> UpstreamTestResult:
    if status != 200:
        return UpstreamTestResult(
            step=_Step.MODELS,
            outcome=_Outcome.FAILED,
            detail=f"it answered with status {status}",
            remedy="see that base_url is right: paths of the API are appended to it",
        )
    if body is None:
        return UpstreamTestResult(
            step=_Step.MODELS,
            outcome=_Outcome.FAILED,
            detail=f"its list is larger than {_MAX_BYTES:,} bytes",
            remedy="see that base_url leads to its API",
        )
    try:
        found = await asyncio.to_thread(read_model_list, body)
    except ValueError as error:
        return UpstreamTestResult(
            step=_Step.MODELS,
            outcome=_Outcome.FAILED,
            duration_seconds=time.monotonic() - began,
            detail=str(error),
            remedy="see that base_url leads to its API, and not to a page",
        )
    return UpstreamTestResult(
        step=_Step.MODELS,
        outcome=_Outcome.PASSED,
        duration_seconds=time.monotonic() - began,
        detail=f"it lists {len(found):,} models",
    )


def _skipped(step: UpstreamTestStep, why: str) -> UpstreamTestResult:
    return UpstreamTestResult(step=step, outcome=_Outcome.SKIPPED, detail=why)
